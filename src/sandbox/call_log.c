/* The ring of calls. */
#include "sandbox/call_log.h"

#include "sandbox/json_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int call_log_init(struct call_log *log)
{
    *log = (struct call_log){.calls = calloc(CALL_LOG_COUNT, sizeof(struct call))};
    return log->calls != NULL ? 0 : -1;
}

void call_log_deinit(struct call_log *log)
{
    free(log->calls);
    log->calls = NULL;
}

void call_log_reset(struct call_log *log)
{
    log->forgotten = log->count;
}

static struct call *call_log_slot(struct call_log *log, uint64_t n)
{
    return &log->calls[n % CALL_LOG_COUNT];
}

uint64_t call_log_add(struct call_log *log, const char *method, const char *path, const char *key)
{
    uint64_t n = ++log->count;
    struct call *call = call_log_slot(log, n);

    call->n = n;
    call->status = 0;
    call->fault = NULL;
    call->order_id[0] = '\0';
    (void)snprintf(call->method, sizeof(call->method), "%s", method);
    (void)snprintf(call->path, sizeof(call->path), "%s", path);
    (void)snprintf(call->key, sizeof(call->key), "%s", key != NULL ? key : "");
    return n;
}

struct call *call_log_find(struct call_log *log, uint64_t n)
{
    struct call *call = call_log_slot(log, n);

    return n > log->forgotten && call->n == n ? call : NULL;
}

/* A character that does not fit is left out as a whole, so that the log stays UTF-8. */
void call_log_note_order(struct call_log *log, uint64_t n, const char *order_id)
{
    struct call *call = call_log_find(log, n);
    size_t len = strlen(order_id);

    if (call == NULL)
        return;
    if (len >= sizeof(call->order_id)) {
        len = sizeof(call->order_id) - 1;
        while (len > 0 && ((unsigned char)order_id[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(call->order_id, order_id, len);
    call->order_id[len] = '\0';
}

static void call_print(const struct call *call, struct json_out *json)
{
    json_out_begin(json, NULL, '{');
    json_out_number(json, "n", (int64_t)call->n);
    json_out_text(json, "method", call->method);
    json_out_text(json, "path", call->path);
    json_out_text(json, "key", call->key[0] != '\0' ? call->key : NULL);
    json_out_number(json, "status", call->status);
    json_out_text(json, "order_id", call->order_id);
    json_out_text(json, "fault", call->fault);
    json_out_end(json, '}');
}

void call_log_print(struct call_log *log, struct json_out *json, const char *order_id)
{
    uint64_t first = log->count > CALL_LOG_COUNT ? log->count - CALL_LOG_COUNT + 1 : 1;

    json_out_begin(json, "calls", '[');
    for (uint64_t n = first; n <= log->count; n++) {
        const struct call *call = call_log_find(log, n);
        if (call != NULL && (order_id == NULL || strcmp(call->order_id, order_id) == 0))
            call_print(call, json);
    }
    json_out_end(json, ']');
}
