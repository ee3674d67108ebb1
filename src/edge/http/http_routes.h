/* Which method a request is for, by the google.api.http rules of the protos. Nobody writes a route
 * twice: the rules come from the embedded descriptor set, the methods from the table of methods.
 *
 * Read only once it is made, so any thread may use it. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "edge/http/http_request.h"
#include "edge/method.h"
#include "edge/transcode/message_shape.h"
#include "edge/transcode/path_template.h"

/* One rule of a method, or one of its additional bindings. */
struct http_route {
    const struct method *method;
    enum request_method verb;
    const char *text; /* "/v1/products/{id}", as in the proto */
    const struct path_template *path;
    const struct message_shape *request, *reply;
    bool takes_body;
    const struct field_shape *body; /* the field the body is; NULL: the whole request */
    /* Of a body that is one field: its fields that a caller may change, as bits. */
    uint64_t body_settable;
    size_t series; /* of the method, in the table of methods */
};

struct http_routes;

enum http_routes_result {
    HTTP_ROUTE_FOUND,
    HTTP_ROUTE_OTHER_METHOD, /* the path is known, but not with this method */
    HTTP_ROUTE_UNKNOWN,
    HTTP_ROUTE_INVALID, /* the path cannot be read: err says why */
};

struct http_match {
    const struct http_route *route;
    struct path path;
    const char *allow; /* of OTHER_METHOD: "GET, HEAD, OPTIONS" */
};

/* `shapes` holds all messages of the methods, and is borrowed. NULL and the error when a rule is wrong,
 * which a test finds before anybody else. */
struct http_routes *http_routes_new(const struct message_shapes *shapes, struct error *err)
    NODISCARD;
void http_routes_free(struct http_routes *routes);

/* The most specific rule that fits: one with a verb before one without, then the one with more literal
 * segments. A path with a verb of ours is no path of another rule. */
enum http_routes_result http_routes_find(const struct http_routes *routes, enum request_method verb,
                                         const char *path, struct arena *arena,
                                         struct http_match *out, struct error *err) NODISCARD;

/* All rules, in the order of the table of methods: for tests and documentation. */
const struct http_route *http_routes_all(const struct http_routes *routes, size_t *out_count);
