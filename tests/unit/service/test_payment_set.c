/* A set of payment ids. */
#include "service/payment_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum {
    COUNT = 1000
};

static void it_has_what_was_added_and_nothing_else(void **state)
{
    struct payment_set set;
    char id[32];

    assert_true(payment_set_init(&set, COUNT));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++) {
            snprintf(id, sizeof(id), "pi_%d", i);
            payment_set_add(&set, id);
        }
    }
    assert_int_equal(set.count, COUNT);
    for (int i = 0; i < 2 * COUNT; i++) {
        snprintf(id, sizeof(id), "pi_%d", i);
        assert_int_equal(payment_set_has(&set, id), i < COUNT);
    }
    payment_set_deinit(&set);
}

static void an_empty_one_has_nothing(void **state)
{
    struct payment_set set;

    assert_true(payment_set_init(&set, 1));
    assert_false(payment_set_has(&set, ""));
    assert_false(payment_set_has(&set, "pi_1"));
    payment_set_deinit(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_has_what_was_added_and_nothing_else),
        cmocka_unit_test(an_empty_one_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
