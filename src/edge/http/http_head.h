/* The head of a request: its first line and its header fields, read strictly.
 *
 * http-parser reads it too, and both must agree on what the request is; but Debian's build of it is
 * lenient (bare LF, folded lines, white space before a colon, bytes above 127 in the target), and what
 * two readers along the way understand differently is how requests are smuggled. So the raw bytes are
 * checked first. A codec: bytes in, values out, no I/O. */
#pragma once

#include "base/arena.h"
#include "base/macros.h"
#include "edge/http/http_request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_URL_SIZE_MAX = 8 * 1024,
    HTTP_FIELDS_SIZE_MAX = 8 * 1024, /* all header lines with their line ends */
    HTTP_FIELDS_MAX = 100,
    HTTP_METHOD_SIZE_MAX = 32,
    /* The longest head there can be. */
    HTTP_HEAD_SIZE_MAX = HTTP_METHOD_SIZE_MAX + 1 + HTTP_URL_SIZE_MAX +
                         sizeof(" HTTP/1.1\r\n\r\n") - 1 + HTTP_FIELDS_SIZE_MAX,
};

enum http_head_result {
    HTTP_HEAD_OK,
    HTTP_HEAD_INVALID,         /* 400, and the connection is closed */
    HTTP_HEAD_URL_TOO_LONG,    /* 414 */
    HTTP_HEAD_TOO_LARGE,       /* 431 */
    HTTP_HEAD_EXPECTS_UNKNOWN, /* 417: an expectation that is not 100-continue */
    HTTP_HEAD_NO_MEMORY,
};

struct http_head {
    enum request_method method;
    bool is_head;
    const char *path, *query; /* as in struct http_request */
    struct http_field *fields;
    uint32_t field_count;
    bool is_chunked;
    int64_t content_length; /* -1: none was given */
    bool is_1_0, keep_alive;
    bool expects_continue;
};

/* Where a head ends: the size with its empty line, or 0 when it is not there yet. `seen` bytes have
 * been looked at before. */
size_t http_head_size(const char *bytes, size_t size, size_t seen);
/* Whether more bytes of a head may come when `size` are there and it has not ended: HTTP_HEAD_OK,
 * HTTP_HEAD_URL_TOO_LONG or HTTP_HEAD_TOO_LARGE. */
enum http_head_result http_head_check_size(const char *bytes, size_t size);
/* Whether the bytes that have come since `seen` of them can still become a head: no line ends without CR,
 * no CR stands alone, nothing is a control character. So who speaks another protocol is told at once. */
bool http_head_may_go_on(const char *bytes, size_t size, size_t seen);
/* Reads a whole head. Texts are in the arena. `*out_why` is set unless the result is OK: a constant
 * sentence for the client. */
enum http_head_result http_head_read(const char *bytes, size_t size, struct arena *arena,
                                     struct http_head *out, const char **out_why) NODISCARD;
