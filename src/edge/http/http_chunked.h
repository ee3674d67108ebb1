/* The body of a chunked request, read strictly: a size of hexadecimal digits, CR LF, so many bytes,
 * CR LF; a chunk of size 0 ends it. Extensions and trailers are refused: nobody sends them in earnest.
 *
 * http-parser is not asked here: Debian's build skips the two bytes behind a chunk unseen. A codec:
 * bytes in, bytes out, no I/O. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_chunked_state {
    HTTP_CHUNKED_SIZE,
    HTTP_CHUNKED_SIZE_LF,
    HTTP_CHUNKED_DATA,
    HTTP_CHUNKED_DATA_CR,
    HTTP_CHUNKED_DATA_LF,
    HTTP_CHUNKED_END_CR,
    HTTP_CHUNKED_END_LF,
    HTTP_CHUNKED_DONE,
    HTTP_CHUNKED_INVALID,
    HTTP_CHUNKED_TOO_LARGE, /* the buffer is full */
};

struct http_chunked {
    enum http_chunked_state state;
    uint32_t size;   /* left of the chunk at hand */
    uint32_t digits; /* of its size */
};

/* Zeroed is the beginning. Takes bytes until the body is done, wrong or too large; returns how many were
 * taken. Data is appended to `body`. */
size_t http_chunked_read(struct http_chunked *chunked, const char *bytes, size_t size,
                         struct buf *body);
