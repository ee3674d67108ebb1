/* The routes of the desk, and the life of a request there. How requests are read is in http_desk_request,
 * what orders look like in the store. */
#include "edge/http/http_desk.h"

#include "base/limits.h"
#include "edge/http/http_error.h"
#include "observe/log.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
    ANSWER_MS = 8000, /* before the admin port's own time is up */
    REPLY_SIZE_MAX = 4 * 1024 * 1024,
};

#define ROOT "/debug/"
#define ORDERS ROOT "orders"

struct desk_request {
    struct http_desk *desk;      /* NULL: it has gone */
    struct evhttp_request *http; /* NULL: the client has gone */
    struct arena *arena;
    const struct desk_route *route;
    struct uuid id; /* of the path */
    struct desk_order order;
    union {
        struct operator_list list;
        struct operator_show show;
        struct operator_mend mend;
    } ask;
    LIST_ENTRY(desk_request) link;
};

struct http_desk {
    struct http_desk_config config;
    LIST_HEAD(, desk_request) requests; /* with the store */
};

struct desk_route {
    enum evhttp_cmd_type method;
    const char *path;
    const char *verb; /* after the id; NULL: the path has none */
    enum desk_order_kind kind;
    void (*run)(struct desk_request *request);
};

/* ------------------------------------------------------------------------------------ answers */

static void request_free(struct desk_request *request)
{
    if (request->desk != NULL) {
        LIST_REMOVE(request, link);
    }
    arena_free(request->arena);
    free(request);
}

static void on_client_gone(struct evhttp_connection *connection UNUSED, void *arg)
{
    struct desk_request *request = arg;

    request->http = NULL;
}

/* Ends the request. */
static void answer(struct desk_request *request, int status, const char *text, size_t size)
{
    struct evhttp_request *http = request->http;

    if (http != NULL && request->desk != NULL) {
        struct evkeyvalq *headers = evhttp_request_get_output_headers(http);
        struct evbuffer *body = evbuffer_new();

        evhttp_connection_set_closecb(evhttp_request_get_connection(http), NULL, NULL);
        evhttp_add_header(headers, "Content-Type", "application/json");
        if (body == NULL || evbuffer_add(body, text, size) != 0) {
            status = HTTP_INTERNAL;
        }
        evhttp_send_reply(http, status, NULL, body);
        if (body != NULL) {
            evbuffer_free(body);
        }
    }
    request_free(request);
}

static void answer_error(struct desk_request *request, const struct error *err)
{
    int status = http_error_status(err, false);
    size_t size = 0;
    const char *text = "";

    if (request->desk != NULL) {
        text = http_error_write(request->desk->config.site, err, &status, request->arena, &size);
    }
    answer(request, status, text, size);
}

static void answer_reason(struct desk_request *request, enum reason reason)
{
    struct error err = {0};

    error_set(&err, reason);
    answer_error(request, &err);
}

static void answer_buf(struct desk_request *request, const struct buf *buf)
{
    if (buf->failed) {
        answer_reason(request, REASON_OUT_OF_MEMORY);
    } else {
        answer(request, HTTP_OK, buf->data, buf->len);
    }
}

/* One line a change. */
static void log_order(const struct desk_request *request, const char *what, const char *state)
{
    char order_id[UUID_TEXT_SIZE];

    uuid_format(&request->id, order_id);
    const struct log_field fields[] = {
        LOG_STR("order_id", uuid_is_zero(&request->id) ? NULL : order_id),
        LOG_STR("saga_state", state),
        LOG_STR("operator", request->order.who),
        LOG_STR("operator_reason", request->order.why),
        {0},
    };
    log_fields(LOG_WARN, what, fields);
}

/* ----------------------------------------------------------------------------------- reading */

static void prepare(struct desk_request *request, struct store_call *call,
                    void (*done)(struct store_call *call))
{
    *call = (struct store_call){
        .arena = request->arena,
        .deadline_ms = clock_now_ms(request->desk->config.clock) + ANSWER_MS,
        .done = done,
    };
}

static void on_listed(struct store_call *call)
{
    struct operator_list *list = CONTAINER_OF(call, struct operator_list, call);
    struct desk_request *request = CONTAINER_OF(list, struct desk_request, ask.list);
    char last_id[UUID_TEXT_SIZE];
    struct buf buf;

    if (error_is_set(&call->err)) {
        answer_error(request, &call->err);
        return;
    }
    buf_init(&buf, REPLY_SIZE_MAX);
    buf_put_str(&buf, "{\"orders\":[");
    for (uint32_t i = 0; i < list->count; i++) {
        buf_put_str(&buf, i == 0 ? "\n" : ",\n");
        buf_put_str(&buf, list->orders[i]);
    }
    buf_put_str(&buf, "]");
    if (list->has_more) {
        uuid_format(&list->last_id, last_id);
        buf_printf(&buf, ",\"nextBefore\":\"%s\"", last_id);
    }
    buf_put_str(&buf, "}\n");
    answer_buf(request, &buf);
    buf_deinit(&buf);
}

static void run_list(struct desk_request *request)
{
    struct operator_store *store = request->desk->config.store;
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request->http));
    struct error err = {0};

    if (desk_read_list(query, request->arena, &request->ask.list, &err)) {
        answer_error(request, &err);
        return;
    }
    prepare(request, &request->ask.list.call, on_listed);
    store->ops->list(store, &request->ask.list);
}

static void on_shown(struct store_call *call)
{
    struct operator_show *show = CONTAINER_OF(call, struct operator_show, call);
    struct desk_request *request = CONTAINER_OF(show, struct desk_request, ask.show);

    if (error_is_set(&call->err)) {
        answer_error(request, &call->err);
    } else {
        answer(request, HTTP_OK, show->order, strlen(show->order));
    }
}

static void run_show(struct desk_request *request)
{
    struct operator_store *store = request->desk->config.store;

    request->ask.show = (struct operator_show){.id = request->id};
    prepare(request, &request->ask.show.call, on_shown);
    store->ops->show(store, &request->ask.show);
}

static void run_batches(struct desk_request *request)
{
    const struct http_desk_config *config = &request->desk->config;
    struct buf buf;

    buf_init(&buf, REPLY_SIZE_MAX);
    config->print_batches(config->arg, &buf);
    answer_buf(request, &buf);
    buf_deinit(&buf);
}

/* ----------------------------------------------------------------------------------- changing */

static bool is_json(const struct desk_request *request)
{
    static const char json[] = "application/json";
    const char *type =
        evhttp_find_header(evhttp_request_get_input_headers(request->http), "Content-Type");
    const size_t len = sizeof(json) - 1;

    return type != NULL && strncasecmp(type, json, len) == 0 &&
           (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

/* False: it is answered. */
static bool read_order(struct desk_request *request)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(request->http);
    const size_t size = evbuffer_get_length(body);
    const char *text = size == 0 ? "" : (const char *)evbuffer_pullup(body, -1);
    struct error err = {0};

    if (!is_json(request)) {
        answer_reason(request, REASON_MEDIA_TYPE_UNSUPPORTED);
        return false;
    }
    if (text == NULL) {
        answer_reason(request, REASON_OUT_OF_MEMORY);
        return false;
    }
    if (desk_read_order(text, size, request->route->kind, request->arena, &request->order, &err)) {
        answer_error(request, &err);
        return false;
    }
    return true;
}

static void on_mended(struct store_call *call)
{
    struct operator_mend *mend = CONTAINER_OF(call, struct operator_mend, call);
    struct desk_request *request = CONTAINER_OF(mend, struct desk_request, ask.mend);
    char order_id[UUID_TEXT_SIZE];
    struct buf buf;

    if (error_is_set(&call->err)) {
        answer_error(request, &call->err);
        return;
    }
    log_order(request, "order changed by hand", order_state_name(mend->state));
    uuid_format(&mend->id, order_id);
    buf_init(&buf, REPLY_SIZE_MAX);
    buf_printf(&buf, "{\"id\":\"%s\",\"state\":\"%s\",\"revision\":%lld}\n", order_id,
               order_state_name(mend->state), (long long)mend->revision);
    answer_buf(request, &buf);
    buf_deinit(&buf);
}

static void run_mend(struct desk_request *request)
{
    struct operator_store *store = request->desk->config.store;

    if (!read_order(request)) {
        return;
    }
    request->ask.mend = (struct operator_mend){
        .id = request->id,
        .to = request->order.state,
        .who = request->order.who,
        .why = request->order.why,
    };
    prepare(request, &request->ask.mend.call, on_mended);
    store->ops->mend(store, &request->ask.mend);
}

static void set_recovery(struct desk_request *request, bool is_paused)
{
    const struct http_desk_config *config = &request->desk->config;
    static const char paused[] = "{\"recoveryPaused\":true}\n";
    static const char resumed[] = "{\"recoveryPaused\":false}\n";
    const char *text = is_paused ? paused : resumed;

    if (!read_order(request)) {
        return;
    }
    log_order(request, is_paused ? "recovery paused by hand" : "recovery resumed by hand", NULL);
    config->pause_recovery(config->arg, is_paused);
    answer(request, HTTP_OK, text, strlen(text));
}

static void run_pause(struct desk_request *request)
{
    set_recovery(request, true);
}

static void run_resume(struct desk_request *request)
{
    set_recovery(request, false);
}

/* ------------------------------------------------------------------------------------- routes */

/* clang-format off */
static const struct desk_route routes[] = {
    {EVHTTP_REQ_GET,  ORDERS,                 NULL,       DESK_ORDER_PLAIN, run_list},
    {EVHTTP_REQ_GET,  ORDERS "/",             "",         DESK_ORDER_PLAIN, run_show},
    {EVHTTP_REQ_POST, ORDERS "/",             ":retry",   DESK_ORDER_PLAIN, run_mend},
    {EVHTTP_REQ_POST, ORDERS "/",             ":resolve", DESK_ORDER_END,   run_mend},
    {EVHTTP_REQ_GET,  ROOT "batches",         NULL,       DESK_ORDER_PLAIN, run_batches},
    {EVHTTP_REQ_POST, ROOT "recovery:pause",  NULL,       DESK_ORDER_PLAIN, run_pause},
    {EVHTTP_REQ_POST, ROOT "recovery:resume", NULL,       DESK_ORDER_PLAIN, run_resume},
};
/* clang-format on */

/* <path><id><verb> */
static bool route_fits(const struct desk_route *route, const char *path, struct uuid *out_id)
{
    const size_t len = strlen(route->path);
    char id[UUID_TEXT_SIZE];

    *out_id = (struct uuid){{0}};
    if (route->verb == NULL) {
        return strcmp(path, route->path) == 0;
    }
    if (strncmp(path, route->path, len) != 0 || strlen(path + len) < sizeof(id) - 1 ||
        strcmp(path + len + sizeof(id) - 1, route->verb) != 0) {
        return false;
    }
    memcpy(id, path + len, sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    return uuid_parse(id, out_id);
}

static void answer_no_route(struct desk_request *request, const struct desk_route *other,
                            const char *path)
{
    struct error err = {0};

    if (other != NULL) {
        evhttp_add_header(evhttp_request_get_output_headers(request->http), "Allow",
                          other->method == EVHTTP_REQ_GET ? "GET" : "POST");
        error_set(&err, REASON_METHOD_NOT_ALLOWED);
    } else {
        error_set(&err, REASON_ROUTE_NOT_FOUND);
        error_add_resource(&err, request->arena, "path", path);
    }
    answer_error(request, &err);
}

static void dispatch(struct desk_request *request)
{
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request->http));
    const struct desk_route *other = NULL;

    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (!route_fits(&routes[i], path, &request->id)) {
            continue;
        }
        if (routes[i].method == evhttp_request_get_command(request->http)) {
            request->route = &routes[i];
            request->route->run(request);
            return;
        }
        other = &routes[i];
    }
    answer_no_route(request, other, path);
}

bool http_desk_has(const char *path)
{
    return strncmp(path, ROOT, sizeof(ROOT) - 1) == 0;
}

void http_desk_handle(struct http_desk *desk, struct evhttp_request *http)
{
    struct desk_request *request = calloc(1, sizeof(*request));
    struct arena *arena = arena_new(LIMIT_ARENA_SIZE);

    if (request == NULL || arena == NULL) {
        arena_free(arena);
        free(request);
        evhttp_send_error(http, HTTP_SERVUNAVAIL, NULL);
        return;
    }
    request->desk = desk;
    request->http = http;
    request->arena = arena;
    LIST_INSERT_HEAD(&desk->requests, request, link);
    evhttp_connection_set_closecb(evhttp_request_get_connection(http), on_client_gone, request);
    dispatch(request);
}

/* --------------------------------------------------------------------------------------- life */

struct http_desk *http_desk_new(const struct http_desk_config *config)
{
    struct http_desk *desk = calloc(1, sizeof(*desk));

    if (desk != NULL) {
        desk->config = *config;
        LIST_INIT(&desk->requests);
    }
    return desk;
}

void http_desk_free(struct http_desk *desk)
{
    struct desk_request *request;

    if (desk == NULL) {
        return;
    }
    while ((request = LIST_FIRST(&desk->requests)) != NULL) {
        LIST_REMOVE(request, link);
        request->desk = NULL;
        if (request->http != NULL) {
            evhttp_connection_set_closecb(evhttp_request_get_connection(request->http), NULL, NULL);
        }
        request->http = NULL;
    }
    free(desk);
}
