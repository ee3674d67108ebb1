/* The life of a unary call. What it means is the service's; what it looks like on the wire is in
 * grpc_codec and grpc_status.
 *
 *             gRPC core has a call           the service ends it           batch has ended
 *   WAITING ---------------------> RUNNING ------------------> ANSWERING ----------------> SPARE
 *      |                              |                            ^
 *      | the server shuts down        | time to drain is over      | the service ends it
 *      v                              v          batch has ended   | first
 *    SPARE                       ABANDONING -----------------------+--> ABANDONED --> SPARE
 *                                                                          the service ends it
 *
 * Every answer is one batch: headers, message, trailers, and the wait for the stream's end, without
 * which gRPC core would reset it. */
#include "edge/grpc/grpc_call.h"

#include "base/limits.h"
#include "edge/call_report.h"
#include "edge/call_time.h"
#include "edge/grpc/grpc_codec.h"
#include "edge/grpc/grpc_status.h"
#include "observe/metrics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPARE_MAX = 512, /* calls of a worker whose memory is kept */
};

enum unary_state {
    UNARY_SPARE,      /* nobody's; memory for the next */
    UNARY_WAITING,    /* a slot, with gRPC core */
    UNARY_RUNNING,    /* with the service */
    UNARY_ANSWERING,  /* the final batch is under way */
    UNARY_ABANDONING, /* the final batch is under way, and the service still holds the call */
    UNARY_ABANDONED,  /* only the service holds it */
};

#define TO(state) (1u << UNARY_##state)
static const unsigned unary_next[] = {
    [UNARY_SPARE] = TO(WAITING),
    [UNARY_WAITING] = TO(RUNNING) | TO(SPARE),
    [UNARY_RUNNING] = TO(ANSWERING) | TO(ABANDONING),
    [UNARY_ANSWERING] = TO(SPARE),
    [UNARY_ABANDONING] = TO(ABANDONED) | TO(ANSWERING),
    [UNARY_ABANDONED] = TO(SPARE),
};
#undef TO

struct unary_call {
    struct call call; /* as the service sees it */
    struct pump_event event;
    enum unary_state state;
    struct grpc_worker *worker;
    struct grpc_route *route;
    LIST_ENTRY(unary_call) entry; /* in running or spare */
    bool owes_slot;               /* no memory was left for its successor */
    bool holds_place;             /* of the route's limit */
    int64_t received_us;
    size_t request_size;
    /* gRPC core's */
    grpc_call *core;
    grpc_call_details details; /* of unknown methods */
    grpc_metadata_array metadata;
    gpr_timespec deadline;
    grpc_byte_buffer *request;
    grpc_byte_buffer *reply;
    struct grpc_trailers trailers;
    int was_cancelled;
};

static void unary_move(struct unary_call *unary, enum unary_state state)
{
    assert(unary_next[unary->state] & (1u << state));
    unary->worker->running_count += (state == UNARY_RUNNING);
    unary->worker->running_count -= (unary->state == UNARY_RUNNING);
    unary->state = state;
}

/* Slots */

static void on_arrival(struct pump_event *event, bool ok);
static void unary_begin(struct unary_call *unary);

static struct unary_call *take_spare(struct grpc_worker *worker)
{
    struct unary_call *unary = LIST_FIRST(&worker->spare);
    if (unary == NULL) {
        return calloc(1, sizeof(*unary));
    }
    LIST_REMOVE(unary, entry);
    worker->spare_count--;
    memset(unary, 0, sizeof(*unary));
    return unary;
}

static void give_spare(struct unary_call *unary)
{
    struct grpc_worker *worker = unary->worker;

    unary_move(unary, UNARY_SPARE);
    if (worker->spare_count >= SPARE_MAX) {
        free(unary);
        return;
    }
    LIST_INSERT_HEAD(&worker->spare, unary, entry);
    worker->spare_count++;
}

static grpc_call_error request_call(struct unary_call *unary)
{
    struct grpc_worker *worker = unary->worker;

    if (unary->route->registered == NULL) {
        grpc_call_details_init(&unary->details);
        return grpc_server_request_call(worker->shared->server, &unary->core, &unary->details,
                                        &unary->metadata, worker->queue, worker->queue,
                                        &unary->event);
    }
    return grpc_server_request_registered_call(
        worker->shared->server, unary->route->registered, &unary->core, &unary->deadline,
        &unary->metadata, &unary->request, worker->queue, worker->queue, &unary->event);
}

static bool try_post(struct grpc_worker *worker, struct grpc_route *route)
{
    struct unary_call *unary = take_spare(worker);
    grpc_call_error error;

    if (unary == NULL) {
        return false;
    }
    unary->worker = worker;
    unary->route = route;
    unary->event.on_event = on_arrival;
    grpc_metadata_array_init(&unary->metadata);
    unary_move(unary, UNARY_WAITING);
    grpc_worker_begin(worker);
    error = request_call(unary);
    assert(error == GRPC_CALL_OK);
    return true;
}

void unary_call_post(struct grpc_worker *worker, struct grpc_route *route)
{
    bool posted = try_post(worker, route);
    assert(posted);
}

static void release(struct unary_call *unary)
{
    struct grpc_worker *worker = unary->worker;
    struct grpc_route *route = unary->route;
    const bool owes_slot = unary->owes_slot;

    if (route->registered == NULL) {
        grpc_call_details_destroy(&unary->details);
    }
    grpc_metadata_array_destroy(&unary->metadata);
    grpc_byte_buffer_destroy(unary->request);
    grpc_byte_buffer_destroy(unary->reply);
    grpc_trailers_deinit(&unary->trailers);
    if (unary->core != NULL) {
        grpc_call_unref(unary->core);
    }
    arena_free(unary->call.arena);
    give_spare(unary);
    if (owes_slot && !worker->is_draining) {
        unary_call_post(worker, route); /* in the memory just given back */
    }
}

static void on_arrival(struct pump_event *event, bool ok)
{
    struct unary_call *unary = CONTAINER_OF(event, struct unary_call, event);
    struct grpc_worker *worker = unary->worker;

    if (!ok) {
        release(unary); /* The server shuts down. */
    } else {
        /* First the next slot: without one, gRPC core would queue calls behind a lock. */
        unary->owes_slot = !worker->is_draining && !try_post(worker, unary->route);
        unary_begin(unary);
    }
    grpc_worker_end(worker);
}

/* Begin: everything that is checked before the service sees the call */

static bool is_served(const struct grpc_route *route)
{
    return route->run != NULL || route->method->run != NULL;
}

static void run(struct unary_call *unary)
{
    if (unary->route->run != NULL) {
        unary->route->run(unary->worker, &unary->call);
    } else {
        unary->route->method->run(unary->worker->service, &unary->call);
    }
}

static enum status check_place(struct unary_call *unary)
{
    struct limit *limit = unary->route->limit;
    const bool is_order = unary->route->method->kind == METHOD_ORDER;

    if (limit == NULL) {
        return STATUS_OK;
    }
    unary->holds_place = limit_enter(limit);
    if (unary->holds_place) {
        metrics_add(METRIC_CALLS_IN_FLIGHT, 0, 1);
        return STATUS_OK;
    }
    metrics_add(METRIC_CALLS_REFUSED, 0, 1);
    return error_set(&unary->call.err, is_order ? REASON_TOO_MANY_ORDERS : REASON_TOO_MANY_CALLS);
}

/* Negative when it is over. */
static int64_t time_left_ms(gpr_timespec deadline)
{
    const gpr_timespec monotonic = gpr_convert_clock_type(deadline, GPR_CLOCK_MONOTONIC);
    gpr_timespec left;

    if (gpr_time_cmp(monotonic, gpr_inf_future(GPR_CLOCK_MONOTONIC)) == 0) {
        return LIMIT_DEADLINE_MS_DEFAULT;
    }
    left = gpr_time_sub(monotonic, gpr_now(GPR_CLOCK_MONOTONIC));
    return gpr_time_to_millis(left);
}

static enum status check_time(struct unary_call *unary)
{
    const int64_t now_ms = clock_now_ms(loop_clock(unary->worker->loop));

    return call_time_set(&unary->call, now_ms, time_left_ms(unary->deadline));
}

static enum status read_request(struct unary_call *unary)
{
    ProtobufCMessage *message = NULL;
    enum status status = grpc_codec_unpack(unary->request, unary->route->method->request,
                                           unary->call.arena, &message, &unary->call.err);

    /* Unpacked or not, nobody needs the bytes any more. */
    grpc_byte_buffer_destroy(unary->request);
    unary->request = NULL;
    unary->call.request = message;
    return status;
}

static enum status prepare(struct unary_call *unary)
{
    struct call *call = &unary->call;
    enum status status;

    call->arena = arena_new(LIMIT_ARENA_SIZE);
    if (call->arena == NULL) {
        return error_set(&call->err, REASON_OUT_OF_MEMORY);
    }
    if (!is_served(unary->route)) {
        return error_set(&call->err, REASON_METHOD_NOT_FOUND);
    }
    status = check_place(unary);
    if (status == STATUS_OK) {
        status = check_time(unary);
    }
    if (status == STATUS_OK) {
        status = read_request(unary);
    }
    return status;
}

static void on_done(struct call *call);

static void unary_begin(struct unary_call *unary)
{
    unary_move(unary, UNARY_RUNNING);
    LIST_INSERT_HEAD(&unary->worker->running, unary, entry);
    unary->received_us = unary->event.at_us;
    unary->request_size = grpc_codec_size(unary->request);
    unary->call.caller = "";
    unary->call.done = on_done;
    /* Nobody reads it, and it would weigh 400 bytes as long as the call waits. */
    grpc_metadata_array_destroy(&unary->metadata);
    grpc_metadata_array_init(&unary->metadata);
    if (prepare(unary) == STATUS_OK) {
        run(unary);
    } else {
        call_fail(&unary->call);
    }
}

/* Answer */

static void on_answered(struct pump_event *event, bool ok);

static void leave_place(struct unary_call *unary)
{
    if (unary->holds_place) {
        limit_leave(unary->route->limit);
        metrics_add(METRIC_CALLS_IN_FLIGHT, 0, -1);
        unary->holds_place = false;
    }
}

static void report(const struct unary_call *unary, const struct error *err)
{
    call_report(&(struct call_report){
        .method = unary->route->method,
        .series = unary->route->series,
        .err = err,
        .order_id = unary->call.order_id,
        .duration_us = pump_now_us() - unary->received_us,
        .request_size = unary->request_size,
        .reply_size = grpc_codec_size(unary->reply),
    });
}

static void start_answer(struct unary_call *unary, const struct error *err)
{
    struct call *call = &unary->call;
    grpc_metadata replayed = grpc_replayed_metadata();
    grpc_op ops[4];
    size_t count = 0;

    if (!error_is_set(err)) {
        unary->reply = grpc_codec_pack(call->reply);
    }
    grpc_trailers_init(&unary->trailers, err, call->replayed, call->arena);
    report(unary, err);

    memset(ops, 0, sizeof(ops));
    ops[count].op = GRPC_OP_SEND_INITIAL_METADATA;
    ops[count].data.send_initial_metadata.metadata = &replayed;
    ops[count++].data.send_initial_metadata.count = call->replayed ? 1 : 0;
    if (unary->reply != NULL) {
        ops[count].op = GRPC_OP_SEND_MESSAGE;
        ops[count++].data.send_message.send_message = unary->reply;
    }
    ops[count].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[count].data.send_status_from_server.status = unary->trailers.code;
    ops[count].data.send_status_from_server.status_details = &unary->trailers.message;
    ops[count].data.send_status_from_server.trailing_metadata = unary->trailers.metadata;
    ops[count++].data.send_status_from_server.trailing_metadata_count = unary->trailers.count;
    ops[count].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
    ops[count++].data.recv_close_on_server.cancelled = &unary->was_cancelled;

    unary->event.on_event = on_answered;
    grpc_worker_start_batch(unary->worker, unary->core, ops, count, &unary->event);
}

/* The service has ended the call: call->done. */
static void on_done(struct call *call)
{
    struct unary_call *unary = CONTAINER_OF(call, struct unary_call, call);
    struct grpc_worker *worker = unary->worker;

    if (unary->state == UNARY_ABANDONED) {
        LIST_REMOVE(unary, entry);
        release(unary);
        return;
    }
    if (unary->state == UNARY_ABANDONING) {
        LIST_REMOVE(unary, entry);
        unary_move(unary, UNARY_ANSWERING);
        return;
    }
    /* A reply and an error, or neither, would be a bug of the service. */
    assert(error_is_set(&call->err) || call->reply != NULL);
    LIST_REMOVE(unary, entry);
    unary_move(unary, UNARY_ANSWERING);
    leave_place(unary);
    start_answer(unary, &call->err);
    if (worker->is_draining) {
        worker->on_progress(worker);
    }
}

static void on_answered(struct pump_event *event, bool ok)
{
    struct unary_call *unary = CONTAINER_OF(event, struct unary_call, event);
    struct grpc_worker *worker = unary->worker;

    (void)ok; /* The caller has gone meanwhile: there is nobody left to tell. */
    if (unary->state == UNARY_ABANDONING) {
        unary_move(unary, UNARY_ABANDONED);
    } else {
        release(unary);
    }
    grpc_worker_end(worker);
}

/* End of the drain */

void unary_call_abandon_all(struct grpc_worker *worker)
{
    struct unary_call *unary, *next;
    struct error err;

    for (unary = LIST_FIRST(&worker->running); unary != NULL; unary = next) {
        next = LIST_NEXT(unary, entry);
        if (unary->state == UNARY_RUNNING) {
            memset(&err, 0, sizeof(err));
            error_set(&err, REASON_SHUTTING_DOWN);
            unary_move(unary, UNARY_ABANDONING);
            leave_place(unary);
            start_answer(unary, &err);
        }
    }
}

void unary_call_free_all(struct grpc_worker *worker)
{
    struct unary_call *unary, *next;

    for (unary = LIST_FIRST(&worker->running); unary != NULL; unary = next) {
        next = LIST_NEXT(unary, entry);
        assert(unary->state == UNARY_ABANDONED);
        release(unary);
    }
    for (unary = LIST_FIRST(&worker->spare); unary != NULL; unary = next) {
        next = LIST_NEXT(unary, entry);
        free(unary);
    }
    LIST_INIT(&worker->running);
    LIST_INIT(&worker->spare);
    worker->spare_count = 0;
}
