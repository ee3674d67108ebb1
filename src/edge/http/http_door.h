/* The HTTP door: one listening socket, whose connections are dealt to the workers in turn; each worker
 * serves those it was given.
 *
 * One socket instead of one a worker (SO_REUSEPORT): a port that another program has is then an error
 * at start, the limit of connections is exact, and they are spread evenly.
 * Life: new -> start -> drain -> free. */
#pragma once

#include "base/error.h"
#include "edge/http/http_request.h"
#include "edge/http/http_site.h"
#include "runtime/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct http_door_worker {
    struct loop *loop;
    /* Replies to a request, now or later; on the worker's loop. */
    void (*handle)(void *arg, struct http_request *request);
    /* The door drains: what would not end by itself is to be ended. May be NULL. */
    void (*drain)(void *arg);
    void *arg;
};

struct http_door_config {
    const char *address;          /* "0.0.0.0:8080" */
    uint32_t connections_max;     /* of all workers */
    const struct http_site *site; /* how those beyond them are told so */
};

struct http_door;

/* Listens at once, so that a taken port is an error here, in words; accepts after start. The workers'
 * loops are borrowed and must outlive the door. */
enum status http_door_new(const struct http_door_config *config,
                          const struct http_door_worker *workers, uint32_t worker_count,
                          struct http_door **out_door, struct error *err) NODISCARD;
/* The loops may or may not run yet. */
void http_door_start(struct http_door *door);
/* The port in use. */
uint16_t http_door_port(const struct http_door *door);
/* Accepts no more, closes connections as they become idle; those left after timeout_ms are cut off.
 * `drained` is called once, on loop 0, when none is left. From loop 0. */
void http_door_drain(struct http_door *door, int64_t timeout_ms, void (*drained)(void *arg),
                     void *arg);
/* With the loops stopped, or run by this thread. Connections that are left are closed. */
void http_door_free(struct http_door *door);
