/* The desk of the person on call: what lies below /debug on the admin port, as JSON.
 *
 *   GET  /debug/orders?state=&older_than=&limit=&before=   orders under way or stuck, or in a state
 *   GET  /debug/orders/{id}                                one, with attempts, steps and events
 *   POST /debug/orders/{id}:retry    {reason, operator}         a STUCK one: its undo is tried again
 *   POST /debug/orders/{id}:resolve  {reason, operator, state}  a STUCK one: it was mended by hand
 *   POST /debug/recovery:pause, :resume  {reason, operator}     of this process, until it ends
 *   GET  /debug/batches                                    batches, queues, connections, breakers
 *
 * Errors have the shape and the reasons of the gateway. A change needs Content-Type: application/json,
 * which no page of another origin can send unasked. Each is logged, with who and why.
 *
 * Belongs to the loop of the store. Life: new -> handle … -> free. */
#pragma once

#include "base/buf.h"
#include "edge/http/http_desk_request.h"
#include "edge/http/http_site.h"
#include "port/clock.h"

struct evhttp_request;
struct http_desk;

struct http_desk_config {
    const struct http_site *site; /* for the form of errors */
    struct operator_store *store;
    struct clock *clock;
    /* Of the process; arg is handed on. */
    void (*print_batches)(void *arg, struct buf *json);
    void (*pause_recovery)(void *arg, bool is_paused);
    void *arg;
};

/* What the config points to is borrowed. NULL: out of memory. */
struct http_desk *http_desk_new(const struct http_desk_config *config) NODISCARD;
/* Requests that are with the store get no answer any more. */
void http_desk_free(struct http_desk *desk);

/* Whether the path is one of the desk's. */
bool http_desk_has(const char *path);
/* Answers the request, now or later. */
void http_desk_handle(struct http_desk *desk, struct evhttp_request *http);
