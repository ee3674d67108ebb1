#include "domain/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = arena_new(64 * 1024);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

/* ---- Names --------------------------------------------------------------------------------- */

static void every_state_is_found_again_by_its_name(void **state)
{
    for (unsigned i = ORDER_PENDING; i < ORDER_STATE_COUNT; i++)
        assert_int_equal(order_state_parse(order_state_name((enum order_state)i)), i);
    assert_int_equal(order_state_parse("STATE_UNSPECIFIED"), ORDER_STATE_UNSPECIFIED);
    assert_int_equal(order_state_parse("charging"), ORDER_STATE_UNSPECIFIED);
    assert_int_equal(order_state_parse(""), ORDER_STATE_UNSPECIFIED);
}

static void kinds_and_outcomes_have_names(void **state)
{
    assert_string_equal(step_kind_name(STEP_RESERVE), "RESERVE");
    assert_string_equal(step_kind_name(STEP_RELEASE), "RELEASE");
    assert_string_equal(step_outcome_name(OUTCOME_RUNNING), "RUNNING");
    assert_string_equal(step_outcome_name(OUTCOME_UNKNOWN), "UNKNOWN");
}

static void an_order_rests_where_nothing_is_made_true(void **state)
{
    for (unsigned i = ORDER_PENDING; i < ORDER_STATE_COUNT; i++) {
        bool rests = i == ORDER_PENDING || i == ORDER_FULFILLED || i >= ORDER_FAILED;
        assert_int_equal(order_is_at_rest((enum order_state)i), rests);
    }
}

/* ---- Steps --------------------------------------------------------------------------------- */

static void an_order_that_was_never_tried_has_no_steps(void **state)
{
    struct order_event created = {.revision = 1, .state = ORDER_PENDING, .time_us = 1};
    struct order order = {.state = ORDER_PENDING, .events = &created, .event_count = 1};
    uint32_t count = 7;

    assert_null(order_steps(&order, *state, &count));
    assert_int_equal(count, 0);
    order.event_count = 0; /* they were not asked for */
    order.attempt = 1;
    assert_null(order_steps(&order, *state, &count));
    assert_int_equal(count, 0);
}

static void the_steps_of_a_fulfilled_order_are_done_one_after_the_other(void **state)
{
    struct order_event events[] = {
        {2, 1, ORDER_CHARGING, STEP_RESERVE, OUTCOME_DONE, 1, NULL, {0}, 100},
        {3, 1, ORDER_CHARGING, STEP_CHARGE, OUTCOME_RUNNING, 1, "pi_1", {0}, 200},
        {4, 1, ORDER_FULFILLING, STEP_CHARGE, OUTCOME_DONE, 2, NULL, {0}, 300},
        {5, 1, ORDER_FULFILLED, STEP_FULFILL, OUTCOME_DONE, 1, "sh_1", {0}, 400},
    };
    struct order order = {
        .state = ORDER_FULFILLED, .attempt = 1, .events = events, .event_count = 4};
    static const struct order_step expected[] = {
        {STEP_RESERVE, OUTCOME_DONE, 1, 100, 100, {0}, NULL},
        {STEP_CHARGE, OUTCOME_DONE, 2, 100, 300, {0}, "pi_1"},
        {STEP_FULFILL, OUTCOME_DONE, 1, 300, 400, {0}, "sh_1"},
    };
    uint32_t count;
    struct order_step *steps = order_steps(&order, *state, &count);

    assert_int_equal(count, COUNT_OF(expected));
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(steps[i].kind, expected[i].kind);
        assert_int_equal(steps[i].outcome, expected[i].outcome);
        assert_int_equal(steps[i].tries, expected[i].tries);
        assert_int_equal(steps[i].start_time_us, expected[i].start_time_us);
        assert_int_equal(steps[i].end_time_us, expected[i].end_time_us);
        if (expected[i].external_id == NULL)
            assert_null(steps[i].external_id);
        else
            assert_string_equal(steps[i].external_id, expected[i].external_id);
    }
}

static void the_step_of_a_working_state_is_running(void **state)
{
    struct order_event events[] = {
        {2, 1, ORDER_CHARGING, STEP_RESERVE, OUTCOME_DONE, 1, NULL, {0}, 100},
    };
    struct order order = {
        .state = ORDER_CHARGING, .attempt = 1, .events = events, .event_count = 1};
    uint32_t count;
    struct order_step *steps = order_steps(&order, *state, &count);

    assert_int_equal(count, 2);
    assert_int_equal(steps[1].kind, STEP_CHARGE);
    assert_int_equal(steps[1].outcome, OUTCOME_RUNNING);
    assert_int_equal(steps[1].start_time_us, 100);
    assert_int_equal(steps[1].end_time_us, 0);
}

static void a_refused_step_tells_why_and_its_undo_follows(void **state)
{
    struct failure declined = {.reason = REASON_PAYMENT_DECLINED};
    struct order_event events[] = {
        {2, 1, ORDER_CHARGING, STEP_RESERVE, OUTCOME_DONE, 1, NULL, {0}, 100},
        {3, 1, ORDER_REFUNDING, STEP_CHARGE, OUTCOME_REFUSED, 1, "pi_1", declined, 200},
        {4, 1, ORDER_FAILED, STEP_REFUND, OUTCOME_DONE, 1, NULL, {0}, 300},
    };
    struct order order = {.state = ORDER_FAILED, .attempt = 1, .events = events, .event_count = 3};
    uint32_t count;
    struct order_step *steps = order_steps(&order, *state, &count);

    assert_int_equal(count, 3);
    assert_int_equal(steps[1].outcome, OUTCOME_REFUSED);
    assert_int_equal(steps[1].failure.reason, REASON_PAYMENT_DECLINED);
    assert_int_equal(steps[2].kind, STEP_REFUND);
    assert_int_equal(steps[2].start_time_us, 200);
    assert_int_equal(steps[2].failure.reason, REASON_NONE);
}

static void steps_are_those_of_the_last_attempt(void **state)
{
    struct order_event events[] = {
        {2, 1, ORDER_FAILED, STEP_RESERVE, OUTCOME_REFUSED, 1, NULL, {0}, 100},
        {3, 2, ORDER_CHARGING, STEP_RESERVE, OUTCOME_DONE, 1, NULL, {0}, 900},
    };
    struct order order = {
        .state = ORDER_CHARGING, .attempt = 2, .events = events, .event_count = 2};
    uint32_t count;
    struct order_step *steps = order_steps(&order, *state, &count);

    assert_int_equal(count, 2);
    assert_int_equal(steps[0].outcome, OUTCOME_DONE);
    assert_int_equal(steps[0].start_time_us, 900);
    assert_int_equal(steps[1].kind, STEP_CHARGE);
}

static void steps_that_do_not_fit_the_arena_are_none(void **state)
{
    struct order_event events[64] = {{.attempt = 1, .state = ORDER_CHARGING, .time_us = 1}};
    struct order order = {
        .state = ORDER_CHARGING, .attempt = 1, .events = events, .event_count = 64};
    struct arena *small = arena_new(128);
    uint32_t count = 7;

    assert_non_null(small);
    assert_null(order_steps(&order, small, &count));
    assert_int_equal(count, 0);
    arena_free(small);
}

static void a_step_told_of_twice_is_one_until_it_has_ended(void **state)
{
    static const struct {
        enum step_outcome first;
        uint32_t count;
    } cases[] = {{OUTCOME_RUNNING, 1}, {OUTCOME_UNKNOWN, 1}, {OUTCOME_DONE, 2}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct order_event events[] = {
            {2, 1, ORDER_CHARGING, STEP_CHARGE, cases[i].first, 1, NULL, {0}, 100},
            {3, 1, ORDER_FULFILLED, STEP_CHARGE, OUTCOME_DONE, 1, NULL, {0}, 200},
        };
        struct order order = {
            .state = ORDER_FULFILLED, .attempt = 1, .events = events, .event_count = 2};
        uint32_t count;

        assert_non_null(order_steps(&order, *state, &count));
        assert_int_equal(count, cases[i].count);
    }
}

static void events_that_are_about_no_step_tell_of_none(void **state)
{
    struct order_event events[] = {
        {2, 1, ORDER_FAILED, STEP_NONE, OUTCOME_RUNNING, 1, NULL, {0}, 100},
    };
    struct order order = {.state = ORDER_FAILED, .attempt = 1, .events = events, .event_count = 1};
    uint32_t count;

    assert_null(order_steps(&order, *state, &count));
    assert_int_equal(count, 0);
}

/* The second attempt fails as the first did, so both leave the same state behind. */
static void an_attempt_that_ends_like_the_one_before_has_its_own_time(void **state)
{
    struct order_event events[] = {
        {2, 1, ORDER_FAILED, STEP_RESERVE, OUTCOME_REFUSED, 1, NULL, {0}, 100},
        {3, 2, ORDER_FAILED, STEP_RESERVE, OUTCOME_REFUSED, 1, NULL, {0}, 900},
        {4, 2, ORDER_FAILED, STEP_RELEASE, OUTCOME_DONE, 1, NULL, {0}, 950},
    };
    struct order order = {.state = ORDER_FAILED, .attempt = 2, .events = events, .event_count = 3};
    uint32_t count;
    struct order_step *steps = order_steps(&order, *state, &count);

    assert_int_equal(count, 2);
    assert_int_equal(steps[0].start_time_us, 900);
    assert_int_equal(steps[1].start_time_us, 900);
}

static void an_attempt_without_events_has_no_steps_yet(void **state)
{
    struct order_event events[] = {
        {2, 1, ORDER_FAILED, STEP_RESERVE, OUTCOME_REFUSED, 1, NULL, {0}, 100},
    };
    struct order order = {
        .state = ORDER_CHARGING, .attempt = 2, .events = events, .event_count = 1};
    uint32_t count;

    assert_null(order_steps(&order, *state, &count));
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_is_found_again_by_its_name),
        cmocka_unit_test(kinds_and_outcomes_have_names),
        cmocka_unit_test(an_order_rests_where_nothing_is_made_true),
        cmocka_unit_test(an_order_that_was_never_tried_has_no_steps),
        cmocka_unit_test(the_steps_of_a_fulfilled_order_are_done_one_after_the_other),
        cmocka_unit_test(the_step_of_a_working_state_is_running),
        cmocka_unit_test(a_refused_step_tells_why_and_its_undo_follows),
        cmocka_unit_test(steps_are_those_of_the_last_attempt),
        cmocka_unit_test(steps_that_do_not_fit_the_arena_are_none),
        cmocka_unit_test(a_step_told_of_twice_is_one_until_it_has_ended),
        cmocka_unit_test(events_that_are_about_no_step_tell_of_none),
        cmocka_unit_test(an_attempt_that_ends_like_the_one_before_has_its_own_time),
        cmocka_unit_test(an_attempt_without_events_has_no_steps_yet),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
