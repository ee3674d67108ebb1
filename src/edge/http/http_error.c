/* Errors as JSON. What the details say is decided in service/error_details. */
#include "edge/http/http_error.h"

#include "base/buf.h"
#include "base/limits.h"
#include "edge/transcode/message_to_json.h"

#include <string.h>

/* Statuses that say more than those of the codes. */
static const struct {
    enum reason reason;
    int status;
} statuses[] = {
    {REASON_METHOD_NOT_ALLOWED, 405}, {REASON_NOT_ACCEPTABLE, 406},
    {REASON_BODY_TOO_LARGE, 413},     {REASON_URL_TOO_LONG, 414},
    {REASON_HEADERS_TOO_LARGE, 431},  {REASON_MEDIA_TYPE_UNSUPPORTED, 415},
};

int http_error_status(const struct error *err, bool has_if_match)
{
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        if (statuses[i].reason == err->reason)
            return statuses[i].status;
    }
    if (err->reason == REASON_ETAG_MISMATCH && has_if_match)
        return 412;
    return status_http(err->status);
}

enum reason http_error_reason(int refused_status)
{
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        if (statuses[i].status == refused_status)
            return statuses[i].reason;
    }
    return refused_status == 429 ? REASON_OUT_OF_MEMORY : REASON_MESSAGE_INVALID;
}

static bool write_details(const struct http_site *site, const Google__Rpc__Status *status,
                          struct arena *arena, struct buf *buf)
{
    bool is_well = true;

    for (size_t i = 0; i < status->n_details && is_well; i++) {
        if (i > 0)
            buf_put_char(buf, ',');
        is_well = message_to_json(site->any, &status->details[i]->base, arena, buf);
    }
    return is_well;
}

const char http_error_no_memory[] =
    "{\"error\":{\"code\":429,\"message\":\"out of memory\",\"status\":\"RESOURCE_EXHAUSTED\","
    "\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\","
    "\"reason\":\"OUT_OF_MEMORY\",\"domain\":\"" ERROR_DOMAIN "\",\"metadata\":{}},"
    "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"1s\"}]}}";

const char *http_error_write(const struct http_site *site, const struct error *err,
                             int *http_status, struct arena *arena, size_t *out_size)
{
    const Google__Rpc__Status *status = error_to_status(err, arena);
    const char *text = NULL;
    struct buf buf;

    buf_init(&buf, LIMIT_REPLY_SIZE);
    buf_printf(&buf, "{\"error\":{\"code\":%d,\"message\":\"", *http_status);
    buf_put_json_text(&buf, err->message, strlen(err->message));
    buf_printf(&buf, "\",\"status\":\"%s\",\"details\":[", status_name(err->status));
    if (status != NULL && write_details(site, status, arena, &buf) && buf_put_str(&buf, "]}}"))
        text = arena_strndup(arena, buf.data, buf.len);
    *out_size = text == NULL ? sizeof(http_error_no_memory) - 1 : buf.len;
    buf_deinit(&buf);
    if (text != NULL)
        return text;
    *http_status = status_http(STATUS_RESOURCE_EXHAUSTED);
    return http_error_no_memory;
}

char *http_error_refusal(const struct http_site *site)
{
    struct arena *arena = arena_new(LIMIT_ARENA_SIZE);
    struct error err = {0};
    char *copy = NULL;

    if (arena != NULL) {
        int status;
        size_t size;

        error_set(&err, REASON_TOO_MANY_CONNECTIONS);
        status = http_error_status(&err, false);
        copy = strdup(http_error_write(site, &err, &status, arena, &size));
    }
    arena_free(arena);
    return copy;
}
