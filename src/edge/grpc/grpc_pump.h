/* The thread that blocks in gRPC core's queue, and the events it hands to its worker's loop.
 *
 * Every tag given to gRPC core is the address of a struct pump_event. The pump fills it in and puts it
 * into the worker's mailbox; `on_event` runs on the loop. Embed it; it must stay in place, and may not
 * be used for a second operation, until on_event was called. (gRPC core's own event is called
 * struct grpc_event, hence the name.) */
#pragma once

#include "runtime/mailbox.h"

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct pump_event {
    struct letter letter;
    /* `ok` as gRPC core says it: the operation did what was asked. */
    void (*on_event)(struct pump_event *event, bool ok);
    int64_t at_us; /* when it happened, CLOCK_MONOTONIC */
    bool ok;
};

struct grpc_pump {
    grpc_completion_queue *queue;
    struct mailbox *mailbox;
    pthread_t thread;
};

/* Starts the thread; false when the system has none left. It ends after
 * grpc_completion_queue_shutdown(queue), once all events have been taken. */
bool grpc_pump_start(struct grpc_pump *pump, grpc_completion_queue *queue, struct mailbox *mailbox)
    NODISCARD;
void grpc_pump_join(struct grpc_pump *pump);

/* Makes the event's letter ready to be opened: for an event that was taken off the queue elsewhere. */
void pump_event_fill(struct pump_event *event, bool ok);

/* Microseconds, CLOCK_MONOTONIC. */
int64_t pump_now_us(void);
