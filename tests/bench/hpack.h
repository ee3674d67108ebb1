/* As much of HPACK (RFC 7541) as a client needs that sends one set of headers and wants two of those
 * that come back. It announces a header table of size 0, so the other side never refers to earlier
 * headers. Huffman codes are compared, not decoded: only grpc-status and its 17 values matter. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    HPACK_MESSAGE_SIZE = 200,
    HPACK_STATUS_COUNT = 17
};

struct hpack_answer {
    int grpc_status; /* -1: there was none */
    char grpc_message[HPACK_MESSAGE_SIZE];
};

struct hpack_text {
    const uint8_t *bytes;
    size_t len;
    bool huffman;
};

/* ------------------------------------------------------------------------------------ writing */

static inline size_t hpack_put_text(uint8_t *out, const char *text)
{
    size_t len = strlen(text); /* below 127, so that its length is one byte */
    out[0] = (uint8_t)len;
    memcpy(out + 1, text, len);
    return len + 1;
}

/* The headers of a call. The first ones of a connection are put into the other side's table; later
 * calls name them by index, as gRPC clients do. */
static inline size_t hpack_first_headers(uint8_t *out, const char *path, const char *authority)
{
    size_t at = 0;
    out[at++] = 0x83; /* :method POST */
    out[at++] = 0x86; /* :scheme http */
    out[at++] = 0x44; /* :path */
    at += hpack_put_text(out + at, path);
    out[at++] = 0x41; /* :authority */
    at += hpack_put_text(out + at, authority);
    out[at++] = 0x5f; /* content-type */
    at += hpack_put_text(out + at, "application/grpc");
    out[at++] = 0x40;
    at += hpack_put_text(out + at, "te");
    at += hpack_put_text(out + at, "trailers");
    return at;
}

static inline size_t hpack_later_headers(uint8_t *out)
{
    /* The table's newest entry is 62: te, content-type, :authority, :path. */
    static const uint8_t headers[] = {0x83, 0x86, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62};
    memcpy(out, headers, sizeof(headers));
    return sizeof(headers);
}

/* ------------------------------------------------------------------------------------ reading */

static inline unsigned hpack_code(char c, unsigned *out_bits)
{
    /* clang-format off */
    static const struct { char c; uint8_t bits, code; } codes[] = {
        {'0', 5, 0x00}, {'1', 5, 0x01}, {'2', 5, 0x02}, {'3', 6, 0x19}, {'4', 6, 0x1a},
        {'5', 6, 0x1b}, {'6', 6, 0x1c}, {'7', 6, 0x1d}, {'8', 6, 0x1e}, {'9', 6, 0x1f},
        {'-', 6, 0x16}, {'a', 5, 0x03}, {'c', 5, 0x04}, {'g', 6, 0x26}, {'p', 6, 0x2b},
        {'r', 6, 0x2c}, {'s', 5, 0x08}, {'t', 5, 0x09}, {'u', 6, 0x2d},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].c == c) {
            *out_bits = codes[i].bits;
            return codes[i].code;
        }
    }
    *out_bits = 0;
    return 0;
}

/* Whether the text is that word. The Huffman form of a word is unique, so the word is encoded. */
static inline bool hpack_text_is(const struct hpack_text *text, const char *word)
{
    if (!text->huffman) {
        return text->len == strlen(word) && memcmp(text->bytes, word, text->len) == 0;
    }
    uint64_t pending = 0;
    unsigned pending_bits = 0;
    size_t at = 0;
    for (const char *c = word; *c != '\0'; c++) {
        unsigned bits;
        unsigned code = hpack_code(*c, &bits);
        pending = pending << bits | code;
        pending_bits += bits;
        while (pending_bits >= 8) {
            pending_bits -= 8;
            if (at >= text->len || text->bytes[at++] != (uint8_t)(pending >> pending_bits)) {
                return false;
            }
        }
    }
    if (pending_bits > 0) { /* the rest of the last byte is ones */
        unsigned fill = 8 - pending_bits;
        uint8_t last = (uint8_t)(pending << fill | ((1U << fill) - 1));
        return at + 1 == text->len && text->bytes[at] == last;
    }
    return at == text->len;
}

static inline bool hpack_get_number(const uint8_t **at, const uint8_t *end, unsigned prefix_bits,
                                    size_t *out)
{
    if (*at == end) {
        return false;
    }
    size_t mask = (1U << prefix_bits) - 1;
    size_t number = *(*at)++ & mask;
    if (number == mask) {
        for (unsigned shift = 0;; shift += 7) {
            if (*at == end || shift > 21) {
                return false;
            }
            uint8_t byte = *(*at)++;
            number += (size_t)(byte & 0x7f) << shift;
            if ((byte & 0x80) == 0) {
                break;
            }
        }
    }
    *out = number;
    return true;
}

static inline bool hpack_get_text(const uint8_t **at, const uint8_t *end, struct hpack_text *out)
{
    bool huffman = *at < end && (**at & 0x80) != 0;
    size_t len;
    if (!hpack_get_number(at, end, 7, &len) || len > (size_t)(end - *at)) {
        return false;
    }
    *out = (struct hpack_text){.bytes = *at, .len = len, .huffman = huffman};
    *at += len;
    return true;
}

static inline void hpack_take(struct hpack_answer *answer, const struct hpack_text *name,
                              const struct hpack_text *value)
{
    if (hpack_text_is(name, "grpc-status")) {
        for (int i = 0; i < HPACK_STATUS_COUNT; i++) {
            char digits[4];
            snprintf(digits, sizeof(digits), "%d", i);
            if (hpack_text_is(value, digits)) {
                answer->grpc_status = i;
            }
        }
    } else if (!name->huffman && !value->huffman && hpack_text_is(name, "grpc-message")) {
        snprintf(answer->grpc_message, sizeof(answer->grpc_message), "%.*s",
                 (int)(value->len < HPACK_MESSAGE_SIZE ? value->len : HPACK_MESSAGE_SIZE - 1),
                 (const char *)value->bytes);
    }
}

/* One block of headers or trailers. False when it cannot be read. */
static inline bool hpack_read(struct hpack_answer *answer, const uint8_t *at, size_t len)
{
    const uint8_t *end = at + len;
    while (at < end) {
        size_t index;
        struct hpack_text name = {0}, value;
        if ((*at & 0x80) != 0) { /* a whole header of the static table: none of ours */
            if (!hpack_get_number(&at, end, 7, &index)) {
                return false;
            }
            continue;
        }
        if ((*at & 0xe0) == 0x20) { /* a new size of the table */
            if (!hpack_get_number(&at, end, 5, &index)) {
                return false;
            }
            continue;
        }
        if (!hpack_get_number(&at, end, (*at & 0x40) != 0 ? 6 : 4, &index) ||
            (index == 0 && !hpack_get_text(&at, end, &name)) || !hpack_get_text(&at, end, &value)) {
            return false;
        }
        if (index == 0) {
            hpack_take(answer, &name, &value);
        }
    }
    return true;
}
