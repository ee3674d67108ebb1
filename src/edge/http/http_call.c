/* The life of a unary call. A client that goes away does not end it: it is answered to nobody, so that an
 * order under way goes on. */
#include "edge/http/http_call.h"

#include "base/limits.h"
#include "edge/call_time.h"
#include "edge/http/http_accept.h"
#include "edge/http/http_binding.h"
#include "edge/http/http_condition.h"
#include "edge/transcode/message_to_json.h"
#include "observe/metrics.h"

#include <assert.h>
#include <string.h>

enum {
    REPLY_JSON_SIZE_MAX = 6 * LIMIT_REPLY_SIZE, /* so much longer is a control character */
};

/* In the request's arena. */
struct http_call {
    struct call call; /* as the service sees it */
    struct http_gateway *gateway;
    struct http_exchange *exchange;
    struct limit *limit; /* NULL: it holds no place */
    LIST_ENTRY(http_call) entry;
};

/* ---- Before the service sees it --------------------------------------------------------------- */

static enum status check_accept(const struct http_request *request, struct error *err)
{
    static const char *const offered[] = {"application/json"};

    if (http_accept_choose(request, offered, COUNT_OF(offered)) == HTTP_ACCEPT_NONE)
        return error_set(err, REASON_NOT_ACCEPTABLE);
    return STATUS_OK;
}

static enum status take_place(struct http_call *mine)
{
    struct door_limits *limits = mine->gateway->site->limits;
    bool is_order = mine->exchange->route->method->kind == METHOD_ORDER;
    struct limit *limit = is_order ? &limits->orders : &limits->calls;

    if (!limit_enter(limit)) {
        metrics_add(METRIC_CALLS_REFUSED, 0, 1);
        return error_set(&mine->call.err,
                         is_order ? REASON_TOO_MANY_ORDERS : REASON_TOO_MANY_CALLS);
    }
    metrics_add(METRIC_CALLS_IN_FLIGHT, 0, 1);
    mine->limit = limit;
    return STATUS_OK;
}

static void leave_place(struct http_call *mine)
{
    if (mine->limit == NULL)
        return;
    limit_leave(mine->limit);
    metrics_add(METRIC_CALLS_IN_FLIGHT, 0, -1);
    mine->limit = NULL;
}

static enum status set_time(struct http_call *mine)
{
    int64_t left_ms;

    if (http_bind_timeout(mine->exchange->request, &left_ms, &mine->call.err) != STATUS_OK)
        return mine->call.err.status;
    return call_time_set(&mine->call, clock_now_ms(mine->gateway->clock), left_ms);
}

static enum status prepare(struct http_call *mine, const struct http_match *match)
{
    struct call *call = &mine->call;
    ProtobufCMessage *message = NULL;
    enum status status = check_accept(mine->exchange->request, &call->err);

    if (status == STATUS_OK && match->route->method->run == NULL)
        status = error_set(&call->err, REASON_METHOD_NOT_FOUND);
    if (status == STATUS_OK)
        status = take_place(mine);
    if (status == STATUS_OK)
        status = set_time(mine);
    if (status == STATUS_OK)
        status = http_bind(mine->exchange, match, &message, &call->err);
    call->request = message;
    return status;
}

/* ---- The answer ------------------------------------------------------------------------------- */

static enum status write_reply(struct http_call *mine, const char **out_body, size_t *out_size)
{
    struct arena *arena = mine->call.arena;
    struct buf buf;
    bool is_well;

    buf_init(&buf, REPLY_JSON_SIZE_MAX);
    is_well = message_to_json(mine->exchange->route->reply, mine->call.reply, arena, &buf);
    *out_size = buf.len;
    *out_body = is_well ? arena_memdup(arena, buf.data, buf.len) : "";
    if (buf.failed || *out_body == NULL)
        error_set(&mine->call.err, REASON_OUT_OF_MEMORY);
    else if (!is_well)
        error_set(&mine->call.err, REASON_INTERNAL);
    buf_deinit(&buf);
    return mine->call.err.status;
}

static void answer_reply(struct http_call *mine)
{
    struct http_exchange *exchange = mine->exchange;
    const struct http_route *route = exchange->route;
    const char *etag = http_condition_etag(route->reply, mine->call.reply, mine->call.arena);
    const char *body = "";
    size_t size = 0;

    bool is_same = etag != NULL && route->verb == REQUEST_GET &&
                   http_condition_is_same(exchange->request, etag);

    if (!is_same && write_reply(mine, &body, &size) != STATUS_OK) {
        http_answer_error(exchange, &mine->call.err);
        return;
    }
    http_answer_field(exchange, "etag", etag);
    if (is_same) {
        http_answer(exchange, 304, NULL, NULL, 0);
        return;
    }
    if (mine->call.replayed)
        http_answer_field(exchange, "idempotent-replayed", "true");
    http_answer(exchange, 200, "application/json", body, size);
}

/* The service has ended the call: call->done. */
static void on_done(struct call *call)
{
    struct http_call *mine = CONTAINER_OF(call, struct http_call, call);
    struct http_exchange *exchange = mine->exchange;

    assert(error_is_set(&call->err) || call->reply != NULL);
    LIST_REMOVE(mine, entry);
    leave_place(mine);
    exchange->order_id = call->order_id;
    if (!error_is_set(&call->err)) {
        answer_reply(mine);
        return;
    }
    if (call->replayed)
        http_answer_field(exchange, "idempotent-replayed", "true");
    http_answer_error(exchange, &call->err);
}

void http_call_run(struct http_gateway *gateway, struct http_exchange *exchange,
                   const struct http_match *match)
{
    struct http_call *mine = ARENA_NEW(exchange->request->arena, struct http_call);
    struct error err = {0};

    if (mine == NULL) {
        error_set(&err, REASON_OUT_OF_MEMORY);
        http_answer_error(exchange, &err);
        return;
    }
    mine->gateway = gateway;
    mine->exchange = exchange;
    mine->call = (struct call){.arena = exchange->request->arena, .caller = "", .done = on_done};
    LIST_INSERT_HEAD(&gateway->calls, mine, entry);
    if (prepare(mine, match) == STATUS_OK)
        match->route->method->run(gateway->service, &mine->call);
    else
        call_fail(&mine->call);
}

void http_call_abandon_all(struct http_gateway *gateway)
{
    while (!LIST_EMPTY(&gateway->calls)) {
        struct http_call *mine = LIST_FIRST(&gateway->calls);

        error_set(&mine->call.err, REASON_SHUTTING_DOWN);
        call_fail(&mine->call);
    }
}
