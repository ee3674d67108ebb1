/* Time as the core sees it: now, timers, and "as soon as I have returned".
 * Implemented by runtime/loop (real) and tests/fake/fake_clock (virtual). One clock a worker; all
 * calls on the worker's loop. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct clock;

/* Something to be called later. Embed it; it must stay in place while it is pending. */
struct clock_timer {
    void (*on_time)(struct clock_timer *timer);
    bool pending;
    void *adapter[4]; /* of the clock */
};

struct clock_ops {
    int64_t (*turn_us)(struct clock *clock);  /* monotonic, read once a turn of the loop */
    int64_t (*exact_us)(struct clock *clock); /* monotonic, read each time */
    int64_t (*unix_us)(struct clock *clock);  /* wall clock, for ids and logs only */
    void (*timer_start)(struct clock *clock, struct clock_timer *timer, int64_t delay_ms);
    void (*timer_stop)(struct clock *clock, struct clock_timer *timer);
};
struct clock {
    const struct clock_ops *ops;
};

/* As this turn began, when what it works on had come: read by whoever asks first after the wake-up. */
static inline int64_t clock_turn_us(struct clock *clock)
{
    return clock->ops->turn_us(clock);
}
static inline int64_t clock_now_ms(struct clock *clock)
{
    return clock_turn_us(clock) / 1000;
}
/* For how long something has taken. */
static inline int64_t clock_exact_us(struct clock *clock)
{
    return clock->ops->exact_us(clock);
}
static inline int64_t clock_unix_us(struct clock *clock)
{
    return clock->ops->unix_us(clock);
}
/* Calls timer->on_time once, `delay_ms` (0: as soon as the running callback has returned) from now;
 * a pending timer is moved. */
static inline void clock_timer_start(struct clock *clock, struct clock_timer *timer,
                                     int64_t delay_ms)
{
    clock->ops->timer_start(clock, timer, delay_ms);
}
/* Not called any more; does nothing when it is not pending. */
static inline void clock_timer_stop(struct clock *clock, struct clock_timer *timer)
{
    clock->ops->timer_stop(clock, timer);
}
