/* What every operation of a store has in common.
 *
 * The caller owns the object until `done`, which is called exactly once, on the worker's loop, never
 * from inside the function that started it. Results are allocated from `arena`, written on success
 * only. There is no cancelling: an operation ends by its answer, an error, or its deadline. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct store_call {
    struct arena *arena; /* for results; must live until done */
    int64_t deadline_ms; /* clock_now_ms scale; when it passes before the call was sent, it fails
                            with STORE_UNAVAILABLE; when after, the same with maybe_done = true */
    void (*done)(struct store_call *call);
    struct error err; /* err.status == STATUS_OK: the result fields are set */
    bool maybe_done;  /* with an error: it was sent, and may have taken effect */

    struct { /* of the adapter; not to be touched by anybody else */
        STAILQ_ENTRY(store_call) link;
        const void *batch;
        void *scratch;
        uint32_t tries;
        bool alone;
    } adapter;
};
