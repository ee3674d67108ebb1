/* Values in the structs of protobuf-c, by descriptor: where they stand and how it is noted that they
 * are there. */
#pragma once

#include "base/arena.h"
#include "edge/transcode/message_shape.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

union field_value {
    protobuf_c_boolean boolean;
    int32_t i32; /* enums too */
    uint32_t u32;
    int64_t i64;
    uint64_t u64;
    float f32;
    double f64;
    char *string;
    ProtobufCBinaryData bytes;
    ProtobufCMessage *message;
};

/* Bytes a value of that kind takes in a struct or list. */
size_t field_value_size(enum field_kind kind);

/* A message with all fields unset; NULL when the arena is full. */
ProtobufCMessage *field_message_new(const struct message_shape *shape, struct arena *arena)
    NODISCARD;

/* ---- Fields that are not repeated -------------------------------------------------------------- */

/* Also notes that the field is there (has_x, the case of a oneof). */
void field_set(ProtobufCMessage *message, const struct field_shape *field,
               const union field_value *value);
/* Whether JSON tells it: an unset message, member of a oneof or `optional` field is left out. */
bool field_is_set(const ProtobufCMessage *message, const struct field_shape *field);
/* Whether any member of the field's oneof is set; false for a field outside of one. */
bool field_oneof_is_taken(const ProtobufCMessage *message, const struct field_shape *field);
const void *field_at(const ProtobufCMessage *message, const struct field_shape *field);

/* ---- Repeated fields ----------------------------------------------------------------------------- */

struct field_list {
    size_t count;
    const char *items; /* each of field_value_size() */
};

struct field_list field_list_of(const ProtobufCMessage *message, const struct field_shape *field);
/* Makes `items`, which has room for `count` values and lives as long as the message, its list. */
void field_list_set(ProtobufCMessage *message, const struct field_shape *field, void *items,
                    size_t count);
