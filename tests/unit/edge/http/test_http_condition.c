/* If-Match and If-None-Match. */
#include "edge/http/http_condition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena *arena;

static int setup(void **state)
{
    arena = arena_new(64 * 1024);
    return arena == NULL;
}

static int teardown(void **state)
{
    arena_free(arena);
    return 0;
}

static void an_etag_in_a_list_is_found_weak_or_not(void **state)
{
    static const struct {
        const char *list, *etag;
        bool expected;
    } cases[] = {
        {"W/\"3-17\"", "W/\"3-17\"", true},
        {"\"3-17\"", "W/\"3-17\"", true},
        {"\"a\", W/\"3-17\"", "\"3-17\"", true},
        {"\"a\",\"3-17\"", "W/\"3-17\"", true},
        {"\"a,\"3-17\"", "\"3-17\"", false},
        {"\"x, y\" , \"3\"", "\"3\"", true},
        {"*", "\"3\"", true},
        {"\"31\"", "\"3\"", false},
        {"\"3\"1", "\"3\"", false},
        {"3", "\"3\"", false},
        {"", "\"3\"", false},
        {",,", "\"3\"", false},
        {"\"3", "\"3\"", false},
        {"W/", "\"3\"", false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct http_field field = {"if-none-match", cases[i].list};
        const struct http_request request = {.fields = &field, .field_count = 1};

        if (http_condition_is_same(&request, cases[i].etag) != cases[i].expected)
            fail_msg("%s in %s", cases[i].etag, cases[i].list);
    }
}

static void the_etag_part_is_what_has_to_match(void **state)
{
    static const struct {
        const char *value, *etag; /* NULL: refused */
    } cases[] = {
        {"W/\"3-17\"", "3"}, {"\"3-17\"", "3"}, {"\"3\"", "3"},    {"*", ""},
        {"\"\"", "-"},       {"\"-5\"", "-"},   {"3", NULL},       {"\"3", NULL},
        {"\"3\"x", NULL},    {"", NULL},        {"w/\"3\"", NULL}, {"\"3\", \"4\"", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct http_field field = {"if-match", cases[i].value};
        const struct http_request request = {.arena = arena, .fields = &field, .field_count = 1};
        struct error err = {0};
        const char *etag = NULL;
        enum status status = http_condition_match(&request, &etag, &err);

        assert_int_equal(status, cases[i].etag == NULL ? STATUS_INVALID_ARGUMENT : STATUS_OK);
        if (cases[i].etag != NULL)
            assert_string_equal(etag, cases[i].etag);
        else
            assert_string_equal(err.details->a, "If-Match");
    }
}

static void there_is_one_condition_or_none(void **state)
{
    const struct http_field fields[] = {{"if-match", "\"1\""}, {"if-match", "\"1\""}};
    struct http_request request = {.arena = arena, .fields = fields, .field_count = 2};
    struct error err = {0};
    const char *etag;

    assert_int_equal(http_condition_match(&request, &etag, &err), STATUS_INVALID_ARGUMENT);
    request.field_count = 0;
    assert_int_equal(http_condition_match(&request, &etag, &err), STATUS_OK);
    assert_string_equal(etag, "");
    assert_false(http_condition_is_same(&request, "\"1\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_etag_in_a_list_is_found_weak_or_not),
        cmocka_unit_test(the_etag_part_is_what_has_to_match),
        cmocka_unit_test(there_is_one_condition_or_none),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
