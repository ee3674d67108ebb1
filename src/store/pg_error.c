/* What an SQLSTATE means to a caller: try again later (the weather), or our fault.
 *
 * Refusals of the domain are no errors of SQL here: statements return them as rows. */
#include "store/pg_error.h"

#include <string.h>

/* clang-format off */
/* A code, or the class its first characters name. The first row that fits counts. */
static const struct pg_error_row {
    const char *sqlstate;
    bool closes;       /* the connection is of no use any more */
    const char *text;
} weather[] = {
    { "40001", false, "the database could not serialize the request" },
    { "40P01", false, "the database found a deadlock" },
    { "55P03", false, "the database waited too long for a lock" },
    { "57014", false, "the database took too long" },
    { "53300", false, "the database has too many connections" },
    { "53200", false, "the database is out of memory" },
    { "53100", false, "the database's disk is full" },
    { "57P01", true,  "the database is shutting down" },
    { "57P02", true,  "the database is restarting" },
    { "57P03", true,  "the database is starting" },
    { "57P05", true,  "the database closed an idle connection" },
    { "25P03", true,  "the database closed an idle transaction" },
    { "25006", true,  "the database is read-only" },
    { "26000", true,  "the database forgot a statement" }, /* a pooler's DISCARD ALL */
    { "08",    true,  "the database cannot be reached" },
};
/* clang-format on */

static const struct pg_error_row *pg_error_find(const char *sqlstate)
{
    for (size_t i = 0; i < COUNT_OF(weather); i++)
        if (strncmp(sqlstate, weather[i].sqlstate, strlen(weather[i].sqlstate)) == 0)
            return &weather[i];
    return NULL;
}

enum status pg_error_set(struct error *err, const char *sqlstate)
{
    if (sqlstate == NULL)
        return error_set(err, REASON_STORE_UNAVAILABLE);
    const struct pg_error_row *row = pg_error_find(sqlstate);
    if (row == NULL)
        return error_setf(err, REASON_INTERNAL, "the database refused a statement");
    return error_setf(err, REASON_STORE_UNAVAILABLE, "%s", row->text);
}

bool pg_error_closes(const char *sqlstate)
{
    const struct pg_error_row *row = sqlstate == NULL ? NULL : pg_error_find(sqlstate);
    return sqlstate == NULL || (row != NULL && row->closes);
}
