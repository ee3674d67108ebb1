/* Page tokens: opaque, authenticated, bound to the filter they were made for.
 *
 * A token is base64url(version | seal | position), the seal being the first 128 bits of an
 * HMAC-SHA-256 over version, purpose, filter and position. The key is shared by the replicas through
 * the database. Tampered, foreign or old tokens are refused. */
#pragma once

#include "base/arena.h"
#include "base/macros.h"
#include "base/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PAGE_KEY_SIZE = 32
};

/* A token for `position` (text, at most LIMIT_PAGE_TOKEN_SIZE / 2 bytes), valid for this purpose
 * ("products", "orders") and filter text only. NULL when the arena is full. */
char *page_token_make(const uint8_t key[PAGE_KEY_SIZE], const char *purpose, const char *filter,
                      const char *position, struct arena *arena) NODISCARD;
/* The position in it. REASON_PAGE_TOKEN_INVALID when the token was not made by us for this purpose and
 * filter, REASON_OUT_OF_MEMORY when that cannot be told. */
enum reason page_token_read(const uint8_t key[PAGE_KEY_SIZE], const char *purpose,
                            const char *filter, const char *token, struct arena *arena,
                            const char **out_position) NODISCARD;
