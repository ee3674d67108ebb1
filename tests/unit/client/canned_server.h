/* A small HTTP server on the test's own loop that answers as it is told and remembers the last
 * request. One thread does both sides, so that nothing depends on timing. */
#pragma once

#include "runtime/loop.h"

#include <stdbool.h>
#include <stddef.h>

enum canned_mode {
    CANNED_ANSWER,
    CANNED_SILENCE,    /* reads the request and never answers */
    CANNED_CLOSE,      /* closes the connection instead of an answer */
    CANNED_CLOSE_ONCE, /* the same for one request, then answers */
    CANNED_DIE,        /* the same, and nobody listens any more */
};

enum {
    CANNED_TEXT_SIZE = 16 * 1024
};

struct canned_server;

/* On a free port of 127.0.0.1. Fails the test when it cannot. */
struct canned_server *canned_server_new(struct loop *loop);
void canned_server_free(struct canned_server *server);
const char *canned_server_url(const struct canned_server *server);

/* What is answered from now on; `body` must live as long as it is used. */
void canned_server_answer(struct canned_server *server, int status, const char *body);
void canned_server_header(struct canned_server *server, const char *name, const char *value);
void canned_server_mode(struct canned_server *server, enum canned_mode mode);

/* The last request. */
const char *canned_server_request_line(const struct canned_server *server); /* "POST /v1/x" */
const char *canned_server_request_body(const struct canned_server *server);
/* NULL when there was no such header. */
const char *canned_server_request_header(const struct canned_server *server, const char *name);
unsigned canned_server_request_count(const struct canned_server *server);
/* The most requests that were in the server's hands at the same time; silence holds them. */
unsigned canned_server_held_count(const struct canned_server *server);
