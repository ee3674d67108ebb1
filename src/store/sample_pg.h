/* Figures of all orders, for alerts: how many are stuck or being undone, for how long the oldest has been
 * under way, what the last reconciliation found. One statement every few seconds, whose answer becomes gauges.
 *
 * One a process is enough; every replica tells the same, so rules take the greatest. While the database
 * is away the gauges stay as they were. Belongs to its loop. */
#pragma once

#include "base/macros.h"
#include "port/clock.h"
#include "store/pg_batch.h"

enum {
    SAMPLE_PAUSE_MS = 5000,
    SAMPLE_OPEN_MAX = 20000, /* open attempts looked at, two index look-ups each */
};

enum sample_state {
    SAMPLE_OFF,
    SAMPLE_WAITING, /* timer runs until the next */
    SAMPLE_ASKING,  /* `call` is out */
};

struct sample_pg {
    struct pg_pool *pool;
    struct clock *clock;
    struct arena *arena;
    struct clock_timer timer;
    struct store_call call;
    enum sample_state state;
};

/* Names the series of METRIC_DIFFERENCES; once, at start. */
void sample_pg_register_metrics(void);

/* False: out of memory. */
bool sample_pg_init(struct sample_pg *sample, struct pg_pool *pool, struct clock *clock) NODISCARD;
/* After the pool was freed, so that nothing is out; also of one that was never initialised. */
void sample_pg_deinit(struct sample_pg *sample);

/* The first is taken at once. */
void sample_pg_start(struct sample_pg *sample);
/* None is begun any more; one that is out comes home without effect on this. */
void sample_pg_stop(struct sample_pg *sample);
