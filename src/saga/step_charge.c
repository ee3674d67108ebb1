/* The charge, so that it depends on no provider's idempotency keys alone: the payment is opened,
 * which moves no money, its id is written down, then it is confirmed. Whose fate is unknown is looked
 * at by id, and confirmed again only after the look has shown that it did not happen.
 *
 *   CHARGING   open --> (written down) --> confirm --> done
 *                ^ not reached, unknown      |  ^ unknown
 *                                            v  | open still
 *                                           look --> succeeded: done
 *
 *   REFUNDING  cancel --> cancelled: done
 *                |  ^ open still
 *                v  |
 *               look --> succeeded --> refund <--> look at the refunds --> done */
#include "saga/saga.h"

#include <assert.h>

void step_charge_enter(struct saga *saga)
{
    int64_t before = saga->is_taken_over ? saga->record.generation * SAGA_GENERATION_KEYS : 0;
    struct saga_charge *charge = &saga->charge;

    *charge = (struct saga_charge){
        .open_n = MAX_OF(charge->open_n, before + 1),
        .confirm_n = MAX_OF(charge->confirm_n, before + 1),
        .cancel_n = MAX_OF(charge->cancel_n, before + 1),
        .refund_n = MAX_OF(charge->refund_n, before + 1),
    };
    /* What the former owner did with the payment is not known. */
    charge->look_first = saga->is_taken_over && saga->record.order.payment_id != NULL;
}

/* ---- Calls ---------------------------------------------------------------------------------- */

enum payment_op {
    OPEN,
    CONFIRM,
    LOOK,
    CANCEL,
    REFUND,
    LOOK_REFUNDS,
    PAYMENT_OP_COUNT
};

typedef void payment_op_fn(struct payment *payment, struct payment_call *call);

static payment_op_fn *payment_op(const struct payment_ops *ops, enum payment_op op)
{
    payment_op_fn *const functions[PAYMENT_OP_COUNT] = {
        [OPEN] = ops->open,     [CONFIRM] = ops->confirm, [LOOK] = ops->look,
        [CANCEL] = ops->cancel, [REFUND] = ops->refund,   [LOOK_REFUNDS] = ops->look_refunds,
    };

    assert(op < PAYMENT_OP_COUNT);
    return functions[op];
}

/* The key of the operation's next call; "" for looks, which have none; NULL when out of memory. */
static const char *payment_key(struct saga *saga, struct arena *arena, enum payment_op op)
{
    const struct saga_charge *charge = &saga->charge;

    switch (op) {
    case OPEN:
        return saga_key_n(saga, arena, "open", charge->open_n);
    case CONFIRM:
        return saga_key_n(saga, arena, "confirm", charge->confirm_n);
    case CANCEL:
        return saga_key_n(saga, arena, "cancel", charge->cancel_n);
    case REFUND:
        return saga_key_n(saga, arena, "refund", charge->refund_n);
    case LOOK:
    case LOOK_REFUNDS:
    case PAYMENT_OP_COUNT:
    default:
        break;
    }
    return "";
}

/* No confirmation is sent after forward_until, however long it waits for a connection. */
static int32_t payment_turn_ms(const struct saga *saga, enum payment_op op)
{
    int64_t left_ms = saga->forward_until_ms - saga_now_ms(saga);

    return op == CONFIRM ? (int32_t)MIN_OF(left_ms, saga->driver->config.try_timeout_ms) : 0;
}

static void payment_start(struct saga *saga, enum payment_op op,
                          void (*done)(struct effect *effect))
{
    struct payment *payment = saga->driver->ports.payment;
    struct payment_call *call = &saga->work.payment;
    struct effect effect;
    const char *key;

    assert((op == OPEN) == (saga->record.order.payment_id == NULL));
    if (!saga_try(saga, done, &effect))
        return;
    key = payment_key(saga, effect.arena, op);
    if (key == NULL) {
        saga->work_out = false;
        saga->phase = SAGA_RUNNING;
        saga_wait(saga, 0);
        return;
    }
    effect.turn_ms = payment_turn_ms(saga, op);
    *call = (struct payment_call){
        .effect = effect,
        .key = key[0] == '\0' ? NULL : key,
        .payment_id = saga->record.order.payment_id,
        .payment_method = saga->record.payment_method,
        .amount = saga->record.order.total,
        .order_id = saga->record.order.id,
        .attempt = saga->record.order.attempt,
    };
    payment_op(payment->ops, op)(payment, call);
}

/* The saga whose call has come back; NULL when it was lost meanwhile. */
static struct saga *payment_tried(struct effect *effect)
{
    struct saga *saga = CONTAINER_OF(effect, struct saga, work.payment.effect);

    return saga_tried(saga, effect) ? saga : NULL;
}

static void look_later(struct saga *saga, const struct effect *effect)
{
    saga->charge.look_first = true;
    saga_wait(saga, effect->retry_after_ms);
}

/* ---- CHARGING ------------------------------------------------------------------------------- */

static void on_opened(struct effect *effect)
{
    struct saga *saga = payment_tried(effect);

    if (saga == NULL)
        return;
    switch (effect->result) {
    case EFFECT_DONE:
        saga->charge.opened_id = arena_strdup(saga->arena, saga->work.payment.id);
        if (saga->charge.opened_id != NULL)
            saga_write_down(saga);
        else
            saga_wait(saga, 0);
        break;
    case EFFECT_REFUSED:
    case EFFECT_CONTRADICTED:
        saga_verdict(saga, SAGA_NOT_DONE, &effect->err);
        break;
    case EFFECT_UNKNOWN:
        saga->charge.open_n++;
        saga_wait(saga, 0);
        break;
    case EFFECT_ASK: /* asking is the same request again */
    case EFFECT_NOT_REACHED:
    case EFFECT_HAS_LEFT:
    case EFFECT_RESULT_COUNT:
    default:
        saga_wait(saga, effect->retry_after_ms);
        break;
    }
}

static void on_confirmed(struct effect *effect)
{
    struct saga *saga = payment_tried(effect);

    if (saga == NULL)
        return;
    switch (effect->result) {
    case EFFECT_DONE:
        saga_verdict(saga, SAGA_DONE, NULL);
        break;
    case EFFECT_REFUSED:
    case EFFECT_CONTRADICTED:
        saga_verdict(saga, SAGA_NOT_DONE, &effect->err);
        break;
    case EFFECT_NOT_REACHED:
        saga_wait(saga, effect->retry_after_ms);
        break;
    case EFFECT_UNKNOWN:
    case EFFECT_ASK:
    case EFFECT_HAS_LEFT:
    case EFFECT_RESULT_COUNT:
    default:
        look_later(saga, effect);
        break;
    }
}

/* The look told nothing. After forward_until one was made, and REFUNDING finds out the rest. */
static void charge_unseen(struct saga *saga, const struct effect *effect)
{
    if (saga->charge.looked_late)
        saga_give_up(saga, REASON_PAYMENT_UNAVAILABLE);
    else
        look_later(saga, effect);
}

static void charge_seen(struct saga *saga, const struct effect *effect)
{
    switch (saga->work.payment.status) {
    case PAYMENT_STATUS_SUCCEEDED:
        saga_verdict(saga, SAGA_DONE, NULL);
        break;
    case PAYMENT_STATUS_OPEN:
        saga->charge.look_first = false;
        saga->charge.confirm_n++;
        saga_run(saga);
        break;
    case PAYMENT_STATUS_CANCELLED: /* by somebody else: we cancel in REFUNDING only */
        saga_give_up(saga, REASON_PAYMENT_ANSWER_INVALID);
        break;
    case PAYMENT_STATUS_NONE:
    case PAYMENT_STATUS_PROCESSING:
    default:
        charge_unseen(saga, effect);
        break;
    }
}

static void on_looked(struct effect *effect)
{
    struct saga *saga = payment_tried(effect);

    if (saga == NULL)
        return;
    if (effect->result == EFFECT_DONE)
        charge_seen(saga, effect);
    else if (effect->result == EFFECT_CONTRADICTED)
        saga_verdict(saga, SAGA_NOT_DONE, &effect->err);
    else
        charge_unseen(saga, effect);
}

/* A payment that proves confirmed goes on, however late; for that, one look is made after the time. */
static void charge_look(struct saga *saga)
{
    saga->charge.looked_late = saga_now_ms(saga) >= saga->forward_until_ms;
    payment_start(saga, LOOK, on_looked);
}

/* Why no payment may be opened or confirmed just now; REASON_NONE when it may. */
static enum reason charge_bar(struct saga *saga)
{
    struct fulfillment *fulfillment = saga->driver->ports.fulfillment;

    if (saga_now_ms(saga) >= saga->forward_until_ms)
        return REASON_PAYMENT_UNAVAILABLE;
    if (saga_is_too_late(saga))
        return saga->try_failed ? REASON_PAYMENT_UNAVAILABLE : REASON_DEADLINE_TOO_SHORT;
    if (!fulfillment->ops->is_ready(fulfillment))
        return REASON_FULFILLMENT_UNAVAILABLE;
    return REASON_NONE;
}

void step_charge(struct saga *saga)
{
    enum reason bar;

    assert(saga->record.order.state == ORDER_CHARGING);
    if (saga->charge.look_first) {
        charge_look(saga);
        return;
    }
    bar = charge_bar(saga);
    if (bar != REASON_NONE)
        saga_give_up(saga, bar);
    else if (saga->record.order.payment_id == NULL)
        payment_start(saga, OPEN, on_opened);
    else
        payment_start(saga, CONFIRM, on_confirmed);
}

/* ---- REFUNDING ------------------------------------------------------------------------------ */

/* What is known of the payment decides whether it is cancelled or refunded; both continue here. */
static void undo_seen(struct saga *saga, const struct effect *effect)
{
    struct saga_charge *charge = &saga->charge;

    switch (saga->work.payment.status) {
    case PAYMENT_STATUS_CANCELLED:
        saga_verdict(saga, SAGA_DONE, NULL);
        break;
    case PAYMENT_STATUS_SUCCEEDED:
        charge->refunding = true;
        charge->look_first = saga->is_taken_over; /* the former owner may have refunded it */
        saga_run(saga);
        break;
    case PAYMENT_STATUS_OPEN:
    case PAYMENT_STATUS_NONE:
    case PAYMENT_STATUS_PROCESSING:
    default:
        look_later(saga, effect);
        break;
    }
}

static void on_cancelled(struct effect *effect)
{
    struct saga *saga = payment_tried(effect);

    if (saga == NULL)
        return;
    switch (effect->result) {
    case EFFECT_DONE:
        saga_verdict(saga, SAGA_DONE, NULL);
        break;
    case EFFECT_ASK: /* it cannot be cancelled; the answer may say why */
        undo_seen(saga, effect);
        break;
    case EFFECT_NOT_REACHED:
        saga_wait(saga, effect->retry_after_ms);
        break;
    case EFFECT_REFUSED:
    case EFFECT_UNKNOWN:
    case EFFECT_CONTRADICTED:
    case EFFECT_HAS_LEFT:
    case EFFECT_RESULT_COUNT:
    default:
        look_later(saga, effect);
        break;
    }
}

static void on_undo_looked(struct effect *effect)
{
    struct saga *saga = payment_tried(effect);

    if (saga == NULL)
        return;
    if (effect->result != EFFECT_DONE) {
        look_later(saga, effect);
    } else if (saga->work.payment.status == PAYMENT_STATUS_OPEN) {
        saga->charge.look_first = false;
        saga->charge.cancel_n++;
        saga_run(saga);
    } else {
        undo_seen(saga, effect);
    }
}

static void refund_seen(struct saga *saga, const struct effect *effect)
{
    switch (saga->work.payment.refund_status) {
    case REFUND_STATUS_SUCCEEDED:
        saga_verdict(saga, SAGA_DONE, NULL);
        break;
    case REFUND_STATUS_PENDING:
    case REFUND_STATUS_NONE:
    case REFUND_STATUS_FAILED:
    default:
        look_later(saga, effect);
        break;
    }
}

static void on_refunded(struct effect *effect)
{
    struct saga *saga = payment_tried(effect);

    if (saga == NULL)
        return;
    if (effect->result == EFFECT_DONE)
        refund_seen(saga, effect);
    else if (effect->result == EFFECT_NOT_REACHED)
        saga_wait(saga, effect->retry_after_ms);
    else
        look_later(saga, effect);
}

static bool refund_did_not_happen(const struct payment_call *call)
{
    return call->refund_status == REFUND_STATUS_NONE || call->refund_status == REFUND_STATUS_FAILED;
}

static void on_refunds_looked(struct effect *effect)
{
    struct saga *saga = payment_tried(effect);

    if (saga == NULL)
        return;
    if (effect->result != EFFECT_DONE) {
        look_later(saga, effect);
    } else if (refund_did_not_happen(&saga->work.payment)) {
        saga->charge.look_first = false;
        saga->charge.refund_n++;
        saga_run(saga);
    } else {
        refund_seen(saga, effect);
    }
}

void step_refund(struct saga *saga)
{
    const struct saga_charge *charge = &saga->charge;

    assert(saga->record.order.state == ORDER_REFUNDING);
    if (saga->record.order.payment_id == NULL)
        saga_verdict(saga, SAGA_DONE, NULL); /* never written down, so never confirmed */
    else if (charge->refunding && charge->look_first)
        payment_start(saga, LOOK_REFUNDS, on_refunds_looked);
    else if (charge->refunding)
        payment_start(saga, REFUND, on_refunded);
    else if (charge->look_first)
        payment_start(saga, LOOK, on_undo_looked);
    else
        payment_start(saga, CANCEL, on_cancelled);
}
