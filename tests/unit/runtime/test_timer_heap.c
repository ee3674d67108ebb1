/* The heap gives timers back in the order of their times, whatever was pushed and removed. */
#include "runtime/timer_heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "fake/fake_random.h"

enum {
    TIMERS = 500,
    STEPS = 20000,
    DUE_MAX = 1000
};

static void an_empty_heap_has_no_first(void **state)
{
    struct timer_heap heap = {NULL};

    assert_null(timer_heap_first(&heap));
}

static void timers_come_out_earliest_first(void **state)
{
    static const int64_t dues[] = {5, 1, 9, 1, 7, 0, 3};
    static const int64_t sorted[] = {0, 1, 1, 3, 5, 7, 9};
    struct clock_timer timers[COUNT_OF(dues)] = {{.pending = false}};
    struct timer_heap heap = {NULL};

    for (size_t i = 0; i < COUNT_OF(dues); i++)
        timer_heap_push(&heap, &timers[i], dues[i]);
    for (size_t i = 0; i < COUNT_OF(dues); i++) {
        struct clock_timer *first = timer_heap_first(&heap);

        assert_int_equal(timer_heap_due_ms(first), sorted[i]);
        timer_heap_remove(&heap, first);
    }
    assert_null(timer_heap_first(&heap));
}

/* The model is a plain array that is searched. */
static int64_t earliest(const struct clock_timer *timers)
{
    int64_t due_ms = INT64_MAX;

    for (int i = 0; i < TIMERS; i++) {
        if (timers[i].pending)
            due_ms = MIN_OF(due_ms, timer_heap_due_ms(&timers[i]));
    }
    return due_ms;
}

static void any_mixture_of_pushes_and_removals_agrees_with_a_plain_search(void **state)
{
    static struct clock_timer timers[TIMERS];
    struct timer_heap heap = {NULL};
    struct fake_random random;

    fake_random_init(&random, 7);
    for (int step = 0; step < STEPS; step++) {
        struct clock_timer *timer = &timers[random_below(&random.base, TIMERS)];

        if (timer->pending)
            timer_heap_remove(&heap, timer);
        else
            timer_heap_push(&heap, timer, random_below(&random.base, DUE_MAX));
        timer->pending = !timer->pending;
        if (earliest(timers) == INT64_MAX)
            assert_null(timer_heap_first(&heap));
        else
            assert_int_equal(timer_heap_due_ms(timer_heap_first(&heap)), earliest(timers));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_heap_has_no_first),
        cmocka_unit_test(timers_come_out_earliest_first),
        cmocka_unit_test(any_mixture_of_pushes_and_removals_agrees_with_a_plain_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
