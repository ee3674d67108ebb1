/* The idempotency keys a fake store has seen, and what each made. */
#pragma once

#include "domain/idempotency.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FAKE_KEYS_MAX = 64,
    FAKE_KEY_TEXT_SIZE = 300
};

struct fake_keys {
    struct fake_key {
        char text[FAKE_KEY_TEXT_SIZE]; /* caller, method and request_id */
        uint8_t hash[IDEMPOTENCY_HASH_SIZE];
        uint32_t object; /* the store's own number of what the key made */
    } rows[FAKE_KEYS_MAX];
    uint32_t count;
};

enum fake_key_result {
    FAKE_KEY_NEW,
    FAKE_KEY_REPEATED,
    FAKE_KEY_REUSED
};

/* What is known of the key; *out_object is set when it was repeated. A call without a key is new. */
enum fake_key_result fake_keys_find(const struct fake_keys *keys,
                                    const struct idempotency *idempotency, uint32_t *out_object);
void fake_keys_add(struct fake_keys *keys, const struct idempotency *idempotency, uint32_t object);
