/* The HTTP/JSON gateway of one worker: a request of a connection in, an answer out. Pages are sent,
 * routes lead to the methods of the services, everything else is told what is wrong.
 *
 * Belongs to the worker's loop. Life: new -> handle … -> drain -> free. */
#pragma once

#include "base/macros.h"
#include "edge/http/http_request.h"
#include "edge/http/http_site.h"
#include "port/clock.h"
#include "service/service.h"

#include <sys/queue.h>

LIST_HEAD(http_call_list, http_call);
LIST_HEAD(http_watch_list, http_watch);

struct http_gateway {
    const struct http_site *site;
    struct clock *clock;
    struct service *service;
    struct http_call_list calls;    /* with the service */
    struct http_watch_list watches; /* open */
    bool is_draining;
};

/* `site`, `clock` and `service` are borrowed. NULL: out of memory. */
struct http_gateway *http_gateway_new(const struct http_site *site, struct clock *clock,
                                      struct service *service) NODISCARD;
/* With the connections closed, and when the service will end no more calls. */
void http_gateway_free(struct http_gateway *gateway);

/* Answers a request, now or later: the handler of http_door, with the gateway as its arg. */
void http_gateway_handle(void *arg, struct http_request *request);
/* Ends the watches, which would never end by themselves; calls go on. */
void http_gateway_drain(void *arg);
