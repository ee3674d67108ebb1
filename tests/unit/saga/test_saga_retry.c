/* The pauses between tries, at their limits. */
#include "saga/saga_retry.h"

#include "base/macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
    HOUR_MS = 60 * 60 * 1000
};

static void forward_pauses_double_from_100_ms_to_10_s(void **state)
{
    static const struct {
        int32_t tries;
        int64_t min_ms, max_ms;
    } rows[] = {
        {1, 100, 200},    {2, 200, 400},      {3, 400, 800},
        {7, 5000, 10000}, {100, 5000, 10000}, {INT32_MAX, 5000, 10000},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(saga_retry_forward_ms(rows[i].tries, 0, 0), rows[i].min_ms);
        assert_int_equal(saga_retry_forward_ms(rows[i].tries, 0, UINT32_MAX), rows[i].max_ms);
    }
}

static void nobody_is_asked_sooner_than_he_wished(void **state)
{
    assert_int_equal(saga_retry_forward_ms(1, 3000, 0), 3000);
    assert_int_equal(saga_retry_forward_ms(1, 50, 0), 100);
    assert_int_equal(saga_retry_undo_ms(1, 0, 3000, 0), 3000);
}

static void undos_pause_10_s_at_most_in_the_first_hour_and_5_min_later(void **state)
{
    assert_int_equal(saga_retry_undo_ms(100, HOUR_MS - 1, 0, UINT32_MAX), 10 * 1000);
    assert_int_equal(saga_retry_undo_ms(100, HOUR_MS, 0, UINT32_MAX), 5 * 60 * 1000);
    assert_int_equal(saga_retry_undo_ms(1, HOUR_MS, 0, UINT32_MAX), 200);
}

static void an_undo_is_not_put_off_beyond_its_longest_pause(void **state)
{
    assert_int_equal(saga_retry_undo_ms(1, 0, HOUR_MS, 0), 10 * 1000);
    assert_int_equal(saga_retry_undo_ms(1, HOUR_MS, HOUR_MS, 0), 5 * 60 * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_pauses_double_from_100_ms_to_10_s),
        cmocka_unit_test(nobody_is_asked_sooner_than_he_wished),
        cmocka_unit_test(undos_pause_10_s_at_most_in_the_first_hour_and_5_min_later),
        cmocka_unit_test(an_undo_is_not_put_off_beyond_its_longest_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
