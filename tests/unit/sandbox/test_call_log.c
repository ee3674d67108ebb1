/* The log keeps the last calls, whole characters of their order, and nothing from before a reset. */
#include "sandbox/call_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct call_log call_log;

static int setup(void **state)
{
    return call_log_init(&call_log);
}

static int teardown(void **state)
{
    call_log_deinit(&call_log);
    return 0;
}

static void the_ring_forgets_the_oldest(void **state)
{
    for (uint64_t i = 1; i <= CALL_LOG_COUNT; i++)
        assert_int_equal(call_log_add(&call_log, "GET", "/", NULL), i);
    assert_non_null(call_log_find(&call_log, 1));
    assert_int_equal(call_log_add(&call_log, "GET", "/", NULL), CALL_LOG_COUNT + 1);
    assert_null(call_log_find(&call_log, 1));
    assert_non_null(call_log_find(&call_log, 2));
}

static void a_reset_forgets_all_but_goes_on_counting(void **state)
{
    (void)call_log_add(&call_log, "GET", "/", NULL);
    call_log_reset(&call_log);
    assert_null(call_log_find(&call_log, 1));
    assert_int_equal(call_log_add(&call_log, "GET", "/", NULL), 2);
    assert_non_null(call_log_find(&call_log, 2));
    assert_null(call_log_find(&call_log, 0));
}

static void an_order_id_is_cut_between_characters(void **state)
{
    char id[sizeof(((struct call *)0)->order_id) + 2] = "";
    uint64_t n = call_log_add(&call_log, "GET", "/", NULL);

    memset(id, 'x', sizeof(id) - 4);
    memcpy(id + sizeof(id) - 4, "\xc3\xa9", 2); /* its second byte is the first that does not fit */
    call_log_note_order(&call_log, n, id);
    assert_int_equal(strlen(call_log_find(&call_log, n)->order_id), sizeof(id) - 4);
    call_log_note_order(&call_log, n, "ord_1");
    assert_string_equal(call_log_find(&call_log, n)->order_id, "ord_1");
    call_log_note_order(&call_log, n + 1, "ord_1"); /* unknown: ignored */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_ring_forgets_the_oldest, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reset_forgets_all_but_goes_on_counting, setup, teardown),
        cmocka_unit_test_setup_teardown(an_order_id_is_cut_between_characters, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
