/* Conditions of requests. Not for whether a stored version fits: that is the service's. */
#include "edge/http/http_condition.h"

#include "base/number.h"
#include "edge/transcode/field_value.h"

#include <string.h>

static const struct field_shape *find(const struct message_shape *shape, const char *name,
                                      enum field_kind kind)
{
    const struct field_shape *field = message_shape_field(shape, name, strlen(name));

    return field != NULL && field->kind == kind && !field->is_repeated ? field : NULL;
}

const char *http_condition_etag(const struct message_shape *shape, const ProtobufCMessage *reply,
                                struct arena *arena)
{
    const struct field_shape *etag = find(shape, "etag", FIELD_STRING);
    const struct field_shape *available = find(shape, "available", FIELD_INT64);
    char digits[NUMBER_TEXT_SIZE];
    const char *text;
    char *made, *at;
    size_t digits_len = 0;
    int64_t count;

    if (etag == NULL)
        return NULL;
    memcpy(&text, field_at(reply, etag), sizeof(text));
    if (available != NULL) {
        memcpy(&count, field_at(reply, available), sizeof(count));
        digits_len = number_print(count, digits);
    }
    made = at = arena_alloc(arena, strlen(text) + digits_len + sizeof("W/\"-\""));
    if (made == NULL)
        return NULL;
    at = stpcpy(stpcpy(at, "W/\""), text);
    if (available != NULL)
        at = stpcpy(stpcpy(at, "-"), digits);
    stpcpy(at, "\"");
    return made;
}

/* ---- If-None-Match ---------------------------------------------------------------------------- */

static const char *skip_weak(const char *etag)
{
    return strncmp(etag, "W/", 2) == 0 ? etag + 2 : etag;
}

/* Behind the member of the list that begins here: an etag may hold a comma. */
static const char *skip_member(const char *list)
{
    const char *end = *list == '"' ? strchr(list + 1, '"') : NULL;

    list = end == NULL ? list : end + 1;
    return list + strcspn(list, ",");
}

static bool list_has(const char *list, const char *etag)
{
    size_t len = strlen(etag);

    for (;; list = skip_member(list)) {
        list += strspn(list, " \t,");
        if (*list == '\0')
            return false;
        list = skip_weak(list);
        if (*list == '*' || (strncmp(list, etag, len) == 0 && strchr(" \t,", list[len]) != NULL))
            return true;
    }
}

bool http_condition_is_same(const struct http_request *request, const char *etag)
{
    for (uint32_t i = 0; i < request->field_count; i++) {
        if (http_field_is(&request->fields[i], "if-none-match") &&
            list_has(request->fields[i].value, skip_weak(etag)))
            return true;
    }
    return false;
}

/* ---- If-Match --------------------------------------------------------------------------------- */

enum status http_condition_match(const struct http_request *request, const char **out_etag,
                                 struct error *err)
{
    uint32_t count;
    const char *value = http_request_field(request, "if-match", &count);
    const char *text, *end;

    *out_etag = "";
    if (count == 0 || (count == 1 && strcmp(value, "*") == 0))
        return STATUS_OK;
    text = skip_weak(value);
    end = *text == '"' ? strchr(text + 1, '"') : NULL;
    if (count > 1 || end == NULL || end[1] != '\0') {
        error_add_field(err, request->arena, "If-Match", "must be one etag in quotes, or *");
        return err->status;
    }
    text++;
    text = arena_strndup(request->arena, text, strcspn(text, "-\""));
    if (text == NULL)
        return error_set(err, REASON_OUT_OF_MEMORY);
    *out_etag = *text == '\0' ? "-" : text; /* an empty one fits nothing */
    return STATUS_OK;
}
