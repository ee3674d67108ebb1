/* Brings the schema up to date: store/sql/NNNN_*.sql in order, each in a transaction of its own,
 * all under an advisory lock; what was applied stands in schema_migration.
 *
 * Blocking, on a connection of its own: only before serving, or on a thread of its own. A database
 * that is newer than this program is fine as long as it only has more migrations (expand/contract). */
#pragma once

#include "base/error.h"
#include "domain/page.h"

/* Number applied in *out_applied. STORE_UNAVAILABLE when there is no connection. */
enum status migrate_run(const char *conninfo, unsigned *out_applied, struct error *err) NODISCARD;
/* Whether all migrations of this program are applied; INTERNAL with a clear text when not. Also
 * reads the key of the page tokens. */
enum status migrate_check(const char *conninfo, uint8_t out_page_key[PAGE_KEY_SIZE],
                          struct error *err) NODISCARD;
