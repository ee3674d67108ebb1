/* A PostgreSQL of a test program's own: a cluster in a folder below the build folder, reached over a
 * Unix socket only, started with the first use and ended (by process id) with the program.
 *
 * Root cannot run PostgreSQL; then the server runs as the user postgres, or nobody. Everything here
 * blocks, and ends the program with a message when it cannot do its work. */
#pragma once

#include <stdbool.h>

/* Connection string of the database "postgres"; starts the server when it does not run yet. */
const char *postgres_conninfo(void);
/* A new, empty database of the same server. The string is valid until the program ends. */
const char *postgres_new_database(void);

/* Ends sessions and server orderly, and waits. */
void postgres_stop(void);
/* As after a crash: no checkpoint, sessions cut off at once; the next start recovers. */
void postgres_crash(void);
/* Starts the same cluster again, and waits until it takes connections. */
void postgres_start(void);

/* Runs statements on a connection of their own. */
void postgres_exec(const char *conninfo, const char *sql);
/* First column of the first row as a number; 0 for no row or NULL. */
long postgres_number(const char *conninfo, const char *sql);
