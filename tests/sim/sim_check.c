/* V1 to V8 of saga.md, at every moment where they can be looked at, and when the world has come to rest;
 * and the answers, against what is stored. */
#include "sim_coverage.h"
#include "sim_parts.h"

#include "shop/v1/orders.pb-c.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    REFUSALS_MIN = 5,           /* so many refused commits, and an order goes the other way */
    STUCK_SLACK_MS = 10 * 1000, /* an owner counts from before it sent its commit */
};

/* ---- V1: money ------------------------------------------------------------------------------ */

void sim_check_money(struct sim_world *world, struct sim_order *order)
{
    int32_t last_attempt = 0; /* payments of one attempt follow one another */
    const struct sim_books *books = &world->books;

    if (order->held > 1)
        sim_fail(world, "V1", "order %u holds %u payments at once", order->index, order->held);
    for (uint32_t i = 0; i < books->payment_count; i++) {
        const struct sim_payment_row *row = &books->payments[i];

        if (row->order_index != order->index || row->confirmed_count == 0)
            continue;
        if (row->confirmed_count > 1)
            sim_fail(world, "V1", "payment pi_%u of order %u was taken %u times", i + 1,
                     order->index, row->confirmed_count);
        if (row->attempt == last_attempt)
            sim_fail(world, "V1", "attempt %d of order %u took two payments", row->attempt,
                     order->index);
        last_attempt = row->attempt;
    }
}

/* ---- V8: the way of an order ------------------------------------------------------------------ */

#define TO(state) (1U << ORDER_##state)
static const unsigned edges[ORDER_STATE_COUNT] = {
    [ORDER_STATE_UNSPECIFIED] = TO(PENDING),
    [ORDER_PENDING] = TO(RESERVING) | TO(CHARGING) | TO(FAILED) | TO(CANCELLED),
    [ORDER_RESERVING] = TO(CHARGING) | TO(RELEASING) | TO(FAILED) | TO(CANCELLED),
    [ORDER_CHARGING] =
        TO(CHARGING) | TO(FULFILLING) | TO(REFUNDING) | TO(RELEASING) | TO(FAILED) | TO(CANCELLED),
    [ORDER_FULFILLING] = TO(FULFILLED) | TO(RECALLING) | TO(REFUNDING),
    [ORDER_FULFILLED] = 0,
    [ORDER_RECALLING] = TO(FULFILLED) | TO(REFUNDING) | TO(STUCK),
    [ORDER_REFUNDING] = TO(RELEASING) | TO(FAILED) | TO(CANCELLED) | TO(STUCK),
    [ORDER_RELEASING] = TO(FAILED) | TO(CANCELLED) | TO(STUCK),
    [ORDER_FAILED] = TO(RESERVING) | TO(CHARGING) | TO(FAILED) | TO(CANCELLED),
    [ORDER_CANCELLED] = 0,
    [ORDER_STUCK] = 0,
};
#undef TO

/* An undo is given up when its time is used up, or when its outcome cannot be stored. */
static void check_stuck(struct sim_world *world, const struct sim_order *order)
{
    int64_t age_ms = sim_db_now_ms(world) - sim_db_attempt(order)->undo_since_ms;

    if (world->is_clock_true && order->refused_count < REFUSALS_MIN &&
        age_ms < world->config.undo_ms - STUCK_SLACK_MS)
        sim_fail(world, "V6", "order %u is STUCK, though it was undone for %" PRId64 " ms only",
                 order->index, age_ms);
}

void sim_check_edge(struct sim_world *world, const struct sim_order *order, enum order_state from,
                    enum order_state to)
{
    if (to == ORDER_STUCK)
        check_stuck(world, order);
    world->coverage->edges[from][to]++;
    if ((edges[from] & 1U << to) == 0)
        sim_fail(world, "V8", "order %u goes from %s to %s", order->index, order_state_name(from),
                 order_state_name(to));
}

/* ---- Effects: intention before effect, id before confirmation, look before the next key ------- */

static unsigned states_of(enum sim_op op)
{
    switch (op) {
    case SIM_OPEN:
    case SIM_CONFIRM:
        return 1U << ORDER_CHARGING;
    case SIM_LOOK:
        return 1U << ORDER_CHARGING | 1U << ORDER_REFUNDING;
    case SIM_CANCEL:
    case SIM_REFUND:
    case SIM_LOOK_REFUNDS:
        return 1U << ORDER_REFUNDING;
    case SIM_SHIP:
        return 1U << ORDER_FULFILLING | 1U << ORDER_RECALLING;
    case SIM_RECALL:
        return 1U << ORDER_RECALLING;
    case SIM_RESERVE:
        return 1U << ORDER_RESERVING;
    case SIM_RELEASE:
        return 1U << ORDER_RELEASING;
    case SIM_CREATE:
    case SIM_GET:
    case SIM_WISH:
    case SIM_CLAIM:
    case SIM_ADVANCE:
    case SIM_RENEW:
    case SIM_TAKE_DUE:
    case SIM_GIVE_BACK:
    case SIM_OP_COUNT:
        break;
    }
    return 0;
}

/* Numbers of keys: an owner begins behind all that its predecessors used, and the next number of
 * anything but `open` is used only after a look has shown that the last did not happen. */
static void check_key(struct sim_world *world, enum sim_op op, const struct sim_order *order,
                      struct sim_attempt *attempt, const char *key)
{
    int64_t n = strtoll(strrchr(key, '.') + 1, NULL, 10);
    int64_t last_n = attempt->key_n[op];
    bool is_same_owner = attempt->key_generation[op] == order->generation;

    if (last_n != 0 && !is_same_owner && n <= last_n)
        sim_fail(world, "keys", "order %u: %s was used by the owner before", order->index, key);
    if (n < last_n)
        sim_fail(world, "keys", "order %u: %s comes after %" PRId64, order->index, key, last_n);
    if (op != SIM_OPEN && last_n != 0 && n != last_n && !attempt->looked[op])
        sim_fail(world, "keys", "order %u: %s without a look at what became of the last",
                 order->index, key);
    attempt->looked[op] = false;
    attempt->key_n[op] = n;
    attempt->key_generation[op] = order->generation;
}

/* What holds only where the owner can rely on its lease: nobody sleeps, and no clock jumps. */
static void check_owned(struct sim_worker *worker, enum sim_op op, struct sim_order *order,
                        int32_t number, const char *key)
{
    struct sim_world *world = worker->world;
    struct sim_attempt *attempt = sim_db_attempt(order);

    if (number != order->attempt || (states_of(op) & 1U << order->state) == 0)
        sim_fail(world, "intention", "order %u is %s (attempt %d) when attempt %d is to %s",
                 order->index, order_state_name(order->state), order->attempt, number,
                 sim_op_name(op));
    if (order->lease_until_ms < sim_db_now_ms(world))
        sim_fail(world, "lease", "order %u: %s when the lease had run out", order->index,
                 sim_op_name(op));
    if (op == SIM_CONFIRM && attempt->forward_until_ms <= sim_db_now_ms(world))
        sim_fail(world, "forward_until", "order %u is to be charged after it", order->index);
    if (key != NULL)
        check_key(world, op, order, attempt, key);
}

void sim_check_effect(struct sim_worker *worker, enum sim_op op, struct sim_order *order,
                      int32_t attempt, const char *key, const char *payment_id)
{
    struct sim_world *world = worker->world;
    const char *written;

    if (order == NULL || attempt < 1 || attempt > order->attempt)
        sim_fail(world, "intention", "%s for an attempt that is not stored", sim_op_name(op));
    if (op == SIM_CONFIRM) {
        written = order->attempts[attempt - 1].payment_id;
        if (written == NULL || strcmp(written, payment_id) != 0)
            sim_fail(world, "written down", "order %u: %s is confirmed, and written down is %s",
                     order->index, payment_id, written == NULL ? "nothing" : written);
    }
    if (world->is_clock_true)
        check_owned(worker, op, order, attempt, key);
}

/* ---- V4: stock ------------------------------------------------------------------------------ */

static bool holds_stock(const struct sim_order *order)
{
    return order->state != ORDER_PENDING && order->state != ORDER_FAILED &&
           order->state != ORDER_CANCELLED;
}

static void check_product(struct sim_world *world, const struct sim_product *product)
{
    int64_t held = 0, remote_held = 0;

    for (uint32_t i = 0; i < world->db.order_count; i++) {
        if (!world->is_remote && holds_stock(world->db.orders[i]))
            held += sim_order_quantity(world->db.orders[i], product->id);
    }
    for (uint32_t i = 0; i < world->books.reservation_count; i++) {
        const struct sim_reservation *row = &world->books.reservations[i];

        if (row->is_held)
            remote_held += sim_order_quantity(world->db.orders[row->order_index], product->id);
    }
    if (product->available < 0 || product->available + held != product->stock_first)
        sim_fail(world, "V4", "%s: %" PRId64 " were there, %" PRId64 " are, %" PRId64 " are held",
                 product->id, product->stock_first, product->available, held);
    if (product->remote_left < 0 || product->remote_left + remote_held != product->remote_first)
        sim_fail(world, "V4", "%s at the other side: %" PRId64 " of %" PRId64 ", %" PRId64 " held",
                 product->id, product->remote_left, product->remote_first, remote_held);
}

void sim_check_stock(struct sim_world *world)
{
    for (unsigned i = 0; i < SIM_PRODUCTS; i++)
        check_product(world, &world->db.products[i]);
}

/* ---- At rest -------------------------------------------------------------------------------- */

static uint32_t number_of(const char *id)
{
    return (uint32_t)strtoul(id + 3, NULL, 10); /* "pi_7", "sh_7" */
}

static bool is_clean(const struct sim_payment_row *row)
{
    return row->status == PAYMENT_STATUS_CANCELLED ||
           (row->status == PAYMENT_STATUS_SUCCEEDED && row->refund == REFUND_STATUS_SUCCEEDED);
}

static bool is_live(const struct sim_shipment *row)
{
    return row->exists && !row->is_barred;
}

static void check_fulfilled(struct sim_world *world, const struct sim_order *order)
{
    const struct sim_attempt *attempt = sim_db_attempt(order);
    const struct sim_payment_row *payment =
        &world->books.payments[number_of(attempt->payment_id) - 1];
    const struct sim_shipment *shipment =
        &world->books.shipments[number_of(attempt->shipment_id) - 1];
    int64_t total = 0;

    for (uint32_t i = 0; i < order->order.line_count; i++)
        total += order->order.lines[i].quantity * order->order.lines[i].unit_price_minor;
    if (payment->order_index != order->index || payment->attempt != attempt->attempt ||
        payment->status != PAYMENT_STATUS_SUCCEEDED || payment->refund != REFUND_STATUS_NONE)
        sim_fail(world, "V2", "order %u is FULFILLED, but its payment %s is not kept", order->index,
                 attempt->payment_id);
    if (payment->amount.minor != total)
        sim_fail(world, "V2", "order %u costs %" PRId64 ", and %" PRId64 " were taken",
                 order->index, total, payment->amount.minor);
    if (shipment->order_index != order->index || shipment->attempt != attempt->attempt ||
        !is_live(shipment))
        sim_fail(world, "V2", "order %u is FULFILLED, but its shipment %s is not live",
                 order->index, attempt->shipment_id);
    if (order->cancel_told && !order->has_left)
        sim_fail(world, "V7", "order %u is FULFILLED, though its cancel was answered OK",
                 order->index);
}

/* The payments of an attempt that failed: what was written down is cancelled or given back, what was
 * not was never confirmed. */
static void check_failed_attempt(struct sim_world *world, const struct sim_order *order,
                                 const struct sim_attempt *attempt)
{
    uint32_t written = attempt->payment_id == NULL ? 0 : number_of(attempt->payment_id);

    for (uint32_t i = 0; i < world->books.payment_count; i++) {
        const struct sim_payment_row *row = &world->books.payments[i];

        if (row->order_index != order->index || row->attempt != attempt->attempt)
            continue;
        if (i + 1 == written && !is_clean(row))
            sim_fail(world, "V3", "attempt %d of order %u failed, but pi_%u can still be taken",
                     attempt->attempt, order->index, i + 1);
        if (i + 1 != written && row->confirmed_count > 0)
            sim_fail(world, "V3", "pi_%u of order %u was confirmed, but never written down", i + 1,
                     order->index);
    }
}

static void check_live(struct sim_world *world, const struct sim_order *order)
{
    unsigned live = 0, reserved = 0;
    unsigned wanted = order->state == ORDER_FULFILLED;

    for (uint32_t i = 0; i < world->books.shipment_count; i++)
        live += world->books.shipments[i].order_index == order->index &&
                is_live(&world->books.shipments[i]);
    for (uint32_t i = 0; i < world->books.reservation_count; i++)
        reserved += world->books.reservations[i].order_index == order->index &&
                    world->books.reservations[i].is_held;
    if (order->held != wanted)
        sim_fail(world, "V3", "order %u is %s and holds %u payments", order->index,
                 order_state_name(order->state), order->held);
    if (live != wanted)
        sim_fail(world, "V3", "order %u is %s and has %u live shipments", order->index,
                 order_state_name(order->state), live);
    if (world->is_remote && reserved != wanted)
        sim_fail(world, "V3", "order %u is %s and holds %u reservations", order->index,
                 order_state_name(order->state), reserved);
}

/* V5: one key began attempts of one order only, and none after one that binds it. */
static void check_keys(struct sim_world *world, const struct sim_order *order)
{
    unsigned fulfilled = 0;

    for (int32_t i = 0; i < order->attempt; i++) {
        const struct sim_attempt *attempt = &order->attempts[i];

        fulfilled += attempt->outcome == ORDER_FULFILLED;
        if (attempt->request_id == NULL)
            continue;
        for (int32_t k = i + 1; k < order->attempt; k++) {
            const struct sim_attempt *later = &order->attempts[k];

            if (later->request_id != NULL && !attempt->invites_retry &&
                strcmp(later->request_id, attempt->request_id) == 0 &&
                strcmp(later->method, attempt->method) == 0)
                sim_fail(world, "V5", "order %u: attempt %d was begun by key %s, bound by %d",
                         order->index, k + 1, later->request_id, i + 1);
        }
    }
    if (fulfilled > 1)
        sim_fail(world, "V5", "order %u was fulfilled by %u attempts", order->index, fulfilled);
}

/* V8: revisions without a gap, edges of the table, and the last event is the state. */
static void check_events(struct sim_world *world, const struct sim_order *order)
{
    enum order_state state = ORDER_STATE_UNSPECIFIED;

    for (uint32_t i = 0; i < order->event_count; i++) {
        const struct order_event *event = &order->events[i];

        if (event->revision != (int64_t)i + 1 || (edges[state] & 1U << event->state) == 0)
            sim_fail(world, "V8", "order %u: event %u leads from %s to %s", order->index, i,
                     order_state_name(state), order_state_name(event->state));
        state = event->state;
    }
    if (state != order->state || (int64_t)order->event_count != order->revision)
        sim_fail(world, "V8", "order %u is %s, its events end with %s", order->index,
                 order_state_name(order->state), order_state_name(state));
}

static void check_order(struct sim_world *world, const struct sim_order *order)
{
    if (!order_is_at_rest(order->state))
        sim_fail(world, "V6", "order %u is still %s (attempt %d, generation %" PRId64 ")",
                 order->index, order_state_name(order->state), order->attempt, order->generation);
    check_events(world, order);
    check_keys(world, order);
    if (order->state == ORDER_STUCK)
        return;
    if (order->state == ORDER_FULFILLED)
        check_fulfilled(world, order);
    check_live(world, order);
    for (int32_t i = 0; i < order->attempt; i++) {
        if (order->attempts[i].outcome != ORDER_FULFILLED)
            check_failed_attempt(world, order, &order->attempts[i]);
    }
    if (order->cancel_told && order->state != ORDER_CANCELLED && order->state != ORDER_FULFILLED)
        sim_fail(world, "V7", "order %u is %s, though its cancel was answered OK", order->index,
                 order_state_name(order->state));
}

void sim_check_at_rest(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->db.order_count; i++)
        check_order(world, world->db.orders[i]);
    sim_check_stock(world);
    sim_calls_check(world);
}

/* ---- Answers: nothing is told that is not stored ----------------------------------------------- */

/* Reasons that only a stored attempt gives. */
static bool is_cause(enum reason reason)
{
    static const enum reason causes[] = {
        REASON_ORDER_PRODUCT_NOT_FOUND, REASON_OUT_OF_STOCK,
        REASON_INVENTORY_UNAVAILABLE,   REASON_INVENTORY_MISCONFIGURED,
        REASON_PAYMENT_DECLINED,        REASON_PAYMENT_ACTION_REQUIRED,
        REASON_PAYMENT_METHOD_INVALID,  REASON_PAYMENT_MISCONFIGURED,
        REASON_PAYMENT_ANSWER_INVALID,  REASON_PAYMENT_UNAVAILABLE,
        REASON_FULFILLMENT_REJECTED,    REASON_FULFILLMENT_MISCONFIGURED,
        REASON_FULFILLMENT_UNAVAILABLE, REASON_ORDER_CANCELLED,
    };

    for (size_t i = 0; i < COUNT_OF(causes); i++) {
        if (causes[i] == reason)
            return true;
    }
    return false;
}

static bool is_of_key(const struct sim_attempt *attempt, const char *request_id)
{
    return request_id[0] == '\0' ||
           (attempt->request_id != NULL && strcmp(attempt->request_id, request_id) == 0);
}

/* The attempt of that key ("": any) that ended, or is being undone, for this reason; NULL: none did. */
static const struct sim_attempt *attempt_of_cause(const struct sim_order *order, enum reason reason,
                                                  const char *request_id)
{
    for (int32_t i = order->attempt; i-- > 0;) {
        const struct sim_attempt *attempt = &order->attempts[i];
        bool is_last = attempt->attempt == order->attempt;
        bool is_undone =
            is_last && (order->state == ORDER_REFUNDING || order->state == ORDER_RELEASING);

        if (attempt->failure.reason == reason && is_of_key(attempt, request_id) &&
            (attempt->outcome != ORDER_STATE_UNSPECIFIED || is_undone))
            return attempt;
    }
    return NULL;
}

static void check_confirmation(struct sim_world *world, const struct sim_answer *answer)
{
    const Shop__V1__OrderConfirmation *reply =
        (const Shop__V1__OrderConfirmation *)(const void *)answer->call->reply;
    struct sim_order *order = answer->order;
    const struct sim_attempt *attempt = order == NULL ? NULL : sim_db_attempt(order);

    if (order == NULL || order->state != ORDER_FULFILLED)
        sim_fail(world, "V7", "order %u was confirmed, and is %s", order == NULL ? 0 : order->index,
                 order == NULL ? "not there" : order_state_name(order->state));
    if (strcmp(reply->payment_id, attempt->payment_id) != 0 ||
        strcmp(reply->shipment_id, attempt->shipment_id) != 0)
        sim_fail(world, "V7", "order %u was confirmed with %s and %s, stored are %s and %s",
                 order->index, reply->payment_id, reply->shipment_id, attempt->payment_id,
                 attempt->shipment_id);
}

static bool is_money_taken(const struct sim_world *world, const struct sim_order *order,
                           const struct sim_attempt *attempt)
{
    for (uint32_t i = 0; i < world->books.payment_count; i++) {
        const struct sim_payment_row *row = &world->books.payments[i];

        if (row->order_index == order->index && row->attempt == attempt->attempt &&
            row->confirmed_count > 0)
            return true;
    }
    return false;
}

/* Rows of the table of answers that share a reason are told apart by this. */
static const char *variant_of(const struct sim_world *world, const struct sim_answer *answer,
                              enum reason reason, const struct sim_attempt *cause)
{
    const struct sim_order *order = answer->order;

    if (reason == REASON_NONE)
        return answer->call->replayed ? "again" : "now";
    if (reason == REASON_ORDER_STATE_INVALID && order != NULL)
        return order_state_name(order->state);
    if (reason == REASON_FULFILLMENT_UNAVAILABLE && cause != NULL)
        return is_money_taken(world, order, cause) ? "charged" : "not charged";
    if (reason == REASON_DEADLINE_TOO_SHORT)
        return order != NULL && attempt_of_cause(order, reason, "") != NULL ? "claimed"
                                                                            : "not claimed";
    return "";
}

static void check_process(struct sim_world *world, const struct sim_answer *answer)
{
    const struct error *err = &answer->call->err;
    enum reason reason = error_is_set(err) ? err->reason : REASON_NONE;
    const struct sim_attempt *cause = NULL;

    if (reason == REASON_NONE) {
        check_confirmation(world, answer);
    } else if (is_cause(reason)) {
        cause = answer->order == NULL ? NULL
                                      : attempt_of_cause(answer->order, reason, answer->request_id);
        if (cause == NULL)
            sim_fail(world, "V7", "%s was told of order %u, and is stored nowhere",
                     reason_name(reason), answer->order == NULL ? 0 : answer->order->index);
        if (cause->outcome == ORDER_FULFILLED)
            sim_fail(world, "V7", "%s was told of order %u, which is FULFILLED",
                     reason_name(reason), answer->order->index);
    }
    sim_cover_answer(world->coverage, answer->method, reason,
                     variant_of(world, answer, reason, cause));
}

static void check_cancel(struct sim_world *world, const struct sim_answer *answer)
{
    struct sim_order *order = answer->order;

    if (error_is_set(&answer->call->err))
        return;
    if (order == NULL || (!order->cancel_wished && order->state != ORDER_CANCELLED))
        sim_fail(world, "V7", "a cancel was answered OK, and is not stored");
    order->cancel_told = true;
}

void sim_check_answer(struct sim_world *world, const struct sim_answer *answer)
{
    const struct error *err = &answer->call->err;

    world->coverage->calls++;
    if (error_is_set(err) && err->status != reason_status(err->reason))
        sim_fail(world, "answers", "%s comes with the code %s", reason_name(err->reason),
                 status_name(err->status));
    if (answer->is_late)
        sim_fail(world, "answers", "a call was answered after its deadline");
    if (answer->method == SIM_METHOD_PROCESS || answer->method == SIM_METHOD_PLACE)
        check_process(world, answer);
    else if (answer->method == SIM_METHOD_CANCEL)
        check_cancel(world, answer);
}
