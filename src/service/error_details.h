/* struct error as google.rpc.Status: the one form in which both doors, Order.failure and
 * OrderStep.error tell what went wrong.
 *
 * Details, each kind at most once, in this order: ErrorInfo (always), RetryInfo, ResourceInfo,
 * PreconditionFailure, BadRequest. What does not fit is shortened, then dropped from the end;
 * ErrorInfo keeps its reason whatever happens. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/macros.h"

#include "google/rpc/status.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ERROR_DOMAIN "orders.shop.v1"

enum {
    /* Packed bytes of a Status. In base64, beside the percent-encoded message and the other trailers,
     * this stays below LIMIT_ERROR_TRAILER_SIZE. The HTTP body keeps to it too: both doors alike. */
    ERROR_STATUS_SIZE_MAX = 3840,
    ERROR_RETRY_DELAY_MS_DEFAULT = 1000,
};

/* The error as a message of at most ERROR_STATUS_SIZE_MAX packed bytes, everything in the arena. Never
 * NULL unless the arena is full. */
Google__Rpc__Status *error_to_status(const struct error *err, struct arena *arena) NODISCARD;

/* The same, packed for grpc-status-details-bin, in at most `size_max` bytes (and never more than
 * ERROR_STATUS_SIZE_MAX). The bytes are in the arena; returns their number, 0 when the arena is full or
 * not even code and reason fit. */
size_t error_pack_status(const struct error *err, size_t size_max, struct arena *arena,
                         uint8_t **out) NODISCARD;

/* The trailer grpc-retry-pushback-ms: the delay where RetryInfo stands, -1 where repeating is not
 * wanted; *out_present is false when nothing is said. */
int32_t error_retry_pushback_ms(const struct error *err, bool *out_present);
