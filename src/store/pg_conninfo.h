/* What libpq is told when it connects: the operator's connection string, with our defaults before
 * it (it may change them) and our demands after it (it may not).
 *
 * Invariant: keywords[count] and values[count] are NULL; all strings belong to the object. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PG_CONNINFO_MAX = 64
};

struct pg_conninfo {
    char *keywords[PG_CONNINFO_MAX];
    char *values[PG_CONNINFO_MAX];
    uint32_t count;
};

/* INVALID_ARGUMENT for a string libpq cannot read. `server_options` are "-c name=value …" for every
 * session; the operator's own options come after them. Deinit also after a failure. */
enum status pg_conninfo_init(struct pg_conninfo *info, const char *conninfo,
                             const char *application_name, const char *server_options,
                             struct error *err) NODISCARD;
void pg_conninfo_deinit(struct pg_conninfo *info);

/* The value of a keyword, or NULL. */
const char *pg_conninfo_get(const struct pg_conninfo *info, const char *keyword);
/* Sets or replaces one; false when out of memory. */
bool pg_conninfo_set(struct pg_conninfo *info, const char *keyword, const char *value) NODISCARD;
