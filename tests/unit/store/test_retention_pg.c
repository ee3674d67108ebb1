/* Beginning and ending retention. What its passes do is shown against a database. */
#include "store/retention_pg.h"

#include "fake/failing_heap.h"
#include "fake/fake_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void what_was_never_initialised_may_be_deinitialised(void **state)
{
    struct retention_pg retention = {0};

    retention_pg_deinit(&retention);
    assert_null(retention.arena);
}

static void init_and_deinit(void *context)
{
    struct fake_clock clock;
    struct retention_pg retention;
    bool is_ready;

    (void)context;
    fake_clock_init(&clock);
    failing_heap_begin();
    is_ready = retention_pg_init(&retention, NULL, &clock.base);
    failing_heap_end();
    assert_int_equal(is_ready, !failing_heap_has_failed());
    retention_pg_deinit(&retention);
    retention_pg_deinit(&retention);
}

static void without_memory_there_is_none(void **state)
{
    failing_heap_each(init_and_deinit, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_never_initialised_may_be_deinitialised),
        cmocka_unit_test(without_memory_there_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
