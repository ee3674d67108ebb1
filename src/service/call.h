/* One call of a method, whatever door it came through: the message in, the message or error out.
 *
 * The edge makes it, fills the upper part and hands it to the method's service function; that
 * function, now or later, calls call_finish() exactly once. request, reply and everything between
 * live in the call's arena. No transport and no SQL below this line. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

struct call {
    /* set by the edge */
    struct arena *arena;
    const ProtobufCMessage *request; /* unpacked and text-checked (UTF-8, no NUL) */
    const char *caller;              /* authenticated identity; "" with AUTH=none */
    int64_t answer_by_ms; /* clock_now_ms scale: the answer must have been given, margin included */
    int64_t deadline_ms;  /* the caller's own deadline (default 30 s, at most 60 s from now) */
    void (*done)(struct call *call);
    /* set by the service */
    ProtobufCMessage *reply; /* when err.status is STATUS_OK */
    struct error err;
    bool replayed;        /* the answer repeats an earlier one (idempotent-replayed) */
    const char *order_id; /* for the log; NULL when the call is about no order */
};

/* Ends the call: call->done(call) runs, from inside. The call may be gone afterwards. */
static inline void call_finish(struct call *call)
{
    call->done(call);
}
/* Ends the call with an error already in call->err. */
static inline void call_fail(struct call *call)
{
    call->reply = 0;
    call->done(call);
}
