/* proto3 JSON to a message, strictly, by walking its descriptor.
 *
 * Field names in either spelling; enums by name or number; 64-bit integers as string or number, exactly
 * as they are written; bytes in both base64 alphabets; null as if the field
 * were not there. Refused: unknown fields, a field given twice, other types than the field's, numbers
 * out of range, invalid UTF-8, lone surrogates, NUL in a string, null in a list or map, trailing
 * bytes, more than json_scan.h allows.
 *
 * A codec: bytes in, values out, no I/O. The message and all violations are in the arena; the parser's
 * tree is not, and is freed before the function returns. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/macros.h"
#include "edge/transcode/message_shape.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_text {
    const char *text; /* need not end with NUL */
    size_t size;
    const char *prefix;  /* path of the message in the request ("product"); "" for the request */
    bool ignore_unknown; /* fields only: the name of an enum's value has to be known */
};

/* Sets of fields: bit i stands for descriptor->fields[i]. */
struct json_message {
    ProtobufCMessage *message;
    uint64_t present; /* has a member in the JSON */
    uint64_t null;    /* of those, null */
};

/* Fails with JSON_INVALID and line and column when the text cannot be read; with FIELD_UNKNOWN when
 * unknown fields are all that is wrong with it, else REQUEST_INVALID, both with a violation per field;
 * with MESSAGE_TOO_LARGE and OUT_OF_MEMORY. `err` is zeroed, or holds violations of other parts of the
 * same request, to which those of this part are added. */
enum status json_to_message(const struct message_shape *shape, const struct json_text *text,
                            struct arena *arena, struct json_message *out, struct error *err)
    NODISCARD;
