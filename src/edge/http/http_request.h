/* One request over HTTP and its reply, as handlers see them: no sockets, no parser.
 *
 * The connection makes it when the whole request is there, hands it to the handler, and keeps it until
 * the reply has been sent or the client has gone. A handler replies exactly once: by http_reply(), at
 * once or later, or by a stream. Belongs to the connection's loop. */
#pragma once

#include "base/arena.h"
#include "base/macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum request_method {
    REQUEST_GET, /* with is_head: HEAD, and the body of the reply is not sent */
    REQUEST_POST,
    REQUEST_PUT,
    REQUEST_PATCH,
    REQUEST_DELETE,
    REQUEST_OPTIONS,
    REQUEST_OTHER,
};

struct http_field {
    const char *name;  /* of requests: in lower case */
    const char *value; /* of requests: without white space around it */
};

/* Whether it has that name (in lower case). Mostly the first letter tells, and no call is made. */
static inline bool http_field_is(const struct http_field *field, const char *name)
{
    return field->name[0] == name[0] && strcmp(field->name, name) == 0;
}

struct http_request {
    struct arena *arena; /* of this request: everything about it and its reply */
    enum request_method method;
    bool is_head;
    const char *path;  /* raw: starts with '/', visible ASCII, not decoded */
    const char *query; /* raw, behind the '?'; NULL without one */
    const struct http_field *fields;
    uint32_t field_count;
    const char *body; /* "" when there is none */
    size_t body_size;
    bool has_body;       /* a body was announced, be it an empty one */
    int64_t received_us; /* as the turn began in which its head was read; monotonic */
    /* Not 0: it could not be read, and the handler is to reply this status, for this reason (a constant
     * text for the client). path may be NULL then. The connection is closed afterwards. */
    int refused_status;
    const char *refused_why;
    /* The client has gone before the reply was sent: what works on the request ends, nothing may be
     * replied any more and the request is gone with this call. NULL: nobody minds (then http_reply()
     * must still be called, and frees it). */
    void (*on_gone)(struct http_request *request);
    void *handler; /* the handler's own */

    struct {                    /* of the connection */
        struct http_conn *conn; /* NULL: it has gone */
        void (*on_ready)(struct http_request *request);
    } own;
};

struct http_conn;

/* The value of the first field of that name (lower case), or NULL; `*out_count`, if not NULL, is how
 * many there are. */
const char *http_request_field(const struct http_request *request, const char *name,
                               uint32_t *out_count);

struct http_reply {
    int status;
    const char *content_type;        /* NULL: no body */
    const char *lines;               /* of fields, ready to be sent; NULL: none */
    const struct http_field *fields; /* further ones */
    uint32_t field_count;
    const char *body; /* in the request's arena, or constant */
    size_t body_size;
};

/* Sends the reply; the request is gone. */
void http_reply(struct http_request *request, const struct http_reply *reply);

/* A reply that comes in pieces (chunked). After http_stream_begin(): on_ready is called, never from
 * inside, each time the client has taken what was written and one more piece may come. To HEAD nothing is
 * written: it ends at once. */
void http_stream_begin(struct http_request *request, const struct http_reply *head,
                       void (*on_ready)(struct http_request *request));
/* Only when ready; the bytes are copied. */
void http_stream_write(struct http_request *request, const char *data, size_t size);
/* Ends it well; the request is gone. */
void http_stream_end(struct http_request *request);
/* Ends it so that the client sees that something is missing; the request is gone. */
void http_stream_cut(struct http_request *request);
