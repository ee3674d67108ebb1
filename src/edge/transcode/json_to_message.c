/* Reads a message from the tree that jansson made. Not for the text itself: json_scan has looked at it
 * before, and values that are strings are read by scalar_text. */
#include "edge/transcode/json_to_message.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "google/protobuf/any.pb-c.h"

#include "edge/transcode/field_value.h"
#include "edge/transcode/json_number.h"
#include "edge/transcode/json_scan.h"
#include "edge/transcode/reading.h"
#include "edge/transcode/scalar_text.h"

static const char type_key[] = "@type";
static const char value_key[] = "value";

static void read_value(struct reading *reading, const struct field_shape *field, const json_t *json,
                       const struct place *place, union field_value *out);

/* ---- Scalars ----------------------------------------------------------------------------------- */

static const char *integer_from_json(struct reading *reading, enum field_kind kind,
                                     const json_t *json, union field_value *out)
{
    if (json_is_integer(json)) {
        const json_int_t value = json_integer_value(json);
        const uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
        return scalar_integer_fit(kind, value < 0, magnitude, out);
    }
    if (json_is_real(json)) {
        const struct json_number *number = json_numbers_of(reading->numbers, json);
        return scalar_integer(kind, number->text, number->len, out);
    }
    if (json_is_string(json))
        return scalar_integer(kind, json_string_value(json), json_string_length(json), out);
    return "must be an integer";
}

static const char *real_from_json(struct reading *reading, enum field_kind kind, const json_t *json,
                                  union field_value *out)
{
    if (json_is_integer(json))
        return scalar_real_fit(kind, json_number_value(json), out);
    if (json_is_real(json)) {
        const struct json_number *number = json_numbers_of(reading->numbers, json);
        return scalar_real(reading, kind, number->text, number->len, out);
    }
    if (json_is_string(json))
        return scalar_real(reading, kind, json_string_value(json), json_string_length(json), out);
    return "must be a number";
}

static const char *enum_from_json(struct reading *reading, const struct field_shape *field,
                                  const json_t *json, union field_value *out)
{
    if (json_is_number(json))
        return integer_from_json(reading, FIELD_ENUM, json, out);
    return scalar_enum(field, json_string_value(json), json_string_length(json), out);
}

/* NULL, or what is wrong. */
static const char *scalar_from_json(struct reading *reading, const struct field_shape *field,
                                    const json_t *json, union field_value *out)
{
    const char *text = json_string_value(json);
    const size_t len = json_string_length(json);

    switch (field->kind) {
    case FIELD_BOOL:
        out->boolean = json_is_true(json);
        return json_is_boolean(json) ? NULL : "must be true or false";
    case FIELD_INT32:
    case FIELD_UINT32:
    case FIELD_INT64:
    case FIELD_UINT64:
        return integer_from_json(reading, field->kind, json, out);
    case FIELD_FLOAT:
    case FIELD_DOUBLE:
        return real_from_json(reading, field->kind, json, out);
    case FIELD_ENUM:
        return enum_from_json(reading, field, json, out);
    case FIELD_STRING:
        return text == NULL ? "must be a string" : scalar_string(reading, text, len, out);
    case FIELD_BYTES:
        return text == NULL ? "must be a string" : scalar_bytes(reading, text, len, out);
    case FIELD_MESSAGE:
        break;
    }
    assert(field->kind != FIELD_MESSAGE);
    return NULL;
}

/* ---- Lists and maps ---------------------------------------------------------------------------- */

static void read_list(struct reading *reading, const struct field_shape *field, const json_t *json,
                      const struct place *place, ProtobufCMessage *message)
{
    const size_t count = json_array_size(json), size = field_value_size(field->kind);
    char *items;

    if (!json_is_array(json)) {
        reading_fail(reading, place, "must be a list");
        return;
    }
    items = arena_array(reading->arena, count, size);
    if (items == NULL) {
        reading_full(reading);
        return;
    }
    for (size_t i = 0; i < count && !reading->is_full; i++) {
        const struct place element = {.parent = place, .index = i};
        union field_value value = {0};
        read_value(reading, field, json_array_get(json, i), &element, &value);
        memcpy(items + i * size, &value, size);
    }
    field_list_set(message, field, items, count);
}

static ProtobufCMessage *read_entry(struct reading *reading,
                                    const struct message_shape *entry_shape, const char *key,
                                    const json_t *json, const struct place *place)
{
    ProtobufCMessage *entry = field_message_new(entry_shape, reading->arena);
    union field_value key_value, value = {0};

    key_value.string = arena_strdup(reading->arena, key);
    if (entry == NULL || key_value.string == NULL) {
        reading_full(reading);
        return NULL;
    }
    field_set(entry, &entry_shape->fields[0], &key_value);
    read_value(reading, &entry_shape->fields[1], json, place, &value);
    field_set(entry, &entry_shape->fields[1], &value);
    return entry;
}

static void read_map(struct reading *reading, const struct field_shape *field, json_t *json,
                     const struct place *place, ProtobufCMessage *message)
{
    ProtobufCMessage **entries;
    size_t count = 0;
    const char *key;
    json_t *value;

    if (!json_is_object(json)) {
        reading_fail(reading, place, "must be an object");
        return;
    }
    entries = ARENA_POINTERS(reading->arena, json_object_size(json));
    if (entries == NULL) {
        reading_full(reading);
        return;
    }
    json_object_foreach(json, key, value)
    {
        const struct place element = {.parent = place, .name = key, .name_len = strlen(key)};
        entries[count] = read_entry(reading, field->message, key, value, &element);
        if (entries[count++] == NULL)
            return;
    }
    field_list_set(message, field, entries, count);
}

/* ---- Objects ----------------------------------------------------------------------------------- */

static void read_single(struct reading *reading, const struct field_shape *field,
                        const json_t *json, const struct place *place, ProtobufCMessage *message)
{
    union field_value value = {0};

    if (field_oneof_is_taken(message, field)) {
        reading_fail(reading, place, "excludes another field that is given too");
        return;
    }
    read_value(reading, field, json, place, &value);
    field_set(message, field, &value);
}

static void read_field(struct reading *reading, const struct field_shape *field, json_t *json,
                       const struct place *place, struct json_message *out)
{
    const uint64_t bit = UINT64_C(1) << (field->field - out->message->descriptor->fields);

    if ((out->present & bit) != 0) {
        reading_fail(reading, place, "is given twice, in both spellings");
        return;
    }
    out->present |= bit;
    if (json_is_null(json))
        out->null |= bit;
    else if (field->is_map)
        read_map(reading, field, json, place, out->message);
    else if (field->is_repeated)
        read_list(reading, field, json, place, out->message);
    else
        read_single(reading, field, json, place, out->message);
}

/* Members of an object; `key_except` is somebody else's. */
static void read_members(struct reading *reading, const struct message_shape *shape, json_t *object,
                         const char *key_except, const struct place *parent,
                         struct json_message *out)
{
    const char *key;
    json_t *json;

    json_object_foreach(object, key, json)
    {
        const size_t key_len = strlen(key);
        const struct field_shape *field = message_shape_field(shape, key, key_len);
        struct place place = {.parent = parent, .name = key, .name_len = key_len};
        if (reading->is_full)
            return;
        if (key_except != NULL && strcmp(key, key_except) == 0)
            continue;
        if (field == NULL) {
            if (!reading->ignore_unknown)
                reading_fail_unknown(reading, &place, shape->descriptor->name);
            continue;
        }
        place.name = field->field->name;
        place.name_len = field->proto_name_len;
        read_field(reading, field, json, &place, out);
    }
}

static void read_message(struct reading *reading, const struct message_shape *shape, json_t *json,
                         const struct place *place, struct json_message *out);

/* ---- Any --------------------------------------------------------------------------------------- */

static void pack_any(struct reading *reading, Google__Protobuf__Any *any, const char *type_url,
                     const ProtobufCMessage *content)
{
    const size_t size = protobuf_c_message_get_packed_size(content);
    uint8_t *bytes = arena_alloc(reading->arena, size);

    any->type_url = arena_strdup(reading->arena, type_url);
    if (any->type_url == NULL || bytes == NULL) {
        reading_full(reading);
        return;
    }
    any->value =
        (ProtobufCBinaryData){.len = protobuf_c_message_pack(content, bytes), .data = bytes};
}

/* What an Any holds: the other members, or, when the type has a form of its own, "value". */
static void read_any_content(struct reading *reading, const struct message_shape *shape,
                             json_t *object, const struct place *place, struct json_message *out)
{
    const struct place value_place = {
        .parent = place, .name = value_key, .name_len = sizeof(value_key) - 1};
    const char *key;
    json_t *json;

    if (shape->form == FORM_FIELDS) {
        out->message = field_message_new(shape, reading->arena);
        if (out->message == NULL)
            reading_full(reading);
        else
            read_members(reading, shape, object, type_key, place, out);
        return;
    }
    json_object_foreach(object, key, json)
    {
        const struct place other = {.parent = place, .name = key, .name_len = strlen(key)};
        if (strcmp(key, value_key) != 0 && strcmp(key, type_key) != 0 && !reading->ignore_unknown)
            reading_fail_unknown(reading, &other, shape->descriptor->name);
    }
    read_message(reading, shape, json_object_get(object, value_key), &value_place, out);
}

static void read_any(struct reading *reading, const struct message_shapes *shapes, json_t *object,
                     const struct place *place, Google__Protobuf__Any *any)
{
    const struct place type_place = {
        .parent = place, .name = type_key, .name_len = sizeof(type_key) - 1};
    const json_t *type = json_object_get(object, type_key);
    const char *type_url = json_string_value(type);
    const char *slash = type_url == NULL ? NULL : strrchr(type_url, '/');
    const struct message_shape *shape = NULL;
    struct json_message content = {0};

    if (json_object_size(object) == 0)
        return; /* an Any that holds nothing */
    if (slash != NULL && strlen(type_url) == json_string_length(type))
        shape = message_shapes_find_name(shapes, slash + 1, strlen(slash + 1));
    if (shape == NULL) {
        reading_fail(reading, &type_place, "must be the URL of a known type");
        return;
    }
    read_any_content(reading, shape, object, place, &content);
    if (content.message != NULL && !reading->has_failed && !reading->is_full)
        pack_any(reading, any, type_url, content.message);
}

/* ---- Values ------------------------------------------------------------------------------------ */

static void read_object(struct reading *reading, const struct message_shape *shape, json_t *json,
                        const struct place *place, struct json_message *out)
{
    out->message = field_message_new(shape, reading->arena);
    if (out->message == NULL)
        reading_full(reading);
    else if (shape->form == FORM_ANY)
        read_any(reading, shape->shapes, json, place, (void *)out->message);
    else
        read_members(reading, shape, json, NULL, place, out);
}

static void read_message(struct reading *reading, const struct message_shape *shape, json_t *json,
                         const struct place *place, struct json_message *out)
{
    const bool is_object = shape->form == FORM_FIELDS || shape->form == FORM_ANY;
    const char *problem = is_object ? "must be an object" : "must be a string";
    union field_value value = {0};

    if (is_object && json_is_object(json)) {
        read_object(reading, shape, json, place, out);
        return;
    }
    if (!is_object && json_is_string(json)) {
        problem = scalar_message(reading, shape, json_string_value(json), json_string_length(json),
                                 false, &value);
        out->message = value.message;
    }
    if (problem != NULL)
        reading_fail(reading, place, problem);
}

/* One value, of a field that is not repeated or an element of one that is. */
static void read_value(struct reading *reading, const struct field_shape *field, const json_t *json,
                       const struct place *place, union field_value *out)
{
    struct json_message message = {0};
    const char *problem;

    if (json_is_null(json)) {
        reading_fail(reading, place, "must not be null");
    } else if (field->kind == FIELD_MESSAGE) {
        /* jansson's objects are walked without const. */
        read_message(reading, field->message, (json_t *)(uintptr_t)json, place, &message);
        out->message = message.message;
    } else {
        problem = scalar_from_json(reading, field, json, out);
        if (problem != NULL)
            reading_fail(reading, place, problem);
    }
}

/* ---- The text ---------------------------------------------------------------------------------- */

/* jansson's text without the end, which repeats what the caller wrote: it may be a card number. */
static enum status fail_parse(const struct json_text *text, json_error_t *problem,
                              struct error *err)
{
    char *near = strstr(problem->text, " near ");
    const size_t offset = problem->position < 0 ? text->size : (size_t)problem->position;

    if (near != NULL)
        *near = '\0';
    return json_invalid(err, text->text, text->size, offset, problem->text);
}

/* The tree, in which reals are what json_number.h makes of them; NULL with the error set. */
static json_t *parse(const struct json_text *text, struct arena *arena,
                     struct json_numbers *out_numbers, struct error *err)
{
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;
    const char *bytes = text->text;
    json_error_t problem;
    json_t *json;

    if (!json_numbers_take(&bytes, text->size, arena, out_numbers)) {
        error_set(err, REASON_OUT_OF_MEMORY);
        return NULL;
    }
    json = json_loadb(bytes, text->size, flags, &problem);
    if (json != NULL)
        json_numbers_put(out_numbers, json);
    else if (json_error_code(&problem) == json_error_out_of_memory)
        error_set(err, REASON_OUT_OF_MEMORY);
    else
        fail_parse(text, &problem, err);
    return json;
}

enum status json_to_message(const struct message_shape *shape, const struct json_text *text,
                            struct arena *arena, struct json_message *out, struct error *err)
{
    const struct place prefix = {.name = text->prefix, .name_len = strlen(text->prefix)};
    const struct place *root = text->prefix[0] == '\0' ? NULL : &prefix;
    struct json_numbers numbers;
    struct reading reading = {
        .arena = arena, .err = err, .ignore_unknown = text->ignore_unknown, .numbers = &numbers};
    struct json_message result = {0};
    enum status status = json_scan(text->text, text->size, err);
    json_t *json;

    if (status != STATUS_OK)
        return status;
    json = parse(text, arena, &numbers, err);
    if (json == NULL)
        return err->status;
    if (root == NULL && !json_is_object(json) && shape->form == FORM_FIELDS) {
        json_decref(json);
        return json_invalid(err, text->text, text->size, 0, "an object is expected");
    }
    read_message(&reading, shape, json, root, &result);
    json_decref(json);
    status = reading_end(&reading);
    if (status == STATUS_OK)
        *out = result;
    return status;
}
