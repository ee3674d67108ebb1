/* Answers and their figures. What errors look like is in http_error, who may read an answer in
 * http_cors. */
#include "edge/http/http_answer.h"

#include "edge/call_report.h"
#include "edge/http/http_accept.h"
#include "edge/http/http_cors.h"
#include "edge/http/http_error.h"
#include "edge/http/http_gzip.h"
#include "observe/log.h"
#include "observe/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

enum {
    GZIP_SIZE_MIN = 1024, /* below, the answer is one packet in any case */
    CLASS_FIRST = 2,      /* of statuses, in the series of the metrics */
};

void http_answer_field(struct http_exchange *exchange, const char *name, const char *value)
{
    assert(exchange->field_count < HTTP_ANSWER_FIELDS_MAX);
    if (value != NULL) /* else there was no memory for it */
        exchange->fields[exchange->field_count++] = (struct http_field){name, value};
}

/* ---- Figures ---------------------------------------------------------------------------------- */

static void log_request(const struct http_exchange *exchange, int status, int64_t duration_us,
                        const struct error *err)
{
    const struct log_field fields[] = {
        LOG_INT("http_status", status),
        LOG_STR("reason", error_is_set(err) ? reason_name(err->reason) : NULL),
        LOG_DURATION("duration_ms", duration_us),
        LOG_INT("request_size", exchange->request->body_size),
        {.key = NULL},
    };

    if (log_enabled(LOG_INFO))
        log_fields(LOG_INFO, "request finished", fields);
}

void http_answer_report(struct http_exchange *exchange, int status, size_t size,
                        const struct error *err)
{
    const struct http_request *request = exchange->request;
    int64_t duration_us = clock_exact_us(exchange->clock) - request->received_us;

    metrics_observe_us(METRIC_HTTP_SECONDS,
                       exchange->series + (unsigned)(status / 100 - CLASS_FIRST), duration_us);
    if (exchange->route == NULL) {
        log_request(exchange, status, duration_us, err);
        return;
    }
    call_report(&(struct call_report){
        .method = exchange->route->method,
        .series = (unsigned)exchange->route->series,
        .err = err,
        .order_id = exchange->order_id,
        .duration_us = duration_us,
        .request_size = request->body_size,
        .reply_size = size,
    });
}

/* ---- Sending ---------------------------------------------------------------------------------- */

/* Replaces the body by a smaller one, when that is asked for and worth it. */
static void compress(struct http_exchange *exchange, struct http_reply *reply)
{
    size_t size = 0;
    const char *packed;

    if (reply->body_size < GZIP_SIZE_MIN && reply->status != 304)
        return;
    http_answer_field(exchange, "vary", "accept-encoding"); /* 304: of an answer of whatever size */
    if (reply->status == 304 || !http_accept_gzip(exchange->request))
        return;
    packed = http_gzip(reply->body, reply->body_size, exchange->request->arena, &size);
    if (packed == NULL)
        return;
    http_answer_field(exchange, "content-encoding", "gzip");
    reply->body = packed;
    reply->body_size = size;
}

static void answer(struct http_exchange *exchange, struct http_reply *reply,
                   const struct error *err)
{
    http_cors_add(exchange);
    compress(exchange, reply);
    reply->lines = exchange->lines;
    reply->fields = exchange->fields;
    reply->field_count = exchange->field_count;
    http_answer_report(exchange, reply->status, reply->body_size, err);
    http_reply(exchange->request, reply);
}

void http_answer(struct http_exchange *exchange, int status, const char *content_type,
                 const char *body, size_t body_size)
{
    struct http_reply reply = {
        .status = status, .content_type = content_type, .body = body, .body_size = body_size};
    static const struct error good;

    answer(exchange, &reply, &good);
}

void http_answer_error(struct http_exchange *exchange, const struct error *err)
{
    struct arena *arena = exchange->request->arena;
    int refused_status = exchange->request->refused_status;
    int status =
        refused_status != 0 ? refused_status : http_error_status(err, exchange->has_if_match);
    struct http_reply reply = {.status = status, .content_type = "application/json"};
    bool has_delay = false;
    int32_t delay_ms = error_retry_pushback_ms(err, &has_delay);

    reply.body = http_error_write(exchange->site, err, &reply.status, arena, &reply.body_size);
    if (reply.status != status)
        http_answer_field(exchange, "retry-after", "1");
    else if (has_delay && delay_ms >= 0)
        http_answer_field(exchange, "retry-after",
                          arena_printf(arena, "%" PRId32, (delay_ms + 999) / 1000));
    answer(exchange, &reply, err);
}

void http_answer_options(struct http_exchange *exchange, const char *allow)
{
    http_answer_field(exchange, "allow", allow);
    http_cors_add_preflight(exchange, allow);
    http_answer(exchange, 204, NULL, NULL, 0);
}

void http_answer_begin(struct http_exchange *exchange, const char *content_type,
                       void (*on_ready)(struct http_request *request))
{
    struct http_reply head = {.status = 200, .content_type = content_type};

    http_cors_add(exchange);
    http_answer_field(exchange, "cache-control", "no-store");
    head.fields = exchange->fields;
    head.field_count = exchange->field_count;
    http_stream_begin(exchange->request, &head, on_ready);
}
