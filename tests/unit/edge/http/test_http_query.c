/* Queries, pair by pair. */
#include "edge/http/http_query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The query, read: "key=value|key=value|", with "!" at the end when it is invalid. */
static void assert_reads(const char *text, const char *expected)
{
    struct arena *arena = arena_new(64 * 1024);
    struct http_query query = {.left = text};
    char read[256] = "";
    size_t len = 0;

    assert_non_null(arena);
    while (http_query_next(&query, arena))
        len += (size_t)snprintf(read + len, sizeof(read) - len, "%s=%s|", query.key, query.value);
    if (query.is_invalid)
        snprintf(read + len, sizeof(read) - len, "!");
    assert_string_equal(read, expected);
    arena_free(arena);
}

static void pairs_are_split_first_and_decoded_then(void **state)
{
    assert_reads(NULL, "");
    assert_reads("", "");
    assert_reads("a=1", "a=1|");
    assert_reads("a=1&b=2&a=3", "a=1|b=2|a=3|");
    assert_reads("&&a=1&", "a=1|");
    assert_reads("a", "a=|");
    assert_reads("a=", "a=|");
    assert_reads("=b", "=b|");
    assert_reads("a=b=c", "a=b=c|");
    assert_reads("a=%26%3D&%61=x+y%2B", "a=&=|a=x y+|");
}

static void what_is_no_escape_ends_the_reading(void **state)
{
    assert_reads("a=1&b=%zz&c=3", "a=1|!");
    assert_reads("%=1", "!");
    assert_reads("a=%4", "!");
}

static void a_nul_is_told_by_the_length(void **state)
{
    struct arena *arena = arena_new(64 * 1024);
    struct http_query query = {.left = "a%00b=c%00"};

    assert_true(http_query_next(&query, arena));
    assert_int_equal(query.key_len, 3);
    assert_memory_equal(query.key, "a\0b", 4);
    assert_int_equal(query.value_len, 2);
    arena_free(arena);
}

static void a_full_arena_ends_the_reading(void **state)
{
    struct arena *arena = arena_new(64);
    struct http_query query = {
        .left = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"};

    assert_false(http_query_next(&query, arena));
    assert_true(query.is_full);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_split_first_and_decoded_then),
        cmocka_unit_test(what_is_no_escape_ends_the_reading),
        cmocka_unit_test(a_nul_is_told_by_the_length),
        cmocka_unit_test(a_full_arena_ends_the_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
