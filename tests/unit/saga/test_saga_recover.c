/* The pass that takes over due orders, and orders that are found as this driver would not leave them. */
#include "saga_fixture.h"

static void restart(void **state, bool is_remote)
{
    fixture_teardown(state);
    if (is_remote)
        fixture_setup_remote(state);
    else
        fixture_setup(state);
}

/* ---- The pass ------------------------------------------------------------------------------------- */

static void nothing_is_taken_over_once_it_is_off(void **state)
{
    struct fixture *fixture = *state;

    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, 5000);
    saga_driver_recover(fixture->driver, false);
    fixture_leave(fixture, ORDER_FULFILLING);
    fixture_run(fixture, 5000);
    assert_int_equal(ledger_count(fixture, "take_due"), 0);
}

/* Switched off while a look is out: what it brings is driven, and it is the last. */
static void a_look_that_is_out_is_the_last(void **state)
{
    struct fixture *fixture = *state;

    fixture_leave(fixture, ORDER_FULFILLING);
    fixture->payment.rows[0].status = PAYMENT_STATUS_SUCCEEDED;
    fixture->order->fulfill_until_ms = 900000;
    fixture->order->order.failure.reason = REASON_NONE;
    fixture->store.delay_ms = 500;
    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, 100);
    saga_driver_recover(fixture->driver, false);
    fixture_run(fixture, 10000);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
    assert_int_equal(fixture->clock.timers != NULL, 0);
}

static void two_looks_are_never_out_together(void **state)
{
    struct fixture *fixture = *state;

    fixture_leave(fixture, ORDER_REFUNDING);
    fixture->store.delay_ms = 500;
    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, 100);
    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, 200);
    assert_int_equal(ledger_count(fixture, "take_due 1"), 1);
    fixture_run(fixture, 10000);
    assert_int_equal(ledger_count(fixture, "take_due"), 1);
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

/* Callers who take every place do not keep an order waiting whose owner has gone. */
static void what_is_taken_over_has_room_of_its_own(void **state)
{
    struct fixture *fixture = *state;

    fixture_leave(fixture, ORDER_REFUNDING);
    fixture->store.delay_ms = 500;
    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, 100);
    for (int i = 0; i < ORDERS_MAX; i++)
        fixture_call_order(fixture, fake_saga_store_add(&fixture->store), 10000, NULL);
    fixture_run(fixture, 450);
    assert_int_equal(saga_driver_count(fixture->driver), ORDERS_MAX + 1);
    fixture_run(fixture, 10000);
    assert_int_equal(fixture->order->order.state, ORDER_FAILED);
}

static void be_content(struct fixture *fixture, struct saga_observer *observer)
{
    const struct saga_config config = {.try_timeout_ms = 5000,
                                       .lease_ms = 10000,
                                       .forward_ms = 60000,
                                       .fulfill_ms = 60000,
                                       .undo_ms = 60000,
                                       .orders_max = 1};
    const struct saga_ports ports = {
        .store = &fixture->store.base,
        .payment = &fixture->payment.base,
        .fulfillment = &fixture->fulfillment.base,
        .clock = &fixture->clock.base,
        .random = &fixture->random.base,
        .observer = observer,
    };
    struct caller *caller;

    saga_driver_free(fixture->driver);
    fixture->driver = saga_driver_new(&config, &ports);
    assert_non_null(fixture->driver);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 1000);
    assert_answered(caller, REASON_NONE);
    fixture_leave(fixture, ORDER_REFUNDING);
    fixture->order->lease_until_ms = 0;
    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, 5000);
    assert_int_equal(fixture->order->order.state, ORDER_FAILED);
}

static void a_driver_is_content_with_half_an_observer_or_none(void **state)
{
    struct fixture *fixture;

    be_content(*state, NULL);
    restart(state, false);
    fixture = *state;
    fixture->observer.on_taken_over = NULL;
    be_content(fixture, &fixture->observer);
}

/* ---- Found ---------------------------------------------------------------------------------------- */

/* A replica with another setting has claimed it, or brought it so far. */
static void remote_stock_is_given_up_where_there_is_no_such_inventory(void **state)
{
    static const enum order_state states[] = {ORDER_RESERVING, ORDER_RELEASING};

    for (size_t i = 0; i < COUNT_OF(states); i++) {
        struct fixture *fixture;

        restart(state, false);
        fixture = *state;
        fixture_leave(fixture, states[i]);
        fixture->order->order.payment_id = NULL;
        if (states[i] == ORDER_RESERVING) {
            fixture->order->order.failure.reason = REASON_NONE;
            fixture->order->holds_stock = false;
            fixture->store.stock++;
        }
        saga_driver_recover(fixture->driver, true);
        fixture_run(fixture, 5000);
        assert_int_equal(fixture->order->order.state, ORDER_FAILED);
        assert_int_equal(fixture->order->order.failure.reason, states[i] == ORDER_RESERVING
                                                                   ? REASON_INVENTORY_MISCONFIGURED
                                                                   : REASON_PAYMENT_DECLINED);
        assert_left(fixture, ORDER_FAILED, 0, 0, 0);
    }
}

static void a_refund_of_what_was_never_written_down_is_true(void **state)
{
    struct fixture *fixture = *state;

    fixture_leave(fixture, ORDER_REFUNDING);
    fixture->order->order.payment_id = NULL;
    fixture->order->order.failure = (struct failure){.reason = REASON_NONE};
    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, 5000);
    assert_int_equal(fixture->order->order.state, ORDER_FAILED);
    assert_int_equal(ledger_count(fixture, "cancel"), 0);
    assert_int_equal(fixture->order->order.failure.reason, REASON_NONE);
}

/* ---- What a look at a payment can show -------------------------------------------------------------- */

static void look_shows(struct fixture *fixture, enum payment_status status)
{
    fake_payment_expect(&fixture->payment, FAKE_CONFIRM,
                        (struct fake_outcome){.result = EFFECT_UNKNOWN});
    fixture_call(fixture, 5000);
    while (ledger_count(fixture, "confirm") == 0)
        fixture_run(fixture, 1);
    fixture->payment.rows[0].status = status;
}

static void a_payment_that_somebody_cancelled_fails_the_order(void **state)
{
    struct fixture *fixture = *state;

    look_shows(fixture, PAYMENT_STATUS_CANCELLED);
    fixture_run(fixture, 5000);
    assert_answered(&fixture->callers[0], REASON_PAYMENT_ANSWER_INVALID);
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

static void a_payment_in_process_is_asked_for_again_and_never_confirmed_twice(void **state)
{
    struct fixture *fixture = *state;

    look_shows(fixture, PAYMENT_STATUS_PROCESSING);
    fixture_run(fixture, 2000);
    assert_true(ledger_count(fixture, "look") > 1);
    fixture->payment.rows[0].status = PAYMENT_STATUS_SUCCEEDED;
    fixture_run(fixture, 5000);
    assert_int_equal(ledger_count(fixture, "confirm"), 1);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

/* ---- Shipments without an id ------------------------------------------------------------------------ */

static void a_shipment_without_its_id_is_asked_for_again(void **state)
{
    static const char *const told[] = {NULL, ""};

    for (size_t i = 0; i < COUNT_OF(told); i++) {
        struct fixture *fixture;
        struct caller *caller;

        restart(state, false);
        fixture = *state;
        fixture->fulfillment.hides_id = true;
        fixture->fulfillment.told_id = told[i];
        caller = fixture_call(fixture, 20000);
        fixture_run(fixture, 1000);
        assert_waiting(caller);
        assert_int_equal(fixture->order->order.state, ORDER_FULFILLING);
        fixture->fulfillment.hides_id = false;
        fixture_run(fixture, 15000);
        assert_answered(caller, REASON_NONE);
        assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
    }
}

/* ---- Too late to reserve ---------------------------------------------------------------------------- */

static void remote_stock_is_not_asked_for_with_less_than_a_second_left(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    fixture->store.delay_ms = 1200;
    caller = fixture_call(fixture, 2000);
    fixture_run(fixture, 1500);
    fixture->store.delay_ms = 1;
    fixture_run(fixture, 5000);
    assert_int_equal(ledger_count(fixture, "reserve"), 0);
    assert_int_equal(fixture->order->order.failure.reason, REASON_DEADLINE_TOO_SHORT);
    assert_int_equal(caller->done_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_taken_over_once_it_is_off),
        TEST(a_look_that_is_out_is_the_last),
        TEST(two_looks_are_never_out_together),
        TEST(what_is_taken_over_has_room_of_its_own),
        TEST(a_driver_is_content_with_half_an_observer_or_none),
        TEST(remote_stock_is_given_up_where_there_is_no_such_inventory),
        TEST(a_refund_of_what_was_never_written_down_is_true),
        TEST(a_payment_that_somebody_cancelled_fails_the_order),
        TEST(a_payment_in_process_is_asked_for_again_and_never_confirmed_twice),
        TEST(a_shipment_without_its_id_is_asked_for_again),
        cmocka_unit_test_setup_teardown(remote_stock_is_not_asked_for_with_less_than_a_second_left,
                                        fixture_setup_remote, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
