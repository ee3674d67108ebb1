/* One event loop: libevent, a mailbox for other threads, and the clock port.
 *
 * A loop owns its world: every object made on it is used on it only. Nothing on it blocks. */
#pragma once

#include "base/macros.h"
#include "port/clock.h"
#include "runtime/mailbox.h"

#include <stdbool.h>

struct event_base;
struct loop;

/* NULL when out of memory or descriptors. */
struct loop *loop_new(void) NODISCARD;
void loop_free(struct loop *loop);

/* Runs until loop_stop(). To be called from the thread that owns the loop. */
void loop_run(struct loop *loop);
/* From any thread: the loop returns after the callbacks at hand. */
void loop_stop(struct loop *loop);

struct event_base *loop_base(struct loop *loop);
struct mailbox *loop_mailbox(struct loop *loop); /* mailbox_put from any thread */
struct clock *loop_clock(struct loop *loop);

/* Work to be done once at the end of the current turn of the loop (after all ready events and
 * letters of this turn), before it waits again: what gathers during a turn leaves together. A task
 * that is pending already stays where it is. Embed it. */
struct loop_task {
    void (*run)(struct loop_task *task);
    struct loop_task *next;
    bool pending;
};
void loop_post(struct loop *loop, struct loop_task *task);
