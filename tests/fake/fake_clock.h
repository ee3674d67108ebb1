/* Virtual time behind port/clock.h: it stands still until the test moves it.
 *
 * Timers run in the order of their times, those of equal time in the order they were started. While
 * a timer runs, the clock shows the time it was set for, so that what it starts follows exactly. */
#pragma once

#include "port/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct fake_clock {
    struct clock base;
    int64_t now_ms;
    int64_t unix_us_start;      /* wall clock at now_ms 0; the test may set it */
    struct clock_timer *timers; /* pending, first to run first */
};

void fake_clock_init(struct fake_clock *clock);

/* Moves time by `ms` and runs all timers that become due, also those started meanwhile. 0 runs what
 * is due now. Returns how many ran. A loop of timers of delay 0 is a bug of the code under test and
 * stops the program. */
unsigned fake_clock_advance(struct fake_clock *clock, int64_t ms);
/* Moves time to the next pending timer and runs what is due then; false when none is pending. */
bool fake_clock_run_next(struct fake_clock *clock);
/* The time of the next pending timer; -1 when none is pending. */
int64_t fake_clock_next_ms(const struct fake_clock *clock);
