/* Requests out of gRPC core's buffers, replies into them. The wire format itself is read and checked
 * in service/message. */
#include "edge/grpc/grpc_codec.h"

#include "base/limits.h"
#include "service/message.h"

#include <assert.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/compression.h>
#include <grpc/slice.h>
#include <string.h>

size_t grpc_codec_size(grpc_byte_buffer *buffer)
{
    return buffer == NULL ? 0 : grpc_byte_buffer_length(buffer);
}

/* Copies the slices one after the other into `copy`, which has room for all. */
static void copy_slices(grpc_byte_buffer_reader *reader, grpc_slice *slice, uint8_t *copy)
{
    do {
        memcpy(copy, GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice));
        copy += GRPC_SLICE_LENGTH(*slice);
    } while (grpc_byte_buffer_reader_peek(reader, &slice));
}

/* The bytes in one piece: as they lie when gRPC core received them so, else copied together. */
static enum status join_slices(grpc_byte_buffer *buffer, size_t size, struct arena *arena,
                               const uint8_t **out_data, struct error *err)
{
    grpc_byte_buffer_reader reader;
    grpc_slice *slice;
    uint8_t *copy;
    enum status status = STATUS_OK;

    *out_data = (const uint8_t *)"";
    if (!grpc_byte_buffer_reader_init(&reader, buffer)) {
        return error_set(err, REASON_MESSAGE_INVALID);
    }
    if (!grpc_byte_buffer_reader_peek(&reader, &slice)) {
        assert(size == 0);
    } else if (GRPC_SLICE_LENGTH(*slice) == size) {
        *out_data = GRPC_SLICE_START_PTR(*slice);
    } else {
        copy = arena_alloc(arena, size);
        if (copy == NULL) {
            status = error_set(err, REASON_OUT_OF_MEMORY);
        } else {
            copy_slices(&reader, slice, copy);
            *out_data = copy;
        }
    }
    grpc_byte_buffer_reader_destroy(&reader);
    return status;
}

enum status grpc_codec_unpack(grpc_byte_buffer *buffer,
                              const ProtobufCMessageDescriptor *descriptor, struct arena *arena,
                              ProtobufCMessage **out_message, struct error *err)
{
    const uint8_t *data;
    size_t size;
    enum status status;

    if (buffer == NULL) {
        return error_setf(err, REASON_MESSAGE_INVALID, "the call has no message");
    }
    /* gRPC core would inflate without a bound, so it is told not to. */
    if (buffer->data.raw.compression != GRPC_COMPRESS_NONE) {
        return error_set(err, REASON_COMPRESSION_UNSUPPORTED);
    }
    size = grpc_byte_buffer_length(buffer);
    if (size > LIMIT_MESSAGE_SIZE) {
        return error_setf(err, REASON_MESSAGE_TOO_LARGE,
                          "the message has %zu bytes, at most %d are allowed", size,
                          LIMIT_MESSAGE_SIZE);
    }
    status = join_slices(buffer, size, arena, &data, err);
    if (status != STATUS_OK) {
        return status;
    }
    return call_unpack(descriptor, data, size, arena, out_message, err);
}

grpc_byte_buffer *grpc_codec_pack(const ProtobufCMessage *message)
{
    const size_t size = protobuf_c_message_get_packed_size(message);
    grpc_slice slice = grpc_slice_malloc(size);
    const size_t packed = protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);

    assert(packed == size);
    grpc_slice_unref(slice);
    return buffer;
}
