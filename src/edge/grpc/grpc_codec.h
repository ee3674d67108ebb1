/* Between gRPC core's byte buffers and messages. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

#include <grpc/byte_buffer.h>
#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

/* Unpacks a request into the arena; the buffer is not needed afterwards. `buffer` NULL: the caller
 * sent no message. Fails with MESSAGE_INVALID, MESSAGE_TOO_LARGE, COMPRESSION_UNSUPPORTED,
 * REQUEST_INVALID (text), OUT_OF_MEMORY. */
enum status grpc_codec_unpack(grpc_byte_buffer *buffer,
                              const ProtobufCMessageDescriptor *descriptor, struct arena *arena,
                              ProtobufCMessage **out_message, struct error *err) NODISCARD;

/* Packs a message, without a copy in between; the caller destroys the buffer. */
grpc_byte_buffer *grpc_codec_pack(const ProtobufCMessage *message);

/* Bytes of the message in it; NULL has none. */
size_t grpc_codec_size(grpc_byte_buffer *buffer);
