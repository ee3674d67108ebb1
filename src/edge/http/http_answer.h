/* Answering a request: everything that leaves the gateway goes through here, so that each answer is
 * counted once and has the fields all have (CORS, Vary, compression).
 *
 * An exchange is a request with its answer in the making; it lives in the request's arena and is gone
 * with the call that answers. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "edge/http/http_request.h"
#include "edge/http/http_site.h"
#include "port/clock.h"

enum {
    HTTP_ANSWER_FIELDS_MAX = 16
};

struct http_exchange {
    const struct http_site *site;
    struct clock *clock; /* the connection's, too */
    struct http_request *request;
    const struct http_route *route; /* NULL: of no method */
    unsigned series;                /* of the metrics */
    bool has_if_match;              /* ETAG_MISMATCH is 412 */
    const char *order_id;           /* for the log */
    const char *lines;              /* of fields made before; NULL: none */
    struct http_field fields[HTTP_ANSWER_FIELDS_MAX];
    uint32_t field_count;
};

/* Adds a header field; both texts live as long as the request. */
void http_answer_field(struct http_exchange *exchange, const char *name, const char *value);

/* Answers. The body, NULL without one, is in the request's arena or constant. */
void http_answer(struct http_exchange *exchange, int status, const char *content_type,
                 const char *body, size_t body_size);
/* Answers in the one shape of errors, with the HTTP status of the error's reason. */
void http_answer_error(struct http_exchange *exchange, const struct error *err);
/* OPTIONS: 204 with Allow, and what a browser asks before it sends a request of another origin. */
void http_answer_options(struct http_exchange *exchange, const char *allow);

/* For answers in pieces: the head of one that has begun (the fields all have are added), and the figures
 * of one that has ended. `err` with status OK: it ended well. */
void http_answer_begin(struct http_exchange *exchange, const char *content_type,
                       void (*on_ready)(struct http_request *request));
void http_answer_report(struct http_exchange *exchange, int status, size_t size,
                        const struct error *err);
