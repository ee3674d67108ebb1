/* Fields of a request from text: variables of the path and parameters of the query.
 *
 * A path names a field of the message or, with points, of a message in it ("product.id"), each part in
 * either spelling. Numbers, texts, enums (by name or number), bool (true, false), bytes, Timestamp,
 * Duration and FieldMask (paths in either spelling) have a text; other messages, maps and Any do not,
 * only their fields. A repeated field gets one more value each time it is named, any other may be
 * named once. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/macros.h"
#include "edge/transcode/message_shape.h"
#include "edge/transcode/reading.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    FIELD_TEXT_DEPTH_MAX = 8,   /* parts of a path */
    FIELD_TEXT_COUNT_MAX = 256, /* calls for one request; a URL of 8 KiB has room for more */
};

struct field_text_seen;

struct field_text {
    const struct message_shape *shape;
    ProtobufCMessage *message;
    struct reading reading;
    struct field_text_seen *seen; /* what was named so far */
    unsigned count;
};

/* For a message that may already hold what came in the body. Violations go to `err`, which is zeroed or
 * holds those of other parts of the same request. `ignore_unknown` passes over paths that lead
 * nowhere. */
void field_text_init(struct field_text *fields, const struct message_shape *shape,
                     ProtobufCMessage *message, bool ignore_unknown, struct arena *arena,
                     struct error *err);

/* Sets a field, or notes what is wrong: FIELD_UNKNOWN while unknown paths are all, else
 * REQUEST_INVALID; OUT_OF_MEMORY. Returns the status of this one field; go on with the next to have all
 * violations gathered. `text` is decoded already and need not end with NUL. */
enum status field_set_text(struct field_text *fields, const char *path, size_t path_len,
                           const char *text, size_t len) NODISCARD;
