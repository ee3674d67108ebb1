/* One connection: connect, prepare, execute, lose, come back. libpq without blocking, on the loop.
 *
 *                        +------------------- loss ---------------------+
 *                        v                                              |
 *   (new) ---------> RESTING --timer--> RESOLVING --> CONNECTING --> PREPARING --> READY <--> BUSY
 *                        ^                  |             |                          |          |
 *                        +---- failure -----+-------------+--------- loss -----------+----------+
 *
 * One timer serves all states: the pause in RESTING, the limit of connecting (RESOLVING to
 * PREPARING together), the limit of a command in BUSY. Knows nothing of batches. */
#include "store/pg_conn.h"

#include "store/pg_conninfo.h"
#include "store/pg_error.h"
#include "store/pg_hosts.h"
#include "store/pg_resolve.h"
#include "store/pg_statement.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECT_TIMEOUT_MS = 5000,
    /* The server ends a command at statement_timeout; a second later something else is wrong. */
    COMMAND_GRACE_MS = 1000,
    BACKOFF_MS_MIN = 100,
    BACKOFF_MS_MAX = 5000,
};

enum pg_conn_state {
    PG_CONN_RESTING,    /* no socket; the timer ends the pause */
    PG_CONN_RESOLVING,  /* a helper thread looks up host names */
    PG_CONN_CONNECTING, /* PQconnectPoll */
    PG_CONN_PREPARING,  /* one pipelined round of all statements */
    PG_CONN_READY,      /* idle */
    PG_CONN_BUSY,       /* one command in flight */
    PG_CONN_STATE_COUNT
};

#define TO(state) (1u << PG_CONN_##state)
/* clang-format off */
static const struct {
    const char *name;
    unsigned next; /* states it may move to */
} state_rows[PG_CONN_STATE_COUNT] = {
    [PG_CONN_RESTING]    = { "resting",    TO(RESOLVING) | TO(CONNECTING) | TO(RESTING) },
    [PG_CONN_RESOLVING]  = { "resolving",  TO(CONNECTING) | TO(RESTING) },
    [PG_CONN_CONNECTING] = { "connecting", TO(PREPARING) | TO(RESTING) },
    [PG_CONN_PREPARING]  = { "preparing",  TO(READY) | TO(RESTING) },
    [PG_CONN_READY]      = { "ready",      TO(BUSY) | TO(RESTING) },
    [PG_CONN_BUSY]       = { "busy",       TO(READY) | TO(RESTING) },
};
/* clang-format on */

struct pg_conn {
    struct loop *loop;
    struct random_source *random;
    struct pg_conn_config config; /* its strings are not kept: see info */
    struct pg_conninfo info;
    struct pg_hosts hosts;
    struct error info_err; /* set when the configuration is of no use */

    enum pg_conn_state state;
    struct clock_timer timer;
    struct pg_resolve *resolve;
    uint32_t host_first; /* where the walk over several hosts begins */
    uint32_t failures;   /* in a row */

    PGconn *pg;
    struct event io;
    short watched; /* EV_READ, EV_WRITE or both; 0 when io is not added */
    PGresult *result;
    bool is_troubled; /* a statement could not be prepared */
    char *trouble;    /* why; NULL when there was no memory for it */

    pg_conn_done_fn *done;
    void *done_arg;
};

static void pg_conn_connect(struct pg_conn *conn);
static void pg_conn_on_io(evutil_socket_t fd, short what, void *arg);

static void pg_conn_move(struct pg_conn *conn, enum pg_conn_state state)
{
    assert((state_rows[conn->state].next & (1u << state)) != 0);
    conn->state = state;
}

/* Watches the socket for exactly `what`. */
static bool pg_conn_watch(struct pg_conn *conn, short what)
{
    if (conn->watched == what)
        return true;
    if (conn->watched != 0)
        event_del(&conn->io);
    conn->watched = 0;
    if (what == 0)
        return true;
    if (event_assign(&conn->io, loop_base(conn->loop), PQsocket(conn->pg),
                     (short)(what | EV_PERSIST), pg_conn_on_io, conn) != 0 ||
        event_add(&conn->io, NULL) != 0)
        return false;
    conn->watched = what;
    return true;
}

static void pg_conn_time(struct pg_conn *conn, int64_t delay_ms)
{
    clock_timer_start(loop_clock(conn->loop), &conn->timer, delay_ms);
}

/* ---- losing it ---- */

static void pg_conn_close_socket(struct pg_conn *conn)
{
    (void)pg_conn_watch(conn, 0); /* before PQfinish, which closes the descriptor */
    PQclear(conn->result);
    conn->result = NULL;
    PQfinish(conn->pg);
    conn->pg = NULL;
    conn->is_troubled = false;
    free(conn->trouble);
    conn->trouble = NULL;
    pg_resolve_cancel(conn->resolve);
    conn->resolve = NULL;
}

/* Full jitter: replicas that lost their database together do not come back together. */
static int64_t pg_conn_backoff(struct pg_conn *conn)
{
    int64_t bound = BACKOFF_MS_MIN;
    for (uint32_t i = 0; i < conn->failures && bound < BACKOFF_MS_MAX; i++)
        bound *= 2;
    return random_below(conn->random, (uint32_t)MIN_OF(bound, BACKOFF_MS_MAX) + 1);
}

/* The command in flight, if any, has ended. */
static void pg_conn_finish_command(struct pg_conn *conn, const PGresult *result,
                                   const struct error *err, const char *sqlstate, bool lost)
{
    pg_conn_done_fn *done = conn->done;
    void *arg = conn->done_arg;
    conn->done = NULL;
    if (done != NULL)
        done(arg, result, err, sqlstate, lost);
}

/* Gives the connection up and comes back later. `what` failed; `why` is libpq's text or NULL. */
static void pg_conn_lose(struct pg_conn *conn, const char *what, const char *why)
{
    struct error err = {0}, command_err = {0};
    size_t why_len = why == NULL ? 0 : strcspn(why, "\n");
    if (why_len > 0)
        error_setf(&err, REASON_STORE_UNAVAILABLE, "%s: %.*s", what, (int)why_len, why);
    else
        error_setf(&err, REASON_STORE_UNAVAILABLE, "%s", what);

    pg_conn_close_socket(conn);
    pg_conn_move(conn, PG_CONN_RESTING);
    pg_conn_time(conn, pg_conn_backoff(conn));
    conn->failures++;

    pg_error_set(&command_err, NULL);
    pg_conn_finish_command(conn, NULL, &command_err, NULL, true);
    conn->config.on_lost(conn->config.arg, conn, &err);
}

static void pg_conn_lose_socket(struct pg_conn *conn, const char *what)
{
    /* libpq's text lives in the connection that is about to be closed. */
    char *why = strdup(conn->pg == NULL ? "" : PQerrorMessage(conn->pg));
    pg_conn_lose(conn, what, why);
    free(why);
}

static void pg_conn_on_time(struct clock_timer *timer)
{
    struct pg_conn *conn = CONTAINER_OF(timer, struct pg_conn, timer);
    switch (conn->state) {
    case PG_CONN_RESTING:
        pg_conn_connect(conn);
        break;
    case PG_CONN_RESOLVING:
        pg_conn_lose(conn, "looking up the database's host took too long", NULL);
        break;
    case PG_CONN_CONNECTING:
    case PG_CONN_PREPARING:
        conn->host_first++; /* libpq would ask the silent host first again */
        pg_conn_lose(conn, "connecting to the database took too long", NULL);
        break;
    case PG_CONN_BUSY:
        pg_conn_lose_socket(conn, "a command to the database took too long");
        break;
    case PG_CONN_READY:
    case PG_CONN_STATE_COUNT:
        assert(false && "no timer runs in this state");
    }
}

/* ---- connecting ---- */

static void pg_conn_prepare(struct pg_conn *conn);

static void pg_conn_poll(struct pg_conn *conn)
{
    /* libpq may close the socket and open another under the same number, of which libevent would
     * know nothing. */
    (void)pg_conn_watch(conn, 0);

    bool watched = true;
    switch (PQconnectPoll(conn->pg)) {
    case PGRES_POLLING_READING:
        watched = pg_conn_watch(conn, EV_READ);
        break;
    case PGRES_POLLING_WRITING:
        watched = pg_conn_watch(conn, EV_WRITE);
        break;
    case PGRES_POLLING_OK:
        pg_conn_prepare(conn);
        return;
    case PGRES_POLLING_FAILED:
    case PGRES_POLLING_ACTIVE: /* unused by libpq */
        watched = false;
        break;
    }
    if (!watched)
        pg_conn_lose_socket(conn, "connecting to the database failed");
}

/* Notices ("relation exists, skipping") are nobody's business; libpq would print them. */
static void ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

static void pg_conn_open(struct pg_conn *conn, const struct pg_hosts *hosts)
{
    pg_conn_move(conn, PG_CONN_CONNECTING);
    if (!pg_hosts_apply(hosts, conn->host_first, &conn->info)) {
        pg_conn_lose(conn, "out of memory", NULL);
        return;
    }
    conn->pg = PQconnectStartParams((const char *const *)conn->info.keywords,
                                    (const char *const *)conn->info.values, 0);
    if (conn->pg == NULL || PQstatus(conn->pg) == CONNECTION_BAD) {
        pg_conn_lose_socket(conn, "connecting to the database failed");
        return;
    }
    PQsetNoticeProcessor(conn->pg, ignore_notice, NULL);
    /* As if PQconnectPoll had asked for writing, says its manual. */
    if (!pg_conn_watch(conn, EV_WRITE))
        pg_conn_lose(conn, "out of memory", NULL);
}

static void pg_conn_resolved(void *arg, const struct pg_hosts *hosts)
{
    struct pg_conn *conn = arg;
    conn->resolve = NULL; /* ends by itself */
    if (hosts == NULL)
        pg_conn_lose(conn, "looking up the database's host failed", NULL);
    else
        pg_conn_open(conn, hosts);
}

static void pg_conn_connect(struct pg_conn *conn)
{
    if (error_is_set(&conn->info_err)) {
        pg_conn_lose(conn, conn->info_err.message, NULL);
        return;
    }
    pg_conn_time(conn, CONNECT_TIMEOUT_MS);
    if (!pg_hosts_need_lookup(&conn->hosts)) {
        pg_conn_open(conn, &conn->hosts);
        return;
    }
    pg_conn_move(conn, PG_CONN_RESOLVING);
    conn->resolve = pg_resolve_start(conn->loop, &conn->hosts, pg_conn_resolved, conn);
    if (conn->resolve == NULL)
        pg_conn_lose(conn, "out of memory", NULL);
}

/* ---- preparing: all statements in one round ---- */

static bool send_prepare(PGconn *pg, const struct pg_statement *statement)
{
    Oid types[PG_PARAMS_MAX];
    int count = 0;

    for (; statement->types[count] != PG_END; count++)
        types[count] = pg_type_array_oid(statement->types[count]);
    return PQsendPrepare(pg, statement->name, statement->sql, count, types) == 1;
}

/* Sends what is in libpq's buffer, and watches for room when it does not all fit. */
static bool pg_conn_flush(struct pg_conn *conn)
{
    int rest = PQflush(conn->pg);
    if (rest < 0)
        return false;
    /* While something is still to be sent, answers must be read too, or both sides wait. */
    return pg_conn_watch(conn, rest > 0 ? EV_READ | EV_WRITE : EV_READ);
}

static void pg_conn_prepare(struct pg_conn *conn)
{
    pg_conn_move(conn, PG_CONN_PREPARING);
    bool sent = PQsetnonblocking(conn->pg, 1) == 0 && PQenterPipelineMode(conn->pg) == 1;
    for (const struct pg_statement *at = conn->config.statements; sent && at->name != NULL; at++)
        sent = send_prepare(conn->pg, at);
    if (!sent || PQpipelineSync(conn->pg) != 1 || !pg_conn_flush(conn))
        pg_conn_lose_socket(conn, "preparing the statements failed");
}

static void pg_conn_prepared(struct pg_conn *conn)
{
    if (conn->is_troubled) {
        char *trouble = conn->trouble;
        conn->trouble = NULL;
        pg_conn_lose(conn, "preparing the statements failed", trouble);
        free(trouble);
        return;
    }
    if (PQexitPipelineMode(conn->pg) != 1) {
        pg_conn_lose_socket(conn, "preparing the statements failed");
        return;
    }
    clock_timer_stop(loop_clock(conn->loop), &conn->timer);
    pg_conn_move(conn, PG_CONN_READY);
    conn->failures = 0;
    conn->config.on_ready(conn->config.arg, conn);
}

/* Reads the answers to preparing, up to the mark that ends the round. */
static void pg_conn_read_prepared(struct pg_conn *conn)
{
    unsigned nulls = 0; /* in a row: one ends a statement, two mean that nothing more is expected */
    while (nulls < 2 && !PQisBusy(conn->pg)) {
        PGresult *result = PQgetResult(conn->pg);
        if (result == NULL) {
            nulls++;
            continue;
        }
        nulls = 0;
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_FATAL_ERROR && !conn->is_troubled) {
            conn->is_troubled = true;
            conn->trouble = strdup(PQresultErrorMessage(result));
        }
        PQclear(result);
        if (status == PGRES_PIPELINE_SYNC) {
            pg_conn_prepared(conn);
            return;
        }
    }
    if (PQstatus(conn->pg) == CONNECTION_BAD || nulls == 2)
        pg_conn_lose_socket(conn, "preparing the statements failed");
}

/* ---- commands ---- */

void pg_conn_execute(struct pg_conn *conn, const struct pg_statement *statement,
                     struct pg_params *params, pg_conn_done_fn *done, void *arg)
{
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];

    assert(pg_conn_is_ready(conn));
    assert(conn->done == NULL);
    pg_conn_move(conn, PG_CONN_BUSY);
    conn->done = done;
    conn->done_arg = arg;
    bool sent = pg_params_finish(params, values, lengths, formats) &&
                PQsendQueryPrepared(conn->pg, statement->name, (int)params->count, values, lengths,
                                    formats, 1) == 1 &&
                pg_conn_flush(conn);
    /* `done` never runs from inside, so the timer brings a failure. */
    pg_conn_time(conn, sent ? conn->config.statement_timeout_ms + COMMAND_GRACE_MS : 0);
}

/* A FATAL error may come after the commit, so the fate of its command is not known; after any other
 * error nothing has happened. */
static bool is_fatal(const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity == NULL || strcmp(severity, "ERROR") != 0;
}

static void pg_conn_executed(struct pg_conn *conn)
{
    PGresult *result = conn->result;
    ExecStatusType status = PQresultStatus(result); /* PGRES_FATAL_ERROR for NULL */

    if (PQstatus(conn->pg) == CONNECTION_BAD ||
        (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && is_fatal(result))) {
        pg_conn_lose_socket(conn, "the connection to the database was lost");
        return;
    }
    conn->result = NULL;
    clock_timer_stop(loop_clock(conn->loop), &conn->timer);
    pg_conn_move(conn, PG_CONN_READY);

    bool closes = false;
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        pg_conn_finish_command(conn, result, NULL, NULL, false);
    } else {
        struct error err = {0};
        const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        sqlstate = sqlstate == NULL ? "XX000" : sqlstate;
        closes = pg_error_closes(sqlstate);
        pg_error_set(&err, sqlstate);
        pg_conn_finish_command(conn, NULL, &err, sqlstate, false);
    }
    if (closes)
        pg_conn_lose_socket(conn, "the connection to the database is of no use any more");
    else if (conn->state == PG_CONN_READY)
        conn->config.on_ready(conn->config.arg, conn);
    PQclear(result);
}

static void pg_conn_read_result(struct pg_conn *conn)
{
    while (!PQisBusy(conn->pg)) {
        PGresult *result = PQgetResult(conn->pg);
        if (result == NULL) {
            pg_conn_executed(conn);
            return;
        }
        if (conn->result == NULL)
            conn->result = result;
        else
            PQclear(result); /* what libpq adds to an error when the socket ends */
    }
}

/* ---- the socket ---- */

static void pg_conn_on_io(evutil_socket_t fd, short what, void *arg)
{
    struct pg_conn *conn = arg;
    (void)fd;

    if (conn->state == PG_CONN_CONNECTING) {
        pg_conn_poll(conn);
        return;
    }
    if ((what & EV_READ) != 0 && PQconsumeInput(conn->pg) == 0) {
        pg_conn_lose_socket(conn, "the connection to the database was lost");
        return;
    }
    if ((what & EV_WRITE) != 0 && !pg_conn_flush(conn)) {
        pg_conn_lose_socket(conn, "the connection to the database was lost");
        return;
    }
    switch (conn->state) {
    case PG_CONN_PREPARING:
        pg_conn_read_prepared(conn);
        break;
    case PG_CONN_READY:
        (void)PQisBusy(conn->pg); /* reads notices and parameter changes */
        break;
    case PG_CONN_BUSY:
        pg_conn_read_result(conn);
        break;
    case PG_CONN_RESTING:
    case PG_CONN_RESOLVING:
    case PG_CONN_CONNECTING:
    case PG_CONN_STATE_COUNT:
        assert(false && "no socket is watched in this state");
    }
}

/* ---- life ---- */

bool pg_conn_is_ready(const struct pg_conn *conn)
{
    return conn->state == PG_CONN_READY;
}

/* What is wrong with the configuration is told at each attempt to connect, as any other trouble. */
static void pg_conn_read_config(struct pg_conn *conn, const struct pg_conn_config *config)
{
    char options[400];

    snprintf(options, sizeof(options),
             "-c statement_timeout=%d -c lock_timeout=%d -c idle_in_transaction_session_timeout=%d"
             " -c jit=off -c plan_cache_mode=force_generic_plan -c enable_seqscan=off"
             " -c enable_hashjoin=off -c enable_mergejoin=off -c enable_material=off",
             config->statement_timeout_ms, config->lock_timeout_ms, config->statement_timeout_ms);
    struct pg_conninfo *info = &conn->info;
    if (pg_conninfo_init(info, config->conninfo, config->application_name, options,
                         &conn->info_err) != STATUS_OK)
        return;
    if (!pg_hosts_parse(&conn->hosts, pg_conninfo_get(info, "host"),
                        pg_conninfo_get(info, "hostaddr"), pg_conninfo_get(info, "port")))
        error_setf(&conn->info_err, REASON_REQUEST_INVALID,
                   "the hosts of the connection string cannot be read");
}

struct pg_conn *pg_conn_new(struct loop *loop, struct random_source *random,
                            const struct pg_conn_config *config)
{
    assert(config->statement_timeout_ms > 0 && config->lock_timeout_ms > 0);
    assert(config->on_ready != NULL && config->on_lost != NULL);
    struct pg_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL)
        return NULL;
    conn->loop = loop;
    conn->random = random;
    conn->config = *config;
    pg_conn_read_config(conn, config);
    if (conn->info_err.reason == REASON_OUT_OF_MEMORY) {
        pg_conninfo_deinit(&conn->info);
        free(conn);
        return NULL;
    }
    conn->timer.on_time = pg_conn_on_time;
    conn->state = PG_CONN_RESTING;
    pg_conn_time(conn, 0);
    return conn;
}

void pg_conn_free(struct pg_conn *conn)
{
    struct error err = {0};

    if (conn == NULL)
        return;
    clock_timer_stop(loop_clock(conn->loop), &conn->timer);
    pg_conn_close_socket(conn);
    pg_error_set(&err, NULL);
    pg_conn_finish_command(conn, NULL, &err, NULL, true);
    pg_conninfo_deinit(&conn->info);
    free(conn);
}

const struct pg_conn_ops pg_conn_ops = {
    .create = pg_conn_new,
    .free = pg_conn_free,
    .is_ready = pg_conn_is_ready,
    .execute = pg_conn_execute,
};
