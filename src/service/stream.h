/* One streaming call of a method, whatever door it came through: one request in, messages out.
 *
 * The door makes it, fills the upper part and hands it to the method's function, which keeps it until
 * it calls on_end() or the door calls stream_stop(). The door pulls: each stream_next() is answered by
 * one on_message(), later, never from inside, or by on_end(). So nothing is buffered: what happens
 * while a slow reader has not taken the last message is merged into the next. All on one loop. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

#include <protobuf-c/protobuf-c.h>

struct service;
struct stream;

struct stream_method_ops {
    void (*next)(struct stream *stream);
    void (*stop)(struct stream *stream);
};

struct stream {
    /* set by the door */
    const ProtobufCMessage *request; /* unpacked and text-checked */
    struct arena *arena;             /* of the stream: the request, details of errors, order_id */
    const char *caller;              /* as in struct call */
    /* Answers a stream_next(). The message is packed before this returns, and lives no longer; the
     * door does not stop the stream from inside. */
    void (*on_message)(struct stream *stream, const ProtobufCMessage *message);
    /* The last thing that happens: err is set, or the stream has come to its natural end. May follow
     * at once on on_message(), and may run inside the function that opens the stream: the method does
     * nothing with the stream after it. */
    void (*on_end)(struct stream *stream);
    /* set by the method */
    const struct stream_method_ops *ops;
    void *state;
    struct error err;
    const char *order_id; /* for the log; NULL when the stream is about no order */
};

/* Opens the stream; the door asks for the first message once it has returned. */
typedef void service_stream_fn(struct service *service, struct stream *stream);

/* The door can take one more message. Not while one is awaited. */
static inline void stream_next(struct stream *stream)
{
    stream->ops->next(stream);
}
/* The reader has gone: nothing is called any more, and the memory of the stream may go at once. */
static inline void stream_stop(struct stream *stream)
{
    stream->ops->stop(stream);
}
