/* The descriptor of EveryKind, written down as protoc-c prints it. */
#include "every_kind.h"

#include "base/macros.h"

/* clang-format off */
#define FIELD(label_, type_, quantifier, member, id_, descriptor_, default_, flags_) \
    {.name = #member, .id = (id_), .label = PROTOBUF_C_LABEL_##label_, .type = PROTOBUF_C_TYPE_##type_, \
     .quantifier_offset = (quantifier), .offset = offsetof(struct every_kind, member), \
     .descriptor = (descriptor_), .default_value = (default_), .flags = (flags_)}
#define SINGLE(type, member, id, descriptor) FIELD(NONE, type, 0, member, id, descriptor, NULL, 0)
#define TEXT(member, id) FIELD(NONE, STRING, 0, member, id, NULL, &protobuf_c_empty_string, 0)
#define MANY(type, member, id, descriptor, flags) \
    FIELD(REPEATED, type, offsetof(struct every_kind, n_##member), member, id, descriptor, NULL, flags)
#define ONE(type, member, id, descriptor, default) \
    FIELD(NONE, type, offsetof(struct every_kind, choice_case), member, id, descriptor, default, \
          PROTOBUF_C_FIELD_FLAG_ONEOF)
#define PACKED PROTOBUF_C_FIELD_FLAG_PACKED
/* clang-format on */

static const ProtobufCEnumValue color_values[] = {
    {"NEGATIVE", "NEGATIVE", COLOR_NEGATIVE},
    {"COLOR_UNSPECIFIED", "COLOR_UNSPECIFIED", COLOR_UNSPECIFIED},
    {"RED", "RED", COLOR_RED},
    {"DEEP_BLUE", "DEEP_BLUE", COLOR_DEEP_BLUE},
};

static const ProtobufCIntRange color_ranges[] = {{-1, 0}, {0, 4}};

static const ProtobufCEnumValueIndex color_names[] = {
    {"COLOR_UNSPECIFIED", 1}, {"DEEP_BLUE", 3}, {"NEGATIVE", 0}, {"RED", 2}};

static const ProtobufCEnumDescriptor color_descriptor = {
    .magic = PROTOBUF_C__ENUM_DESCRIPTOR_MAGIC,
    .name = "test.v1.Color",
    .n_values = COUNT_OF(color_values),
    .values = color_values,
    .n_value_names = COUNT_OF(color_names),
    .values_by_name = color_names,
    .n_value_ranges = 1,
    .value_ranges = color_ranges,
};

static void count_init(ProtobufCMessage *message);
static void named_init(ProtobufCMessage *message);
static void every_kind_init(ProtobufCMessage *message);

static const ProtobufCFieldDescriptor count_fields[] = {
    {.name = "key",
     .id = 1,
     .label = PROTOBUF_C_LABEL_NONE,
     .type = PROTOBUF_C_TYPE_STRING,
     .offset = offsetof(struct every_kind_count, key),
     .default_value = &protobuf_c_empty_string},
    {.name = "value",
     .id = 2,
     .label = PROTOBUF_C_LABEL_NONE,
     .type = PROTOBUF_C_TYPE_INT64,
     .offset = offsetof(struct every_kind_count, value)},
};

static const ProtobufCFieldDescriptor named_fields[] = {
    {.name = "key",
     .id = 1,
     .label = PROTOBUF_C_LABEL_NONE,
     .type = PROTOBUF_C_TYPE_STRING,
     .offset = offsetof(struct every_kind_named, key),
     .default_value = &protobuf_c_empty_string},
    {.name = "value",
     .id = 2,
     .label = PROTOBUF_C_LABEL_NONE,
     .type = PROTOBUF_C_TYPE_MESSAGE,
     .offset = offsetof(struct every_kind_named, value),
     .descriptor = &every_kind_descriptor},
};

static const ProtobufCIntRange entry_ranges[] = {{1, 0}, {0, 2}};

static const ProtobufCMessageDescriptor count_descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "test.v1.EveryKind.CountsEntry",
    .sizeof_message = sizeof(struct every_kind_count),
    .n_fields = COUNT_OF(count_fields),
    .fields = count_fields,
    .n_field_ranges = 1,
    .field_ranges = entry_ranges,
    .message_init = count_init,
};

static const ProtobufCMessageDescriptor named_descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "test.v1.EveryKind.ByNameEntry",
    .sizeof_message = sizeof(struct every_kind_named),
    .n_fields = COUNT_OF(named_fields),
    .fields = named_fields,
    .n_field_ranges = 1,
    .field_ranges = entry_ranges,
    .message_init = named_init,
};

/* clang-format off */
static const ProtobufCFieldDescriptor every_kind_fields[] = {
    SINGLE(BOOL,     is_on,       1, NULL),
    SINGLE(INT32,    an_int32,    2, NULL),
    SINGLE(FIXED32,  a_uint32,    3, NULL),
    SINGLE(SINT64,   an_int64,    4, NULL),
    SINGLE(UINT64,   a_uint64,    5, NULL),
    SINGLE(FLOAT,    a_float,     6, NULL),
    SINGLE(DOUBLE,   a_double,    7, NULL),
    TEXT(a_text, 8),
    SINGLE(BYTES,    some_bytes,  9, NULL),
    SINGLE(ENUM,     color,      10, &color_descriptor),
    SINGLE(MESSAGE,  inner,      11, &every_kind_descriptor),
    SINGLE(MESSAGE,  a_time,     12, &google__protobuf__timestamp__descriptor),
    SINGLE(MESSAGE,  a_duration, 13, &google__protobuf__duration__descriptor),
    SINGLE(MESSAGE,  a_mask,     14, &google__protobuf__field_mask__descriptor),
    SINGLE(MESSAGE,  any,        15, &google__protobuf__any__descriptor),
    SINGLE(MESSAGE,  empty,      16, &google__protobuf__empty__descriptor),
    MANY(INT32,   many_int32,    17, NULL, PACKED),
    MANY(INT64,   many_int64,    18, NULL, PACKED),
    MANY(STRING,  many_texts,    19, NULL, 0),
    MANY(ENUM,    many_colors,   20, &color_descriptor, PACKED),
    MANY(MESSAGE, many_inner,    21, &every_kind_descriptor, 0),
    MANY(MESSAGE, counts,        22, &count_descriptor, 0),
    MANY(MESSAGE, by_name,       23, &named_descriptor, 0),
    ONE(STRING,   one_text,      24, NULL, &protobuf_c_empty_string),
    ONE(MESSAGE,  one_inner,     25, &every_kind_descriptor, NULL),
    ONE(INT64,    one_int64,     26, NULL, NULL),
    MANY(BOOL,    many_bools,    27, NULL, PACKED),
    MANY(BYTES,   many_bytes,    28, NULL, 0),
    MANY(MESSAGE, many_times,    29, &google__protobuf__timestamp__descriptor, 0),
};
/* clang-format on */

static const ProtobufCIntRange every_kind_ranges[] = {{1, 0}, {0, COUNT_OF(every_kind_fields)}};

const ProtobufCMessageDescriptor every_kind_descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "test.v1.EveryKind",
    .sizeof_message = sizeof(struct every_kind),
    .n_fields = COUNT_OF(every_kind_fields),
    .fields = every_kind_fields,
    .n_field_ranges = 1,
    .field_ranges = every_kind_ranges,
    .message_init = every_kind_init,
};

static void count_init(ProtobufCMessage *message)
{
    const struct every_kind_count init = {.base = PROTOBUF_C_MESSAGE_INIT(&count_descriptor),
                                          .key = (char *)(uintptr_t)protobuf_c_empty_string};

    *(struct every_kind_count *)(void *)message = init;
}

static void named_init(ProtobufCMessage *message)
{
    const struct every_kind_named init = {.base = PROTOBUF_C_MESSAGE_INIT(&named_descriptor),
                                          .key = (char *)(uintptr_t)protobuf_c_empty_string};

    *(struct every_kind_named *)(void *)message = init;
}

static void every_kind_init(ProtobufCMessage *message)
{
    const struct every_kind init = {.base = PROTOBUF_C_MESSAGE_INIT(&every_kind_descriptor),
                                    .a_text = (char *)(uintptr_t)protobuf_c_empty_string};

    *(struct every_kind *)(void *)message = init;
}
