/* Connections of the HTTP port: from bytes to requests, and from replies to bytes. HTTP/1.1, keep-alive,
 * pipelined requests answered one after the other.
 *
 *   IDLE --first byte--> HEAD --whole--> BODY --whole--> HANDLING --reply--> SENDING --sent--> IDLE
 *    ^                                                      |                    |
 *    |                                                      '--stream--> STREAMING
 *    '--------------------------- the stream has ended ---------------------'
 *
 *   An error of the client, or a reply that ends the connection: SENDING -> LINGERING (what still comes
 *   is read and thrown away, so that the reply is not lost in a reset) -> closed.
 *
 * Each state has a time limit (http_conn.c has them in a table). While a request is worked on, what the
 * client sends is kept up to a bound: behind a call it then waits, behind a stream it ends the connection.
 * The end of what it sends is no more than that: what was asked before is answered, but a stream, which
 * could not tell such a client from one that has gone, ends. Belongs to its loop. */
#pragma once

#include "base/buf.h"
#include "edge/http/http_request.h"
#include "port/clock.h"
#include "runtime/loop.h"

#include <sys/queue.h>

enum {
    HTTP_BODY_SIZE_MAX = 256 * 1024,
};

LIST_HEAD(http_conn_list, http_conn);

/* What connections of one loop share. */
struct http_conns {
    struct loop *loop;
    struct clock *clock; /* the loop's; of tests their own */
    struct http_conn_list list;
    struct http_conn_list closed; /* until the next turn: someone may stand on them */
    struct clock_timer sweep;     /* of those */
    uint32_t count;
    bool is_draining; /* connections end with the reply at hand */
    /* The request is there, or was refused (see http_request). Replies now or later. */
    void (*handle)(void *handle_arg, struct http_request *request);
    void *handle_arg;
    /* A connection has ended. May be NULL. */
    void (*on_closed)(void *arg);
    void *arg;
    /* of http_conns_init */
    char *scratch;
    struct buf spare; /* for the next reply */
    char date[40];    /* the field Date as a line, of date_s */
    int64_t date_s;
};

/* loop, clock, handle, on_closed and their args are set. False: out of memory. */
bool http_conns_init(struct http_conns *conns) NODISCARD;
/* Closes all connections; requests that are worked on stay until they are replied. */
void http_conns_deinit(struct http_conns *conns);
/* The same, and more may be opened. */
void http_conns_close_all(struct http_conns *conns);
/* Closes those that are idle; the others when they have replied. */
void http_conns_drain(struct http_conns *conns);

/* The field Date as a line. */
const char *http_conns_date(struct http_conns *conns);

/* Takes the socket, which it closes in the end. False: out of memory, and it is closed. */
bool http_conn_open(struct http_conns *conns, int fd);
