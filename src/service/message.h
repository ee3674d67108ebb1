/* From bytes of the wire to a message one can trust.
 *
 * protobuf-c by itself accepts any bytes in a string, cuts it at a NUL, and lets a small message grow
 * into a large one. So the bytes are walked first, beside the descriptor, and only then unpacked.
 * A codec: bytes in, values out, no I/O. No message type may be recursive. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/macros.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MESSAGE_DEPTH_MAX = 16,         /* submessages in one another; shop.v1 has at most 4 */
    MESSAGE_FIELDS_MAX = 16 * 1024, /* of the whole message, unknown ones counted: an order of 100
                                          lines has about 800; each costs the unpacker < 200 bytes */
    MESSAGE_FIELD_PATH_SIZE = 256,
};

/* Walks the wire bytes of a message. MESSAGE_INVALID when they are no such message (truncated, wrong
 * wire type, tag 0, deeper or of more fields than allowed); REQUEST_INVALID with a violation per
 * string that is not UTF-8 or holds a NUL ("lines[2].product_id"). */
enum status message_check(const ProtobufCMessageDescriptor *descriptor, const void *bytes,
                          size_t size, struct arena *arena, struct error *err) NODISCARD;

/* message_check(), then unpacks into the arena; nothing is ever freed singly. `bytes` may be NULL when
 * `size` is 0. Also OUT_OF_MEMORY. The message lives as long as the arena and does not refer to `bytes`. */
enum status call_unpack(const ProtobufCMessageDescriptor *descriptor, const void *bytes,
                        size_t size, struct arena *arena, ProtobufCMessage **out_message,
                        struct error *err) NODISCARD;
