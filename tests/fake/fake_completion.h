/* Store operations that have been decided and wait to be told: a fake store computes the answer at
 * once and ends the call when its clock says so, never from inside the function that started it. */
#pragma once

#include "port/clock.h"
#include "port/store_call.h"

#include <stdbool.h>

struct fake_completion {
    struct clock *clock;
    struct clock_timer timer;
    STAILQ_HEAD(, store_call) calls;
    bool
        hold; /* the test wants to look at a call in flight: nothing ends until it is false again */
    /* What the next operation ends with, instead of being carried out; STATUS_OK: nothing. */
    struct error fail_next;
    bool fail_maybe_done;
    unsigned call_count; /* operations started */
};

void fake_completion_init(struct fake_completion *completion, struct clock *clock);
/* Begins an operation. False: it is to fail, and has been queued with its error already. */
bool fake_completion_begin(struct fake_completion *completion, struct store_call *call);
/* Its result is there; `done` comes with the next turn of the clock. */
void fake_completion_end(struct fake_completion *completion, struct store_call *call);
/* Lets go what was held. */
void fake_completion_release(struct fake_completion *completion);
