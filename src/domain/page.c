/* Page tokens: made, sealed and read. Not for what a position means; that is the list's.
 *
 * The bytes under the base64url: version (1) | seal (16) | position. The seal is the first half of
 * an HMAC-SHA-256 over version, purpose, filter and position, each text with its NUL, so that no
 * two triples give the same bytes. */
#include "domain/page.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/limits.h"

enum {
    VERSION = 1,
    SEAL_SIZE = 16, /* 128 bits are out of reach of guessing, and keep tokens short */
    HEAD_SIZE = 1 + SEAL_SIZE,
    POSITION_LEN_MAX = LIMIT_PAGE_TOKEN_SIZE / 2,
    RAW_SIZE_MAX = HEAD_SIZE + POSITION_LEN_MAX,
};

/* ---- Base64url without padding ------------------------------------------------------------- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* `out` has room for 4 characters per begun 3 bytes, and a NUL. */
static void base64_write(const uint8_t *data, size_t size, char *out)
{
    uint32_t bits = 0;
    unsigned bit_count = 0;

    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | data[i];
        for (bit_count += 8; bit_count >= 6; bit_count -= 6)
            *out++ = alphabet[bits >> (bit_count - 6) & 63];
    }
    if (bit_count > 0)
        *out++ = alphabet[bits << (6 - bit_count) & 63];
    *out = '\0';
}

/* False for a foreign character, or bits left over that are not 0: one value has one text. */
static bool base64_read(const char *text, size_t len, uint8_t *out, size_t *out_size)
{
    uint32_t bits = 0;
    unsigned bit_count = 0;
    size_t size = 0;

    for (size_t i = 0; i < len; i++) {
        const char *letter = memchr(alphabet, text[i], sizeof(alphabet) - 1);
        if (letter == NULL)
            return false;
        bits = bits << 6 | (uint32_t)(letter - alphabet);
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            out[size++] = (uint8_t)(bits >> bit_count);
        }
    }
    *out_size = size;
    return bit_count < 6 && (bits & ((1U << bit_count) - 1)) == 0;
}

/* ---- The seal ------------------------------------------------------------------------------ */

/* False when there is no memory. */
static bool seal_make(const uint8_t key[PAGE_KEY_SIZE], const char *purpose, const char *filter,
                      const char *position, struct arena *arena, uint8_t seal[SEAL_SIZE])
{
    size_t purpose_size = strlen(purpose) + 1, filter_size = strlen(filter) + 1;
    size_t position_size = strlen(position) + 1;
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digest_size = sizeof(digest);
    uint8_t *text = arena_alloc(arena, 1 + purpose_size + filter_size + position_size);

    if (text == NULL)
        return false;
    text[0] = VERSION;
    memcpy(text + 1, purpose, purpose_size);
    memcpy(text + 1 + purpose_size, filter, filter_size);
    memcpy(text + 1 + purpose_size + filter_size, position, position_size);
    if (HMAC(EVP_sha256(), key, PAGE_KEY_SIZE, text, 1 + purpose_size + filter_size + position_size,
             digest, &digest_size) == NULL)
        return false;
    assert(digest_size >= SEAL_SIZE);
    memcpy(seal, digest, SEAL_SIZE);
    return true;
}

/* ---- Tokens -------------------------------------------------------------------------------- */

char *page_token_make(const uint8_t key[PAGE_KEY_SIZE], const char *purpose, const char *filter,
                      const char *position, struct arena *arena)
{
    size_t len = strlen(position);
    uint8_t raw[RAW_SIZE_MAX];
    char *token;

    assert(len <= POSITION_LEN_MAX);
    raw[0] = VERSION;
    if (!seal_make(key, purpose, filter, position, arena, raw + 1))
        return NULL;
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): bytes, not a text */
    memcpy(raw + HEAD_SIZE, position, len);
    token = arena_alloc(arena, (HEAD_SIZE + len + 2) / 3 * 4 + 1);
    if (token != NULL)
        base64_write(raw, HEAD_SIZE + len, token);
    return token;
}

enum reason page_token_read(const uint8_t key[PAGE_KEY_SIZE], const char *purpose,
                            const char *filter, const char *token, struct arena *arena,
                            const char **out_position)
{
    size_t len = strnlen(token, LIMIT_PAGE_TOKEN_SIZE + 1), size;
    uint8_t raw[LIMIT_PAGE_TOKEN_SIZE], seal[SEAL_SIZE];
    char *position;

    if (len > LIMIT_PAGE_TOKEN_SIZE || !base64_read(token, len, raw, &size))
        return REASON_PAGE_TOKEN_INVALID;
    if (size < HEAD_SIZE || size > RAW_SIZE_MAX || raw[0] != VERSION)
        return REASON_PAGE_TOKEN_INVALID;
    if (memchr(raw + HEAD_SIZE, '\0', size - HEAD_SIZE) != NULL)
        return REASON_PAGE_TOKEN_INVALID;
    position = arena_strndup(arena, (const char *)raw + HEAD_SIZE, size - HEAD_SIZE);
    if (position == NULL || !seal_make(key, purpose, filter, position, arena, seal))
        return REASON_OUT_OF_MEMORY;
    if (CRYPTO_memcmp(seal, raw + 1, SEAL_SIZE) != 0)
        return REASON_PAGE_TOKEN_INVALID;
    *out_position = position;
    return REASON_NONE;
}
