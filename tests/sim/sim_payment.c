/* The payment provider and its books. Whether it honours idempotency keys, and for how long, is drawn for
 * each world; so is what becomes of a card's confirmation. It never takes a payment twice, and never
 * gives back more than was taken: that much is relied on. */
#include "sim_faults.h"
#include "sim_parts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_LIFE_MS = 10 * 1000,
    SETTLE_MS_MAX = 20 * 1000
};

struct payment_exchange {
    struct sim_exchange exchange;
    struct payment_call *call; /* of the worker */
    const char *payment_method;
    struct money amount;
    uint32_t payment; /* number of the row; from 1 */
    enum payment_status status;
    enum refund_status refund;
};

/* A payment or refund that the provider does not know the end of yet. */
struct settlement {
    struct clock_timer timer;
    struct sim_world *world;
    uint32_t payment;
};

static struct sim_payment_row *row_of(struct sim_world *world, uint32_t payment)
{
    assert(payment >= 1 && payment <= world->books.payment_count);
    return &world->books.payments[payment - 1];
}

static struct sim_order *order_of(struct sim_world *world, const struct sim_payment_row *row)
{
    return world->db.orders[row->order_index];
}

/* ---- Money ---------------------------------------------------------------------------------- */

static void take_money(struct sim_world *world, struct sim_payment_row *row)
{
    struct sim_order *order = order_of(world, row);

    row->status = PAYMENT_STATUS_SUCCEEDED;
    row->confirmed_count++;
    order->held++;
    sim_tell(world, "  the money of order %u is taken", order->index);
    sim_check_money(world, order);
}

static void give_money_back(struct sim_world *world, struct sim_payment_row *row)
{
    struct sim_order *order = order_of(world, row);

    row->refund = REFUND_STATUS_SUCCEEDED;
    order->held--;
    sim_tell(world, "  the money of order %u is given back", order->index);
}

static void on_settle(struct clock_timer *timer)
{
    struct settlement *settlement = CONTAINER_OF(timer, struct settlement, timer);
    struct sim_world *world = settlement->world;
    struct sim_payment_row *row = row_of(world, settlement->payment);
    bool goes_well = sim_chance(world, 700);

    if (row->status == PAYMENT_STATUS_PROCESSING) {
        if (goes_well)
            take_money(world, row);
        else
            row->status = PAYMENT_STATUS_OPEN;
    } else if (row->refund == REFUND_STATUS_PENDING) {
        if (goes_well)
            give_money_back(world, row);
        else
            row->refund = REFUND_STATUS_FAILED;
    }
}

static void settle_later(struct sim_world *world, uint32_t payment)
{
    struct settlement *settlement = sim_alloc(world, sizeof(*settlement));
    int64_t left_ms = MAX_OF(world->calm_ms - world->now_ms, 1);

    settlement->world = world;
    settlement->payment = payment;
    settlement->timer.on_time = on_settle;
    sim_at(world, &settlement->timer, sim_between(world, 1, MIN_OF(left_ms, SETTLE_MS_MAX)));
}

/* ---- What it does --------------------------------------------------------------------------- */

static void say(struct payment_exchange *it, enum effect_result result, enum reason reason)
{
    it->exchange.result = result;
    it->exchange.reason = reason;
}

static enum reason any_refusal(struct sim_world *world)
{
    static const enum reason reasons[] = {
        REASON_PAYMENT_DECLINED,       REASON_PAYMENT_DECLINED,      REASON_PAYMENT_ACTION_REQUIRED,
        REASON_PAYMENT_METHOD_INVALID, REASON_PAYMENT_MISCONFIGURED,
    };

    return reasons[sim_below(world, COUNT_OF(reasons))];
}

static enum reason refusal_of_method(struct sim_world *world, const char *method)
{
    if (strcmp(method, "pm_declined") == 0)
        return REASON_PAYMENT_DECLINED;
    if (strcmp(method, "pm_action") == 0)
        return REASON_PAYMENT_ACTION_REQUIRED;
    if (strcmp(method, "pm_flaky") == 0 && sim_chance(world, 600))
        return REASON_PAYMENT_DECLINED;
    return REASON_NONE;
}

static void act_open(struct sim_world *world, struct payment_exchange *it)
{
    struct sim_books *books = &world->books;

    if (strcmp(it->payment_method, "pm_invalid") == 0) {
        say(it, EFFECT_REFUSED, REASON_PAYMENT_METHOD_INVALID);
        return;
    }
    books->payments = sim_grow(world, books->payments, books->payment_count, &books->payment_room,
                               sizeof(*books->payments));
    books->payments[books->payment_count++] =
        (struct sim_payment_row){.order_index = it->exchange.order->index,
                                 .attempt = it->exchange.attempt,
                                 .amount = it->amount,
                                 .status = PAYMENT_STATUS_OPEN};
    it->payment = books->payment_count;
    it->status = PAYMENT_STATUS_OPEN;
    say(it, EFFECT_DONE, REASON_NONE);
}

static void act_confirm(struct sim_world *world, struct payment_exchange *it)
{
    struct sim_payment_row *row = row_of(world, it->payment);
    enum reason refusal;

    if (row->status != PAYMENT_STATUS_OPEN) {
        say(it, EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN);
        return;
    }
    refusal = refusal_of_method(world, it->payment_method);
    if (refusal != REASON_NONE) {
        say(it, EFFECT_REFUSED, refusal);
    } else if (!sim_is_calm(world) && sim_chance(world, 40)) {
        row->status = PAYMENT_STATUS_PROCESSING;
        settle_later(world, it->payment);
        say(it, EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN);
    } else {
        take_money(world, row);
        say(it, EFFECT_DONE, REASON_NONE);
    }
    it->status = row->status;
}

static void act_cancel(struct sim_world *world, struct payment_exchange *it)
{
    struct sim_payment_row *row = row_of(world, it->payment);

    if (row->status == PAYMENT_STATUS_OPEN) {
        row->status = PAYMENT_STATUS_CANCELLED;
        it->status = row->status;
        say(it, EFFECT_DONE, REASON_NONE);
        return;
    }
    it->status = sim_chance(world, 700) ? row->status : PAYMENT_STATUS_NONE;
    say(it, EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN);
}

static void act_refund(struct sim_world *world, struct payment_exchange *it)
{
    struct sim_payment_row *row = row_of(world, it->payment);
    uint32_t drawn = sim_is_calm(world) ? 0 : sim_below(world, 10);

    if (row->status != PAYMENT_STATUS_SUCCEEDED || row->refund == REFUND_STATUS_PENDING) {
        say(it, EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN);
        return;
    }
    if (row->refund == REFUND_STATUS_SUCCEEDED) {
        /* given back already */
    } else if (drawn == 9) {
        row->refund = REFUND_STATUS_FAILED;
    } else if (drawn == 8) {
        row->refund = REFUND_STATUS_PENDING;
        settle_later(world, it->payment);
    } else {
        give_money_back(world, row);
    }
    it->refund = row->refund;
    say(it, EFFECT_DONE, REASON_NONE);
}

static void act(struct sim_world *world, struct payment_exchange *it)
{
    switch (it->exchange.message.op) {
    case SIM_OPEN:
        act_open(world, it);
        break;
    case SIM_CONFIRM:
        act_confirm(world, it);
        break;
    case SIM_CANCEL:
        act_cancel(world, it);
        break;
    case SIM_REFUND:
        act_refund(world, it);
        break;
    case SIM_LOOK:
        it->status = row_of(world, it->payment)->status;
        say(it, EFFECT_DONE, REASON_NONE);
        break;
    case SIM_LOOK_REFUNDS:
        it->refund = row_of(world, it->payment)->refund;
        say(it, EFFECT_DONE, REASON_NONE);
        break;
    case SIM_CREATE:
    case SIM_GET:
    case SIM_WISH:
    case SIM_CLAIM:
    case SIM_ADVANCE:
    case SIM_RENEW:
    case SIM_TAKE_DUE:
    case SIM_GIVE_BACK:
    case SIM_SHIP:
    case SIM_RECALL:
    case SIM_RESERVE:
    case SIM_RELEASE:
    case SIM_OP_COUNT:
        assert(false);
        break;
    }
}

/* ---- Answers under keys --------------------------------------------------------------------- */

static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261U;

    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619U;
    return hash;
}

static const struct sim_stored_answer *find_answer(const struct sim_world *world, const char *key)
{
    const struct sim_books *books = &world->books;
    uint32_t hash = hash_of(key);

    for (uint32_t i = books->answer_count; i-- > 0;) {
        const struct sim_stored_answer *answer = &books->answers[i];

        if (answer->hash != hash || strcmp(answer->key, key) != 0)
            continue;
        if (world->keys_expire && world->now_ms - answer->time_ms > KEY_LIFE_MS)
            return NULL;
        return answer;
    }
    return NULL;
}

static void keep_answer(struct sim_world *world, const struct payment_exchange *it)
{
    struct sim_books *books = &world->books;

    books->answers = sim_grow(world, books->answers, books->answer_count, &books->answer_room,
                              sizeof(*books->answers));
    books->answers[books->answer_count++] =
        (struct sim_stored_answer){.key = it->exchange.key,
                                   .hash = hash_of(it->exchange.key),
                                   .time_ms = world->now_ms,
                                   .result = it->exchange.result,
                                   .reason = it->exchange.reason,
                                   .payment = it->payment,
                                   .status = it->status,
                                   .refund = it->refund};
}

static void repeat_answer(struct payment_exchange *it, const struct sim_stored_answer *answer)
{
    say(it, answer->result, answer->reason);
    it->payment = answer->payment;
    it->status = answer->status;
    it->refund = answer->refund;
}

/* ---- A call arrives ------------------------------------------------------------------------- */

static void answer_fresh(struct sim_world *world, struct payment_exchange *it)
{
    enum sim_fate_kind kind = (enum sim_fate_kind)it->exchange.message.fate.kind;

    if (kind == SIM_REFUSED && it->exchange.message.op != SIM_LOOK) {
        say(it, EFFECT_REFUSED, any_refusal(world));
        return;
    }
    if (kind != SIM_FAILING || sim_chance(world, 500))
        act(world, it);
    if (kind == SIM_FAILING)
        say(it, EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN);
    if (kind == SIM_CONTRADICTED)
        say(it, EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID);
}

static void on_arrive(struct sim_message *message)
{
    struct payment_exchange *it = CONTAINER_OF(message, struct payment_exchange, exchange.message);
    struct sim_world *world = message->world;
    bool has_key = it->exchange.key != NULL && world->honours_keys;
    const struct sim_stored_answer *stored = has_key ? find_answer(world, it->exchange.key) : NULL;

    if (message->fate.kind == SIM_ASKED_LATER) {
        say(it, EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN);
        return;
    }
    if (stored != NULL) {
        repeat_answer(it, stored);
        return;
    }
    answer_fresh(world, it);
    if (has_key)
        keep_answer(world, it);
}

/* A look was answered: what it shows not to have happened may be tried under the next key. */
static void note_look(struct payment_exchange *it)
{
    struct sim_attempt *attempt = &it->exchange.order->attempts[it->exchange.attempt - 1];
    enum sim_op op = it->exchange.message.op;

    if (it->exchange.effect->result != EFFECT_DONE)
        return;
    if (op == SIM_LOOK && it->status == PAYMENT_STATUS_OPEN)
        attempt->looked[SIM_CONFIRM] = attempt->looked[SIM_CANCEL] = true;
    if (op == SIM_LOOK_REFUNDS && it->refund != REFUND_STATUS_SUCCEEDED &&
        it->refund != REFUND_STATUS_PENDING)
        attempt->looked[SIM_REFUND] = true;
}

static void on_answer(struct sim_message *message)
{
    struct payment_exchange *it = CONTAINER_OF(message, struct payment_exchange, exchange.message);
    struct payment_call *call = it->call;
    enum sim_op op = message->op;

    sim_exchange_end(&it->exchange);
    if (message->has_acted) {
        call->status = it->status;
        call->refund_status = it->refund;
    }
    if (op == SIM_OPEN && call->effect.result == EFFECT_DONE)
        call->id = arena_printf(call->effect.arena, "pi_%u", (unsigned)it->payment);
    if (call->effect.result == EFFECT_REFUSED && it->exchange.reason == REASON_PAYMENT_DECLINED)
        error_add_metadata(&call->effect.err, call->effect.arena, "declineCode", "generic_decline");
    note_look(it);
    call->effect.done(&call->effect);
}

/* ---- The port ------------------------------------------------------------------------------- */

static void start(struct payment *base, struct payment_call *call, enum sim_op op)
{
    struct sim_worker *worker = CONTAINER_OF(base, struct sim_worker, payment);
    struct sim_world *world = worker->world;
    struct payment_exchange *it = sim_alloc(world, sizeof(*it));

    it->call = call;
    it->payment_method = sim_text(world, call->payment_method);
    it->amount = call->amount;
    if (call->payment_id != NULL)
        it->payment = (uint32_t)strtoul(call->payment_id + strlen("pi_"), NULL, 10);
    it->exchange = (struct sim_exchange){
        .message = {.op = op, .on_arrive = on_arrive, .on_answer = on_answer},
        .order = sim_db_find(world, &call->order_id),
        .attempt = call->attempt,
        .key = sim_text(world, call->key),
    };
    sim_check_effect(worker, op, it->exchange.order, call->attempt, call->key, call->payment_id);
    sim_exchange_send(worker, &it->exchange, &call->effect);
}

static void on_open(struct payment *base, struct payment_call *call)
{
    start(base, call, SIM_OPEN);
}

static void on_confirm(struct payment *base, struct payment_call *call)
{
    start(base, call, SIM_CONFIRM);
}

static void on_look(struct payment *base, struct payment_call *call)
{
    start(base, call, SIM_LOOK);
}

static void on_cancel(struct payment *base, struct payment_call *call)
{
    start(base, call, SIM_CANCEL);
}

static void on_refund(struct payment *base, struct payment_call *call)
{
    start(base, call, SIM_REFUND);
}

static void on_look_refunds(struct payment *base, struct payment_call *call)
{
    start(base, call, SIM_LOOK_REFUNDS);
}

static bool on_is_ready(struct payment *base)
{
    (void)base;
    return true;
}

static const struct payment_ops ops = {
    .open = on_open,
    .confirm = on_confirm,
    .look = on_look,
    .cancel = on_cancel,
    .refund = on_refund,
    .look_refunds = on_look_refunds,
    .is_ready = on_is_ready,
};

void sim_payment_init(struct sim_worker *worker)
{
    worker->payment.ops = &ops;
}
