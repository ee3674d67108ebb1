/* Single values from text: strings of JSON, variables of a path, parameters of a query.
 *
 * Each function returns NULL and sets *out, or returns what is wrong, to be read behind the field's
 * name ("quantity" "must be an integer"). Memory comes from the arena of the reading. */
#pragma once

#include "edge/transcode/field_value.h"
#include "edge/transcode/reading.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers in the grammar of JSON: 7, -7, 7.0, 70e-1; no white space, no '+' or 0 in front. */
bool scalar_is_number(const char *text, size_t len);
const char *scalar_integer(enum field_kind kind, const char *text, size_t len,
                           union field_value *out);
/* The number as a magnitude and a sign, into a field of that kind. */
const char *scalar_integer_fit(enum field_kind kind, bool is_negative, uint64_t magnitude,
                               union field_value *out);
/* Also "NaN", "Infinity" and "-Infinity". */
const char *scalar_real(struct reading *reading, enum field_kind kind, const char *text, size_t len,
                        union field_value *out);
const char *scalar_real_fit(enum field_kind kind, double number, union field_value *out);

/* The name of a value, as in the proto. */
const char *scalar_enum(const struct field_shape *field, const char *text, size_t len,
                        union field_value *out);
/* Valid UTF-8 without NUL. */
const char *scalar_string(struct reading *reading, const char *text, size_t len,
                          union field_value *out);
/* base64, see base64.h. */
const char *scalar_bytes(struct reading *reading, const char *text, size_t len,
                         union field_value *out);

/* Timestamp, Duration and FieldMask; "must be an object" for a message of another form. In JSON the
 * paths of a mask are lowerCamelCase only; `any_spelling` takes those of the protos too. */
const char *scalar_message(struct reading *reading, const struct message_shape *shape,
                           const char *text, size_t len, bool any_spelling, union field_value *out);
