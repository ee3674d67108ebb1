/* A payment provider: money is taken in two steps, open (moves nothing) and confirm.
 * Implemented by client/payment_stripe and by a fake. saga.md "The charge" says how it is used. */
#pragma once

#include "base/uuid.h"
#include "domain/money.h"
#include "port/effect.h"

#include <stdbool.h>

enum payment_status {
    PAYMENT_STATUS_NONE,       /* not known */
    PAYMENT_STATUS_OPEN,       /* not confirmed, or declined: can still be confirmed or cancelled */
    PAYMENT_STATUS_PROCESSING, /* the provider does not know yet: ask again */
    PAYMENT_STATUS_SUCCEEDED,  /* the money is taken */
    PAYMENT_STATUS_CANCELLED,  /* can never be taken */
};
enum refund_status {
    REFUND_STATUS_NONE,
    REFUND_STATUS_PENDING,
    REFUND_STATUS_SUCCEEDED,
    REFUND_STATUS_FAILED,
};

/* One call to the provider. Which fields are read stands at each operation. */
struct payment_call {
    struct effect effect;
    /* in */
    const char *key; /* idempotency key; NULL for looks */
    const char *payment_id;
    const char *payment_method; /* the provider's token */
    struct money amount;
    struct uuid order_id;
    int32_t attempt;
    /* out */
    const char *id;                   /* of the payment (open) or refund (refund) */
    enum payment_status status;       /* open, confirm, look, cancel */
    enum refund_status refund_status; /* refund, look_refunds: the best one of this payment */
};

struct payment;
struct payment_ops {
    /* key, payment_method, amount, order_id, attempt -> id, status OPEN. */
    void (*open)(struct payment *payment, struct payment_call *call);
    /* key, payment_id, payment_method, amount. DONE only when it succeeded for that amount. A 402
     * is REFUSED: PAYMENT_DECLINED (metadata declineCode), PAYMENT_ACTION_REQUIRED; 400/422 naming
     * the payment method: PAYMENT_METHOD_INVALID; otherwise refused for our fault:
     * PAYMENT_MISCONFIGURED. */
    void (*confirm)(struct payment *payment, struct payment_call *call);
    /* payment_id, amount -> status. DONE means the answer could be read. */
    void (*look)(struct payment *payment, struct payment_call *call);
    /* key, payment_id. DONE: status CANCELLED. ASK: it is in a state that cannot be cancelled. */
    void (*cancel)(struct payment *payment, struct payment_call *call);
    /* key, payment_id, amount: in full. DONE: refund_status tells; "already refunded" is
     * SUCCEEDED. */
    void (*refund)(struct payment *payment, struct payment_call *call);
    void (*look_refunds)(struct payment *payment, struct payment_call *call);
    /* Whether a call would be tried at all just now (breaker not open). */
    bool (*is_ready)(struct payment *payment);
};
struct payment {
    const struct payment_ops *ops;
};
