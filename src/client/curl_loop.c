/* Sockets and the timer of curl. What a transfer is, is in http_client. */
#include "client/curl_loop.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/queue.h>

struct curl_loop {
    struct loop *loop;
    CURLM *multi;
    void (*ended)(CURL *easy, CURLcode code);
    struct clock_timer timer;
    LIST_HEAD(, watch) watches;
    bool has_lost_watch; /* curl is ending all transfers */
};

/* A socket of curl and the event that watches it. */
struct watch {
    struct curl_loop *curl_loop;
    struct event *event;
    LIST_ENTRY(watch) link;
};

/* After everything that lets curl work: the transfers that have ended by it. */
static void tell_ended(struct curl_loop *curl_loop)
{
    struct CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(curl_loop->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE)
            curl_loop->ended(message->easy_handle, message->data.result);
    }
}

/* ---- Sockets ----------------------------------------------------------------------------------- */

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct watch *watch = arg;
    struct curl_loop *curl_loop = watch->curl_loop;
    int flags = ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
                ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
    int running;

    curl_multi_socket_action(curl_loop->multi, fd, flags, &running);
    tell_ended(curl_loop);
}

static void watch_end(struct watch *watch)
{
    if (watch->event != NULL)
        event_free(watch->event);
    free(watch);
}

static void watch_free(struct watch *watch)
{
    if (watch == NULL)
        return;
    LIST_REMOVE(watch, link);
    watch_end(watch);
}

/* Once a socket could not be watched, curl does not tell of the end of all others. */
static void watches_end(struct curl_loop *curl_loop)
{
    struct watch *watch = LIST_FIRST(&curl_loop->watches);

    while (watch != NULL) {
        struct watch *next = LIST_NEXT(watch, link);

        watch_end(watch);
        watch = next;
    }
}

static struct watch *watch_new(struct curl_loop *curl_loop, curl_socket_t fd)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        return NULL;
    LIST_INSERT_HEAD(&curl_loop->watches, watch, link);
    watch->curl_loop = curl_loop;
    watch->event = event_new(loop_base(curl_loop->loop), fd, EV_READ, on_socket, watch);
    if (watch->event == NULL || curl_multi_assign(curl_loop->multi, fd, watch) != CURLM_OK) {
        watch_free(watch);
        return NULL;
    }
    return watch;
}

static short events_of(int what)
{
    switch (what) {
    case CURL_POLL_IN:
        return EV_READ | EV_PERSIST;
    case CURL_POLL_OUT:
        return EV_WRITE | EV_PERSIST;
    default:
        return EV_READ | EV_WRITE | EV_PERSIST;
    }
}

/* A socket that cannot be watched fails its transfer: on -1 curl ends all of them, each when it is run
 * next, which is made to be soon. */
static int watch_failed(struct curl_loop *curl_loop)
{
    curl_loop->has_lost_watch = true;
    clock_timer_start(loop_clock(curl_loop->loop), &curl_loop->timer, 0);
    return -1;
}

static int on_watch(CURL *easy UNUSED, curl_socket_t fd, int what, void *curl_loop_arg,
                    void *watch_arg)
{
    struct curl_loop *curl_loop = curl_loop_arg;
    struct watch *watch = watch_arg;

    if (what == CURL_POLL_REMOVE) {
        watch_free(watch);
        return 0;
    }
    if (watch == NULL)
        watch = watch_new(curl_loop, fd);
    if (watch == NULL)
        return watch_failed(curl_loop);
    event_del(watch->event);
    if (event_assign(watch->event, loop_base(curl_loop->loop), fd, events_of(what), on_socket,
                     watch) != 0 ||
        event_add(watch->event, NULL) != 0)
        return watch_failed(curl_loop);
    return 0;
}

/* ---- The timer --------------------------------------------------------------------------------- */

static void on_time(struct clock_timer *timer)
{
    struct curl_loop *curl_loop = CONTAINER_OF(timer, struct curl_loop, timer);
    const bool has_lost_watch = curl_loop->has_lost_watch;
    int running;

    curl_loop->has_lost_watch = false;
    if (has_lost_watch)
        curl_multi_perform(curl_loop->multi, &running);
    else
        curl_multi_socket_action(curl_loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    tell_ended(curl_loop);
}

static int on_set_timer(CURLM *multi UNUSED, long delay_ms, void *arg)
{
    struct curl_loop *curl_loop = arg;
    struct clock *clock = loop_clock(curl_loop->loop);

    if (delay_ms < 0)
        clock_timer_stop(clock, &curl_loop->timer);
    else
        clock_timer_start(clock, &curl_loop->timer, delay_ms);
    return 0;
}

/* ---- Handles ----------------------------------------------------------------------------------- */

bool curl_loop_add(struct curl_loop *curl_loop, CURL *easy)
{
    return curl_multi_add_handle(curl_loop->multi, easy) == CURLM_OK;
}

void curl_loop_remove(struct curl_loop *curl_loop, CURL *easy)
{
    curl_multi_remove_handle(curl_loop->multi, easy);
}

/* ---- Life -------------------------------------------------------------------------------------- */

static bool set_multi(struct curl_loop *curl_loop, uint32_t connections_max)
{
    CURLM *multi = curl_loop->multi;

    return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_watch) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, curl_loop) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_set_timer) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, curl_loop) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)connections_max) ==
               CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)connections_max) == CURLM_OK;
}

struct curl_loop *curl_loop_new(struct loop *loop, uint32_t connections_max,
                                void (*ended)(CURL *easy, CURLcode code))
{
    struct curl_loop *curl_loop;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return NULL;
    curl_loop = calloc(1, sizeof(*curl_loop));
    if (curl_loop == NULL) {
        curl_global_cleanup();
        return NULL;
    }
    curl_loop->loop = loop;
    curl_loop->ended = ended;
    curl_loop->timer.on_time = on_time;
    LIST_INIT(&curl_loop->watches);
    curl_loop->multi = curl_multi_init();
    if (curl_loop->multi == NULL || !set_multi(curl_loop, connections_max)) {
        curl_loop_free(curl_loop);
        return NULL;
    }
    return curl_loop;
}

void curl_loop_free(struct curl_loop *curl_loop)
{
    if (curl_loop == NULL)
        return;
    if (curl_loop->multi != NULL)
        curl_multi_cleanup(curl_loop->multi);
    watches_end(curl_loop);
    clock_timer_stop(loop_clock(curl_loop->loop), &curl_loop->timer);
    free(curl_loop);
    curl_global_cleanup();
}
