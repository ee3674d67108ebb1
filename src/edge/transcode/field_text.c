/* Finds a field by its path and gives it a value from text. Not for splitting URLs: path_template and
 * the query's reader do that. */
#include "edge/transcode/field_text.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "edge/transcode/field_value.h"
#include "edge/transcode/scalar_text.h"

/* A field that was named, of the message it is in. */
struct field_text_seen {
    struct field_text_seen *next;
    const ProtobufCMessage *message;
    const struct field_shape *field;
    size_t room; /* of a repeated field: values its list has room for */
};

/* Where a path leads. */
struct target {
    ProtobufCMessage *message;
    const struct field_shape *field;
};

void field_text_init(struct field_text *fields, const struct message_shape *shape,
                     ProtobufCMessage *message, bool ignore_unknown, struct arena *arena,
                     struct error *err)
{
    assert(message->descriptor == shape->descriptor);
    *fields = (struct field_text){.shape = shape, .message = message};
    fields->reading =
        (struct reading){.arena = arena, .err = err, .ignore_unknown = ignore_unknown};
}

/* ---- The way to a field ------------------------------------------------------------------------ */

/* The message in a field, made when it is not there yet. NULL when the arena is full. */
static ProtobufCMessage *enter_message(struct reading *reading, ProtobufCMessage *message,
                                       const struct field_shape *field)
{
    union field_value value;

    if (field_is_set(message, field)) {
        memcpy(&value, field_at(message, field), sizeof(void *));
        return value.message;
    }
    value.message = field_message_new(field->message, reading->arena);
    if (value.message == NULL)
        reading_full(reading);
    else
        field_set(message, field, &value);
    return value.message;
}

static bool can_enter(const struct field_shape *field)
{
    return field->kind == FIELD_MESSAGE && !field->is_repeated &&
           field->message->form == FORM_FIELDS;
}

/* Another member of its oneof is set. */
static bool is_excluded(const struct target *target)
{
    return field_oneof_is_taken(target->message, target->field) &&
           !field_is_set(target->message, target->field);
}

/* The fields of a path, from the request down. Returns how many; 0 when it leads nowhere. */
static size_t find_way(const struct message_shape *shape, const char *path, size_t path_len,
                       const struct field_shape *way[FIELD_TEXT_DEPTH_MAX])
{
    const char *at = path, *end = path + path_len;

    for (size_t depth = 0; depth < FIELD_TEXT_DEPTH_MAX; depth++) {
        const char *dot = at == end ? NULL : memchr(at, '.', (size_t)(end - at));
        const size_t len = (size_t)((dot == NULL ? end : dot) - at);
        way[depth] = message_shape_field(shape, at, len);
        if (way[depth] == NULL)
            return 0;
        if (dot == NULL)
            return depth + 1;
        if (!can_enter(way[depth]))
            return 0;
        shape = way[depth]->message;
        at = dot + 1;
    }
    return 0;
}

/* Goes the way; `places` takes its parts in the spelling of the protos. Returns the last of them: the
 * field's, or that of a message that may not be entered since another member of its oneof is set. NULL
 * when the arena is full. */
static const struct place *go_way(struct field_text *fields, const struct field_shape *const *way,
                                  size_t way_len, struct place places[FIELD_TEXT_DEPTH_MAX],
                                  struct target *target)
{
    target->message = fields->message;
    for (size_t depth = 0; depth < way_len; depth++) {
        target->field = way[depth];
        places[depth] = (struct place){.parent = depth == 0 ? NULL : &places[depth - 1],
                                       .name = target->field->field->name,
                                       .name_len = target->field->proto_name_len};
        if (depth == way_len - 1 || is_excluded(target))
            return &places[depth];
        target->message = enter_message(&fields->reading, target->message, target->field);
        if (target->message == NULL)
            return NULL;
    }
    return NULL;
}

/* ---- Values ------------------------------------------------------------------------------------ */

static const char *value_from_text(struct reading *reading, const struct field_shape *field,
                                   const char *text, size_t len, union field_value *out)
{
    switch (field->kind) {
    case FIELD_BOOL:
        out->boolean = len == 4 && memcmp(text, "true", 4) == 0;
        return out->boolean || (len == 5 && memcmp(text, "false", 5) == 0)
                   ? NULL
                   : "must be true or false";
    case FIELD_INT32:
    case FIELD_UINT32:
    case FIELD_INT64:
    case FIELD_UINT64:
        return scalar_integer(field->kind, text, len, out);
    case FIELD_FLOAT:
    case FIELD_DOUBLE:
        return scalar_real(reading, field->kind, text, len, out);
    case FIELD_ENUM:
        return scalar_integer(field->kind, text, len, out) == NULL
                   ? NULL
                   : scalar_enum(field, text, len, out);
    case FIELD_STRING:
        return scalar_string(reading, text, len, out);
    case FIELD_BYTES:
        return scalar_bytes(reading, text, len, out);
    case FIELD_MESSAGE:
        if (field->is_repeated || field->message->form == FORM_FIELDS ||
            field->message->form == FORM_ANY)
            return "cannot be given as one text";
        return scalar_message(reading, field->message, text, len, true, out);
    }
    assert(field->kind <= FIELD_MESSAGE);
    return NULL;
}

static struct field_text_seen *find_seen(struct field_text *fields, const struct target *target)
{
    struct field_text_seen *seen = fields->seen;

    while (seen != NULL && (seen->message != target->message || seen->field != target->field))
        seen = seen->next;
    return seen;
}

static struct field_text_seen *add_seen(struct field_text *fields, const struct target *target)
{
    struct field_text_seen *seen = ARENA_NEW(fields->reading.arena, struct field_text_seen);

    if (seen == NULL) {
        reading_full(&fields->reading);
        return NULL;
    }
    seen->message = target->message;
    seen->field = target->field;
    seen->next = fields->seen;
    fields->seen = seen;
    return seen;
}

/* The list doubles; the old one stays where it is, nothing in an arena is freed. */
static void append_value(struct field_text *fields, const struct target *target,
                         struct field_text_seen *seen, const union field_value *value)
{
    const struct field_list list = field_list_of(target->message, target->field);
    const size_t size = field_value_size(target->field->kind);
    char *items = NULL;

    if (list.count < seen->room) {
        memcpy(&items, field_at(target->message, target->field), sizeof(items));
    } else {
        seen->room = list.count * 2 + 4;
        items = arena_array(fields->reading.arena, seen->room, size);
        if (items == NULL) {
            reading_full(&fields->reading);
            return;
        }
        if (list.count > 0)
            memcpy(items, list.items, list.count * size);
    }
    memcpy(items + list.count * size, value, size);
    field_list_set(target->message, target->field, items, list.count + 1);
}

static const char *set_value(struct field_text *fields, const struct target *target,
                             const char *text, size_t len)
{
    struct field_text_seen *seen = find_seen(fields, target);
    union field_value value = {0};
    const char *problem = NULL;

    if (seen != NULL && !target->field->is_repeated)
        return "is given twice";
    if (is_excluded(target))
        return "excludes another field that is given too";
    problem = value_from_text(&fields->reading, target->field, text, len, &value);
    if (problem == NULL && seen == NULL)
        seen = add_seen(fields, target);
    if (problem != NULL || seen == NULL)
        return problem;
    if (target->field->is_repeated)
        append_value(fields, target, seen, &value);
    else
        field_set(target->message, target->field, &value);
    return NULL;
}

static enum status fail_path(struct field_text *fields, const char *path, size_t path_len)
{
    const bool is_text = text_is_utf8(path, path_len);
    const struct place whole = {.name = is_text ? path : "?", .name_len = is_text ? path_len : 1};

    if (!fields->reading.ignore_unknown)
        reading_fail_unknown(&fields->reading, &whole, fields->shape->descriptor->name);
    return reading_end(&fields->reading);
}

enum status field_set_text(struct field_text *fields, const char *path, size_t path_len,
                           const char *text, size_t len)
{
    const struct field_shape *way[FIELD_TEXT_DEPTH_MAX];
    struct place places[FIELD_TEXT_DEPTH_MAX];
    const size_t way_len = find_way(fields->shape, path, path_len, way);
    const struct place *place;
    struct target target;
    const char *problem;

    fields->reading.has_failed = false;
    if (fields->count++ >= FIELD_TEXT_COUNT_MAX)
        return error_setf(fields->reading.err, REASON_REQUEST_INVALID,
                          "more than %d parameters are given", FIELD_TEXT_COUNT_MAX);
    if (way_len == 0)
        return fail_path(fields, path, path_len);
    place = go_way(fields, way, way_len, places, &target);
    problem = place == NULL ? NULL : set_value(fields, &target, text, len);
    if (problem != NULL)
        reading_fail(&fields->reading, place, problem);
    return reading_end(&fields->reading);
}
