/* Removes idempotency keys that are older than anybody may rely on: a pass every minute, of a bounded
 * number of keys, and the next at once while there are more.
 *
 * One a process is enough; several replicas do not get into each other's way. Belongs to its loop. What
 * stays, and why, is decided in sql/0005_retention.sql. */
#pragma once

#include "base/macros.h"
#include "port/clock.h"
#include "store/pg_batch.h"

enum {
    RETENTION_KEY_DAYS = 7,     /* at least so long a key is answered */
    RETENTION_BATCH_MAX = 1000, /* keys a pass: 15 ms on a connection for writes */
    RETENTION_PAUSE_MS = 60000, /* between passes, when the last one was not full */
};

enum retention_state {
    RETENTION_OFF,
    RETENTION_WAITING, /* timer runs until the next pass */
    RETENTION_PASSING, /* `call` is out */
};

struct retention_pg {
    struct pg_pool *pool;
    struct clock *clock;
    struct arena *arena;
    struct clock_timer timer;
    struct store_call call;
    enum retention_state state;
    int32_t removed; /* of the last pass */
};

/* False: out of memory. */
bool retention_pg_init(struct retention_pg *retention, struct pg_pool *pool, struct clock *clock)
    NODISCARD;
/* After the pool was freed, so that no pass is out; also of one that was never initialised. */
void retention_pg_deinit(struct retention_pg *retention);

/* The first pass begins at once. */
void retention_pg_start(struct retention_pg *retention);
/* No further pass begins; one that is out comes home without effect on this. */
void retention_pg_stop(struct retention_pg *retention);
