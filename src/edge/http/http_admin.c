/* The admin port. Three pages and the way to the desk; the figures are observe/metrics', readiness is app/'s. */
#include "edge/http/http_admin.h"

#include "base/buf.h"
#include "edge/listen_socket.h"
#include "observe/metrics.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    METRICS_SIZE_MAX = 4 * 1024 * 1024,
    HEADERS_SIZE_MAX = 8 * 1024,
    BODY_SIZE_MAX = 8 * 1024,
    TIMEOUT_S = 10,
};

#define TEXT_PLAIN "text/plain; charset=utf-8"
#define TEXT_METRICS "text/plain; version=0.0.4; charset=utf-8"

struct http_admin {
    struct http_admin_config config;
    struct http_desk *desk;
    struct evhttp *http;
    uint16_t port;
};

static void reply(struct evhttp_request *request, int status, const char *type, const void *data,
                  size_t size)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct evbuffer *body = evbuffer_new();
    char length[24];

    evhttp_add_header(headers, "Content-Type", type);
    if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
        /* evhttp would send the body as well. */
        snprintf(length, sizeof(length), "%zu", size);
        evhttp_add_header(headers, "Content-Length", length);
    } else if (body == NULL || evbuffer_add(body, data, size) != 0) {
        status = HTTP_INTERNAL;
    }
    evhttp_send_reply(request, status, NULL, body);
    if (body != NULL) {
        evbuffer_free(body);
    }
}

static void reply_line(struct evhttp_request *request, int status, const char *line)
{
    char text[256];
    const int len = snprintf(text, sizeof(text), "%s\n", line);

    reply(request, status, TEXT_PLAIN, text, MIN_OF((size_t)len, sizeof(text) - 1));
}

static void get_metrics(struct http_admin *admin, struct evhttp_request *request)
{
    struct buf buf;

    (void)admin;
    buf_init(&buf, METRICS_SIZE_MAX);
    metrics_print(&buf);
    if (buf.failed) {
        reply_line(request, HTTP_INTERNAL, "the metrics do not fit");
    } else {
        reply(request, HTTP_OK, TEXT_METRICS, buf.data, buf.len);
    }
    buf_deinit(&buf);
}

static void get_livez(struct http_admin *admin, struct evhttp_request *request)
{
    (void)admin;
    reply_line(request, HTTP_OK, "ok");
}

static void get_readyz(struct http_admin *admin, struct evhttp_request *request)
{
    const char *why = NULL;
    const bool is_ready = admin->config.is_ready(admin->config.arg, &why);

    if (why == NULL) {
        why = is_ready ? "ok" : "not ready";
    }
    reply_line(request, is_ready ? HTTP_OK : HTTP_SERVUNAVAIL, why);
}

static const struct page {
    const char *path;
    void (*get)(struct http_admin *admin, struct evhttp_request *request);
} pages[] = {
    {"/metrics", get_metrics},
    {"/livez", get_livez},
    {"/readyz", get_readyz},
};

static const char *path_of(struct evhttp_request *request)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri == NULL ? NULL : evhttp_uri_get_path(uri);

    return path == NULL ? "" : path;
}

static const struct page *find_page(const char *path)
{
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        if (strcmp(path, pages[i].path) == 0) {
            return &pages[i];
        }
    }
    return NULL;
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct http_admin *admin = arg;
    const enum evhttp_cmd_type method = evhttp_request_get_command(request);
    const char *path = path_of(request);
    const struct page *page = find_page(path);

    if (admin->desk != NULL && http_desk_has(path)) {
        http_desk_handle(admin->desk, request);
    } else if (page == NULL) {
        reply_line(request, HTTP_NOTFOUND, "no such page");
    } else if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
        reply_line(request, HTTP_BADMETHOD, "only GET and HEAD");
    } else {
        page->get(admin, request);
    }
}

static void configure(struct http_admin *admin)
{
    evhttp_set_timeout(admin->http, TIMEOUT_S);
    evhttp_set_max_headers_size(admin->http, HEADERS_SIZE_MAX);
    /* Small: only the desk reads one. */
    evhttp_set_max_body_size(admin->http, BODY_SIZE_MAX);
    /* All that evhttp knows, so that on_request can say which are allowed. */
    evhttp_set_allowed_methods(admin->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
                                                EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                                EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
    evhttp_set_gencb(admin->http, on_request, admin);
}

enum status http_admin_new(struct loop *loop, const struct http_admin_config *config,
                           struct http_admin **out_admin, struct error *err)
{
    struct http_admin *admin = calloc(1, sizeof(*admin));
    enum status status;
    int fd = -1;

    if (admin == NULL) {
        return error_set(err, REASON_OUT_OF_MEMORY);
    }
    admin->config = *config;
    status = listen_socket_open("ADMIN_ADDR", config->address, &fd, &admin->port, err);
    if (status != STATUS_OK) {
        http_admin_free(admin);
        return status;
    }
    admin->desk = config->desk == NULL ? NULL : http_desk_new(config->desk);
    admin->http = evhttp_new(loop_base(loop));
    if (admin->http == NULL || (config->desk != NULL && admin->desk == NULL) ||
        evhttp_accept_socket(admin->http, fd) != 0) {
        close(fd);
        http_admin_free(admin);
        return error_set(err, REASON_OUT_OF_MEMORY);
    }
    configure(admin);
    *out_admin = admin;
    return STATUS_OK;
}

uint16_t http_admin_port(const struct http_admin *admin)
{
    return admin->port;
}

void http_admin_free(struct http_admin *admin)
{
    if (admin == NULL) {
        return;
    }
    http_desk_free(admin->desk);
    if (admin->http != NULL) {
        evhttp_free(admin->http); /* closes the socket too */
    }
    free(admin);
}
