/* How many of something may be under way at the same time, in the whole process.
 *
 * Atomic, so any thread may enter and leave. */
#pragma once

#include "base/macros.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct limit {
    uint32_t max;
    atomic_uint count;
};

/* Takes a place; false: none is left. */
static inline bool NODISCARD limit_enter(struct limit *limit)
{
    /* Relaxed: only the number matters, nothing is published by it. */
    if (atomic_fetch_add_explicit(&limit->count, 1, memory_order_relaxed) < limit->max)
        return true;
    atomic_fetch_sub_explicit(&limit->count, 1, memory_order_relaxed);
    return false;
}

static inline void limit_leave(struct limit *limit)
{
    atomic_fetch_sub_explicit(&limit->count, 1, memory_order_relaxed);
}
