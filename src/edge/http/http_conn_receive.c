/* From bytes to requests. What a head or a chunked body looks like is in http_head and http_chunked. */
#include "edge/http/http_conn_internal.h"

#include "base/limits.h"
#include "base/macros.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum {
    REQUESTS_PER_TURN = 16, /* of one connection; then others have their turn */
};

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
    request->received_us = clock_turn_us(conn->conns->clock);
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
    http_conn__move(conn, CONN_HANDLING);
    conn->conns->handle(conn->conns->handle_arg, conn->request);
    if (conn->fd >= 0 && conn->is_at_end && is_minded(conn))
        http_conn__close(conn);
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
        conn_refuse(conn, 429, no_memory);
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
        conn_refuse(conn, 429, no_memory);
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
    http_conn__move(conn, CONN_BODY);
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
    [HTTP_HEAD_NO_MEMORY] = {429, "there is no memory for the request"},
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
        http_conn__close(conn);
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
            http_conn__move(conn, CONN_HEAD);
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
        http_conn__close(conn);
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
            http_conn__go_on_soon(conn);
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
        http_conn__close(conn);
    else if (conn->state != CONN_LINGERING)
        http_conn__want_reading(conn, has_room && !conn->is_at_end);
}

/* Uses what was kept. What is not whole at the end never will be. */
void http_conn__feed(struct http_conn *conn)
{
    size_t used = use_bytes(conn, conn->kept.data, conn->kept.len);

    if (conn->fd < 0)
        return;
    keep_from(conn, used);
    if (conn->is_at_end && wants_bytes(conn) && !conn->soon.pending)
        http_conn__close(conn);
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
        http_conn__close(conn);
    else if (is_next)
        read_on(conn);
    else
        http_conn__feed(conn);
}

/* The client will send no more. It may still read the replies to what it has sent; who has half a request,
 * waits for a stream or has read the last reply has gone. */
static void conn_end(struct http_conn *conn)
{
    conn->is_at_end = true;
    http_conn__want_reading(conn, false);
    if (conn->state == CONN_LINGERING || is_minded(conn))
        http_conn__close(conn);
    else if (wants_bytes(conn))
        http_conn__feed(conn);
}

void http_conn__on_readable(evutil_socket_t fd, short what UNUSED, void *arg)
{
    struct http_conn *conn = arg;
    ssize_t size = recv(fd, conn->conns->scratch, SCRATCH_SIZE, 0);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size < 0)
        http_conn__close(conn);
    else if (size == 0)
        conn_end(conn);
    else if (conn->state == CONN_LINGERING)
        http_conn__renew_time(conn);
    else
        conn_receive(conn, conn->conns->scratch, (size_t)size);
}
