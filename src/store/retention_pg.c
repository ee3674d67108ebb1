/* The passes of retention: when, how large, and what is counted. Not for deciding what leaves, which
 * the statement does. */
#include "store/retention_pg.h"

#include <assert.h>

#include "observe/metrics.h"

enum {
    REMOVED = 1,         /* column of the result */
    PASS_MS_MAX = 30000, /* a pass that takes longer is given up; the next one goes on */
    KEY_MS = RETENTION_KEY_DAYS * 24 * 60 * 60 * 1000,
    RETENTION_ARENA_SIZE = 1024, /* results are numbers: nothing is ever put there */
};

static void pass_encode(struct store_call *call UNUSED, uint32_t ord UNUSED,
                        struct pg_params *params)
{
    pg_put_int4(params, 0, RETENTION_BATCH_MAX);
    pg_put_int8(params, 1, KEY_MS);
}

static void pass_row(struct store_call *call, const struct pg_row *row)
{
    CONTAINER_OF(call, struct retention_pg, call)->removed = pg_get_int4(row, REMOVED);
}

static const struct pg_batch_codec pass_codec = {PG_KEYS_REMOVE, pass_encode, pass_row, NULL};

static void on_passed(struct store_call *call);

static void on_time(struct clock_timer *timer)
{
    struct retention_pg *retention = CONTAINER_OF(timer, struct retention_pg, timer);

    assert(retention->state == RETENTION_WAITING);
    retention->state = RETENTION_PASSING;
    retention->removed = 0;
    retention->call = (struct store_call){
        .arena = retention->arena,
        .deadline_ms = clock_now_ms(retention->clock) + PASS_MS_MAX,
        .done = on_passed,
    };
    pg_batch_start(retention->pool, &pass_codec, &retention->call);
}

static void wait_for_next(struct retention_pg *retention, int64_t pause_ms)
{
    retention->state = RETENTION_WAITING;
    clock_timer_start(retention->clock, &retention->timer, pause_ms);
}

/* A pass that failed has left its keys for the next one. */
static void on_passed(struct store_call *call)
{
    struct retention_pg *retention = CONTAINER_OF(call, struct retention_pg, call);
    bool was_full = !error_is_set(&call->err) && retention->removed == RETENTION_BATCH_MAX;

    if (!error_is_set(&call->err))
        metrics_add(METRIC_KEYS_REMOVED, 0, retention->removed);
    if (retention->state == RETENTION_PASSING)
        wait_for_next(retention, was_full ? 0 : RETENTION_PAUSE_MS);
}

void retention_pg_start(struct retention_pg *retention)
{
    assert(retention->state == RETENTION_OFF);
    wait_for_next(retention, 0);
}

void retention_pg_stop(struct retention_pg *retention)
{
    retention->state = RETENTION_OFF;
    clock_timer_stop(retention->clock, &retention->timer);
}

bool retention_pg_init(struct retention_pg *retention, struct pg_pool *pool, struct clock *clock)
{
    *retention = (struct retention_pg){
        .pool = pool,
        .clock = clock,
        .arena = arena_new(RETENTION_ARENA_SIZE),
        .timer.on_time = on_time,
    };
    return retention->arena != NULL;
}

void retention_pg_deinit(struct retention_pg *retention)
{
    if (retention->clock != NULL)
        retention_pg_stop(retention);
    arena_free(retention->arena);
    retention->arena = NULL;
}
