/* Settings of malloc. What is allocated, and how much, is everybody's own business. */
#include "app/heap.h"

#include "base/macros.h"

#include <malloc.h>

enum {
    TRIM_EVERY_MS = 60 * 1000, /* under load it takes a fraction of a millisecond */
};

/* One heap for each worker and one for all threads of gRPC: with one for each thread, as is usual,
 * memory that one of them freed stays out of reach of the others. */
void heap_limit(uint32_t workers)
{
    (void)mallopt(M_ARENA_MAX, (int)workers + 1);
}

/* By itself a heap gives back what is at its end only, and there is always something. */
static void on_trim(struct clock_timer *timer)
{
    struct heap *heap = CONTAINER_OF(timer, struct heap, trim);

    (void)malloc_trim(0);
    clock_timer_start(heap->clock, timer, TRIM_EVERY_MS);
}

void heap_start(struct heap *heap, struct clock *clock)
{
    *heap = (struct heap){.clock = clock, .trim.on_time = on_trim};
    clock_timer_start(clock, &heap->trim, TRIM_EVERY_MS);
}

void heap_stop(struct heap *heap)
{
    if (heap->clock != NULL)
        clock_timer_stop(heap->clock, &heap->trim);
}
