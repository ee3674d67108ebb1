/* evhttp, told what to say. */
#include "canned_server.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "base/macros.h"

enum {
    HEADERS_MAX = 32,
    HELD_MAX = 64
};

struct header {
    char name[64], value[256];
};

struct canned_server {
    struct evhttp *http;
    struct evhttp_bound_socket *bound;
    char url[64];
    enum canned_mode mode;
    int status;
    const char *body;
    char header_name[64], header_value[64];
    char request_line[1024], request_body[CANNED_TEXT_SIZE];
    struct header headers[HEADERS_MAX];
    unsigned header_count, request_count, held_count;
    struct evhttp_request *held[HELD_MAX];
};

static void remember_headers(struct canned_server *server, struct evhttp_request *request)
{
    struct evkeyval *header;

    server->header_count = 0;
    for (header = evhttp_request_get_input_headers(request)->tqh_first; header != NULL;
         header = header->next.tqe_next) {
        struct header *copy = &server->headers[server->header_count++];

        assert_true(server->header_count <= HEADERS_MAX);
        snprintf(copy->name, sizeof(copy->name), "%s", header->key);
        snprintf(copy->value, sizeof(copy->value), "%s", header->value);
    }
}

static void remember(struct canned_server *server, struct evhttp_request *request)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    const char *method = evhttp_request_get_command(request) == EVHTTP_REQ_POST ? "POST" : "GET";
    ssize_t size = evbuffer_copyout(input, server->request_body, CANNED_TEXT_SIZE - 1);

    server->request_body[MAX_OF(size, 0)] = '\0';
    snprintf(server->request_line, sizeof(server->request_line), "%s %s", method,
             evhttp_request_get_uri(request));
    server->request_count++;
    remember_headers(server, request);
}

static void answer(const struct canned_server *server, struct evhttp_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct evbuffer *body = evbuffer_new();

    evhttp_add_header(headers, "Content-Type", "application/json");
    if (server->header_name[0] != '\0')
        evhttp_add_header(headers, server->header_name, server->header_value);
    evbuffer_add(body, server->body, strlen(server->body));
    evhttp_send_reply(request, server->status, NULL, body);
    evbuffer_free(body);
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct canned_server *server = arg;

    remember(server, request);
    switch (server->mode) {
    case CANNED_ANSWER:
        answer(server, request);
        break;
    case CANNED_SILENCE:
        assert_true(server->held_count < HELD_MAX);
        server->held[server->held_count++] = request;
        break;
    case CANNED_CLOSE_ONCE:
        server->mode = CANNED_ANSWER;
        evhttp_connection_free(evhttp_request_get_connection(request));
        break;
    case CANNED_DIE:
        evhttp_del_accept_socket(server->http, server->bound);
        evhttp_connection_free(evhttp_request_get_connection(request));
        break;
    case CANNED_CLOSE:
        evhttp_connection_free(evhttp_request_get_connection(request));
        break;
    }
}

struct canned_server *canned_server_new(struct loop *loop)
{
    struct canned_server *server = calloc(1, sizeof(*server));
    struct sockaddr_in address;
    socklen_t size = sizeof(address);

    assert_non_null(server);
    server->http = evhttp_new(loop_base(loop));
    server->bound = evhttp_bind_socket_with_handle(server->http, "127.0.0.1", 0);
    assert_non_null(server->bound);
    assert_int_equal(
        getsockname(evhttp_bound_socket_get_fd(server->bound), (struct sockaddr *)&address, &size),
        0);
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u",
             (unsigned)ntohs(address.sin_port));
    evhttp_set_gencb(server->http, on_request, server);
    canned_server_answer(server, 200, "{}");
    return server;
}

void canned_server_free(struct canned_server *server)
{
    evhttp_free(server->http);
    free(server);
}

const char *canned_server_url(const struct canned_server *server)
{
    return server->url;
}

void canned_server_answer(struct canned_server *server, int status, const char *body)
{
    server->mode = CANNED_ANSWER;
    server->status = status;
    server->body = body;
}

void canned_server_header(struct canned_server *server, const char *name, const char *value)
{
    snprintf(server->header_name, sizeof(server->header_name), "%s", name);
    snprintf(server->header_value, sizeof(server->header_value), "%s", value);
}

void canned_server_mode(struct canned_server *server, enum canned_mode mode)
{
    server->mode = mode;
}

const char *canned_server_request_line(const struct canned_server *server)
{
    return server->request_line;
}

const char *canned_server_request_body(const struct canned_server *server)
{
    return server->request_body;
}

const char *canned_server_request_header(const struct canned_server *server, const char *name)
{
    for (unsigned i = 0; i < server->header_count; i++) {
        if (strcmp(server->headers[i].name, name) == 0)
            return server->headers[i].value;
    }
    return NULL;
}

unsigned canned_server_request_count(const struct canned_server *server)
{
    return server->request_count;
}

unsigned canned_server_held_count(const struct canned_server *server)
{
    return server->held_count;
}
