/* WatchOrder: an order's newest state, whenever it changed, until it comes to rest.
 *
 *             the reader can take one               a pass
 *   RESTING ---------------------------> WAITING ----------------> DUE ---> LOOKING
 *      ^                                    ^       it changed      ^        |  |
 *      |                                    |                       |        |  |
 *      |                                    '----- nothing newer ---+--------'  |
 *      |                                                (changed meanwhile)     |
 *      '---------------------- the newest state is sent ------------------------'
 *
 * From LOOKING it also ends, when the order has come to rest; and when the reader goes meanwhile it is
 * STOPPED until the answer is there. A watch remembers nothing but the revision its reader has seen,
 * and sends what it has just read, so no change can be lost: a later look finds it. Not for how a
 * message reaches its reader. */
#include "service/order_watch.h"

#include "base/limits.h"
#include "service/order_validate.h"
#include "service/present.h"
#include "service/service.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>

enum {
    PASS_MS = 200,
    LOOK_MS = 5000,   /* a look that is not answered by then is repeated */
    BLIND_MS = 10000, /* without a good look for so long, a reader is told */
    BUCKET_COUNT = 1024,
};

enum watch_state {
    WATCH_RESTING, /* the reader has not asked for more */
    WATCH_WAITING, /* for the next pass */
    WATCH_DUE,     /* for the end of this turn */
    WATCH_LOOKING,
    WATCH_STOPPED, /* nobody's any more, but its look is under way */
};

#define TO(state) (1u << WATCH_##state)
static const unsigned watch_next[] = {
    [WATCH_RESTING] = TO(WAITING) | TO(DUE),
    [WATCH_WAITING] = TO(DUE),
    [WATCH_DUE] = TO(LOOKING),
    [WATCH_LOOKING] = TO(RESTING) | TO(WAITING) | TO(DUE) | TO(STOPPED),
    [WATCH_STOPPED] = 0,
};
#undef TO

struct order_watch {
    struct stream *stream;
    struct order_watches *watches;
    struct watched_order *order;
    enum watch_state state;
    TAILQ_ENTRY(order_watch) link;   /* in the list of its state */
    LIST_ENTRY(order_watch) sibling; /* of the same order */
    int64_t seen_revision;           /* the reader needs none up to this one */
    int64_t good_ms;                 /* when it last saw, or began to look */
    bool has_looked;                 /* the order exists */
    bool has_news;                   /* it changed since the last look was started */
    struct order_get get;            /* with an arena while it looks */
};

/* All watches of one order. */
struct watched_order {
    struct uuid id;
    LIST_HEAD(, order_watch) watches;
    LIST_ENTRY(watched_order) bucket_link;
};
LIST_HEAD(watched_order_list, watched_order);

TAILQ_HEAD(watch_list, order_watch);

struct order_watches {
    struct order_store *store;
    struct clock *clock;
    struct watched_order_list by_order[BUCKET_COUNT]; /* by id */
    struct watch_list waiting, due, others;
    uint32_t count; /* STOPPED ones not counted */
    struct clock_timer pass, turn;
};

/* ---- Lists --------------------------------------------------------------------------------- */

static struct watch_list *list_of(struct order_watches *watches, enum watch_state state)
{
    switch (state) {
    case WATCH_WAITING:
        return &watches->waiting;
    case WATCH_DUE:
        return &watches->due;
    case WATCH_RESTING:
    case WATCH_LOOKING:
    case WATCH_STOPPED:
        break;
    }
    return &watches->others;
}

/* Every change of state goes through here; it starts the timer that the state waits for. */
static void watch_move(struct order_watch *watch, enum watch_state state)
{
    struct order_watches *watches = watch->watches;

    assert(watch_next[watch->state] & (1u << state));
    TAILQ_REMOVE(list_of(watches, watch->state), watch, link);
    watch->state = state;
    TAILQ_INSERT_TAIL(list_of(watches, state), watch, link);
    if (state == WATCH_WAITING && !watches->pass.pending)
        clock_timer_start(watches->clock, &watches->pass, PASS_MS);
    if (state == WATCH_DUE && !watches->turn.pending)
        clock_timer_start(watches->clock, &watches->turn, 0);
}

static struct watched_order_list *bucket_of(struct order_watches *watches, const struct uuid *id)
{
    return &watches->by_order[uuid_bucket(id, BUCKET_COUNT)];
}

static struct watched_order *find_order(struct order_watches *watches, const struct uuid *id)
{
    struct watched_order *order;

    LIST_FOREACH (order, bucket_of(watches, id), bucket_link) {
        if (uuid_equal(&order->id, id))
            break;
    }
    return order;
}

/* NULL: out of memory. */
static struct watched_order *find_or_add_order(struct order_watches *watches, const struct uuid *id)
{
    struct watched_order *order = find_order(watches, id);

    if (order != NULL)
        return order;
    order = calloc(1, sizeof(*order));
    if (order == NULL)
        return NULL;
    order->id = *id;
    LIST_INIT(&order->watches);
    LIST_INSERT_HEAD(bucket_of(watches, id), order, bucket_link);
    return order;
}

static void order_free(struct watched_order *order)
{
    assert(LIST_EMPTY(&order->watches));
    LIST_REMOVE(order, bucket_link);
    free(order);
}

/* ---- Life cycle of a watch ----------------------------------------------------------------- */

static struct order_watch *watch_new(struct order_watches *watches, const struct uuid *id)
{
    struct watched_order *order = find_or_add_order(watches, id);
    struct order_watch *watch = order == NULL ? NULL : calloc(1, sizeof(*watch));

    if (order != NULL && watch == NULL && LIST_EMPTY(&order->watches))
        order_free(order);
    if (watch == NULL)
        return NULL;
    watch->watches = watches;
    watch->order = order;
    LIST_INSERT_HEAD(&order->watches, watch, sibling);
    TAILQ_INSERT_TAIL(list_of(watches, watch->state), watch, link);
    watches->count++;
    return watch;
}

/* Nobody's any more: changes of its order do not reach it. */
static void watch_leave(struct order_watch *watch)
{
    struct order_watches *watches = watch->watches;

    watch->stream = NULL;
    LIST_REMOVE(watch, sibling);
    if (LIST_EMPTY(&watch->order->watches))
        order_free(watch->order);
    watch->order = NULL;
    watches->count--;
    if (watches->count == 0) {
        clock_timer_stop(watches->clock, &watches->pass);
        clock_timer_stop(watches->clock, &watches->turn);
    }
}

static void watch_free(struct order_watch *watch)
{
    TAILQ_REMOVE(list_of(watch->watches, watch->state), watch, link);
    arena_free(watch->get.call.arena);
    free(watch);
}

/* Ends the stream as stream->err says. */
static void watch_end(struct order_watch *watch)
{
    struct stream *stream = watch->stream;

    watch_leave(watch);
    watch_free(watch);
    stream->on_end(stream);
}

/* ---- Looking ------------------------------------------------------------------------------- */

static void on_looked(struct store_call *call);

static void start_look(struct order_watch *watch)
{
    struct order_watches *watches = watch->watches;
    struct order_get *get = &watch->get;

    watch_move(watch, WATCH_LOOKING);
    watch->has_news = false;
    get->call = (struct store_call){.arena = arena_new(LIMIT_ARENA_SIZE),
                                    .deadline_ms = clock_now_ms(watches->clock) + LOOK_MS,
                                    .done = on_looked};
    get->id = watch->order->id;
    /* A copy, since the look may outlive the stream. */
    get->caller =
        get->call.arena == NULL ? NULL : arena_strdup(get->call.arena, watch->stream->caller);
    /* The first look is told the state even when it is not to be sent: it may be the last. */
    get->after_revision = watch->has_looked ? watch->seen_revision : 0;
    if (get->caller == NULL) {
        error_set(&get->call.err, REASON_OUT_OF_MEMORY);
        on_looked(&get->call);
        return;
    }
    watches->store->ops->get(watches->store, get);
}

static void on_turn(struct clock_timer *timer)
{
    struct order_watches *watches = CONTAINER_OF(timer, struct order_watches, turn);
    struct order_watch *watch, *next;

    for (watch = TAILQ_FIRST(&watches->due); watch != NULL; watch = next) {
        next =
            TAILQ_NEXT(watch, link); /* without memory for a look, the watch may be gone after it */
        start_look(watch);
    }
}

static void on_pass(struct clock_timer *timer)
{
    struct order_watches *watches = CONTAINER_OF(timer, struct order_watches, pass);
    struct order_watch *watch;

    while ((watch = TAILQ_FIRST(&watches->waiting)) != NULL)
        watch_move(watch, WATCH_DUE);
    clock_timer_stop(watches->clock, &watches->turn);
    on_turn(&watches->turn);
}

/* There was nothing to send; what changed since may not have been seen. */
static void look_again(struct order_watch *watch)
{
    watch_move(watch, watch->has_news ? WATCH_DUE : WATCH_WAITING);
}

static void on_look_failed(struct order_watch *watch, const struct error *err)
{
    const int64_t now_ms = clock_now_ms(watch->watches->clock);
    struct stream *stream = watch->stream;

    if (err->reason == REASON_ORDER_NOT_FOUND) {
        order_not_found(stream->order_id, stream->arena, &stream->err);
        watch_end(watch);
    } else if (!watch->has_looked || now_ms - watch->good_ms >= BLIND_MS) {
        stream->err = *err;
        stream->err.details = NULL; /* they go with the arena of the look, and say nothing of use */
        watch_end(watch);
    } else {
        watch_move(watch, WATCH_WAITING); /* never at once, it would turn in circles */
    }
}

static bool ends_watch(const struct order *order)
{
    return order_is_at_rest(order->state) && order->state != ORDER_PENDING;
}

static void send_order(struct order_watch *watch, const struct order *order, struct arena *arena)
{
    const Shop__V1__Order *message = present_order(order, arena);
    struct error err = {0};

    if (message == NULL) {
        error_set(&err, REASON_OUT_OF_MEMORY);
        on_look_failed(watch, &err);
        return;
    }
    watch->seen_revision = order->revision;
    watch_move(watch, WATCH_RESTING);
    watch->stream->on_message(watch->stream, &message->base);
    if (ends_watch(order))
        watch_end(watch);
}

static void on_seen(struct order_watch *watch, const struct order *order, struct arena *arena)
{
    const bool is_new = order->revision > watch->seen_revision;

    watch->good_ms = clock_now_ms(watch->watches->clock);
    watch->has_looked = true;
    if (is_new) {
        send_order(watch, order, arena);
    } else if (ends_watch(order) && order->state != ORDER_FAILED) {
        watch_end(watch); /* there will be no more; a FAILED one may be processed again */
    } else {
        /* A reader who claims to have seen more than there is still gets every change from now on. */
        watch->seen_revision = order->revision;
        look_again(watch);
    }
}

static void on_looked(struct store_call *call)
{
    struct order_watch *watch = CONTAINER_OF(call, struct order_watch, get.call);
    struct arena *arena = call->arena;

    call->arena = NULL;
    if (watch->state == WATCH_STOPPED) {
        watch_free(watch);
    } else if (error_is_set(&call->err)) {
        on_look_failed(watch, &call->err);
    } else if (watch->get.unchanged) {
        watch->good_ms = clock_now_ms(watch->watches->clock);
        look_again(watch);
    } else {
        on_seen(watch, watch->get.order, arena);
    }
    arena_free(arena);
}

/* ---- The stream ---------------------------------------------------------------------------- */

static void on_next(struct stream *stream)
{
    struct order_watch *watch = stream->state;

    watch->good_ms = clock_now_ms(watch->watches->clock);
    watch_move(watch, watch->has_news ? WATCH_DUE : WATCH_WAITING);
}

static void on_stop(struct stream *stream)
{
    struct order_watch *watch = stream->state;

    watch_leave(watch);
    if (watch->state == WATCH_LOOKING)
        watch_move(watch, WATCH_STOPPED);
    else
        watch_free(watch);
}

static enum status open_watch(struct order_watches *watches, struct stream *stream)
{
    static const struct stream_method_ops ops = {.next = on_next, .stop = on_stop};
    const Shop__V1__WatchOrderRequest *request =
        (const Shop__V1__WatchOrderRequest *)(const void *)stream->request;
    struct order_watch *watch;
    struct uuid id;
    char text[UUID_TEXT_SIZE];

    if (validate_watch_order(request, stream->arena, &id, &stream->err) != STATUS_OK)
        return stream->err.status;
    uuid_format(&id, text);
    stream->order_id = arena_strdup(stream->arena, text);
    watch = stream->order_id == NULL ? NULL : watch_new(watches, &id);
    if (watch == NULL)
        return error_set(&stream->err, REASON_OUT_OF_MEMORY);
    watch->stream = stream;
    watch->seen_revision = request->after_revision;
    watch->has_news = true; /* all of it */
    stream->ops = &ops;
    stream->state = watch;
    return STATUS_OK;
}

void orders_watch_order(struct service *service, struct stream *stream)
{
    if (open_watch(service->order_watches, stream) != STATUS_OK)
        stream->on_end(stream);
}

/* ---- All of them --------------------------------------------------------------------------- */

void service_order_changed(struct service *service, const struct uuid *order_id)
{
    struct order_watches *watches = service->order_watches;
    struct watched_order *order = watches == NULL ? NULL : find_order(watches, order_id);
    struct order_watch *watch;

    if (order == NULL)
        return;
    LIST_FOREACH (watch, &order->watches, sibling) {
        watch->has_news = true;
        if (watch->state == WATCH_WAITING)
            watch_move(watch, WATCH_DUE);
    }
}

struct order_watches *order_watches_new(struct order_store *store, struct clock *clock)
{
    struct order_watches *watches = calloc(1, sizeof(*watches));

    if (watches == NULL)
        return NULL;
    watches->store = store;
    watches->clock = clock;
    TAILQ_INIT(&watches->waiting);
    TAILQ_INIT(&watches->due);
    TAILQ_INIT(&watches->others);
    watches->pass.on_time = on_pass;
    watches->turn.on_time = on_turn;
    return watches;
}

void order_watches_free(struct order_watches *watches)
{
    if (watches == NULL)
        return;
    assert(watches->count == 0);
    assert(TAILQ_EMPTY(&watches->others)); /* no look is under way */
    free(watches);
}

uint32_t order_watches_count(const struct order_watches *watches)
{
    return watches->count;
}
