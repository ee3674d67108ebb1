/* Somebody who watches an order: what it is shown only grows, and ends with what is stored. */
#include "sim_parts.h"

#include "shop/v1/orders.pb-c.h"

#include <assert.h>
#include <inttypes.h>

struct sim_watch {
    struct stream stream;
    LIST_ENTRY(sim_watch) link;
    struct sim_worker *worker;
    struct sim_order *order;
    Shop__V1__WatchOrderRequest request;
    struct clock_timer next; /* of the worker's clock: the reader takes its time */
    int64_t seen_revision;
    enum order_state seen_state;
};

static void watch_free(struct sim_watch *watch)
{
    LIST_REMOVE(watch, link);
    arena_free(watch->stream.arena);
}

static void on_next(struct clock_timer *timer)
{
    stream_next(&CONTAINER_OF(timer, struct sim_watch, next)->stream);
}

static void next_later(struct sim_watch *watch)
{
    struct sim_world *world = watch->worker->world;
    int64_t pause_ms = sim_chance(world, 700) ? 0 : sim_between(world, 1, 3000);

    clock_timer_start(&watch->worker->clock, &watch->next, pause_ms);
}

static void on_message(struct stream *stream, const ProtobufCMessage *message)
{
    struct sim_watch *watch = CONTAINER_OF(stream, struct sim_watch, stream);
    const Shop__V1__Order *order = (const Shop__V1__Order *)(const void *)message;
    struct sim_world *world = watch->worker->world;

    if (order->revision <= watch->seen_revision)
        sim_fail(world, "watch", "order %u: revision %" PRId64 " is shown after %" PRId64,
                 watch->order->index, order->revision, watch->seen_revision);
    if (order->revision > watch->order->revision)
        sim_fail(world, "V7", "order %u: revision %" PRId64 " is shown, and is not stored",
                 watch->order->index, order->revision);
    watch->seen_revision = order->revision;
    watch->seen_state = (enum order_state)order->state;
    next_later(watch);
}

static void on_end(struct stream *stream)
{
    struct sim_watch *watch = CONTAINER_OF(stream, struct sim_watch, stream);
    bool is_good = !error_is_set(&stream->err);

    clock_timer_stop(&watch->worker->clock, &watch->next);
    if (is_good && !order_is_at_rest(watch->seen_state))
        sim_fail(watch->worker->world, "watch", "order %u: a watch ended at %s",
                 watch->order->index, order_state_name(watch->seen_state));
    watch_free(watch);
}

static void run_start(void *arg)
{
    struct sim_watch *watch = arg;

    orders_watch_order(&watch->worker->service, &watch->stream);
    if (watch->stream.ops != NULL)
        next_later(watch);
}

void sim_watch_start(struct sim_worker *worker, struct sim_order *order)
{
    struct sim_world *world = worker->world;
    struct sim_watch *watch = sim_alloc(world, sizeof(*watch));
    char id[UUID_TEXT_SIZE];

    uuid_format(&order->order.id, id);
    shop__v1__watch_order_request__init(&watch->request);
    watch->request.id = (char *)(uintptr_t)sim_text(world, id);
    watch->worker = worker;
    watch->order = order;
    watch->next.on_time = on_next;
    watch->stream = (struct stream){
        .request = &watch->request.base,
        .arena = arena_new(LIMIT_ARENA_SIZE),
        .caller = "",
        .on_message = on_message,
        .on_end = on_end,
    };
    assert(watch->stream.arena != NULL);
    LIST_INSERT_HEAD(&worker->watches, watch, link);
    sim_worker_run(worker, run_start, watch);
}

void sim_watches_stop(struct sim_worker *worker)
{
    while (!LIST_EMPTY(&worker->watches)) {
        struct sim_watch *watch = LIST_FIRST(&worker->watches);

        if (watch->stream.ops != NULL)
            stream_stop(&watch->stream);
        watch_free(watch);
    }
}
