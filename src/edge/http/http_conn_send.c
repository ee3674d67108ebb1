/* From replies to bytes, and what comes after a reply. What is replied is the handler's. */
#include "edge/http/http_conn_internal.h"

#include "base/macros.h"
#include "edge/http/http_reply_head.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    JOINED_SIZE_MAX = 4 * 1024, /* bodies are copied behind their head: one part costs less */
    HEAD_SIZE_USUAL = 600,      /* of a reply; a larger one only costs a realloc */
    SPARE_SIZE_MAX = 8 * 1024,  /* of a buffer that the next reply will use */
};

/* ---- The end of a request --------------------------------------------------------------------- */

void http_conn__free_request(struct http_request *request)
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
    http_conn__free_request(conn->request);
    conn->request = NULL;
    buf_deinit(&conn->body);
    free_out(conn);
    conn->sent_size = conn->out_body_size = 0;
    conn->is_chunked = conn->stream_ends = false;
    if (!conn->ends) {
        http_conn__move(conn, CONN_IDLE);
        http_conn__want_reading(conn, !conn->is_at_end);
        if (!conn->is_feeding && (conn->kept.len > 0 || conn->is_at_end))
            http_conn__go_on_soon(conn);
        return;
    }
    if (conn->is_at_end) {
        http_conn__close(conn);
        return;
    }
    shutdown(conn->fd, SHUT_WR);
    buf_deinit(&conn->kept);
    http_conn__move(conn, CONN_LINGERING);
    http_conn__want_reading(conn, true);
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
    http_conn__renew_time(conn);
    conn->ready_due = true;
    http_conn__go_on_soon(conn);
}

/* Nothing can be sent any more. A handler that is about to write learns of it later. */
static void conn_break(struct http_conn *conn)
{
    if (conn->state != CONN_STREAMING || conn->stream_ends) {
        http_conn__close(conn);
        return;
    }
    conn->is_broken = true;
    http_conn__go_on_soon(conn);
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
            http_conn__renew_time(conn);
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

void http_conn__on_writable(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
    conn_send(arg);
}

/* ---- Replies ---------------------------------------------------------------------------------- */

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
        http_conn__free_request(request);
        return;
    }
    assert(conn->state == CONN_HANDLING);
    http_conn__move(conn, CONN_SENDING);
    make_room(conn, is_joined ? body_size : 0);
    if (!http_reply_head_write(&conn->out, reply, http_conns_date(conn->conns), HTTP_FRAMING_SIZE,
                               conn->ends) ||
        (is_joined && !buf_put(&conn->out, reply->body, body_size))) {
        http_conn__close(conn);
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
    http_conn__move(conn, CONN_STREAMING);
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
        http_conn__close(conn);
        return;
    }
    if (conn->is_chunked)
        buf_put_str(&conn->out, "0\r\n\r\n");
    if (conn->out.failed)
        http_conn__close(conn);
    else
        conn_send(conn);
}

/* Of chunks the last is missing then. Where the end of the connection is that of the stream, only a reset is no
 * good end. */
void http_stream_cut(struct http_request *request)
{
    static const struct linger reset = {.l_onoff = 1};
    struct http_conn *conn = request->own.conn;

    assert(conn != NULL);
    assert(conn->state == CONN_STREAMING);
    conn->stream_ends = true;
    conn->ready_due = false;
    if (!conn->is_chunked)
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    http_conn__close(conn);
}
