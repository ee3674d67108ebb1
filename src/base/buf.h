/* A growing byte buffer that is born with its maximum.
 *
 * Invariants: len <= size_max; the byte behind the last one is always NUL once anything was written;
 * after a failed write `failed` stays true and all further writes do nothing, so that a writer
 * checks once, at the end. */
#pragma once

#include "base/macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
    char *data; /* NULL until the first write */
    size_t len;
    size_t size; /* allocated */
    size_t size_max;
    bool failed;
    bool no_memory; /* that is why */
};

void buf_init(struct buf *buf, size_t size_max);
void buf_deinit(struct buf *buf);
void buf_clear(struct buf *buf); /* keeps the memory, forgets content and failure */

/* Makes room for `len` more bytes and the NUL behind them; false when there is none. */
bool buf_grow(struct buf *buf, size_t len);

/* `len` uninitialised bytes to be filled by the caller; NULL when there is no room. Here and inline, as
 * what is put together of many small pieces asks for room most of its time. */
NODISCARD static inline char *buf_reserve(struct buf *buf, size_t len)
{
    char *start;

    if ((buf->failed || buf->size - buf->len <= len) && !buf_grow(buf, len))
        return NULL;
    start = buf->data + buf->len;
    buf->len += len;
    buf->data[buf->len] = '\0';
    return start;
}

static inline bool buf_put(struct buf *buf, const void *data, size_t len)
{
    char *start = buf_reserve(buf, len);

    if (start == NULL)
        return false;
    if (len > 0)
        memcpy(start, data, len);
    return true;
}

static inline bool buf_put_str(struct buf *buf, const char *text)
{
    return buf_put(buf, text, strlen(text));
}

static inline bool buf_put_char(struct buf *buf, char c)
{
    return buf_put(buf, &c, 1);
}

bool buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
/* Big-endian integers, as PostgreSQL's binary format wants them. */
bool buf_put_u32(struct buf *buf, uint32_t value);
bool buf_put_u64(struct buf *buf, uint64_t value);
/* Text as the inside of a JSON string (without the quotes): escapes ", \ and control characters;
 * invalid UTF-8 becomes U+FFFD. */
bool buf_put_json_text(struct buf *buf, const char *text, size_t len);
/* application/x-www-form-urlencoded. */
bool buf_put_form_text(struct buf *buf, const char *text);
