/* Where a request goes. How it is read is in http_binding, how it is answered in http_call, http_watch
 * and http_pages. */
#include "edge/http/http_gateway.h"

#include "edge/http/http_answer.h"
#include "edge/http/http_call.h"
#include "edge/http/http_error.h"
#include "edge/http/http_watch.h"

#include <stdlib.h>
#include <string.h>

static void fail(struct http_exchange *exchange, enum reason reason)
{
    struct error err = {0};

    error_set(&err, reason);
    http_answer_error(exchange, &err);
}

/* The connection could not read it. */
static void answer_refused(struct http_exchange *exchange)
{
    const struct http_request *request = exchange->request;
    struct error err = {0};

    error_setf(&err, http_error_reason(request->refused_status), "%s", request->refused_why);
    http_answer_error(exchange, &err);
}

static void answer_other_method(struct http_exchange *exchange, const struct http_match *match)
{
    if (exchange->request->method == REQUEST_OPTIONS) {
        http_answer_options(exchange, match->allow);
        return;
    }
    http_answer_field(exchange, "allow", match->allow);
    fail(exchange, REASON_METHOD_NOT_ALLOWED);
}

static void answer_unknown(struct http_exchange *exchange)
{
    struct error err = {0};

    error_set(&err, REASON_ROUTE_NOT_FOUND);
    error_add_resource(&err, exchange->request->arena, "path", exchange->request->path);
    http_answer_error(exchange, &err);
}

static void call_method(struct http_gateway *gateway, struct http_exchange *exchange,
                        const struct http_match *match)
{
    exchange->route = match->route;
    exchange->series = http_site_series(gateway->site, match->route);
    if (match->route->method->open != NULL)
        http_watch_open(gateway, exchange, match);
    else
        http_call_run(gateway, exchange, match);
}

static void route(struct http_gateway *gateway, struct http_exchange *exchange)
{
    const struct http_request *request = exchange->request;
    struct http_match match;
    struct error err = {0};

    switch (http_routes_find(gateway->site->routes, request->method, request->path, request->arena,
                             &match, &err)) {
    case HTTP_ROUTE_FOUND:
        call_method(gateway, exchange, &match);
        return;
    case HTTP_ROUTE_OTHER_METHOD:
        answer_other_method(exchange, &match);
        return;
    case HTTP_ROUTE_UNKNOWN:
        answer_unknown(exchange);
        return;
    case HTTP_ROUTE_INVALID:
        http_answer_error(exchange, &err);
        return;
    }
}

static void dispatch(struct http_gateway *gateway, struct http_exchange *exchange)
{
    const struct http_request *request = exchange->request;
    const struct http_page *page;

    if (request->refused_status != 0) {
        answer_refused(exchange);
        return;
    }
    if (request->method == REQUEST_OPTIONS && strcmp(request->path, "*") == 0) {
        http_answer_options(exchange, "GET, HEAD, POST, PATCH, DELETE, OPTIONS");
        return;
    }
    page = http_pages_find(&gateway->site->pages, request->path);
    if (page != NULL) {
        exchange->series = page->series;
        http_page_answer(page, exchange);
        return;
    }
    route(gateway, exchange);
}

void http_gateway_handle(void *arg, struct http_request *request)
{
    struct http_gateway *gateway = arg;
    struct http_exchange *exchange = ARENA_NEW(request->arena, struct http_exchange);

    if (exchange == NULL) {
        http_reply(request, &(struct http_reply){.status = 429,
                                                 .content_type = "application/json",
                                                 .lines = "retry-after: 1\r\n",
                                                 .body = http_error_no_memory,
                                                 .body_size = strlen(http_error_no_memory)});
        return;
    }
    exchange->site = gateway->site;
    exchange->clock = gateway->clock;
    exchange->request = request;
    exchange->series = gateway->site->other_series;
    dispatch(gateway, exchange);
}

void http_gateway_drain(void *arg)
{
    struct http_gateway *gateway = arg;

    gateway->is_draining = true;
    http_watch_drain_all(gateway);
}

struct http_gateway *http_gateway_new(const struct http_site *site, struct clock *clock,
                                      struct service *service)
{
    struct http_gateway *gateway = calloc(1, sizeof(*gateway));

    if (gateway == NULL)
        return NULL;
    gateway->site = site;
    gateway->clock = clock;
    gateway->service = service;
    LIST_INIT(&gateway->calls);
    LIST_INIT(&gateway->watches);
    return gateway;
}

void http_gateway_free(struct http_gateway *gateway)
{
    if (gateway == NULL)
        return;
    http_call_abandon_all(gateway);
    free(gateway);
}
