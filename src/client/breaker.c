/* The breaker's three states and what moves between them.
 *
 *   CLOSED ──failures_max in a row──> OPEN ──open_ms──> HALF_OPEN ──reached──> CLOSED
 *                                      ^                    │
 *                                      └─────not reached────┘
 *
 * A report may come late, of a try that was begun in an earlier state. In OPEN it says nothing about
 * now and is ignored; in HALF_OPEN any news is as good as the probe's. */
#include "client/breaker.h"

#include "base/macros.h"

#include <assert.h>

void breaker_init(struct breaker *breaker, uint32_t failures_max, int64_t open_ms)
{
    assert(failures_max > 0);
    assert(open_ms > 0);
    *breaker =
        (struct breaker){.state = BREAKER_CLOSED, .failures_max = failures_max, .open_ms = open_ms};
}

const char *breaker_state_name(enum breaker_state state)
{
    static const char *const names[] = {
        [BREAKER_CLOSED] = "CLOSED", [BREAKER_OPEN] = "OPEN", [BREAKER_HALF_OPEN] = "HALF_OPEN"};

    assert((unsigned)state < COUNT_OF(names));
    return names[state];
}

bool breaker_is_ready(const struct breaker *breaker, int64_t now_ms)
{
    switch (breaker->state) {
    case BREAKER_CLOSED:
        return true;
    case BREAKER_OPEN:
        return now_ms - breaker->opened_at_ms >= breaker->open_ms;
    case BREAKER_HALF_OPEN:
        return !breaker->probing;
    }
    return false;
}

bool breaker_allow(struct breaker *breaker, int64_t now_ms)
{
    if (!breaker_is_ready(breaker, now_ms))
        return false;
    if (breaker->state == BREAKER_CLOSED)
        return true;
    breaker->state = BREAKER_HALF_OPEN;
    breaker->probing = true;
    return true;
}

static void breaker_open(struct breaker *breaker, int64_t now_ms)
{
    breaker->state = BREAKER_OPEN;
    breaker->opened_at_ms = now_ms;
    breaker->probing = false;
}

static void breaker_close(struct breaker *breaker)
{
    breaker->state = BREAKER_CLOSED;
    breaker->failures = 0;
    breaker->probing = false;
}

void breaker_abstain(struct breaker *breaker)
{
    breaker->probing = false; /* HALF_OPEN goes on waiting for news; elsewhere nobody probes */
}

void breaker_report(struct breaker *breaker, bool reached, int64_t now_ms)
{
    switch (breaker->state) {
    case BREAKER_CLOSED:
        breaker->failures = reached ? 0 : breaker->failures + 1;
        if (breaker->failures >= breaker->failures_max)
            breaker_open(breaker, now_ms);
        break;
    case BREAKER_OPEN:
        break;
    case BREAKER_HALF_OPEN:
        if (reached)
            breaker_close(breaker);
        else
            breaker_open(breaker, now_ms);
        break;
    }
}
