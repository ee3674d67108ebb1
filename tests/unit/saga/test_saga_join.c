/* Callers who wait for an attempt that is driven elsewhere, in the end or from the beginning. */
#include "saga_fixture.h"

#include "base/limits.h"

#include <limits.h>
#include <stdio.h>

enum {
    POLL_MS = 200, /* between two looks for an attempt that is driven elsewhere */
};

/* Another replica has the order, and has brought it to an end. */
static void end_elsewhere(struct fixture *fixture, enum order_state order_state, enum reason reason)
{
    struct order *order = &fixture->order->order;

    fake_saga_store_steal(fixture->order);
    order->state = order_state;
    order->failure = (struct failure){.reason = reason};
    if (order_state == ORDER_FULFILLED) {
        order->payment_id = "pi_1";
        order->shipment_id = "shp_1";
        order->fulfill_time_us = 1;
    }
}

static void confirm_slowly(struct fixture *fixture)
{
    fake_payment_expect(&fixture->payment, FAKE_CONFIRM,
                        (struct fake_outcome){.result = EFFECT_DONE, .delay_ms = 500});
}

/* ---- Lost meanwhile ----------------------------------------------------------------------------- */

static void the_caller_of_a_fenced_owner_is_told_how_the_next_one_ended_it(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    confirm_slowly(fixture);
    caller = fixture_call(fixture, 20000);
    fixture_run(fixture, 300);
    fake_saga_store_steal(fixture->order);
    fixture_run(fixture, 2000);
    assert_waiting(caller);
    end_elsewhere(fixture, ORDER_FULFILLED, REASON_NONE);
    fixture_run(fixture, 2 * POLL_MS);
    assert_answered(caller, REASON_NONE);
    assert_int_equal(ledger_count(fixture, "ship"), 0);
    assert_int_equal(saga_driver_count(fixture->driver), 0);
}

static void the_caller_of_a_fenced_owner_is_told_why_the_next_one_failed(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    confirm_slowly(fixture);
    caller = fixture_call(fixture, 20000);
    fixture_run(fixture, 300);
    end_elsewhere(fixture, ORDER_FAILED, REASON_PAYMENT_DECLINED);
    fixture_run(fixture, 1000);
    assert_answered(caller, REASON_PAYMENT_DECLINED);
}

/* At its time, by what was seen last. */
static void the_caller_of_a_fenced_owner_is_answered_by_the_state_the_order_is_in_now(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    confirm_slowly(fixture);
    caller = fixture_call(fixture, 5000);
    fixture_run(fixture, 300);
    fake_saga_store_steal(fixture->order);
    fixture->order->order.state = ORDER_FULFILLING;
    fixture_run(fixture, 5000);
    assert_answered(caller, REASON_FULFILLMENT_PENDING);
}

/* The claim says that the attempt is still this driver's by its generation; but its lease is over. */
static void what_was_lost_is_not_driven_on_though_nobody_took_it(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    confirm_slowly(fixture);
    caller = fixture_call(fixture, 30000);
    fixture_run(fixture, 300);
    for (int op = 0; op < FAKE_SAGA_OP_COUNT; op++) {
        fixture->store.fail[op].loss = FAKE_NOT_SENT;
        fixture->store.fail[op].times = UINT_MAX;
    }
    fixture_run(fixture, 12000); /* beyond the lease */
    for (int op = 0; op < FAKE_SAGA_OP_COUNT; op++)
        fixture->store.fail[op].times = 0;
    fixture_run(fixture, 3000);
    assert_waiting(caller);
    assert_int_equal(ledger_count(fixture, "ship"), 0);

    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, 5000);
    assert_answered(caller, REASON_NONE);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

static void all_who_waited_on_what_was_lost_are_answered(void **state)
{
    struct fixture *fixture = *state;
    struct caller *callers[3];

    confirm_slowly(fixture);
    for (size_t i = 0; i < COUNT_OF(callers); i++) {
        callers[i] = fixture_call_order(fixture, fixture->order, 20000, "key");
        fixture_run(fixture, 20);
    }
    fixture_run(fixture, 200);
    fake_saga_store_steal(fixture->order);
    fixture_run(fixture, 1000);
    end_elsewhere(fixture, ORDER_FULFILLED, REASON_NONE);
    fixture_run(fixture, 2 * POLL_MS);
    for (size_t i = 0; i < COUNT_OF(callers); i++)
        assert_answered(callers[i], REASON_NONE);
}

/* ---- Elsewhere from the beginning --------------------------------------------------------------- */

/* The attempt of the key is under way at another replica. */
static void claim_elsewhere(struct fixture *fixture)
{
    struct fake_order *order = fixture->order;

    order->order.state = ORDER_CHARGING;
    order->order.attempt = 1;
    order->payment_method = "pm_card_visa";
    order->generation = 1;
    order->lease_until_ms = INT64_MAX;
    order->forward_until_ms = INT64_MAX;
    order->holds_stock = true;
    fixture->store.stock--;
    snprintf(order->request_id, sizeof(order->request_id), "key");
}

static void all_who_join_one_attempt_ask_for_it_together(void **state)
{
    struct fixture *fixture = *state;
    struct caller *callers[10];
    unsigned claims;

    claim_elsewhere(fixture);
    for (size_t i = 0; i < COUNT_OF(callers); i++)
        callers[i] = fixture_call_order(fixture, fixture->order, 20000, "key");
    fixture_run(fixture, 50);
    assert_int_equal(saga_driver_count(fixture->driver), 1);
    claims = ledger_count(fixture, "claim");
    fixture_run(fixture, 10 * POLL_MS);
    assert_in_range(ledger_count(fixture, "claim") - claims, 8, 10);

    end_elsewhere(fixture, ORDER_FULFILLED, REASON_NONE);
    fixture_run(fixture, 2 * POLL_MS);
    for (size_t i = 0; i < COUNT_OF(callers); i++)
        assert_answered(callers[i], REASON_NONE);
    assert_int_equal(saga_driver_count(fixture->driver), 0);
}

/* Their attempt invited a retry, and another key began the next one: its cause is none of theirs. */
static void those_who_joined_are_not_told_how_a_later_attempt_ended(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    claim_elsewhere(fixture);
    caller = fixture_call_order(fixture, fixture->order, 20000, "key");
    fixture_run(fixture, 1000);
    end_elsewhere(fixture, ORDER_FAILED, REASON_PAYMENT_DECLINED);
    fixture->order->order.attempt = 2;
    snprintf(fixture->order->request_id, sizeof(fixture->order->request_id), "other");
    fixture_run(fixture, 2 * POLL_MS);
    assert_answered(caller, REASON_ORDER_IN_PROGRESS);
}

static void a_hundred_callers_may_wait_for_one_order_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    struct caller *callers[LIMIT_WAITERS_PER_ORDER + 1];

    claim_elsewhere(fixture);
    for (unsigned i = 0; i < COUNT_OF(callers); i++) {
        callers[i] = fixture_call_order(fixture, fixture->order, 20000, "key");
        fixture_run(fixture, 20);
    }
    for (unsigned i = 0; i < LIMIT_WAITERS_PER_ORDER; i++)
        assert_waiting(callers[i]);
    assert_answered(callers[LIMIT_WAITERS_PER_ORDER], REASON_REQUEST_IN_PROGRESS);
}

static void those_who_joined_move_on_when_the_order_is_taken_over_here(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    claim_elsewhere(fixture);
    caller = fixture_call_order(fixture, fixture->order, 20000, "key");
    fixture_run(fixture, 1000);
    fixture->order->lease_until_ms = 0;
    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, 3000);
    assert_answered(caller, REASON_NONE);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
    fixture_run(fixture, 1000);
    assert_int_equal(saga_driver_count(fixture->driver), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_caller_of_a_fenced_owner_is_told_how_the_next_one_ended_it),
        TEST(the_caller_of_a_fenced_owner_is_told_why_the_next_one_failed),
        TEST(the_caller_of_a_fenced_owner_is_answered_by_the_state_the_order_is_in_now),
        TEST(what_was_lost_is_not_driven_on_though_nobody_took_it),
        TEST(all_who_waited_on_what_was_lost_are_answered),
        TEST(all_who_join_one_attempt_ask_for_it_together),
        TEST(those_who_joined_are_not_told_how_a_later_attempt_ended),
        TEST(a_hundred_callers_may_wait_for_one_order_and_no_more),
        TEST(those_who_joined_move_on_when_the_order_is_taken_over_here),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
