/* A circuit breaker as a state table: CLOSED -> OPEN after `failures_max` not-reached or unknown
 * tries in a row; OPEN -> HALF_OPEN after `open_ms`; HALF_OPEN lets one try through and goes to
 * CLOSED or back to OPEN by it. Time is an argument; pure, no I/O. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum breaker_state {
    BREAKER_CLOSED,
    BREAKER_OPEN,
    BREAKER_HALF_OPEN
};

struct breaker {
    enum breaker_state state;
    uint32_t failures, failures_max;
    int64_t open_ms;
    int64_t opened_at_ms;
    bool probing; /* HALF_OPEN: the one try is under way */
};

void breaker_init(struct breaker *breaker, uint32_t failures_max, int64_t open_ms);
/* Whether a try may be made now; true in HALF_OPEN for one caller, who must report. */
bool breaker_allow(struct breaker *breaker, int64_t now_ms);
const char *breaker_state_name(enum breaker_state state); /* "CLOSED" */
/* As breaker_allow but promises nothing: would a try be allowed? */
bool breaker_is_ready(const struct breaker *breaker, int64_t now_ms);
/* The try said neither: it neither counts nor interrupts a row, and another one may look instead. */
void breaker_abstain(struct breaker *breaker);
void breaker_report(struct breaker *breaker, bool reached, int64_t now_ms);
