/* Starting operations of gRPC core on a worker. */
#include "edge/grpc/grpc_worker.h"

#include <assert.h>

/* Often a batch ends while it is being started, because the loop itself writes to the socket. gRPC core
 * then leaves the event in a place of this thread's own, and neither the pump nor the mailbox need to
 * be woken for it. It is opened at the end of the turn, so that whoever starts a batch never sees its
 * end from inside. */
static void take_early_event(struct grpc_worker *worker)
{
    struct pump_event *event;
    void *tag = NULL;
    int ok = 0;

    if (grpc_completion_queue_thread_local_cache_flush(worker->queue, &tag, &ok)) {
        event = tag;
        pump_event_fill(event, ok != 0);
        event->letter.next = NULL;
        *worker->early_end = &event->letter;
        worker->early_end = &event->letter.next;
        loop_post(worker->loop, &worker->early_task);
    }
}

void grpc_worker_open_early(struct grpc_worker *worker)
{
    struct letter *letter = worker->early_first;
    struct letter *next;

    worker->early_first = NULL;
    worker->early_end = &worker->early_first;
    for (; letter != NULL; letter = next) {
        next = letter->next; /* the letter is gone once it was opened */
        letter->open(letter);
    }
}

static void run_early(struct loop_task *task)
{
    grpc_worker_open_early(CONTAINER_OF(task, struct grpc_worker, early_task));
}

void grpc_worker_init(struct grpc_worker *worker)
{
    LIST_INIT(&worker->running);
    LIST_INIT(&worker->spare);
    LIST_INIT(&worker->streams);
    worker->early_first = NULL;
    worker->early_end = &worker->early_first;
    worker->early_task.run = run_early;
}

void grpc_worker_start_batch(struct grpc_worker *worker, grpc_call *core, const grpc_op *ops,
                             size_t op_count, struct pump_event *event)
{
    grpc_call_error error;

    grpc_worker_begin(worker);
    grpc_completion_queue_thread_local_cache_init(worker->queue);
    error = grpc_call_start_batch(core, ops, op_count, event, NULL);
    assert(error == GRPC_CALL_OK);
    take_early_event(worker);
}
