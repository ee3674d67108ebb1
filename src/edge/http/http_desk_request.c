/* Queries and bodies of the desk. What they ask for is done in http_desk. */
#include "edge/http/http_desk_request.h"

#include "base/number.h"
#include "edge/http/http_query.h"
#include "service/validate.h"

#include <jansson.h>
#include <string.h>

/* ---- The query of a list ---- */

static void read_state(const char *text, struct arena *arena, struct operator_list *list,
                       struct error *err)
{
    list->state = order_state_parse(text);
    if (list->state == ORDER_STATE_UNSPECIFIED) {
        error_add_field(err, arena, "state", "must be a state of orders, such as STUCK");
    }
}

static void read_older_than(const char *text, struct arena *arena, struct operator_list *list,
                            struct error *err)
{
    static const int64_t most_ms = INT64_C(3650) * 24 * 3600 * 1000;

    if (!number_parse_duration(text, &list->older_ms) || list->older_ms > most_ms) {
        error_add_field(err, arena, "older_than",
                        "must be a duration with a unit (10m, 24h) of ten years at most");
    }
}

static void read_limit(const char *text, struct arena *arena, struct operator_list *list,
                       struct error *err)
{
    int64_t limit = DESK_LIMIT_DEFAULT;

    if (!number_parse(text, 1, DESK_LIMIT_MAX, &limit)) {
        error_add_field(err, arena, "limit", "must be from 1 to %d", DESK_LIMIT_MAX);
    }
    list->limit = (uint32_t)limit;
}

static void read_before(const char *text, struct arena *arena, struct operator_list *list,
                        struct error *err)
{
    if (!uuid_parse(text, &list->before_id)) {
        error_add_field(err, arena, "before", "must be the id of an order");
    }
}

static const struct {
    const char *name;
    void (*read)(const char *text, struct arena *arena, struct operator_list *list,
                 struct error *err);
} parameters[] = {
    {"state", read_state},
    {"older_than", read_older_than},
    {"limit", read_limit},
    {"before", read_before},
};

/* Whether it is known, and comes for the first time. */
static bool read_parameter(const struct http_query *query, unsigned *seen, struct arena *arena,
                           struct operator_list *list, struct error *err)
{
    for (unsigned i = 0; i < COUNT_OF(parameters); i++) {
        if (strcmp(query->key, parameters[i].name) == 0 && (*seen & 1U << i) == 0) {
            *seen |= 1U << i;
            parameters[i].read(query->value, arena, list, err);
            return true;
        }
    }
    return false;
}

enum status desk_read_list(const char *text, struct arena *arena, struct operator_list *out,
                           struct error *err)
{
    struct http_query query = {.left = text};
    unsigned seen = 0;

    *out = (struct operator_list){.limit = DESK_LIMIT_DEFAULT};
    while (http_query_next(&query, arena)) {
        if (!read_parameter(&query, &seen, arena, out, err)) {
            error_add_field(err, arena, query.key, "is not known here, or came before");
        }
    }
    if (query.is_full) {
        return error_set(err, REASON_OUT_OF_MEMORY);
    }
    if (query.is_invalid) {
        return error_setf(err, REASON_REQUEST_INVALID, "the query has an invalid escape");
    }
    return err->status;
}

/* ---- The body of an order to us ---- */

static const char *text_field(const json_t *object, const char *name, struct arena *arena,
                              struct error *err)
{
    const json_t *value = json_object_get(object, name);

    if (value != NULL && !json_is_string(value)) {
        error_add_field(err, arena, name, "must be a text");
        return NULL;
    }
    return arena_strdup(arena, value == NULL ? "" : json_string_value(value));
}

static void check_known(json_t *object, enum desk_order_kind kind, struct arena *arena,
                        struct error *err)
{
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        bool is_known = strcmp(name, "reason") == 0 || strcmp(name, "operator") == 0 ||
                        (kind == DESK_ORDER_END && strcmp(name, "state") == 0);
        if (!is_known) {
            error_add_field(err, arena, name, "is not known here");
        }
    }
}

static void read_order(json_t *object, enum desk_order_kind kind, struct arena *arena,
                       struct desk_order *order, struct error *err)
{
    const struct validation validation = {.arena = arena, .err = err, .prefix = ""};

    check_known(object, kind, arena, err);
    order->why = text_field(object, "reason", arena, err);
    order->who = text_field(object, "operator", arena, err);
    if (order->why != NULL) {
        validate_text(&validation, "reason", order->why, DESK_REASON_CHARS);
    }
    if (order->who != NULL) {
        validate_text(&validation, "operator", order->who, DESK_OPERATOR_CHARS);
    }
    if (kind == DESK_ORDER_END) {
        const char *state = json_string_value(json_object_get(object, "state"));
        order->state = state == NULL ? ORDER_STATE_UNSPECIFIED : order_state_parse(state);
        if (order->state != ORDER_FAILED && order->state != ORDER_CANCELLED) {
            error_add_field(err, arena, "state", "must be FAILED or CANCELLED");
        }
    }
}

enum status desk_read_order(const char *body, size_t size, enum desk_order_kind kind,
                            struct arena *arena, struct desk_order *out, struct error *err)
{
    json_error_t problem;
    json_t *object = json_loadb(body, size, JSON_REJECT_DUPLICATES, &problem);

    *out = (struct desk_order){0};
    if (!json_is_object(object)) {
        error_setf(err, REASON_JSON_INVALID, "the body has to be a JSON object");
    } else {
        read_order(object, kind, arena, out, err);
    }
    json_decref(object);
    if (!error_is_set(err) && (out->who == NULL || out->why == NULL)) {
        error_set(err, REASON_OUT_OF_MEMORY);
    }
    return err->status;
}
