/* The door itself: settings of gRPC core, workers, starting, draining. What happens to a call is in
 * grpc_call and grpc_stream. */
#include "edge/grpc/grpc_server.h"

#include "base/limits.h"
#include "descriptor_set.h"
#include "edge/call_report.h"
#include "edge/grpc/grpc_acceptor.h"
#include "edge/grpc/grpc_call.h"
#include "edge/grpc/grpc_health.h"
#include "edge/grpc/grpc_method_stream.h"
#include "edge/grpc/grpc_reflection.h"
#include "edge/grpc/grpc_stream.h"
#include "edge/grpc/reflection_index.h"
#include "edge/listen_socket.h"
#include "observe/log.h"

#include <assert.h>
#include <grpc/compression.h>
#include <grpc/grpc.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#if __has_include(<grpc/credentials.h>) /* where newer versions declare credentials */
#include <grpc/credentials.h>
#endif
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MESSAGE_SIZE_MAX = 2 * LIMIT_MESSAGE_SIZE, /* gRPC core's limit; up to it, we refuse in words */
    METADATA_SIZE_MAX = 8 * 1024,
    CONNECTION_IDLE_MS = 5 * 60 * 1000, /* reaps peers that never make a call, too */
    CONNECTION_AGE_MS = 30 * 60 * 1000, /* so that load spreads over new replicas */
    CONNECTION_AGE_GRACE_MS = 2 * LIMIT_DEADLINE_MS,
    CANCEL_DELAY_MS = 200, /* for the last answers to leave, when the time to drain is over */
};

/* clang-format off */
static const struct { const char *name; int value; } server_args[] = {
    {GRPC_ARG_MAX_CONCURRENT_STREAMS,       LIMIT_STREAMS_PER_CONNECTION},
    {GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,   MESSAGE_SIZE_MAX},
    {GRPC_ARG_MAX_METADATA_SIZE,            METADATA_SIZE_MAX},
    {GRPC_ARG_MAX_CONNECTION_IDLE_MS,       CONNECTION_IDLE_MS},
    {GRPC_ARG_MAX_CONNECTION_AGE_MS,        CONNECTION_AGE_MS},
    {GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,  CONNECTION_AGE_GRACE_MS},
    /* Off: two timers moved at every read. The kernel's keep-alive does the same for nothing. */
    {GRPC_ARG_KEEPALIVE_TIME_MS,            INT_MAX},
    {GRPC_ARG_HTTP2_BDP_PROBE,              0},  /* messages are small: pings would be for nothing */
    {GRPC_ARG_ENABLE_CHANNELZ,              0},  /* memory and counters of every connection */
    /* Inflating has no bound in gRPC core, so nothing is inflated. */
    {GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE},
    {GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0},
    {GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION,   0},
};
/* clang-format on */

/* Stands for all methods that are in no table. */
static const struct method unknown_method = {
    .service = "_unknown", .name = "_unknown", .kind = METHOD_READ, .slot_count = 4};

/* A worker of the door, with the letters it gets and sends. */
struct door_worker {
    struct grpc_worker worker;
    struct grpc_door *door;
    struct letter start, drain, abandon, drained; /* drained goes to loop 0 */
    struct letter health;
    atomic_bool health_pending; /* the letter is on its way */
    bool has_drained;
};

enum door_state {
    DOOR_NEW,
    DOOR_STARTED,
    DOOR_DRAINING,
    DOOR_DRAINED
};

struct grpc_door {
    struct grpc_shared shared;
    enum door_state state;
    uint16_t port;
    uint64_t memory_max;
    struct grpc_acceptor *acceptor;
    struct reflection_index *reflection;
    grpc_server_credentials *credentials;
    struct grpc_route *routes;
    size_t route_count;
    struct pump_event shutdown; /* gRPC core has no calls and connections left */
    struct clock_timer drain_timer;
    bool has_abandoned;
    uint32_t drained_count;
    void (*drained)(void *arg);
    void *drained_arg;
    uint32_t worker_count;
    struct door_worker workers[];
};

/* Routes */

static struct limit *limit_of(struct grpc_door *door, const struct method *method)
{
    return method->kind == METHOD_ORDER ? &door->shared.limits->orders
                                        : &door->shared.limits->calls;
}

/* Those of method_table first, so that both doors number the methods alike in the metrics. */
static bool make_routes(struct grpc_door *door)
{
    const struct grpc_route extra[] = {
        {.method = &health_check_method, .run = health_check},
        {.method = &health_list_method, .run = health_list},
        {.method = &health_watch_method, .stream = &health_watch_ops},
        {.method = &reflection_v1_method, .stream = &reflection_ops},
        {.method = &reflection_v1alpha_method, .stream = &reflection_ops},
        {.method = &unknown_method},
    };
    door->routes = calloc(method_count + COUNT_OF(extra), sizeof(*door->routes));
    if (door->routes == NULL) {
        return false;
    }
    for (size_t i = 0; i < method_count; i++) {
        door->routes[i].method = &method_table[i];
        door->routes[i].stream = method_table[i].open != NULL ? &method_stream_ops : NULL;
        door->routes[i].limit = limit_of(door, &method_table[i]);
    }
    memcpy(&door->routes[method_count], extra, sizeof(extra));
    door->route_count = method_count + COUNT_OF(extra);
    for (size_t i = 0; i < door->route_count; i++) {
        door->routes[i].series = (unsigned)i;
        if (door->routes[i].stream != NULL) {
            door->routes[i].limit = &door->shared.limits->watchers;
        }
    }
    return true;
}

static bool name_metrics(const struct grpc_door *door)
{
    const struct method **methods = calloc(door->route_count, sizeof(const struct method *));
    bool ok = methods != NULL;

    for (size_t i = 0; ok && i < door->route_count; i++) {
        methods[i] = door->routes[i].method;
    }
    ok = ok && call_report_init(methods, (unsigned)door->route_count);
    free((void *)methods);
    return ok;
}

static void register_routes(struct grpc_door *door)
{
    for (size_t i = 0; i < door->route_count; i++) {
        struct grpc_route *route = &door->routes[i];
        if (route->method == &unknown_method) {
            continue;
        }
        /* The first message of a unary call comes with the call; streams read theirs themselves. */
        route->registered = grpc_server_register_method(
            door->shared.server, route->method->path, NULL,
            route->stream != NULL ? GRPC_SRM_PAYLOAD_NONE
                                  : GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER,
            0);
        assert(route->registered != NULL);
    }
}

static void post_slots(struct grpc_worker *worker, struct grpc_route *route)
{
    for (unsigned i = 0; i < route->method->slot_count; i++) {
        if (route->stream != NULL) {
            stream_call_post(worker, route);
        } else {
            unary_call_post(worker, route);
        }
    }
}

/* Making */

static void take_connection(void *arg, int fd)
{
    struct grpc_door *door = arg;
    grpc_server_add_channel_from_fd(door->shared.server, fd, door->credentials);
}

static void on_start(struct letter *letter);
static void on_drain(struct letter *letter);
static void on_abandon(struct letter *letter);
static void on_worker_drained(struct letter *letter);
static void on_health(struct letter *letter);
static void on_progress(struct grpc_worker *worker);

static void init_worker(struct grpc_door *door, struct door_worker *mine,
                        const struct grpc_server_worker *worker)
{
    mine->door = door;
    mine->worker.shared = &door->shared;
    mine->worker.loop = worker->loop;
    mine->worker.service = worker->service;
    mine->worker.on_progress = on_progress;
    grpc_worker_init(&mine->worker);
    mine->start.open = on_start;
    mine->drain.open = on_drain;
    mine->abandon.open = on_abandon;
    mine->drained.open = on_worker_drained;
    mine->health.open = on_health;
}

static enum status listen_at(struct grpc_door *door, const struct grpc_server_config *config,
                             struct loop *loop, struct error *err)
{
    struct grpc_acceptor_config acceptor = {
        .base = loop_base(loop),
        .clock = loop_clock(loop),
        .connections_max = config->connections_max,
        .take = take_connection,
        .arg = door,
    };
    enum status status =
        listen_socket_open("GRPC_ADDR", config->address, &acceptor.listen_fd, &door->port, err);
    if (status != STATUS_OK) {
        return status;
    }
    door->acceptor = grpc_acceptor_new(&acceptor);
    return door->acceptor == NULL ? error_set(err, REASON_OUT_OF_MEMORY) : STATUS_OK;
}

enum status grpc_door_new(const struct grpc_server_config *config,
                          const struct grpc_server_worker *workers, uint32_t worker_count,
                          struct grpc_door **out_door, struct error *err)
{
    struct grpc_door *door = calloc(1, sizeof(*door) + worker_count * sizeof(*door->workers));
    enum status status;

    assert(worker_count > 0);
    if (door == NULL) {
        return error_set(err, REASON_OUT_OF_MEMORY);
    }
    door->memory_max = config->memory_max;
    door->shared.limits = config->limits;
    door->worker_count = worker_count;
    for (uint32_t i = 0; i < worker_count; i++) {
        init_worker(door, &door->workers[i], &workers[i]);
    }
    door->reflection = reflection_index_new(descriptor_set, descriptor_set_size);
    door->shared.reflection = door->reflection;
    if (door->reflection == NULL || !make_routes(door) || !name_metrics(door)) {
        grpc_door_free(door);
        return error_set(err, REASON_OUT_OF_MEMORY);
    }
    status = listen_at(door, config, workers[0].loop, err);
    if (status != STATUS_OK) {
        grpc_door_free(door);
        return status;
    }
    *out_door = door;
    return STATUS_OK;
}

uint16_t grpc_door_port(const struct grpc_door *door)
{
    return door->port;
}

/* Starting */

static void create_server(struct grpc_door *door)
{
    grpc_arg args[COUNT_OF(server_args) + 1];
    grpc_channel_args all = {.num_args = COUNT_OF(server_args), .args = args};
    grpc_resource_quota *quota = NULL;

    for (size_t i = 0; i < COUNT_OF(server_args); i++) {
        args[i] = (grpc_arg){.type = GRPC_ARG_INTEGER,
                             .key = (char *)(uintptr_t)server_args[i].name,
                             .value.integer = server_args[i].value};
    }
    if (door->memory_max > 0) {
        quota = grpc_resource_quota_create("orderd");
        grpc_resource_quota_resize(quota, door->memory_max);
        args[all.num_args++] = (grpc_arg){.type = GRPC_ARG_POINTER,
                                          .key = (char *)(uintptr_t)GRPC_ARG_RESOURCE_QUOTA,
                                          .value.pointer.p = quota,
                                          .value.pointer.vtable = grpc_resource_quota_arg_vtable()};
    }
    door->shared.server = grpc_server_create(&all, NULL);
    if (quota != NULL) {
        grpc_resource_quota_unref(quota); /* the server holds it now */
    }
}

void grpc_door_start(struct grpc_door *door)
{
    assert(door->state == DOOR_NEW);
    door->state = DOOR_STARTED;
    /* gRPC core's own lines are no JSON, and callers can provoke them; GRPC_VERBOSITY of the
     * environment has the last word. */
    setenv("GRPC_VERBOSITY", "NONE", 0);
    grpc_init();
    door->credentials = grpc_insecure_server_credentials_create();
    create_server(door);
    register_routes(door);
    for (uint32_t i = 0; i < door->worker_count; i++) {
        struct grpc_worker *worker = &door->workers[i].worker;
        worker->queue = grpc_completion_queue_create_for_next(NULL);
        grpc_server_register_completion_queue(door->shared.server, worker->queue, NULL);
    }
    grpc_server_start(door->shared.server);
    for (uint32_t i = 0; i < door->worker_count; i++) {
        struct grpc_worker *worker = &door->workers[i].worker;
        struct mailbox *mailbox = loop_mailbox(worker->loop);
        bool started = grpc_pump_start(&worker->pump, worker->queue, mailbox);
        assert(started);
        mailbox_put(mailbox, &door->workers[i].start);
    }
}

/* On each worker's loop. */
static void on_start(struct letter *letter)
{
    struct door_worker *mine = CONTAINER_OF(letter, struct door_worker, start);
    struct grpc_door *door = mine->door;

    if (mine->worker.is_draining) {
        return;
    }
    for (size_t i = 0; i < door->route_count; i++) {
        post_slots(&mine->worker, &door->routes[i]);
    }
    if (mine == &door->workers[0]) {
        grpc_acceptor_start(door->acceptor);
    }
}

/* Health */

void grpc_door_set_serving(struct grpc_door *door, bool is_serving)
{
    if (atomic_exchange(&door->shared.is_serving, is_serving) == is_serving ||
        door->state != DOOR_STARTED) {
        return;
    }
    for (uint32_t i = 0; i < door->worker_count; i++) {
        struct door_worker *mine = &door->workers[i];
        if (!atomic_exchange(&mine->health_pending, true)) {
            mailbox_put(loop_mailbox(mine->worker.loop), &mine->health);
        }
    }
}

static void on_health(struct letter *letter)
{
    struct door_worker *mine = CONTAINER_OF(letter, struct door_worker, health);

    /* Before looking, so that a change from now on sends the letter again. */
    atomic_store(&mine->health_pending, false);
    health_tell_watchers(&mine->worker);
}

/* Draining. Loop 0 tells all workers; each answers once it has nothing left; the end of gRPC core's
 * server is an event of worker 0, so it is waited for as well. */

static void on_shutdown(struct pump_event *event, bool ok)
{
    struct grpc_door *door = CONTAINER_OF(event, struct grpc_door, shutdown);

    (void)ok; /* a shutdown always succeeds */
    grpc_worker_end(&door->workers[0].worker);
}

static void on_time_over(struct clock_timer *timer)
{
    struct grpc_door *door = CONTAINER_OF(timer, struct grpc_door, drain_timer);

    if (door->has_abandoned) {
        grpc_server_cancel_all_calls(door->shared.server);
        return;
    }
    door->has_abandoned = true;
    log_write(LOG_WARN, "calls are still in flight, they are answered SHUTTING_DOWN");
    for (uint32_t i = 0; i < door->worker_count; i++) {
        mailbox_put(loop_mailbox(door->workers[i].worker.loop), &door->workers[i].abandon);
    }
    clock_timer_start(loop_clock(door->workers[0].worker.loop), timer, CANCEL_DELAY_MS);
}

void grpc_door_drain(struct grpc_door *door, int64_t timeout_ms, void (*drained)(void *arg),
                     void *arg)
{
    struct grpc_worker *first = &door->workers[0].worker;

    assert(door->state == DOOR_STARTED);
    door->state = DOOR_DRAINING;
    door->drained = drained;
    door->drained_arg = arg;
    atomic_store(&door->shared.is_serving, false);
    grpc_acceptor_stop(door->acceptor);
    for (uint32_t i = 0; i < door->worker_count; i++) {
        mailbox_put(loop_mailbox(door->workers[i].worker.loop), &door->workers[i].drain);
    }
    grpc_worker_begin(first);
    door->shutdown.on_event = on_shutdown;
    grpc_server_shutdown_and_notify(door->shared.server, first->queue, &door->shutdown);
    door->drain_timer.on_time = on_time_over;
    clock_timer_start(loop_clock(first->loop), &door->drain_timer, timeout_ms);
}

static void on_drain(struct letter *letter)
{
    struct door_worker *mine = CONTAINER_OF(letter, struct door_worker, drain);

    mine->worker.is_draining = true;
    stream_call_drain_all(&mine->worker);
    on_progress(&mine->worker);
}

static void on_abandon(struct letter *letter)
{
    struct door_worker *mine = CONTAINER_OF(letter, struct door_worker, abandon);
    unary_call_abandon_all(&mine->worker);
}

/* Slots are not filled up again while a worker drains, so what is idle once stays so. */
static void on_progress(struct grpc_worker *worker)
{
    struct door_worker *mine = CONTAINER_OF(worker, struct door_worker, worker);

    if (grpc_worker_is_idle(worker) && !mine->has_drained) {
        mine->has_drained = true;
        mailbox_put(loop_mailbox(mine->door->workers[0].worker.loop), &mine->drained);
    }
}

static void on_worker_drained(struct letter *letter)
{
    struct grpc_door *door = CONTAINER_OF(letter, struct door_worker, drained)->door;

    if (++door->drained_count == door->worker_count) {
        door->state = DOOR_DRAINED;
        clock_timer_stop(loop_clock(door->workers[0].worker.loop), &door->drain_timer);
        if (door->drained != NULL) {
            door->drained(door->drained_arg);
        }
    }
}

/* Freeing */

/* Without a drain before, or in the middle of one: ends everything at once. The loops do not run any
 * more, so their letters are opened here. */
static void drain_by_force(struct grpc_door *door)
{
    const struct timespec pause = {.tv_nsec = 1000 * 1000};

    if (door->state == DOOR_STARTED) {
        grpc_door_drain(door, 0, NULL, NULL);
    }
    door->drained = NULL;
    clock_timer_stop(loop_clock(door->workers[0].worker.loop), &door->drain_timer);
    while (door->state != DOOR_DRAINED) {
        for (uint32_t i = 0; i < door->worker_count; i++) {
            mailbox_open_all(loop_mailbox(door->workers[i].worker.loop));
            unary_call_abandon_all(&door->workers[i].worker);
            grpc_worker_open_early(&door->workers[i].worker);
        }
        nanosleep(&pause, NULL);
        grpc_server_cancel_all_calls(door->shared.server);
    }
}

static void stop_core(struct grpc_door *door)
{
    grpc_server_destroy(door->shared.server);
    for (uint32_t i = 0; i < door->worker_count; i++) {
        struct grpc_worker *worker = &door->workers[i].worker;
        unary_call_free_all(worker);
        grpc_completion_queue_shutdown(worker->queue);
        grpc_pump_join(&worker->pump);
        grpc_completion_queue_destroy(worker->queue);
    }
    grpc_server_credentials_release(door->credentials);
    grpc_shutdown_blocking();
}

void grpc_door_free(struct grpc_door *door)
{
    if (door == NULL) {
        return;
    }
    if (door->state == DOOR_STARTED || door->state == DOOR_DRAINING) {
        drain_by_force(door);
    }
    grpc_acceptor_free(door->acceptor);
    if (door->state == DOOR_DRAINED) {
        stop_core(door);
    }
    reflection_index_free(door->reflection);
    free(door->routes);
    free(door);
}
