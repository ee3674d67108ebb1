/* The breaker walks its three states, by reports and by time. */
#include "client/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
    FAILURES = 3,
    OPEN_MS = 1000
};

static struct breaker breaker;

static int setup(void **state)
{
    breaker_init(&breaker, FAILURES, OPEN_MS);
    return 0;
}

static void fail_times(int count, int64_t now_ms)
{
    for (int i = 0; i < count; i++)
        breaker_report(&breaker, false, now_ms);
}

static void it_opens_at_the_given_number_of_failures_and_not_before(void **state)
{
    fail_times(FAILURES - 1, 0);
    assert_true(breaker_allow(&breaker, 0));
    fail_times(1, 0);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_false(breaker_allow(&breaker, 0));
    assert_false(breaker_is_ready(&breaker, 0));
}

static void only_failures_in_a_row_count(void **state)
{
    fail_times(FAILURES - 1, 0);
    breaker_report(&breaker, true, 0);
    fail_times(FAILURES - 1, 0);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
}

static void a_try_that_says_nothing_neither_counts_nor_interrupts_a_row(void **state)
{
    fail_times(FAILURES - 1, 0);
    breaker_abstain(&breaker);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    fail_times(1, 0);
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

static void a_probe_that_says_nothing_lets_another_look(void **state)
{
    fail_times(FAILURES, 0);
    assert_true(breaker_allow(&breaker, OPEN_MS));
    assert_false(breaker_allow(&breaker, OPEN_MS));
    breaker_abstain(&breaker);
    assert_true(breaker_allow(&breaker, OPEN_MS));
    assert_false(breaker_allow(&breaker, OPEN_MS));
}

static void after_its_time_it_lets_one_try_through(void **state)
{
    fail_times(FAILURES, 0);
    assert_false(breaker_allow(&breaker, OPEN_MS - 1));
    assert_true(breaker_is_ready(&breaker, OPEN_MS));
    assert_int_equal(breaker.state, BREAKER_OPEN); /* asking promises nothing */
    assert_true(breaker_allow(&breaker, OPEN_MS));
    assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
    assert_false(breaker_allow(&breaker, OPEN_MS));
    assert_false(breaker_is_ready(&breaker, OPEN_MS));
}

static void a_good_probe_closes_it(void **state)
{
    fail_times(FAILURES, 0);
    assert_true(breaker_allow(&breaker, OPEN_MS));
    breaker_report(&breaker, true, OPEN_MS);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    fail_times(FAILURES - 1, OPEN_MS); /* counts from zero again */
    assert_true(breaker_allow(&breaker, OPEN_MS));
}

static void a_bad_probe_opens_it_for_the_whole_time_again(void **state)
{
    fail_times(FAILURES, 0);
    assert_true(breaker_allow(&breaker, OPEN_MS));
    breaker_report(&breaker, false, OPEN_MS + 5);
    assert_false(breaker_allow(&breaker, 2 * OPEN_MS + 4));
    assert_true(breaker_allow(&breaker, 2 * OPEN_MS + 5));
}

static void late_reports_of_earlier_tries_do_not_move_an_open_breaker(void **state)
{
    fail_times(FAILURES, 0);
    breaker_report(&breaker, true, 10);
    breaker_report(&breaker, false, 500);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_true(breaker_allow(&breaker, OPEN_MS)); /* counted from the opening */
}

/* Every event in every state, as one table. */
static void each_state_has_an_answer_to_every_event(void **state)
{
    enum event {
        ALLOW_EARLY,
        ALLOW_LATE, /* OPEN_MS after the last failure */
        REACHED,
        FAILED,
        ABSTAINED
    };
    static const struct {
        enum breaker_state from;
        bool probing; /* of HALF_OPEN */
        enum event event;
        bool allowed; /* of an ALLOW */
        enum breaker_state to;
    } rows[] = {
        {BREAKER_CLOSED, false, ALLOW_EARLY, true, BREAKER_CLOSED},
        {BREAKER_CLOSED, false, ALLOW_LATE, true, BREAKER_CLOSED},
        {BREAKER_CLOSED, false, REACHED, false, BREAKER_CLOSED},
        {BREAKER_CLOSED, false, FAILED, false, BREAKER_OPEN}, /* the last of those in a row */
        {BREAKER_OPEN, false, ALLOW_EARLY, false, BREAKER_OPEN},
        {BREAKER_OPEN, false, ALLOW_LATE, true, BREAKER_HALF_OPEN},
        {BREAKER_OPEN, false, REACHED, false, BREAKER_OPEN},
        {BREAKER_OPEN, false, FAILED, false, BREAKER_OPEN},
        {BREAKER_HALF_OPEN, false, ALLOW_EARLY, true, BREAKER_HALF_OPEN},
        {BREAKER_HALF_OPEN, true, ALLOW_EARLY, false, BREAKER_HALF_OPEN},
        {BREAKER_HALF_OPEN, true, ALLOW_LATE, false, BREAKER_HALF_OPEN},
        {BREAKER_HALF_OPEN, true, REACHED, false, BREAKER_CLOSED},
        {BREAKER_HALF_OPEN, true, FAILED, false, BREAKER_OPEN},
        {BREAKER_CLOSED, false, ABSTAINED, false, BREAKER_CLOSED},
        {BREAKER_OPEN, false, ABSTAINED, false, BREAKER_OPEN},
        {BREAKER_HALF_OPEN, true, ABSTAINED, false, BREAKER_HALF_OPEN},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t now_ms = rows[i].event == ALLOW_LATE ? OPEN_MS : OPEN_MS - 1;

        setup(state);
        breaker.state = rows[i].from;
        breaker.probing = rows[i].probing;
        breaker.failures = rows[i].from == BREAKER_CLOSED ? FAILURES - 1 : FAILURES;
        if (rows[i].event == REACHED || rows[i].event == FAILED) {
            breaker_report(&breaker, rows[i].event == REACHED, now_ms);
        } else if (rows[i].event == ABSTAINED) {
            breaker_abstain(&breaker);
        } else {
            assert_int_equal(breaker_is_ready(&breaker, now_ms), rows[i].allowed);
            assert_int_equal(breaker.state, rows[i].from);
            assert_int_equal(breaker_allow(&breaker, now_ms), rows[i].allowed);
        }
        assert_int_equal(breaker.state, rows[i].to);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        TEST(it_opens_at_the_given_number_of_failures_and_not_before),
        TEST(only_failures_in_a_row_count),
        TEST(a_try_that_says_nothing_neither_counts_nor_interrupts_a_row),
        TEST(a_probe_that_says_nothing_lets_another_look),
        TEST(after_its_time_it_lets_one_try_through),
        TEST(a_good_probe_closes_it),
        TEST(a_bad_probe_opens_it_for_the_whole_time_again),
        TEST(each_state_has_an_answer_to_every_event),
        TEST(late_reports_of_earlier_tries_do_not_move_an_open_breaker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
