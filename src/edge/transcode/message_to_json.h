/* A message as canonical proto3 JSON, in one pass and without a tree.
 *
 * Names in lowerCamelCase, fields in the order of their numbers; scalars, enums and empty lists are
 * always written, unset messages and unset members of a oneof are not; 64-bit integers as strings;
 * enums by name, a number without one as it is; Timestamp, Duration, FieldMask, Any and maps in their
 * special forms. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "edge/transcode/message_shape.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/* Appends to `buf`. False when its maximum was reached, or when the message cannot be said in JSON (a
 * timestamp beyond year 9999, a duration of mixed signs): a bug of whoever made it, since nothing of
 * that kind can be read. Then `buf->failed` is set and the content is of no use.
 *
 * The arena takes what an Any holds while it is unpacked. An Any of a type that is not in the set, or
 * whose bytes are no such message, becomes {"@type": …, "value": <base64>}: an unknown detail never
 * loses an error. */
bool message_to_json(const struct message_shape *shape, const ProtobufCMessage *message,
                     struct arena *arena, struct buf *buf);
