/* The life of a streaming call. What is said on it is in grpc_health and grpc_reflection. */
#include "edge/grpc/grpc_stream.h"

#include "base/limits.h"
#include "edge/call_report.h"
#include "edge/grpc/grpc_codec.h"
#include "observe/metrics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void on_arrival(struct pump_event *event, bool ok);
static void on_read(struct pump_event *event, bool ok);
static void on_written(struct pump_event *event, bool ok);
static void on_finished(struct pump_event *event, bool ok);
static void on_closed(struct pump_event *event, bool ok);

/* Slots */

/* `stream` is memory of any content. */
static void post(struct stream_call *stream, struct grpc_worker *worker, struct grpc_route *route)
{
    grpc_call_error error;

    memset(stream, 0, sizeof(*stream));
    stream->ops = route->stream;
    stream->worker = worker;
    stream->route = route;
    stream->arrival.on_event = on_arrival;
    stream->read.on_event = on_read;
    stream->close.on_event = on_closed;
    grpc_metadata_array_init(&stream->metadata);
    grpc_worker_begin(worker);
    stream->event_count++;
    error = grpc_server_request_registered_call(
        worker->shared->server, route->registered, &stream->core, &stream->deadline,
        &stream->metadata, NULL, worker->queue, worker->queue, &stream->arrival);
    assert(error == GRPC_CALL_OK);
}

static bool try_post(struct grpc_worker *worker, struct grpc_route *route)
{
    struct stream_call *stream = malloc(sizeof(*stream));

    if (stream != NULL) {
        post(stream, worker, route);
    }
    return stream != NULL;
}

void stream_call_post(struct grpc_worker *worker, struct grpc_route *route)
{
    bool posted = try_post(worker, route);
    assert(posted);
}

static void report(const struct stream_call *stream)
{
    call_report(&(struct call_report){
        .method = stream->route->method,
        .series = stream->route->series,
        .err = &stream->err,
        .order_id = stream->order_id,
        .duration_us = pump_now_us() - stream->received_us,
        .request_size = stream->request_size,
        .reply_size = stream->reply_size,
    });
}

static void release(struct stream_call *stream)
{
    struct grpc_worker *worker = stream->worker;
    struct grpc_route *route = stream->route;
    const bool owes_slot = stream->owes_slot;

    grpc_metadata_array_destroy(&stream->metadata);
    grpc_byte_buffer_destroy(stream->in);
    grpc_byte_buffer_destroy(stream->out);
    grpc_trailers_deinit(&stream->trailers);
    if (stream->core != NULL) {
        grpc_call_unref(stream->core);
    }
    if (stream->holds_place) {
        limit_leave(stream->route->limit);
    }
    arena_free(stream->arena);
    if (owes_slot && !worker->is_draining) {
        post(stream, worker, route);
    } else {
        free(stream);
    }
}

/* One operation has ended; the stream is gone with its last. */
static void end_event(struct stream_call *stream)
{
    struct grpc_worker *worker = stream->worker;

    stream->event_count--;
    if (stream->event_count == 0) {
        assert(stream->state != STREAM_OPEN);
        release(stream);
    }
    grpc_worker_end(worker);
}

static void start(struct stream_call *stream, const grpc_op *ops, size_t count,
                  struct pump_event *event)
{
    stream->event_count++;
    grpc_worker_start_batch(stream->worker, stream->core, ops, count, event);
}

/* Leaves OPEN, whoever ends it. */
static void leave(struct stream_call *stream)
{
    assert(stream->state == STREAM_OPEN);
    stream->state = STREAM_FINISHING;
    LIST_REMOVE(stream, entry);
    if (stream->ops->on_leave != NULL) {
        stream->ops->on_leave(stream);
    }
    report(stream);
}

/* Opening */

static void await_close(struct stream_call *stream)
{
    grpc_op op;
    memset(&op, 0, sizeof(op));
    op.op = GRPC_OP_RECV_CLOSE_ON_SERVER;
    op.data.recv_close_on_server.cancelled = &stream->was_cancelled;
    start(stream, &op, 1, &stream->close);
}

static void open_stream(struct stream_call *stream)
{
    stream->state = STREAM_OPEN;
    stream->received_us = stream->arrival.at_us;
    LIST_INSERT_HEAD(&stream->worker->streams, stream, entry);
    await_close(stream);
    stream->holds_place = limit_enter(stream->route->limit);
    if (stream->worker->is_draining) {
        stream_call_fail(stream, REASON_SHUTTING_DOWN);
    } else if (!stream->holds_place) {
        metrics_add(METRIC_CALLS_REFUSED, 0, 1);
        stream_call_fail(stream, REASON_TOO_MANY_WATCHERS);
    } else {
        stream_call_read(stream);
    }
}

static void on_arrival(struct pump_event *event, bool ok)
{
    struct stream_call *stream = CONTAINER_OF(event, struct stream_call, arrival);
    struct grpc_worker *worker = stream->worker;

    if (ok) {
        stream->owes_slot = !worker->is_draining && !try_post(worker, stream->route);
        open_stream(stream);
    }
    end_event(stream);
}

/* Reading */

static void read_next(struct stream_call *stream)
{
    grpc_op op;

    assert(stream->in == NULL);
    memset(&op, 0, sizeof(op));
    op.op = GRPC_OP_RECV_MESSAGE;
    op.data.recv_message.recv_message = &stream->in;
    start(stream, &op, 1, &stream->read);
}

void stream_call_read(struct stream_call *stream)
{
    arena_free(stream->arena);
    stream->arena = NULL;
    read_next(stream);
}

static enum status unpack(struct stream_call *stream, ProtobufCMessage **out_message)
{
    stream->arena = arena_new(LIMIT_ARENA_SIZE);
    if (stream->arena == NULL) {
        return error_set(&stream->err, REASON_OUT_OF_MEMORY);
    }
    stream->request_size += grpc_codec_size(stream->in);
    return grpc_codec_unpack(stream->in, stream->route->method->request, stream->arena, out_message,
                             &stream->err);
}

static void take_message(struct stream_call *stream)
{
    ProtobufCMessage *message = NULL;
    const enum status status = unpack(stream, &message);

    grpc_byte_buffer_destroy(stream->in);
    stream->in = NULL;
    stream->has_request = true;
    if (status == STATUS_OK) {
        stream->ops->on_message(stream, message);
    } else {
        stream_call_finish(stream);
    }
}

/* The one message there may be; then the stream is read on, to notice a second one. */
static void take_only_message(struct stream_call *stream)
{
    if (stream->has_request) {
        stream_call_fail(stream, REASON_MESSAGE_INVALID);
        return;
    }
    take_message(stream);
    if (stream->state == STREAM_OPEN && !stream->finish_pending) {
        read_next(stream);
    }
}

static void take_end(struct stream_call *stream)
{
    if (!stream->ops->takes_one) {
        stream->ops->on_end(stream);
    } else if (!stream->has_request) {
        stream_call_fail(stream, REASON_MESSAGE_INVALID);
    }
}

static void on_read(struct pump_event *event, bool ok)
{
    struct stream_call *stream = CONTAINER_OF(event, struct stream_call, read);

    if (stream->state == STREAM_OPEN && !stream->finish_pending) {
        if (!ok || stream->in == NULL) {
            take_end(stream);
        } else if (stream->ops->takes_one) {
            take_only_message(stream);
        } else {
            take_message(stream);
        }
    }
    end_event(stream);
}

/* Writing */

void stream_call_send(struct stream_call *stream, const ProtobufCMessage *message)
{
    grpc_op ops[2];
    size_t count = 0;

    assert(stream->state == STREAM_OPEN);
    assert(!stream->is_sending);
    stream->out = grpc_codec_pack(message);
    stream->reply_size += grpc_codec_size(stream->out);
    stream->is_sending = true;
    memset(ops, 0, sizeof(ops));
    if (!stream->has_sent) {
        ops[count++].op = GRPC_OP_SEND_INITIAL_METADATA;
        stream->has_sent = true;
    }
    ops[count].op = GRPC_OP_SEND_MESSAGE;
    ops[count++].data.send_message.send_message = stream->out;
    stream->write.on_event = on_written;
    start(stream, ops, count, &stream->write);
}

static void send_status(struct stream_call *stream)
{
    grpc_op ops[2];
    size_t count = 0;

    leave(stream);
    grpc_trailers_init(&stream->trailers, &stream->err, false, stream->arena);
    memset(ops, 0, sizeof(ops));
    if (!stream->has_sent) {
        ops[count++].op = GRPC_OP_SEND_INITIAL_METADATA;
        stream->has_sent = true;
    }
    ops[count].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[count].data.send_status_from_server.status = stream->trailers.code;
    ops[count].data.send_status_from_server.status_details = &stream->trailers.message;
    ops[count].data.send_status_from_server.trailing_metadata = stream->trailers.metadata;
    ops[count++].data.send_status_from_server.trailing_metadata_count = stream->trailers.count;
    stream->write.on_event = on_finished;
    start(stream, ops, count, &stream->write);
}

static void on_written(struct pump_event *event, bool ok)
{
    struct stream_call *stream = CONTAINER_OF(event, struct stream_call, write);

    stream->is_sending = false;
    grpc_byte_buffer_destroy(stream->out);
    stream->out = NULL;
    if (stream->state == STREAM_OPEN) {
        if (stream->finish_pending) {
            send_status(stream);
        } else if (ok) {
            stream->ops->on_sent(stream);
        }
        /* Else the caller has gone; on_closed comes and says so. */
    }
    end_event(stream);
}

/* Ending */

void stream_call_finish(struct stream_call *stream)
{
    if (stream->state != STREAM_OPEN || stream->finish_pending) {
        return;
    }
    stream->finish_pending = true;
    if (!stream->is_sending) {
        send_status(stream);
    }
}

void stream_call_fail(struct stream_call *stream, enum reason reason)
{
    if (stream->state == STREAM_OPEN && !stream->finish_pending) {
        if (stream->arena == NULL) {
            stream->arena = arena_new(LIMIT_ARENA_SIZE); /* for the details */
        }
        error_set(&stream->err, reason);
        stream_call_finish(stream);
    }
}

static void on_finished(struct pump_event *event, bool ok)
{
    (void)ok; /* Whether the caller still was there changes nothing. */
    end_event(CONTAINER_OF(event, struct stream_call, write));
}

static void on_closed(struct pump_event *event, bool ok)
{
    struct stream_call *stream = CONTAINER_OF(event, struct stream_call, close);

    (void)ok;
    if (stream->state == STREAM_OPEN) {
        error_set(&stream->err, REASON_CALL_CANCELLED);
        leave(stream);
    }
    end_event(stream);
}

void stream_call_drain_all(struct grpc_worker *worker)
{
    struct stream_call *stream, *next;

    for (stream = LIST_FIRST(&worker->streams); stream != NULL; stream = next) {
        next = LIST_NEXT(stream, entry);
        if (!stream->finish_pending) {
            stream->ops->on_drain(stream);
        }
    }
}
