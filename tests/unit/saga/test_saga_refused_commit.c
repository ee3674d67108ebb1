/* A commit that the store refuses for certain is a bug of ours, and still the order comes to an end
 * that a person can see. */
#include "saga_fixture.h"

#include <limits.h>

static void refuse_advances(struct fixture *fixture, unsigned times)
{
    fixture->store.fail[FAKE_ADVANCE].loss = FAKE_REFUSED;
    fixture->store.fail[FAKE_ADVANCE].times = times;
}

static void a_commit_refused_now_and_then_is_sent_again(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    refuse_advances(fixture, 4);
    caller = fixture_call(fixture, 20000);
    fixture_run(fixture, 15000);
    assert_answered(caller, REASON_NONE);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

/* The payment's id cannot be written down, so the payment is never confirmed. */
static void a_step_whose_outcome_cannot_be_stored_is_undone(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    refuse_advances(fixture, 5);
    caller = fixture_call(fixture, 30000);
    fixture_run(fixture, 25000);
    assert_answered(caller, REASON_INTERNAL);
    assert_int_equal(ledger_count(fixture, "confirm"), 0);
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

/* The first try did write it down, and nobody was told: the payment must not stay open. */
static void an_id_that_may_stand_written_down_is_cancelled(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    fixture->store.fail[FAKE_ADVANCE].loss = FAKE_LOST_AFTER;
    fixture->store.fail[FAKE_ADVANCE].times = 1;
    caller = fixture_call(fixture, 30000);
    while (ledger_count(fixture, "advance") == 0)
        fixture_run(fixture, 1);
    refuse_advances(fixture, 5);
    fixture_run(fixture, 25000);
    assert_answered(caller, REASON_INTERNAL);
    assert_int_equal(ledger_count(fixture, "confirm"), 0);
    assert_int_equal(fake_payment_open(&fixture->payment), 0);
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

static void a_payment_whose_outcome_cannot_be_stored_is_refunded(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    fake_payment_expect(&fixture->payment, FAKE_CONFIRM,
                        (struct fake_outcome){.result = EFFECT_DONE, .delay_ms = 500});
    caller = fixture_call(fixture, 30000);
    fixture_run(fixture, 300);
    refuse_advances(fixture, 5);
    fixture_run(fixture, 25000);
    assert_answered(caller, REASON_INTERNAL);
    assert_int_equal(ledger_count(fixture, "refund"), 1);
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

static void an_undo_whose_outcome_cannot_be_stored_is_stuck(void **state)
{
    struct fixture *fixture = *state;

    fake_script_add(
        &fixture->fulfillment.create,
        (struct fake_outcome){.result = EFFECT_REFUSED, .reason = REASON_FULFILLMENT_REJECTED});
    fixture->payment.delay_ms = 500;
    fixture_call(fixture, 30000);
    while (fixture->order->order.state != ORDER_REFUNDING)
        fixture_run(fixture, 100);
    refuse_advances(fixture, 5);
    fixture_run(fixture, 25000);
    assert_int_equal(fixture->order->order.state, ORDER_STUCK);
}

/* Nothing at all can be stored: it is left to its next owner instead of being sent for ever. */
static void an_order_of_which_nothing_can_be_stored_is_left(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    refuse_advances(fixture, UINT_MAX);
    caller = fixture_call(fixture, 40000);
    fixture_run(fixture, 41000);
    assert_answered(caller, REASON_PAYMENT_OUTCOME_UNKNOWN);
    assert_int_equal(ledger_count(fixture, "advance"), 10);
    assert_int_equal(saga_driver_count(fixture->driver), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_commit_refused_now_and_then_is_sent_again),
        TEST(a_step_whose_outcome_cannot_be_stored_is_undone),
        TEST(an_id_that_may_stand_written_down_is_cancelled),
        TEST(a_payment_whose_outcome_cannot_be_stored_is_refunded),
        TEST(an_undo_whose_outcome_cannot_be_stored_is_stuck),
        TEST(an_order_of_which_nothing_can_be_stored_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
