/* glibc's heaps: that they are few, and that the memory of a peak goes back to the system.
 *
 * Only the size of the process is at stake: nothing here can fail in a way that matters. */
#pragma once

#include "port/clock.h"

#include <stdint.h>

struct heap {
    struct clock *clock;
    struct clock_timer trim;
};

/* Before there are threads. */
void heap_limit(uint32_t workers);

/* From now on, on the loop of the clock. */
void heap_start(struct heap *heap, struct clock *clock);
/* Does nothing when it has not started. */
void heap_stop(struct heap *heap);
