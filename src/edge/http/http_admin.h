/* The admin port: GET /metrics, /livez, /readyz, and the desk of the person on call (http_desk). Small and
 * local, over libevent's evhttp, which is good enough for a port that only the cluster's own probes,
 * collectors and operators reach. */
#pragma once

#include "base/error.h"
#include "edge/http/http_desk.h"
#include "runtime/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct http_admin;

struct http_admin_config {
    const char *address; /* "127.0.0.1:9090" */
    /* Whether calls can be served now; `why` (one line, no secrets) is printed by /readyz. */
    bool (*is_ready)(void *arg, const char **out_why);
    void *arg;
    const struct http_desk_config *desk; /* NULL: there is none */
};

/* Listens at once; a taken port is an error in words. */
enum status http_admin_new(struct loop *loop, const struct http_admin_config *config,
                           struct http_admin **out_admin, struct error *err) NODISCARD;
uint16_t http_admin_port(const struct http_admin *admin);
void http_admin_free(struct http_admin *admin);
