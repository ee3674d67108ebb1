/* Parameters of a prepared statement in PostgreSQL's binary format: one-dimensional arrays (one
 * element a request, or several) and scalars, each built element by element.
 *
 * Pure bytes, no I/O. Reused from batch to batch: pg_params_clear keeps the memory. */
#pragma once

#include "base/buf.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PG_PARAMS_MAX = 32,
    PG_PARAM_SIZE_MAX = 64 * 1024 * 1024
};

/* Type of a parameter: the element's type for arrays. */
enum pg_type {
    PG_END = 0,
    PG_BOOL,  /* bool[] */
    PG_INT4,  /* int4[] */
    PG_INT8,  /* int8[] */
    PG_TEXT,  /* text[] */
    PG_BYTEA, /* bytea[] */
    PG_UUID,  /* uuid[] */
    PG_TYPE_COUNT
};

/* OID of the array type, for PQsendPrepare. */
uint32_t pg_type_array_oid(enum pg_type type);

struct pg_param {
    enum pg_type type;
    struct buf bytes; /* header and elements */
    uint32_t count;
    bool has_null;
};

struct pg_params {
    struct pg_param list[PG_PARAMS_MAX];
    uint32_t count;
};

/* `types` ends with PG_END. */
void pg_params_init(struct pg_params *params, const enum pg_type *types);
void pg_params_deinit(struct pg_params *params);
void pg_params_clear(struct pg_params *params);
/* Bytes gathered so far. */
size_t pg_params_size(const struct pg_params *params);
/* Whether a buffer overflowed or memory ran out. */
bool pg_params_failed(const struct pg_params *params);
/* Makes it so, when there was no memory for what an element is made of. */
void pg_params_fail(struct pg_params *params);

/* Append one element to array `index`, whose type must fit. A NULL pointer appends SQL NULL. */
void pg_put_bool(struct pg_params *params, unsigned index, bool value);
void pg_put_int4(struct pg_params *params, unsigned index, int32_t value);
void pg_put_int8(struct pg_params *params, unsigned index, int64_t value);
void pg_put_text(struct pg_params *params, unsigned index, const char *text);
void pg_put_bytea(struct pg_params *params, unsigned index, const void *data, size_t size);
void pg_put_uuid(struct pg_params *params, unsigned index, const struct uuid *uuid);

/* Finishes headers and fills what PQsendQueryPrepared wants; false when a buffer overflowed. */
bool pg_params_finish(struct pg_params *params, const char *values[PG_PARAMS_MAX],
                      int lengths[PG_PARAMS_MAX], int formats[PG_PARAMS_MAX]) NODISCARD;
