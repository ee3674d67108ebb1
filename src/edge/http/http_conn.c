/* The life of a connection: its states and their times, how it opens and closes. */
#include "edge/http/http_conn_internal.h"

#include "base/macros.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    REPLY_MS_MAX =
        5 * 60 * 1000, /* to take a reply: the largest at 7 kB a second. Not of streams */
};

#define NEVER_MS INT64_MAX

/* How long a connection may stay in a state: in all, so that bytes that trickle do not help, and without
 * the client taking (STREAMING, SENDING) or sending (LINGERING) a single byte. 0: without limit. */
static const struct {
    int64_t whole_ms, silent_ms;
} times[CONN_STATE_COUNT] = {
    [CONN_IDLE] = {60 * 1000, 0},
    [CONN_HEAD] = {10 * 1000, 0},
    [CONN_BODY] = {30 * 1000, 0},
    [CONN_HANDLING] = {0, 0}, /* the handler keeps its own time */
    [CONN_STREAMING] = {0, 30 * 1000},
    [CONN_SENDING] = {REPLY_MS_MAX, 15 * 1000},
    [CONN_LINGERING] = {30 * 1000, 5 * 1000},
};

/* ---- States ----------------------------------------------------------------------------------- */

static struct clock *clock_of(const struct http_conn *conn)
{
    return conn->conns->clock;
}

static void set_timer(struct http_conn *conn, int64_t now_ms)
{
    conn->timer_ms = conn->until_ms;
    clock_timer_start(clock_of(conn), &conn->timer, MAX_OF(conn->until_ms - now_ms, 0));
}

/* At the beginning of a state, and when a byte has come or gone. A timer that is set for earlier stands: it
 * finds that there is time left. So usually a request moves none. */
static void renew_time(struct http_conn *conn, int64_t now_ms)
{
    int64_t whole_ms = times[conn->state].whole_ms, silent_ms = times[conn->state].silent_ms;

    conn->until_ms = whole_ms > 0 ? conn->since_ms + whole_ms : NEVER_MS;
    if (silent_ms > 0)
        conn->until_ms = MIN_OF(conn->until_ms, now_ms + silent_ms);
    if (conn->until_ms < NEVER_MS && (!conn->timer.pending || conn->timer_ms > conn->until_ms))
        set_timer(conn, now_ms);
}

void http_conn__renew_time(struct http_conn *conn)
{
    renew_time(conn, clock_now_ms(clock_of(conn)));
}

void http_conn__move(struct http_conn *conn, enum conn_state state)
{
    conn->state = state;
    conn->since_ms = clock_now_ms(clock_of(conn));
    renew_time(conn, conn->since_ms);
}

static void on_time(struct clock_timer *timer)
{
    struct http_conn *conn = CONTAINER_OF(timer, struct http_conn, timer);
    int64_t now_ms = clock_now_ms(clock_of(conn));

    if (conn->until_ms == NEVER_MS)
        return;
    if (now_ms < conn->until_ms)
        set_timer(conn, now_ms);
    else if (conn->state == CONN_STREAMING && conn->out.len == conn->sent_size)
        renew_time(conn, now_ms); /* nothing to send: it does not owe anything */
    else
        http_conn__close(conn);
}

void http_conn__go_on_soon(struct http_conn *conn)
{
    clock_timer_start(clock_of(conn), &conn->soon, 0);
}

void http_conn__want_reading(struct http_conn *conn, bool wanted)
{
    if (wanted == conn->is_reading)
        return;
    conn->is_reading = wanted;
    if (wanted)
        event_add(&conn->read_event, NULL);
    else
        event_del(&conn->read_event);
}

static void on_soon(struct clock_timer *timer)
{
    struct http_conn *conn = CONTAINER_OF(timer, struct http_conn, soon);

    if (conn->is_broken) {
        http_conn__close(conn);
    } else if (conn->ready_due) {
        conn->ready_due = false;
        conn->request->own.on_ready(conn->request);
    } else {
        http_conn__feed(conn);
    }
}

/* ---- Life ------------------------------------------------------------------------------------- */

static void request_orphan(struct http_conn *conn)
{
    struct http_request *request = conn->request;
    bool is_with_handler = conn->state == CONN_HANDLING || conn->state == CONN_STREAMING;

    conn->request = NULL;
    if (request == NULL)
        return;
    request->own.conn = NULL;
    if (!is_with_handler || conn->stream_ends) {
        http_conn__free_request(request);
    } else if (request->on_gone != NULL) {
        request->on_gone(request);
        http_conn__free_request(request);
    }
    /* Else the handler replies to nobody, and that frees it. */
}

static void free_closed(struct http_conns *conns)
{
    struct http_conn *conn, *next;

    for (conn = LIST_FIRST(&conns->closed); conn != NULL; conn = next) {
        next = LIST_NEXT(conn, link);
        free(conn);
    }
    LIST_INIT(&conns->closed);
}

static void on_sweep(struct clock_timer *timer)
{
    free_closed(CONTAINER_OF(timer, struct http_conns, sweep));
}

/* Closes, once. The memory goes in the next turn, when nobody stands on it any more. */
void http_conn__close(struct http_conn *conn)
{
    struct http_conns *conns = conn->conns;

    if (conn->fd < 0)
        return;
    event_del(&conn->read_event);
    event_del(&conn->write_event);
    clock_timer_stop(clock_of(conn), &conn->timer);
    clock_timer_stop(clock_of(conn), &conn->soon);
    close(conn->fd);
    conn->fd = -1;
    LIST_REMOVE(conn, link);
    if (LIST_EMPTY(&conns->closed))
        clock_timer_start(conns->clock, &conns->sweep, 0);
    LIST_INSERT_HEAD(&conns->closed, conn, link);
    conns->count--;
    request_orphan(conn);
    buf_deinit(&conn->kept);
    buf_deinit(&conn->body);
    buf_deinit(&conn->out);
    if (conns->on_closed != NULL)
        conns->on_closed(conns->arg);
}

bool http_conn_open(struct http_conns *conns, int fd)
{
    struct http_conn *conn = calloc(1, sizeof(*conn));
    struct event_base *base = loop_base(conns->loop);

    if (conn == NULL ||
        event_assign(&conn->read_event, base, fd, EV_READ | EV_PERSIST, http_conn__on_readable,
                     conn) != 0 ||
        event_assign(&conn->write_event, base, fd, EV_WRITE, http_conn__on_writable, conn) != 0) {
        free(conn);
        close(fd);
        return false;
    }
    conn->conns = conns;
    conn->fd = fd;
    conn->timer.on_time = on_time;
    conn->soon.on_time = on_soon;
    buf_init(&conn->kept, KEPT_SIZE_MAX);
    LIST_INSERT_HEAD(&conns->list, conn, link);
    conns->count++;
    http_conn__move(conn, CONN_IDLE);
    http_conn__want_reading(conn, true);
    return true;
}

bool http_conns_init(struct http_conns *conns)
{
    LIST_INIT(&conns->list);
    LIST_INIT(&conns->closed);
    conns->sweep.on_time = on_sweep;
    buf_init(&conns->spare, OUT_SIZE_MAX);
    conns->scratch = malloc(SCRATCH_SIZE);
    return conns->scratch != NULL;
}

void http_conns_close_all(struct http_conns *conns)
{
    while (!LIST_EMPTY(&conns->list))
        http_conn__close(LIST_FIRST(&conns->list));
}

void http_conns_deinit(struct http_conns *conns)
{
    http_conns_close_all(conns);
    clock_timer_stop(conns->clock, &conns->sweep);
    free_closed(conns);
    buf_deinit(&conns->spare);
    free(conns->scratch);
    conns->scratch = NULL;
}

void http_conns_drain(struct http_conns *conns)
{
    struct http_conn *conn = LIST_FIRST(&conns->list);

    conns->is_draining = true;
    while (conn != NULL) {
        struct http_conn *next = LIST_NEXT(conn, link);

        conn->ends = true;
        if (conn->state == CONN_IDLE)
            http_conn__close(conn);
        conn = next;
    }
}

/* ---- The date ---------------------------------------------------------------------------------- */

/* Written once a second. */
const char *http_conns_date(struct http_conns *conns)
{
    time_t now = time(NULL);
    struct tm tm;

    if (now != conns->date_s && gmtime_r(&now, &tm) != NULL) {
        conns->date_s = now;
        strftime(conns->date, sizeof(conns->date), "date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
    }
    return conns->date;
}
