/* Making a site, and naming its series in the metrics. Not for requests. */
#include "edge/http/http_site.h"

#include "observe/metrics.h"

#include "google/protobuf/any.pb-c.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

#include <assert.h>
#include <stdlib.h>

enum {
    METHODS_MAX = 64,
    LABEL_SIZE = 160,
    CLASS_FIRST = 2, /* of statuses: 2xx to 5xx */
    CLASS_COUNT = 4,
};

/* What errors are made of, beside the messages of the methods. */
static const ProtobufCMessageDescriptor *const error_types[] = {
    &google__rpc__status__descriptor,        &google__protobuf__any__descriptor,
    &google__rpc__error_info__descriptor,    &google__rpc__retry_info__descriptor,
    &google__rpc__resource_info__descriptor, &google__rpc__precondition_failure__descriptor,
    &google__rpc__bad_request__descriptor,
};

static struct message_shapes *make_shapes(void)
{
    const ProtobufCMessageDescriptor *roots[2 * METHODS_MAX + COUNT_OF(error_types)];
    size_t count = 0;

    assert(method_count <= METHODS_MAX);
    for (size_t i = 0; i < method_count; i++) {
        roots[count++] = method_table[i].request;
        roots[count++] = method_table[i].reply;
    }
    for (size_t i = 0; i < COUNT_OF(error_types); i++)
        roots[count++] = error_types[i];
    return message_shapes_new(roots, count);
}

/* ---- Series ----------------------------------------------------------------------------------- */

static const char *const verb_names[] = {
    [REQUEST_GET] = "GET",     [REQUEST_POST] = "POST",     [REQUEST_PUT] = "PUT",
    [REQUEST_PATCH] = "PATCH", [REQUEST_DELETE] = "DELETE",
};

/* The names of the series while they are gathered. */
struct labels {
    char (*texts)[LABEL_SIZE];
    const char **pointers;
    unsigned count;
};

static void add_series(struct labels *labels, const char *verb, const char *route)
{
    for (int i = 0; i < CLASS_COUNT; i++) {
        char *text = labels->texts[labels->count];

        snprintf(text, LABEL_SIZE, "method=\"%s\",route=\"%s\",status=\"%dxx\"", verb, route,
                 CLASS_FIRST + i);
        labels->pointers[labels->count++] = text;
    }
}

static bool name_series(struct http_site *site)
{
    size_t route_count;
    const struct http_route *routes = http_routes_all(site->routes, &route_count);
    size_t room = (route_count + site->pages.count + 1) * CLASS_COUNT;
    struct labels labels = {.texts = calloc(room, LABEL_SIZE),
                            .pointers = calloc(room, sizeof(const char *))};
    bool has_memory = labels.texts != NULL && labels.pointers != NULL;

    if (has_memory) {
        for (size_t i = 0; i < route_count; i++)
            add_series(&labels, verb_names[routes[i].verb], routes[i].text);
        for (size_t i = 0; i < site->pages.count; i++) {
            site->pages.pages[i].series = labels.count;
            add_series(&labels, "GET", site->pages.pages[i].path);
        }
        site->other_series = labels.count;
        add_series(&labels, "_other", "_other");
        metrics_series(METRIC_HTTP_SECONDS, labels.pointers, labels.count);
    }
    free(labels.texts);
    free((void *)labels.pointers);
    return has_memory;
}

unsigned http_site_series(const struct http_site *site, const struct http_route *route)
{
    size_t route_count;

    return (unsigned)(route - http_routes_all(site->routes, &route_count)) * CLASS_COUNT;
}

/* ---- Life ------------------------------------------------------------------------------------- */

static enum status site_init(struct http_site *site, struct error *err)
{
    site->shapes = make_shapes();
    if (site->shapes == NULL || !http_pages_init(&site->pages))
        return error_set(err, REASON_OUT_OF_MEMORY);
    site->any = message_shapes_find(site->shapes, &google__protobuf__any__descriptor);
    site->routes = http_routes_new(site->shapes, err);
    if (site->routes == NULL)
        return err->status;
    return name_series(site) ? STATUS_OK : error_set(err, REASON_OUT_OF_MEMORY);
}

struct http_site *http_site_new(const struct http_site_config *config, struct error *err)
{
    struct http_site *site = calloc(1, sizeof(*site));

    if (site == NULL) {
        error_set(err, REASON_OUT_OF_MEMORY);
        return NULL;
    }
    site->limits = config->limits;
    site->origins = config->origins;
    if (site_init(site, err) == STATUS_OK)
        return site;
    http_site_free(site);
    return NULL;
}

void http_site_free(struct http_site *site)
{
    if (site == NULL)
        return;
    http_routes_free(site->routes);
    message_shapes_free(site->shapes);
    http_pages_deinit(&site->pages);
    free(site);
}

void http_site_set_serving(struct http_site *site, bool is_serving)
{
    atomic_store(&site->is_serving, is_serving);
}
