/* The database: what the functions of src/store/sql do (0003_orders, 0004_saga), a row at a time, with
 * the CHECKs of 0001_tables. It outlives every worker. */
#include "sim_faults.h"
#include "sim_parts.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char *const product_ids[SIM_PRODUCTS] = {"cup", "pot", "tea"};

void sim_db_init(struct sim_world *world)
{
    for (unsigned i = 0; i < SIM_PRODUCTS; i++) {
        int64_t stock = sim_between(world, world->profile->stock / 2, world->profile->stock);

        world->db.products[i] = (struct sim_product){
            .id = product_ids[i],
            .price_minor = 100 * (i + 1) + sim_below(world, 50),
            .stock_first = stock,
            .available = stock,
            .remote_first = stock,
            .remote_left = stock,
        };
    }
}

/* ---- Finding -------------------------------------------------------------------------------- */

struct sim_order *sim_db_find(struct sim_world *world, const struct uuid *id)
{
    for (uint32_t i = world->db.order_count; i-- > 0;) {
        if (uuid_equal(&world->db.orders[i]->order.id, id))
            return world->db.orders[i];
    }
    return NULL;
}

static struct sim_order *find_of_caller(struct sim_world *world, const struct uuid *id,
                                        const char *caller)
{
    struct sim_order *order = sim_db_find(world, id);

    return order != NULL && strcmp(order->order.caller, caller) == 0 ? order : NULL;
}

static struct sim_product *find_product(struct sim_world *world, const char *id)
{
    for (unsigned i = 0; i < SIM_PRODUCTS; i++) {
        if (strcmp(world->db.products[i].id, id) == 0)
            return &world->db.products[i];
    }
    return NULL;
}

struct sim_key *sim_db_key(struct sim_world *world, const struct idempotency *key)
{
    for (uint32_t i = world->db.key_count; i-- > 0;) {
        struct sim_key *row = &world->db.keys[i];

        if (strcmp(row->request_id, key->request_id) == 0 &&
            strcmp(row->method, key->method) == 0 && strcmp(row->caller, key->caller) == 0)
            return row;
    }
    return NULL;
}

/* INSERT ... ON CONFLICT DO NOTHING: the row that stands now; *out_is_new when it is this one's. */
static struct sim_key *insert_key(struct sim_world *world, const struct idempotency *key,
                                  const struct uuid *order_id, bool *out_is_new)
{
    struct sim_db *db = &world->db;
    struct sim_key *row = idempotency_is_set(key) ? sim_db_key(world, key) : NULL;

    *out_is_new = idempotency_is_set(key) && row == NULL;
    if (!*out_is_new)
        return row;
    db->keys = sim_grow(world, db->keys, db->key_count, &db->key_room, sizeof(*db->keys));
    row = &db->keys[db->key_count++];
    *row = (struct sim_key){.caller = sim_text(world, key->caller),
                            .method = sim_text(world, key->method),
                            .request_id = sim_text(world, key->request_id),
                            .order_id = *order_id};
    memcpy(row->hash, key->hash, sizeof(row->hash));
    return row;
}

static void delete_last_key(struct sim_world *world)
{
    assert(world->db.key_count > 0);
    world->db.key_count--;
}

static bool is_reused(const struct sim_key *row, const struct idempotency *key)
{
    return row != NULL && memcmp(row->hash, key->hash, sizeof(row->hash)) != 0;
}

/* ---- Rows ----------------------------------------------------------------------------------- */

static int64_t now_us(const struct sim_world *world)
{
    return ((int64_t)SIM_UNIX_S * 1000 + sim_db_now_ms(world)) * 1000;
}

/* Every change goes through here: state, revision and event in one. */
static void change(struct sim_world *world, struct sim_order *order, enum order_state to,
                   const struct order_event *event)
{
    struct order_event *row;

    sim_check_edge(world, order, order->state, to);
    if (order->state == ORDER_RECALLING && to == ORDER_FULFILLED)
        order->has_left = true;
    order->state = to;
    order->revision++;
    order->update_time_us = now_us(world);
    order->events = sim_grow(world, order->events, order->event_count, &order->event_room,
                             sizeof(*order->events));
    row = &order->events[order->event_count++];
    *row = *event;
    row->revision = order->revision;
    row->attempt = order->attempt;
    row->state = to;
    row->time_us = order->update_time_us;
    sim_tell(world, "order %u is %s (revision %lld, attempt %d, generation %lld)", order->index,
             order_state_name(to), (long long)order->revision, order->attempt,
             (long long)order->generation);
}

/* The order as a reader gets it, with what is recorded of that attempt. */
static void read_order(const struct sim_order *order, const struct sim_attempt *attempt,
                       struct order *out)
{
    *out = order->order;
    out->state = order->state;
    out->attempt = attempt == NULL ? order->attempt : attempt->attempt;
    out->revision = order->revision;
    out->update_time_us = order->update_time_us;
    if (attempt == NULL)
        return;
    out->payment_id = attempt->payment_id;
    out->shipment_id = attempt->shipment_id;
    out->failure = attempt->failure;
    out->fulfill_time_us = attempt->fulfill_time_us;
}

static struct order *read_full(struct sim_world *world, const struct sim_order *order)
{
    struct order *copy = sim_alloc(world, sizeof(*copy));
    uint32_t first = order->event_count;

    read_order(order, sim_db_attempt(order), copy);
    while (first > 0 && order->events[first - 1].attempt == order->attempt)
        first--;
    copy->event_count = order->event_count - first;
    copy->events = sim_alloc(world, copy->event_count * sizeof(*copy->events));
    memcpy(copy->events, &order->events[first], copy->event_count * sizeof(*copy->events));
    return copy;
}

static void read_record(const struct sim_world *world, const struct sim_order *order,
                        const struct sim_attempt *attempt, struct saga_record *out)
{
    int64_t now_ms = sim_db_now_ms(world);

    *out = (struct saga_record){
        .generation = order->generation,
        .cancel_wished = order->cancel_wished,
        .fulfill_left_ms = INT64_MAX,
        .undo_age_ms = -1,
        .lease_left_ms = order->lease_until_ms - now_ms,
    };
    read_order(order, attempt, &out->order);
    if (attempt == NULL)
        return;
    out->payment_method = attempt->payment_method;
    out->forward_left_ms = attempt->forward_until_ms - now_ms;
    if (attempt->fulfill_until_ms != INT64_MAX)
        out->fulfill_left_ms = attempt->fulfill_until_ms - now_ms;
    if (attempt->undo_since_ms >= 0)
        out->undo_age_ms = now_ms - attempt->undo_since_ms;
    out->tries = attempt->tries;
}

/* ---- Create --------------------------------------------------------------------------------- */

/* Names and prices of the lines, and the total; false when a product is missing. */
static bool price(struct sim_world *world, struct order *order, struct order_create *create)
{
    for (uint32_t i = 0; i < order->line_count; i++) {
        const struct sim_product *product = find_product(world, order->lines[i].product_id);

        if (product == NULL || product->is_deleted) {
            error_set(&create->call.err, REASON_PRODUCT_NOT_FOUND);
            return false;
        }
        order->lines[i].name = product->id;
        order->lines[i].unit_price_minor = product->price_minor;
        order->total.minor += product->price_minor * order->lines[i].quantity;
    }
    memcpy(order->total.currency, "EUR", CURRENCY_SIZE);
    return true;
}

static struct sim_order *insert_order(struct sim_world *world, const struct order *values)
{
    struct sim_db *db = &world->db;
    struct sim_order *order = sim_alloc(world, sizeof(*order));

    order->order = *values;
    order->order.create_time_us = now_us(world);
    order->index = db->order_count;
    db->orders =
        sim_grow(world, db->orders, db->order_count, &db->order_room, sizeof(struct sim_order *));
    db->orders[db->order_count++] = order;
    change(world, order, ORDER_PENDING, &(struct order_event){.outcome = OUTCOME_DONE});
    return order;
}

void sim_db_create(struct sim_world *world, struct order_create *create)
{
    const struct order *wanted = create->order;
    struct order values = *wanted;
    struct sim_key *key =
        idempotency_is_set(create->idempotency) ? sim_db_key(world, create->idempotency) : NULL;
    struct sim_order *order = sim_db_find(world, key == NULL ? &wanted->id : &key->order_id);
    bool is_new;

    if (is_reused(key, create->idempotency)) {
        error_set(&create->call.err, REASON_REQUEST_ID_REUSED);
        return;
    }
    if (order == NULL && create->only_replay) {
        error_set(&create->call.err, REASON_ORDER_NOT_FOUND);
        return;
    }
    if (order == NULL) {
        if (!price(world, &values, create))
            return;
        insert_key(world, create->idempotency, &wanted->id, &is_new);
        order = insert_order(world, &values);
    }
    create->replayed = !uuid_equal(&order->order.id, &wanted->id);
    create->created = read_full(world, order);
}

/* ---- Get, wish ------------------------------------------------------------------------------ */

void sim_db_get(struct sim_world *world, struct order_get *get)
{
    struct sim_order *order = find_of_caller(world, &get->id, get->caller);

    if (order == NULL) {
        error_set(&get->call.err, REASON_ORDER_NOT_FOUND);
        return;
    }
    get->unchanged = get->after_revision > 0 && order->revision <= get->after_revision;
    if (!get->unchanged)
        get->order = read_full(world, order);
}

static void wish(struct sim_world *world, struct sim_order *order)
{
    if (order->cancel_wished || order->state == ORDER_CANCELLED)
        return;
    order->cancel_wished = true;
    sim_tell(world, "order %u is wished away", order->index);
    if (order->state == ORDER_PENDING || order->state == ORDER_FAILED)
        change(world, order, ORDER_CANCELLED, &(struct order_event){.outcome = OUTCOME_DONE});
}

void sim_db_wish(struct sim_world *world, struct order_cancel *cancel)
{
    struct sim_order *order = find_of_caller(world, &cancel->id, cancel->caller);
    struct sim_key *key;
    bool is_new;

    if (order == NULL) {
        error_set(&cancel->call.err, REASON_ORDER_NOT_FOUND);
        return;
    }
    key = insert_key(world, cancel->idempotency, &cancel->id, &is_new);
    if (key != NULL &&
        (is_reused(key, cancel->idempotency) || !uuid_equal(&key->order_id, &cancel->id))) {
        error_set(&cancel->call.err, REASON_REQUEST_ID_REUSED);
        return;
    }
    cancel->replayed = key != NULL && !is_new;
    if (!cancel->replayed && order->state == ORDER_FULFILLED) {
        if (is_new)
            delete_last_key(world);
        error_set(&cancel->call.err, REASON_ORDER_STATE_INVALID);
        return;
    }
    if (!cancel->replayed)
        wish(world, order);
    cancel->order = read_full(world, order);
}

/* ---- Claim ---------------------------------------------------------------------------------- */

static struct sim_attempt *attempt_of_token(struct sim_order *order, const struct uuid *token)
{
    for (int32_t i = 0; i < order->attempt; i++) {
        if (uuid_equal(&order->attempts[i].claim_token, token))
            return &order->attempts[i];
    }
    return NULL;
}

static struct sim_attempt *attempt_of_key(struct sim_order *order, const struct idempotency *key)
{
    if (!idempotency_is_set(key))
        return NULL;
    for (int32_t i = order->attempt; i-- > 0;) {
        struct sim_attempt *attempt = &order->attempts[i];

        if (attempt->request_id != NULL && strcmp(attempt->request_id, key->request_id) == 0 &&
            strcmp(attempt->method, key->method) == 0)
            return attempt;
    }
    return NULL;
}

static bool is_bound(const struct sim_attempt *attempt)
{
    return attempt->outcome == ORDER_STATE_UNSPECIFIED || !attempt->invites_retry;
}

/* What the claim comes to; CLAIM_RESULT_COUNT: it starts an attempt. *out_attempt is the one it names. */
static enum claim_result decide(struct sim_order *order, const struct saga_claim *claim,
                                const struct sim_key *key, struct sim_attempt **out_attempt)
{
    struct sim_attempt *own = attempt_of_token(order, &claim->token);
    struct sim_attempt *before = attempt_of_key(order, claim->idempotency);

    *out_attempt = sim_db_attempt(order);
    if (own != NULL) {
        bool is_last = own->claim_generation == order->generation;

        *out_attempt = own;
        if (own->outcome != ORDER_STATE_UNSPECIFIED)
            return is_last && own->outcome == ORDER_FAILED ? CLAIM_REFUSED : CLAIM_REPLAY;
        return is_last ? CLAIM_STARTED : CLAIM_JOIN;
    }
    if (key != NULL &&
        (is_reused(key, claim->idempotency) || !uuid_equal(&key->order_id, &claim->id)))
        return CLAIM_KEY_REUSED;
    if (before != NULL && is_bound(before)) {
        *out_attempt = before;
        return before->outcome == ORDER_STATE_UNSPECIFIED ? CLAIM_JOIN : CLAIM_REPLAY;
    }
    if (order->state == ORDER_FULFILLED)
        return CLAIM_FULFILLED;
    if (order->state == ORDER_CANCELLED || order->state == ORDER_STUCK)
        return CLAIM_STATE_INVALID;
    if (order->state != ORDER_PENDING && order->state != ORDER_FAILED)
        return CLAIM_IN_PROGRESS;
    if (order->attempts_used >= LIMIT_ATTEMPTS_PER_ORDER)
        return CLAIM_EXHAUSTED;
    return claim->may_start ? CLAIM_RESULT_COUNT : CLAIM_TOO_SHORT;
}

int64_t sim_order_quantity(const struct sim_order *order, const char *product_id)
{
    int64_t quantity = 0;

    for (uint32_t i = 0; i < order->order.line_count; i++) {
        if (strcmp(order->order.lines[i].product_id, product_id) == 0)
            quantity += order->order.lines[i].quantity;
    }
    return quantity;
}

static void refuse_deleted(struct sim_world *world, struct failure *failure, const char *product_id)
{
    failure->reason = REASON_ORDER_PRODUCT_NOT_FOUND;
    failure->metadata = sim_alloc(world, sizeof(*failure->metadata));
    failure->metadata[0] = (struct failure_metadata){.key = "productId", .value = product_id};
    failure->metadata_count = 1;
}

/* All lines or none; false with the cause. */
static bool take_stock(struct sim_world *world, const struct sim_order *order,
                       struct failure *failure)
{
    for (unsigned i = 0; i < SIM_PRODUCTS; i++) {
        const struct sim_product *product = &world->db.products[i];
        int64_t wanted = sim_order_quantity(order, product->id);

        if (wanted == 0)
            continue;
        if (product->is_deleted) {
            refuse_deleted(world, failure, product->id);
            return false;
        }
        if (product->available >= wanted)
            continue;
        failure->reason = REASON_OUT_OF_STOCK;
        if (failure->short_lines == NULL)
            failure->short_lines = sim_alloc(world, SIM_PRODUCTS * sizeof(*failure->short_lines));
        failure->short_lines[failure->short_line_count++] = (struct short_line){
            .product_id = product->id, .requested = wanted, .available = product->available};
    }
    if (failure->reason != REASON_NONE)
        return false;
    for (unsigned i = 0; i < SIM_PRODUCTS; i++)
        world->db.products[i].available -= sim_order_quantity(order, world->db.products[i].id);
    return true;
}

static void return_stock(struct sim_world *world, const struct sim_order *order)
{
    for (unsigned i = 0; i < SIM_PRODUCTS; i++)
        world->db.products[i].available += sim_order_quantity(order, world->db.products[i].id);
}

static struct sim_attempt *insert_attempt(struct sim_world *world, struct sim_order *order,
                                          const struct saga_claim *claim)
{
    struct sim_attempt *attempt;
    bool has_key = idempotency_is_set(claim->idempotency);

    order->attempts = sim_grow(world, order->attempts, (uint32_t)order->attempt,
                               &order->attempt_room, sizeof(*order->attempts));
    attempt = &order->attempts[order->attempt++];
    *attempt = (struct sim_attempt){
        .attempt = order->attempt,
        .claim_token = claim->token,
        .claim_generation = order->generation,
        .method = has_key ? sim_text(world, claim->idempotency->method) : NULL,
        .request_id = has_key ? sim_text(world, claim->idempotency->request_id) : NULL,
        .payment_method = sim_text(world, claim->payment_method),
        .forward_until_ms = sim_db_now_ms(world) + claim->forward_ms,
        .fulfill_until_ms = INT64_MAX,
        .undo_since_ms = -1,
    };
    return attempt;
}

static enum claim_result start(struct sim_world *world, struct sim_order *order,
                               const struct saga_claim *claim, struct sim_attempt **out_attempt)
{
    struct failure failure = {0};
    bool is_refused = !claim->inventory_remote && !take_stock(world, order, &failure);
    enum order_state to = is_refused                ? ORDER_FAILED
                          : claim->inventory_remote ? ORDER_RESERVING
                                                    : ORDER_CHARGING;
    struct order_event event = {.tries = 1, .failure = failure};

    order->generation++;
    order->lease_until_ms = sim_db_now_ms(world) + claim->lease_ms;
    order->advance_token = (struct uuid){{0}};
    order->attempts_used += is_refused;
    *out_attempt = insert_attempt(world, order, claim);
    (*out_attempt)->failure = failure;
    (*out_attempt)->outcome = is_refused ? ORDER_FAILED : ORDER_STATE_UNSPECIFIED;
    event.step = to == ORDER_RESERVING ? STEP_NONE : STEP_RESERVE;
    event.outcome = is_refused              ? OUTCOME_REFUSED
                    : to == ORDER_RESERVING ? OUTCOME_RUNNING
                                            : OUTCOME_DONE;
    change(world, order, to, &event);
    return is_refused ? CLAIM_REFUSED : CLAIM_STARTED;
}

static bool keeps_key(enum claim_result result)
{
    return result == CLAIM_STARTED || result == CLAIM_REFUSED || result == CLAIM_REPLAY ||
           result == CLAIM_JOIN;
}

void sim_db_claim(struct sim_world *world, struct saga_claim *claim)
{
    struct sim_order *order = find_of_caller(world, &claim->id, claim->caller);
    struct sim_attempt *attempt = NULL;
    bool is_new;
    struct sim_key *key = insert_key(world, claim->idempotency, &claim->id, &is_new);

    claim->result = CLAIM_NOT_FOUND;
    if (order != NULL)
        claim->result = decide(order, claim, key, &attempt);
    if (claim->result == CLAIM_RESULT_COUNT)
        claim->result = start(world, order, claim, &attempt);
    if (is_new && !keeps_key(claim->result))
        delete_last_key(world);
    if (claim->result == CLAIM_NOT_FOUND || claim->result == CLAIM_KEY_REUSED)
        return;
    read_record(world, order, attempt, &claim->record);
    if (claim->result == CLAIM_REPLAY)
        claim->record.order.state = attempt->outcome;
}

/* ---- Advance -------------------------------------------------------------------------------- */

static bool is_backward(enum order_state state)
{
    return state == ORDER_RECALLING || state == ORDER_REFUNDING || state == ORDER_RELEASING;
}

static bool invites_retry(const struct failure *failure)
{
    enum status status = reason_status(failure->reason);

    return status == STATUS_DEADLINE_EXCEEDED ||
           (status == STATUS_UNAVAILABLE && reason_retry(failure->reason) == RETRY_AFTER);
}

static void note_failure(struct sim_world *world, struct sim_attempt *attempt,
                         const struct saga_advance *advance)
{
    if (advance->clear_failure) {
        attempt->failure = (struct failure){0};
        attempt->invites_retry = false;
    } else if (attempt->failure.reason == REASON_NONE && advance->failure != NULL) {
        attempt->failure = *advance->failure; /* its texts are the message's, and last */
        attempt->invites_retry = invites_retry(advance->failure);
        sim_tell(world, "  because of %s", reason_name(advance->failure->reason));
    }
}

/* The CHECKs of table attempt: a right saga never runs into one. */
static void check_attempt(const struct sim_world *world, const struct sim_order *order,
                          const struct sim_attempt *attempt)
{
    bool has_failure = attempt->failure.reason != REASON_NONE;

    if (attempt->outcome == ORDER_FULFILLED &&
        (attempt->payment_id == NULL || attempt->shipment_id == NULL || has_failure))
        sim_fail(world, "V2", "order %u: CHECK attempt_fulfilled", order->index);
    if (attempt->outcome == ORDER_FAILED && !has_failure)
        sim_fail(world, "V8", "order %u: CHECK attempt_failed", order->index);
}

static void apply(struct sim_world *world, struct sim_order *order,
                  const struct saga_advance *advance)
{
    struct sim_attempt *attempt = sim_db_attempt(order);
    int64_t now_ms = sim_db_now_ms(world);

    order->attempts_used += advance->attempt_counts;
    order->lease_until_ms = now_ms + advance->lease_ms;
    order->advance_token = advance->token;
    attempt->tries = advance->to == advance->from ? advance->tries : 0;
    if (advance->payment_id != NULL)
        attempt->payment_id = advance->payment_id;
    if (advance->shipment_id != NULL)
        attempt->shipment_id = advance->shipment_id;
    note_failure(world, attempt, advance);
    if (advance->fulfill_ms > 0)
        attempt->fulfill_until_ms = now_ms + advance->fulfill_ms;
    if (is_backward(advance->to) && attempt->undo_since_ms < 0)
        attempt->undo_since_ms = now_ms;
    if (advance->to == ORDER_FULFILLED)
        attempt->fulfill_time_us = now_us(world);
    if (order_is_at_rest(advance->to))
        attempt->outcome = advance->to;
    change(world, order, advance->to,
           &(struct order_event){.step = advance->step,
                                 .outcome = advance->outcome,
                                 .tries = advance->tries,
                                 .external_id = advance->external_id,
                                 .failure = advance->failure == NULL ? (struct failure){0}
                                                                     : *advance->failure});
    check_attempt(world, order, attempt);
    if (advance->release_stock)
        return_stock(world, order);
}

void sim_db_advance(struct sim_world *world, struct saga_advance *advance)
{
    struct sim_order *order = sim_db_find(world, &advance->id);
    bool is_owner, is_own_commit;

    assert(order != NULL);
    assert(!uuid_is_zero(&advance->token));
    is_owner = order->generation == advance->generation;
    is_own_commit = is_owner && uuid_equal(&order->advance_token, &advance->token);
    advance->result = ADVANCE_FENCED;
    if (is_own_commit) {
        advance->result = ADVANCE_DONE;
    } else if (is_owner && order->state == advance->from) {
        advance->result =
            order->cancel_wished == advance->cancel_seen ? ADVANCE_DONE : ADVANCE_CANCEL_WISHED;
        if (advance->result == ADVANCE_DONE)
            apply(world, order, advance);
    }
    advance->cancel_wished = order->cancel_wished;
    advance->revision = order->revision;
    advance->update_time_us = order->update_time_us;
}

/* ---- Leases --------------------------------------------------------------------------------- */

void sim_db_renew(struct sim_world *world, struct saga_renew *renew)
{
    struct sim_order *order = sim_db_find(world, &renew->id);
    bool is_owner = order->generation == renew->generation;

    if (is_owner)
        order->lease_until_ms = sim_db_now_ms(world) + renew->lease_ms;
    renew->result = is_owner ? ADVANCE_DONE : ADVANCE_FENCED;
    renew->cancel_wished = order->cancel_wished;
}

static bool is_due(const struct sim_world *world, const struct sim_order *order)
{
    return !order_is_at_rest(order->state) && order->lease_until_ms < sim_db_now_ms(world);
}

/* The longest overdue; NULL when none is due. */
static struct sim_order *next_due(struct sim_world *world)
{
    struct sim_order *next = NULL;

    for (uint32_t i = 0; i < world->db.order_count; i++) {
        struct sim_order *order = world->db.orders[i];

        if (is_due(world, order) && (next == NULL || order->lease_until_ms < next->lease_until_ms))
            next = order;
    }
    return next;
}

void sim_db_take_due(struct sim_world *world, struct saga_take_due *take)
{
    struct sim_order *order = next_due(world);

    take->count = 0;
    take->records = NULL;
    if (order != NULL)
        take->records = sim_alloc(world, world->db.order_count * sizeof(*take->records));
    for (; order != NULL && take->count < take->limit; order = next_due(world)) {
        order->generation++;
        order->lease_until_ms = sim_db_now_ms(world) + take->lease_ms;
        read_record(world, order, sim_db_attempt(order), &take->records[take->count++]);
        sim_tell(world, "order %u is taken over (generation %lld)", order->index,
                 (long long)order->generation);
    }
}

void sim_db_give_back(struct sim_world *world, struct saga_give_back *give_back)
{
    struct sim_order *order = sim_db_find(world, &give_back->id);

    if (order->generation == give_back->generation)
        order->lease_until_ms = sim_db_now_ms(world);
}
