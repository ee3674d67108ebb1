/* The key under which a caller repeats a call: (caller, method, request_id), and the fingerprint of
 * the request, so that the same key with another payload is noticed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    IDEMPOTENCY_HASH_SIZE = 32
};

struct idempotency {
    const char *caller;                  /* "" with AUTH=none */
    const char *method;                  /* "CreateOrder" */
    const char *request_id;              /* NULL or "": the call carries no key */
    uint8_t hash[IDEMPOTENCY_HASH_SIZE]; /* SHA-256 of the request packed without its request_id */
};

static inline bool idempotency_is_set(const struct idempotency *idempotency)
{
    return idempotency->request_id != 0 && idempotency->request_id[0] != '\0';
}
