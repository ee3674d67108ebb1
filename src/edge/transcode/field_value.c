/* Reads and writes members of generated structs through their descriptors. Not for text of any kind. */
#include "edge/transcode/field_value.h"

#include <assert.h>
#include <string.h>

size_t field_value_size(enum field_kind kind)
{
    switch (kind) {
    case FIELD_BOOL:
        return sizeof(protobuf_c_boolean);
    case FIELD_INT32:
    case FIELD_UINT32:
    case FIELD_ENUM: /* protobuf-c makes every enum as large as an int */
    case FIELD_FLOAT:
        return sizeof(int32_t);
    case FIELD_INT64:
    case FIELD_UINT64:
    case FIELD_DOUBLE:
        return sizeof(int64_t);
    case FIELD_STRING:
    case FIELD_MESSAGE:
        return sizeof(void *);
    case FIELD_BYTES:
        return sizeof(ProtobufCBinaryData);
    }
    assert(kind <= FIELD_MESSAGE);
    return 0;
}

ProtobufCMessage *field_message_new(const struct message_shape *shape, struct arena *arena)
{
    ProtobufCMessage *message = arena_alloc(arena, shape->descriptor->sizeof_message);

    if (message != NULL)
        protobuf_c_message_init(shape->descriptor, message);
    return message;
}

static void *member(ProtobufCMessage *message, unsigned offset)
{
    return (char *)message + offset;
}

static const void *member_const(const ProtobufCMessage *message, unsigned offset)
{
    return (const char *)message + offset;
}

/* Texts and messages that are `optional` are unset by being NULL, all others by has_x. */
static bool has_flag(const struct field_shape *field)
{
    return field->field->label == PROTOBUF_C_LABEL_OPTIONAL && field->kind != FIELD_STRING &&
           field->kind != FIELD_MESSAGE;
}

static uint32_t oneof_case(const ProtobufCMessage *message, const struct field_shape *field)
{
    uint32_t id;

    memcpy(&id, member_const(message, field->field->quantifier_offset), sizeof(id));
    return id;
}

void field_set(ProtobufCMessage *message, const struct field_shape *field,
               const union field_value *value)
{
    const protobuf_c_boolean yes = 1;

    assert(!field->is_repeated);
    memcpy(member(message, field->field->offset), value, field_value_size(field->kind));
    if (field->is_oneof)
        memcpy(member(message, field->field->quantifier_offset), &field->field->id,
               sizeof(field->field->id));
    else if (has_flag(field))
        memcpy(member(message, field->field->quantifier_offset), &yes, sizeof(yes));
}

const void *field_at(const ProtobufCMessage *message, const struct field_shape *field)
{
    return member_const(message, field->field->offset);
}

bool field_is_set(const ProtobufCMessage *message, const struct field_shape *field)
{
    const void *pointer;
    protobuf_c_boolean has;

    if (field->is_oneof && oneof_case(message, field) != field->field->id)
        return false;
    if (field->kind == FIELD_MESSAGE ||
        (field->kind == FIELD_STRING && field->field->label == PROTOBUF_C_LABEL_OPTIONAL)) {
        memcpy(&pointer, field_at(message, field), sizeof(pointer));
        return pointer != NULL && pointer != field->field->default_value;
    }
    if (field->is_oneof || !has_flag(field))
        return true;
    memcpy(&has, member_const(message, field->field->quantifier_offset), sizeof(has));
    return has != 0;
}

bool field_oneof_is_taken(const ProtobufCMessage *message, const struct field_shape *field)
{
    return field->is_oneof && oneof_case(message, field) != 0;
}

struct field_list field_list_of(const ProtobufCMessage *message, const struct field_shape *field)
{
    struct field_list list;

    assert(field->is_repeated);
    memcpy(&list.count, member_const(message, field->field->quantifier_offset), sizeof(list.count));
    memcpy(&list.items, field_at(message, field), sizeof(list.items));
    return list;
}

void field_list_set(ProtobufCMessage *message, const struct field_shape *field, void *items,
                    size_t count)
{
    assert(field->is_repeated);
    memcpy(member(message, field->field->quantifier_offset), &count, sizeof(count));
    memcpy(member(message, field->field->offset), &items, sizeof(items));
}
