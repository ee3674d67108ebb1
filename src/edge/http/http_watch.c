/* The life of a stream. What its messages are is the service's; where one resumes, and whether it ends by
 * itself, says the table of methods.
 *
 *            a message, or 15 s                    the service ends it, or drain
 *   WAITING -------------------> STREAMING -----------------------------------> ENDING --> gone
 *      |                             |                                    (what is left is written)
 *      '-- it ends first: a status --'-- the client has gone --> gone
 *
 * The service is asked for a message when the client has taken the one before, so a slow reader holds
 * one message at most, and for 30 s at most (http_conn). */
#include "edge/http/http_watch.h"

#include "base/limits.h"
#include "base/number.h"
#include "edge/http/http_accept.h"
#include "edge/http/http_binding.h"
#include "edge/http/http_error.h"
#include "edge/transcode/field_value.h"
#include "edge/transcode/message_to_json.h"
#include "observe/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    HEARTBEAT_MS = 15 * 1000, /* proxies close what is silent for longer than a minute or so */
    /* One that may be silent for ever is begun by then, so that its reader knows that it is there. */
    ENDLESS_BEGIN_MS = 1000,
    PIECE_SIZE_MAX = 2 * LIMIT_REPLY_SIZE,
    FIELD_NAME_SIZE_MAX = 64,
    SCRATCH_SIZE_MAX = 1024 * 1024, /* what the details of errors take while they are written */
};

enum watch_form {
    WATCH_ARRAY, /* not of one that does not end */
    WATCH_LINES,
    WATCH_EVENTS,
    WATCH_FORM_COUNT
};

static const char end_event[] = "event: end\ndata:\n\n";

/* What is sent when there is nothing to send. */
static const char *const nothing[WATCH_FORM_COUNT] = {
    [WATCH_ARRAY] = "[]", [WATCH_EVENTS] = end_event, [WATCH_LINES] = ""};

static const char *const media_types[WATCH_FORM_COUNT] = {
    [WATCH_ARRAY] = "application/json",
    [WATCH_LINES] = "application/x-ndjson",
    [WATCH_EVENTS] = "text/event-stream",
};

enum watch_state {
    WATCH_STATE_WAITING,   /* nothing was sent */
    WATCH_STATE_STREAMING, /* the head was sent */
};

/* In the request's arena. */
struct http_watch {
    struct stream stream; /* as the service sees it */
    struct http_gateway *gateway;
    struct http_exchange *exchange;
    LIST_ENTRY(http_watch) entry;
    enum watch_form form;
    enum watch_state state;
    bool holds_place;
    bool is_opening;    /* the service's function is on the stack */
    bool is_open;       /* the service holds the stream */
    bool is_asked;      /* for a message */
    bool is_ready;      /* the client has taken all */
    bool has_written;   /* a message, or the error */
    bool is_answered;   /* HEAD: the first message is there, and is all that was to be known */
    enum reason broken; /* why a message could not be written */
    bool resumes;       /* by Last-Event-ID, up to seen; it may turn out that this was the last */
    int64_t seen;
    int64_t timeout_ms;
    size_t sent_size;
    struct buf piece; /* to be written when the client is ready */
    struct clock_timer heartbeat, next;
    struct clock_timer deadline; /* when the client has set one */
};

static void advance(struct http_watch *watch);

static struct http_watch *watch_of(struct stream *stream)
{
    return CONTAINER_OF(stream, struct http_watch, stream);
}

/* ---- The end ---------------------------------------------------------------------------------- */

/* Nothing of it is left but the memory, which goes with the request. */
static void release(struct http_watch *watch)
{
    LIST_REMOVE(watch, entry);
    clock_timer_stop(watch->gateway->clock, &watch->heartbeat);
    clock_timer_stop(watch->gateway->clock, &watch->next);
    clock_timer_stop(watch->gateway->clock, &watch->deadline);
    buf_deinit(&watch->piece);
    if (watch->holds_place)
        limit_leave(&watch->gateway->site->limits->watchers);
    watch->exchange->request->on_gone = NULL;
    watch->exchange->order_id = watch->stream.order_id;
}

static void on_gone(struct http_request *request)
{
    struct http_watch *watch = request->handler;
    struct error err = {0};

    if (watch->is_open)
        stream_stop(&watch->stream);
    release(watch);
    error_set(&err, REASON_CALL_CANCELLED);
    http_answer_report(watch->exchange, 499, watch->sent_size, &err);
}

/* It has ended before anything was sent. */
static void answer_at_once(struct http_watch *watch)
{
    struct http_exchange *exchange = watch->exchange;

    release(watch);
    if (error_is_set(&watch->stream.err))
        http_answer_error(exchange, &watch->stream.err);
    else if (watch->resumes)
        http_answer(exchange, 204, NULL, NULL, 0);
    else
        http_answer(exchange, 200, media_types[watch->form], nothing[watch->form],
                    strlen(nothing[watch->form]));
}

/* One whose last words found no memory must not look like a whole one. */
static void end_stream(struct http_watch *watch)
{
    struct http_exchange *exchange = watch->exchange;
    bool is_whole = !watch->piece.failed;

    if (!is_whole && !error_is_set(&watch->stream.err))
        error_set(&watch->stream.err, REASON_OUT_OF_MEMORY);
    release(watch);
    http_answer_report(exchange, 200, watch->sent_size, &watch->stream.err);
    if (is_whole)
        http_stream_end(exchange->request);
    else
        http_stream_cut(exchange->request);
}

/* ---- Pieces ----------------------------------------------------------------------------------- */

/* In front of the first element of an array, and of those that follow. */
static void put_separator(struct http_watch *watch)
{
    buf_put_char(&watch->piece, watch->has_written ? ',' : '[');
}

static void put_error(struct http_watch *watch)
{
    const struct error *err = &watch->stream.err;
    int http_status = http_error_status(err, false);
    size_t size;
    const char *text = http_error_write(watch->gateway->site, err, &http_status,
                                        watch->exchange->request->arena, &size);

    if (watch->form == WATCH_EVENTS)
        buf_put_str(&watch->piece, "event: error\ndata: ");
    else if (watch->form == WATCH_ARRAY)
        put_separator(watch);
    buf_put(&watch->piece, text, size);
    buf_put_str(&watch->piece, watch->form == WATCH_EVENTS ? "\n\n" : "\n");
    watch->has_written = true;
}

/* The last words. */
static void put_end(struct http_watch *watch)
{
    if (error_is_set(&watch->stream.err))
        put_error(watch);
    else if (watch->form == WATCH_EVENTS)
        buf_put_str(&watch->piece, end_event);
    if (watch->form == WATCH_ARRAY)
        buf_put_str(&watch->piece, watch->has_written ? "]" : "[]");
}

/* The id of a message as an event. */
static int64_t id_of(const struct http_watch *watch, const ProtobufCMessage *message)
{
    const struct http_route *route = watch->exchange->route;
    const char *name = route->method->resume_field;
    const struct field_shape *field = message_shape_field(route->reply, name, strlen(name));
    int64_t id;

    assert(field != NULL && field->kind == FIELD_INT64);
    memcpy(&id, field_at(message, field), sizeof(id));
    return id;
}

static void put_message(struct http_watch *watch, const ProtobufCMessage *message)
{
    struct arena *arena = arena_new(SCRATCH_SIZE_MAX);
    struct buf *piece = &watch->piece;
    size_t len = piece->len;
    bool is_well;

    watch->broken = REASON_OUT_OF_MEMORY;
    if (arena == NULL)
        return;
    if (watch->form == WATCH_EVENTS)
        buf_printf(piece, "id: %" PRId64 "\ndata: ", id_of(watch, message));
    else if (watch->form == WATCH_LINES)
        buf_put_str(piece, "{\"result\":");
    else
        put_separator(watch);
    is_well = message_to_json(watch->exchange->route->reply, message, arena, piece);
    buf_put_str(piece, watch->form == WATCH_EVENTS  ? "\n\n"
                       : watch->form == WATCH_LINES ? "}\n"
                                                    : "\n");
    arena_free(arena);
    if (is_well && !piece->failed) {
        watch->has_written = true;
        watch->broken = REASON_NONE;
    } else { /* as if it had not been begun */
        if (!piece->no_memory)
            watch->broken = REASON_INTERNAL;
        piece->len = len;
        piece->failed = false;
        piece->no_memory = false;
    }
}

/* ---- Streaming -------------------------------------------------------------------------------- */

static void on_ready(struct http_request *request)
{
    struct http_watch *watch = request->handler;

    watch->is_ready = true;
    advance(watch);
}

static void begin(struct http_watch *watch)
{
    if (watch->state == WATCH_STATE_STREAMING)
        return;
    watch->state = WATCH_STATE_STREAMING;
    http_answer_begin(watch->exchange, media_types[watch->form], on_ready);
}

static bool has_piece(const struct http_watch *watch)
{
    return watch->piece.len > 0 && !watch->piece.failed;
}

static void write_piece(struct http_watch *watch)
{
    struct buf piece = watch->piece;

    watch->is_ready = false;
    watch->sent_size += piece.len;
    buf_init(&watch->piece, PIECE_SIZE_MAX); /* so that one who waits holds no memory */
    http_stream_write(watch->exchange->request, piece.data, piece.len);
    buf_deinit(&piece);
}

/* HEAD of what would be a stream: its head is all there is. */
static void answer_head(struct http_watch *watch)
{
    http_answer_begin(watch->exchange, media_types[watch->form], NULL);
    end_stream(watch);
}

static void fail_open_stream(struct http_watch *watch, enum reason reason)
{
    stream_stop(&watch->stream);
    watch->is_open = false;
    error_set(&watch->stream.err, reason);
}

/* Does what can be done now: write, ask for more, or end. */
static void advance(struct http_watch *watch)
{
    if (watch->is_answered) {
        stream_stop(&watch->stream);
        watch->is_open = false;
        answer_head(watch);
        return;
    }
    if (watch->broken != REASON_NONE && watch->is_open) {
        fail_open_stream(watch, watch->broken);
        put_end(watch);
    }
    if (watch->state == WATCH_STATE_STREAMING && !watch->is_ready)
        return;
    if (watch->state == WATCH_STATE_STREAMING && has_piece(watch)) {
        write_piece(watch);
    } else if (!watch->is_open) {
        end_stream(watch);
    } else if (!watch->is_asked) {
        watch->is_asked = true;
        stream_next(&watch->stream);
    }
}

static void on_next(struct clock_timer *timer)
{
    struct http_watch *watch = CONTAINER_OF(timer, struct http_watch, next);

    if (watch->resumes)
        begin(watch); /* what it has seen was not the last */
    advance(watch);
}

/* Never from inside a function of the service. */
static void advance_soon(struct http_watch *watch)
{
    clock_timer_start(watch->gateway->clock, &watch->next, 0);
}

static void on_heartbeat(struct clock_timer *timer)
{
    struct http_watch *watch = CONTAINER_OF(timer, struct http_watch, heartbeat);

    clock_timer_start(watch->gateway->clock, timer, HEARTBEAT_MS);
    if (watch->exchange->request->is_head)
        return;
    begin(watch);
    if (watch->form == WATCH_EVENTS && watch->is_open && watch->piece.len == 0 &&
        !buf_put_str(&watch->piece, ": still there\n\n"))
        buf_clear(&watch->piece); /* the next one may find memory */
    if (watch->is_ready && has_piece(watch))
        write_piece(watch);
}

/* The stream is not open any more. */
static void finish(struct http_watch *watch)
{
    if (watch->is_opening)
        return; /* seen to by the one who opens */
    if (watch->broken != REASON_NONE && !error_is_set(&watch->stream.err))
        error_set(&watch->stream.err, watch->broken);
    if (watch->is_answered && !watch->resumes && !error_is_set(&watch->stream.err)) {
        answer_head(watch);
        return;
    }
    if (watch->state == WATCH_STATE_WAITING) {
        answer_at_once(watch);
        return;
    }
    put_end(watch);
    advance_soon(watch);
}

static void on_deadline(struct clock_timer *timer)
{
    struct http_watch *watch = CONTAINER_OF(timer, struct http_watch, deadline);

    if (!watch->is_open)
        return;
    clock_timer_stop(watch->gateway->clock, &watch->next);
    fail_open_stream(watch, REASON_DEADLINE_EXCEEDED);
    finish(watch);
}

static void on_message(struct stream *stream, const ProtobufCMessage *message)
{
    struct http_watch *watch = watch_of(stream);
    int64_t id = id_of(watch, message);
    bool is_old = watch->resumes && id <= watch->seen;

    watch->seen = MIN_OF(watch->seen, id); /* nobody has seen what is to come */
    watch->is_asked = false;
    watch->is_answered = watch->exchange->request->is_head;
    watch->resumes &= is_old;
    if (!is_old && !watch->is_answered) {
        begin(watch);
        put_message(watch, message);
    }
    advance_soon(watch); /* unless the end follows */
}

static void on_end(struct stream *stream)
{
    struct http_watch *watch = watch_of(stream);

    assert(watch->is_open);
    watch->is_open = false;
    watch->is_asked = false;
    clock_timer_stop(watch->gateway->clock, &watch->next);
    finish(watch);
}

/* ---- Opening ---------------------------------------------------------------------------------- */

/* The field of the request after whose value the stream resumes: "after_revision". */
static const struct field_shape *after_field(const struct http_route *route)
{
    char name[FIELD_NAME_SIZE_MAX];
    int len = snprintf(name, sizeof(name), "after_%s", route->method->resume_field);

    assert(len > 0 && (size_t)len < sizeof(name));
    return message_shape_field(route->request, name, (size_t)len);
}

/* Browsers that connect again say what they have seen; that stands for after_revision. Of what ends, the
 * whole state is asked for then, to learn whether it was the last. */
static enum status bind_last_event(struct http_watch *watch, ProtobufCMessage *message)
{
    const struct http_request *request = watch->exchange->request;
    const struct http_route *route = watch->exchange->route;
    const char *value = http_request_field(request, "last-event-id", NULL);
    union field_value after = {.i64 = 0};

    if (watch->form != WATCH_EVENTS || value == NULL || *value == '\0')
        return STATUS_OK;
    if (!number_parse(value, 0, INT64_MAX, &watch->seen)) {
        error_add_field(&watch->stream.err, request->arena, "Last-Event-ID",
                        "must be the id of an event");
        return watch->stream.err.status;
    }
    watch->resumes = !route->method->is_endless;
    if (!watch->resumes)
        after.i64 = watch->seen;
    field_set(message, after_field(route), &after);
    return STATUS_OK;
}

static enum status choose_form(struct http_watch *watch)
{
    const int first = watch->exchange->route->method->is_endless ? WATCH_LINES : WATCH_ARRAY;
    const int chosen = http_accept_choose(watch->exchange->request, media_types + first,
                                          (size_t)(WATCH_FORM_COUNT - first));

    if (chosen == HTTP_ACCEPT_NONE)
        return error_set(&watch->stream.err, REASON_NOT_ACCEPTABLE);
    watch->form = (enum watch_form)(first + chosen);
    return STATUS_OK;
}

static enum status prepare(struct http_watch *watch, const struct http_match *match)
{
    struct error *err = &watch->stream.err;
    ProtobufCMessage *message = NULL;

    if (choose_form(watch) != STATUS_OK)
        return err->status;
    if (watch->gateway->is_draining)
        return error_set(err, REASON_SHUTTING_DOWN);
    watch->holds_place = limit_enter(&watch->gateway->site->limits->watchers);
    if (!watch->holds_place) {
        metrics_add(METRIC_CALLS_REFUSED, 0, 1);
        return error_set(err, REASON_TOO_MANY_WATCHERS);
    }
    if (http_bind_timeout(watch->exchange->request, &watch->timeout_ms, err) != STATUS_OK ||
        http_bind(watch->exchange, match, &message, err) != STATUS_OK)
        return err->status;
    watch->stream.request = message;
    return bind_last_event(watch, message);
}

static struct http_watch *watch_new(struct http_gateway *gateway, struct http_exchange *exchange)
{
    struct http_request *request = exchange->request;
    struct http_watch *watch = ARENA_NEW(request->arena, struct http_watch);

    if (watch == NULL)
        return NULL;
    watch->gateway = gateway;
    watch->exchange = exchange;
    watch->stream = (struct stream){
        .arena = request->arena, .caller = "", .on_message = on_message, .on_end = on_end};
    watch->heartbeat.on_time = on_heartbeat;
    watch->deadline.on_time = on_deadline;
    watch->next.on_time = on_next;
    buf_init(&watch->piece, PIECE_SIZE_MAX);
    LIST_INSERT_HEAD(&gateway->watches, watch, entry);
    return watch;
}

void http_watch_open(struct http_gateway *gateway, struct http_exchange *exchange,
                     const struct http_match *match)
{
    struct http_request *request = exchange->request;
    struct http_watch *watch = watch_new(gateway, exchange);
    struct error err = {0};

    if (watch == NULL) {
        error_set(&err, REASON_OUT_OF_MEMORY);
        http_answer_error(exchange, &err);
        return;
    }
    if (prepare(watch, match) != STATUS_OK ||
        (match->route->method->is_endless && request->is_head)) {
        answer_at_once(watch);
        return;
    }
    request->handler = watch;
    request->on_gone = on_gone;
    watch->is_open = watch->is_opening = true;
    match->route->method->open(gateway->service, &watch->stream);
    watch->is_opening = false;
    if (!watch->is_open) {
        answer_at_once(watch);
        return;
    }
    clock_timer_start(gateway->clock, &watch->heartbeat,
                      match->route->method->is_endless ? ENDLESS_BEGIN_MS : HEARTBEAT_MS);
    if (http_request_field(request, "grpc-timeout", NULL) != NULL) /* streams have none of ours */
        clock_timer_start(gateway->clock, &watch->deadline, watch->timeout_ms);
    advance(watch);
}

void http_watch_drain_all(struct http_gateway *gateway)
{
    struct http_watch *watch, *next;

    for (watch = LIST_FIRST(&gateway->watches); watch != NULL; watch = next) {
        next = LIST_NEXT(watch, entry);
        if (!watch->is_open)
            continue;
        fail_open_stream(watch, REASON_SHUTTING_DOWN);
        finish(watch);
    }
}
