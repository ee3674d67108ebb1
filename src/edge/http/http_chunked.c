/* The reader of chunked bodies, a state a kind of byte. */
#include "edge/http/http_chunked.h"

#include "base/text.h"

enum {
    DIGITS_MAX = 6 /* 16 MiB: more than any body may have */
};

static enum http_chunked_state read_size(struct http_chunked *chunked, char c)
{
    int value = text_hex_value(c);

    if (value < 0)
        return c == '\r' && chunked->digits > 0 ? HTTP_CHUNKED_SIZE_LF : HTTP_CHUNKED_INVALID;
    if (chunked->digits == DIGITS_MAX)
        return HTTP_CHUNKED_TOO_LARGE;
    chunked->size = chunked->size * 16 + (uint32_t)value;
    chunked->digits++;
    return HTTP_CHUNKED_SIZE;
}

static enum http_chunked_state expect(char c, char expected, enum http_chunked_state next)
{
    return c == expected ? next : HTTP_CHUNKED_INVALID;
}

static enum http_chunked_state read_mark(struct http_chunked *chunked, char c)
{
    switch (chunked->state) {
    case HTTP_CHUNKED_SIZE:
        return read_size(chunked, c);
    case HTTP_CHUNKED_SIZE_LF:
        return expect(c, '\n', chunked->size == 0 ? HTTP_CHUNKED_END_CR : HTTP_CHUNKED_DATA);
    case HTTP_CHUNKED_DATA_CR:
        return expect(c, '\r', HTTP_CHUNKED_DATA_LF);
    case HTTP_CHUNKED_DATA_LF:
        chunked->digits = 0;
        return expect(c, '\n', HTTP_CHUNKED_SIZE);
    case HTTP_CHUNKED_END_CR:
        return expect(c, '\r', HTTP_CHUNKED_END_LF);
    case HTTP_CHUNKED_END_LF:
        return expect(c, '\n', HTTP_CHUNKED_DONE);
    case HTTP_CHUNKED_DATA:
    case HTTP_CHUNKED_DONE:
    case HTTP_CHUNKED_INVALID:
    case HTTP_CHUNKED_TOO_LARGE:
        break;
    }
    return chunked->state;
}

static size_t read_data(struct http_chunked *chunked, const char *bytes, size_t size,
                        struct buf *body)
{
    size_t take = MIN_OF(size, (size_t)chunked->size);

    if (!buf_put(body, bytes, take)) {
        chunked->state = HTTP_CHUNKED_TOO_LARGE;
        return 0;
    }
    chunked->size -= (uint32_t)take;
    if (chunked->size == 0)
        chunked->state = HTTP_CHUNKED_DATA_CR;
    return take;
}

size_t http_chunked_read(struct http_chunked *chunked, const char *bytes, size_t size,
                         struct buf *body)
{
    size_t at = 0;

    while (at < size && chunked->state < HTTP_CHUNKED_DONE) {
        if (chunked->state == HTTP_CHUNKED_DATA)
            at += read_data(chunked, bytes + at, size - at, body);
        else
            chunked->state = read_mark(chunked, bytes[at++]);
    }
    return at;
}
