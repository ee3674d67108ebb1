/* The heart of the store: one round trip serves all requests that wait for the same statement.
 *
 * Requests for a statement gather while its connections are busy, and leave together as one array
 * parameter each column; the rows of the result are dealt back to the requests. With nobody else
 * waiting a batch is one request and nothing was delayed: there is no timer. Requests started in
 * one turn of the loop leave in one batch, at the end of that turn.
 *
 *   start ---> waiting --(connection idle, end of turn)--> in flight --rows--> on_row --> done
 *                 |                                            |
 *                 | deadline, queue full                       | SQL error: once more, each alone
 *                 v                                            | connection lost: once more, if
 *               done (STORE_UNAVAILABLE)                       v the statement is repeatable
 *
 * Invariants: a request is in exactly one batch, waiting or in flight; at most batch_max in flight
 * together; at most PG_WAITING_MAX wait in all; `done` of each is called exactly once, never from
 * inside pg_batch_start. Belongs to its loop. */
#pragma once

#include "port/random.h"
#include "port/store_call.h"
#include "runtime/loop.h"
#include "store/pg_conn.h"
#include "store/pg_row.h"
#include "store/pg_statement.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PG_WAITING_MAX = 50000,
    PG_BATCH_SIZE_MAX = 1024 * 1024, /* a batch takes no further request once it has these bytes */
    PG_LANE_DOWN_MS_MAX = 2000,      /* with no connection up, nobody waits longer than this */
};

/* How the requests of one statement are written and read; one constant object a statement. */
struct pg_batch_codec {
    enum pg_statement_id statement;
    /* Appends the request's elements; `ord` is its place, for statements with several elements a
     * request. */
    void (*encode)(struct store_call *call, uint32_t ord, struct pg_params *params);
    /* One row of the result that belongs to this request (column 0 was ord); may be called 0 or
     * more times. Sets call->err to fail the request. */
    void (*on_row)(struct store_call *call, const struct pg_row *row);
    /* After its last row, only when nothing failed: e.g. NOT_FOUND when no row came. May be NULL. */
    void (*on_end)(struct store_call *call);
};

struct pg_pool; /* the connections of one worker, in lanes, with their batches */

struct pg_pool_config {
    const char *conninfo;
    uint32_t connection_count;    /* of this worker, dealt to the lanes; at least PG_LANE_COUNT */
    uint32_t batch_max;           /* 1 turns batching off, for comparison */
    int32_t statement_timeout_ms; /* default 10,000 */
    int32_t lock_timeout_ms;      /* 2,000 */
    /* A connection was lost or could not be made: for the operator's log. May be NULL. */
    void (*on_connection_lost)(void *arg, const struct error *err);
    /* A batch failed, whatever becomes of its requests: for the operator's log. `sqlstate` is NULL
     * when the server did not say. May be NULL. */
    void (*on_batch_failed)(void *arg, const char *statement, const char *sqlstate,
                            const struct error *err);
    void *arg;
    /* For tests; NULL: pg_statements, pg_conn_ops. */
    const struct pg_statement *statements;
    const struct pg_conn_ops *conn_ops;
};

/* Names the series of METRIC_DB_* (one a statement); once, at start, before the first pool. */
void pg_pool_register_metrics(void);

/* NULL when out of memory. Connects at once, and again after each loss. */
struct pg_pool *pg_pool_new(struct loop *loop, struct random_source *random,
                            const struct pg_pool_config *config);
/* Waiting and flying requests end with STORE_UNAVAILABLE before this returns. */
void pg_pool_free(struct pg_pool *pool);

/* Starts one request; call->arena, deadline_ms and done are set. */
void pg_batch_start(struct pg_pool *pool, const struct pg_batch_codec *codec,
                    struct store_call *call);

/* What goes on in a pool at this moment: for the person on call. */
struct pg_lane_figures {
    uint32_t connections, ready;
};
struct pg_statement_figures {
    uint32_t waiting, flying; /* requests */
    uint32_t last_batch;      /* requests in the batch that was sent last */
};
struct pg_pool_figures {
    struct pg_lane_figures lanes[PG_LANE_COUNT];
    struct pg_statement_figures statements[PG_STATEMENT_COUNT];
};
void pg_pool_read_figures(const struct pg_pool *pool, struct pg_pool_figures *out);

/* Every lane has a connection that is ready or busy with a command: for readiness. */
bool pg_pool_is_up(const struct pg_pool *pool);
