/* A sorted list of timers and a number for the time. */
#include "fake/fake_clock.h"

#include <assert.h>
#include <stddef.h>

#include "base/macros.h"

enum {
    RUNS_MAX = 10 * 1000 * 1000,
    UNIX_START_S = 1700000000
};

/* Slots of clock_timer.adapter. */
enum {
    SLOT_NEXT,
    SLOT_DUE
};

static struct clock_timer *timer_next(const struct clock_timer *timer)
{
    return timer->adapter[SLOT_NEXT];
}

static int64_t timer_due(const struct clock_timer *timer)
{
    return (int64_t)(intptr_t)timer->adapter[SLOT_DUE];
}

static int64_t on_turn_us(struct clock *base)
{
    return CONTAINER_OF(base, struct fake_clock, base)->now_ms * 1000;
}

static int64_t on_unix_us(struct clock *base)
{
    struct fake_clock *clock = CONTAINER_OF(base, struct fake_clock, base);

    return clock->unix_us_start + clock->now_ms * 1000;
}

static void on_timer_stop(struct clock *base, struct clock_timer *timer)
{
    struct fake_clock *clock = CONTAINER_OF(base, struct fake_clock, base);
    struct clock_timer *before = NULL;

    if (!timer->pending)
        return;
    for (struct clock_timer *t = clock->timers; t != timer; t = timer_next(t)) {
        assert(t != NULL);
        before = t;
    }
    if (before == NULL)
        clock->timers = timer_next(timer);
    else
        before->adapter[SLOT_NEXT] = timer_next(timer);
    timer->pending = false;
}

static void on_timer_start(struct clock *base, struct clock_timer *timer, int64_t delay_ms)
{
    struct fake_clock *clock = CONTAINER_OF(base, struct fake_clock, base);
    int64_t due = clock->now_ms + MAX_OF(delay_ms, 0);
    struct clock_timer *before = NULL;
    struct clock_timer *after;

    assert(timer->on_time != NULL);
    on_timer_stop(base, timer);
    for (after = clock->timers; after != NULL && timer_due(after) <= due; after = timer_next(after))
        before = after;
    timer->adapter[SLOT_DUE] = (void *)(intptr_t)due;
    timer->adapter[SLOT_NEXT] = after;
    if (before == NULL)
        clock->timers = timer;
    else
        before->adapter[SLOT_NEXT] = timer;
    timer->pending = true;
}

static const struct clock_ops fake_clock_ops = {
    .turn_us = on_turn_us,
    .exact_us = on_turn_us,
    .unix_us = on_unix_us,
    .timer_start = on_timer_start,
    .timer_stop = on_timer_stop,
};

void fake_clock_init(struct fake_clock *clock)
{
    *clock = (struct fake_clock){.base.ops = &fake_clock_ops,
                                 .unix_us_start = (int64_t)UNIX_START_S * 1000000};
}

unsigned fake_clock_advance(struct fake_clock *clock, int64_t ms)
{
    int64_t target_ms = clock->now_ms + ms;
    unsigned runs = 0;

    assert(ms >= 0);
    while (clock->timers != NULL && timer_due(clock->timers) <= target_ms) {
        struct clock_timer *timer = clock->timers;

        clock->now_ms = timer_due(timer);
        on_timer_stop(&clock->base, timer);
        timer->on_time(timer);
        runs++;
        assert(runs < RUNS_MAX);
    }
    assert(clock->now_ms <= target_ms); /* or a timer has moved time itself */
    clock->now_ms = target_ms;
    return runs;
}

bool fake_clock_run_next(struct fake_clock *clock)
{
    if (clock->timers == NULL)
        return false;
    fake_clock_advance(clock, timer_due(clock->timers) - clock->now_ms);
    return true;
}

int64_t fake_clock_next_ms(const struct fake_clock *clock)
{
    return clock->timers == NULL ? -1 : timer_due(clock->timers);
}
