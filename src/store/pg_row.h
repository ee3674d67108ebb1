/* One row of a binary result: columns read by position, with their types checked.
 *
 * A column of another type or length than asked for is a bug in the statement table, so it asserts.
 * Texts and arrays are copied to the arena. */
#pragma once

#include "base/arena.h"
#include "base/uuid.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

struct pg_row {
    const PGresult *result;
    int row;
};

bool pg_is_null(const struct pg_row *row, int column);
bool pg_get_bool(const struct pg_row *row, int column);
int32_t pg_get_int4(const struct pg_row *row, int column);
int64_t pg_get_int8(const struct pg_row *row, int column);
struct uuid pg_get_uuid(const struct pg_row *row, int column);
/* Microseconds since 1970 from a timestamptz; 0 for NULL. */
int64_t pg_get_time_us(const struct pg_row *row, int column);
/* Text, or NULL for SQL NULL (or a full arena). `jsonb` columns must be cast to text in SQL. */
const char *pg_get_text(const struct pg_row *row, int column, struct arena *arena);

/* One-dimensional arrays; *out_count 0 for an empty or NULL array. NULL when the arena is full. */
const char **pg_get_text_array(const struct pg_row *row, int column, struct arena *arena,
                               uint32_t *out_count);
int32_t *pg_get_int4_array(const struct pg_row *row, int column, struct arena *arena,
                           uint32_t *out_count);
int64_t *pg_get_int8_array(const struct pg_row *row, int column, struct arena *arena,
                           uint32_t *out_count);
