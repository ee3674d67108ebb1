/* Every no of the payment API, as one table: HTTP status, type, codes, parameter, text.
 *
 * A row's message, and its parameter, may hold "{}", which stands for a detail that the answer brings
 * (an id, a status, the name of a parameter). */
#pragma once

#include <stdbool.h>

enum refusal {
    REFUSAL_NONE,
    /* before anything was looked at */
    REFUSAL_KEY_MISSING,
    REFUSAL_KEY_INVALID,
    REFUSAL_FORBIDDEN,
    REFUSAL_ROUTE_UNKNOWN,
    REFUSAL_BODY_UNREADABLE,
    REFUSAL_MEDIA_TYPE,
    /* idempotency keys */
    REFUSAL_IDEMPOTENCY_MISMATCH,
    REFUSAL_IDEMPOTENCY_IN_USE,
    REFUSAL_IDEMPOTENCY_INVALID,
    /* parameters */
    REFUSAL_PARAMETER_UNKNOWN,
    REFUSAL_PARAMETER_MISSING,
    REFUSAL_INTEGER_INVALID,
    REFUSAL_AMOUNT_TOO_LARGE,
    REFUSAL_CURRENCY_INVALID,
    REFUSAL_NEEDS_CONFIRM,
    REFUSAL_METADATA_TOO_LARGE,
    REFUSAL_PAYMENT_METHOD_UNKNOWN,
    REFUSAL_PAYMENT_UNKNOWN,
    REFUSAL_REFUND_PAYMENT_UNKNOWN,
    /* what the payment's state does not allow */
    REFUSAL_PAYMENT_METHOD_MISSING,
    REFUSAL_CONFIRM_STATE,
    REFUSAL_CANCEL_STATE,
    REFUSAL_NOT_CHARGED,
    REFUSAL_ALREADY_REFUNDED,
    REFUSAL_REFUND_TOO_LARGE,
    /* what the card's bank says */
    REFUSAL_DECLINED,
    REFUSAL_INSUFFICIENT_FUNDS,
    REFUSAL_LOST_CARD,
    REFUSAL_STOLEN_CARD,
    REFUSAL_EXPIRED_CARD,
    REFUSAL_INCORRECT_CVC,
    REFUSAL_PROCESSING_ERROR,
    REFUSAL_AUTHENTICATION_REQUIRED,
    /* weather */
    REFUSAL_BAD_REQUEST,
    REFUSAL_UNPROCESSABLE,
    REFUSAL_CONFLICT,
    REFUSAL_RATE_LIMIT,
    REFUSAL_API_ERROR,
    REFUSAL_BAD_GATEWAY,
    REFUSAL_UNAVAILABLE,
    REFUSAL_GATEWAY_TIMEOUT,
    REFUSAL_FULL,
    REFUSAL_COUNT
};

struct refusal_row {
    int http_status;
    bool is_stored; /* under the idempotency key: the provider had begun to act */
    const char *type;
    const char *code;
    const char *decline_code;
    const char *param;
    const char *message;
};

/* The row of a refusal; not for REFUSAL_NONE. Static. */
const struct refusal_row *refusal_row(enum refusal refusal);

/* The weather row of that HTTP status, or of 500 when there is none. */
enum refusal refusal_of_status(int http_status);
