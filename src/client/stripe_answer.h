/* What a Stripe-shaped API's answer means for a payment: a pure function over one table.
 *
 * Reads status and body, checks id, amount, currency (and, of `open`, order and attempt) against
 * what was asked, and fills in the outputs, result and error of the call. */
#pragma once

#include "port/payment.h"

#include <stddef.h>
#include <stdint.h>

enum stripe_operation {
    STRIPE_OPEN,
    STRIPE_CONFIRM,
    STRIPE_LOOK,
    STRIPE_CANCEL,
    STRIPE_REFUND,
    STRIPE_LOOK_REFUNDS,
    STRIPE_OPERATION_COUNT
};

struct stripe_answer {
    int status;       /* of HTTP */
    const char *body; /* any bytes */
    size_t body_size;
    int32_t retry_after_ms;
};

void stripe_answer_read(enum stripe_operation operation, const struct stripe_answer *answer,
                        struct payment_call *call);
