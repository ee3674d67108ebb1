/* Between a streaming call of gRPC core and a stream of the services. The service is asked for a message
 * when the one before has been taken, so a reader who does not read holds one message at most. */
#include "edge/grpc/grpc_method_stream.h"

#include <assert.h>

/* In the arena of the call, so it is there until all operations of the call have ended. */
struct method_stream {
    struct stream stream;
    struct stream_call *call;
    bool is_open; /* the service holds it */
};

static struct method_stream *of_stream(struct stream *stream)
{
    return CONTAINER_OF(stream, struct method_stream, stream);
}

static void send_message(struct stream *stream, const ProtobufCMessage *message)
{
    stream_call_send(of_stream(stream)->call, message);
}

static void end_stream(struct stream *stream)
{
    struct method_stream *mine = of_stream(stream);

    assert(mine->is_open);
    mine->is_open = false;
    mine->call->err = stream->err;
    stream_call_finish(mine->call);
}

static void open_stream(struct stream_call *call, const ProtobufCMessage *request)
{
    struct method_stream *mine = ARENA_NEW(call->arena, struct method_stream);

    if (mine == NULL) {
        stream_call_fail(call, REASON_OUT_OF_MEMORY);
        return;
    }
    call->state_of_kind = mine;
    mine->call = call;
    mine->is_open = true;
    mine->stream = (struct stream){
        .request = request,
        .arena = call->arena,
        .caller = "",
        .on_message = send_message,
        .on_end = end_stream,
    };
    call->route->method->open(call->worker->service, &mine->stream);
    if (mine->is_open) {
        stream_next(&mine->stream);
    }
}

static void pull(struct stream_call *call)
{
    struct method_stream *mine = call->state_of_kind;
    stream_next(&mine->stream);
}

static void leave(struct stream_call *call)
{
    struct method_stream *mine = call->state_of_kind;

    if (mine == NULL) {
        return; /* it was refused before the service saw it */
    }
    call->order_id = mine->stream.order_id;
    if (mine->is_open) {
        mine->is_open = false;
        stream_stop(&mine->stream);
    }
}

static void drain(struct stream_call *call)
{
    stream_call_fail(call, REASON_SHUTTING_DOWN);
}

const struct stream_ops method_stream_ops = {
    .takes_one = true,
    .on_message = open_stream,
    .on_sent = pull,
    .on_drain = drain,
    .on_leave = leave,
};
