/* Outgoing HTTP on a loop: libcurl's multi interface driven by libevent.
 *
 * Easy handles and connections are kept and used again. At most so many exchanges are under way; the
 * others wait in turn and hold nothing but themselves. So there is one client for each other side:
 * one that is slow takes no place from another. Every transfer has a total timeout, a connect
 * timeout, a low-speed timeout and a cap on its answer; redirects are not followed, TLS is verified,
 * only http and https are spoken. Belongs to its loop. */
#pragma once

#include "base/arena.h"
#include "runtime/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct http_client;

enum http_result {
    HTTP_ANSWERED,    /* status and the whole body are there */
    HTTP_NOT_REACHED, /* the request was never begun (CURLOPT_PREREQFUNCTION never ran) */
    HTTP_UNKNOWN,     /* it was begun, and no usable answer came */
};

struct http_exchange {
    /* in; strings must live until done */
    const char *name;   /* of the call, for fault points; NULL: it has none */
    const char *method; /* "GET", "POST" */
    const char *url;
    const char *body; /* NULL: none */
    size_t body_size;
    const char *const *headers; /* "Name: value", NULL-terminated */
    size_t answer_size_max;     /* 0: LIMIT_ANSWER_SIZE */
    int32_t turn_ms;            /* for its turn to come; 0: timeout_ms */
    int32_t timeout_ms;         /* for the exchange itself */
    struct arena *arena;        /* for the answer's body */
    void (*done)(struct http_exchange *exchange);
    /* out */
    enum http_result result;
    int status;         /* of HTTP_ANSWERED */
    const char *answer; /* NUL-terminated, in arena */
    size_t answer_size;
    int32_t retry_after_ms;
    unsigned
        begun_count; /* how often the request was begun; more than 1: it may have arrived twice */
    const char *problem;  /* curl's text, for logs; static */
    bool was_crowded_out; /* not reached because no place became free: says nothing of the other
                             side */
    int64_t duration_us;  /* without the wait for its turn */
    void *adapter[2];     /* of the client */
    TAILQ_ENTRY(http_exchange) waiting;
    struct clock_timer turn; /* how long it waits */
};

/* At most `connections_max` exchanges at a time, each with a connection. NULL when out of memory. */
struct http_client *http_client_new(struct loop *loop, uint32_t connections_max);
/* Transfers in flight end before this returns: as HTTP_UNKNOWN, or HTTP_NOT_REACHED when they were
 * not begun yet. */
void http_client_free(struct http_client *client);

/* `done` is called exactly once, never from inside. */
void http_client_start(struct http_client *client, struct http_exchange *exchange);
