/* Owning an order: commits that get lost, leases, fencing, wishes, taking over, giving back. */
#include "saga_fixture.h"

#include <limits.h>

#define EXPECT(fixture, op, ...) \
    fake_payment_expect(&(fixture)->payment, (op), (struct fake_outcome){__VA_ARGS__})
#define SHIP(fixture, ...) \
    fake_script_add(&(fixture)->fulfillment.create, (struct fake_outcome){__VA_ARGS__})
#define IN_ORDER(fixture, ...) assert_in_order((fixture), (const char *const[]){__VA_ARGS__, NULL})

static void lose(struct fixture *fixture, enum fake_saga_op op, enum fake_loss loss, unsigned times)
{
    fixture->store.fail[op].loss = loss;
    fixture->store.fail[op].times = times;
}

/* ---- The database lost at an advance ------------------------------------------------------------ */

static void an_advance_of_unknown_fate_is_repeated_until_it_returns(void **state)
{
    static const enum fake_loss losses[] = {FAKE_NOT_SENT, FAKE_LOST_BEFORE, FAKE_LOST_AFTER};

    for (size_t i = 0; i < COUNT_OF(losses); i++) {
        struct fixture *fixture;
        struct caller *caller;

        fixture_teardown(state);
        fixture_setup(state);
        fixture = *state;
        lose(fixture, FAKE_ADVANCE, losses[i], 3);
        caller = fixture_call(fixture, 10000);
        fixture_run(fixture, 5000);
        assert_answered(caller, REASON_NONE);
        assert_int_equal(ledger_count(fixture, "open"), 1);
        assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
    }
}

static void no_outcome_is_told_before_its_commit_has_returned(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_REFUSED, .reason = REASON_PAYMENT_DECLINED,
           .delay_ms = 300);
    caller = fixture_call(fixture, 5000);
    fixture_run(fixture, 200);
    lose(fixture, FAKE_ADVANCE, FAKE_LOST_AFTER, UINT_MAX);
    fixture_run(fixture, 5000);
    assert_answered(caller, REASON_PAYMENT_OUTCOME_UNKNOWN);
}

static void an_order_whose_lease_has_run_out_is_dropped_and_taken_over(void **state)
{
    struct fixture *fixture = *state;

    saga_driver_recover(fixture->driver, true);
    lose(fixture, FAKE_ADVANCE, FAKE_LOST_BEFORE, UINT_MAX);
    lose(fixture, FAKE_RENEW, FAKE_NOT_SENT, UINT_MAX);
    lose(fixture, FAKE_TAKE_DUE, FAKE_NOT_SENT, UINT_MAX);
    fixture_call(fixture, 5000);
    fixture_run(fixture, 15000);
    assert_int_equal(saga_driver_count(fixture->driver), 0);
    assert_int_equal(fixture->order->order.state, ORDER_CHARGING);
    lose(fixture, FAKE_ADVANCE, FAKE_WELL, 0);
    lose(fixture, FAKE_RENEW, FAKE_WELL, 0);
    lose(fixture, FAKE_TAKE_DUE, FAKE_WELL, 0);
    assert_int_equal(fixture->taken_over_count, 0);
    fixture_run(fixture, 3000);
    assert_int_equal(fixture->taken_over_count, 1);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

/* What stands in the database is the lease of the first time: repeating renews nothing. */
static void the_lease_of_a_repeated_advance_counts_from_its_first_sending(void **state)
{
    struct fixture *fixture = *state;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_DONE, .delay_ms = 500);
    SHIP(fixture, .result = EFFECT_NOT_REACHED);
    fixture->fulfillment.create.forever = true;
    fixture_call(fixture, 3000);
    fixture_run(fixture, 300);
    lose(fixture, FAKE_RENEW, FAKE_NOT_SENT, UINT_MAX);
    lose(fixture, FAKE_ADVANCE, FAKE_LOST_AFTER, UINT_MAX);
    fixture_run(fixture, 6000);
    lose(fixture, FAKE_ADVANCE, FAKE_WELL, 0);
    fixture_run(fixture, 2700);
    assert_true(ledger_count(fixture, "ship") > 0);
    fixture_run(fixture, 3000);
    assert_true(fixture->order->lease_until_ms < clock_now_ms(&fixture->clock.base));
    assert_int_equal(saga_driver_count(fixture->driver), 0);
}

static void leases_are_renewed_while_a_step_takes_long(void **state)
{
    struct fixture *fixture = *state;

    SHIP(fixture, .result = EFFECT_UNKNOWN, .happens = true, .delay_ms = 35000);
    fixture_call(fixture, 5000);
    fixture_run(fixture, 34000);
    assert_true(fixture->order->lease_until_ms > clock_now_ms(&fixture->clock.base) + 3000);
    assert_true(ledger_count(fixture, "renew") >= 8);
    assert_true(ledger_count(fixture, "renew") <= 12);
    fixture_run(fixture, 5000);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

static void a_quick_order_is_not_renewed(void **state)
{
    struct fixture *fixture = *state;

    fixture_call(fixture, 5000);
    fixture_run(fixture, 5000);
    assert_int_equal(ledger_count(fixture, "renew"), 0);
}

/* ---- Fencing ------------------------------------------------------------------------------------ */

static void a_fenced_owner_does_nothing_more_and_tells_the_stored_state(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_DONE, .delay_ms = 500);
    caller = fixture_call(fixture, 5000);
    fixture_run(fixture, 300);
    fake_saga_store_steal(fixture->order);
    fixture_run(fixture, 1000);
    assert_int_equal(ledger_count(fixture, "ship"), 0);
    assert_waiting(caller);
    fixture_run(fixture, 4000);
    assert_answered(caller, REASON_PAYMENT_OUTCOME_UNKNOWN);
    fixture_run(fixture, 200);
    assert_int_equal(saga_driver_count(fixture->driver), 0);
}

static void a_renewal_that_is_fenced_ends_the_waiting(void **state)
{
    struct fixture *fixture = *state;

    SHIP(fixture, .result = EFFECT_NOT_REACHED);
    fixture->fulfillment.create.forever = true;
    fixture_call(fixture, 2000);
    fixture_run(fixture, 2500);
    fake_saga_store_steal(fixture->order);
    fixture_run(fixture, 4000);
    assert_int_equal(saga_driver_count(fixture->driver), 0);
}

/* ---- Cancel wishes ------------------------------------------------------------------------------ */

static void a_wish_while_a_payment_is_opened_charges_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_OPEN, .result = EFFECT_DONE, .delay_ms = 500);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 100);
    fixture->order->cancel_wished = true;
    fixture_run(fixture, 2000);
    assert_answered(caller, REASON_ORDER_CANCELLED);
    assert_int_equal(ledger_count(fixture, "confirm"), 0);
    assert_left(fixture, ORDER_CANCELLED, 0, 0, 0);
}

static void a_wish_while_a_payment_is_confirmed_refunds_it(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_DONE, .delay_ms = 500);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 100);
    fixture->order->cancel_wished = true;
    fixture_run(fixture, 2000);
    assert_answered(caller, REASON_ORDER_CANCELLED);
    IN_ORDER(fixture, "confirm", "advance CHARGING>FULFILLING", "advance CHARGING>REFUNDING",
             "refund", "advance REFUNDING>CANCELLED");
    assert_left(fixture, ORDER_CANCELLED, 0, 0, 0);
}

static void a_wish_while_a_shipment_is_created_recalls_it(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    SHIP(fixture, .result = EFFECT_DONE, .delay_ms = 500);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 200);
    fixture->order->cancel_wished = true;
    fixture_run(fixture, 2000);
    assert_answered(caller, REASON_ORDER_CANCELLED);
    IN_ORDER(fixture, "ship", "advance FULFILLING>FULFILLED", "advance FULFILLING>RECALLING",
             "recall", "refund", "advance REFUNDING>CANCELLED");
    assert_left(fixture, ORDER_CANCELLED, 0, 0, 0);
}

/* That the shipment has left is heard when the lease is over, and before the pass that notices. */
static void nothing_is_shipped_again_when_the_lease_has_run_out(void **state)
{
    struct fixture *fixture = *state;

    SHIP(fixture, .result = EFFECT_UNKNOWN, .happens = true);
    fake_script_add(&fixture->fulfillment.cancel,
                    (struct fake_outcome){.result = EFFECT_HAS_LEFT, .delay_ms = 10010});
    fixture_call(fixture, 60000);
    while (ledger_count(fixture, "ship") == 0)
        fixture_run(fixture, 1);
    fixture_run(fixture, 50);
    fixture->order->cancel_wished = true;
    saga_driver_notice_cancel(fixture->driver, &fixture->order->order.id);
    lose(fixture, FAKE_RENEW, FAKE_NOT_SENT, UINT_MAX);
    while (fixture->order->order.state != ORDER_RECALLING)
        fixture_run(fixture, 1);
    fixture_run(fixture, 10020);
    assert_int_equal(ledger_count(fixture, "ship"), 1);
}

static void a_wish_comes_with_the_renewal_to_an_order_that_waits(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    SHIP(fixture, .result = EFFECT_NOT_REACHED, .retry_after_ms = 60000);
    caller = fixture_call(fixture, 30000);
    fixture_run(fixture, 1000);
    fixture->order->cancel_wished = true;
    fixture_run(fixture, 4500);
    assert_answered(caller, REASON_ORDER_CANCELLED);
    assert_int_equal(ledger_count(fixture, "recall"), 0); /* it was not reached */
    assert_left(fixture, ORDER_CANCELLED, 0, 0, 0);
}

static void a_wish_while_remote_stock_is_reserved_releases_it(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    fixture->inventory.delay_ms = 500;
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 100);
    fixture->order->cancel_wished = true;
    fixture_run(fixture, 3000);
    assert_answered(caller, REASON_ORDER_CANCELLED);
    IN_ORDER(fixture, "advance RESERVING>RELEASING", "release", "advance RELEASING>CANCELLED");
    assert_false(fixture->inventory.is_reserved);
}

/* ---- Taking over -------------------------------------------------------------------------------- */

/* As a dead owner leaves it. */
static void leave(struct fixture *fixture, enum order_state order_state, bool confirmed)
{
    struct fake_order *order = fixture->order;
    struct fake_payment_row *payment = &fixture->payment.rows[0];

    fixture->payment.count = 1;
    *payment = (struct fake_payment_row){
        .id = "pi_1",
        .amount = order->order.total,
        .status = confirmed ? PAYMENT_STATUS_SUCCEEDED : PAYMENT_STATUS_OPEN,
        .confirmed_count = confirmed,
    };
    order->order.state = order_state;
    order->order.attempt = 1;
    order->order.payment_id = "pi_1";
    order->payment_method = "pm_card_visa";
    order->generation = 1;
    order->holds_stock = true;
    fixture->store.stock--;
    order->forward_until_ms = 60000;
    order->fulfill_until_ms = order_state == ORDER_FULFILLING ? 900000 : INT64_MAX;
    if (order_state == ORDER_RECALLING || order_state == ORDER_REFUNDING) {
        order->undo_since_ms = 0;
        order->order.failure.reason = REASON_FULFILLMENT_REJECTED;
    }
}

static void a_charge_taken_over_is_looked_at_first(void **state)
{
    for (int confirmed = 0; confirmed <= 1; confirmed++) {
        struct fixture *fixture;

        fixture_teardown(state);
        fixture_setup(state);
        fixture = *state;
        leave(fixture, ORDER_CHARGING, confirmed);
        saga_driver_recover(fixture->driver, true);
        fixture_run(fixture, 5000);
        IN_ORDER(fixture, "take_due 1", "look pi_1", "advance CHARGING>FULFILLING");
        assert_int_equal(ledger_count(fixture, "confirm"), !confirmed);
        /* Behind all keys a former owner may have used. */
        assert_int_equal(ledger_count(fixture, "confirm pi_1 .1.confirm.2002"), !confirmed);
        assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
    }
}

static void a_shipment_taken_over_is_created_with_the_same_request_id(void **state)
{
    struct fixture *fixture = *state;

    leave(fixture, ORDER_FULFILLING, true);
    SHIP(fixture, .result = EFFECT_REFUSED, .reason = REASON_FULFILLMENT_REJECTED);
    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, 5000);
    IN_ORDER(fixture, "ship .1.ship", "advance FULFILLING>RECALLING", "recall .1.ship", "refund");
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

static void a_refund_taken_over_is_looked_at_before_anything_is_sent(void **state)
{
    struct fixture *fixture = *state;

    leave(fixture, ORDER_REFUNDING, true);
    fixture->payment.rows[0].refund = REFUND_STATUS_SUCCEEDED;
    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, 5000);
    IN_ORDER(fixture, "take_due 1", "look pi_1", "look_refunds pi_1", "advance REFUNDING>FAILED");
    assert_int_equal(ledger_count(fixture, "cancel"), 0);
    assert_int_equal(ledger_count(fixture, "refund"), 0);
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

static void callers_of_an_order_this_driver_takes_over_again_get_its_answer(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    SHIP(fixture, .result = EFFECT_UNKNOWN, .happens = true, .delay_ms = 60000);
    caller = fixture_call(fixture, 30000);
    fixture_run(fixture, 1000);
    fixture->order->lease_until_ms = 0;
    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, 2000);
    assert_answered(caller, REASON_NONE);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
    fixture_run(fixture, 60000); /* the old try comes home, and nobody minds */
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

static void no_more_orders_are_taken_over_than_fit(void **state)
{
    struct fixture *fixture = *state;

    leave(fixture, ORDER_FULFILLING, true);
    fixture->fulfillment.delay_ms = 4000;
    for (int i = 0; i < 2 * ORDERS_MAX; i++) {
        struct fake_order *order = fake_saga_store_add(&fixture->store);
        struct order copy = fixture->order->order;

        copy.id = order->order.id;
        *order = *fixture->order;
        order->order = copy;
    }
    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, 3000);
    assert_int_equal(saga_driver_count(fixture->driver), ORDERS_MAX);
    assert_int_equal(ledger_count(fixture, "take_due 100"), 1);
    assert_int_equal(ledger_count(fixture, "take_due 10"), 2);
}

/* ---- The end ------------------------------------------------------------------------------------ */

static void on_drained(void *arg)
{
    struct fixture *fixture = arg;

    assert_false(fixture->drained);
    fixture->drained = true;
}

static void draining_an_idle_driver_is_told_soon_but_not_from_inside(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    saga_driver_drain(fixture->driver, on_drained, fixture);
    assert_false(fixture->drained);
    fixture_run(fixture, 0);
    assert_true(fixture->drained);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 0);
    assert_answered(caller, REASON_SHUTTING_DOWN);
}

static void draining_lets_callers_have_their_answers(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    fixture->payment.delay_ms = 500;
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 100);
    saga_driver_drain(fixture->driver, on_drained, fixture);
    fixture_run(fixture, 5000);
    assert_answered(caller, REASON_NONE);
    assert_true(fixture->drained);
}

static void draining_gives_back_what_nobody_waits_for(void **state)
{
    struct fixture *fixture = *state;

    SHIP(fixture, .result = EFFECT_NOT_REACHED);
    fixture->fulfillment.create.forever = true;
    fixture_call(fixture, 2000);
    fixture_run(fixture, 3000);
    saga_driver_drain(fixture->driver, on_drained, fixture);
    fixture_run(fixture, 100);
    assert_true(fixture->drained);
    assert_int_equal(ledger_count(fixture, "give_back"), 1);
    assert_true(fixture->order->lease_until_ms <= clock_now_ms(&fixture->clock.base));
}

/* It could come behind the giving back, and the order would wait for a whole lease. */
static void draining_waits_for_a_renewal_that_is_out(void **state)
{
    struct fixture *fixture = *state;

    SHIP(fixture, .result = EFFECT_NOT_REACHED);
    fixture->fulfillment.create.forever = true;
    fixture_call(fixture, 2000);
    fixture_run(fixture, 3000);
    fixture->store.delay_ms = 400;
    while (ledger_count(fixture, "renew") == 0)
        fixture_run(fixture, 10);
    saga_driver_drain(fixture->driver, on_drained, fixture);
    fixture_run(fixture, 300);
    assert_int_equal(ledger_count(fixture, "give_back"), 0);
    fixture_run(fixture, 600);
    assert_int_equal(ledger_count(fixture, "give_back"), 1);
    assert_true(fixture->drained);
}

static void draining_waits_for_an_effect_in_flight_and_its_commit(void **state)
{
    struct fixture *fixture = *state;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_DONE, .delay_ms = 4000);
    fixture_call(fixture, 2000);
    fixture_run(fixture, 2500);
    saga_driver_drain(fixture->driver, on_drained, fixture);
    fixture_run(fixture, 1000);
    assert_false(fixture->drained);
    fixture_run(fixture, 2000);
    assert_true(fixture->drained);
    IN_ORDER(fixture, "confirm", "advance CHARGING>FULFILLING", "give_back");
    assert_int_equal(ledger_count(fixture, "ship"), 0);
    assert_int_equal(fixture->order->order.state, ORDER_FULFILLING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
#define TEST_REMOTE(name) \
    cmocka_unit_test_setup_teardown(name, fixture_setup_remote, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_advance_of_unknown_fate_is_repeated_until_it_returns),
        TEST(no_outcome_is_told_before_its_commit_has_returned),
        TEST(an_order_whose_lease_has_run_out_is_dropped_and_taken_over),
        TEST(the_lease_of_a_repeated_advance_counts_from_its_first_sending),
        TEST(leases_are_renewed_while_a_step_takes_long),
        TEST(a_quick_order_is_not_renewed),
        TEST(a_fenced_owner_does_nothing_more_and_tells_the_stored_state),
        TEST(a_renewal_that_is_fenced_ends_the_waiting),
        TEST(a_wish_while_a_payment_is_opened_charges_nothing),
        TEST(a_wish_while_a_payment_is_confirmed_refunds_it),
        TEST(a_wish_while_a_shipment_is_created_recalls_it),
        TEST(nothing_is_shipped_again_when_the_lease_has_run_out),
        TEST(a_wish_comes_with_the_renewal_to_an_order_that_waits),
        TEST_REMOTE(a_wish_while_remote_stock_is_reserved_releases_it),
        TEST(a_charge_taken_over_is_looked_at_first),
        TEST(a_shipment_taken_over_is_created_with_the_same_request_id),
        TEST(a_refund_taken_over_is_looked_at_before_anything_is_sent),
        TEST(callers_of_an_order_this_driver_takes_over_again_get_its_answer),
        TEST(no_more_orders_are_taken_over_than_fit),
        TEST(draining_an_idle_driver_is_told_soon_but_not_from_inside),
        TEST(draining_lets_callers_have_their_answers),
        TEST(draining_gives_back_what_nobody_waits_for),
        TEST(draining_waits_for_a_renewal_that_is_out),
        TEST(draining_waits_for_an_effect_in_flight_and_its_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
