/* What the HTTP door serves, the same for all workers: routes, pages, limits, origins. Constant once it
 * is made, but for what is atomic, so any thread may read it. */
#pragma once

#include "base/error.h"
#include "edge/http/http_pages.h"
#include "edge/http/http_routes.h"
#include "edge/limit.h"

#include <stdatomic.h>
#include <stdbool.h>

struct http_site_config {
    struct door_limits *limits; /* borrowed; shared with other doors */
    const char *origins;        /* CORS_ORIGINS: "https://a.example https://b.example", "*" or "" */
};

struct http_site {
    struct door_limits *limits;
    const char *origins;
    struct message_shapes *shapes;
    const struct message_shape *any; /* of the details of errors */
    struct http_routes *routes;
    struct http_pages pages;
    unsigned other_series;  /* of what is neither a route nor a page, as http_site_series() */
    atomic_bool is_serving; /* what /healthz says */
};

/* NULL and the error: no memory, or a rule of the protos that cannot be served. */
struct http_site *http_site_new(const struct http_site_config *config, struct error *err) NODISCARD;
void http_site_free(struct http_site *site);
/* From any thread. */
void http_site_set_serving(struct http_site *site, bool is_serving);

/* The first series of http_server_request_duration_seconds of a route; those of the four classes of
 * statuses, 2xx to 5xx, follow one another. */
unsigned http_site_series(const struct http_site *site, const struct http_route *route);
