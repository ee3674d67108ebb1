/* The life of a connection. What a head or a chunked body looks like is in http_head and http_chunked,
 * what is replied is the handler's. */
#include "edge/http/http_conn.h"

#include "base/buf.h"
#include "base/limits.h"
#include "edge/http/http_chunked.h"
#include "edge/http/http_head.h"
#include "edge/http/http_reply_head.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    SCRATCH_SIZE = 64 * 1024, /* read at a time */
    KEPT_SIZE_MAX = SCRATCH_SIZE + HTTP_HEAD_SIZE_MAX,
    OUT_SIZE_MAX = 4 * 1024 * 1024,
    JOINED_SIZE_MAX = 4 * 1024, /* bodies are copied behind their head: one part costs less */
    HEAD_SIZE_USUAL = 600,      /* of a reply; a larger one only costs a realloc */
    REQUESTS_PER_TURN = 16,     /* of one connection; then others have their turn */
    SPARE_SIZE_MAX = 8 * 1024,  /* of a buffer that the next reply will use */
    REPLY_MS_MAX =
        5 * 60 * 1000, /* to take a reply: the largest at 7 kB a second. Not of streams */
};

#define NEVER_MS INT64_MAX

enum conn_state {
    CONN_IDLE,      /* nothing of a request has come */
    CONN_HEAD,      /* a part of a head has */
    CONN_BODY,      /* the head is there, a body is coming */
    CONN_HANDLING,  /* the handler has the request */
    CONN_STREAMING, /* and has begun to reply in pieces */
    CONN_SENDING,   /* the reply is on its way */
    CONN_LINGERING, /* the reply is sent, the connection will close */
    CONN_STATE_COUNT
};

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

struct http_conn {
    struct http_conns *conns;
    LIST_ENTRY(http_conn) link;
    int fd;
    enum conn_state state;
    int64_t since_ms; /* of the state */
    int64_t until_ms; /* when its time is over */
    int64_t timer_ms; /* what the timer is set for, which may be earlier */
    bool is_reading;  /* the read event is added */
    bool is_at_end;   /* the client will send no more */
    bool is_feeding;  /* use_bytes is on the stack */
    bool ends;        /* with the reply at hand */
    bool is_chunked;  /* the reply comes in pieces */
    bool stream_ends; /* its last piece is written */
    bool ready_due;   /* on_ready is to be called */
    bool is_broken;   /* nothing can be sent any more; closes soon */
    struct event read_event, write_event;
    struct clock_timer timer;
    struct clock_timer soon; /* goes on with what was kept, tells that a stream is ready, closes */
    struct buf kept;         /* received, not used yet */
    size_t head_seen;        /* of it */
    struct http_request *request;
    struct http_head head;
    struct http_chunked chunked;
    struct buf body;
    struct buf out;       /* to be sent; sent_size of it is */
    const char *out_body; /* to be sent behind it, in the request's arena */
    size_t out_body_size, sent_size;
};

static void conn_close(struct http_conn *conn);
static void conn_feed(struct http_conn *conn);
static void conn_send(struct http_conn *conn);

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

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
static void renew_time(struct http_conn *conn)
{
    int64_t whole_ms = times[conn->state].whole_ms, silent_ms = times[conn->state].silent_ms;
    int64_t now_ms = clock_now_ms(clock_of(conn));

    conn->until_ms = whole_ms > 0 ? conn->since_ms + whole_ms : NEVER_MS;
    if (silent_ms > 0)
        conn->until_ms = MIN_OF(conn->until_ms, now_ms + silent_ms);
    if (conn->until_ms < NEVER_MS && (!conn->timer.pending || conn->timer_ms > conn->until_ms))
        set_timer(conn, now_ms);
}

static void conn_move(struct http_conn *conn, enum conn_state state)
{
    conn->state = state;
    conn->since_ms = clock_now_ms(clock_of(conn));
    renew_time(conn);
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
        renew_time(conn); /* nothing to send: it does not owe anything */
    else
        conn_close(conn);
}

static void go_on_soon(struct http_conn *conn)
{
    clock_timer_start(clock_of(conn), &conn->soon, 0);
}

static void want_reading(struct http_conn *conn, bool wanted)
{
    if (wanted == conn->is_reading)
        return;
    conn->is_reading = wanted;
    if (wanted)
        event_add(&conn->read_event, NULL);
    else
        event_del(&conn->read_event);
}

/* ---- The end of a request --------------------------------------------------------------------- */

static void request_free(struct http_request *request)
{
    arena_free(request->arena);
}

/* One buffer is kept for the next reply: usually there is one at a time. */
static void free_out(struct http_conn *conn)
{
    struct buf *spare = &conn->conns->spare;

    if (spare->data == NULL && conn->out.size <= SPARE_SIZE_MAX) {
        *spare = conn->out;
        buf_clear(spare);
    } else {
        buf_deinit(&conn->out);
    }
    buf_init(&conn->out, OUT_SIZE_MAX);
}

/* The reply has left: the next request, or the end. */
static void conn_replied(struct http_conn *conn)
{
    request_free(conn->request);
    conn->request = NULL;
    buf_deinit(&conn->body);
    free_out(conn);
    conn->sent_size = conn->out_body_size = 0;
    conn->is_chunked = conn->stream_ends = false;
    if (!conn->ends) {
        conn_move(conn, CONN_IDLE);
        want_reading(conn, !conn->is_at_end);
        if (!conn->is_feeding && (conn->kept.len > 0 || conn->is_at_end))
            go_on_soon(conn);
        return;
    }
    if (conn->is_at_end) {
        conn_close(conn);
        return;
    }
    shutdown(conn->fd, SHUT_WR);
    buf_deinit(&conn->kept);
    conn_move(conn, CONN_LINGERING);
    want_reading(conn, true);
}

/* ---- Receiving -------------------------------------------------------------------------------- */

static bool request_new(struct http_conn *conn)
{
    struct arena *arena = arena_new(LIMIT_ARENA_SIZE);
    struct http_request *request = arena == NULL ? NULL : ARENA_NEW(arena, struct http_request);

    if (request == NULL) {
        arena_free(arena);
        return false;
    }
    request->arena = arena;
    request->body = "";
    request->received_us = now_us();
    request->own.conn = conn;
    conn->request = request;
    conn->chunked = (struct http_chunked){.state = HTTP_CHUNKED_SIZE};
    return true;
}

/* Whether a handler has the request that wants to know when the client goes. */
static bool is_minded(const struct http_conn *conn)
{
    return (conn->state == CONN_HANDLING || conn->state == CONN_STREAMING) &&
           conn->request->on_gone != NULL;
}

/* A stream to somebody who sends no more would never learn that he has gone. */
static void conn_handle(struct http_conn *conn)
{
    conn_move(conn, CONN_HANDLING);
    conn->conns->handle(conn->conns->handle_arg, conn->request);
    if (conn->fd >= 0 && conn->is_at_end && is_minded(conn))
        conn_close(conn);
}

/* What comes after a request that cannot be read is not understood either. */
static void conn_refuse(struct http_conn *conn, int status, const char *why)
{
    conn->ends = true;
    conn->request->refused_status = status;
    conn->request->refused_why = why;
    conn_handle(conn);
}

static void body_done(struct http_conn *conn)
{
    struct http_request *request = conn->request;

    if (conn->body.len > 0) {
        request->body = conn->body.data;
        request->body_size = conn->body.len;
    }
    conn_handle(conn);
}

static const char too_large[] = "the body is larger than 256 KiB";
static const char no_memory[] = "there is no memory for the body";

static size_t take_chunked(struct http_conn *conn, const char *bytes, size_t size)
{
    size_t taken = http_chunked_read(&conn->chunked, bytes, size, &conn->body);

    if (conn->body.no_memory)
        conn_refuse(conn, 503, no_memory);
    else if (conn->chunked.state == HTTP_CHUNKED_TOO_LARGE)
        conn_refuse(conn, 413, too_large);
    else if (conn->chunked.state == HTTP_CHUNKED_INVALID)
        conn_refuse(conn, 400, "the chunks of the body cannot be read");
    else if (conn->chunked.state == HTTP_CHUNKED_DONE)
        body_done(conn);
    return taken;
}

static size_t take_body(struct http_conn *conn, const char *bytes, size_t size)
{
    size_t left, take;

    if (conn->head.is_chunked)
        return take_chunked(conn, bytes, size);
    left = (size_t)conn->head.content_length - conn->body.len;
    take = MIN_OF(size, left);
    if (!buf_put(&conn->body, bytes, take)) {
        conn_refuse(conn, 503, no_memory);
        return size;
    }
    if (take == left)
        body_done(conn);
    return take;
}

static void begin_body(struct http_conn *conn)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct http_head *head = &conn->head;
    bool has_body = head->is_chunked || head->content_length > 0;

    conn->request->has_body = head->is_chunked || head->content_length >= 0;
    if (head->content_length > HTTP_BODY_SIZE_MAX) {
        conn_refuse(conn, 413, too_large);
        return;
    }
    if (!has_body) {
        conn_handle(conn);
        return;
    }
    buf_init(&conn->body, HTTP_BODY_SIZE_MAX);
    conn_move(conn, CONN_BODY);
    /* Nothing is on its way to this client, so so few bytes are taken at once or never. */
    if (head->expects_continue)
        (void)send(conn->fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void begin_request(struct http_conn *conn)
{
    struct http_request *request = conn->request;
    const struct http_head *head = &conn->head;

    request->method = head->method;
    request->is_head = head->is_head;
    request->path = head->path;
    request->query = head->query;
    request->fields = head->fields;
    request->field_count = head->field_count;
    conn->ends = !head->keep_alive || head->is_1_0 || conn->conns->is_draining;
    begin_body(conn);
}

static const struct {
    int status;
    const char *why; /* NULL: the reader's */
} head_errors[] = {
    [HTTP_HEAD_INVALID] = {400, NULL},
    [HTTP_HEAD_URL_TOO_LONG] = {414, "the target is longer than 8 KiB"},
    [HTTP_HEAD_TOO_LARGE] = {431, "the header fields are larger than 8 KiB, or more than 100"},
    [HTTP_HEAD_EXPECTS_UNKNOWN] = {417, NULL},
    [HTTP_HEAD_NO_MEMORY] = {503, "there is no memory for the request"},
};

/* Whatever is wrong with it, the reply to HEAD has no body. */
static bool is_of_head_method(const char *bytes, size_t size)
{
    static const char name[] = "HEAD ";

    return size >= sizeof(name) - 1 && memcmp(bytes, name, sizeof(name) - 1) == 0;
}

static void refuse_head(struct http_conn *conn, bool is_head, enum http_head_result result,
                        const char *why)
{
    assert(result != HTTP_HEAD_OK);
    if (conn->request == NULL && !request_new(conn)) {
        conn_close(conn);
        return;
    }
    conn->request->is_head = is_head;
    conn_refuse(conn, head_errors[result].status,
                head_errors[result].why == NULL ? why : head_errors[result].why);
}

static size_t take_head(struct http_conn *conn, const char *bytes, size_t size)
{
    size_t head_size = http_head_size(bytes, size, conn->head_seen);
    enum http_head_result result;
    const char *why = NULL;

    if (head_size == 0) {
        if (conn->state == CONN_IDLE)
            conn_move(conn, CONN_HEAD);
        result = http_head_check_size(bytes, size);
        if (result == HTTP_HEAD_OK && !http_head_may_go_on(bytes, size, conn->head_seen)) {
            result = HTTP_HEAD_INVALID;
            why =
                "this is not HTTP/1.1: a line does not end with CR LF, or has a control character";
        }
        conn->head_seen = size;
        if (result != HTTP_HEAD_OK)
            refuse_head(conn, is_of_head_method(bytes, size), result, why);
        return 0;
    }
    conn->head_seen = 0;
    if (!request_new(conn)) {
        conn_close(conn);
        return 0;
    }
    result = http_head_read(bytes, head_size, conn->request->arena, &conn->head, &why);
    if (result != HTTP_HEAD_OK)
        refuse_head(conn, is_of_head_method(bytes, size), result, why);
    else
        begin_request(conn);
    return head_size;
}

/* An empty line before a request is forgiven, as everybody does. Returns how many bytes of it are there. */
static size_t blank_size(const char *bytes, size_t size)
{
    if (bytes[0] != '\r' || (size > 1 && bytes[1] != '\n'))
        return 0;
    return MIN_OF(size, 2);
}

/* Uses bytes as far as the state allows; returns how many. The connection may be closed then. */
static size_t conn_take(struct http_conn *conn, const char *bytes, size_t size)
{
    size_t blank = 0;

    if (conn->state == CONN_BODY)
        return take_body(conn, bytes, size);
    if (conn->state == CONN_IDLE) {
        blank = blank_size(bytes, size);
        if (blank == size)
            return blank == 2 ? blank : 0; /* its other half must come */
    }
    return blank + take_head(conn, bytes + blank, size - blank);
}

static void keep_from(struct http_conn *conn, size_t used)
{
    if (used == 0)
        return;
    if (used >= conn->kept.len) {
        buf_deinit(&conn->kept);
        buf_init(&conn->kept, KEPT_SIZE_MAX);
        return;
    }
    memmove(conn->kept.data, conn->kept.data + used, conn->kept.len - used);
    conn->kept.len -= used;
}

static bool wants_bytes(const struct http_conn *conn)
{
    return conn->state == CONN_IDLE || conn->state == CONN_HEAD || conn->state == CONN_BODY;
}

/* A request whose reply leaves at once is followed by the next, within bounds. Returns how many bytes
 * were used. The connection may be closed then. */
static size_t use_bytes(struct http_conn *conn, const char *bytes, size_t size)
{
    size_t used = 0;

    conn->is_feeding = true;
    for (int count = 0; conn->fd >= 0 && wants_bytes(conn) && used < size; count++) {
        size_t taken;

        if (count == REQUESTS_PER_TURN) {
            go_on_soon(conn);
            break;
        }
        taken = conn_take(conn, bytes + used, size - used);
        used += taken;
        if (taken == 0)
            break; /* more must come */
    }
    conn->is_feeding = false;
    return used;
}

/* Reads on while there is room. Behind a stream nothing would ever make some, and unread bytes would hide
 * that the client has gone. */
static void read_on(struct http_conn *conn)
{
    bool has_room = conn->kept.len < KEPT_SIZE_MAX - SCRATCH_SIZE;

    if (!has_room && is_minded(conn))
        conn_close(conn);
    else if (conn->state != CONN_LINGERING)
        want_reading(conn, has_room && !conn->is_at_end);
}

/* Uses what was kept. What is not whole at the end never will be. */
static void conn_feed(struct http_conn *conn)
{
    size_t used = use_bytes(conn, conn->kept.data, conn->kept.len);

    if (conn->fd < 0)
        return;
    keep_from(conn, used);
    if (conn->is_at_end && wants_bytes(conn) && !conn->soon.pending)
        conn_close(conn);
    else
        read_on(conn);
}

/* Uses what has just come, behind what was kept. Usually nothing was and nothing need be. */
static void conn_receive(struct http_conn *conn, const char *bytes, size_t size)
{
    bool is_next = conn->kept.len == 0;
    size_t used = is_next ? use_bytes(conn, bytes, size) : 0;

    if (conn->fd < 0 || conn->state == CONN_LINGERING)
        return;
    if (used < size && !buf_put(&conn->kept, bytes + used, size - used))
        conn_close(conn);
    else if (is_next)
        read_on(conn);
    else
        conn_feed(conn);
}

/* The client will send no more. It may still read the replies to what it has sent; who has half a request,
 * waits for a stream or has read the last reply has gone. */
static void conn_end(struct http_conn *conn)
{
    conn->is_at_end = true;
    want_reading(conn, false);
    if (conn->state == CONN_LINGERING || is_minded(conn))
        conn_close(conn);
    else if (wants_bytes(conn))
        conn_feed(conn);
}

static void on_readable(evutil_socket_t fd, short what UNUSED, void *arg)
{
    struct http_conn *conn = arg;
    ssize_t size = recv(fd, conn->conns->scratch, SCRATCH_SIZE, 0);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size < 0)
        conn_close(conn);
    else if (size == 0)
        conn_end(conn);
    else if (conn->state == CONN_LINGERING)
        renew_time(conn);
    else
        conn_receive(conn, conn->conns->scratch, (size_t)size);
}

/* ---- Sending ---------------------------------------------------------------------------------- */

static size_t out_size(const struct http_conn *conn)
{
    return conn->out.len + conn->out_body_size;
}

/* How much of both parts is left, as the kernel wants it. */
static int fill_iovec(const struct http_conn *conn, struct iovec *parts)
{
    size_t sent = conn->sent_size;
    int count = 0;

    if (sent < conn->out.len) {
        parts[count++] = (struct iovec){conn->out.data + sent, conn->out.len - sent};
        sent = conn->out.len;
    }
    sent -= conn->out.len;
    if (sent < conn->out_body_size) {
        union {
            const char *constant;
            char *base;
        } body = {conn->out_body + sent}; /* writev does not write to it */
        parts[count++] = (struct iovec){body.base, conn->out_body_size - sent};
    }
    return count;
}

static ssize_t send_parts(const struct http_conn *conn)
{
    struct iovec parts[2];
    int count = fill_iovec(conn, parts);
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};

    return count == 1 ? send(conn->fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL)
                      : sendmsg(conn->fd, &message, MSG_NOSIGNAL);
}

static void stream_sent(struct http_conn *conn)
{
    buf_clear(&conn->out);
    conn->sent_size = 0;
    if (conn->stream_ends) {
        conn_replied(conn);
        return;
    }
    renew_time(conn);
    conn->ready_due = true;
    go_on_soon(conn);
}

/* Nothing can be sent any more. A handler that is about to write learns of it later. */
static void conn_break(struct http_conn *conn)
{
    if (conn->state != CONN_STREAMING || conn->stream_ends) {
        conn_close(conn);
        return;
    }
    conn->is_broken = true;
    go_on_soon(conn);
}

/* Sends what there is; the rest when the socket takes it. */
static void conn_send(struct http_conn *conn)
{
    while (conn->sent_size < out_size(conn)) {
        ssize_t sent = send_parts(conn);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN) {
            event_add(&conn->write_event, NULL);
            renew_time(conn);
            return;
        }
        if (sent < 0) {
            conn_break(conn);
            return;
        }
        conn->sent_size += (size_t)sent;
    }
    if (conn->state == CONN_STREAMING)
        stream_sent(conn);
    else
        conn_replied(conn);
}

static void on_writable(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
    conn_send(arg);
}

static void on_soon(struct clock_timer *timer)
{
    struct http_conn *conn = CONTAINER_OF(timer, struct http_conn, soon);

    if (conn->is_broken) {
        conn_close(conn);
    } else if (conn->ready_due) {
        conn->ready_due = false;
        conn->request->own.on_ready(conn->request);
    } else {
        conn_feed(conn);
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
        request_free(request);
    } else if (request->on_gone != NULL) {
        request->on_gone(request);
        request_free(request);
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
static void conn_close(struct http_conn *conn)
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
        event_assign(&conn->read_event, base, fd, EV_READ | EV_PERSIST, on_readable, conn) != 0 ||
        event_assign(&conn->write_event, base, fd, EV_WRITE, on_writable, conn) != 0) {
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
    conn_move(conn, CONN_IDLE);
    want_reading(conn, true);
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
        conn_close(LIST_FIRST(&conns->list));
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
            conn_close(conn);
        conn = next;
    }
}

/* ---- Replies ---------------------------------------------------------------------------------- */

/* Written once a second. */
const char *http_conns_date(struct http_conns *conns)
{
    time_t now = time(NULL);
    struct tm tm;

    if (now != conns->date_s && gmtime_r(&now, &tm) != NULL) {
        conns->date_s = now;
        strftime(conns->date, sizeof(conns->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    }
    return conns->date;
}

/* Room for a head, and for a body that is joined to it, at once instead of by doubling. */
static void make_room(struct http_conn *conn, size_t body_size)
{
    conn->out = conn->conns->spare;
    buf_init(&conn->conns->spare, OUT_SIZE_MAX);
    if (buf_reserve(&conn->out, HEAD_SIZE_USUAL + body_size) != NULL)
        buf_clear(&conn->out);
}

void http_reply(struct http_request *request, const struct http_reply *reply)
{
    struct http_conn *conn = request->own.conn;
    bool has_body = !request->is_head && reply->status != 204 && reply->status != 304;
    size_t body_size = has_body ? reply->body_size : 0;
    bool is_joined = body_size <= JOINED_SIZE_MAX;

    if (conn == NULL) {
        request_free(request);
        return;
    }
    assert(conn->state == CONN_HANDLING);
    conn_move(conn, CONN_SENDING);
    make_room(conn, is_joined ? body_size : 0);
    if (!http_reply_head_write(&conn->out, reply, http_conns_date(conn->conns), HTTP_FRAMING_SIZE,
                               conn->ends) ||
        (is_joined && !buf_put(&conn->out, reply->body, body_size))) {
        conn_close(conn);
        return;
    }
    conn->out_body = reply->body;
    conn->out_body_size = is_joined ? 0 : body_size;
    conn_send(conn);
}

void http_stream_begin(struct http_request *request, const struct http_reply *head,
                       void (*on_ready)(struct http_request *request))
{
    struct http_conn *conn = request->own.conn;

    assert(conn != NULL);
    assert(conn->state == CONN_HANDLING);
    request->own.on_ready = on_ready;
    conn->is_chunked = !conn->head.is_1_0;
    conn->ends |= conn->head.is_1_0; /* its end is that of the connection */
    conn_move(conn, CONN_STREAMING);
    buf_init(&conn->out, OUT_SIZE_MAX);
    if (http_reply_head_write(&conn->out, head, http_conns_date(conn->conns),
                              conn->is_chunked ? HTTP_FRAMING_CHUNKED : HTTP_FRAMING_END,
                              conn->ends)) {
        conn->is_chunked &= !request->is_head; /* no piece follows, nor the end of them */
        conn_send(conn);
    } else {
        conn_break(conn);
    }
}

void http_stream_write(struct http_request *request, const char *data, size_t size)
{
    struct http_conn *conn = request->own.conn;

    assert(conn != NULL);
    assert(conn->state == CONN_STREAMING);
    assert(size > 0); /* an empty chunk would be the end */
    if (conn->is_broken)
        return;
    if (conn->is_chunked)
        buf_printf(&conn->out, "%zx\r\n", size);
    buf_put(&conn->out, data, size);
    if (conn->is_chunked)
        buf_put_str(&conn->out, "\r\n");
    if (conn->out.failed)
        conn_break(conn);
    else
        conn_send(conn);
}

void http_stream_end(struct http_request *request)
{
    struct http_conn *conn = request->own.conn;

    assert(conn != NULL);
    assert(conn->state == CONN_STREAMING);
    conn->stream_ends = true;
    conn->ready_due = false;
    if (conn->is_broken) {
        conn_close(conn);
        return;
    }
    if (conn->is_chunked)
        buf_put_str(&conn->out, "0\r\n\r\n");
    if (conn->out.failed)
        conn_close(conn);
    else
        conn_send(conn);
}
