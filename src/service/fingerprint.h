/* The idempotency key of a call, with the fingerprint of its request. */
#pragma once

#include "base/macros.h"
#include "domain/idempotency.h"
#include "service/call.h"

#include <stdbool.h>

/* For a request with a field request_id; without a value in it the key is unset and nothing is hashed.
 * The hash is the SHA-256 of the request packed again without its request_id, so it is the same
 * through both doors. False when the arena is full. */
bool idempotency_of_call(const struct call *call, const char *method,
                         struct idempotency *out_idempotency) NODISCARD;
