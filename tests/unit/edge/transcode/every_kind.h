/* A message type with a field of every kind there is, as protoc-c would have made it from
 *
 *     message EveryKind {
 *       bool is_on = 1; int32 an_int32 = 2; uint32 a_uint32 = 3; ... the members below, in order
 *       map<string, int64> counts = 22; map<string, EveryKind> by_name = 23;
 *       oneof choice { string one_text = 24; EveryKind one_inner = 25; int64 one_int64 = 26; }
 *     }
 *
 * since the types of the interface have few of them. */
#pragma once

#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/empty.pb-c.h"
#include "google/protobuf/field_mask.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

enum color {
    COLOR_NEGATIVE = -1,
    COLOR_UNSPECIFIED = 0,
    COLOR_RED = 1,
    COLOR_DEEP_BLUE = 2,
};

struct every_kind;

struct every_kind_count {
    ProtobufCMessage base;
    char *key;
    int64_t value;
};

struct every_kind_named {
    ProtobufCMessage base;
    char *key;
    struct every_kind *value;
};

struct every_kind {
    ProtobufCMessage base;
    protobuf_c_boolean is_on;
    int32_t an_int32;
    uint32_t a_uint32;
    int64_t an_int64;
    uint64_t a_uint64;
    float a_float;
    double a_double;
    char *a_text;
    ProtobufCBinaryData some_bytes;
    int32_t color;
    struct every_kind *inner;
    Google__Protobuf__Timestamp *a_time;
    Google__Protobuf__Duration *a_duration;
    Google__Protobuf__FieldMask *a_mask;
    Google__Protobuf__Any *any;
    Google__Protobuf__Empty *empty;
    size_t n_many_int32;
    int32_t *many_int32;
    size_t n_many_int64;
    int64_t *many_int64;
    size_t n_many_texts;
    char **many_texts;
    size_t n_many_colors;
    int32_t *many_colors;
    size_t n_many_inner;
    struct every_kind **many_inner;
    size_t n_counts;
    struct every_kind_count **counts;
    size_t n_by_name;
    struct every_kind_named **by_name;
    uint32_t choice_case; /* the number of the member that is set */
    union {
        char *one_text;
        struct every_kind *one_inner;
        int64_t one_int64;
    };
    size_t n_many_bools;
    protobuf_c_boolean *many_bools;
    size_t n_many_bytes;
    ProtobufCBinaryData *many_bytes;
    size_t n_many_times;
    Google__Protobuf__Timestamp **many_times;
};

extern const ProtobufCMessageDescriptor every_kind_descriptor;
