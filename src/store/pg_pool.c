/* The connections of one worker: dealt to lanes, watched, freed. What is sent on them is
 * pg_batch.c's. */
#include "store/pg_pool.h"

#include "observe/metrics.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- lanes ---- */

/* How many connections each lane gets.
 *
 * Reads are most of the traffic and wait for nobody. Stock has one: its batches would only wait for
 * each other's row locks. Commits get the rest, since each waits for the disk. */
static void lane_sizes(uint32_t count, uint32_t sizes[PG_LANE_COUNT])
{
    assert(count >= PG_LANE_COUNT);
    sizes[PG_LANE_STOCK] = 1;
    sizes[PG_LANE_READ] = MAX_OF(count / 2, 1);
    sizes[PG_LANE_WRITE] = count - sizes[PG_LANE_STOCK] - sizes[PG_LANE_READ];
}

static void pg_flight_up(void *arg, struct pg_conn *conn)
{
    struct pg_flight *flight = arg;
    (void)conn;

    if (!flight->is_up) {
        flight->is_up = true;
        flight->pool->lanes[flight->lane].up_count++;
        metrics_add(METRIC_DB_CONNECTIONS, 0, 1);
    }
    pg_pool__post(flight->pool);
}

static void pg_flight_down(struct pg_flight *flight)
{
    struct pg_pool *pool = flight->pool;
    struct pg_lane_state *lane = &pool->lanes[flight->lane];

    if (!flight->is_up)
        return;
    flight->is_up = false;
    metrics_add(METRIC_DB_CONNECTIONS, 0, -1);
    if (--lane->up_count > 0)
        return;
    lane->down_since_ms = clock_now_ms(loop_clock(pool->loop));
    if (!pool->is_closing)
        pg_pool__wake_at(pool, lane->down_since_ms + PG_LANE_DOWN_MS_MAX);
}

static void pg_flight_lost(void *arg, struct pg_conn *conn, const struct error *err)
{
    struct pg_flight *flight = arg;
    const struct pg_pool_config *config = &flight->pool->config;
    (void)conn;

    pg_flight_down(flight);
    if (config->on_connection_lost != NULL)
        config->on_connection_lost(config->arg, err);
}

/* ---- turns and time ---- */

static void pg_turn_run(struct loop_task *task)
{
    struct pg_turn *turn = CONTAINER_OF(task, struct pg_turn, task);
    if (turn->pool == NULL)
        free(turn);
    else
        pg_batch__dispatch(turn->pool);
}

void pg_pool__post(struct pg_pool *pool)
{
    if (!pool->is_closing)
        loop_post(pool->loop, &pool->turn->task);
}

void pg_pool__wake_at(struct pg_pool *pool, int64_t time_ms)
{
    if (time_ms >= pool->timer_due_ms)
        return;
    struct clock *clock = loop_clock(pool->loop);
    pool->timer_due_ms = time_ms;
    clock_timer_start(clock, &pool->timer, MAX_OF(time_ms - clock_now_ms(clock), 0));
}

static void pg_pool_on_time(struct clock_timer *timer)
{
    struct pg_pool *pool = CONTAINER_OF(timer, struct pg_pool, timer);
    pool->timer_due_ms = INT64_MAX;
    pg_batch__expire(pool);
}

/* ---- life ---- */

static bool pg_pool_allocate(struct pg_pool *pool)
{
    size_t connection_count = pool->config.connection_count;

    pool->turn = calloc(1, sizeof(*pool->turn));
    pool->queues = calloc(MAX_OF(pool->queue_count, 1), sizeof(*pool->queues));
    pool->flights = calloc(connection_count, sizeof(*pool->flights));
    pool->call_places =
        calloc(connection_count * pool->config.batch_max, sizeof(struct store_call *));
    return pool->turn != NULL && pool->queues != NULL && pool->flights != NULL &&
           pool->call_places != NULL;
}

static void pg_pool_init_parts(struct pg_pool *pool)
{
    const struct pg_pool_config *config = &pool->config;
    uint32_t sizes[PG_LANE_COUNT], lane = 0;

    lane_sizes(config->connection_count, sizes);
    for (uint32_t i = 0; i < config->connection_count; i++) {
        while (sizes[lane] == 0)
            lane++;
        sizes[lane]--;
        pool->flights[i].pool = pool;
        pool->flights[i].lane = (enum pg_lane)lane;
        pool->flights[i].calls = &pool->call_places[(size_t)i * config->batch_max];
    }
    for (uint32_t i = 0; i < pool->queue_count; i++) {
        pool->queues[i].statement = &config->statements[i];
        STAILQ_INIT(&pool->queues[i].waiting);
        pg_params_init(&pool->queues[i].params, config->statements[i].types);
    }
    pool->turn->task.run = pg_turn_run;
    pool->turn->pool = pool;
}

static bool pg_pool_connect(struct pg_pool *pool, struct random_source *random)
{
    for (uint32_t i = 0; i < pool->config.connection_count; i++) {
        struct pg_flight *flight = &pool->flights[i];
        const struct pg_conn_config config = {
            .conninfo = pool->config.conninfo,
            .application_name = "orderd",
            .statements = pool->config.statements,
            .statement_timeout_ms = pool->config.statement_timeout_ms,
            .lock_timeout_ms = pool->config.lock_timeout_ms,
            .on_ready = pg_flight_up,
            .on_lost = pg_flight_lost,
            .arg = flight,
        };
        flight->conn = pool->ops->create(pool->loop, random, &config);
        if (flight->conn == NULL)
            return false;
    }
    return true;
}

struct pg_pool *pg_pool_new(struct loop *loop, struct random_source *random,
                            const struct pg_pool_config *config)
{
    assert(config->batch_max >= 1 && config->connection_count >= PG_LANE_COUNT);
    struct pg_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL)
        return NULL;
    pool->loop = loop;
    pool->config = *config;
    if (config->statements == NULL)
        pool->config.statements = pg_statements;
    pool->ops = config->conn_ops == NULL ? &pg_conn_ops : config->conn_ops;
    pool->timer.on_time = pg_pool_on_time;
    pool->timer_due_ms = INT64_MAX;
    STAILQ_INIT(&pool->ended);
    for (unsigned i = 0; i < PG_LANE_COUNT; i++) {
        STAILQ_INIT(&pool->lanes[i].queues);
        pool->lanes[i].down_since_ms = clock_now_ms(loop_clock(loop));
    }
    while (pool->config.statements[pool->queue_count].name != NULL)
        pool->queue_count++;

    if (!pg_pool_allocate(pool))
        goto failed;
    pg_pool_init_parts(pool);
    if (!pg_pool_connect(pool, random))
        goto failed;
    return pool;

failed:
    pg_pool_free(pool);
    return NULL;
}

/* A posted task cannot be called back: it then frees itself. */
static void pg_pool_leave_turn(struct pg_pool *pool)
{
    if (pool->turn == NULL)
        return;
    pool->turn->pool = NULL;
    if (!pool->turn->task.pending)
        free(pool->turn);
}

void pg_pool_free(struct pg_pool *pool)
{
    if (pool == NULL)
        return;
    pool->is_closing = true;
    for (uint32_t i = 0; pool->flights != NULL && i < pool->config.connection_count; i++) {
        if (pool->flights[i].conn != NULL)
            pool->ops->free(pool->flights[i].conn);
        pool->flights[i].conn = NULL;
        if (pool->flights[i].pool != NULL)
            pg_flight_down(&pool->flights[i]);
    }
    if (pool->queues != NULL)
        pg_batch__end_all(pool);
    for (uint32_t i = 0; pool->queues != NULL && i < pool->queue_count; i++)
        pg_params_deinit(&pool->queues[i].params);
    metrics_add(METRIC_DB_WAITING, 0, -(int64_t)pool->waiting_told);
    clock_timer_stop(loop_clock(pool->loop), &pool->timer);
    pg_pool_leave_turn(pool);
    free(pool->call_places);
    free(pool->flights);
    free(pool->queues);
    free(pool);
}

/* ---- figures ---- */

bool pg_pool_is_up(const struct pg_pool *pool)
{
    for (unsigned i = 0; i < PG_LANE_COUNT; i++)
        if (pool->lanes[i].up_count == 0)
            return false;
    return true;
}

static void count_flight(const struct pg_flight *flight, struct pg_pool_figures *figures)
{
    struct pg_lane_figures *lane = &figures->lanes[flight->lane];

    lane->connections++;
    lane->ready += flight->is_up;
    if (flight->queue != NULL)
        figures->statements[flight->queue - flight->pool->queues].flying += flight->count;
}

void pg_pool_read_figures(const struct pg_pool *pool, struct pg_pool_figures *out)
{
    *out = (struct pg_pool_figures){0};
    for (uint32_t i = 0; i < MIN_OF(pool->queue_count, PG_STATEMENT_COUNT); i++) {
        out->statements[i].waiting = pool->queues[i].waiting_count;
        out->statements[i].last_batch = pool->queues[i].last_batch;
    }
    for (uint32_t i = 0; i < pool->config.connection_count; i++)
        count_flight(&pool->flights[i], out);
}

void pg_pool_register_metrics(void)
{
    char labels[PG_STATEMENT_COUNT][64];
    const char *list[PG_STATEMENT_COUNT];

    for (unsigned i = 0; i < PG_STATEMENT_COUNT; i++) {
        snprintf(labels[i], sizeof(labels[i]), "statement=\"%s\"", pg_statements[i].name);
        list[i] = labels[i];
    }
    metrics_series(METRIC_DB_BATCHES, list, PG_STATEMENT_COUNT);
    metrics_series(METRIC_DB_FULL, list, PG_STATEMENT_COUNT);
    metrics_series(METRIC_DB_ROWS, list, PG_STATEMENT_COUNT);
    metrics_series(METRIC_DB_SECONDS, list, PG_STATEMENT_COUNT);
}
