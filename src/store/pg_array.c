/* Writes array parameters in PostgreSQL's binary format (array_send's layout, by hand).
 *
 * An array is: dimensions, has-null flag, element type, then size and lower bound of its one
 * dimension, then each element with its length in front; all integers big-endian. The header is
 * written last, when the count is known, into room kept at the front. Knows no SQL and no
 * connection. */
#include "store/pg_array.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

enum {
    HEADER_SIZE = 20,
    HEADER_SIZE_EMPTY = 12
};

/* clang-format off */
static const struct {
    uint32_t element_oid, array_oid; /* pg_type.h of the server; fixed for ever */
} pg_types[PG_TYPE_COUNT] = {
    [PG_BOOL]  = {   16, 1000 },
    [PG_INT4]  = {   23, 1007 },
    [PG_INT8]  = {   20, 1016 },
    [PG_TEXT]  = {   25, 1009 },
    [PG_BYTEA] = {   17, 1001 },
    [PG_UUID]  = { 2950, 2951 },
};
/* clang-format on */

uint32_t pg_type_array_oid(enum pg_type type)
{
    assert(type > PG_END && type < PG_TYPE_COUNT);
    return pg_types[type].array_oid;
}

void pg_params_init(struct pg_params *params, const enum pg_type *types)
{
    memset(params, 0, sizeof(*params));
    while (types[params->count] != PG_END) {
        assert(params->count < PG_PARAMS_MAX);
        struct pg_param *param = &params->list[params->count];
        param->type = types[params->count];
        assert(param->type < PG_TYPE_COUNT);
        buf_init(&param->bytes, PG_PARAM_SIZE_MAX);
        params->count++;
    }
}

void pg_params_deinit(struct pg_params *params)
{
    for (uint32_t i = 0; i < params->count; i++)
        buf_deinit(&params->list[i].bytes);
    params->count = 0;
}

void pg_params_clear(struct pg_params *params)
{
    for (uint32_t i = 0; i < params->count; i++) {
        buf_clear(&params->list[i].bytes);
        params->list[i].count = 0;
        params->list[i].has_null = false;
    }
}

size_t pg_params_size(const struct pg_params *params)
{
    size_t size = 0;
    for (uint32_t i = 0; i < params->count; i++)
        size += params->list[i].bytes.len;
    return size;
}

bool pg_params_failed(const struct pg_params *params)
{
    for (uint32_t i = 0; i < params->count; i++)
        if (params->list[i].bytes.failed)
            return true;
    return false;
}

void pg_params_fail(struct pg_params *params)
{
    assert(params->count > 0);
    params->list[0].bytes.failed = true;
}

/* The array for one more element, with room for its header at the front. */
static struct pg_param *pg_param_open(struct pg_params *params, unsigned index, enum pg_type type)
{
    static const char room[HEADER_SIZE];

    assert(index < params->count);
    struct pg_param *param = &params->list[index];
    assert(param->type == type);
    if (param->bytes.len == 0)
        buf_put(&param->bytes, room, sizeof(room));
    param->count++;
    return param;
}

static void pg_param_null(struct pg_param *param)
{
    buf_put_u32(&param->bytes, UINT32_MAX); /* length -1 */
    param->has_null = true;
}

static void pg_param_bytes(struct pg_param *param, const void *data, size_t size)
{
    if (size > PG_PARAM_SIZE_MAX) {
        param->bytes.failed = true;
        return;
    }
    buf_put_u32(&param->bytes, (uint32_t)size);
    buf_put(&param->bytes, data, size);
}

void pg_put_bool(struct pg_params *params, unsigned index, bool value)
{
    struct pg_param *param = pg_param_open(params, index, PG_BOOL);
    buf_put_u32(&param->bytes, 1);
    buf_put_char(&param->bytes, value ? 1 : 0);
}

void pg_put_int4(struct pg_params *params, unsigned index, int32_t value)
{
    struct pg_param *param = pg_param_open(params, index, PG_INT4);
    buf_put_u32(&param->bytes, 4);
    buf_put_u32(&param->bytes, (uint32_t)value);
}

void pg_put_int8(struct pg_params *params, unsigned index, int64_t value)
{
    struct pg_param *param = pg_param_open(params, index, PG_INT8);
    buf_put_u32(&param->bytes, 8);
    buf_put_u64(&param->bytes, (uint64_t)value);
}

void pg_put_text(struct pg_params *params, unsigned index, const char *text)
{
    struct pg_param *param = pg_param_open(params, index, PG_TEXT);
    if (text == NULL)
        pg_param_null(param);
    else
        pg_param_bytes(param, text, strlen(text));
}

void pg_put_bytea(struct pg_params *params, unsigned index, const void *data, size_t size)
{
    struct pg_param *param = pg_param_open(params, index, PG_BYTEA);
    if (data == NULL)
        pg_param_null(param);
    else
        pg_param_bytes(param, data, size);
}

void pg_put_uuid(struct pg_params *params, unsigned index, const struct uuid *uuid)
{
    struct pg_param *param = pg_param_open(params, index, PG_UUID);
    if (uuid == NULL)
        pg_param_null(param);
    else
        pg_param_bytes(param, uuid->bytes, sizeof(uuid->bytes));
}

static void put_u32_at(char *at, uint32_t value)
{
    at[0] = (char)(value >> 24);
    at[1] = (char)(value >> 16);
    at[2] = (char)(value >> 8);
    at[3] = (char)value;
}

/* An empty array has no dimension, so its header is shorter. */
static bool pg_param_finish(struct pg_param *param, const char **out_value, int *out_length)
{
    static const char room[HEADER_SIZE];

    if (param->bytes.len == 0)
        buf_put(&param->bytes, room, sizeof(room));
    if (param->bytes.failed)
        return false;

    char *header = param->bytes.data;
    put_u32_at(header, param->count > 0 ? 1 : 0);
    put_u32_at(header + 4, param->has_null ? 1 : 0);
    put_u32_at(header + 8, pg_types[param->type].element_oid);
    put_u32_at(header + 12, param->count);
    put_u32_at(header + 16, 1); /* SQL arrays start at 1 */

    assert(param->bytes.len <= INT_MAX);
    *out_value = header;
    *out_length = param->count > 0 ? (int)param->bytes.len : HEADER_SIZE_EMPTY;
    return true;
}

bool pg_params_finish(struct pg_params *params, const char *values[PG_PARAMS_MAX],
                      int lengths[PG_PARAMS_MAX], int formats[PG_PARAMS_MAX])
{
    for (uint32_t i = 0; i < params->count; i++) {
        if (!pg_param_finish(&params->list[i], &values[i], &lengths[i]))
            return false;
        formats[i] = 1;
    }
    return true;
}
