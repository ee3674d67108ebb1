/* An answer as a value: what is said, before it is printed.
 *
 * Three things need that: an idempotency key stores the answer as it was (the payment goes on), a
 * fault changes a field of it, and a million stored answers stay small. Pointers are borrowed from
 * static text, from payments and shipments, or from the exchange that is being answered; those of a
 * stored answer never from the latter (refusals that are stored have a static detail). */
#pragma once

#include "sandbox/refusal.h"

#include <stdint.h>

struct card;
struct evbuffer;
struct json_out;
struct payment;
struct refund;
struct shipment;

enum answer_kind {
    ANSWER_BODY, /* printed already */
    ANSWER_PAYMENT,
    ANSWER_REFUND,
    ANSWER_REFUSAL,
    ANSWER_SHIPMENT,
    ANSWER_STATUS, /* google.rpc.Status */
};

/* What fault modes do to an answer. */
enum alteration {
    ALTERATION_NONE,
    ALTERATION_AMOUNT,
    ALTERATION_CURRENCY,
    ALTERATION_ID,
    ALTERATION_STATE,
};

/* The part of a payment that changes, as it was; the rest is read from the payment. */
struct payment_view {
    const struct payment *payment; /* NULL: a refusal that names none */
    const char *id;
    const char *currency;
    const char *status;
    const struct card *card;
    int64_t amount;
    int64_t received;
    enum refusal last_refusal;
    bool is_expanded; /* its charge is shown, not only named */
};
struct refund_view {
    const struct refund *refund;
    const char *id;
    const char *currency;
    const char *status;
    int64_t amount;
};
struct shipment_view {
    const char *id;
    const char *state;
};
struct status_view {
    const char *name;
    const char *message;
};

struct answer {
    enum answer_kind kind;
    int http_status;
    enum refusal refusal;  /* ANSWER_REFUSAL */
    const char *detail;    /* stands for {} in the refusal's message */
    struct evbuffer *body; /* where ANSWER_BODY is printed: the exchange's */
    union {
        struct payment_view payment; /* also of ANSWER_REFUSAL */
        struct refund_view refund;
        struct shipment_view shipment;
        struct status_view status;
    };
};

/* Making one. `answer->body` stays as it is. */
void answer_payment(struct answer *answer, const struct payment *payment);
void answer_refund(struct answer *answer, const struct refund *refund);
/* `detail` and `payment` may be NULL. */
void answer_refuse(struct answer *answer, enum refusal refusal, const char *detail,
                   const struct payment *payment);
void answer_shipment(struct answer *answer, const struct shipment *shipment);
/* A google.rpc.Status by HTTP status and name, as "FAILED_PRECONDITION". */
void answer_status(struct answer *answer, int http_status, const char *name, const char *message);
/* 200, with what was or will be printed into `body`. */
void answer_body(struct answer *answer);

void answer_alter(struct answer *answer, enum alteration alteration);

/* Appends the JSON to `out`; nothing for ANSWER_BODY. */
void answer_print(const struct answer *answer, struct evbuffer *out);
/* One payment or refund, as an element of a list. */
void answer_print_payment(struct json_out *json, const struct payment *payment, bool is_expanded);
void answer_print_refund(struct json_out *json, const struct refund *refund,
                         enum alteration alteration);
