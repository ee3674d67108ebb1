/* A payment and its refunds: what may happen to them, and in which order.
 *
 * Invariants: money is taken at most once per payment (confirmed_count <= 1), and refunded plus
 * pending refunds never exceed what was received, whatever the idempotency keys are told to do.
 *
 *   requires_payment_method <──declined── requires_confirmation
 *        │    ▲      │ confirm with a method        │ confirm
 *        │    │      └──────────────┬───────────────┤
 *        │    └──failed── processing┤  requires_action (a customer is present)
 *        │ cancel            │ settle           │ cancel
 *        └──────────────> canceled          succeeded
 *
 * Rules only: no HTTP, no storage (payment_table has that). */
#pragma once

#include "sandbox/ident.h"
#include "sandbox/refusal.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <time.h>
#include <uthash.h>

struct card;
struct key_record;
struct order_entry;

enum payment_status {
    PAYMENT_REQUIRES_PAYMENT_METHOD,
    PAYMENT_REQUIRES_CONFIRMATION,
    PAYMENT_REQUIRES_ACTION,
    PAYMENT_PROCESSING,
    PAYMENT_SUCCEEDED,
    PAYMENT_CANCELED,
};
enum refund_status {
    REFUND_PENDING,
    REFUND_SUCCEEDED,
    REFUND_FAILED,
};

/* How an effect ends when nobody interferes, and otherwise. */
enum outcome {
    OUTCOME_USUAL,      /* at once, as the card says */
    OUTCOME_PROCESSING, /* later: payment_settle, refund_settle */
    OUTCOME_FAILED,     /* declined; a refund object that says failed */
    OUTCOME_LEFT,       /* of a shipment: it cannot be recalled any more */
};

struct refund {
    char id[IDENT_SIZE];
    struct payment *payment;
    int64_t amount;
    enum refund_status status;
    time_t created;
    STAILQ_ENTRY(refund) next; /* of its payment */
    UT_hash_handle hh;
};

struct payment {
    char id[IDENT_SIZE];
    char currency[4];
    int64_t amount;
    int64_t received;
    int64_t refunded;
    int64_t refund_pending;
    time_t created;
    enum payment_status status;
    enum refusal last_refusal; /* of a confirmation */
    const struct card *card;   /* NULL: none, or declined */
    unsigned confirmed_count;
    unsigned declined_count;
    unsigned cancelled_count;
    unsigned confirmed_n; /* its place among the order's moves of money; 0: not among them */
    unsigned refunded_n;  /* likewise, of the last refund that succeeded */
    const char *order_id; /* these three point into text */
    const char *attempt;
    const char *metadata; /* a JSON object */
    struct order_entry *order;
    STAILQ_ENTRY(payment) next_of_order;
    STAILQ_HEAD(payment_refunds, refund) refunds; /* newest first */
    STAILQ_HEAD(payment_keys, key_record) keys;   /* every idempotency key that named it */
    UT_hash_handle hh;
    char text[];
};

struct payment_confirmation {
    const struct card *card; /* NULL: the one given before */
    bool is_unattended;      /* no customer is there to act */
    enum outcome outcome;
};

const char *payment_status_name(enum payment_status status);
const char *refund_status_name(enum refund_status status);

/* Takes the money, or says why not. REFUSAL_NONE also when the payment is now processing or waits for
 * the customer: its status tells. */
enum refusal payment_confirm(struct payment *payment,
                             const struct payment_confirmation *confirmation);
/* Ends `processing`. False when it is not processing. */
bool payment_settle(struct payment *payment, bool succeeds);
/* Bars every confirmation to come. */
enum refusal payment_cancel(struct payment *payment);

/* What may still be refunded. */
int64_t payment_refundable(const struct payment *payment);
/* Whether `amount` may be refunded. */
enum refusal payment_check_refund(const struct payment *payment, int64_t amount);
/* Carries a checked refund out; `refund` is new and belongs to its payment from now on. */
void refund_start(struct refund *refund, enum outcome outcome);
/* Ends `pending`. False when it is not pending. */
bool refund_settle(struct refund *refund, bool succeeds);
