/* The rules of payments and refunds. */
#include "sandbox/payment.h"

#include "sandbox/card.h"
#include "sandbox/order_index.h"

#include <assert.h>
#include <stddef.h>

const char *payment_status_name(enum payment_status status)
{
    static const char *const names[] = {
        [PAYMENT_REQUIRES_PAYMENT_METHOD] = "requires_payment_method",
        [PAYMENT_REQUIRES_CONFIRMATION] = "requires_confirmation",
        [PAYMENT_REQUIRES_ACTION] = "requires_action",
        [PAYMENT_PROCESSING] = "processing",
        [PAYMENT_SUCCEEDED] = "succeeded",
        [PAYMENT_CANCELED] = "canceled",
    };

    return names[status];
}

const char *refund_status_name(enum refund_status status)
{
    static const char *const names[] = {
        [REFUND_PENDING] = "pending",
        [REFUND_SUCCEEDED] = "succeeded",
        [REFUND_FAILED] = "failed",
    };

    return names[status];
}

static bool payment_is_open(const struct payment *payment)
{
    switch (payment->status) {
    case PAYMENT_REQUIRES_PAYMENT_METHOD:
    case PAYMENT_REQUIRES_CONFIRMATION:
    case PAYMENT_REQUIRES_ACTION:
        return true;
    case PAYMENT_PROCESSING:
    case PAYMENT_SUCCEEDED:
    case PAYMENT_CANCELED:
        return false;
    }
    return false;
}

/* Which payment was given back before which other one was taken cannot be seen from the sums. */
static unsigned next_move(const struct payment *payment)
{
    return payment->order != NULL ? ++payment->order->move_count : 0;
}

static void payment_succeed(struct payment *payment)
{
    payment->status = PAYMENT_SUCCEEDED;
    payment->received = payment->amount;
    payment->last_refusal = REFUSAL_NONE;
    payment->confirmed_count++;
    payment->confirmed_n = next_move(payment);
    assert(payment->confirmed_count == 1);
}

/* A declined payment stays open, without a method: it may be tried again, and must be cancelled. */
static enum refusal payment_decline(struct payment *payment, enum refusal refusal)
{
    payment->status = PAYMENT_REQUIRES_PAYMENT_METHOD;
    payment->card = NULL;
    payment->last_refusal = refusal;
    payment->declined_count++;
    return refusal;
}

enum refusal payment_confirm(struct payment *payment,
                             const struct payment_confirmation *confirmation)
{
    if (!payment_is_open(payment))
        return REFUSAL_CONFIRM_STATE;
    if (confirmation->card != NULL)
        payment->card = confirmation->card;
    if (payment->card == NULL)
        return REFUSAL_PAYMENT_METHOD_MISSING;
    if (confirmation->outcome == OUTCOME_PROCESSING) {
        payment->status = PAYMENT_PROCESSING;
        return REFUSAL_NONE;
    }
    if (confirmation->outcome == OUTCOME_FAILED)
        return payment_decline(payment, REFUSAL_DECLINED);
    if (payment->card->asks_customer && !confirmation->is_unattended) {
        payment->status = PAYMENT_REQUIRES_ACTION;
        return REFUSAL_NONE;
    }
    if (payment->card->refusal != REFUSAL_NONE)
        return payment_decline(payment, payment->card->refusal);
    payment_succeed(payment);
    return REFUSAL_NONE;
}

bool payment_settle(struct payment *payment, bool succeeds)
{
    if (payment->status != PAYMENT_PROCESSING)
        return false;
    if (succeeds)
        payment_succeed(payment);
    else
        (void)payment_decline(payment, REFUSAL_DECLINED);
    return true;
}

enum refusal payment_cancel(struct payment *payment)
{
    if (!payment_is_open(payment))
        return REFUSAL_CANCEL_STATE;
    payment->status = PAYMENT_CANCELED;
    payment->cancelled_count++;
    return REFUSAL_NONE;
}

int64_t payment_refundable(const struct payment *payment)
{
    return payment->received - payment->refunded - payment->refund_pending;
}

enum refusal payment_check_refund(const struct payment *payment, int64_t amount)
{
    if (payment->status != PAYMENT_SUCCEEDED)
        return REFUSAL_NOT_CHARGED;
    if (payment_refundable(payment) == 0)
        return REFUSAL_ALREADY_REFUNDED;
    if (amount > payment_refundable(payment))
        return REFUSAL_REFUND_TOO_LARGE;
    return REFUSAL_NONE;
}

void refund_start(struct refund *refund, enum outcome outcome)
{
    struct payment *payment = refund->payment;

    assert(refund->amount > 0);
    assert(refund->amount <= payment_refundable(payment));
    STAILQ_INSERT_HEAD(&payment->refunds, refund, next);
    payment->refund_pending += refund->amount;
    refund->status = REFUND_PENDING;
    if (outcome != OUTCOME_PROCESSING)
        (void)refund_settle(refund, outcome == OUTCOME_USUAL);
}

bool refund_settle(struct refund *refund, bool succeeds)
{
    struct payment *payment = refund->payment;

    if (refund->status != REFUND_PENDING)
        return false;
    payment->refund_pending -= refund->amount;
    refund->status = succeeds ? REFUND_SUCCEEDED : REFUND_FAILED;
    if (succeeds) {
        payment->refunded += refund->amount;
        payment->refunded_n = next_move(payment);
    }
    assert(payment->refunded + payment->refund_pending <= payment->received);
    return true;
}
