/* A gRPC client for tests, over gRPC core's own client: blocking, one thing at a time. */
#pragma once

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct grpc_client {
    grpc_completion_queue *queue;
    grpc_channel *channel;
};

/* One call, unary or a stream. */
struct client_call {
    struct grpc_client *client;
    grpc_call *core;
    grpc_metadata_array initial, trailing;
    grpc_byte_buffer *in, *out;
    grpc_status_code code;
    grpc_slice message;
};

void grpc_client_init(struct grpc_client *client, uint16_t port);
void grpc_client_deinit(struct grpc_client *client);

/* Unary: starts the call with these bytes; timeout_ms 0: no deadline. */
void client_call_start(struct client_call *call, struct grpc_client *client, const char *path,
                       const void *data, size_t size, int64_t timeout_ms);
/* The same, compressed with gzip. */
void client_call_start_compressed(struct client_call *call, struct grpc_client *client,
                                  const char *path, const void *data, size_t size);
/* Waits for its end; code, message, metadata and `in` (NULL with an error) are then set. */
void client_call_wait(struct client_call *call);

/* Streams: */
void client_stream_start(struct client_call *call, struct grpc_client *client, const char *path);
void client_stream_send(struct client_call *call, const ProtobufCMessage *message);
void client_stream_half_close(struct client_call *call);
/* false: no more messages. */
bool client_stream_receive(struct client_call *call);
void client_stream_cancel(struct client_call *call);
/* Waits for the status. */
void client_stream_end(struct client_call *call);

void client_call_deinit(struct client_call *call);

/* The message received, unpacked by protobuf-c with malloc; NULL: none, or not of this type. */
ProtobufCMessage *client_call_unpack(const struct client_call *call,
                                     const ProtobufCMessageDescriptor *descriptor);
/* A copy of a metadata value, to be freed; NULL: not there. */
char *client_metadata(const grpc_metadata_array *metadata, const char *key, size_t *out_size);
