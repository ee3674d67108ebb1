/* Applies the SQL files that the database has not seen yet. Blocking libpq on a connection of its
 * own: not for a loop. What the files say is theirs; this only keeps order and count. */
#include "store/migrate.h"

#include "store/migrate_internal.h"
#include "store/pg_conninfo.h"
#include "store/pg_error.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

/* Replicas that start together wait for each other at the advisory lock for a minute; a migration
 * that cannot get a table lock within ten seconds gives up, because everybody else queues up behind
 * it. A long statement is no error. */
#define LOCK_OPTIONS "-c lock_timeout=60s -c statement_timeout=0"
#define TABLE_LOCK_OPTION "SET lock_timeout = '10s'"
#define ADVISORY_LOCK "SELECT pg_advisory_lock(122537101324900)" /* the bytes of "orderd" */

static const char create_table[] =
    "CREATE TABLE IF NOT EXISTS schema_migration ("
    " name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())";

/* ---- libpq, blocking ---- */

/* Owned by the caller: PQfinish. NULL with STORE_UNAVAILABLE; libpq's text is for the operator. */
static PGconn *migrate_connect(const char *conninfo, struct error *err)
{
    struct pg_conninfo info;
    PGconn *pg = NULL;

    if (pg_conninfo_init(&info, conninfo, "orderd migrate", LOCK_OPTIONS, err) != STATUS_OK)
        goto out;
    if (pg_conninfo_get(&info, "connect_timeout") == NULL &&
        !pg_conninfo_set(&info, "connect_timeout", "5")) {
        error_set(err, REASON_OUT_OF_MEMORY);
        goto out;
    }
    pg = PQconnectdbParams((const char *const *)info.keywords, (const char *const *)info.values, 0);
    if (pg == NULL || PQstatus(pg) != CONNECTION_OK) {
        const char *why = pg == NULL ? "out of memory" : PQerrorMessage(pg);
        error_setf(err, REASON_STORE_UNAVAILABLE, "no connection to the database: %.*s",
                   (int)strcspn(why, "\n"), why);
        PQfinish(pg);
        pg = NULL;
    }
out:
    pg_conninfo_deinit(&info);
    return pg;
}

static void ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

/* The weather keeps its reason; anything else tells what the database did not like. */
static enum status migrate_error(struct error *err, PGconn *pg, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    if (sqlstate == NULL || PQstatus(pg) != CONNECTION_OK)
        return pg_error_set(err, NULL);
    if (pg_error_set(err, sqlstate) == STATUS_UNAVAILABLE)
        return err->status;
    return error_setf(err, REASON_INTERNAL, "%s (SQLSTATE %s)", text == NULL ? "error" : text,
                      sqlstate);
}

/* `param` may be NULL; then `sql` may hold several statements. *out_result may be NULL. */
static enum status migrate_exec(PGconn *pg, const char *sql, const char *param,
                                PGresult **out_result, struct error *err)
{
    PGresult *result = param == NULL
                           ? PQexec(pg, sql)
                           : PQexecParams(pg, sql, 1, NULL, &param, NULL, NULL, /* binary */ 1);
    ExecStatusType status = PQresultStatus(result);
    enum status done = STATUS_OK;

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        done = migrate_error(err, pg, result);
    if (done == STATUS_OK && out_result != NULL)
        *out_result = result;
    else
        PQclear(result);
    return done;
}

/* ---- running ---- */

static enum status migrate_is_applied(PGconn *pg, const char *name, bool *out_applied,
                                      struct error *err)
{
    PGresult *result;
    enum status status =
        migrate_exec(pg, "SELECT 1 FROM schema_migration WHERE name = $1", name, &result, err);
    if (status != STATUS_OK)
        return status;
    *out_applied = PQntuples(result) > 0;
    PQclear(result);
    return STATUS_OK;
}

static enum status migrate_apply(PGconn *pg, const struct sql_file *file, struct error *err)
{
    enum status status = migrate_exec(pg, "BEGIN", NULL, NULL, err);
    if (status == STATUS_OK)
        status = migrate_exec(pg, file->text, NULL, NULL, err);
    if (status == STATUS_OK)
        status = migrate_exec(pg, "INSERT INTO schema_migration (name) VALUES ($1)", file->name,
                              NULL, err);
    if (status == STATUS_OK)
        status = migrate_exec(pg, "COMMIT", NULL, NULL, err);
    if (status != STATUS_OK) {
        struct error ignored; /* the first error counts; closing the connection rolls back anyway */
        (void)migrate_exec(pg, "ROLLBACK", NULL, NULL, &ignored);
        error_wrap(err, "migration %s", file->name);
    }
    return status;
}

static enum status migrate_apply_missing(PGconn *pg, const struct sql_file *files,
                                         unsigned *out_applied, struct error *err)
{
    unsigned applied = 0;

    for (; files->name != NULL; files++) {
        bool is_applied;
        enum status status = migrate_is_applied(pg, files->name, &is_applied, err);
        if (status != STATUS_OK)
            return status;
        if (is_applied)
            continue;
        status = migrate_apply(pg, files, err);
        if (status != STATUS_OK)
            return status;
        applied++;
    }
    *out_applied = applied;
    return STATUS_OK;
}

enum status migrate__run(const char *conninfo, const struct sql_file *files, unsigned *out_applied,
                         struct error *err)
{
    static const char *const preparation[] = {ADVISORY_LOCK, TABLE_LOCK_OPTION, create_table};

    PGconn *pg = migrate_connect(conninfo, err);
    if (pg == NULL)
        return err->status;
    PQsetNoticeProcessor(pg, ignore_notice, NULL);

    enum status status = STATUS_OK;
    for (size_t i = 0; i < COUNT_OF(preparation) && status == STATUS_OK; i++)
        status = migrate_exec(pg, preparation[i], NULL, NULL, err);
    if (status == STATUS_OK)
        status = migrate_apply_missing(pg, files, out_applied, err);
    PQfinish(pg); /* gives the advisory lock back */
    return status;
}

enum status migrate_run(const char *conninfo, unsigned *out_applied, struct error *err)
{
    return migrate__run(conninfo, sql_files, out_applied, err);
}

/* ---- checking ---- */

static enum status migrate_check_table(PGconn *pg, struct error *err)
{
    PGresult *result;
    enum status status = migrate_exec(pg, "SELECT 1 WHERE to_regclass($1) IS NOT NULL",
                                      "schema_migration", &result, err);
    if (status != STATUS_OK)
        return status;
    bool exists = PQntuples(result) > 0;
    PQclear(result);
    return exists ? STATUS_OK
                  : error_setf(err, REASON_INTERNAL,
                               "the database has no schema: it was never migrated");
}

static enum status migrate_check_files(PGconn *pg, struct error *err)
{
    for (const struct sql_file *file = sql_files; file->name != NULL; file++) {
        bool is_applied;
        enum status status = migrate_is_applied(pg, file->name, &is_applied, err);
        if (status != STATUS_OK)
            return status;
        if (!is_applied)
            return error_setf(err, REASON_INTERNAL,
                              "the database is too old: migration %s is not applied", file->name);
    }
    return STATUS_OK;
}

static enum status migrate_read_key(PGconn *pg, uint8_t out_page_key[PAGE_KEY_SIZE],
                                    struct error *err)
{
    PGresult *result;
    enum status status =
        migrate_exec(pg, "SELECT value FROM secret WHERE name = $1", "page_token", &result, err);
    if (status != STATUS_OK)
        return status;
    if (PQntuples(result) == 1 && PQgetlength(result, 0, 0) == PAGE_KEY_SIZE)
        memcpy(out_page_key, PQgetvalue(result, 0, 0), PAGE_KEY_SIZE);
    else
        status = error_setf(err, REASON_INTERNAL, "the database has no key for page tokens");
    PQclear(result);
    return status;
}

enum status migrate_check(const char *conninfo, uint8_t out_page_key[PAGE_KEY_SIZE],
                          struct error *err)
{
    PGconn *pg = migrate_connect(conninfo, err);
    if (pg == NULL)
        return err->status;
    enum status status = migrate_check_table(pg, err);
    if (status == STATUS_OK)
        status = migrate_check_files(pg, err);
    if (status == STATUS_OK)
        status = migrate_read_key(pg, out_page_key, err);
    PQfinish(pg);
    return status;
}
