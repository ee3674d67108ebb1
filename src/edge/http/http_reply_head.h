/* The head of a reply: its first line and its header fields. A codec: values in, bytes out. */
#pragma once

#include "base/buf.h"
#include "edge/http/http_request.h"

/* How the client learns where the body ends. */
enum http_framing {
    HTTP_FRAMING_SIZE,    /* by its size, which is told; replies without a body tell none */
    HTTP_FRAMING_CHUNKED, /* by the last chunk */
    HTTP_FRAMING_END,     /* by the end of the connection */
};

/* `date` is the field Date as a line; `is_last` tells that the connection ends with this reply. False: out of
 * memory. */
bool http_reply_head_write(struct buf *out, const struct http_reply *reply, const char *date,
                           enum http_framing framing, bool is_last);
