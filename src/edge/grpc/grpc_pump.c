/* Moves events from gRPC core's queue to the worker's mailbox. Decides nothing. */
#include "edge/grpc/grpc_pump.h"

#include <assert.h>
#include <signal.h>
#include <time.h>

int64_t pump_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void open_event(struct letter *letter)
{
    struct pump_event *event = CONTAINER_OF(letter, struct pump_event, letter);
    event->on_event(event, event->ok);
}

void pump_event_fill(struct pump_event *event, bool ok)
{
    event->ok = ok;
    event->at_us = pump_now_us();
    event->letter.open = open_event;
}

static void *run(void *arg)
{
    struct grpc_pump *pump = arg;
    const gpr_timespec never = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    struct pump_event *taken;

    for (;;) {
        grpc_event event = grpc_completion_queue_next(pump->queue, never, NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN) {
            return NULL;
        }
        assert(event.type == GRPC_OP_COMPLETE);
        taken = event.tag;
        pump_event_fill(taken, event.success != 0);
        mailbox_put(pump->mailbox, &taken->letter);
    }
}

bool grpc_pump_start(struct grpc_pump *pump, grpc_completion_queue *queue, struct mailbox *mailbox)
{
    sigset_t all, before;
    int failure;

    pump->queue = queue;
    pump->mailbox = mailbox;
    /* Signals are for the thread that waits for them, never for a pump. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failure = pthread_create(&pump->thread, NULL, run, pump);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure == 0;
}

void grpc_pump_join(struct grpc_pump *pump)
{
    int failure = pthread_join(pump->thread, NULL);
    assert(failure == 0);
}
