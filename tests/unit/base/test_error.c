/* Errors as values: status and reason agree, messages stay readable, details come in order. */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

struct fixture {
    struct arena *arena;
    struct error err;
};

static int setup(void **state)
{
    static struct fixture fixture;

    fixture.err = (struct error){.status = STATUS_OK};
    fixture.arena = arena_new(64 * 1024);
    *state = &fixture;
    return fixture.arena == NULL;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    arena_free(fixture->arena);
    return 0;
}

static void setting_an_error_is_one_line_and_brings_code_and_text(void **state)
{
    struct fixture *fixture = *state;

    assert_false(error_is_set(&fixture->err));
    assert_int_equal(error_set(&fixture->err, REASON_ORDER_NOT_FOUND), STATUS_NOT_FOUND);
    assert_true(error_is_set(&fixture->err));
    assert_int_equal(fixture->err.reason, REASON_ORDER_NOT_FOUND);
    assert_string_equal(fixture->err.message, "there is no such order");
}

static void setting_it_again_forgets_the_old_details(void **state)
{
    struct fixture *fixture = *state;

    error_set(&fixture->err, REASON_ORDER_NOT_FOUND);
    error_add_resource(&fixture->err, fixture->arena, "order", "7");
    error_set(&fixture->err, REASON_INTERNAL);
    assert_null(fixture->err.details);
}

static void a_percent_sign_in_a_default_text_is_no_format(void **state)
{
    struct fixture *fixture = *state;

    error_setf(&fixture->err, REASON_INTERNAL, "%s", "100% of %s");
    assert_string_equal(fixture->err.message, "100% of %s");
}

static void wrapping_puts_the_place_before_the_cause(void **state)
{
    struct fixture *fixture = *state;

    error_setf(&fixture->err, REASON_STORE_UNAVAILABLE, "no connection");
    assert_int_equal(error_wrap(&fixture->err, "order %d", 7), STATUS_UNAVAILABLE);
    assert_string_equal(fixture->err.message, "order 7: no connection");
}

static void a_long_message_is_cut_between_characters(void **state)
{
    struct fixture *fixture = *state;
    char text[301];

    for (size_t i = 0; i < 300; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    text[300] = '\0';
    error_setf(&fixture->err, REASON_INTERNAL, "%s", text);
    assert_int_equal(strlen(fixture->err.message), 198);
    assert_true(text_is_utf8(fixture->err.message, 198));
    for (int i = 0; i < 3; i++)
        error_wrap(&fixture->err, "x%s", text);
    assert_true(text_is_utf8(fixture->err.message, strlen(fixture->err.message)));
    assert_true(strlen(fixture->err.message) < ERROR_MESSAGE_SIZE);
}

static void bytes_that_are_no_text_do_not_get_into_a_message(void **state)
{
    struct fixture *fixture = *state;

    error_setf(&fixture->err, REASON_INTERNAL, "field %s", "\xff\xc3 x");
    assert_string_equal(fixture->err.message, "field ?? x");
}

static void details_keep_their_order_and_their_own_copies(void **state)
{
    struct fixture *fixture = *state;
    char key[] = "available";

    error_set(&fixture->err, REASON_OUT_OF_STOCK);
    error_add_metadata(&fixture->err, fixture->arena, key, "3");
    error_add_precondition(&fixture->err, fixture->arena, "STOCK", "products/a", "3 left");
    key[0] = 'X';
    assert_int_equal(fixture->err.details->kind, DETAIL_METADATA);
    assert_string_equal(fixture->err.details->a, "available");
    assert_int_equal(fixture->err.details->next->kind, DETAIL_PRECONDITION);
    assert_string_equal(fixture->err.details->next->c, "3 left");
    assert_null(fixture->err.details->next->next);
}

static unsigned detail_count(const struct error *err)
{
    unsigned count = 0;

    for (const struct error_detail *detail = err->details; detail != NULL; detail = detail->next)
        count++;
    return count;
}

static void the_first_violation_makes_the_request_invalid(void **state)
{
    struct fixture *fixture = *state;

    error_add_field(&fixture->err, fixture->arena, "lines[2].quantity", "is %d, at most %d", 11,
                    10);
    assert_int_equal(fixture->err.status, STATUS_INVALID_ARGUMENT);
    assert_int_equal(fixture->err.reason, REASON_REQUEST_INVALID);
    assert_string_equal(fixture->err.details->a, "lines[2].quantity");
    assert_string_equal(fixture->err.details->b, "is 11, at most 10");
}

static void violations_beyond_the_limit_are_only_counted(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < ERROR_FIELDS_MAX; i++)
        error_add_field(&fixture->err, fixture->arena, "f", "bad");
    assert_int_equal(detail_count(&fixture->err), ERROR_FIELDS_MAX);
    error_add_field(&fixture->err, fixture->arena, "f", "bad");
    assert_int_equal(detail_count(&fixture->err), ERROR_FIELDS_MAX);
    assert_int_equal(fixture->err.field_count, ERROR_FIELDS_MAX + 1);
}

static void a_full_arena_costs_details_but_not_the_error(void **state)
{
    struct fixture *fixture = *state;
    struct arena *tiny = arena_new(16);

    error_add_field(&fixture->err, tiny, "name", "is missing");
    assert_int_equal(fixture->err.status, STATUS_INVALID_ARGUMENT);
    assert_null(fixture->err.details);
    assert_int_equal(fixture->err.field_count, 1);
    arena_free(tiny);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(setting_an_error_is_one_line_and_brings_code_and_text),
        TEST(setting_it_again_forgets_the_old_details),
        TEST(a_percent_sign_in_a_default_text_is_no_format),
        TEST(wrapping_puts_the_place_before_the_cause),
        TEST(a_long_message_is_cut_between_characters),
        TEST(bytes_that_are_no_text_do_not_get_into_a_message),
        TEST(details_keep_their_order_and_their_own_copies),
        TEST(the_first_violation_makes_the_request_invalid),
        TEST(violations_beyond_the_limit_are_only_counted),
        TEST(a_full_arena_costs_details_but_not_the_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
