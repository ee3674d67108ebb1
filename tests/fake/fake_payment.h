/* A payment provider in memory. It keeps payments as a real one does; scripts decide what is answered
 * and whether it happened all the same. Idempotency keys are noted, not honoured: the charge must be
 * right without them. */
#pragma once

#include "fake/fake_ledger.h"
#include "port/payment.h"

enum {
    FAKE_PAYMENTS_MAX = 300
};

enum fake_payment_op {
    FAKE_OPEN,
    FAKE_CONFIRM,
    FAKE_LOOK,
    FAKE_CANCEL,
    FAKE_REFUND,
    FAKE_LOOK_REFUNDS,
    FAKE_PAYMENT_OP_COUNT
};

struct fake_payment {
    struct payment base;
    struct fake_ledger *ledger;
    int64_t delay_ms;
    bool is_silent;           /* cancel does not say why it cannot be: ASK without a status */
    bool refunds_are_late;    /* PENDING until looked at */
    unsigned refunds_failing; /* so many are made, and fail */
    int32_t confirm_turn_ms;  /* so long the last confirmation may wait for its turn */
    struct fake_script scripts[FAKE_PAYMENT_OP_COUNT];
    struct fake_payment_row {
        char id[16];
        struct money amount;
        enum payment_status status;
        enum refund_status refund;
        unsigned confirmed_count;
    } rows[FAKE_PAYMENTS_MAX];
    uint32_t count;
};

void fake_payment_init(struct fake_payment *payment, struct fake_ledger *ledger);
void fake_payment_expect(struct fake_payment *payment, enum fake_payment_op op,
                         struct fake_outcome outcome);
/* Payments that are taken and not given back. */
unsigned fake_payment_held(const struct fake_payment *payment);
/* Payments that could still be taken. */
unsigned fake_payment_open(const struct fake_payment *payment);
