/* Why a call failed, machine-readable: google.rpc.ErrorInfo.reason.
 *
 * THE table of reasons. Each has one code, a default text (also printed as documentation by
 * `orderd --print-reasons`), and a policy on repeating the call:
 *   RETRY_AFTER  RetryInfo and the trailer grpc-retry-pushback-ms say when;
 *   RETRY_NEVER  pushback -1 and no RetryInfo: repeating blindly is not wanted (the order goes on);
 *   RETRY_SILENT nothing is said about repeating.
 * A test checks that every UNAVAILABLE (but the three that go on alone), ABORTED (but ETAG_MISMATCH)
 * and RESOURCE_EXHAUSTED invites a retry. */
#pragma once

#include "base/status.h"

#include <stdbool.h>

enum retry_policy {
    RETRY_SILENT,
    RETRY_AFTER,
    RETRY_NEVER
};

/* clang-format off */
/*       reason                       code                 repeat        default text */
#define REASON_TABLE(X) \
    /* Requests */ \
    X(REQUEST_INVALID,               INVALID_ARGUMENT,    RETRY_SILENT, "the request has invalid fields") \
    X(MESSAGE_INVALID,               INVALID_ARGUMENT,    RETRY_SILENT, "the message cannot be read") \
    X(MESSAGE_TOO_LARGE,             RESOURCE_EXHAUSTED,  RETRY_AFTER,  "the message is larger than allowed") \
    X(PAGE_TOKEN_INVALID,            INVALID_ARGUMENT,    RETRY_SILENT, "the page token was not made for this request") \
    X(PAGE_OUT_OF_RANGE,             OUT_OF_RANGE,        RETRY_SILENT, "numbered pages end before this one, use page tokens") \
    X(MONEY_OVERFLOW,                OUT_OF_RANGE,        RETRY_SILENT, "the total is larger than can be represented") \
    X(METHOD_NOT_FOUND,              UNIMPLEMENTED,       RETRY_SILENT, "there is no such method") \
    X(COMPRESSION_UNSUPPORTED,       UNIMPLEMENTED,       RETRY_SILENT, "compressed requests are not accepted") \
    X(REQUEST_ID_REUSED,             INVALID_ARGUMENT,    RETRY_SILENT, "the request_id was used with another request") \
    X(REQUEST_IN_PROGRESS,           ABORTED,             RETRY_AFTER,  "too many callers wait for this request") \
    X(JSON_INVALID,                  INVALID_ARGUMENT,    RETRY_SILENT, "the JSON cannot be read") \
    X(FIELD_UNKNOWN,                 INVALID_ARGUMENT,    RETRY_SILENT, "the request has fields that are not known") \
    /* The HTTP door */ \
    X(ROUTE_NOT_FOUND,               NOT_FOUND,           RETRY_SILENT, "there is nothing at this path") \
    X(METHOD_NOT_ALLOWED,            UNIMPLEMENTED,       RETRY_SILENT, "the path does not know this method") \
    X(NOT_ACCEPTABLE,                INVALID_ARGUMENT,    RETRY_SILENT, "the answer has no form that is accepted") \
    X(BODY_TOO_LARGE,                RESOURCE_EXHAUSTED,  RETRY_AFTER,  "the body is larger than 256 KiB") \
    X(URL_TOO_LONG,                  INVALID_ARGUMENT,    RETRY_SILENT, "the URL is longer than 8 KiB") \
    X(MEDIA_TYPE_UNSUPPORTED,        INVALID_ARGUMENT,    RETRY_SILENT, "the body has to be application/json") \
    X(HEADERS_TOO_LARGE,             INVALID_ARGUMENT,    RETRY_SILENT, "the header fields are larger than 8 KiB, or more than 100") \
    /* Catalogue */ \
    X(PRODUCT_NOT_FOUND,             NOT_FOUND,           RETRY_SILENT, "there is no such product") \
    X(PRODUCT_ALREADY_EXISTS,        ALREADY_EXISTS,      RETRY_SILENT, "the product id is taken or was used before") \
    X(ETAG_MISMATCH,                 ABORTED,             RETRY_SILENT, "the object was changed since it was read") \
    X(STOCK_BELOW_ZERO,              FAILED_PRECONDITION, RETRY_SILENT, "the stock would fall below zero") \
    X(STOCK_OVERFLOW,                OUT_OF_RANGE,        RETRY_SILENT, "the stock is larger than can be represented") \
    /* Orders */ \
    X(ORDER_NOT_FOUND,               NOT_FOUND,           RETRY_SILENT, "there is no such order") \
    X(ORDER_PRODUCT_NOT_FOUND,       FAILED_PRECONDITION, RETRY_SILENT, "a product of the order does not exist") \
    X(ORDER_STATE_INVALID,           FAILED_PRECONDITION, RETRY_SILENT, "the order is in a state that does not allow this") \
    X(ORDER_IN_PROGRESS,             ABORTED,             RETRY_AFTER,  "the order is being processed by another call") \
    X(ORDER_CANCELLED,               FAILED_PRECONDITION, RETRY_SILENT, "the order was cancelled") \
    X(ATTEMPTS_EXHAUSTED,            FAILED_PRECONDITION, RETRY_SILENT, "the order was tried as often as allowed") \
    X(CURRENCY_MIXED,                INVALID_ARGUMENT,    RETRY_SILENT, "the lines have different currencies") \
    X(EVENT_POSITION_UNKNOWN,        OUT_OF_RANGE,        RETRY_SILENT, "the position lies beyond the last event there is") \
    X(ORDER_TOTAL_ZERO,              INVALID_ARGUMENT,    RETRY_SILENT, "the total of the order is zero") \
    /* The steps of an order */ \
    X(OUT_OF_STOCK,                  FAILED_PRECONDITION, RETRY_SILENT, "not enough units in stock") \
    X(INVENTORY_UNAVAILABLE,         UNAVAILABLE,         RETRY_AFTER,  "the inventory service cannot be reached") \
    X(INVENTORY_MISCONFIGURED,       INTERNAL,            RETRY_SILENT, "the inventory service refuses this service") \
    X(RESERVATION_OUTCOME_UNKNOWN,   UNAVAILABLE,         RETRY_NEVER,  "it is not known yet whether the stock was reserved") \
    X(PAYMENT_DECLINED,              FAILED_PRECONDITION, RETRY_SILENT, "the payment was declined") \
    X(PAYMENT_ACTION_REQUIRED,       FAILED_PRECONDITION, RETRY_SILENT, "the payment needs an action of the customer") \
    X(PAYMENT_METHOD_INVALID,        FAILED_PRECONDITION, RETRY_SILENT, "the payment method is not accepted") \
    X(PAYMENT_MISCONFIGURED,         INTERNAL,            RETRY_SILENT, "the payment provider refuses this service") \
    X(PAYMENT_ANSWER_INVALID,        INTERNAL,            RETRY_SILENT, "the payment provider's answer contradicts the order") \
    X(PAYMENT_UNAVAILABLE,           UNAVAILABLE,         RETRY_AFTER,  "the payment provider cannot be reached") \
    X(PAYMENT_OUTCOME_UNKNOWN,       UNAVAILABLE,         RETRY_NEVER,  "it is not known yet whether the payment was taken") \
    X(FULFILLMENT_REJECTED,          FAILED_PRECONDITION, RETRY_SILENT, "the shipment was rejected") \
    X(FULFILLMENT_MISCONFIGURED,     INTERNAL,            RETRY_SILENT, "the shipping service refuses this service") \
    X(FULFILLMENT_UNAVAILABLE,       UNAVAILABLE,         RETRY_AFTER,  "the shipping service cannot be reached") \
    X(FULFILLMENT_PENDING,           UNAVAILABLE,         RETRY_NEVER,  "the order is paid and its shipment is being created") \
    X(DEADLINE_TOO_SHORT,            DEADLINE_EXCEEDED,   RETRY_SILENT, "the deadline is too short to take money safely") \
    /* This service */ \
    X(STORE_UNAVAILABLE,             UNAVAILABLE,         RETRY_AFTER,  "the database cannot be reached") \
    X(STORE_OVERLOADED,              RESOURCE_EXHAUSTED,  RETRY_AFTER,  "too many requests wait for the database") \
    X(DEADLINE_EXCEEDED,             DEADLINE_EXCEEDED,   RETRY_SILENT, "the deadline passed before the answer was known") \
    X(TOO_MANY_CALLS,                RESOURCE_EXHAUSTED,  RETRY_AFTER,  "too many calls in flight") \
    X(TOO_MANY_ORDERS,               RESOURCE_EXHAUSTED,  RETRY_AFTER,  "too many orders under way") \
    X(TOO_MANY_WATCHERS,             RESOURCE_EXHAUSTED,  RETRY_AFTER,  "too many watchers") \
    X(TOO_MANY_CONNECTIONS,          RESOURCE_EXHAUSTED,  RETRY_AFTER,  "too many connections") \
    X(OUT_OF_MEMORY,                 RESOURCE_EXHAUSTED,  RETRY_AFTER,  "the call needs more memory than it may use") \
    X(SHUTTING_DOWN,                 UNAVAILABLE,         RETRY_AFTER,  "the server is shutting down") \
    X(SERVICE_UNKNOWN,               NOT_FOUND,           RETRY_SILENT, "there is no such service") \
    X(CALL_CANCELLED,                CANCELLED,           RETRY_SILENT, "the caller has gone") \
    X(INTERNAL,                      INTERNAL,            RETRY_SILENT, "internal error")
/* clang-format on */

enum reason {
    REASON_NONE = 0,
#define REASON_ENUM(name, code, repeat, text) REASON_##name,
    REASON_TABLE(REASON_ENUM)
#undef REASON_ENUM
    REASON_COUNT
};

/* "ORDER_NOT_FOUND"; ORDER_PRODUCT_NOT_FOUND is published as "PRODUCT_NOT_FOUND" (the saga's answer
 * has another code than the catalogue's, but the same reason). */
const char *reason_name(enum reason reason);
enum status reason_status(enum reason reason);
const char *reason_text(enum reason reason);
enum retry_policy reason_retry(enum reason reason);

/* The reason stored under its C name ("ORDER_PRODUCT_NOT_FOUND"), for the database; REASON_NONE when
 * there is none of that name. reason_key() is the inverse. */
const char *reason_key(enum reason reason);
enum reason reason_from_key(const char *key);
