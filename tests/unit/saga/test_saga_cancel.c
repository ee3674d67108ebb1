/* A wish to cancel that was stored by this very process: the driver sees it at once, in whatever it is
 * doing, and what it is doing comes to its end first. */
#include "saga_fixture.h"

#include <limits.h>

#define EXPECT(fixture, op, ...) \
    fake_payment_expect(&(fixture)->payment, (op), (struct fake_outcome){__VA_ARGS__})
#define SHIP(fixture, ...) \
    fake_script_add(&(fixture)->fulfillment.create, (struct fake_outcome){__VA_ARGS__})
#define IN_ORDER(fixture, ...) assert_in_order((fixture), (const char *const[]){__VA_ARGS__, NULL})

/* As CancelOrder does it: stored first, then told. */
static void wish(struct fixture *fixture)
{
    fixture->order->cancel_wished = true;
    saga_driver_notice_cancel(fixture->driver, &fixture->order->order.id);
}

/* ---- While it waits for its next try ------------------------------------------------------------- */

static void an_order_that_waits_to_be_shipped_is_cancelled_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    SHIP(fixture, .result = EFFECT_NOT_REACHED, .retry_after_ms = 60000);
    caller = fixture_call(fixture, 30000);
    fixture_run(fixture, 1000);
    assert_waiting(caller);
    wish(fixture);
    fixture_run(fixture, 200);
    assert_answered(caller, REASON_ORDER_CANCELLED);
    assert_int_equal(ledger_count(fixture, "renew"), 0);
    assert_left(fixture, ORDER_CANCELLED, 0, 0, 0);
}

static void an_order_that_waits_to_be_charged_is_cancelled_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_UNKNOWN, .happens = true,
           .retry_after_ms = 60000);
    caller = fixture_call(fixture, 30000);
    fixture_run(fixture, 1000);
    assert_waiting(caller);
    wish(fixture);
    fixture_run(fixture, 200);
    assert_answered(caller, REASON_ORDER_CANCELLED);
    IN_ORDER(fixture, "advance CHARGING>REFUNDING", "cancel", "refund",
             "advance REFUNDING>CANCELLED");
    assert_left(fixture, ORDER_CANCELLED, 0, 0, 0);
}

/* An undo waits because the other side cannot do it now, and a wish does not change that. */
static void an_undo_that_waits_is_not_hurried(void **state)
{
    struct fixture *fixture = *state;
    unsigned refund_count;

    SHIP(fixture, .result = EFFECT_REFUSED, .reason = REASON_FULFILLMENT_REJECTED);
    EXPECT(fixture, FAKE_CANCEL, .result = EFFECT_NOT_REACHED, .retry_after_ms = 5000);
    fixture_call(fixture, 30000);
    fixture_run(fixture, 1000);
    assert_int_equal(fixture->order->order.state, ORDER_REFUNDING);
    refund_count = ledger_count(fixture, "cancel");
    wish(fixture);
    fixture_run(fixture, 1000);
    assert_int_equal(ledger_count(fixture, "cancel"), refund_count);
    assert_int_equal(fixture->order->order.state, ORDER_REFUNDING);
}

/* ---- While something is out ---------------------------------------------------------------------- */

static void a_confirmation_under_way_is_undone_without_a_detour(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_DONE, .delay_ms = 500);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 100);
    wish(fixture);
    fixture_run(fixture, 2000);
    assert_answered(caller, REASON_ORDER_CANCELLED);
    assert_int_equal(ledger_count(fixture, "advance CHARGING>FULFILLING"), 0);
    IN_ORDER(fixture, "confirm", "advance CHARGING>REFUNDING", "refund",
             "advance REFUNDING>CANCELLED");
    assert_left(fixture, ORDER_CANCELLED, 0, 0, 0);
}

static void a_payment_being_opened_is_never_confirmed(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_OPEN, .result = EFFECT_DONE, .delay_ms = 500);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 100);
    wish(fixture);
    fixture_run(fixture, 2000);
    assert_answered(caller, REASON_ORDER_CANCELLED);
    assert_int_equal(ledger_count(fixture, "confirm"), 0);
    assert_left(fixture, ORDER_CANCELLED, 0, 0, 0);
}

static void a_shipment_being_created_is_recalled(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    SHIP(fixture, .result = EFFECT_DONE, .delay_ms = 500);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 200);
    wish(fixture);
    fixture_run(fixture, 2000);
    assert_answered(caller, REASON_ORDER_CANCELLED);
    assert_int_equal(ledger_count(fixture, "advance FULFILLING>FULFILLED"), 0);
    IN_ORDER(fixture, "ship", "advance FULFILLING>RECALLING", "recall", "refund",
             "advance REFUNDING>CANCELLED");
    assert_left(fixture, ORDER_CANCELLED, 0, 0, 0);
}

static void a_refusal_under_way_ends_as_a_cancelled_order(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_REFUSED, .reason = REASON_PAYMENT_DECLINED,
           .delay_ms = 500);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 100);
    wish(fixture);
    fixture_run(fixture, 2000);
    assert_answered(caller, REASON_ORDER_CANCELLED);
    assert_left(fixture, ORDER_CANCELLED, 0, 0, 0);
}

/* The commit that is out was computed without the wish, and its answer tells which came first. */
static void a_commit_that_is_out_tells_the_wish_itself(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    fixture->store.delay_ms = 300;
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 450); /* the payment's id is being written down */
    assert_int_equal(ledger_count(fixture, "advance CHARGING>CHARGING"), 1);
    assert_int_equal(ledger_count(fixture, "confirm"), 0);
    wish(fixture);
    fixture_run(fixture, 5000);
    assert_answered(caller, REASON_ORDER_CANCELLED);
    assert_left(fixture, ORDER_CANCELLED, 0, 0, 0);
}

static void a_commit_that_is_lost_again_and_again_tells_it_too(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_DONE, .delay_ms = 300);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 200);
    fixture->store.fail[FAKE_ADVANCE].loss = FAKE_LOST_BEFORE;
    fixture->store.fail[FAKE_ADVANCE].times = UINT_MAX;
    fixture_run(fixture, 1000); /* it waits to be repeated, most of the time */
    wish(fixture);
    fixture_run(fixture, 1000);
    fixture->store.fail[FAKE_ADVANCE].times = 0;
    fixture_run(fixture, 4000);
    assert_answered(caller, REASON_ORDER_CANCELLED);
    assert_left(fixture, ORDER_CANCELLED, 0, 0, 0);
}

/* ---- What wins over it, and what is not concerned -------------------------------------------------- */

static void a_shipment_that_has_left_wins_over_the_wish(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    SHIP(fixture, .result = EFFECT_DONE, .happens = true, .delay_ms = 500);
    fake_script_add(&fixture->fulfillment.cancel, (struct fake_outcome){.result = EFFECT_HAS_LEFT});
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 200);
    wish(fixture);
    fixture_run(fixture, 5000);
    assert_answered(caller, REASON_NONE);
    IN_ORDER(fixture, "advance FULFILLING>RECALLING", "advance RECALLING>FULFILLED");
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

static void a_wish_about_an_order_this_driver_does_not_have_is_no_news(void **state)
{
    struct fixture *fixture = *state;
    struct fake_order *other = fake_saga_store_add(&fixture->store);
    struct caller *caller = fixture_call(fixture, 10000);

    saga_driver_notice_cancel(fixture->driver, &other->order.id);
    wish(fixture); /* claimed, but the claim has not returned */
    fixture->order->cancel_wished = false;
    fixture_run(fixture, 2000);
    assert_answered(caller, REASON_NONE);
    wish(fixture); /* it has come to rest */
    fixture_run(fixture, 2000);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_order_that_waits_to_be_shipped_is_cancelled_at_once),
        TEST(an_order_that_waits_to_be_charged_is_cancelled_at_once),
        TEST(an_undo_that_waits_is_not_hurried),
        TEST(a_confirmation_under_way_is_undone_without_a_detour),
        TEST(a_payment_being_opened_is_never_confirmed),
        TEST(a_shipment_being_created_is_recalled),
        TEST(a_refusal_under_way_ends_as_a_cancelled_order),
        TEST(a_commit_that_is_out_tells_the_wish_itself),
        TEST(a_commit_that_is_lost_again_and_again_tells_it_too),
        TEST(a_shipment_that_has_left_wins_over_the_wish),
        TEST(a_wish_about_an_order_this_driver_does_not_have_is_no_news),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
