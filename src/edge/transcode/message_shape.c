/* Builds the table of types. Not for values: field_value stores them, the readers and the writer walk
 * the table. */
#include "edge/transcode/message_shape.h"

#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "edge/transcode/json_name.h"

enum {
    SHAPES_SIZE_MAX = 1024 * 1024, /* shop.v1, google.rpc and health take 30 KiB */
    TYPE_NAME_SIZE = 256,
};

struct message_shapes {
    struct arena *arena;
    struct message_shape *first;
};

static const struct {
    const char *name;
    enum message_form form;
} forms[] = {
    {"google.protobuf.Timestamp", FORM_TIMESTAMP},
    {"google.protobuf.Duration", FORM_DURATION},
    {"google.protobuf.FieldMask", FORM_FIELD_MASK},
    {"google.protobuf.Any", FORM_ANY},
};

static const char *const unsupported[] = {
    "google.protobuf.Struct",      "google.protobuf.Value",      "google.protobuf.ListValue",
    "google.protobuf.DoubleValue", "google.protobuf.FloatValue", "google.protobuf.Int64Value",
    "google.protobuf.UInt64Value", "google.protobuf.Int32Value", "google.protobuf.UInt32Value",
    "google.protobuf.BoolValue",   "google.protobuf.BytesValue", "google.protobuf.StringValue",
};

static enum message_form form_of(const char *type_name)
{
    for (size_t i = 0; i < COUNT_OF(unsupported); i++)
        assert(strcmp(type_name, unsupported[i]) != 0);
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        if (strcmp(type_name, forms[i].name) == 0)
            return forms[i].form;
    }
    return FORM_FIELDS;
}

static enum field_kind kind_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL:
        return FIELD_BOOL;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return FIELD_INT32;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return FIELD_UINT32;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return FIELD_INT64;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return FIELD_UINT64;
    case PROTOBUF_C_TYPE_FLOAT:
        return FIELD_FLOAT;
    case PROTOBUF_C_TYPE_DOUBLE:
        return FIELD_DOUBLE;
    case PROTOBUF_C_TYPE_ENUM:
        return FIELD_ENUM;
    case PROTOBUF_C_TYPE_STRING:
        return FIELD_STRING;
    case PROTOBUF_C_TYPE_BYTES:
        return FIELD_BYTES;
    case PROTOBUF_C_TYPE_MESSAGE:
        return FIELD_MESSAGE;
    }
    assert(type <= PROTOBUF_C_TYPE_MESSAGE); /* else the descriptor is broken */
    return FIELD_MESSAGE;
}

/* A map is a repeated message that protoc made up: map field `a_b` of M has entries of type M.ABEntry.
 * Descriptors of protobuf-c do not say so otherwise. */
static bool is_map_entry(const ProtobufCMessageDescriptor *owner,
                         const ProtobufCFieldDescriptor *field)
{
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    const size_t owner_len = strlen(owner->name), name_len = strlen(field->name);
    char name[TYPE_NAME_SIZE];
    size_t len;

    if (field->label != PROTOBUF_C_LABEL_REPEATED || entry->n_fields != 2 ||
        owner_len + name_len + sizeof(".Entry") > sizeof(name))
        return false;
    memcpy(name, owner->name, owner_len);
    name[owner_len] = '.';
    len = owner_len + 1 + json_name_from_proto(field->name, name_len, name + owner_len + 1);
    if (name[owner_len + 1] >= 'a' && name[owner_len + 1] <= 'z')
        name[owner_len + 1] = (char)(name[owner_len + 1] - 'a' + 'A');
    memcpy(name + len, "Entry", sizeof("Entry"));
    return strcmp(entry->name, name) == 0 && strcmp(entry->fields[0].name, "key") == 0 &&
           strcmp(entry->fields[1].name, "value") == 0;
}

static struct message_shape *add_message(struct message_shapes *shapes,
                                         const ProtobufCMessageDescriptor *descriptor);

static bool init_field(struct message_shapes *shapes, struct field_shape *shape,
                       const ProtobufCMessageDescriptor *owner,
                       const ProtobufCFieldDescriptor *field)
{
    const size_t name_len = strlen(field->name);
    char *member = arena_alloc(shapes->arena, name_len + sizeof(",\"\":"));

    if (member == NULL)
        return false;
    *shape = (struct field_shape){.field = field, .kind = kind_of(field->type)};
    shape->is_repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    shape->is_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    shape->proto_name_len = name_len;
    shape->json_name = member + 2;
    shape->json_name_len = json_name_from_proto(field->name, name_len, member + 2);
    member[0] = ',';
    member[1] = '"';
    member[2 + shape->json_name_len] = '"';
    member[3 + shape->json_name_len] = ':';
    shape->member = member;
    shape->member_len = shape->json_name_len + 4;
    if (shape->kind != FIELD_MESSAGE)
        return true;
    shape->message = add_message(shapes, field->descriptor);
    shape->is_map = is_map_entry(owner, field);
    assert(shape->message == NULL || !shape->is_map ||
           shape->message->fields[0].kind == FIELD_STRING);
    return shape->message != NULL;
}

/* The shape of a type, made when it is not there yet. It is in the list before its fields are looked
 * at, so types may contain each other. */
static struct message_shape *add_message(struct message_shapes *shapes,
                                         const ProtobufCMessageDescriptor *descriptor)
{
    struct message_shape *shape = shapes->first;

    while (shape != NULL && shape->descriptor != descriptor)
        shape = shape->next;
    if (shape != NULL)
        return shape;
    assert(descriptor->n_fields <= SHAPE_FIELDS_MAX);
    shape = ARENA_NEW(shapes->arena, struct message_shape);
    if (shape == NULL)
        return NULL;
    shape->descriptor = descriptor;
    shape->form = form_of(descriptor->name);
    shape->shapes = shapes;
    shape->next = shapes->first;
    shapes->first = shape;
    shape->fields = arena_array(shapes->arena, descriptor->n_fields, sizeof(struct field_shape));
    if (shape->fields == NULL)
        return NULL;
    shape->field_count = descriptor->n_fields;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        if (!init_field(shapes, &shape->fields[i], descriptor, &descriptor->fields[i]))
            return NULL;
    }
    return shape;
}

struct message_shapes *message_shapes_new(const ProtobufCMessageDescriptor *const *roots,
                                          size_t root_count)
{
    struct arena *arena = arena_new(SHAPES_SIZE_MAX);
    struct message_shapes *shapes = arena == NULL ? NULL : ARENA_NEW(arena, struct message_shapes);

    if (shapes == NULL) {
        arena_free(arena);
        return NULL;
    }
    shapes->arena = arena;
    for (size_t i = 0; i < root_count; i++) {
        if (add_message(shapes, roots[i]) == NULL) {
            arena_free(arena);
            return NULL;
        }
    }
    return shapes;
}

void message_shapes_free(struct message_shapes *shapes)
{
    if (shapes != NULL)
        arena_free(shapes->arena);
}

const struct message_shape *message_shapes_find(const struct message_shapes *shapes,
                                                const ProtobufCMessageDescriptor *descriptor)
{
    const struct message_shape *shape = shapes->first;

    while (shape != NULL && shape->descriptor != descriptor)
        shape = shape->next;
    return shape;
}

static bool equals(const char *text, size_t text_len, const char *name, size_t name_len)
{
    return text_len == name_len && memcmp(text, name, name_len) == 0;
}

const struct message_shape *message_shapes_find_name(const struct message_shapes *shapes,
                                                     const char *name, size_t name_len)
{
    const struct message_shape *shape = shapes->first;

    while (shape != NULL &&
           !equals(shape->descriptor->name, strlen(shape->descriptor->name), name, name_len))
        shape = shape->next;
    return shape;
}

const struct field_shape *message_shape_field(const struct message_shape *shape, const char *name,
                                              size_t name_len)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct field_shape *field = &shape->fields[i];
        if (equals(field->json_name, field->json_name_len, name, name_len) ||
            equals(field->field->name, field->proto_name_len, name, name_len))
            return field;
    }
    return NULL;
}
