/* Reads binary results (the layouts of the server's *_send functions, by hand).
 *
 * What comes here was asked for by our own statements: a column of another type or length is a
 * bug in the table of statements, not weather, so it asserts. Knows no SQL and no connection. */
#include "store/pg_row.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

/* pg_type.h of the server; fixed for ever. */
enum {
    OID_BOOL = 16,
    OID_INT8 = 20,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_INT4_ARRAY = 1007,
    OID_TEXT_ARRAY = 1009,
    OID_INT8_ARRAY = 1016,
    OID_VARCHAR = 1043,
    OID_TIMESTAMPTZ = 1184,
    OID_UUID = 2950,
};

/* PostgreSQL counts from 2000-01-01. */
static const int64_t epoch_us = INT64_C(946684800) * 1000000;

static uint32_t read_u32(const char *data)
{
    uint32_t value;
    memcpy(&value, data, sizeof(value));
    return ntohl(value);
}

static uint64_t read_u64(const char *data)
{
    return (uint64_t)read_u32(data) << 32 | read_u32(data + 4);
}

static void check_type(const struct pg_row *row, int column, Oid type)
{
    assert(row->row >= 0 && row->row < PQntuples(row->result));
    assert(column >= 0 && column < PQnfields(row->result));
    assert(PQfformat(row->result, column) == 1);
    assert(PQftype(row->result, column) == type);
}

/* The bytes of a column that has a fixed size and is not NULL. */
static const char *read_fixed(const struct pg_row *row, int column, Oid type, int size)
{
    check_type(row, column, type);
    assert(!PQgetisnull(row->result, row->row, column));
    assert(PQgetlength(row->result, row->row, column) == size);
    return PQgetvalue(row->result, row->row, column);
}

bool pg_is_null(const struct pg_row *row, int column)
{
    assert(column >= 0 && column < PQnfields(row->result));
    return PQgetisnull(row->result, row->row, column) != 0;
}

bool pg_get_bool(const struct pg_row *row, int column)
{
    return *read_fixed(row, column, OID_BOOL, 1) != 0;
}

int32_t pg_get_int4(const struct pg_row *row, int column)
{
    return (int32_t)read_u32(read_fixed(row, column, OID_INT4, 4));
}

int64_t pg_get_int8(const struct pg_row *row, int column)
{
    return (int64_t)read_u64(read_fixed(row, column, OID_INT8, 8));
}

struct uuid pg_get_uuid(const struct pg_row *row, int column)
{
    struct uuid uuid;
    memcpy(uuid.bytes, read_fixed(row, column, OID_UUID, sizeof(uuid.bytes)), sizeof(uuid.bytes));
    return uuid;
}

int64_t pg_get_time_us(const struct pg_row *row, int column)
{
    if (pg_is_null(row, column))
        return 0;
    int64_t time_us = (int64_t)read_u64(read_fixed(row, column, OID_TIMESTAMPTZ, 8));
    /* The ends of the range stand for 'infinity' and '-infinity'. */
    if (time_us > INT64_MAX - epoch_us)
        return INT64_MAX;
    return time_us == INT64_MIN ? INT64_MIN : time_us + epoch_us;
}

const char *pg_get_text(const struct pg_row *row, int column, struct arena *arena)
{
    if (pg_is_null(row, column))
        return NULL;
    bool is_varchar = PQftype(row->result, column) == OID_VARCHAR;
    check_type(row, column, is_varchar ? OID_VARCHAR : OID_TEXT);
    return arena_strndup(arena, PQgetvalue(row->result, row->row, column),
                         (size_t)PQgetlength(row->result, row->row, column));
}

/* A walk over the elements of an array. */
struct pg_elements {
    const char *at;
    const char *end;
    uint32_t count;
};

static const char *pg_elements_take(struct pg_elements *elements, size_t size)
{
    assert((size_t)(elements->end - elements->at) >= size);
    const char *data = elements->at;
    elements->at += size;
    return data;
}

static struct pg_elements pg_elements_open(const struct pg_row *row, int column, Oid type,
                                           Oid element_type)
{
    if (pg_is_null(row, column))
        return (struct pg_elements){0};
    check_type(row, column, type);

    const char *data = PQgetvalue(row->result, row->row, column);
    struct pg_elements elements = {
        .at = data,
        .end = data + PQgetlength(row->result, row->row, column),
    };
    const char *header = pg_elements_take(&elements, 12);
    assert(read_u32(header + 8) == element_type);
    if (read_u32(header) == 0)
        return elements;
    assert(read_u32(header) == 1);
    elements.count = read_u32(pg_elements_take(&elements, 8));
    /* Each element has at least its length. */
    assert(elements.count <= (size_t)(elements.end - elements.at) / 4);
    return elements;
}

/* NULL for an SQL NULL. */
static const char *pg_elements_next(struct pg_elements *elements, size_t *out_size)
{
    int32_t size = (int32_t)read_u32(pg_elements_take(elements, 4));
    *out_size = size < 0 ? 0 : (size_t)size;
    return size < 0 ? NULL : pg_elements_take(elements, (size_t)size);
}

const char **pg_get_text_array(const struct pg_row *row, int column, struct arena *arena,
                               uint32_t *out_count)
{
    struct pg_elements elements = pg_elements_open(row, column, OID_TEXT_ARRAY, OID_TEXT);
    *out_count = 0;
    const char **texts = arena_array(arena, elements.count, sizeof(*texts));
    if (texts == NULL)
        return NULL;
    for (uint32_t i = 0; i < elements.count; i++) {
        size_t size;
        const char *data = pg_elements_next(&elements, &size);
        if (data == NULL)
            continue; /* the array was zeroed: an SQL NULL is a NULL pointer */
        texts[i] = arena_strndup(arena, data, size);
        if (texts[i] == NULL)
            return NULL;
    }
    *out_count = elements.count;
    return texts;
}

int32_t *pg_get_int4_array(const struct pg_row *row, int column, struct arena *arena,
                           uint32_t *out_count)
{
    struct pg_elements elements = pg_elements_open(row, column, OID_INT4_ARRAY, OID_INT4);
    *out_count = 0;
    int32_t *values = arena_array(arena, elements.count, sizeof(*values));
    if (values == NULL)
        return NULL;
    for (uint32_t i = 0; i < elements.count; i++) {
        size_t size;
        const char *data = pg_elements_next(&elements, &size);
        assert(data != NULL && size == 4);
        values[i] = (int32_t)read_u32(data);
    }
    *out_count = elements.count;
    return values;
}

int64_t *pg_get_int8_array(const struct pg_row *row, int column, struct arena *arena,
                           uint32_t *out_count)
{
    struct pg_elements elements = pg_elements_open(row, column, OID_INT8_ARRAY, OID_INT8);
    *out_count = 0;
    int64_t *values = arena_array(arena, elements.count, sizeof(*values));
    if (values == NULL)
        return NULL;
    for (uint32_t i = 0; i < elements.count; i++) {
        size_t size;
        const char *data = pg_elements_next(&elements, &size);
        assert(data != NULL && size == 8);
        values[i] = (int64_t)read_u64(data);
    }
    *out_count = elements.count;
    return values;
}
