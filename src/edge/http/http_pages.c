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
    "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'\r\n";
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
    assert(strchr(name, '/') == NULL);
    pages->count++;
    pages->path_sizes[page - pages->pages] =
        (unsigned char)snprintf(page->path, sizeof(page->path), "/%s", name);
    return page;
}

static char *make_lines(const struct http_page *page, const char *policy)
{
    static const char format[] = "etag: %s\r\ncache-control: no-cache\r\n%s";
    size_t size = sizeof(format) + strlen(page->etag) + strlen(policy);
    char *lines = malloc(size);

    if (lines != NULL)
        snprintf(lines, size, format, page->etag, policy);
    return lines;
}

static bool add_files(struct http_pages *pages, const struct http_static_file *files,
                      const char *policy)
{
    for (; files->name != NULL; files++) {
        bool is_index = strcmp(files->name, "index.html") == 0;
        struct http_page *page = add_page(pages, is_index ? "" : files->name);

        page->text = files->text;
        page->size = strlen(files->text);
        page->content_type = type_of(files->name);
        /* Weak, since it is sent compressed or not. */
        snprintf(page->etag, sizeof(page->etag), "W/\"%016" PRIx64 "\"",
                 hash(page->text, page->size));
        page->lines = make_lines(page, policy);
        if (page->lines == NULL)
            return false;
    }
    return true;
}

bool http_pages_init(struct http_pages *pages)
{
    *pages = (struct http_pages){.pages = calloc(HTTP_PAGES_MAX, sizeof(struct http_page))};
    if (pages->pages == NULL || !add_files(pages, http_page_files, page_policy) ||
        !add_files(pages, http_openapi_files, ""))
        return false;
    add_page(pages, "healthz");
    return true;
}

void http_pages_deinit(struct http_pages *pages)
{
    for (size_t i = 0; i < pages->count; i++)
        free(pages->pages[i].lines);
    free(pages->pages);
    *pages = (struct http_pages){0};
}

const struct http_page *http_pages_find(const struct http_pages *pages, const char *path)
{
    const size_t size = strlen(path);

    if (strchr(path + 1, '/') != NULL)
        return NULL; /* all stand at the top */
    for (size_t i = 0; i < pages->count; i++) {
        if (pages->path_sizes[i] == size && memcmp(pages->pages[i].path, path, size) == 0)
            return &pages->pages[i];
    }
    return NULL;
}

/* ---- Answers ---------------------------------------------------------------------------------- */

static void answer_file(const struct http_page *page, struct http_exchange *exchange)
{
    exchange->lines = page->lines;
    if (http_condition_is_same(exchange->request, page->etag))
        http_answer(exchange, 304, NULL, NULL, 0);
    else
        http_answer(exchange, 200, page->content_type, page->text, page->size);
}

/* What `?service=` names: "", one of the services, or "liveness". A probe with a slip must not pass. */
static enum status read_service(struct http_exchange *exchange, const char **out_service,
                                struct error *err)
{
    struct arena *arena = exchange->request->arena;
    struct http_query query = {.left = exchange->request->query};

    *out_service = "";
    while (http_query_next(&query, arena)) {
        if (strcmp(query.key, "service") != 0 || strlen(query.key) != query.key_len)
            error_add_unknown_field(err, arena, query.key, "is not known here");
        else if (strlen(query.value) != query.value_len)
            error_add_field(err, arena, query.key, "must not hold NUL");
        *out_service = query.value;
    }
    if (query.is_full)
        return error_set(err, REASON_OUT_OF_MEMORY);
    if (query.is_invalid)
        return error_setf(err, REASON_REQUEST_INVALID, "the query has a '%%' that is no escape");
    return err->status;
}

static bool is_service(const char *name)
{
    static const char *const services[] = {"", "shop.v1.Catalog", "shop.v1.Orders",
                                           "shop.v1.OrderEvents", "liveness"};

    for (size_t i = 0; i < COUNT_OF(services); i++) {
        if (strcmp(services[i], name) == 0)
            return true;
    }
    return false;
}

/* As grpc.health.v1 says it. */
static void answer_health(struct http_exchange *exchange)
{
    static const char serving[] = "{\"status\":\"SERVING\"}";
    static const char not_serving[] = "{\"status\":\"NOT_SERVING\"}";
    struct error err = {0};
    const char *service;

    http_answer_field(exchange, "cache-control", "no-store");
    if (read_service(exchange, &service, &err) == STATUS_OK && !is_service(service)) {
        error_set(&err, REASON_SERVICE_UNKNOWN);
        error_add_resource(&err, exchange->request->arena, "service", service);
    }
    if (error_is_set(&err))
        http_answer_error(exchange, &err);
    else if (atomic_load(&exchange->site->is_serving) || strcmp(service, "liveness") == 0)
        http_answer(exchange, 200, "application/json", serving, sizeof(serving) - 1);
    else
        http_answer(exchange, 503, "application/json", not_serving, sizeof(not_serving) - 1);
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
