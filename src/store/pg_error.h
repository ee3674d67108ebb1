/* SQLSTATE -> reason: one table. */
#pragma once

#include "base/error.h"

/* Fills err for a failed command: STORE_UNAVAILABLE for the weather (connection, shutdown, lock and
 * statement timeouts, deadlock, serialization, read-only, too many connections, disk full),
 * INTERNAL for the rest. The message never has SQL or a host in it. `sqlstate` NULL: no connection. */
enum status pg_error_set(struct error *err, const char *sqlstate);
/* 25006 (read-only) and 57P01 and alike: the connection is of no use any more. */
bool pg_error_closes(const char *sqlstate);
