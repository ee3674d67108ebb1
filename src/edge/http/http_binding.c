/* Binding by descriptor. Reading JSON and texts is transcode's; what the values mean the service's. */
#include "edge/http/http_binding.h"

#include "base/limits.h"
#include "base/number.h"
#include "edge/http/http_accept.h"
#include "edge/http/http_condition.h"
#include "edge/http/http_query.h"
#include "edge/transcode/field_text.h"
#include "edge/transcode/field_value.h"
#include "edge/transcode/json_to_message.h"

#include "google/protobuf/field_mask.pb-c.h"

#include <assert.h>
#include <string.h>

/* What is being bound. */
struct binding {
    struct http_exchange *exchange;
    const struct http_request *request;
    const struct http_route *route;
    const struct path *path;
    struct arena *arena;
    struct error *err;
    bool ignore_unknown;
    ProtobufCMessage *message;
    struct json_message body; /* message NULL: there was none */
    struct field_text fields;
};

static enum status no_memory(struct binding *binding)
{
    return error_set(binding->err, REASON_OUT_OF_MEMORY);
}

static const struct field_shape *find_field(const struct message_shape *shape, const char *name,
                                            enum field_kind kind)
{
    const struct field_shape *field = message_shape_field(shape, name, strlen(name));

    return field != NULL && field->kind == kind && !field->is_repeated ? field : NULL;
}

static const char *text_at(const ProtobufCMessage *message, const struct field_shape *field)
{
    const char *text;

    memcpy(&text, field_at(message, field), sizeof(text));
    return text;
}

static void set_text(ProtobufCMessage *message, const struct field_shape *field, const char *text)
{
    union field_value value;

    memcpy(&value.string, &text, sizeof(text)); /* nobody writes to it */
    field_set(message, field, &value);
}

/* ---- The query, first look: $unknown ---------------------------------------------------------- */

static const char unknown_key[] = "$unknown";

static enum status read_unknown(struct binding *binding)
{
    struct http_query query = {.left = binding->request->query};

    while (http_query_next(&query, binding->arena)) {
        if (strcmp(query.key, unknown_key) != 0)
            continue;
        if (strcmp(query.value, "ignore") == 0)
            binding->ignore_unknown = true;
        else
            error_add_field(binding->err, binding->arena, unknown_key, "must be \"ignore\"");
    }
    if (query.is_full)
        return no_memory(binding);
    if (query.is_invalid)
        return error_setf(binding->err, REASON_REQUEST_INVALID,
                          "the query has a '%%' that is no escape");
    return binding->err->status;
}

/* ---- The body --------------------------------------------------------------------------------- */

static enum status read_body(struct binding *binding)
{
    const struct http_request *request = binding->request;
    const struct http_route *route = binding->route;
    const struct message_shape *shape = route->body == NULL ? route->request : route->body->message;
    const struct json_text text = {
        .text = request->body,
        .size = request->body_size,
        .prefix = route->body == NULL ? "" : route->body->field->name,
        .ignore_unknown = binding->ignore_unknown,
    };

    if (request->body_size == 0)
        return STATUS_OK;
    if (!route->takes_body)
        return error_setf(binding->err, REASON_REQUEST_INVALID, "the method takes no body");
    if (!http_accept_is_json(request))
        return error_set(binding->err, REASON_MEDIA_TYPE_UNSUPPORTED);
    return json_to_message(shape, &text, binding->arena, &binding->body, binding->err);
}

static enum status make_message(struct binding *binding)
{
    const struct http_route *route = binding->route;
    union field_value value;

    if (binding->body.message != NULL && route->body == NULL) {
        binding->message = binding->body.message;
        return STATUS_OK;
    }
    binding->message = field_message_new(route->request, binding->arena);
    if (binding->message == NULL)
        return no_memory(binding);
    if (binding->body.message != NULL) {
        value.message = binding->body.message;
        field_set(binding->message, route->body, &value);
    }
    return STATUS_OK;
}

/* ---- Variables of the path -------------------------------------------------------------------- */

/* The text that the body has for the field a variable names; NULL when it has none or "". */
static const char *text_of_body(const struct binding *binding, const char *path)
{
    const struct http_route *route = binding->route;
    const struct message_shape *shape = route->request;
    const struct field_shape *field;
    const char *text;

    if (binding->body.message == NULL)
        return NULL;
    if (route->body != NULL) {
        size_t len = route->body->proto_name_len;
        if (strncmp(path, route->body->field->name, len) != 0 || path[len] != '.')
            return NULL;
        path += len + 1;
        shape = route->body->message;
    }
    field = find_field(shape, path, FIELD_STRING);
    text = field == NULL ? NULL : text_at(binding->body.message, field);
    return text == NULL || *text == '\0' ? NULL : text;
}

static enum status bind_path(struct binding *binding)
{
    const struct path_template *template = binding->route->path;

    for (size_t i = 0; i < template->variable_count; i++) {
        const char *name = template->variables[i].field_path;
        const char *of_body = text_of_body(binding, name);
        const char *text;
        size_t len;

        if (path_template_capture(template, i, binding->path, binding->arena, &text, &len,
                                  binding->err) != STATUS_OK)
            return binding->err->status;
        if (of_body != NULL && (strlen(of_body) != len || memcmp(of_body, text, len) != 0))
            error_add_field(binding->err, binding->arena, name,
                            "differs between the path and the body");
        if (field_set_text(&binding->fields, name, strlen(name), text, len) ==
            STATUS_RESOURCE_EXHAUSTED)
            return binding->err->status;
    }
    return STATUS_OK;
}

/* ---- The query -------------------------------------------------------------------------------- */

/* Whether the field a key begins with comes in the body. */
static bool is_of_body(const struct http_route *route, const struct http_query *query)
{
    const char *dot = memchr(query->key, '.', query->key_len);
    size_t len = dot == NULL ? query->key_len : (size_t)(dot - query->key);
    const struct field_shape *field = message_shape_field(route->request, query->key, len);

    return route->takes_body && field != NULL && (route->body == NULL || route->body == field);
}

static enum status bind_query(struct binding *binding)
{
    struct http_query query = {.left = binding->request->query};

    while (http_query_next(&query, binding->arena)) {
        if (strcmp(query.key, unknown_key) == 0)
            continue;
        if (is_of_body(binding->route, &query))
            error_add_field(binding->err, binding->arena, query.key,
                            "belongs into the body, not into the query");
        else if (field_set_text(&binding->fields, query.key, query.key_len, query.value,
                                query.value_len) == STATUS_RESOURCE_EXHAUSTED)
            return binding->err->status;
    }
    return query.is_full ? no_memory(binding) : STATUS_OK;
}

/* ---- PATCH ------------------------------------------------------------------------------------ */

static size_t count_bits(uint64_t bits)
{
    return (size_t)__builtin_popcountll(bits);
}

/* The keys of the body are the mask, unless one is given. */
static enum status derive_mask(struct binding *binding)
{
    const struct http_route *route = binding->route;
    const struct field_shape *field = find_field(route->request, "update_mask", FIELD_MESSAGE);
    uint64_t bits = binding->body.present & route->body_settable;
    Google__Protobuf__FieldMask *mask;
    union field_value value;

    if (route->verb != REQUEST_PATCH || route->body == NULL || field == NULL ||
        field_is_set(binding->message, field))
        return STATUS_OK;
    mask = ARENA_NEW(binding->arena, Google__Protobuf__FieldMask);
    if (mask == NULL)
        return no_memory(binding);
    google__protobuf__field_mask__init(mask);
    mask->paths = ARENA_POINTERS(binding->arena, count_bits(bits) + 1);
    if (mask->paths == NULL)
        return no_memory(binding);
    for (size_t i = 0; i < route->body->message->field_count; i++) {
        const char *name = route->body->message->fields[i].field->name;
        if ((bits & (UINT64_C(1) << i)) != 0)
            memcpy(&mask->paths[mask->n_paths++], &name, sizeof(name));
    }
    value.message = &mask->base;
    field_set(binding->message, field, &value);
    return STATUS_OK;
}

/* ---- Header fields ---------------------------------------------------------------------------- */

/* A string of structured fields (RFC 9651), or the key as it is, in place. False: neither. */
static bool read_key(char *key)
{
    size_t len = 0;
    const char *at;

    if (key[0] != '"')
        return key[0] != '\0' && strpbrk(key, " \t\",") == NULL;
    for (at = key + 1; *at != '"'; at++) {
        if (*at == '\\' && (at[1] == '"' || at[1] == '\\'))
            at++;
        else if (*at == '\0' || *at == '\\')
            return false;
        key[len++] = *at;
    }
    if (at[1] != '\0')
        return false;
    key[len] = '\0';
    return len > 0;
}

static void bind_key(struct binding *binding)
{
    const struct field_shape *field =
        find_field(binding->route->request, "request_id", FIELD_STRING);
    uint32_t count;
    const char *value = http_request_field(binding->request, "idempotency-key", &count);
    const char *given;
    char *key;

    if (field == NULL || count == 0)
        return;
    key = arena_strdup(binding->arena, value);
    given = text_at(binding->message, field);
    if (key == NULL)
        no_memory(binding);
    else if (count > 1)
        error_add_field(binding->err, binding->arena, "Idempotency-Key", "is given twice");
    else if (!read_key(key))
        error_add_field(binding->err, binding->arena, "Idempotency-Key",
                        "must be one key, in quotes or not");
    else if (given[0] != '\0' && strcmp(given, key) != 0)
        error_add_field(binding->err, binding->arena, "request_id",
                        "differs from the header field Idempotency-Key");
    else
        set_text(binding->message, field, key);
}

/* The message that has the field etag: the request, or the one in its body. */
static const struct field_shape *find_etag(const struct binding *binding,
                                           ProtobufCMessage **out_owner)
{
    const struct field_shape *body = binding->route->body;
    const struct field_shape *field = find_field(binding->route->request, "etag", FIELD_STRING);

    *out_owner = binding->message;
    if (field != NULL || body == NULL || binding->route->verb != REQUEST_PATCH)
        return field;
    memcpy(out_owner, field_at(binding->message, body), sizeof(void *));
    return *out_owner == NULL ? NULL : find_field(body->message, "etag", FIELD_STRING);
}

static void fail_etag(struct binding *binding, const ProtobufCMessage *owner,
                      const char *description)
{
    const struct field_shape *body = binding->route->body;
    const char *path = "etag";

    if (owner != binding->message)
        path = arena_printf(binding->arena, "%s.etag", body->field->name);
    error_add_field(binding->err, binding->arena, path == NULL ? "etag" : path, "%s", description);
}

static void bind_match(struct binding *binding)
{
    ProtobufCMessage *owner;
    const struct field_shape *field = find_etag(binding, &owner);
    const char *etag, *given;
    uint32_t count;

    (void)http_request_field(binding->request, "if-match", &count);
    if (count == 0)
        return;
    if (field == NULL) {
        error_add_field(binding->err, binding->arena, "If-Match",
                        "means nothing to this method: it takes no etag");
        return;
    }
    if (http_condition_match(binding->request, &etag, binding->err) != STATUS_OK)
        return;
    if (etag[0] == '\0')
        return; /* "*": the etag of the field decides, if there is one */
    binding->exchange->has_if_match = true;
    given = text_at(owner, field);
    if (given[0] != '\0' && strcmp(given, etag) != 0)
        fail_etag(binding, owner, "differs from the header field If-Match");
    set_text(owner, field, etag);
}

static const struct {
    char unit;
    int64_t us; /* 0: nanoseconds */
} units[] = {
    {'H', INT64_C(3600) * 1000000},
    {'M', 60 * 1000000},
    {'S', 1000000},
    {'m', 1000},
    {'u', 1},
    {'n', 0},
};

static int64_t timeout_ms(int64_t number, char unit)
{
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (units[i].unit == unit)
            return units[i].us == 0 ? number / 1000000 : number * units[i].us / 1000;
    }
    return -1;
}

enum status http_bind_timeout(const struct http_request *request, int64_t *out_ms,
                              struct error *err)
{
    uint32_t count;
    const char *value = http_request_field(request, "grpc-timeout", &count);
    size_t digits = value == NULL ? 0 : strspn(value, "0123456789");
    int64_t number = 0, ms = -1;

    *out_ms = LIMIT_DEADLINE_MS_DEFAULT;
    if (count == 0)
        return STATUS_OK;
    for (size_t i = 0; i < digits && digits <= 8; i++)
        number = number * 10 + (value[i] - '0');
    if (count == 1 && digits >= 1 && digits <= 8 && value[digits] != '\0' &&
        value[digits + 1] == '\0')
        ms = timeout_ms(number, value[digits]);
    if (ms < 0) {
        error_add_field(err, request->arena, "Grpc-Timeout",
                        "must be up to 8 digits and a unit (H, M, S, m, u, n)");
        return err->status;
    }
    *out_ms = ms;
    return STATUS_OK;
}

/* ---- All of it -------------------------------------------------------------------------------- */

/* What is wrong is told field by field, so there may be more. */
static bool may_go_on(const struct binding *binding)
{
    return !error_is_set(binding->err) || binding->err->field_count > 0;
}

static enum status bind_all(struct binding *binding)
{
    enum status body;

    (void)read_unknown(binding);
    if (!may_go_on(binding))
        return binding->err->status;
    body = read_body(binding);
    if (!may_go_on(binding) || make_message(binding) != STATUS_OK)
        return binding->err->status;
    field_text_init(&binding->fields, binding->route->request, binding->message,
                    binding->ignore_unknown, binding->arena, binding->err);
    if (bind_path(binding) != STATUS_OK || bind_query(binding) != STATUS_OK ||
        derive_mask(binding) != STATUS_OK)
        return binding->err->status;
    bind_key(binding);
    if (body == STATUS_OK) /* which may have the etag that must fit */
        bind_match(binding);
    return binding->err->status;
}

enum status http_bind(struct http_exchange *exchange, const struct http_match *match,
                      ProtobufCMessage **out_message, struct error *err)
{
    struct binding binding = {
        .exchange = exchange,
        .request = exchange->request,
        .route = match->route,
        .path = &match->path,
        .arena = exchange->request->arena,
        .err = err,
    };
    enum status status = bind_all(&binding);

    if (status == STATUS_OK)
        *out_message = binding.message;
    return status;
}
