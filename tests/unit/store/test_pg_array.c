/* Parameters, byte by byte as PostgreSQL's array_recv reads them. */
#include "store/pg_array.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    struct pg_params params;
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];
};

static void open_params(struct fixture *fixture, enum pg_type type)
{
    const enum pg_type types[] = {type, PG_END};
    pg_params_init(&fixture->params, types);
}

static void assert_bytes(struct fixture *fixture, const char *bytes, size_t size)
{
    assert_true(
        pg_params_finish(&fixture->params, fixture->values, fixture->lengths, fixture->formats));
    assert_int_equal(fixture->lengths[0], size);
    assert_int_equal(fixture->formats[0], 1);
    assert_memory_equal(fixture->values[0], bytes, size);
    pg_params_deinit(&fixture->params);
}
#define ASSERT_BYTES(fixture, literal) assert_bytes(fixture, literal, sizeof(literal) - 1)

static void an_array_without_elements_has_no_dimension(void **state)
{
    struct fixture fixture;
    open_params(&fixture, PG_TEXT);
    ASSERT_BYTES(&fixture, "\0\0\0\0\0\0\0\0\0\0\0\x19");
}

static void integers_are_big_endian(void **state)
{
    struct fixture fixture;
    open_params(&fixture, PG_INT4);
    pg_put_int4(&fixture.params, 0, -2);
    pg_put_int4(&fixture.params, 0, 0x01020304);
    ASSERT_BYTES(&fixture, "\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\2\0\0\0\1"
                           "\0\0\0\4\xff\xff\xff\xfe\0\0\0\4\1\2\3\4");
    open_params(&fixture, PG_INT8);
    pg_put_int8(&fixture.params, 0, INT64_MIN);
    ASSERT_BYTES(&fixture, "\0\0\0\1\0\0\0\0\0\0\0\x14\0\0\0\1\0\0\0\1"
                           "\0\0\0\x08\x80\0\0\0\0\0\0\0");
}

static void booleans_are_one_byte(void **state)
{
    struct fixture fixture;
    open_params(&fixture, PG_BOOL);
    pg_put_bool(&fixture.params, 0, true);
    pg_put_bool(&fixture.params, 0, false);
    ASSERT_BYTES(&fixture, "\0\0\0\1\0\0\0\0\0\0\0\x10\0\0\0\2\0\0\0\1"
                           "\0\0\0\1\1\0\0\0\1\0");
}

static void a_null_pointer_is_an_sql_null(void **state)
{
    struct fixture fixture;
    open_params(&fixture, PG_TEXT);
    pg_put_text(&fixture.params, 0, "ab");
    pg_put_text(&fixture.params, 0, NULL);
    pg_put_text(&fixture.params, 0, "");
    ASSERT_BYTES(&fixture, "\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\3\0\0\0\1"
                           "\0\0\0\2ab\xff\xff\xff\xff\0\0\0\0");
    open_params(&fixture, PG_BYTEA);
    pg_put_bytea(&fixture.params, 0, NULL, 0);
    pg_put_bytea(&fixture.params, 0, "\0x", 2);
    ASSERT_BYTES(&fixture, "\0\0\0\1\0\0\0\1\0\0\0\x11\0\0\0\2\0\0\0\1"
                           "\xff\xff\xff\xff\0\0\0\2\0x");
}

static void a_uuid_is_its_sixteen_bytes(void **state)
{
    const struct uuid uuid = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    struct fixture fixture;
    open_params(&fixture, PG_UUID);
    pg_put_uuid(&fixture.params, 0, &uuid);
    pg_put_uuid(&fixture.params, 0, NULL);
    ASSERT_BYTES(&fixture, "\0\0\0\1\0\0\0\1\0\0\x0b\x86\0\0\0\2\0\0\0\1"
                           "\0\0\0\x10\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"
                           "\xff\xff\xff\xff");
}

static void clearing_forgets_elements_and_nulls(void **state)
{
    struct fixture fixture;
    open_params(&fixture, PG_TEXT);
    pg_put_text(&fixture.params, 0, NULL);
    assert_true(
        pg_params_finish(&fixture.params, fixture.values, fixture.lengths, fixture.formats));
    pg_params_clear(&fixture.params);
    assert_int_equal(pg_params_size(&fixture.params), 0);
    pg_put_text(&fixture.params, 0, "x");
    ASSERT_BYTES(&fixture, "\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1\0\0\0\1x");
}

static void the_largest_parameter_fits_and_one_byte_more_does_not(void **state)
{
    enum {
        ROOM = PG_PARAM_SIZE_MAX - 20 - 4
    };
    struct fixture fixture;
    char *data = calloc(1, ROOM + 1);

    open_params(&fixture, PG_BYTEA);
    pg_put_bytea(&fixture.params, 0, data, ROOM);
    assert_false(pg_params_failed(&fixture.params));
    assert_true(
        pg_params_finish(&fixture.params, fixture.values, fixture.lengths, fixture.formats));
    assert_int_equal(fixture.lengths[0], PG_PARAM_SIZE_MAX);

    pg_params_clear(&fixture.params);
    pg_put_bytea(&fixture.params, 0, data, ROOM + 1);
    assert_true(pg_params_failed(&fixture.params));
    assert_false(
        pg_params_finish(&fixture.params, fixture.values, fixture.lengths, fixture.formats));
    pg_params_deinit(&fixture.params);
    free(data);
}

static void as_many_parameters_as_allowed_are_kept_apart(void **state)
{
    enum pg_type types[PG_PARAMS_MAX + 1];
    struct fixture fixture;
    for (unsigned i = 0; i < PG_PARAMS_MAX; i++)
        types[i] = PG_INT4;
    types[PG_PARAMS_MAX] = PG_END;
    pg_params_init(&fixture.params, types);
    for (unsigned i = 0; i < PG_PARAMS_MAX; i++)
        pg_put_int4(&fixture.params, i, (int32_t)i);
    assert_true(
        pg_params_finish(&fixture.params, fixture.values, fixture.lengths, fixture.formats));
    for (unsigned i = 0; i < PG_PARAMS_MAX; i++)
        assert_int_equal(fixture.values[i][27], i);
    pg_params_deinit(&fixture.params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_without_elements_has_no_dimension),
        cmocka_unit_test(integers_are_big_endian),
        cmocka_unit_test(booleans_are_one_byte),
        cmocka_unit_test(a_null_pointer_is_an_sql_null),
        cmocka_unit_test(a_uuid_is_its_sixteen_bytes),
        cmocka_unit_test(clearing_forgets_elements_and_nulls),
        cmocka_unit_test(the_largest_parameter_fits_and_one_byte_more_does_not),
        cmocka_unit_test(as_many_parameters_as_allowed_are_kept_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
