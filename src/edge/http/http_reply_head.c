/* Heads of replies. Put together by hand: with printf it took a sixth of the whole cost of a static
 * reply. */
#include "edge/http/http_reply_head.h"

#include "edge/http/http_status.h"

static void put_number(struct buf *out, size_t value)
{
    char digits[20]; /* of 2^64 - 1 */
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_put(out, digits + at, sizeof(digits) - at);
}

static void put_field(struct buf *out, const char *name, const char *value)
{
    size_t name_size = strlen(name), value_size = strlen(value);
    char *at = buf_reserve(out, name_size + 2 + value_size + 2);

    if (at == NULL)
        return;
    at = mempcpy(at, name, name_size);
    at = mempcpy(at, ": ", 2);
    at = mempcpy(at, value, value_size);
    mempcpy(at, "\r\n", 2);
}

bool http_reply_head_write(struct buf *out, const struct http_reply *reply, const char *date,
                           enum http_framing framing, bool is_last)
{
    buf_put_str(out, "HTTP/1.1 ");
    buf_put_str(out, http_status_text(reply->status));
    buf_put_str(out, "\r\n");
    put_field(out, "date", date);
    if (reply->content_type != NULL)
        put_field(out, "content-type", reply->content_type);
    for (uint32_t i = 0; i < reply->field_count; i++)
        put_field(out, reply->fields[i].name, reply->fields[i].value);
    if (framing == HTTP_FRAMING_CHUNKED) {
        buf_put_str(out, "transfer-encoding: chunked\r\n");
    } else if (framing == HTTP_FRAMING_SIZE && reply->status != 204 && reply->status != 304) {
        buf_put_str(out, "content-length: ");
        put_number(out, reply->body_size);
        buf_put_str(out, "\r\n");
    }
    buf_put_str(out, is_last ? "connection: close\r\n\r\n" : "\r\n");
    return !out->failed;
}
