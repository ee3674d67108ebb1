/* How message types look in JSON, worked out once: the name and kind of every field, and which types
 * have a form of their own.
 *
 * A set is built at start from the types a door speaks and never changes afterwards, so any thread
 * may read it. It holds all types its roots are made of; these are also the ones an Any may hold. */
#pragma once

#include "base/macros.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    SHAPE_FIELDS_MAX = 64 /* of one type: sets of fields are the bits of a uint64_t */
};

/* What a value is, whatever its encoding on the wire. */
enum field_kind {
    FIELD_BOOL,
    FIELD_INT32,
    FIELD_UINT32,
    FIELD_INT64,
    FIELD_UINT64,
    FIELD_FLOAT,
    FIELD_DOUBLE,
    FIELD_ENUM,
    FIELD_STRING,
    FIELD_BYTES,
    FIELD_MESSAGE,
};

enum message_form {
    FORM_FIELDS, /* an object with a member per field; Empty is one without any */
    FORM_TIMESTAMP,
    FORM_DURATION,
    FORM_FIELD_MASK,
    FORM_ANY,
};

struct field_shape {
    const ProtobufCFieldDescriptor *field;
    enum field_kind kind;
    bool is_repeated; /* maps too */
    bool is_map;      /* `message` is then the type of its entries; the keys are strings */
    bool is_oneof;
    size_t json_name_len, proto_name_len;
    const char *json_name;
    const char *member; /* ,"productId": */
    size_t member_len;
    const struct message_shape *message; /* of FIELD_MESSAGE */
};

struct message_shape {
    const ProtobufCMessageDescriptor *descriptor;
    enum message_form form;
    size_t field_count; /* as in the descriptor, in the same order */
    struct field_shape *fields;
    const struct message_shapes *shapes; /* the set it is in */
    struct message_shape *next;
};

struct message_shapes;

/* The set of the roots and everything they are made of; NULL when out of memory. No type may be one of
 * the well-known types that are no part of any interface here (wrappers, Struct, Value, ListValue),
 * and no map may have keys other than strings: that is asserted. */
struct message_shapes *message_shapes_new(const ProtobufCMessageDescriptor *const *roots,
                                          size_t root_count) NODISCARD;
void message_shapes_free(struct message_shapes *shapes);

/* NULL when it is not in the set. Look the types of a method up once, not per call. */
const struct message_shape *message_shapes_find(const struct message_shapes *shapes,
                                                const ProtobufCMessageDescriptor *descriptor);
/* By full name ("shop.v1.Product"), which need not end with NUL. */
const struct message_shape *message_shapes_find_name(const struct message_shapes *shapes,
                                                     const char *name, size_t name_len);

/* The field of that name in either spelling; NULL when there is none. */
const struct field_shape *message_shape_field(const struct message_shape *shape, const char *name,
                                              size_t name_len);
