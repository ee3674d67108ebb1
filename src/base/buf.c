/* The growing buffer and its small encoders: big-endian integers, JSON text, form text. */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum {
    FIRST_SIZE = 256
};

void buf_init(struct buf *buf, size_t size_max)
{
    assert(size_max < SIZE_MAX / 4);
    *buf = (struct buf){.size_max = size_max};
}

void buf_deinit(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->size_max);
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    buf->no_memory = false;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

/* Doubles, but never beyond the maximum. */
bool buf_grow(struct buf *buf, size_t len)
{
    size_t size = MAX_OF(buf->size, FIRST_SIZE);
    char *data;

    if (buf->failed || len > buf->size_max - buf->len) {
        buf->failed = true;
        return false;
    }
    if (buf->len + len + 1 <= buf->size)
        return true;
    while (size < buf->len + len + 1)
        size *= 2;
    size = MIN_OF(size, buf->size_max + 1);
    data = realloc(buf->data, size);
    if (data == NULL) {
        buf->failed = true;
        buf->no_memory = true;
        return false;
    }
    buf->data = data;
    buf->size = size;
    return true;
}

bool buf_printf(struct buf *buf, const char *format, ...)
{
    size_t room = buf->size - buf->len;
    va_list args;
    char *start;
    int len;

    va_start(args, format);
    len = vsnprintf(room == 0 ? NULL : buf->data + buf->len, room, format, args);
    va_end(args);
    start = len < 0 ? NULL : buf_reserve(buf, (size_t)len);
    if (start == NULL) {
        if (room > 0)
            buf->data[buf->len] = '\0';
        buf->failed = true;
        return false;
    }
    if ((size_t)len < room)
        return true;
    va_start(args, format);
    vsnprintf(start, (size_t)len + 1, format, args);
    va_end(args);
    return true;
}

/* ---- Big-endian integers ----------------------------------------------------------------- */

static bool buf_put_big_endian(struct buf *buf, uint64_t value, size_t size)
{
    char *start = buf_reserve(buf, size);

    if (start == NULL)
        return false;
    for (size_t i = 0; i < size; i++)
        start[i] = (char)(unsigned char)(value >> (8 * (size - 1 - i)));
    return true;
}

bool buf_put_u32(struct buf *buf, uint32_t value)
{
    return buf_put_big_endian(buf, value, sizeof(value));
}

bool buf_put_u64(struct buf *buf, uint64_t value)
{
    return buf_put_big_endian(buf, value, sizeof(value));
}

/* ---- Text -------------------------------------------------------------------------------- */

/* One character that cannot stand as it is. */
static bool buf_put_json_escape(struct buf *buf, unsigned char c)
{
    switch (c) {
    case '"':
        return buf_put_str(buf, "\\\"");
    case '\\':
        return buf_put_str(buf, "\\\\");
    case '\n':
        return buf_put_str(buf, "\\n");
    case '\r':
        return buf_put_str(buf, "\\r");
    case '\t':
        return buf_put_str(buf, "\\t");
    default:
        return buf_printf(buf, "\\u%04x", c);
    }
}

/* Bytes at the start of `text` that may be copied as they are. */
static size_t json_plain_len(const char *text, size_t len)
{
    size_t plain = 0;

    while (plain < len) {
        unsigned char c = (unsigned char)text[plain];
        size_t step = c >= 0x80 ? text_utf8_len(text + plain, len - plain) : 1;
        if (step == 0 || c < 0x20 || c == '"' || c == '\\')
            break;
        plain += step;
    }
    return plain;
}

bool buf_put_json_text(struct buf *buf, const char *text, size_t len)
{
    while (len > 0) {
        size_t plain = json_plain_len(text, len);

        buf_put(buf, text, plain);
        text += plain;
        len -= plain;
        if (len == 0)
            break;
        if ((unsigned char)*text >= 0x80)
            buf_put_str(buf, "\xef\xbf\xbd"); /* U+FFFD */
        else
            buf_put_json_escape(buf, (unsigned char)*text);
        text++;
        len--;
    }
    return !buf->failed;
}

static bool is_form_plain(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '*' ||
           c == '-' || c == '.' || c == '_';
}

bool buf_put_form_text(struct buf *buf, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        char escape[3] = {'%', digits[c >> 4], digits[c & 15]};

        if (c == ' ')
            buf_put_char(buf, '+');
        else if (is_form_plain(c))
            buf_put_char(buf, (char)c);
        else
            buf_put(buf, escape, sizeof(escape));
    }
    return !buf->failed;
}
