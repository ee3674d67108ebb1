/* Calls of tests. Plucks each operation's end, so that nothing happens behind the test's back. */
#include "grpc_client.h"

#include <assert.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/compression.h>
#include <grpc/grpc_security.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void grpc_client_init(struct grpc_client *client, uint16_t port)
{
    char target[64];
    grpc_channel_credentials *credentials;

    grpc_init();
    snprintf(target, sizeof(target), "ipv4:127.0.0.1:%u", port);
    credentials = grpc_insecure_credentials_create();
    client->queue = grpc_completion_queue_create_for_pluck(NULL);
    client->channel = grpc_channel_create(target, credentials, NULL);
    grpc_channel_credentials_release(credentials);
}

void grpc_client_deinit(struct grpc_client *client)
{
    grpc_channel_destroy(client->channel);
    grpc_completion_queue_shutdown(client->queue);
    grpc_completion_queue_destroy(client->queue);
    grpc_shutdown_blocking();
}

static void wait_for(struct client_call *call, void *tag)
{
    grpc_event event = grpc_completion_queue_pluck(call->client->queue, tag,
                                                   gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    assert(event.type == GRPC_OP_COMPLETE);
}

static void begin(struct client_call *call, struct grpc_client *client, const char *path,
                  int64_t timeout_ms)
{
    const gpr_timespec deadline =
        timeout_ms == 0 ? gpr_inf_future(GPR_CLOCK_MONOTONIC)
                        : gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                       gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
    grpc_slice method = grpc_slice_from_copied_string(path);

    memset(call, 0, sizeof(*call));
    call->client = client;
    call->message = grpc_empty_slice();
    grpc_metadata_array_init(&call->initial);
    grpc_metadata_array_init(&call->trailing);
    call->core = grpc_channel_create_call(client->channel, NULL, GRPC_PROPAGATE_DEFAULTS,
                                          client->queue, method, NULL, deadline, NULL);
    grpc_slice_unref(method);
}

static void start_batch(struct client_call *call, const grpc_op *ops, size_t count, void *tag)
{
    grpc_call_error error = grpc_call_start_batch(call->core, ops, count, tag, NULL);
    assert(error == GRPC_CALL_OK);
}

static grpc_op receive_status(struct client_call *call)
{
    grpc_op op;
    memset(&op, 0, sizeof(op));
    op.op = GRPC_OP_RECV_STATUS_ON_CLIENT;
    op.data.recv_status_on_client.trailing_metadata = &call->trailing;
    op.data.recv_status_on_client.status = &call->code;
    op.data.recv_status_on_client.status_details = &call->message;
    return op;
}

static void start_unary(struct client_call *call, const void *data, size_t size, bool compress)
{
    grpc_slice slice = grpc_slice_from_copied_buffer(data, size);
    grpc_metadata gzip;
    grpc_op ops[6];

    memset(&gzip, 0, sizeof(gzip));
    gzip.key = grpc_slice_from_static_string("grpc-internal-encoding-request");
    gzip.value = grpc_slice_from_static_string("gzip");
    call->out = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    memset(ops, 0, sizeof(ops));
    ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
    ops[0].data.send_initial_metadata.count = compress ? 1 : 0;
    ops[0].data.send_initial_metadata.metadata = &gzip;
    ops[1].op = GRPC_OP_SEND_MESSAGE;
    ops[1].data.send_message.send_message = call->out;
    ops[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
    ops[3].op = GRPC_OP_RECV_INITIAL_METADATA;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &call->initial;
    ops[4].op = GRPC_OP_RECV_MESSAGE;
    ops[4].data.recv_message.recv_message = &call->in;
    ops[5] = receive_status(call);
    start_batch(call, ops, 6, call);
}

void client_call_start(struct client_call *call, struct grpc_client *client, const char *path,
                       const void *data, size_t size, int64_t timeout_ms)
{
    begin(call, client, path, timeout_ms);
    start_unary(call, data, size, false);
}

void client_call_start_compressed(struct client_call *call, struct grpc_client *client,
                                  const char *path, const void *data, size_t size)
{
    begin(call, client, path, 0);
    start_unary(call, data, size, true);
}

void client_call_wait(struct client_call *call)
{
    wait_for(call, call);
}

void client_stream_start(struct client_call *call, struct grpc_client *client, const char *path)
{
    grpc_op ops[1];

    begin(call, client, path, 0);
    memset(ops, 0, sizeof(ops));
    ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
    start_batch(call, ops, 1, &call->trailing);
    wait_for(call, &call->trailing);
    memset(ops, 0, sizeof(ops));
    ops[0].op = GRPC_OP_RECV_INITIAL_METADATA;
    ops[0].data.recv_initial_metadata.recv_initial_metadata = &call->initial;
    start_batch(call, ops, 1, &call->initial); /* plucked at the end */
}

void client_stream_send(struct client_call *call, const ProtobufCMessage *message)
{
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
    grpc_byte_buffer *buffer;
    grpc_op op;

    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    memset(&op, 0, sizeof(op));
    op.op = GRPC_OP_SEND_MESSAGE;
    op.data.send_message.send_message = buffer;
    start_batch(call, &op, 1, &call->out);
    wait_for(call, &call->out);
    grpc_byte_buffer_destroy(buffer);
}

void client_stream_half_close(struct client_call *call)
{
    grpc_op op;
    memset(&op, 0, sizeof(op));
    op.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
    start_batch(call, &op, 1, &call->out);
    wait_for(call, &call->out);
}

bool client_stream_receive(struct client_call *call)
{
    grpc_op op;

    grpc_byte_buffer_destroy(call->in);
    call->in = NULL;
    memset(&op, 0, sizeof(op));
    op.op = GRPC_OP_RECV_MESSAGE;
    op.data.recv_message.recv_message = &call->in;
    start_batch(call, &op, 1, &call->in);
    wait_for(call, &call->in);
    return call->in != NULL;
}

void client_stream_cancel(struct client_call *call)
{
    grpc_call_cancel(call->core, NULL);
}

void client_stream_end(struct client_call *call)
{
    const grpc_op op = receive_status(call);

    wait_for(call, &call->initial);
    start_batch(call, &op, 1, call);
    wait_for(call, call);
}

void client_call_deinit(struct client_call *call)
{
    grpc_byte_buffer_destroy(call->in);
    grpc_byte_buffer_destroy(call->out);
    grpc_metadata_array_destroy(&call->initial);
    grpc_metadata_array_destroy(&call->trailing);
    grpc_slice_unref(call->message);
    grpc_call_unref(call->core);
}

ProtobufCMessage *client_call_unpack(const struct client_call *call,
                                     const ProtobufCMessageDescriptor *descriptor)
{
    grpc_byte_buffer_reader reader;
    ProtobufCMessage *message;
    grpc_slice all;

    if (call->in == NULL || !grpc_byte_buffer_reader_init(&reader, call->in)) {
        return NULL;
    }
    all = grpc_byte_buffer_reader_readall(&reader);
    message = protobuf_c_message_unpack(descriptor, NULL, GRPC_SLICE_LENGTH(all),
                                        GRPC_SLICE_START_PTR(all));
    grpc_slice_unref(all);
    grpc_byte_buffer_reader_destroy(&reader);
    return message;
}

char *client_metadata(const grpc_metadata_array *metadata, const char *key, size_t *out_size)
{
    for (size_t i = 0; i < metadata->count; i++) {
        const grpc_slice *value = &metadata->metadata[i].value;
        if (grpc_slice_str_cmp(metadata->metadata[i].key, key) == 0) {
            const size_t size = GRPC_SLICE_LENGTH(*value);
            char *copy = calloc(1, size + 1);
            assert(copy != NULL);
            memcpy(copy, GRPC_SLICE_START_PTR(*value), size);
            if (out_size != NULL) {
                *out_size = size;
            }
            return copy;
        }
    }
    return NULL;
}
