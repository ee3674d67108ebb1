/* Writes messages by walking their shapes. On the hot path of every answer: the member names stand
 * ready with their quotes, numbers are written by hand. */
#include "edge/transcode/message_to_json.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/field_mask.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

#include "base/number.h"
#include "edge/transcode/base64.h"
#include "edge/transcode/field_value.h"
#include "edge/transcode/json_name.h"
#include "edge/transcode/time_text.h"
#include "service/message.h"

enum {
    ANY_DEPTH_MAX = 8, /* an Any in an Any; deeper ones stay base64 */
};

struct writer {
    struct buf *buf;
    struct arena *arena;
    unsigned any_depth;
};

static void write_message(struct writer *writer, const struct message_shape *shape,
                          const ProtobufCMessage *message);

/* ---- Scalars ----------------------------------------------------------------------------------- */

/* Whether none of eight bytes is a control character, a quote, a backslash or beyond ASCII. Each of these
 * sets the highest bit of its byte in one of the four terms; a borrow may do so too, above such a byte,
 * where it does not matter. */
static bool are_plain(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    const uint64_t quotes = (word ^ ones * '"') - ones;
    const uint64_t backslashes = (word ^ ones * '\\') - ones;

    return (((word - ones * ' ') | quotes | backslashes | word) & highs) == 0;
}

/* Whether the text can be copied as it is: looked at by eight bytes, the last of which may have been seen. */
static bool is_plain(const char *text, size_t len)
{
    uint64_t word = UINT64_C(0x2020202020202020);

    if (len < sizeof(word)) {
        memcpy(&word, text, len);
        return are_plain(word);
    }
    for (size_t at = 0; at < len - sizeof(word); at += sizeof(word)) {
        memcpy(&word, text + at, sizeof(word));
        if (!are_plain(word))
            return false;
    }
    memcpy(&word, text + len - sizeof(word), sizeof(word));
    return are_plain(word);
}

static void write_quoted(struct writer *writer, const char *text, size_t len)
{
    char *out = buf_reserve(writer->buf, len + 2);

    if (out == NULL)
        return;
    out[0] = out[len + 1] = '"';
    memcpy(out + 1, text, len);
}

static void write_string(struct writer *writer, const char *text)
{
    const size_t len = text == NULL ? 0 : strlen(text);

    if (len == 0 || is_plain(text, len)) {
        write_quoted(writer, len == 0 ? "" : text, len);
        return;
    }
    buf_put_char(writer->buf, '"');
    buf_put_json_text(writer->buf, text, len);
    buf_put_char(writer->buf, '"');
}

/* With quotes for 64 bits, which JavaScript would round. */
static void write_digits(struct writer *writer, const char *digits, size_t len, bool is_quoted)
{
    if (is_quoted)
        buf_put_char(writer->buf, '"');
    buf_put(writer->buf, digits, len);
    if (is_quoted)
        buf_put_char(writer->buf, '"');
}

static void write_unsigned(struct writer *writer, uint64_t value, bool is_quoted)
{
    char digits[NUMBER_TEXT_SIZE];

    write_digits(writer, digits, number_print_unsigned(value, digits), is_quoted);
}

static void write_signed(struct writer *writer, int64_t value, bool is_quoted)
{
    char digits[NUMBER_TEXT_SIZE];

    write_digits(writer, digits, number_print(value, digits), is_quoted);
}

/* The shortest text that reads back as the same number. */
static void write_real(struct writer *writer, double value, bool is_float)
{
    char text[32];
    int digit_count = is_float ? 6 : 15;

    if (!isfinite(value)) {
        buf_put_str(writer->buf, isnan(value)  ? "\"NaN\""
                                 : value > 0.0 ? "\"Infinity\""
                                               : "\"-Infinity\"");
        return;
    }
    for (bool is_same = false; !is_same && digit_count <= 17; digit_count++) {
        snprintf(text, sizeof(text), "%.*g", digit_count, value);
        is_same = is_float
                      ? (double)strtof(text, NULL) >= value && (double)strtof(text, NULL) <= value
                      : strtod(text, NULL) >= value && strtod(text, NULL) <= value;
    }
    buf_put_str(writer->buf, text);
}

static void write_enum(struct writer *writer, const struct field_shape *field, int32_t number)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(field->field->descriptor, number);

    if (value == NULL)
        write_signed(writer, number, false);
    else
        write_string(writer, value->name);
}

static void write_bytes(struct writer *writer, const ProtobufCBinaryData *bytes)
{
    buf_put_char(writer->buf, '"');
    base64_put(writer->buf, bytes->data, bytes->len);
    buf_put_char(writer->buf, '"');
}

static void write_value(struct writer *writer, const struct field_shape *field, const void *at)
{
    union field_value value;

    memcpy(&value, at, field_value_size(field->kind));
    switch (field->kind) {
    case FIELD_BOOL:
        buf_put_str(writer->buf, value.boolean ? "true" : "false");
        break;
    case FIELD_INT32:
        write_signed(writer, value.i32, false);
        break;
    case FIELD_UINT32:
        write_unsigned(writer, value.u32, false);
        break;
    case FIELD_INT64:
        write_signed(writer, value.i64, true);
        break;
    case FIELD_UINT64:
        write_unsigned(writer, value.u64, true);
        break;
    case FIELD_FLOAT:
        write_real(writer, (double)value.f32, true);
        break;
    case FIELD_DOUBLE:
        write_real(writer, value.f64, false);
        break;
    case FIELD_ENUM:
        write_enum(writer, field, value.i32);
        break;
    case FIELD_STRING:
        write_string(writer, value.string);
        break;
    case FIELD_BYTES:
        write_bytes(writer, &value.bytes);
        break;
    case FIELD_MESSAGE:
        if (value.message == NULL) /* an entry of a map may come without its value */
            buf_put_str(writer->buf, "{}");
        else
            write_message(writer, field->message, value.message);
        break;
    }
}

/* ---- Messages that are one text ---------------------------------------------------------------- */

static void write_text(struct writer *writer, const char *text, size_t len)
{
    if (len == 0) {
        writer->buf->failed = true;
        return;
    }
    write_quoted(writer, text, len);
}

static void write_timestamp(struct writer *writer, const ProtobufCMessage *message)
{
    const Google__Protobuf__Timestamp *timestamp = (const void *)message;
    char text[TIMESTAMP_TEXT_SIZE];

    write_text(writer, text, timestamp_format(timestamp->seconds, timestamp->nanos, text));
}

static void write_duration(struct writer *writer, const ProtobufCMessage *message)
{
    const Google__Protobuf__Duration *duration = (const void *)message;
    char text[DURATION_TEXT_SIZE];

    write_text(writer, text, duration_format(duration->seconds, duration->nanos, text));
}

/* A path is written only if it reads back as the same: no upper case, '_' before a letter only. */
static void write_mask_path(struct writer *writer, const char *path)
{
    const size_t len = strlen(path);
    char name[MASK_PATH_LEN_MAX], back[2 * MASK_PATH_LEN_MAX];
    size_t name_len, back_len;

    if (strcmp(path, "*") == 0) {
        buf_put_char(writer->buf, '*');
        return;
    }
    if (len == 0 || len > sizeof(name)) {
        writer->buf->failed = true;
        return;
    }
    name_len = json_name_from_proto(path, len, name);
    back_len = json_name_to_proto(name, name_len, back);
    if (back_len != len || memcmp(back, path, len) != 0)
        writer->buf->failed = true;
    buf_put(writer->buf, name, name_len);
}

static void write_field_mask(struct writer *writer, const ProtobufCMessage *message)
{
    const Google__Protobuf__FieldMask *mask = (const void *)message;

    buf_put_char(writer->buf, '"');
    for (size_t i = 0; i < mask->n_paths; i++) {
        if (i > 0)
            buf_put_char(writer->buf, ',');
        write_mask_path(writer, mask->paths[i]);
    }
    buf_put_char(writer->buf, '"');
}

/* ---- Objects ----------------------------------------------------------------------------------- */

static void write_list(struct writer *writer, const struct field_shape *field,
                       const struct field_list *list)
{
    const size_t size = field_value_size(field->kind);

    buf_put_char(writer->buf, '[');
    for (size_t i = 0; i < list->count && !writer->buf->failed; i++) {
        if (i > 0)
            buf_put_char(writer->buf, ',');
        write_value(writer, field, list->items + i * size);
    }
    buf_put_char(writer->buf, ']');
}

static void write_map(struct writer *writer, const struct field_shape *field,
                      const struct field_list *list)
{
    const struct field_shape *key = &field->message->fields[0], *value = &field->message->fields[1];

    buf_put_char(writer->buf, '{');
    for (size_t i = 0; i < list->count && !writer->buf->failed; i++) {
        const ProtobufCMessage *entry;
        memcpy(&entry, list->items + i * sizeof(void *), sizeof(void *));
        if (i > 0)
            buf_put_char(writer->buf, ',');
        write_value(writer, key, field_at(entry, key));
        buf_put_char(writer->buf, ':');
        write_value(writer, value, field_at(entry, value));
    }
    buf_put_char(writer->buf, '}');
}

static void write_repeated(struct writer *writer, const struct field_shape *field,
                           const ProtobufCMessage *message)
{
    const struct field_list list = field_list_of(message, field);

    if (field->is_map)
        write_map(writer, field, &list);
    else
        write_list(writer, field, &list);
}

/* The members of an object; `is_first` when nothing stands before them in it. */
static void write_members(struct writer *writer, const struct message_shape *shape,
                          const ProtobufCMessage *message, bool is_first)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct field_shape *field = &shape->fields[i];
        if (!field->is_repeated && !field_is_set(message, field))
            continue;
        buf_put(writer->buf, field->member + is_first, field->member_len - is_first);
        is_first = false;
        if (field->is_repeated)
            write_repeated(writer, field, message);
        else
            write_value(writer, field, field_at(message, field));
    }
}

/* ---- Any --------------------------------------------------------------------------------------- */

static ProtobufCMessage *unpack_any(struct writer *writer, const struct message_shape *shape,
                                    const Google__Protobuf__Any *any)
{
    struct error ignored = {0};
    ProtobufCMessage *message = NULL;

    if (shape == NULL || writer->any_depth >= ANY_DEPTH_MAX)
        return NULL;
    if (call_unpack(shape->descriptor, any->value.data, any->value.len, writer->arena, &message,
                    &ignored) != STATUS_OK)
        return NULL;
    return message;
}

static void write_any(struct writer *writer, const struct message_shapes *shapes,
                      const ProtobufCMessage *message)
{
    const Google__Protobuf__Any *any = (const void *)message;
    const char *slash = strrchr(any->type_url, '/');
    const char *name = slash == NULL ? any->type_url : slash + 1;
    const struct message_shape *shape = message_shapes_find_name(shapes, name, strlen(name));
    const ProtobufCMessage *content;

    if (any->type_url[0] == '\0') {
        buf_put_str(writer->buf, "{}"); /* an Any that holds nothing */
        return;
    }
    content = unpack_any(writer, shape, any);
    writer->any_depth++;
    buf_put_str(writer->buf, "{\"@type\":");
    write_string(writer, any->type_url);
    if (content != NULL && shape->form == FORM_FIELDS) {
        write_members(writer, shape, content, false);
    } else {
        buf_put_str(writer->buf, ",\"value\":");
        if (content != NULL)
            write_message(writer, shape, content);
        else
            write_bytes(writer, &any->value);
    }
    buf_put_char(writer->buf, '}');
    writer->any_depth--;
}

static void write_message(struct writer *writer, const struct message_shape *shape,
                          const ProtobufCMessage *message)
{
    assert(message->descriptor == shape->descriptor);
    switch (shape->form) {
    case FORM_FIELDS:
        buf_put_char(writer->buf, '{');
        write_members(writer, shape, message, true);
        buf_put_char(writer->buf, '}');
        break;
    case FORM_TIMESTAMP:
        write_timestamp(writer, message);
        break;
    case FORM_DURATION:
        write_duration(writer, message);
        break;
    case FORM_FIELD_MASK:
        write_field_mask(writer, message);
        break;
    case FORM_ANY:
        write_any(writer, shape->shapes, message);
        break;
    }
}

bool message_to_json(const struct message_shape *shape, const ProtobufCMessage *message,
                     struct arena *arena, struct buf *buf)
{
    struct writer writer = {.buf = buf, .arena = arena};

    write_message(&writer, shape, message);
    return !buf->failed;
}
