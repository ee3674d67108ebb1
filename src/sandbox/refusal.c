/* The table of refusals. What they mean is decided by payment.c and payment_api.c. */
#include "sandbox/refusal.h"

#include "base/macros.h"

#include <assert.h>

#define INVALID "invalid_request_error"
#define UNEXPECTED "payment_intent_unexpected_state"

/* clang-format off */
static const struct refusal_row refusal_rows[REFUSAL_COUNT] = {
    [REFUSAL_KEY_MISSING] = { 401, false, INVALID, NULL, NULL, NULL,
        "You did not provide an API key. Send it as a bearer token: 'Authorization: Bearer <key>'." },
    [REFUSAL_KEY_INVALID] = { 401, false, INVALID, NULL, NULL, NULL, "Invalid API Key provided." },
    [REFUSAL_FORBIDDEN] = { 403, false, INVALID, "more_permissions_required", NULL, NULL,
        "The provided key does not have the required permissions for this endpoint." },
    [REFUSAL_ROUTE_UNKNOWN] = { 404, false, INVALID, NULL, NULL, NULL,
        "Unrecognized request URL ({})." },
    [REFUSAL_BODY_UNREADABLE] = { 400, false, INVALID, NULL, NULL, NULL,
        "The request's parameters could not be decoded." },
    [REFUSAL_MEDIA_TYPE] = { 400, false, INVALID, NULL, NULL, NULL,
        "Parameters must be sent as application/x-www-form-urlencoded, not {}." },

    [REFUSAL_IDEMPOTENCY_MISMATCH] = { 400, false, "idempotency_error", NULL, NULL, NULL,
        "Keys for idempotent requests can only be used with the same parameters they were first used"
        " with. Try using a key other than '{}' if you meant to execute a different request." },
    [REFUSAL_IDEMPOTENCY_IN_USE] = { 409, false, "idempotency_error", "idempotency_key_in_use",
        NULL, NULL, "There is currently another in-progress request using the key '{}'." },
    [REFUSAL_IDEMPOTENCY_INVALID] = { 400, false, "idempotency_error", NULL, NULL, NULL,
        "An idempotency key has 1 to 255 visible ASCII characters." },

    [REFUSAL_PARAMETER_UNKNOWN] = { 400, false, INVALID, "parameter_unknown", NULL, "{}",
        "Received unknown parameter: {}" },
    [REFUSAL_PARAMETER_MISSING] = { 400, false, INVALID, "parameter_missing", NULL, "{}",
        "Missing required param: {}." },
    [REFUSAL_INTEGER_INVALID] = { 400, false, INVALID, "parameter_invalid_integer", NULL, "{}",
        "This value must be an integer greater than or equal to 1: {}." },
    [REFUSAL_AMOUNT_TOO_LARGE] = { 400, false, INVALID, "amount_too_large", NULL, "amount",
        "Amount must be no more than 999999999999." },
    [REFUSAL_CURRENCY_INVALID] = { 400, false, INVALID, NULL, NULL, "currency",
        "Invalid currency: {}." },
    [REFUSAL_NEEDS_CONFIRM] = { 400, false, INVALID, "parameter_unknown", NULL, "{}",
        "{} can only be passed when creating a PaymentIntent if confirm is set to true." },
    [REFUSAL_METADATA_TOO_LARGE] = { 400, false, INVALID, NULL, NULL, "metadata",
        "Metadata has at most 50 keys of 1 to 40 characters, with values of at most 500." },
    [REFUSAL_PAYMENT_METHOD_UNKNOWN] = { 400, false, INVALID, "resource_missing", NULL,
        "payment_method", "No such PaymentMethod: '{}'" },
    [REFUSAL_PAYMENT_UNKNOWN] = { 404, false, INVALID, "resource_missing", NULL, "intent",
        "No such payment_intent: '{}'" },
    [REFUSAL_REFUND_PAYMENT_UNKNOWN] = { 404, false, INVALID, "resource_missing", NULL,
        "payment_intent", "No such payment_intent: '{}'" },

    [REFUSAL_PAYMENT_METHOD_MISSING] = { 400, true, INVALID, UNEXPECTED, NULL, NULL,
        "You cannot confirm this PaymentIntent because it's missing a payment method." },
    [REFUSAL_CONFIRM_STATE] = { 400, true, INVALID, UNEXPECTED, NULL, NULL,
        "You cannot confirm this PaymentIntent because it has a status of {}." },
    [REFUSAL_CANCEL_STATE] = { 400, true, INVALID, UNEXPECTED, NULL, NULL,
        "You cannot cancel this PaymentIntent because it has a status of {}." },
    [REFUSAL_NOT_CHARGED] = { 400, true, INVALID, UNEXPECTED, NULL, "payment_intent",
        "This PaymentIntent does not have a successful charge to refund: it has a status of {}." },
    [REFUSAL_ALREADY_REFUNDED] = { 400, true, INVALID, "charge_already_refunded", NULL, NULL,
        "The charge of this PaymentIntent has already been refunded." },
    [REFUSAL_REFUND_TOO_LARGE] = { 400, true, INVALID, "amount_too_large", NULL, "amount",
        "Refund amount is greater than unrefunded amount on charge." },

    [REFUSAL_DECLINED] = { 402, true, "card_error", "card_declined", "generic_decline", NULL,
        "Your card was declined." },
    [REFUSAL_INSUFFICIENT_FUNDS] = { 402, true, "card_error", "card_declined", "insufficient_funds",
        NULL, "Your card has insufficient funds." },
    [REFUSAL_LOST_CARD] = { 402, true, "card_error", "card_declined", "lost_card", NULL,
        "Your card was declined." },
    [REFUSAL_STOLEN_CARD] = { 402, true, "card_error", "card_declined", "stolen_card", NULL,
        "Your card was declined." },
    [REFUSAL_EXPIRED_CARD] = { 402, true, "card_error", "expired_card", "expired_card", "exp_month",
        "Your card has expired." },
    [REFUSAL_INCORRECT_CVC] = { 402, true, "card_error", "incorrect_cvc", "incorrect_cvc", "cvc",
        "Your card's security code is incorrect." },
    [REFUSAL_PROCESSING_ERROR] = { 402, true, "card_error", "processing_error", "processing_error",
        NULL, "An error occurred while processing your card. Try again in a little bit." },
    [REFUSAL_AUTHENTICATION_REQUIRED] = { 402, true, "card_error", "authentication_required",
        "authentication_required", NULL,
        "Your card was declined. This transaction requires authentication." },

    [REFUSAL_BAD_REQUEST] = { 400, false, INVALID, NULL, NULL, NULL, "The request was unacceptable." },
    [REFUSAL_UNPROCESSABLE] = { 422, false, INVALID, NULL, NULL, NULL,
        "The request could not be processed." },
    [REFUSAL_CONFLICT] = { 409, false, INVALID, "lock_timeout", NULL, NULL,
        "This object cannot be accessed right now because another request is accessing it." },
    [REFUSAL_RATE_LIMIT] = { 429, false, INVALID, "rate_limit", NULL, NULL,
        "Request rate limit exceeded." },
    [REFUSAL_API_ERROR] = { 500, true, "api_error", NULL, NULL, NULL,
        "An unknown error occurred." },
    [REFUSAL_BAD_GATEWAY] = { 502, true, "api_error", NULL, NULL, NULL, "Bad gateway." },
    [REFUSAL_UNAVAILABLE] = { 503, true, "api_error", NULL, NULL, NULL,
        "The service is temporarily unavailable." },
    [REFUSAL_GATEWAY_TIMEOUT] = { 504, true, "api_error", NULL, NULL, NULL, "Gateway timeout." },
    [REFUSAL_FULL] = { 503, false, "api_error", NULL, NULL, NULL,
        "The sandbox's ledger is full: reset it, or start it with a higher limit." },
};

static const struct { int http_status; enum refusal refusal; } refusal_statuses[] = {
    { 400, REFUSAL_BAD_REQUEST },
    { 401, REFUSAL_KEY_INVALID },
    { 403, REFUSAL_FORBIDDEN },
    { 404, REFUSAL_ROUTE_UNKNOWN },
    { 409, REFUSAL_CONFLICT },
    { 422, REFUSAL_UNPROCESSABLE },
    { 429, REFUSAL_RATE_LIMIT },
    { 502, REFUSAL_BAD_GATEWAY },
    { 503, REFUSAL_UNAVAILABLE },
    { 504, REFUSAL_GATEWAY_TIMEOUT },
};
/* clang-format on */

const struct refusal_row *refusal_row(enum refusal refusal)
{
    assert(refusal > REFUSAL_NONE && refusal < REFUSAL_COUNT);
    return &refusal_rows[refusal];
}

enum refusal refusal_of_status(int http_status)
{
    for (size_t i = 0; i < COUNT_OF(refusal_statuses); i++) {
        if (refusal_statuses[i].http_status == http_status)
            return refusal_statuses[i].refusal;
    }
    return REFUSAL_API_ERROR;
}
