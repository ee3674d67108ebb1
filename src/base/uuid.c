/* UUIDs as values. Randomness and time are arguments. */
#include "base/uuid.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"

static const struct uuid uuid_zero;

struct uuid uuid_v7(int64_t unix_us, const uint8_t random[8])
{
    const int64_t unix_ms = unix_us / 1000, fraction = unix_us % 1000 * 4096 / 1000;
    struct uuid uuid;

    assert(unix_us >= 0);
    for (int i = 0; i < 6; i++)
        uuid.bytes[i] = (uint8_t)(unix_ms >> (40 - 8 * i));
    uuid.bytes[6] = (uint8_t)(0x70 | fraction >> 8); /* version 7 */
    uuid.bytes[7] = (uint8_t)fraction;
    memcpy(uuid.bytes + 8, random, 8);
    uuid.bytes[8] = (uint8_t)(0x80 | (uuid.bytes[8] & 0x3f)); /* variant of RFC 9562 */
    return uuid;
}

static bool is_dash_index(size_t index)
{
    return index == 8 || index == 13 || index == 18 || index == 23;
}

void uuid_format(const struct uuid *uuid, char out[UUID_TEXT_SIZE])
{
    char hex[2 * sizeof(uuid->bytes) + 1];
    size_t digit = 0;

    text_hex(hex, uuid->bytes, sizeof(uuid->bytes));
    for (size_t i = 0; i < UUID_TEXT_SIZE - 1; i++)
        out[i] = is_dash_index(i) ? '-' : hex[digit++];
    out[UUID_TEXT_SIZE - 1] = '\0';
}

bool uuid_parse(const char *text, struct uuid *out_uuid)
{
    struct uuid uuid = uuid_zero;
    size_t digit = 0;

    for (size_t i = 0; i < UUID_TEXT_SIZE - 1; i++) {
        int value = text_hex_value(text[i]);
        if (is_dash_index(i) ? text[i] != '-' : value < 0)
            return false;
        if (is_dash_index(i))
            continue;
        uuid.bytes[digit / 2] = (uint8_t)(uuid.bytes[digit / 2] << 4 | value);
        digit++;
    }
    if (text[UUID_TEXT_SIZE - 1] != '\0')
        return false;
    *out_uuid = uuid;
    return true;
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return uuid_compare(a, b) == 0;
}

uint32_t uuid_bucket(const struct uuid *uuid, uint32_t bucket_count)
{
    uint32_t chance;

    assert(bucket_count > 0);
    assert((bucket_count & (bucket_count - 1)) == 0);
    memcpy(&chance, &uuid->bytes[sizeof(uuid->bytes) - sizeof(chance)], sizeof(chance));
    return chance & (bucket_count - 1);
}

bool uuid_is_zero(const struct uuid *uuid)
{
    return uuid_equal(uuid, &uuid_zero);
}

int uuid_compare(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}
