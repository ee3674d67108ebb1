/* Streaming calls: what the watch of health, reflection and the streaming methods share.
 *
 *   WAITING --(gRPC core has a call)--> OPEN --(stream_call_finish)--> FINISHING --> gone
 *                                        |                                ^
 *                                        '---(the caller has gone)--------'
 *
 * A stream reads one message at a time and writes one at a time, so it buffers nothing: a slow caller
 * only slows himself. That the caller has gone is noticed at once, by an operation that waits for it.
 * All functions on the worker's loop. */
#pragma once

#include "edge/grpc/grpc_status.h"
#include "edge/grpc/grpc_worker.h"

enum stream_state {
    STREAM_WAITING,
    STREAM_OPEN,
    STREAM_FINISHING
};

/* What a kind of stream does. Nothing but on_leave is called after stream_call_finish(). */
struct stream_ops {
    /* The caller sends one message, which lives as long as the call; a second one, or none, is
     * refused (MESSAGE_INVALID). Else messages are read when stream_call_read() asks for them. */
    bool takes_one;
    /* A message came; it lives until the next stream_call_read(). */
    void (*on_message)(struct stream_call *stream, const ProtobufCMessage *message);
    /* The caller will send no more. Not with takes_one. */
    void (*on_end)(struct stream_call *stream);
    /* The message of stream_call_send() was taken. */
    void (*on_sent)(struct stream_call *stream);
    /* The server drains: the stream is to be finished soon. */
    void (*on_drain)(struct stream_call *stream);
    /* It is about to end, whoever ends it: the last that is called. May be NULL. */
    void (*on_leave)(struct stream_call *stream);
};

struct stream_call {
    const struct stream_ops *ops;
    struct grpc_worker *worker;
    struct grpc_route *route;
    LIST_ENTRY(stream_call) entry; /* in worker->streams while open */
    enum stream_state state;
    int service_index, sent_status; /* of the watch of health */
    void *state_of_kind;            /* of streaming methods */
    const char *order_id;           /* for the log; NULL when it is about no order */
    bool is_sending, has_sent;      /* has_sent: the headers have left */
    bool finish_pending;            /* once the message being sent is gone */
    bool owes_slot;                 /* no memory was left for its successor */
    bool holds_place;
    bool has_request;     /* a message was read */
    unsigned event_count; /* operations under way */
    struct error err;     /* how it ends */
    struct arena *arena;  /* of the message at hand and its answer */
    struct pump_event arrival, read, write, close;
    int64_t received_us;
    size_t request_size, reply_size; /* bytes in all */
    grpc_call *core;
    grpc_metadata_array metadata;
    gpr_timespec deadline;
    grpc_byte_buffer *in, *out;
    struct grpc_trailers trailers;
    int was_cancelled;
};

/* Asks gRPC core for one more call of the route; see unary_call_post(). */
void stream_call_post(struct grpc_worker *worker, struct grpc_route *route);

/* Waits for the next message; not while one is awaited. */
void stream_call_read(struct stream_call *stream);
/* Sends a message; not while stream->is_sending. It is packed before this returns. */
void stream_call_send(struct stream_call *stream, const ProtobufCMessage *message);
/* Ends the stream as stream->err says, after the message being sent. */
void stream_call_finish(struct stream_call *stream);
/* The same with this reason. */
void stream_call_fail(struct stream_call *stream, enum reason reason);

/* Tells all open streams of the worker to end. */
void stream_call_drain_all(struct grpc_worker *worker);
