/* UUIDs: 16 bytes, written as 36 characters in lower case. */
#pragma once

#include "base/macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uuid {
    uint8_t bytes[16];
};

enum {
    UUID_TEXT_SIZE = 37
};

/* UUIDv7: microseconds since 1970, those within a millisecond as a fraction of 12 bits (RFC 9562, method 3),
 * then random bits; so what one process makes sorts as it was made. `random` holds 8 random bytes. */
struct uuid uuid_v7(int64_t unix_us, const uint8_t random[8]);
void uuid_format(const struct uuid *uuid, char out[UUID_TEXT_SIZE]);
/* Accepts exactly the 36-character form, lower or upper case. */
bool uuid_parse(const char *text, struct uuid *out_uuid) NODISCARD;
bool uuid_equal(const struct uuid *a, const struct uuid *b);
/* Of a table of `bucket_count`, a power of two: its last bytes are random. */
uint32_t uuid_bucket(const struct uuid *uuid, uint32_t bucket_count);
bool uuid_is_zero(const struct uuid *uuid);
/* memcmp order, which is the order PostgreSQL sorts by. */
int uuid_compare(const struct uuid *a, const struct uuid *b);
