/* Requests and batches: gather, send as one array parameter a column, deal the rows back, decide what
 * becomes of a batch that failed. The connections themselves and their lanes are pg_pool.c's.
 *
 * Within a lane the statements take turns, and within a statement the oldest goes first: so one
 * request for a rare statement does not stand behind thousands for another. */
#include "store/pg_batch.h"

#include "base/fault_point.h"
#include "observe/metrics.h"
#include "store/pg_error.h"
#include "store/pg_pool.h"

#include <assert.h>
#include <string.h>

/* Looking through the waiting for passed deadlines may cost the loop this share of its time: after
 * 50,000 were looked at, the next look comes 25 ms later at the earliest. */
enum {
    EXPIRE_CALLS_PER_MS = 2000
};

/* ---- waiting ---- */

static void pg_queue_list(struct pg_pool *pool, struct pg_queue *queue)
{
    if (queue->is_listed || STAILQ_EMPTY(&queue->waiting))
        return;
    STAILQ_INSERT_TAIL(&pool->lanes[queue->statement->lane].queues, queue, link);
    queue->is_listed = true;
}

static struct store_call *pg_queue_pop(struct pg_pool *pool, struct pg_queue *queue)
{
    struct store_call *call = STAILQ_FIRST(&queue->waiting);
    STAILQ_REMOVE_HEAD(&queue->waiting, adapter.link);
    assert(pool->waiting_count > 0);
    pool->waiting_count--;
    queue->waiting_count--;
    return call;
}

/* Back to the front: it has waited longest. */
static void pg_queue_return(struct pg_pool *pool, struct pg_queue *queue, struct store_call *call)
{
    STAILQ_INSERT_HEAD(&queue->waiting, call, adapter.link);
    pool->waiting_count++;
    queue->waiting_count++;
    pg_queue_list(pool, queue);
}

static void pg_call_end(struct pg_pool *pool, struct store_call *call, const struct error *err)
{
    call->err = *err;
    STAILQ_INSERT_TAIL(&pool->ended, call, adapter.link);
}

static void pg_call_end_unavailable(struct pg_pool *pool, struct store_call *call)
{
    struct error err = {0};
    pg_error_set(&err, NULL);
    pg_call_end(pool, call, &err);
}

/* Those told may start new requests, so this is done last. */
static void pg_batch_tell_ended(struct pg_pool *pool)
{
    struct store_call *call;
    while ((call = STAILQ_FIRST(&pool->ended)) != NULL) {
        STAILQ_REMOVE_HEAD(&pool->ended, adapter.link);
        call->done(call);
    }
}

void pg_batch_start(struct pg_pool *pool, const struct pg_batch_codec *codec,
                    struct store_call *call)
{
    assert((uint32_t)codec->statement < pool->queue_count);
    assert(call->done != NULL && call->arena != NULL);
    struct pg_queue *queue = &pool->queues[codec->statement];
    assert(queue->codec == NULL || queue->codec == codec);

    queue->codec = codec;
    memset(&call->err, 0, sizeof(call->err));
    call->maybe_done = false;
    call->adapter.tries = 0;
    call->adapter.alone = false;
    pg_pool__post(pool);

    if (pool->is_closing) {
        pg_call_end_unavailable(pool, call);
        return;
    }
    if (pool->waiting_count >= PG_WAITING_MAX) {
        struct error err = {0};
        error_set(&err, REASON_STORE_OVERLOADED);
        pg_call_end(pool, call, &err);
        return;
    }
    STAILQ_INSERT_TAIL(&queue->waiting, call, adapter.link);
    pool->waiting_count++;
    queue->waiting_count++;
    pg_queue_list(pool, queue);

    const struct pg_lane_state *lane = &pool->lanes[queue->statement->lane];
    pg_pool__wake_at(pool, call->deadline_ms);
    if (lane->up_count == 0)
        pg_pool__wake_at(pool, lane->down_since_ms + PG_LANE_DOWN_MS_MAX);
}

/* ---- what becomes of a batch ---- */

static void pg_batch_deal(struct pg_flight *flight, const struct pg_batch_codec *codec,
                          const PGresult *result)
{
    /* The fate is known now; a codec that has no room for the result may say otherwise. */
    for (uint32_t i = 0; i < flight->count; i++)
        if (flight->calls[i] != NULL)
            flight->calls[i]->maybe_done = false;

    int row_count = PQntuples(result);
    for (int i = 0; i < row_count; i++) {
        struct pg_row row = {.result = result, .row = i};
        int32_t ord = pg_get_int4(&row, 0);
        assert(ord >= 0 && (uint32_t)ord < flight->count);
        struct store_call *call = flight->calls[ord];
        if (call != NULL && !error_is_set(&call->err))
            codec->on_row(call, &row);
    }
    for (uint32_t i = 0; i < flight->count; i++) {
        struct store_call *call = flight->calls[i];
        if (call == NULL)
            continue;
        if (codec->on_end != NULL && !error_is_set(&call->err))
            codec->on_end(call);
        STAILQ_INSERT_TAIL(&flight->pool->ended, call, adapter.link);
    }
}

/* One bad request must stop only itself: a batch that failed is sent once more, each alone. */
static void pg_batch_refused(struct pg_flight *flight, struct pg_queue *queue,
                             const struct error *err)
{
    struct pg_pool *pool = flight->pool;
    bool was_alone = flight->count == 1;

    for (uint32_t i = flight->count; i-- > 0;) {
        struct store_call *call = flight->calls[i];
        if (call == NULL)
            continue;
        if (was_alone) {
            pg_call_end(pool, call, err);
        } else {
            call->adapter.alone = true;
            pg_queue_return(pool, queue, call);
        }
    }
}

static void pg_batch_lost(struct pg_flight *flight, struct pg_queue *queue)
{
    struct pg_pool *pool = flight->pool;

    for (uint32_t i = flight->count; i-- > 0;) {
        struct store_call *call = flight->calls[i];
        if (call == NULL)
            continue;
        call->maybe_done = true;
        if (!pool->is_closing && queue->statement->is_repeatable && call->adapter.tries == 0) {
            call->adapter.tries = 1;
            pg_queue_return(pool, queue, call);
        } else {
            pg_call_end_unavailable(pool, call);
        }
    }
}

/* Counted and told, since what a caller is answered names neither statement nor SQLSTATE. */
static void pg_batch_tell_failed(const struct pg_pool *pool, const struct pg_queue *queue,
                                 const char *sqlstate, const struct error *err)
{
    metrics_add(METRIC_DB_FAILURES, 0, 1);
    if (pool->config.on_batch_failed != NULL && !pool->is_closing)
        pool->config.on_batch_failed(pool->config.arg, queue->statement->name, sqlstate, err);
}

static void pg_batch_done(void *arg, const PGresult *result, const struct error *err,
                          const char *sqlstate, bool connection_lost)
{
    struct pg_flight *flight = arg;
    struct pg_pool *pool = flight->pool;
    struct pg_queue *queue = flight->queue;
    assert(queue != NULL);
    unsigned series = (unsigned)(queue - pool->queues);
    metrics_observe_us(METRIC_DB_SECONDS, series,
                       clock_exact_us(loop_clock(pool->loop)) - flight->sent_us);
    if (result == NULL)
        pg_batch_tell_failed(pool, queue, sqlstate, err);

    flight->queue = NULL;
    if (result != NULL)
        pg_batch_deal(flight, queue->codec, result);
    else if (connection_lost)
        pg_batch_lost(flight, queue);
    else
        pg_batch_refused(flight, queue, err);
    flight->count = 0;
    pg_batch_tell_ended(pool);
    pg_pool__post(pool);
}

/* ---- forming and sending ---- */

/* Moves requests from the queue into the flight and the parameters, as many as may go together. */
static void pg_batch_form(struct pg_flight *flight, struct pg_queue *queue)
{
    struct pg_pool *pool = flight->pool;
    int64_t now_ms = clock_now_ms(loop_clock(pool->loop));
    struct store_call *call;

    flight->count = 0;
    pg_params_clear(&queue->params);
    while (flight->count < pool->config.batch_max &&
           (call = STAILQ_FIRST(&queue->waiting)) != NULL) {
        bool is_expired = call->deadline_ms <= now_ms;
        if (!is_expired && flight->count > 0 &&
            (call->adapter.alone || pg_params_size(&queue->params) >= PG_BATCH_SIZE_MAX))
            break;
        (void)pg_queue_pop(pool, queue);
        if (is_expired) {
            pg_call_end_unavailable(pool, call);
            continue;
        }
        queue->codec->encode(call, flight->count, &queue->params);
        flight->calls[flight->count++] = call;
        if (call->adapter.alone)
            break;
    }
}

static void pg_batch_send(struct pg_flight *flight, struct pg_queue *queue)
{
    struct pg_pool *pool = flight->pool;
    unsigned series = (unsigned)(queue - pool->queues);

    pg_batch_form(flight, queue);
    if (flight->count == 0)
        return;
    if (pg_params_failed(&queue->params)) {
        struct error err = {0};
        error_set(&err, REASON_OUT_OF_MEMORY);
        pg_batch_refused(flight, queue, &err);
        flight->count = 0;
        return;
    }
    metrics_add(METRIC_DB_BATCHES, series, 1);
    metrics_add(METRIC_DB_ROWS, series, flight->count);
    if (flight->count == pool->config.batch_max && !STAILQ_EMPTY(&queue->waiting))
        metrics_add(METRIC_DB_FULL, series, 1);
    queue->last_batch = flight->count;
    flight->queue = queue;
    flight->sent_us = clock_exact_us(loop_clock(pool->loop));
    pool->ops->execute(flight->conn, queue->statement, &queue->params, pg_batch_done, flight);
    FAULT_POINT("batch.%s.sent", queue->statement->name);
}

static struct pg_flight *pg_pool_idle(struct pg_pool *pool, enum pg_lane lane)
{
    for (uint32_t i = 0; i < pool->config.connection_count; i++) {
        struct pg_flight *flight = &pool->flights[i];
        if (flight->lane == lane && flight->queue == NULL && pool->ops->is_ready(flight->conn))
            return flight;
    }
    return NULL;
}

static void pg_lane_dispatch(struct pg_pool *pool, enum pg_lane lane)
{
    struct pg_lane_state *state = &pool->lanes[lane];
    struct pg_queue *queue;
    struct pg_flight *flight;

    while ((queue = STAILQ_FIRST(&state->queues)) != NULL &&
           (flight = pg_pool_idle(pool, lane)) != NULL) {
        STAILQ_REMOVE_HEAD(&state->queues, link);
        queue->is_listed = false;
        pg_batch_send(flight, queue);
        pg_queue_list(pool, queue); /* at the end: the next statement's turn */
    }
}

void pg_batch__dispatch(struct pg_pool *pool)
{
    for (unsigned lane = 0; lane < PG_LANE_COUNT; lane++)
        pg_lane_dispatch(pool, (enum pg_lane)lane);
    pg_batch_tell_ended(pool);
    metrics_add(METRIC_DB_WAITING, 0, (int64_t)pool->waiting_count - pool->waiting_told);
    pool->waiting_told = pool->waiting_count;
}

/* ---- time ---- */

/* Ends those of a queue whose time is up; all of them when the lane has been down too long. Returns
 * the earliest deadline of the others. */
static int64_t pg_queue_expire(struct pg_pool *pool, struct pg_queue *queue, bool is_lane_dead,
                               int64_t now_ms)
{
    struct pg_calls kept = STAILQ_HEAD_INITIALIZER(kept);
    int64_t next_ms = INT64_MAX;

    while (!STAILQ_EMPTY(&queue->waiting)) {
        struct store_call *call = pg_queue_pop(pool, queue);
        if (is_lane_dead || call->deadline_ms <= now_ms) {
            pg_call_end_unavailable(pool, call);
            continue;
        }
        next_ms = MIN_OF(next_ms, call->deadline_ms);
        STAILQ_INSERT_TAIL(&kept, call, adapter.link);
        pool->waiting_count++;
        queue->waiting_count++;
    }
    STAILQ_CONCAT(&queue->waiting, &kept);
    if (STAILQ_EMPTY(&queue->waiting) && queue->is_listed) {
        STAILQ_REMOVE(&pool->lanes[queue->statement->lane].queues, queue, pg_queue, link);
        queue->is_listed = false;
    }
    return next_ms;
}

/* A request in flight is answered at its deadline; its row is ignored when it comes. */
static int64_t pg_flight_expire(struct pg_flight *flight, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;

    for (uint32_t i = 0; i < flight->count; i++) {
        struct store_call *call = flight->calls[i];
        if (call == NULL)
            continue;
        if (call->deadline_ms > now_ms) {
            next_ms = MIN_OF(next_ms, call->deadline_ms);
            continue;
        }
        flight->calls[i] = NULL;
        call->maybe_done = true;
        pg_call_end_unavailable(flight->pool, call);
    }
    return next_ms;
}

void pg_batch__expire(struct pg_pool *pool)
{
    int64_t now_ms = clock_now_ms(loop_clock(pool->loop));
    int64_t earliest_ms = now_ms + 1 + pool->waiting_count / EXPIRE_CALLS_PER_MS;
    int64_t next_ms = INT64_MAX;

    for (uint32_t i = 0; i < pool->queue_count; i++) {
        struct pg_queue *queue = &pool->queues[i];
        const struct pg_lane_state *lane = &pool->lanes[queue->statement->lane];
        bool is_down = lane->up_count == 0;
        int64_t dead_ms = lane->down_since_ms + PG_LANE_DOWN_MS_MAX;
        int64_t queue_ms = pg_queue_expire(pool, queue, is_down && dead_ms <= now_ms, now_ms);
        if (is_down && queue_ms != INT64_MAX)
            queue_ms = MIN_OF(queue_ms, dead_ms);
        next_ms = MIN_OF(next_ms, queue_ms);
    }
    for (uint32_t i = 0; i < pool->config.connection_count; i++) {
        int64_t flight_ms = pg_flight_expire(&pool->flights[i], now_ms);
        next_ms = MIN_OF(next_ms, flight_ms);
    }
    if (next_ms != INT64_MAX)
        pg_pool__wake_at(pool, MAX_OF(next_ms, earliest_ms));
    pg_batch_tell_ended(pool);
}

void pg_batch__end_all(struct pg_pool *pool)
{
    /* Those told may start others, which end at once. */
    for (uint32_t i = 0; i < pool->queue_count; i++)
        while (!STAILQ_EMPTY(&pool->queues[i].waiting))
            pg_call_end_unavailable(pool, pg_queue_pop(pool, &pool->queues[i]));
    pg_batch_tell_ended(pool);
}
