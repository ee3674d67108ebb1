/* The pending timers of a loop, earliest first: a pairing heap whose links are the timers' own
 * adapter slots, so that starting a timer allocates nothing.
 *
 * push is constant; pop and remove are logarithmic on average. Timers of equal time come in no
 * particular order. */
#pragma once

#include "port/clock.h"

#include <stdint.h>

struct timer_heap {
    struct clock_timer *root; /* NULL when empty */
};

void timer_heap_push(struct timer_heap *heap, struct clock_timer *timer, int64_t due_ms);
void timer_heap_remove(struct timer_heap *heap, struct clock_timer *timer);
/* The earliest; NULL when empty. */
struct clock_timer *timer_heap_first(const struct timer_heap *heap);
int64_t timer_heap_due_ms(const struct clock_timer *timer);
