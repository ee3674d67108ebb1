/* What pg_pool.c (connections, lanes, life) and pg_batch.c (requests, batches) share. Not for others:
 * their header is pg_batch.h. */
#pragma once

#include "store/pg_batch.h"

STAILQ_HEAD(pg_calls, store_call);

/* Requests that wait for one statement. */
struct pg_queue {
    const struct pg_statement *statement;
    const struct pg_batch_codec *codec; /* NULL until the first request */
    struct pg_calls waiting;
    uint32_t waiting_count;
    uint32_t last_batch;     /* requests in the batch that was sent last */
    struct pg_params params; /* of the batch being formed; its memory is reused */
    STAILQ_ENTRY(pg_queue) link;
    bool is_listed; /* in its lane's list; exactly while somebody waits */
};

/* One connection, and the batch in flight on it. */
struct pg_flight {
    struct pg_pool *pool;
    struct pg_conn *conn;
    enum pg_lane lane;
    bool is_up;
    struct pg_queue *queue;    /* NULL: no batch in flight */
    struct store_call **calls; /* by ord; NULL for one whose deadline has passed meanwhile */
    uint32_t count;
    int64_t sent_us;
};

struct pg_lane_state {
    STAILQ_HEAD(, pg_queue) queues; /* with somebody waiting, next one first */
    uint32_t up_count;
    int64_t down_since_ms; /* while up_count is 0 */
};

/* The task at the end of a turn; it outlives a pool that is freed while it is posted. */
struct pg_turn {
    struct loop_task task;
    struct pg_pool *pool;
};

struct pg_pool {
    struct loop *loop;
    struct pg_pool_config config;
    const struct pg_conn_ops *ops;
    struct pg_lane_state lanes[PG_LANE_COUNT];
    struct pg_queue *queues; /* by statement */
    uint32_t queue_count;
    struct pg_flight *flights;
    struct store_call **call_places; /* flights[i].calls, in one piece */
    uint32_t waiting_count;
    uint32_t waiting_told; /* what the gauge was told */
    struct pg_calls ended; /* to be told by `done`, as soon as nobody is in the middle of a list */
    struct pg_turn *turn;
    struct clock_timer timer; /* for the earliest deadline */
    int64_t timer_due_ms;     /* INT64_MAX: not set */
    bool is_closing;
};

/* Asks for pg_batch__dispatch at the end of this turn. */
void pg_pool__post(struct pg_pool *pool);
/* Asks for pg_batch__expire at `time_ms` at the latest. */
void pg_pool__wake_at(struct pg_pool *pool, int64_t time_ms);

/* Sends what waits onto idle connections, and tells those that have ended. */
void pg_batch__dispatch(struct pg_pool *pool);
/* Ends all whose time is up, and asks to be woken for the next. */
void pg_batch__expire(struct pg_pool *pool);
/* Ends all that wait. */
void pg_batch__end_all(struct pg_pool *pool);
