/* Free memory is given back once a minute; that it is, only the size of a process can show (the soak). */
#include "app/heap.h"

#include "fake/fake_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
    MINUTE_MS = 60 * 1000,
};

static void it_is_trimmed_every_minute_until_it_stops(void **state)
{
    struct fake_clock clock;
    struct heap heap;

    (void)state;
    fake_clock_init(&clock);
    heap_start(&heap, &clock.base);
    assert_int_equal(fake_clock_advance(&clock, MINUTE_MS - 1), 0);
    assert_int_equal(fake_clock_advance(&clock, 1), 1);
    assert_int_equal(fake_clock_advance(&clock, 3 * MINUTE_MS), 3);
    heap_stop(&heap);
    assert_int_equal(fake_clock_next_ms(&clock), -1);
}

static void one_that_has_not_started_may_be_stopped(void **state)
{
    struct heap heap = {0};

    (void)state;
    heap_stop(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_trimmed_every_minute_until_it_stops),
        cmocka_unit_test(one_that_has_not_started_may_be_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
