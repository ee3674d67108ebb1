/* A table of payments. */
#include "fake/fake_payment.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static struct fake_payment *self(struct payment *base)
{
    return CONTAINER_OF(base, struct fake_payment, base);
}

static const char *tail(const char *key)
{
    return key == NULL ? "-" : key + UUID_TEXT_SIZE - 1;
}

/* Draws the outcome and notes the call; true when the effect comes true. */
static bool begin(struct fake_payment *payment, enum fake_payment_op op, const char *name,
                  struct payment_call *call, struct fake_outcome *out_outcome)
{
    *out_outcome = fake_script_next(&payment->scripts[op]);
    fake_ledger_note(payment->ledger, "%s %s %s", name,
                     call->payment_id == NULL ? "-" : call->payment_id, tail(call->key));
    return out_outcome->result == EFFECT_DONE || out_outcome->happens;
}

static void end(struct fake_payment *payment, struct payment_call *call,
                const struct fake_outcome *outcome)
{
    fake_effect_end(payment->ledger, &call->effect, outcome, payment->delay_ms,
                    REASON_PAYMENT_UNAVAILABLE);
}

static struct fake_payment_row *find(struct fake_payment *payment, const char *id)
{
    for (uint32_t i = 0; i < payment->count; i++) {
        if (strcmp(payment->rows[i].id, id) == 0)
            return &payment->rows[i];
    }
    assert(false); /* nobody asks for a payment that was never opened */
    return NULL;
}

static void on_open(struct payment *base, struct payment_call *call)
{
    struct fake_payment *payment = self(base);
    struct fake_outcome outcome;

    assert(call->key != NULL);
    assert(call->payment_method != NULL);
    if (begin(payment, FAKE_OPEN, "open", call, &outcome)) {
        struct fake_payment_row *row = &payment->rows[payment->count++];

        assert(payment->count < FAKE_PAYMENTS_MAX);
        snprintf(row->id, sizeof(row->id), "pi_%u", (unsigned)payment->count);
        row->amount = call->amount;
        row->status = PAYMENT_STATUS_OPEN;
        call->id = arena_strdup(call->effect.arena, row->id);
        call->status = row->status;
    }
    end(payment, call, &outcome);
}

static void on_confirm(struct payment *base, struct payment_call *call)
{
    struct fake_payment *payment = self(base);
    struct fake_payment_row *row = find(payment, call->payment_id);
    struct fake_outcome outcome;

    assert(call->key != NULL);
    payment->confirm_turn_ms = call->effect.turn_ms;
    assert(row->amount.minor == call->amount.minor);
    assert(strcmp(row->amount.currency, call->amount.currency) == 0);
    if (begin(payment, FAKE_CONFIRM, "confirm", call, &outcome) &&
        row->status == PAYMENT_STATUS_OPEN) {
        row->status = PAYMENT_STATUS_SUCCEEDED;
        row->confirmed_count++;
    }
    call->status = row->status;
    end(payment, call, &outcome);
}

static void on_look(struct payment *base, struct payment_call *call)
{
    struct fake_payment *payment = self(base);
    struct fake_outcome outcome;

    assert(call->key == NULL);
    if (begin(payment, FAKE_LOOK, "look", call, &outcome))
        call->status = find(payment, call->payment_id)->status;
    end(payment, call, &outcome);
}

static void on_cancel(struct payment *base, struct payment_call *call)
{
    struct fake_payment *payment = self(base);
    struct fake_payment_row *row = find(payment, call->payment_id);
    struct fake_outcome outcome;
    bool happens = begin(payment, FAKE_CANCEL, "cancel", call, &outcome);

    if (happens && row->status == PAYMENT_STATUS_OPEN)
        row->status = PAYMENT_STATUS_CANCELLED;
    if (outcome.result == EFFECT_DONE && row->status != PAYMENT_STATUS_CANCELLED)
        outcome.result = EFFECT_ASK;
    call->status = payment->is_silent ? PAYMENT_STATUS_NONE : row->status;
    end(payment, call, &outcome);
}

static enum refund_status refund_of(struct fake_payment *payment)
{
    if (payment->refunds_failing > 0) {
        payment->refunds_failing--;
        return REFUND_STATUS_FAILED;
    }
    return payment->refunds_are_late ? REFUND_STATUS_PENDING : REFUND_STATUS_SUCCEEDED;
}

static void on_refund(struct payment *base, struct payment_call *call)
{
    struct fake_payment *payment = self(base);
    struct fake_payment_row *row = find(payment, call->payment_id);
    struct fake_outcome outcome;

    assert(row->status == PAYMENT_STATUS_SUCCEEDED);
    if (begin(payment, FAKE_REFUND, "refund", call, &outcome))
        row->refund = refund_of(payment);
    call->refund_status = row->refund;
    end(payment, call, &outcome);
}

static void on_look_refunds(struct payment *base, struct payment_call *call)
{
    struct fake_payment *payment = self(base);
    struct fake_payment_row *row = find(payment, call->payment_id);
    struct fake_outcome outcome;

    if (begin(payment, FAKE_LOOK_REFUNDS, "look_refunds", call, &outcome))
        call->refund_status = row->refund;
    if (row->refund == REFUND_STATUS_PENDING)
        row->refund = REFUND_STATUS_SUCCEEDED;
    end(payment, call, &outcome);
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

void fake_payment_init(struct fake_payment *payment, struct fake_ledger *ledger)
{
    memset(payment, 0, sizeof(*payment));
    payment->base.ops = &ops;
    payment->ledger = ledger;
    payment->delay_ms = 10;
}

void fake_payment_expect(struct fake_payment *payment, enum fake_payment_op op,
                         struct fake_outcome outcome)
{
    assert(op < FAKE_PAYMENT_OP_COUNT);
    fake_script_add(&payment->scripts[op], outcome);
}

unsigned fake_payment_held(const struct fake_payment *payment)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < payment->count; i++)
        count += payment->rows[i].status == PAYMENT_STATUS_SUCCEEDED &&
                 payment->rows[i].refund != REFUND_STATUS_SUCCEEDED;
    return count;
}

unsigned fake_payment_open(const struct fake_payment *payment)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < payment->count; i++)
        count += payment->rows[i].status == PAYMENT_STATUS_OPEN;
    return count;
}
