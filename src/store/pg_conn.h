/* One connection to PostgreSQL on a loop: connects by itself, prepares all statements, comes back
 * after a loss with backoff and jitter. Non-blocking libpq; one command at a time.
 *
 * States: see pg_conn.c (table). Names are resolved off the loop (hostaddr). No PQcancel: statement
 * and lock timeouts bound every command.
 * Not thread safe: belongs to its loop. */
#pragma once

#include "base/error.h"
#include "port/random.h"
#include "runtime/loop.h"

#include <libpq-fe.h>
#include <stdbool.h>

struct pg_conn;
struct pg_params;    /* pg_array.h */
struct pg_statement; /* pg_statement.h */

/* How a command ended. `result` (PGRES_TUPLES_OK) is valid during the call only; NULL with an error.
 * `connection_lost`: the fate of the command is not known. */
typedef void pg_conn_done_fn(void *arg, const PGresult *result, const struct error *err,
                             const char *sqlstate, bool connection_lost);

struct pg_conn_config {
    const char *conninfo; /* as DATABASE_URL; several hosts allowed */
    const char *application_name;
    const struct pg_statement *statements; /* prepared on every new connection; NULL-named end */
    int32_t statement_timeout_ms;
    int32_t lock_timeout_ms;
    /* The connection became idle and ready (also after each command), or was lost (also when it
     * could not be made). The error of a loss is for the operator: it may name the host. */
    void (*on_ready)(void *arg, struct pg_conn *conn);
    void (*on_lost)(void *arg, struct pg_conn *conn, const struct error *err);
    void *arg;
};

/* Starts connecting at the next turn of the loop. NULL when out of memory. */
struct pg_conn *pg_conn_new(struct loop *loop, struct random_source *random,
                            const struct pg_conn_config *config);
/* Ends it; a command in flight ends with connection_lost before this returns. */
void pg_conn_free(struct pg_conn *conn);

/* Connected, prepared, and no command in flight. */
bool pg_conn_is_ready(const struct pg_conn *conn);
/* Sends one prepared statement with binary parameters and binary results; conn must be ready.
 * `done` runs exactly once, never from inside. Parameters are copied before it returns. */
void pg_conn_execute(struct pg_conn *conn, const struct pg_statement *statement,
                     struct pg_params *params, pg_conn_done_fn *done, void *arg);

/* The same as a table, through which the pool makes its connections, so that its tests need no
 * server. */
struct pg_conn_ops {
    struct pg_conn *(*create)(struct loop *loop, struct random_source *random,
                              const struct pg_conn_config *config);
    void (*free)(struct pg_conn *conn);
    bool (*is_ready)(const struct pg_conn *conn);
    void (*execute)(struct pg_conn *conn, const struct pg_statement *statement,
                    struct pg_params *params, pg_conn_done_fn *done, void *arg);
};
extern const struct pg_conn_ops pg_conn_ops;
