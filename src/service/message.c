/* Walking and unpacking the bytes of a request. Not for what its fields mean, which is validate's.
 *
 * protobuf-c answers a malformed message with NULL and no reason, and needs memory in proportion to
 * the number of fields; the walk knows both before the first allocation. */
#include "service/message.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"

enum {
    VARINT_LEN_MAX = 10,
    TAG_LEN_MAX = 5,
    FIELD_NUMBER_MAX = (1 << 29) - 1,
    FIELDS_PER_TYPE_MAX = 32, /* of our own message types */
};

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5,
};

/* Bytes not read yet. */
struct wire {
    const uint8_t *at, *end;
};

struct walk {
    struct arena *arena;
    struct error *err;
    uint32_t fields_left;
};

/* Where a value stands: a chain of fields from the message itself. */
struct place {
    const struct place *parent;
    const ProtobufCFieldDescriptor *field;
    uint32_t index; /* of a repeated field */
    uint32_t depth;
};

/* ---- The wire format ----------------------------------------------------------------------- */

static bool wire_varint(struct wire *wire, size_t len_max, uint64_t *out_value)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len_max && wire->at < wire->end; i++) {
        uint8_t byte = *wire->at++;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            *out_value = value;
            return true;
        }
    }
    return false;
}

static bool wire_skip(struct wire *wire, uint64_t size)
{
    if (size > (uint64_t)(wire->end - wire->at))
        return false;
    wire->at += size;
    return true;
}

/* The next field: number, wire type, and of WIRE_BYTES the bytes in it. */
static bool wire_field(struct wire *wire, uint32_t *out_number, uint32_t *out_type,
                       struct wire *out_bytes)
{
    uint64_t tag, value;

    if (!wire_varint(wire, TAG_LEN_MAX, &tag) || tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
        return false;
    *out_number = (uint32_t)(tag >> 3);
    *out_type = (uint32_t)(tag & 7);
    *out_bytes = (struct wire){0};
    switch (*out_type) {
    case WIRE_VARINT:
        return wire_varint(wire, VARINT_LEN_MAX, &value);
    case WIRE_FIXED64:
        return wire_skip(wire, 8);
    case WIRE_FIXED32:
        return wire_skip(wire, 4);
    case WIRE_BYTES:
        if (!wire_varint(wire, VARINT_LEN_MAX, &value))
            return false;
        out_bytes->at = wire->at;
        if (!wire_skip(wire, value))
            return false;
        out_bytes->end = wire->at;
        return true;
    default: /* groups, which nobody has sent since proto2, and numbers that mean nothing */
        return false;
    }
}

static enum wire_type wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
        return WIRE_VARINT;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_FIXED32;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    }
    assert(type <= PROTOBUF_C_TYPE_MESSAGE); /* else the descriptor is broken */
    return WIRE_BYTES;
}

static bool wire_type_fits(const ProtobufCFieldDescriptor *field, uint32_t type)
{
    bool may_be_packed = field->label == PROTOBUF_C_LABEL_REPEATED;

    return type == wire_type_of(field->type) || (type == WIRE_BYTES && may_be_packed);
}

/* ---- Places -------------------------------------------------------------------------------- */

/* Writes "lines[2].product_id"; returns the length, cut at the size of `out`. */
static size_t place_write(const struct place *place, char *out, size_t size)
{
    size_t len = 0;
    int written;

    if (place->parent != NULL && place->parent->field != NULL)
        len = place_write(place->parent, out, size);
    written = snprintf(out + len, size - len, "%s%s", len == 0 ? "" : ".", place->field->name);
    len = MIN_OF(len + (size_t)written, size - 1);
    if (place->field->label == PROTOBUF_C_LABEL_REPEATED) {
        written = snprintf(out + len, size - len, "[%u]", place->index);
        len = MIN_OF(len + (size_t)written, size - 1);
    }
    return len;
}

static void check_string(struct walk *walk, const struct place *place, const struct wire *bytes)
{
    const char *text = (const char *)bytes->at;
    size_t len = (size_t)(bytes->end - bytes->at);
    bool has_nul = len > 0 && memchr(text, '\0', len) != NULL;
    char path[MESSAGE_FIELD_PATH_SIZE];

    if (!has_nul && text_is_utf8(text, len))
        return;
    place_write(place, path, sizeof(path));
    error_add_field(walk->err, walk->arena, path, "%s",
                    has_nul ? "must not contain a NUL character" : "is not valid UTF-8");
}

/* ---- The walk ------------------------------------------------------------------------------ */

static bool walk_message(struct walk *walk, const ProtobufCMessageDescriptor *descriptor,
                         struct wire wire, const struct place *parent);

static bool walk_value(struct walk *walk, const struct place *place, const struct wire *bytes)
{
    const ProtobufCFieldDescriptor *field = place->field;

    if (field->type == PROTOBUF_C_TYPE_STRING)
        check_string(walk, place, bytes);
    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return true;
    if (place->depth > MESSAGE_DEPTH_MAX)
        return false;
    return walk_message(walk, field->descriptor, *bytes, place);
}

/* False when the bytes are not such a message; violations of strings are noted on the way. */
static bool walk_message(struct walk *walk, const ProtobufCMessageDescriptor *descriptor,
                         struct wire wire, const struct place *parent)
{
    uint32_t counts[FIELDS_PER_TYPE_MAX] = {0}, number, type;
    struct wire bytes;

    assert(descriptor->n_fields <= FIELDS_PER_TYPE_MAX);
    while (wire.at < wire.end) {
        struct place place = {.parent = parent, .depth = parent->depth + 1};
        if (walk->fields_left-- == 0 || !wire_field(&wire, &number, &type, &bytes))
            return false;
        place.field = protobuf_c_message_descriptor_get_field(descriptor, number);
        if (place.field == NULL)
            continue;
        if (!wire_type_fits(place.field, type))
            return false;
        place.index = counts[place.field - descriptor->fields]++;
        if (!walk_value(walk, &place, &bytes))
            return false;
    }
    return true;
}

enum status message_check(const ProtobufCMessageDescriptor *descriptor, const void *bytes,
                          size_t size, struct arena *arena, struct error *err)
{
    static const uint8_t nothing[1];
    const uint8_t *begin = size == 0 ? nothing : bytes;
    struct wire wire = {.at = begin, .end = begin + size};
    struct place root = {0};
    struct error found = {0};
    struct walk walk = {.arena = arena, .err = &found, .fields_left = MESSAGE_FIELDS_MAX};

    if (!walk_message(&walk, descriptor, wire, &root))
        return error_set(err, REASON_MESSAGE_INVALID);
    if (error_is_set(&found))
        *err = found;
    return found.status;
}

/* ---- Unpacking ----------------------------------------------------------------------------- */

struct arena_allocator {
    ProtobufCAllocator base;
    struct arena *arena;
    bool is_full;
};

static void *allocator_alloc(void *data, size_t size)
{
    struct arena_allocator *allocator = data;
    void *memory = arena_alloc(allocator->arena, size);

    allocator->is_full |= memory == NULL;
    return memory;
}

static void allocator_free(UNUSED void *data, UNUSED void *memory)
{
    /* It goes with the arena. */
}

enum status call_unpack(const ProtobufCMessageDescriptor *descriptor, const void *bytes,
                        size_t size, struct arena *arena, ProtobufCMessage **out_message,
                        struct error *err)
{
    struct arena_allocator allocator = {.arena = arena};
    ProtobufCMessage *message;

    allocator.base = (ProtobufCAllocator){
        .alloc = allocator_alloc, .free = allocator_free, .allocator_data = &allocator};
    if (size > LIMIT_MESSAGE_SIZE)
        return error_set(err, REASON_MESSAGE_TOO_LARGE);
    if (message_check(descriptor, bytes, size, arena, err) != STATUS_OK)
        return err->status;
    message = protobuf_c_message_unpack(descriptor, &allocator.base, size, bytes);
    if (message == NULL)
        return error_set(err, allocator.is_full ? REASON_OUT_OF_MEMORY : REASON_MESSAGE_INVALID);
    *out_message = message;
    return STATUS_OK;
}
