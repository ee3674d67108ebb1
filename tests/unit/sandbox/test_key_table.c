/* A key repeats what was stored for it, until it expires or is not honoured. */
#include "sandbox/key_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
    COUNT_MAX = 2
};

static struct key_table table;
static struct answer answer;

static int setup(void **state)
{
    key_table_init(&table, COUNT_MAX);
    memset(&answer, 0, sizeof(answer));
    return 0;
}

static int teardown(void **state)
{
    key_table_deinit(&table);
    return 0;
}

static enum key_verdict begin(const char *key, uint64_t params_hash)
{
    return key_table_begin(&table, key, params_hash, true, &answer);
}

static void finish(const char *key, int http_status)
{
    const struct answer stored = {.kind = ANSWER_STATUS, .http_status = http_status};

    key_table_finish(&table, key, &stored);
}

static void a_key_is_new_then_in_use_then_repeats(void **state)
{
    assert_int_equal(begin("k", 1), KEY_NEW);
    assert_int_equal(begin("k", 1), KEY_IN_USE);
    finish("k", 402);
    assert_int_equal(begin("k", 1), KEY_REPLAY);
    assert_int_equal(answer.http_status, 402);
    assert_int_equal(begin("k", 2), KEY_MISMATCH);
}

static void a_key_whose_answer_was_not_stored_is_new_again(void **state)
{
    assert_int_equal(begin("k", 1), KEY_NEW);
    key_table_finish(&table, "k", NULL);
    assert_int_equal(begin("k", 2), KEY_NEW);
}

static void an_expired_key_is_new_again(void **state)
{
    assert_int_equal(begin("k", 1), KEY_NEW);
    finish("k", 200);
    key_table_expire(&table);
    assert_int_equal(begin("k", 2), KEY_NEW);
    finish("k", 201);
    assert_int_equal(begin("k", 2), KEY_REPLAY);
    assert_int_equal(answer.http_status, 201);
}

static void a_key_that_is_not_honoured_is_always_new(void **state)
{
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(key_table_begin(&table, "k", i, false, &answer), KEY_NEW);
        finish("k", 200);
    }
}

static void one_key_too_many_is_refused(void **state)
{
    assert_int_equal(begin("1", 1), KEY_NEW);
    assert_int_equal(begin("2", 1), KEY_NEW);
    assert_int_equal(begin("3", 1), KEY_FULL);
    assert_int_equal(begin("2", 1), KEY_IN_USE);
    finish("3", 200); /* unknown: ignored */
}

static void keys_are_visible_ascii_of_limited_length(void **state)
{
    char key[KEY_LEN_MAX + 2] = "";

    memset(key, 'k', KEY_LEN_MAX);
    assert_true(key_is_valid(key));
    key[KEY_LEN_MAX] = 'k';
    assert_false(key_is_valid(key));
    assert_false(key_is_valid(""));
    assert_false(key_is_valid("a b"));
    assert_false(key_is_valid("\xc3\xa9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_is_new_then_in_use_then_repeats, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_whose_answer_was_not_stored_is_new_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_expired_key_is_new_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_that_is_not_honoured_is_always_new, setup, teardown),
        cmocka_unit_test_setup_teardown(one_key_too_many_is_refused, setup, teardown),
        cmocka_unit_test(keys_are_visible_ascii_of_limited_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
