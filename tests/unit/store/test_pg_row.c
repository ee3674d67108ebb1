/* Columns read from results made by hand, byte by byte as the server sends them. */
#include "store/pg_row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

struct fixture {
    PGresult *result;
    struct pg_row row;
    struct arena *arena;
};

static int setup(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.arena = arena_new(1024)};
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    PQclear(fixture->result);
    arena_free(fixture->arena);
    return 0;
}

/* A result of one row and one column; `size` -1 is NULL. */
static const struct pg_row *given(struct fixture *fixture, Oid type, const char *bytes, int size)
{
    PGresAttDesc column = {.name = (char[]){"c"}, .format = 1, .typid = type};
    char copy[200] = "";
    if (size > 0)
        memcpy(copy, bytes, (size_t)size);
    PQclear(fixture->result);
    fixture->result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_true(PQsetResultAttrs(fixture->result, 1, &column));
    assert_true(PQsetvalue(fixture->result, 0, 0, size < 0 ? NULL : copy, size));
    fixture->row = (struct pg_row){.result = fixture->result, .row = 0};
    return &fixture->row;
}
#define GIVEN(fixture, type, literal) given(fixture, type, literal, (int)sizeof(literal) - 1)

static void numbers_are_read(void **state)
{
    struct fixture *fixture = *state;
    assert_true(pg_get_bool(GIVEN(fixture, 16, "\1"), 0));
    assert_false(pg_get_bool(GIVEN(fixture, 16, "\0"), 0));
    assert_int_equal(pg_get_int4(GIVEN(fixture, 23, "\1\2\3\4"), 0), 0x01020304);
    assert_int_equal(pg_get_int4(GIVEN(fixture, 23, "\xff\xff\xff\xff"), 0), -1);
    assert_true(pg_get_int8(GIVEN(fixture, 20, "\x80\0\0\0\0\0\0\0"), 0) == INT64_MIN);
    assert_true(pg_get_int8(GIVEN(fixture, 20, "\0\0\0\1\0\0\0\2"), 0) == INT64_C(0x100000002));
}

static void times_count_from_1970(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *bytes;
        int64_t time_us;
    } cases[] = {
        {"\0\0\0\0\0\0\0\0", INT64_C(946684800000000)},
        {"\0\0\0\0\0\0\0\1", INT64_C(946684800000001)},
        {"\xff\xfc\xa2\xfe\xc4\xc8\x20\x00", 0},
        {"\x7f\xff\xff\xff\xff\xff\xff\xff", INT64_MAX},
        {"\x80\0\0\0\0\0\0\0", INT64_MIN},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_true(pg_get_time_us(given(fixture, 1184, cases[i].bytes, 8), 0) == cases[i].time_us);
    assert_true(pg_get_time_us(given(fixture, 1184, NULL, -1), 0) == 0);
}

static void texts_are_copied_and_null_is_null(void **state)
{
    struct fixture *fixture = *state;
    assert_string_equal(pg_get_text(GIVEN(fixture, 25, "abc"), 0, fixture->arena), "abc");
    assert_string_equal(pg_get_text(GIVEN(fixture, 1043, "v"), 0, fixture->arena), "v");
    assert_string_equal(pg_get_text(GIVEN(fixture, 25, ""), 0, fixture->arena), "");
    assert_null(pg_get_text(given(fixture, 25, NULL, -1), 0, fixture->arena));
    assert_true(pg_is_null(&fixture->row, 0));
}

static void a_text_that_does_not_fit_the_arena_is_null(void **state)
{
    struct fixture *fixture = *state;
    struct arena *small = arena_new(32);
    char text[64];
    memset(text, 'x', sizeof(text));
    assert_null(pg_get_text(given(fixture, 25, text, sizeof(text)), 0, small));
    arena_free(small);
}

static void uuids_are_read(void **state)
{
    struct fixture *fixture = *state;
    struct uuid uuid = pg_get_uuid(GIVEN(fixture, 2950, "0123456789abcdef"), 0);
    assert_memory_equal(uuid.bytes, "0123456789abcdef", 16);
}

static void arrays_are_read(void **state)
{
    struct fixture *fixture = *state;
    uint32_t count;
    const char **texts = pg_get_text_array(GIVEN(fixture, 1009,
                                                 "\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\3\0\0\0\1"
                                                 "\0\0\0\2ab\xff\xff\xff\xff\0\0\0\0"),
                                           0, fixture->arena, &count);
    assert_int_equal(count, 3);
    assert_string_equal(texts[0], "ab");
    assert_null(texts[1]);
    assert_string_equal(texts[2], "");

    int32_t *small = pg_get_int4_array(
        GIVEN(fixture, 1007, "\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\1\0\0\0\1\0\0\0\4\xff\xff\xff\xfe"),
        0, fixture->arena, &count);
    assert_int_equal(count, 1);
    assert_int_equal(small[0], -2);

    int64_t *large = pg_get_int8_array(
        GIVEN(fixture, 1016,
              "\0\0\0\1\0\0\0\0\0\0\0\x14\0\0\0\1\0\0\0\1\0\0\0\x08\0\0\0\1\0\0\0\0"),
        0, fixture->arena, &count);
    assert_int_equal(count, 1);
    assert_true(large[0] == INT64_C(0x100000000));
}

static void an_array_that_is_null_or_empty_has_no_elements(void **state)
{
    struct fixture *fixture = *state;
    uint32_t count = 7;
    assert_non_null(pg_get_text_array(given(fixture, 1009, NULL, -1), 0, fixture->arena, &count));
    assert_int_equal(count, 0);
    count = 7;
    assert_non_null(pg_get_int4_array(GIVEN(fixture, 1007, "\0\0\0\0\0\0\0\0\0\0\0\x17"), 0,
                                      fixture->arena, &count));
    assert_int_equal(count, 0);
}

static void an_array_that_does_not_fit_the_arena_is_null(void **state)
{
    struct fixture *fixture = *state;
    struct arena *small = arena_new(16);
    uint32_t count;
    assert_null(pg_get_text_array(GIVEN(fixture, 1009,
                                        "\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\3\0\0\0\1"
                                        "\0\0\0\1a\0\0\0\1b\0\0\0\1c"),
                                  0, small, &count));
    arena_free(small);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(numbers_are_read),
        TEST(times_count_from_1970),
        TEST(texts_are_copied_and_null_is_null),
        TEST(a_text_that_does_not_fit_the_arena_is_null),
        TEST(uuids_are_read),
        TEST(arrays_are_read),
        TEST(an_array_that_is_null_or_empty_has_no_elements),
        TEST(an_array_that_does_not_fit_the_arena_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
