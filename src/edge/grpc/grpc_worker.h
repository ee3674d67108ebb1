/* What the files of the gRPC door share: routes, workers. Not for use outside the folder.
 *
 * A worker's fields are touched on its loop only; what all workers share is constant after start, or
 * atomic. */
#pragma once

#include "edge/grpc/grpc_pump.h"
#include "edge/limit.h"
#include "edge/method.h"
#include "runtime/loop.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct grpc_worker;
struct reflection_index;
struct stream_call;
struct stream_ops;
struct unary_call;

/* Where calls of one method go: to `stream`, to the door's own `run`, else to the service function of
 * the method. With none of them (unknown methods, those not served yet) the answer is UNIMPLEMENTED. */
struct grpc_route {
    const struct method *method;
    void (*run)(struct grpc_worker *worker, struct call *call);
    const struct stream_ops *stream;
    struct limit *limit; /* NULL: answered within the turn, so nothing gathers */
    unsigned series;     /* in the metrics */
    void *registered;    /* gRPC core's name of the method; NULL: unknown methods */
};

struct grpc_shared {
    grpc_server *server;
    const struct reflection_index *reflection;
    struct door_limits *limits;
    atomic_bool is_serving;
};

LIST_HEAD(unary_list, unary_call);
LIST_HEAD(stream_list, stream_call);

struct grpc_worker {
    struct grpc_shared *shared;
    struct loop *loop;
    struct service *service;
    grpc_completion_queue *queue;
    struct grpc_pump pump;
    unsigned event_count;      /* operations that gRPC core has not ended yet */
    struct unary_list running; /* with the service */
    unsigned running_count;    /* those of them that nobody has answered yet */
    struct unary_list spare;   /* for the next calls */
    unsigned spare_count;
    struct stream_list streams;              /* open */
    struct letter *early_first, **early_end; /* events that came while a batch was started */
    struct loop_task early_task;
    bool is_draining;
    /* Called when the worker drains and an event or call has ended. */
    void (*on_progress)(struct grpc_worker *worker);
};

/* Nothing is under way any more; abandoned calls that the service never ends do not count. */
static inline bool grpc_worker_is_idle(const struct grpc_worker *worker)
{
    return worker->event_count == 0 && worker->running_count == 0;
}

/* Every operation given to gRPC core is noted before, and its event after. */
static inline void grpc_worker_begin(struct grpc_worker *worker)
{
    worker->event_count++;
}
static inline void grpc_worker_end(struct grpc_worker *worker)
{
    worker->event_count--;
    if (worker->is_draining) {
        worker->on_progress(worker);
    }
}

/* The lists; the rest is the caller's to set. */
void grpc_worker_init(struct grpc_worker *worker);

/* Opens the events that came while batches were started. The loop does it at the end of each turn. */
void grpc_worker_open_early(struct grpc_worker *worker);

/* Starts a batch, which cannot fail but by a bug of ours. `event` comes
 * later, through the pump or at the end of the turn. */
void grpc_worker_start_batch(struct grpc_worker *worker, grpc_call *core, const grpc_op *ops,
                             size_t op_count, struct pump_event *event);
