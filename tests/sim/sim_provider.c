/* What calls to all providers have in common: they may be lost, late, doubled or answered by nonsense. */
#include "sim_faults.h"
#include "sim_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const op_names[SIM_OP_COUNT] = {
    [SIM_CREATE] = "create",     [SIM_GET] = "get",
    [SIM_WISH] = "wish",         [SIM_CLAIM] = "claim",
    [SIM_ADVANCE] = "advance",   [SIM_RENEW] = "renew",
    [SIM_TAKE_DUE] = "take_due", [SIM_GIVE_BACK] = "give_back",
    [SIM_OPEN] = "open",         [SIM_CONFIRM] = "confirm",
    [SIM_LOOK] = "look",         [SIM_CANCEL] = "cancel",
    [SIM_REFUND] = "refund",     [SIM_LOOK_REFUNDS] = "look_refunds",
    [SIM_SHIP] = "ship",         [SIM_RECALL] = "recall",
    [SIM_RESERVE] = "reserve",   [SIM_RELEASE] = "release",
};

const char *sim_op_name(enum sim_op op)
{
    assert(op < SIM_OP_COUNT);
    return op_names[op];
}

struct sim_order *sim_order_of_key(struct sim_world *world, const char *key, int32_t *out_attempt)
{
    char text[UUID_TEXT_SIZE];
    struct uuid id;

    assert(strlen(key) > UUID_TEXT_SIZE);
    memcpy(text, key, UUID_TEXT_SIZE - 1);
    text[UUID_TEXT_SIZE - 1] = '\0';
    if (!uuid_parse(text, &id))
        sim_fail(world, "keys", "%s names no order", key);
    *out_attempt = (int32_t)strtol(key + UUID_TEXT_SIZE, NULL, 10);
    return sim_db_find(world, &id);
}

static enum reason unavailable(enum sim_op op)
{
    if (op == SIM_SHIP || op == SIM_RECALL)
        return REASON_FULFILLMENT_UNAVAILABLE;
    if (op == SIM_RESERVE || op == SIM_RELEASE)
        return REASON_INVENTORY_UNAVAILABLE;
    return REASON_PAYMENT_UNAVAILABLE;
}

static void end(struct effect *effect, enum effect_result result, enum reason reason)
{
    effect->result = result;
    if (result != EFFECT_DONE)
        error_set(&effect->err, reason);
}

void sim_exchange_end(struct sim_exchange *exchange)
{
    struct effect *effect = exchange->effect;
    enum reason reason = unavailable(exchange->message.op);

    switch ((enum sim_fate_kind)exchange->message.fate.kind) {
    case SIM_NOT_SENT:
        end(effect, EFFECT_NOT_REACHED, reason);
        effect->retry_after_ms = exchange->retry_after_ms;
        break;
    case SIM_LOST:
    case SIM_ANSWER_LOST:
    case SIM_LATE:
    case SIM_FAILING:
        end(effect, EFFECT_UNKNOWN, reason);
        break;
    case SIM_DOUBLED: /* what was sent twice is unknown, unless it ends done */
        end(effect, exchange->result == EFFECT_DONE ? EFFECT_DONE : EFFECT_UNKNOWN, reason);
        break;
    case SIM_WELL:
    case SIM_SLOW:
    case SIM_REFUSED:
    case SIM_ASKED_LATER:
    case SIM_CONTRADICTED:
    case SIM_FATE_COUNT:
        assert(exchange->message.has_acted);
        end(effect, exchange->result, exchange->reason == REASON_NONE ? reason : exchange->reason);
        break;
    }
    sim_tell(exchange->message.world, "  %s of order %u: result %d %s",
             sim_op_name(exchange->message.op), exchange->order->index, (int)effect->result,
             effect->result == EFFECT_DONE ? "" : reason_name(effect->err.reason));
}

void sim_exchange_send(struct sim_worker *worker, struct sim_exchange *exchange,
                       struct effect *effect)
{
    struct sim_world *world = worker->world;
    enum sim_op op = exchange->message.op;

    sim_point(worker, op, "before");
    exchange->effect = effect;
    exchange->message.fate = sim_fate_draw(world, op, effect->timeout_ms);
    if (sim_chance(world, 200))
        exchange->retry_after_ms = (int32_t)sim_below(world, 5000);
    sim_tell(world, "worker %u: %s %s, %s", worker->index, sim_op_name(op),
             exchange->key == NULL ? "" : exchange->key + UUID_TEXT_SIZE,
             sim_fate_name((enum sim_fate_kind)exchange->message.fate.kind));
    sim_message_send(worker, &exchange->message);
    sim_point(worker, op, "middle");
}
