/* Parsing of single values, exactly: an integer never takes the way over a double. Not for JSON's own
 * literals and short integers, which json_to_message has from jansson. */
#include "edge/transcode/scalar_text.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/field_mask.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

#include "base/text.h"
#include "edge/transcode/base64.h"
#include "edge/transcode/json_name.h"
#include "edge/transcode/time_text.h"

enum {
    EXPONENT_MAX = 100 * 1000 * 1000 /* far beyond any number; larger ones are cut to it */
};

/* From here on a double is nearer to the next power of two than to the largest float. */
static const double FLOAT_END = 0x1.ffffffp127;

static const char not_integer[] = "must be an integer";
static const char not_number[] = "must be a number";
static const char out_of_range[] = "is out of range";

/* ---- The grammar of numbers -------------------------------------------------------------------- */

/* A number taken apart: [-]whole[.fraction][e exponent]. */
struct decimal {
    bool is_negative;
    const char *whole, *fraction;
    size_t whole_len, fraction_len;
    int64_t exponent;
};

static size_t digits_len(const char *text, size_t len)
{
    size_t count = 0;

    while (count < len && text[count] >= '0' && text[count] <= '9')
        count++;
    return count;
}

/* "e-12"; returns the length, 0 when it is none. */
static size_t exponent_len(const char *text, size_t len, int64_t *out_exponent)
{
    bool is_negative;
    size_t at = 1, end;
    int64_t value = 0;

    if (len < 2 || (text[0] != 'e' && text[0] != 'E'))
        return 0;
    is_negative = text[1] == '-';
    at += text[1] == '-' || text[1] == '+';
    end = at + digits_len(text + at, len - at);
    if (end == at)
        return 0;
    for (; at < end; at++)
        value = MIN_OF(value * 10 + (text[at] - '0'), EXPONENT_MAX);
    *out_exponent = is_negative ? -value : value;
    return end;
}

static bool decimal_parse(const char *text, size_t len, struct decimal *out)
{
    size_t at = 0;

    *out = (struct decimal){0};
    if (len > 0 && text[0] == '-') {
        out->is_negative = true;
        at = 1;
    }
    out->whole = text + at;
    out->whole_len = digits_len(text + at, len - at);
    at += out->whole_len;
    if (out->whole_len == 0 || (out->whole_len > 1 && out->whole[0] == '0'))
        return false;
    if (at < len && text[at] == '.') {
        out->fraction = text + at + 1;
        out->fraction_len = digits_len(out->fraction, len - at - 1);
        at += 1 + out->fraction_len;
        if (out->fraction_len == 0)
            return false;
    }
    return at == len || at + exponent_len(text + at, len - at, &out->exponent) == len;
}

bool scalar_is_number(const char *text, size_t len)
{
    struct decimal decimal;

    return decimal_parse(text, len, &decimal);
}

static int decimal_digit(const struct decimal *decimal, size_t index)
{
    const char digit = index < decimal->whole_len ? decimal->whole[index]
                                                  : decimal->fraction[index - decimal->whole_len];
    return digit - '0';
}

/* The number without its sign. NULL, or what is wrong. */
static const char *decimal_magnitude(const struct decimal *decimal, uint64_t *out)
{
    const size_t digit_count = decimal->whole_len + decimal->fraction_len;
    /* How many of the digits stand before the point. */
    const int64_t point = (int64_t)decimal->whole_len + decimal->exponent;
    uint64_t value = 0;

    for (size_t i = 0; i < digit_count; i++) {
        const int digit = decimal_digit(decimal, i);
        if ((int64_t)i >= point) {
            if (digit != 0)
                return not_integer;
        } else if (__builtin_mul_overflow(value, 10, &value) ||
                   __builtin_add_overflow(value, (uint64_t)digit, &value)) {
            return out_of_range;
        }
    }
    for (int64_t i = (int64_t)digit_count; value != 0 && i < point; i++) {
        if (__builtin_mul_overflow(value, 10, &value))
            return out_of_range;
    }
    *out = value;
    return NULL;
}

/* ---- Integers ---------------------------------------------------------------------------------- */

static const char *fit_signed(enum field_kind kind, bool is_negative, uint64_t magnitude,
                              union field_value *out)
{
    const uint64_t max = kind == FIELD_INT64 ? INT64_MAX : INT32_MAX;
    int64_t value;

    if (magnitude > max + (is_negative ? 1 : 0))
        return out_of_range;
    /* -(m - 1) - 1: the smallest number has no positive twin. */
    value = is_negative && magnitude > 0 ? -(int64_t)(magnitude - 1) - 1 : (int64_t)magnitude;
    if (kind == FIELD_INT64)
        out->i64 = value;
    else
        out->i32 = (int32_t)value;
    return NULL;
}

const char *scalar_integer_fit(enum field_kind kind, bool is_negative, uint64_t magnitude,
                               union field_value *out)
{
    const bool is_unsigned = kind == FIELD_UINT32 || kind == FIELD_UINT64;

    assert(is_unsigned || kind == FIELD_INT32 || kind == FIELD_INT64 || kind == FIELD_ENUM);
    if (!is_unsigned)
        return fit_signed(kind, is_negative, magnitude, out);
    if ((is_negative && magnitude > 0) || (kind == FIELD_UINT32 && magnitude > UINT32_MAX))
        return out_of_range;
    if (kind == FIELD_UINT64)
        out->u64 = magnitude;
    else
        out->u32 = (uint32_t)magnitude;
    return NULL;
}

const char *scalar_integer(enum field_kind kind, const char *text, size_t len,
                           union field_value *out)
{
    struct decimal decimal;
    const char *problem;
    uint64_t magnitude;

    if (!decimal_parse(text, len, &decimal))
        return not_integer;
    problem = decimal_magnitude(&decimal, &magnitude);
    return problem != NULL ? problem
                           : scalar_integer_fit(kind, decimal.is_negative, magnitude, out);
}

/* ---- Reals ------------------------------------------------------------------------------------- */

const char *scalar_real_fit(enum field_kind kind, double number, union field_value *out)
{
    if (kind == FIELD_DOUBLE) {
        out->f64 = number;
        return NULL;
    }
    assert(kind == FIELD_FLOAT);
    if (isfinite(number) && fabs(number) >= FLOAT_END)
        return out_of_range;
    out->f32 = (float)number;
    return NULL;
}

static bool text_is(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(text, word, len) == 0;
}

const char *scalar_real(struct reading *reading, enum field_kind kind, const char *text, size_t len,
                        union field_value *out)
{
    struct decimal decimal;
    const char *copy;
    double number;

    if (text_is(text, len, "NaN"))
        return scalar_real_fit(kind, (double)NAN, out);
    if (text_is(text, len, "Infinity") || text_is(text, len, "-Infinity"))
        return scalar_real_fit(kind, text[0] == '-' ? -(double)INFINITY : (double)INFINITY, out);
    if (!decimal_parse(text, len, &decimal))
        return not_number;
    copy = arena_strndup(reading->arena, text, len);
    if (copy == NULL)
        return reading_full(reading);
    number = strtod(copy, NULL);
    return isfinite(number) ? scalar_real_fit(kind, number, out) : out_of_range;
}

/* ---- Texts, bytes, names ----------------------------------------------------------------------- */

const char *scalar_enum(const struct field_shape *field, const char *text, size_t len,
                        union field_value *out)
{
    const ProtobufCEnumDescriptor *descriptor = field->field->descriptor;

    for (unsigned i = 0; i < descriptor->n_value_names; i++) {
        const ProtobufCEnumValueIndex *value = &descriptor->values_by_name[i];
        if (text_is(text, len, value->name)) {
            out->i32 = descriptor->values[value->index].value;
            return NULL;
        }
    }
    return "must be a name or number of the enumeration";
}

const char *scalar_string(struct reading *reading, const char *text, size_t len,
                          union field_value *out)
{
    if (len > 0 && memchr(text, '\0', len) != NULL)
        return "must not contain a NUL character";
    if (!text_is_utf8(text, len))
        return "is not valid UTF-8";
    out->string = arena_strndup(reading->arena, text, len);
    return out->string == NULL ? reading_full(reading) : NULL;
}

const char *scalar_bytes(struct reading *reading, const char *text, size_t len,
                         union field_value *out)
{
    uint8_t *bytes = arena_alloc(reading->arena, BASE64_DECODED_SIZE(len));
    size_t size;

    if (bytes == NULL)
        return reading_full(reading);
    if (!base64_decode(text, len, bytes, &size))
        return "must be base64";
    out->bytes = (ProtobufCBinaryData){.len = size, .data = bytes};
    return NULL;
}

/* ---- Messages that are one text in JSON -------------------------------------------------------- */

static const char *read_timestamp(ProtobufCMessage *message, const char *text, size_t len)
{
    Google__Protobuf__Timestamp *timestamp = (void *)message;

    if (!timestamp_parse(text, len, &timestamp->seconds, &timestamp->nanos))
        return "must be a time of the years 1 to 9999, such as 2026-02-28T09:30:00Z";
    return NULL;
}

static const char *read_duration(ProtobufCMessage *message, const char *text, size_t len)
{
    Google__Protobuf__Duration *duration = (void *)message;

    if (!duration_parse(text, len, &duration->seconds, &duration->nanos))
        return "must be a duration of at most 10,000 years, such as 1.5s";
    return NULL;
}

/* One path of a mask, in the spelling of the protos; "*" stands for all fields. */
static const char *read_mask_path(struct reading *reading, const char *text, size_t len,
                                  bool any_spelling, char **out_path)
{
    char *path = arena_alloc(reading->arena, 2 * len + 1);
    size_t path_len;

    if (path == NULL)
        return reading_full(reading);
    path_len = json_name_to_proto(text, len, path);
    if (text_is(text, len, "*"))
        path[path_len++] = '*';
    if (path_len == 0 || path_len > MASK_PATH_LEN_MAX ||
        (!any_spelling && memchr(text, '_', len) != NULL))
        return "must be paths of fields with commas between them, such as name,createTime";
    path[path_len] = '\0';
    *out_path = path;
    return NULL;
}

static const char *read_mask(struct reading *reading, ProtobufCMessage *message, const char *text,
                             size_t len, bool any_spelling)
{
    Google__Protobuf__FieldMask *mask = (void *)message;
    const char *problem = NULL, *end = text + len;
    size_t path_count = len > 0;

    for (size_t i = 0; i < len; i++)
        path_count += text[i] == ',';
    mask->paths = ARENA_POINTERS(reading->arena, path_count);
    if (mask->paths == NULL)
        return reading_full(reading);
    while (mask->n_paths < path_count && problem == NULL) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const size_t path_len = (size_t)((comma == NULL ? end : comma) - text);
        problem =
            read_mask_path(reading, text, path_len, any_spelling, &mask->paths[mask->n_paths++]);
        text += path_len + (comma != NULL);
    }
    return problem;
}

const char *scalar_message(struct reading *reading, const struct message_shape *shape,
                           const char *text, size_t len, bool any_spelling, union field_value *out)
{
    if (shape->form == FORM_FIELDS || shape->form == FORM_ANY)
        return "must be an object";
    out->message = field_message_new(shape, reading->arena);
    if (out->message == NULL)
        return reading_full(reading);
    if (shape->form == FORM_TIMESTAMP)
        return read_timestamp(out->message, text, len);
    if (shape->form == FORM_DURATION)
        return read_duration(out->message, text, len);
    return read_mask(reading, out->message, text, len, any_spelling);
}
