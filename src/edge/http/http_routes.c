/* Routes from the descriptor set. Not for what becomes of a request (http_gateway). */
#include "edge/http/http_routes.h"

#include "base/macros.h"
#include "descriptor_set.h"

#include "google/api/field_behavior.pb-c.h"
#include "google/api/http.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROUTES_MAX = 64,
    ARENA_SIZE_MAX = 1024 * 1024,
    HTTP_EXTENSION = 72295728, /* google.api.http of MethodOptions */
    BEHAVIOR_EXTENSION = 1052, /* google.api.field_behavior of FieldOptions */
    ALLOW_SIZE = 64,
};

struct http_routes {
    struct arena *arena;
    const struct message_shapes *shapes;
    struct http_route routes[ROUTES_MAX];
    size_t count;
    const struct http_route *by_rank[ROUTES_MAX]; /* the most specific first */
};

/* ---- From the descriptor set ------------------------------------------------------------------ */

static const struct {
    Google__Api__HttpRule__PatternCase pattern;
    enum request_method verb;
} patterns[] = {
    {GOOGLE__API__HTTP_RULE__PATTERN_GET, REQUEST_GET},
    {GOOGLE__API__HTTP_RULE__PATTERN_PUT, REQUEST_PUT},
    {GOOGLE__API__HTTP_RULE__PATTERN_POST, REQUEST_POST},
    {GOOGLE__API__HTTP_RULE__PATTERN_DELETE, REQUEST_DELETE},
    {GOOGLE__API__HTTP_RULE__PATTERN_PATCH, REQUEST_PATCH},
};

static enum status fail(struct error *err, const struct method *method, const char *why)
{
    return error_setf(err, REASON_INTERNAL, "the HTTP rule of %s: %s", method->path, why);
}

static enum status set_verb(struct http_route *route, const Google__Api__HttpRule *rule,
                            struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        if (patterns[i].pattern == rule->pattern_case) {
            route->verb = patterns[i].verb;
            return STATUS_OK;
        }
    }
    return fail(err, route->method, "its method is not one of ours");
}

static enum status set_body(struct http_route *route, const Google__Api__HttpRule *rule,
                            struct error *err)
{
    if (rule->response_body[0] != '\0')
        return fail(err, route->method, "response_body is not served");
    route->takes_body = rule->body[0] != '\0';
    if (!route->takes_body || strcmp(rule->body, "*") == 0)
        return STATUS_OK;
    route->body = message_shape_field(route->request, rule->body, strlen(rule->body));
    if (route->body == NULL || route->body->kind != FIELD_MESSAGE || route->body->is_repeated)
        return fail(err, route->method, "its body is no field with a message");
    return STATUS_OK;
}

static enum status add_route(struct http_routes *routes, size_t method_index,
                             const Google__Api__HttpRule *rule, struct error *err)
{
    const struct method *method = &method_table[method_index];
    struct http_route *route = &routes->routes[routes->count];
    enum status status;

    if (routes->count == ROUTES_MAX)
        return fail(err, method, "there are too many");
    *route = (struct http_route){
        .method = method,
        .request = message_shapes_find(routes->shapes, method->request),
        .reply = message_shapes_find(routes->shapes, method->reply),
        .series = method_index,
    };
    assert(route->request != NULL && route->reply != NULL);
    status = set_verb(route, rule, err);
    if (status == STATUS_OK)
        status = set_body(route, rule, err);
    if (status == STATUS_OK) /* all members of the pattern's union are one text */
        status = path_template_compile(rule->get, routes->arena, &route->path, err);
    route->text = arena_strdup(routes->arena, rule->get);
    if (status == STATUS_OK && route->text == NULL)
        status = error_set(err, REASON_OUT_OF_MEMORY);
    if (status == STATUS_OK)
        routes->count++;
    return status;
}

static enum status add_rule(struct http_routes *routes, size_t method_index,
                            const ProtobufCMessageUnknownField *option, struct error *err)
{
    const struct method *method = &method_table[method_index];
    Google__Api__HttpRule *rule = NULL;
    size_t prefix = 0; /* the bytes begin with their length */
    enum status status = STATUS_OK;

    while (prefix < option->len && (option->data[prefix] & 0x80) != 0)
        prefix++;
    prefix++;
    if (prefix <= option->len)
        rule = google__api__http_rule__unpack(NULL, option->len - prefix, option->data + prefix);
    if (rule == NULL)
        return fail(err, method, "it cannot be read");
    status = add_route(routes, method_index, rule, err);
    for (size_t i = 0; i < rule->n_additional_bindings && status == STATUS_OK; i++)
        status = add_route(routes, method_index, rule->additional_bindings[i], err);
    google__api__http_rule__free_unpacked(rule, NULL);
    return status;
}

/* The place of a method in the table; method_count when it is none of ours. */
static size_t find_method(const char *package, const char *service, const char *name)
{
    size_t package_len = strlen(package);
    size_t i = 0;

    for (; i < method_count; i++) {
        const char *full = method_table[i].service;

        if (strncmp(full, package, package_len) == 0 && full[package_len] == '.' &&
            strcmp(full + package_len + 1, service) == 0 && strcmp(method_table[i].name, name) == 0)
            break;
    }
    return i;
}

static enum status add_method(struct http_routes *routes, size_t method_index,
                              const Google__Protobuf__MethodOptions *options, struct error *err)
{
    const ProtobufCMessage *base = options == NULL ? NULL : &options->base;

    for (unsigned i = 0; base != NULL && i < base->n_unknown_fields; i++) {
        if (base->unknown_fields[i].tag == HTTP_EXTENSION)
            return add_rule(routes, method_index, &base->unknown_fields[i], err);
    }
    return fail(err, &method_table[method_index], "there is none");
}

static enum status add_file(struct http_routes *routes,
                            const Google__Protobuf__FileDescriptorProto *file, struct error *err)
{
    for (size_t s = 0; s < file->n_service; s++) {
        const Google__Protobuf__ServiceDescriptorProto *service = file->service[s];

        for (size_t m = 0; m < service->n_method; m++) {
            const Google__Protobuf__MethodDescriptorProto *method = service->method[m];
            size_t index = find_method(file->package, service->name, method->name);
            enum status status;

            if (index == method_count)
                continue; /* health, reflection, the other sides' services */
            status = add_method(routes, index, method->options, err);
            if (status != STATUS_OK)
                return status;
        }
    }
    return STATUS_OK;
}

/* ---- What a caller may change ----------------------------------------------------------------- */

static bool is_output_only(const Google__Protobuf__FieldDescriptorProto *field)
{
    const ProtobufCMessage *options = field->options == NULL ? NULL : &field->options->base;

    for (unsigned i = 0; options != NULL && i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *option = &options->unknown_fields[i];

        /* Packed or not, each is one byte behind at most a length. */
        if (option->tag == BEHAVIOR_EXTENSION && option->len > 0 &&
            option->data[option->len - 1] == GOOGLE__API__FIELD_BEHAVIOR__OUTPUT_ONLY)
            return true;
    }
    return false;
}

static const Google__Protobuf__DescriptorProto *
find_message(const Google__Protobuf__FileDescriptorSet *set,
             const ProtobufCMessageDescriptor *descriptor)
{
    for (size_t f = 0; f < set->n_file; f++) {
        for (size_t m = 0; m < set->file[f]->n_message_type; m++) {
            const Google__Protobuf__DescriptorProto *message = set->file[f]->message_type[m];

            if (strcmp(set->file[f]->package, descriptor->package_name) == 0 &&
                strcmp(message->name, descriptor->short_name) == 0)
                return message;
        }
    }
    return NULL;
}

/* The path names the object, and the etag its version: neither is changed. */
static bool names_object(const struct http_route *route, const char *name)
{
    if (strcmp(name, "etag") == 0)
        return true;
    for (size_t i = 0; i < route->path->variable_count; i++) {
        const char *dot = strrchr(route->path->variables[i].field_path, '.');

        if (dot != NULL && strcmp(dot + 1, name) == 0)
            return true;
    }
    return false;
}

static void find_settable(struct http_route *route, const Google__Protobuf__FileDescriptorSet *set)
{
    const struct message_shape *shape = route->body->message;
    const Google__Protobuf__DescriptorProto *message = find_message(set, shape->descriptor);

    assert(message != NULL);
    for (size_t i = 0; i < message->n_field; i++) {
        const char *name = message->field[i]->name;
        const struct field_shape *field = message_shape_field(shape, name, strlen(name));

        assert(field != NULL);
        if (!is_output_only(message->field[i]) && !names_object(route, name))
            route->body_settable |= UINT64_C(1) << (field->field - shape->descriptor->fields);
    }
}

static enum status add_all(struct http_routes *routes, struct error *err)
{
    Google__Protobuf__FileDescriptorSet *set =
        google__protobuf__file_descriptor_set__unpack(NULL, descriptor_set_size, descriptor_set);
    enum status status = STATUS_OK;

    if (set == NULL)
        return error_set(err, REASON_OUT_OF_MEMORY);
    for (size_t i = 0; i < set->n_file && status == STATUS_OK; i++)
        status = add_file(routes, set->file[i], err);
    for (size_t i = 0; i < routes->count && status == STATUS_OK; i++) {
        if (routes->routes[i].body != NULL)
            find_settable(&routes->routes[i], set);
    }
    google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
    return status;
}

/* ---- Rank ------------------------------------------------------------------------------------- */

static unsigned literal_count(const struct path_template *path)
{
    unsigned count = 0;

    for (size_t i = 0; i < path->segment_count; i++)
        count += path->segments[i].kind == SEGMENT_LITERAL;
    return count;
}

static int compare_rank(const void *a, const void *b)
{
    const struct http_route *left = *(const struct http_route *const *)a;
    const struct http_route *right = *(const struct http_route *const *)b;
    unsigned left_literals = literal_count(left->path), right_literals = literal_count(right->path);

    if ((left->path->verb != NULL) != (right->path->verb != NULL))
        return left->path->verb != NULL ? -1 : 1;
    if (left_literals != right_literals)
        return left_literals > right_literals ? -1 : 1;
    return left < right ? -1 : 1;
}

struct http_routes *http_routes_new(const struct message_shapes *shapes, struct error *err)
{
    struct http_routes *routes = calloc(1, sizeof(*routes));

    if (routes != NULL)
        routes->arena = arena_new(ARENA_SIZE_MAX);
    if (routes == NULL || routes->arena == NULL) {
        error_set(err, REASON_OUT_OF_MEMORY);
        http_routes_free(routes);
        return NULL;
    }
    routes->shapes = shapes;
    if (add_all(routes, err) != STATUS_OK) {
        http_routes_free(routes);
        return NULL;
    }
    for (size_t i = 0; i < routes->count; i++)
        routes->by_rank[i] = &routes->routes[i];
    qsort((void *)routes->by_rank, routes->count, sizeof(void *), compare_rank);
    return routes;
}

void http_routes_free(struct http_routes *routes)
{
    if (routes == NULL)
        return;
    arena_free(routes->arena);
    free(routes);
}

const struct http_route *http_routes_all(const struct http_routes *routes, size_t *out_count)
{
    *out_count = routes->count;
    return routes->routes;
}

/* ---- Finding ---------------------------------------------------------------------------------- */

static const char *const verb_names[] = {
    [REQUEST_GET] = "GET, HEAD", [REQUEST_POST] = "POST",     [REQUEST_PUT] = "PUT",
    [REQUEST_PATCH] = "PATCH",   [REQUEST_DELETE] = "DELETE",
};

static const char *write_allow(const bool *is_allowed, struct arena *arena)
{
    char text[ALLOW_SIZE] = "";
    size_t len = 0;

    for (size_t verb = 0; verb < COUNT_OF(verb_names); verb++) {
        if (is_allowed[verb])
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s, ", verb_names[verb]);
    }
    assert(len + sizeof("OPTIONS") <= sizeof(text));
    return arena_printf(arena, "%sOPTIONS", text);
}

enum http_routes_result http_routes_find(const struct http_routes *routes, enum request_method verb,
                                         const char *path, struct arena *arena,
                                         struct http_match *out, struct error *err)
{
    bool is_allowed[COUNT_OF(verb_names)] = {false};
    bool is_known = false, is_verb = false;

    *out = (struct http_match){.route = NULL};
    if (path_split(path, strlen(path), arena, &out->path, err) != STATUS_OK)
        return HTTP_ROUTE_INVALID;
    for (size_t i = 0; i < routes->count; i++) {
        const struct http_route *route = routes->by_rank[i];

        if (is_known && is_verb && route->path->verb == NULL)
            break; /* behind the ':' stands a verb, so it is no part of an id */
        if (!path_template_match(route->path, &out->path))
            continue;
        if (route->verb == verb) {
            out->route = route;
            return HTTP_ROUTE_FOUND;
        }
        is_known = true;
        is_verb = route->path->verb != NULL;
        is_allowed[route->verb] = true;
    }
    if (!is_known)
        return HTTP_ROUTE_UNKNOWN;
    out->allow = write_allow(is_allowed, arena);
    if (out->allow != NULL)
        return HTTP_ROUTE_OTHER_METHOD;
    error_set(err, REASON_OUT_OF_MEMORY);
    return HTTP_ROUTE_INVALID;
}
