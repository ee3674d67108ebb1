/* Subscribe: all events after a position, each once it is certain that none before it is missing.
 *
 *             the reader can take one
 *   RESTING ---------------------------> DUE, an event is at hand: sent at the end of the turn
 *      ^                            |--> READING, the feed is complete beyond what he has read
 *      |                            '--> WAITING --> LOOKING --> WAITING, or READING when there is more
 *      '---- an event is sent ----- DUE, READING
 *
 * When the reader goes while his page is being read, he is STOPPED until it is there. He holds one page
 * at most, and the next is read when he has taken all of it: so he may be slow, or years behind. A
 * subscription remembers nothing but up to where it has read, which is a position of an event, so it
 * may go on anywhere. Not for what makes the feed complete, which is the store's. */
#include "service/event_feed.h"

#include "base/limits.h"
#include "service/order_validate.h"
#include "service/present.h"
#include "service/service.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>

enum {
    PASS_MS = 200,
    CALL_MS = 5000,   /* what is not answered by then is asked again */
    BLIND_MS = 10000, /* without a good answer for so long, a reader is told */
    QUIET_MS = 15000, /* a reader whom nothing concerns is told so often how far it has come */
    FORGET_MS = 1000, /* after such a pause "now" is found out anew */
    PAGE_EVENTS = 100,
};

enum subscription_state {
    SUBSCRIPTION_RESTING, /* the reader has not asked for more */
    SUBSCRIPTION_DUE,     /* for the end of this turn */
    SUBSCRIPTION_WAITING, /* for the next look */
    SUBSCRIPTION_LOOKING, /* for the answer of the look that is under way */
    SUBSCRIPTION_READING, /* a page */
    SUBSCRIPTION_STOPPED, /* nobody's any more, but its page is being read */
    SUBSCRIPTION_STATE_COUNT
};

#define TO(state) (1u << SUBSCRIPTION_##state)
static const unsigned subscription_next[] = {
    [SUBSCRIPTION_RESTING] = TO(DUE) | TO(WAITING) | TO(READING),
    [SUBSCRIPTION_DUE] = TO(RESTING),
    [SUBSCRIPTION_WAITING] = TO(LOOKING),
    [SUBSCRIPTION_LOOKING] = TO(WAITING) | TO(READING) | TO(RESTING),
    [SUBSCRIPTION_READING] = TO(RESTING) | TO(WAITING) | TO(READING) | TO(STOPPED),
    [SUBSCRIPTION_STOPPED] = 0,
};
#undef TO

TAILQ_HEAD(subscription_list, subscription);

struct subscription {
    struct stream *stream;
    struct event_feed *feed;
    enum subscription_state state;
    TAILQ_ENTRY(subscription) link; /* in the list of its state */
    int64_t position;               /* it has read up to here */
    bool has_begun;                 /* its position was found to be one of this feed */
    bool is_new_only;               /* it has none: it begins where the feed is complete */
    int64_t good_ms;                /* when it last had a good answer, or asked */
    int64_t told_ms;                /* when its reader was last sent something */
    struct event_page page;         /* with an arena while there are events of it to be sent */
    uint32_t sent_count;            /* of the page's events */
};

struct event_feed {
    struct event_store *store;
    struct clock *clock;
    struct subscription_list lists[SUBSCRIPTION_STATE_COUNT];
    uint32_t count; /* STOPPED ones not counted */
    struct event_mark mark;
    struct event_look look;
    bool is_looking;
    int64_t look_ms; /* when the last look was started */
    struct clock_timer pass, turn;
};

/* ---- Life cycle of a subscription ---------------------------------------------------------- */

/* When somebody waits, looks follow each other, but not faster than that. */
static void look_soon(struct event_feed *feed)
{
    int64_t delay_ms = feed->look_ms + PASS_MS - clock_now_ms(feed->clock);

    if (!feed->is_looking && !feed->pass.pending)
        clock_timer_start(feed->clock, &feed->pass, MAX_OF(delay_ms, 0));
}

/* Every change of state goes through here; it starts the timer that the state waits for. */
static void subscription_move(struct subscription *subscription, enum subscription_state state)
{
    struct event_feed *feed = subscription->feed;

    assert(subscription_next[subscription->state] & (1u << state));
    TAILQ_REMOVE(&feed->lists[subscription->state], subscription, link);
    subscription->state = state;
    TAILQ_INSERT_TAIL(&feed->lists[state], subscription, link);
    if (state == SUBSCRIPTION_WAITING)
        look_soon(feed);
    if (state == SUBSCRIPTION_DUE && !feed->turn.pending)
        clock_timer_start(feed->clock, &feed->turn, 0);
}

static struct subscription *subscription_new(struct event_feed *feed, struct stream *stream)
{
    struct subscription *subscription = calloc(1, sizeof(*subscription));

    if (subscription == NULL)
        return NULL;
    subscription->feed = feed;
    subscription->stream = stream;
    subscription->told_ms = clock_now_ms(feed->clock);
    TAILQ_INSERT_TAIL(&feed->lists[subscription->state], subscription, link);
    feed->count++;
    return subscription;
}

static void drop_page(struct subscription *subscription)
{
    arena_free(subscription->page.call.arena);
    subscription->page = (struct event_page){0};
    subscription->sent_count = 0;
}

static void subscription_free(struct subscription *subscription)
{
    TAILQ_REMOVE(&subscription->feed->lists[subscription->state], subscription, link);
    drop_page(subscription);
    free(subscription);
}

/* Nobody's any more. */
static void subscription_leave(struct subscription *subscription)
{
    struct event_feed *feed = subscription->feed;

    subscription->stream = NULL;
    feed->count--;
    if (feed->count == 0) {
        clock_timer_stop(feed->clock, &feed->pass);
        clock_timer_stop(feed->clock, &feed->turn);
    }
}

/* Ends the stream as stream->err says. */
static void subscription_end(struct subscription *subscription)
{
    struct stream *stream = subscription->stream;

    subscription_leave(subscription);
    subscription_free(subscription);
    stream->on_end(stream);
}

static void subscription_end_with(struct subscription *subscription, const struct error *err)
{
    subscription->stream->err = *err;
    /* They go with the arena of the call, and say nothing of use. */
    subscription->stream->err.details = NULL;
    subscription_end(subscription);
}

/* ---- Sending ------------------------------------------------------------------------------- */

static void send_message(struct subscription *subscription, const ProtobufCMessage *message)
{
    subscription->told_ms = clock_now_ms(subscription->feed->clock);
    subscription_move(subscription, SUBSCRIPTION_RESTING);
    subscription->stream->on_message(subscription->stream, message);
}

static void send_event(struct subscription *subscription)
{
    struct event_page *page = &subscription->page;
    struct feed_event *event = &page->events[subscription->sent_count];
    const Shop__V1__OrderEvent *message = present_event(event, page->call.arena);

    subscription->sent_count++;
    if (message == NULL) {
        error_set(&subscription->stream->err, REASON_OUT_OF_MEMORY);
        subscription_end(subscription);
        return;
    }
    send_message(subscription, &message->base);
}

/* That there is nothing more for him up to here. */
static void send_position(struct subscription *subscription)
{
    Shop__V1__OrderEvent message;

    shop__v1__order_event__init(&message);
    message.position = subscription->position;
    send_message(subscription, &message.base);
}

static void on_turn(struct clock_timer *timer)
{
    struct event_feed *feed = CONTAINER_OF(timer, struct event_feed, turn);
    struct subscription *subscription, *next;

    for (subscription = TAILQ_FIRST(&feed->lists[SUBSCRIPTION_DUE]); subscription != NULL;
         subscription = next) {
        next = TAILQ_NEXT(subscription, link); /* without memory it may be gone after it */
        send_event(subscription);
    }
}

/* ---- Reading ------------------------------------------------------------------------------- */

static void on_page(struct store_call *call);

static void start_page(struct subscription *subscription)
{
    struct event_feed *feed = subscription->feed;
    struct event_page *page = &subscription->page;
    struct arena *arena = arena_new(LIMIT_ARENA_SIZE);
    /* A copy, since the page may outlive the stream. */
    const char *caller = arena == NULL ? NULL : arena_strdup(arena, subscription->stream->caller);

    if (caller == NULL) {
        arena_free(arena);
        subscription_move(subscription, SUBSCRIPTION_WAITING); /* for better times */
        return;
    }
    *page = (struct event_page){
        .call = {.arena = arena,
                 .deadline_ms = clock_now_ms(feed->clock) + CALL_MS,
                 .done = on_page},
        .caller = caller,
        .after = subscription->position,
        .until = feed->mark.complete,
        .limit = PAGE_EVENTS,
    };
    subscription_move(subscription, SUBSCRIPTION_READING);
    feed->store->ops->page(feed->store, page);
}

/* What comes next for a reader who can take one. */
static void go_on(struct subscription *subscription)
{
    drop_page(subscription);
    if (subscription->has_begun && subscription->position < subscription->feed->mark.complete)
        start_page(subscription);
    else
        subscription_move(subscription, SUBSCRIPTION_WAITING);
}

static void on_failed(struct subscription *subscription, const struct error *err)
{
    const int64_t now_ms = clock_now_ms(subscription->feed->clock);

    drop_page(subscription);
    if (!subscription->has_begun || now_ms - subscription->good_ms >= BLIND_MS)
        subscription_end_with(subscription, err);
    else
        subscription_move(subscription,
                          SUBSCRIPTION_WAITING); /* never at once, it would turn in circles */
}

static void on_page(struct store_call *call)
{
    struct subscription *subscription = CONTAINER_OF(call, struct subscription, page.call);
    const int64_t now_ms = clock_now_ms(subscription->feed->clock);
    const struct error err = call->err;

    if (subscription->state == SUBSCRIPTION_STOPPED) {
        subscription_free(subscription);
        return;
    }
    if (error_is_set(&err)) {
        on_failed(subscription, &err);
        return;
    }
    subscription->good_ms = now_ms;
    subscription->position = subscription->page.read_to;
    if (subscription->page.count > 0)
        send_event(subscription);
    else if (now_ms - subscription->told_ms >= QUIET_MS)
        send_position(subscription);
    else
        go_on(subscription);
}

/* ---- Looking ------------------------------------------------------------------------------- */

static void on_looked(struct store_call *call);

static void on_pass(struct clock_timer *timer)
{
    struct event_feed *feed = CONTAINER_OF(timer, struct event_feed, pass);
    const int64_t now_ms = clock_now_ms(feed->clock);
    struct subscription *subscription;

    while ((subscription = TAILQ_FIRST(&feed->lists[SUBSCRIPTION_WAITING])) != NULL)
        subscription_move(subscription, SUBSCRIPTION_LOOKING);
    if (TAILQ_EMPTY(&feed->lists[SUBSCRIPTION_LOOKING]))
        return; /* they have left */
    if (now_ms - feed->look_ms > FORGET_MS)
        feed->mark = (struct event_mark){0};
    feed->look_ms = now_ms;
    feed->is_looking = true;
    feed->look = (struct event_look){.call = {.arena = arena_new(LIMIT_ARENA_SIZE),
                                              .deadline_ms = now_ms + CALL_MS,
                                              .done = on_looked},
                                     .mark = feed->mark};
    if (feed->look.call.arena != NULL) {
        feed->store->ops->look(feed->store, &feed->look);
    } else {
        error_set(&feed->look.call.err, REASON_OUT_OF_MEMORY);
        on_looked(&feed->look.call);
    }
}

/* Whether a new reader's position is of this feed, and where one without begins. False: not known yet,
 * or he has been sent something, or is gone. */
static bool begin(struct subscription *subscription, const struct event_look *look)
{
    if (subscription->has_begun)
        return true;
    if (subscription->position > look->newest) {
        error_set(&subscription->stream->err, REASON_EVENT_POSITION_UNKNOWN);
        subscription_end(subscription);
        return false;
    }
    if (!subscription->is_new_only) {
        subscription->has_begun = true;
        return true;
    }
    if (look->mark.complete == 0 && look->newest > 0) {
        subscription_move(subscription, SUBSCRIPTION_WAITING);
        return false;
    }
    subscription->has_begun = true;
    subscription->position = MAX_OF(look->mark.complete, EVENT_POSITION_START);
    send_position(subscription);
    return false;
}

static void on_looked(struct store_call *call)
{
    struct event_look *look = CONTAINER_OF(call, struct event_look, call);
    struct event_feed *feed = CONTAINER_OF(look, struct event_feed, look);
    const struct error err = call->err;
    struct subscription *subscription, *next;

    feed->is_looking = false;
    arena_free(call->arena);
    if (!error_is_set(&err))
        feed->mark = look->mark;
    for (subscription = TAILQ_FIRST(&feed->lists[SUBSCRIPTION_LOOKING]); subscription != NULL;
         subscription = next) {
        next = TAILQ_NEXT(subscription, link);
        if (error_is_set(&err)) {
            on_failed(subscription, &err);
            continue;
        }
        subscription->good_ms = clock_now_ms(feed->clock);
        if (begin(subscription, look))
            go_on(subscription);
    }
    if (!TAILQ_EMPTY(&feed->lists[SUBSCRIPTION_WAITING]))
        look_soon(feed); /* for those who came meanwhile */
}

/* ---- The stream ---------------------------------------------------------------------------- */

static void on_next(struct stream *stream)
{
    struct subscription *subscription = stream->state;

    subscription->good_ms = clock_now_ms(subscription->feed->clock);
    if (subscription->sent_count < subscription->page.count)
        subscription_move(subscription, SUBSCRIPTION_DUE);
    else
        go_on(subscription);
}

static void on_stop(struct stream *stream)
{
    struct subscription *subscription = stream->state;

    subscription_leave(subscription);
    if (subscription->state == SUBSCRIPTION_READING)
        subscription_move(subscription, SUBSCRIPTION_STOPPED);
    else
        subscription_free(subscription);
}

static enum status open_subscription(struct event_feed *feed, struct stream *stream)
{
    static const struct stream_method_ops ops = {.next = on_next, .stop = on_stop};
    const Shop__V1__SubscribeRequest *request =
        (const Shop__V1__SubscribeRequest *)(const void *)stream->request;
    struct subscription *subscription;

    if (validate_subscribe(request, stream->arena, &stream->err) != STATUS_OK)
        return stream->err.status;
    subscription = subscription_new(feed, stream);
    if (subscription == NULL)
        return error_set(&stream->err, REASON_OUT_OF_MEMORY);
    subscription->position = request->after_position;
    subscription->is_new_only = request->only_new && request->after_position == 0;
    stream->ops = &ops;
    stream->state = subscription;
    return STATUS_OK;
}

void order_events_subscribe(struct service *service, struct stream *stream)
{
    if (open_subscription(service->event_feed, stream) != STATUS_OK)
        stream->on_end(stream);
}

/* ---- All of them --------------------------------------------------------------------------- */

struct event_feed *event_feed_new(struct event_store *store, struct clock *clock)
{
    struct event_feed *feed = calloc(1, sizeof(*feed));

    if (feed == NULL)
        return NULL;
    feed->store = store;
    feed->clock = clock;
    for (unsigned state = 0; state < SUBSCRIPTION_STATE_COUNT; state++)
        TAILQ_INIT(&feed->lists[state]);
    feed->look_ms = clock_now_ms(clock) - PASS_MS;
    feed->pass.on_time = on_pass;
    feed->turn.on_time = on_turn;
    return feed;
}

void event_feed_free(struct event_feed *feed)
{
    if (feed == NULL)
        return;
    assert(feed->count == 0 && !feed->is_looking);
    assert(TAILQ_EMPTY(&feed->lists[SUBSCRIPTION_STOPPED]));
    clock_timer_stop(feed->clock, &feed->pass);
    clock_timer_stop(feed->clock, &feed->turn);
    free(feed);
}

uint32_t event_feed_count(const struct event_feed *feed)
{
    return feed->count;
}
