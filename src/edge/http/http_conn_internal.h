/* Of the three files of a connection: http_conn (its life), http_conn_receive (from bytes to requests) and
 * http_conn_send (from replies to bytes). */
#pragma once

#include "base/buf.h"
#include "edge/http/http_chunked.h"
#include "edge/http/http_conn.h"
#include "edge/http/http_head.h"

#include <event2/event_struct.h>

enum {
    SCRATCH_SIZE = 64 * 1024, /* read at a time */
    KEPT_SIZE_MAX = SCRATCH_SIZE + HTTP_HEAD_SIZE_MAX,
    OUT_SIZE_MAX = 4 * 1024 * 1024,
};

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

/* In a state from now on. */
void http_conn__move(struct http_conn *conn, enum conn_state state);
/* At the beginning of a state, and when a byte has come or gone. */
void http_conn__renew_time(struct http_conn *conn);
void http_conn__want_reading(struct http_conn *conn, bool wanted);
/* In the next turn: with what was kept, with a stream, or to the end. */
void http_conn__go_on_soon(struct http_conn *conn);
/* Closes, once. The memory goes in the next turn, when nobody stands on it any more. */
void http_conn__close(struct http_conn *conn);

/* http_conn_receive */
void http_conn__on_readable(evutil_socket_t fd, short what, void *arg);
/* Uses what was kept. */
void http_conn__feed(struct http_conn *conn);

/* http_conn_send */
void http_conn__on_writable(evutil_socket_t fd, short what, void *arg);
void http_conn__free_request(struct http_request *request);
