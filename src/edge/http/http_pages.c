/* The table of pages, made from the embedded files. Not for routes of methods. */
#include "edge/http/http_pages.h"

#include "edge/http/http_answer.h"
#include "edge/http/http_condition.h"
#include "edge/http/http_query.h"
#include "edge/http/http_static.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char page_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' "
    "data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
static const char get_only[] = "GET, HEAD, OPTIONS";

static const struct {
    const char *ending, *type;
} content_types[] = {
    {".html", "text/html; charset=utf-8"},     {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"}, {".json", "application/json"},
    {".svg", "image/svg+xml; charset=utf-8"},
};

static const char *type_of(const char *name)
{
    const char *ending = strrchr(name, '.');

    for (size_t i = 0; ending != NULL && i < COUNT_OF(content_types); i++) {
        if (strcmp(ending, content_types[i].ending) == 0)
            return content_types[i].type;
    }
    return "application/octet-stream";
}

/* FNV-1a: who asks again only wants to know whether it is still the same. */
static uint64_t hash(const char *text, size_t size)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++)
        value = (value ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return value;
}

static struct http_page *add_page(struct http_pages *pages, const char *name)
{
    struct http_page *page = &pages->pages[pages->count];

    assert(pages->count < HTTP_PAGES_MAX);
    assert(strlen(name) + 2 <= sizeof(page->path));
    pages->count++;
    snprintf(page->path, sizeof(page->path), "/%s", name);
    return page;
}

static void add_files(struct http_pages *pages, const struct http_static_file *files,
                      const char *policy)
{
    for (; files->name != NULL; files++) {
        bool is_index = strcmp(files->name, "index.html") == 0;
        struct http_page *page = add_page(pages, is_index ? "" : files->name);

        page->text = files->text;
        page->size = strlen(files->text);
        page->content_type = type_of(files->name);
        page->policy = policy;
        /* Weak, since it is sent compressed or not. */
        snprintf(page->etag, sizeof(page->etag), "W/\"%016" PRIx64 "\"",
                 hash(page->text, page->size));
    }
}

bool http_pages_init(struct http_pages *pages)
{
    *pages = (struct http_pages){.pages = calloc(HTTP_PAGES_MAX, sizeof(struct http_page))};
    if (pages->pages == NULL)
        return false;
    add_files(pages, http_page_files, page_policy);
    add_files(pages, http_openapi_files, NULL);
    add_page(pages, "healthz");
    return true;
}

void http_pages_deinit(struct http_pages *pages)
{
    free(pages->pages);
    pages->pages = NULL;
}

const struct http_page *http_pages_find(const struct http_pages *pages, const char *path)
{
    for (size_t i = 0; i < pages->count; i++) {
        const char *own = pages->pages[i].path;

        if (own[1] == path[1] && strcmp(own, path) == 0) /* mostly told apart by the first letter */
            return &pages->pages[i];
    }
    return NULL;
}

/* ---- Answers ---------------------------------------------------------------------------------- */

static void answer_file(const struct http_page *page, struct http_exchange *exchange)
{
    http_answer_field(exchange, "etag", page->etag);
    http_answer_field(exchange, "cache-control", "no-cache");
    if (page->policy != NULL)
        http_answer_field(exchange, "content-security-policy", page->policy);
    if (http_condition_is_same(exchange->request, page->etag))
        http_answer(exchange, 304, NULL, NULL, 0);
    else
        http_answer(exchange, 200, page->content_type, page->text, page->size);
}

/* What `?service=` names: "", one of the services, or "liveness". */
static const char *service_of(struct http_exchange *exchange)
{
    struct http_query query = {.left = exchange->request->query};
    const char *service = "";

    while (http_query_next(&query, exchange->request->arena)) {
        if (strcmp(query.key, "service") == 0)
            service = query.value;
    }
    return service;
}

/* As grpc.health.v1 says it. */
static void answer_health(struct http_exchange *exchange)
{
    static const char serving[] = "{\"status\":\"SERVING\"}";
    static const char not_serving[] = "{\"status\":\"NOT_SERVING\"}";
    static const char *const services[] = {"", "shop.v1.Catalog", "shop.v1.Orders",
                                           "shop.v1.OrderEvents", "liveness"};
    const char *asked = service_of(exchange);
    struct error err = {0};
    size_t i = 0;

    while (i < COUNT_OF(services) && strcmp(services[i], asked) != 0)
        i++;
    http_answer_field(exchange, "cache-control", "no-store");
    if (i == COUNT_OF(services)) {
        error_set(&err, REASON_SERVICE_UNKNOWN);
        error_add_resource(&err, exchange->request->arena, "service", asked);
        http_answer_error(exchange, &err);
    } else if (atomic_load(&exchange->site->is_serving) || strcmp(asked, "liveness") == 0) {
        http_answer(exchange, 200, "application/json", serving, sizeof(serving) - 1);
    } else {
        http_answer(exchange, 503, "application/json", not_serving, sizeof(not_serving) - 1);
    }
}

void http_page_answer(const struct http_page *page, struct http_exchange *exchange)
{
    const struct http_request *request = exchange->request;
    struct error err = {0};

    if (request->method == REQUEST_OPTIONS) {
        http_answer_options(exchange, get_only);
    } else if (request->method != REQUEST_GET) {
        error_set(&err, REASON_METHOD_NOT_ALLOWED);
        http_answer_field(exchange, "allow", get_only);
        http_answer_error(exchange, &err);
    } else if (page->text == NULL) {
        answer_health(exchange);
    } else {
        answer_file(page, exchange);
    }
}
