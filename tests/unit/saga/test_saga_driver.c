/* How orders go: what is tried and committed in which order, and what each caller is told. */
#include "saga_fixture.h"

#include <limits.h>

#define EXPECT(fixture, op, ...) \
    fake_payment_expect(&(fixture)->payment, (op), (struct fake_outcome){__VA_ARGS__})
#define SHIP(fixture, ...) \
    fake_script_add(&(fixture)->fulfillment.create, (struct fake_outcome){__VA_ARGS__})
#define RECALL(fixture, ...) \
    fake_script_add(&(fixture)->fulfillment.cancel, (struct fake_outcome){__VA_ARGS__})

#define IN_ORDER(fixture, ...) assert_in_order((fixture), (const char *const[]){__VA_ARGS__, NULL})

/* ---- The way of a good order -------------------------------------------------------------------- */

static void an_order_is_reserved_charged_and_fulfilled_each_step_committed_first(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller = fixture_call(fixture, 10000);

    fixture_run(fixture, 1000);
    assert_answered(caller, REASON_NONE);
    assert_string_equal(caller->ticket.order->payment_id, "pi_1");
    assert_string_equal(caller->ticket.order->shipment_id, "sh_1");
    assert_true(caller->ticket.order->fulfill_time_us > 0);
    assert_int_equal(caller->ticket.order->total.minor, 1000);
    assert_false(caller->ticket.replayed);
    IN_ORDER(fixture, "claim", "observed PENDING>CHARGING", "open - .1.open.1",
             "advance CHARGING>CHARGING pi_1", "confirm pi_1 .1.confirm.1",
             "advance CHARGING>FULFILLING", "observed CHARGING>FULFILLING", "ship .1.ship",
             "advance FULFILLING>FULFILLED", "observed FULFILLING>FULFILLED", "answer OK");
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
    assert_int_equal(ledger_count(fixture, "advance"), 3);
    assert_int_equal(saga_driver_count(fixture->driver), 0);
}

static void the_answer_waits_for_the_last_commit(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller = fixture_call(fixture, 10000);

    fixture->store.delay_ms = 500;
    fixture_run(fixture, 1500);
    assert_int_equal(fixture->order->order.state, ORDER_FULFILLED);
    assert_waiting(caller);
    fixture_run(fixture, 100);
    assert_answered(caller, REASON_NONE);
}

static void transitions_are_told_with_step_outcome_and_tries(void **state)
{
    struct fixture *fixture = *state;
    const struct saga_transition *seen = fixture->transitions;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_REFUSED, .reason = REASON_PAYMENT_DECLINED);
    fixture_call(fixture, 10000);
    fixture_run(fixture, 2000);
    assert_int_equal(fixture->transition_count, 3);
    assert_int_equal(seen[0].step, STEP_RESERVE);
    assert_int_equal(seen[1].step, STEP_CHARGE);
    assert_int_equal(seen[1].outcome, OUTCOME_REFUSED);
    assert_int_equal(seen[1].reason, REASON_PAYMENT_DECLINED);
    assert_int_equal(seen[1].tries, 1);
    assert_int_equal(seen[2].from, ORDER_REFUNDING);
    assert_int_equal(seen[2].to, ORDER_FAILED);
    assert_int_equal(seen[2].outcome, OUTCOME_DONE);
}

/* ---- Refusals ----------------------------------------------------------------------------------- */

static void short_stock_fails_in_the_claim(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    fixture->store.stock = 0;
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 100);
    assert_answered(caller, REASON_OUT_OF_STOCK);
    assert_non_null(answer_metadata(caller, "orderId"));
    assert_int_equal(ledger_count(fixture, "open"), 0);
    assert_int_equal(ledger_count(fixture, "advance"), 0);
    assert_int_equal(fixture->transitions[0].to, ORDER_FAILED);
}

/* A refused confirmation: every written down payment is cancelled, since the confirmation may arrive
 * twice and late. */
static void a_refused_charge_is_cancelled_and_the_cause_told(void **state)
{
    static const enum reason reasons[] = {REASON_PAYMENT_DECLINED, REASON_PAYMENT_ACTION_REQUIRED,
                                          REASON_PAYMENT_METHOD_INVALID,
                                          REASON_PAYMENT_MISCONFIGURED};

    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        struct fixture *fixture;
        struct caller *caller;

        fixture_teardown(state);
        fixture_setup(state);
        fixture = *state;
        EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_REFUSED, .reason = reasons[i]);
        caller = fixture_call(fixture, 10000);
        fixture_run(fixture, 1000);
        assert_answered(caller, reasons[i]);
        assert_non_null(answer_metadata(caller, "orderId"));
        IN_ORDER(fixture, "confirm pi_1", "advance CHARGING>REFUNDING", "cancel pi_1 .1.cancel.1",
                 "advance REFUNDING>FAILED", "answer");
        assert_left(fixture, ORDER_FAILED, 0, 0, 0);
        assert_int_equal(fake_payment_open(&fixture->payment), 0);
        assert_true(fixture->order->last_attempt_counts);
    }
}

static void a_payment_that_cannot_be_opened_passes_its_undo_in_one_commit(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_OPEN, .result = EFFECT_REFUSED, .reason = REASON_PAYMENT_METHOD_INVALID);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 100);
    assert_answered(caller, REASON_PAYMENT_METHOD_INVALID);
    IN_ORDER(fixture, "open", "advance CHARGING>FAILED", "answer");
    assert_int_equal(ledger_count(fixture, "cancel"), 0);
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

static void an_answer_that_contradicts_the_order_is_undone(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_CONTRADICTED, .happens = true,
           .reason = REASON_PAYMENT_ANSWER_INVALID);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 1000);
    assert_answered(caller, REASON_PAYMENT_ANSWER_INVALID);
    IN_ORDER(fixture, "cancel pi_1", "refund pi_1 .1.refund.1", "advance REFUNDING>FAILED");
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

static void a_refused_shipment_needs_no_recall_but_the_refund(void **state)
{
    static const enum reason reasons[] = {REASON_FULFILLMENT_REJECTED,
                                          REASON_FULFILLMENT_MISCONFIGURED};

    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        struct fixture *fixture;
        struct caller *caller;

        fixture_teardown(state);
        fixture_setup(state);
        fixture = *state;
        SHIP(fixture, .result = EFFECT_REFUSED, .reason = reasons[i]);
        caller = fixture_call(fixture, 10000);
        fixture_run(fixture, 1000);
        assert_answered(caller, reasons[i]);
        IN_ORDER(fixture, "ship", "advance FULFILLING>REFUNDING", "cancel", "refund",
                 "advance REFUNDING>FAILED", "answer");
        assert_int_equal(ledger_count(fixture, "recall"), 0);
        assert_left(fixture, ORDER_FAILED, 0, 0, 0);
    }
}

/* ---- Not reached -------------------------------------------------------------------------------- */

static void a_provider_that_is_reached_later_is_tried_with_the_same_key(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_OPEN, .result = EFFECT_NOT_REACHED);
    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_NOT_REACHED, .retry_after_ms = 700);
    SHIP(fixture, .result = EFFECT_NOT_REACHED);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 5000);
    assert_answered(caller, REASON_NONE);
    assert_int_equal(ledger_count(fixture, "open - .1.open.1"), 2);
    assert_int_equal(ledger_count(fixture, "confirm pi_1 .1.confirm.1"), 2);
    assert_int_equal(ledger_count(fixture, "look"), 0);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

static void a_provider_that_is_not_reached_in_the_callers_time_fails_the_order(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_OPEN, .result = EFFECT_NOT_REACHED);
    fixture->payment.scripts[FAKE_OPEN].forever = true;
    caller = fixture_call(fixture, 5000);
    fixture_run(fixture, 3900);
    assert_waiting(caller);
    fixture_run(fixture, 300);
    assert_answered(caller, REASON_PAYMENT_UNAVAILABLE);
    assert_int_equal(reason_retry(caller->ticket.err.reason), RETRY_AFTER);
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
    assert_false(fixture->order->last_attempt_counts); /* an outage does not use attempts up */
}

static void an_open_breaker_of_fulfilment_is_seen_before_the_charge(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    fixture->fulfillment.is_down = true;
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 100);
    assert_answered(caller, REASON_FULFILLMENT_UNAVAILABLE);
    assert_int_equal(ledger_count(fixture, "open"), 0);
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
    assert_false(fixture->order->last_attempt_counts);
}

static void a_shipment_not_reached_in_the_callers_time_goes_on_alone(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    SHIP(fixture, .result = EFFECT_NOT_REACHED);
    fixture->fulfillment.create.forever = true;
    caller = fixture_call(fixture, 5000);
    fixture_run(fixture, 5000);
    assert_answered(caller, REASON_FULFILLMENT_PENDING);
    assert_true(answer_names_order(caller));
    assert_non_null(answer_metadata(caller, "orderId"));
    fixture->fulfillment.create.forever = false;
    fixture_run(fixture, 20000);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

static void a_shipment_is_given_up_after_its_time_and_all_undone(void **state)
{
    struct fixture *fixture = *state;

    SHIP(fixture, .result = EFFECT_UNKNOWN);
    fixture->fulfillment.create.forever = true;
    fixture_call(fixture, 5000);
    fixture_run(fixture, 14 * 60 * 1000);
    assert_int_equal(fixture->order->order.state, ORDER_FULFILLING);
    fixture_run(fixture, 2 * 60 * 1000);
    IN_ORDER(fixture, "ship", "advance FULFILLING>RECALLING", "recall .1.ship",
             "advance RECALLING>REFUNDING", "advance REFUNDING>FAILED");
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
    assert_int_equal(fixture->order->order.failure.reason, REASON_FULFILLMENT_UNAVAILABLE);
}

/* ---- Of unknown fate ---------------------------------------------------------------------------- */

static void a_confirmation_of_unknown_fate_that_happened_is_seen_by_a_look(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_UNKNOWN, .happens = true);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 2000);
    assert_answered(caller, REASON_NONE);
    IN_ORDER(fixture, "confirm pi_1 .1.confirm.1", "look pi_1 -", "advance CHARGING>FULFILLING");
    assert_int_equal(ledger_count(fixture, "confirm"), 1);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

static void a_confirmation_that_did_not_happen_is_sent_again_with_the_next_key(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_UNKNOWN);
    EXPECT(fixture, FAKE_LOOK, .result = EFFECT_UNKNOWN);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 3000);
    assert_answered(caller, REASON_NONE);
    IN_ORDER(fixture, "confirm pi_1 .1.confirm.1", "look", "look", "confirm pi_1 .1.confirm.2");
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

static void an_opening_of_unknown_fate_is_repeated_with_the_next_key(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_OPEN, .result = EFFECT_UNKNOWN, .happens = true);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 2000);
    assert_answered(caller, REASON_NONE);
    IN_ORDER(fixture, "open - .1.open.1", "open - .1.open.2", "confirm pi_2");
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

static void asked_to_look_it_looks(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_ASK, .happens = true);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 2000);
    assert_answered(caller, REASON_NONE);
    assert_int_equal(ledger_count(fixture, "look"), 1);
}

static void a_charge_of_unknown_fate_is_answered_in_time_and_goes_on_alone(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_UNKNOWN, .happens = true, .delay_ms = 5000);
    caller = fixture_call(fixture, 4000);
    fixture_run(fixture, 3799);
    assert_waiting(caller);
    fixture_run(fixture, 1);
    assert_answered(caller, REASON_PAYMENT_OUTCOME_UNKNOWN);
    assert_true(answer_names_order(caller));
    fixture_run(fixture, 5000);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

static void after_forward_until_no_confirmation_is_sent_but_a_look(void **state)
{
    struct fixture *fixture = *state;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_UNKNOWN);
    EXPECT(fixture, FAKE_LOOK, .result = EFFECT_UNKNOWN);
    fixture->payment.scripts[FAKE_LOOK].forever = true;
    fixture_call(fixture, 5000);
    fixture_run(fixture, 59000);
    assert_int_equal(fixture->order->order.state, ORDER_CHARGING);
    fixture_run(fixture, 2000);
    assert_int_equal(ledger_count(fixture, "confirm"), 1);
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
    assert_int_equal(fixture->order->order.failure.reason, REASON_PAYMENT_UNAVAILABLE);
}

static void a_confirmation_waits_for_its_turn_until_forward_until_at_most(void **state)
{
    struct fixture *fixture = *state;

    EXPECT(fixture, FAKE_OPEN, .result = EFFECT_DONE, .happens = true, .delay_ms = 58000);
    fixture_call(fixture, 120000);
    fixture_run(fixture, 60000);
    assert_in_range(fixture->payment.confirm_turn_ms, 1, 2000);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

static void a_payment_that_proves_confirmed_goes_on_however_late(void **state)
{
    struct fixture *fixture = *state;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_UNKNOWN, .happens = true, .delay_ms = 70000);
    fixture_call(fixture, 5000);
    fixture_run(fixture, 80000);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

static void a_tainted_shipment_that_is_refused_is_recalled_all_the_same(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    SHIP(fixture, .result = EFFECT_UNKNOWN, .happens = true);
    SHIP(fixture, .result = EFFECT_REFUSED, .reason = REASON_FULFILLMENT_REJECTED);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 3000);
    assert_answered(caller, REASON_FULFILLMENT_REJECTED);
    IN_ORDER(fixture, "ship", "ship", "advance FULFILLING>RECALLING", "recall .1.ship", "refund");
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

static void a_shipment_that_has_left_fulfils_the_order_with_its_id(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    SHIP(fixture, .result = EFFECT_UNKNOWN, .happens = true);
    SHIP(fixture, .result = EFFECT_REFUSED, .reason = REASON_FULFILLMENT_REJECTED);
    RECALL(fixture, .result = EFFECT_HAS_LEFT);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 3000);
    assert_answered(caller, REASON_NONE);
    assert_string_equal(caller->ticket.order->shipment_id, "sh_1");
    IN_ORDER(fixture, "recall", "ship", "advance RECALLING>FULFILLED");
    assert_int_equal(fixture->order->order.failure.reason, REASON_NONE);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

/* ---- Undoing ------------------------------------------------------------------------------------ */

static void undoing_tells_the_cause_after_2_s(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_REFUSED, .reason = REASON_PAYMENT_DECLINED);
    EXPECT(fixture, FAKE_CANCEL, .result = EFFECT_NOT_REACHED);
    fixture->payment.scripts[FAKE_CANCEL].forever = true;
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 1900);
    assert_waiting(caller);
    fixture_run(fixture, 200);
    assert_answered(caller, REASON_PAYMENT_DECLINED);
    assert_int_equal(fixture->order->order.state, ORDER_REFUNDING);
    fixture->payment.scripts[FAKE_CANCEL].forever = false;
    fixture_run(fixture, 11000);
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

static void while_recalling_no_cause_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    SHIP(fixture, .result = EFFECT_UNKNOWN);
    SHIP(fixture, .result = EFFECT_REFUSED, .reason = REASON_FULFILLMENT_REJECTED);
    RECALL(fixture, .result = EFFECT_UNKNOWN);
    fixture->fulfillment.cancel.forever = true;
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 9000);
    assert_waiting(caller);
    fixture_run(fixture, 500);
    assert_answered(caller, REASON_FULFILLMENT_PENDING);
    fixture->fulfillment.cancel.forever = false;
    fixture_run(fixture, 20000);
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

static void a_refund_of_unknown_fate_is_looked_at_and_made_once(void **state)
{
    struct fixture *fixture = *state;

    SHIP(fixture, .result = EFFECT_REFUSED, .reason = REASON_FULFILLMENT_REJECTED);
    EXPECT(fixture, FAKE_REFUND, .result = EFFECT_UNKNOWN);
    EXPECT(fixture, FAKE_REFUND, .result = EFFECT_UNKNOWN, .happens = true);
    fixture->payment.is_silent = true;
    fixture_call(fixture, 10000);
    fixture_run(fixture, 5000);
    IN_ORDER(fixture, "cancel pi_1 .1.cancel.1", "look pi_1", "refund pi_1 .1.refund.1",
             "look_refunds pi_1", "refund pi_1 .1.refund.2", "look_refunds pi_1",
             "advance REFUNDING>FAILED");
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

static void a_refund_that_is_pending_is_asked_for_again(void **state)
{
    struct fixture *fixture = *state;

    SHIP(fixture, .result = EFFECT_REFUSED, .reason = REASON_FULFILLMENT_REJECTED);
    fixture->payment.refunds_are_late = true;
    fixture_call(fixture, 10000);
    fixture_run(fixture, 5000);
    assert_int_equal(ledger_count(fixture, "refund pi_1"), 1);
    assert_true(ledger_count(fixture, "look_refunds") >= 1);
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

static void an_undo_is_never_refused_for_good_and_stuck_after_its_time(void **state)
{
    struct fixture *fixture = *state;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_REFUSED, .reason = REASON_PAYMENT_DECLINED);
    EXPECT(fixture, FAKE_CANCEL, .result = EFFECT_NOT_REACHED);
    fixture->payment.scripts[FAKE_CANCEL].forever = true;
    fixture_call(fixture, 10000);
    for (int hour = 0; hour < 24; hour++) {
        fixture->ledger.count = 0;
        for (int minute = 0; minute < 60; minute += 5) {
            fixture->ledger.count = 0;
            fixture_run(fixture, 5 * 60 * 1000);
            if (hour < 1)
                assert_true(ledger_count(fixture, "cancel") >= 29);
            else if (hour < 23)
                assert_true(ledger_count(fixture, "cancel") >= 1);
        }
    }
    assert_int_equal(fixture->order->order.state, ORDER_REFUNDING);
    fixture->ledger.count = 0;
    fixture_run(fixture, 10 * 60 * 1000);
    assert_int_equal(fixture->order->order.state, ORDER_STUCK);
    assert_int_equal(fixture->order->order.failure.reason, REASON_PAYMENT_DECLINED);
}

static void
a_step_whose_time_is_over_is_not_prolonged_by_a_provider_that_wants_to_be_asked_later(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_OPEN, .result = EFFECT_NOT_REACHED, .delay_ms = 61000,
           .retry_after_ms = 3600 * 1000);
    caller = fixture_call(fixture, 120000);
    fixture_run(fixture, 66000);
    assert_answered(caller, REASON_PAYMENT_UNAVAILABLE);
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

static void a_shipment_is_given_up_in_time_though_it_is_to_be_asked_for_later(void **state)
{
    struct fixture *fixture = *state;

    SHIP(fixture, .result = EFFECT_NOT_REACHED, .delay_ms = 901 * 1000,
         .retry_after_ms = 3600 * 1000);
    fixture_call(fixture, 10000);
    fixture_run(fixture, 905 * 1000);
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

static void a_pause_asked_for_in_the_callers_last_second_does_not_hide_the_cause(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_OPEN, .result = EFFECT_NOT_REACHED, .delay_ms = 2200,
           .retry_after_ms = 30000);
    caller = fixture_call(fixture, 3000);
    fixture_run(fixture, 3000);
    assert_answered(caller, REASON_PAYMENT_UNAVAILABLE);
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

/* ---- Deadlines ---------------------------------------------------------------------------------- */

static void with_less_than_a_second_nothing_is_claimed(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller = fixture_call(fixture, 999);

    fixture_run(fixture, 10);
    assert_answered(caller, REASON_DEADLINE_TOO_SHORT);
    assert_int_equal(fixture->order->order.attempt, 0);
    assert_int_equal(fixture->order->order.state, ORDER_PENDING);
    assert_null(answer_metadata(caller, "orderId"));
    caller = fixture_call(fixture, 1000 + 50);
    fixture_run(fixture, 1000);
    assert_answered(caller, REASON_NONE);
}

static void with_less_than_a_second_a_repeat_is_answered_all_the_same(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller = fixture_call_order(fixture, fixture->order, 30000, "key");

    fixture_run(fixture, 1000);
    assert_answered(caller, REASON_NONE);
    caller = fixture_call_order(fixture, fixture->order, 999, "key");
    fixture_run(fixture, 10);
    assert_answered(caller, REASON_NONE);
    assert_true(caller->ticket.replayed);
    assert_int_equal(fixture->order->order.attempt, 1);
}

/* Its key may have been fulfilled: only the store knows, and that has not answered. */
static void a_repeat_that_the_store_does_not_answer_in_time_is_told_nothing_definite(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller = fixture_call_order(fixture, fixture->order, 30000, "key");

    fixture_run(fixture, 1000);
    assert_answered(caller, REASON_NONE);
    fixture->store.delay_ms = 2000;
    caller = fixture_call_order(fixture, fixture->order, 800, "key");
    fixture_run(fixture, 800);
    assert_answered(caller, REASON_DEADLINE_EXCEEDED);
    fixture_run(fixture, 2000);
}

static void with_less_than_a_second_before_the_confirmation_all_is_undone(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    fixture->payment.delay_ms = 200;
    caller = fixture_call(fixture, 1100);
    fixture_run(fixture, 900);
    assert_answered(caller, REASON_DEADLINE_TOO_SHORT);
    assert_int_equal(ledger_count(fixture, "confirm"), 0);
    IN_ORDER(fixture, "open", "advance CHARGING>CHARGING pi_1", "advance CHARGING>REFUNDING",
             "cancel pi_1");
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

static void once_a_try_has_failed_its_cause_is_told_instead(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_OPEN, .result = EFFECT_UNKNOWN, .delay_ms = 300);
    caller = fixture_call(fixture, 1200);
    fixture_run(fixture, 1000);
    assert_answered(caller, REASON_PAYMENT_UNAVAILABLE);
    assert_int_equal(ledger_count(fixture, "confirm"), 0);
}

/* ---- A remote inventory ------------------------------------------------------------------------- */

static void remote_stock_is_reserved_by_a_step_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller = fixture_call(fixture, 10000);

    fixture_run(fixture, 1000);
    assert_answered(caller, REASON_NONE);
    IN_ORDER(fixture, "claim", "observed PENDING>RESERVING", "reserve .1.reserve",
             "advance RESERVING>CHARGING", "open");
    assert_true(fixture->inventory.is_reserved);
}

static void remote_stock_that_is_short_fails_in_one_commit(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    fake_script_add(&fixture->inventory.reserve,
                    (struct fake_outcome){.result = EFFECT_REFUSED, .reason = REASON_OUT_OF_STOCK});
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 1000);
    assert_answered(caller, REASON_OUT_OF_STOCK);
    IN_ORDER(fixture, "reserve", "advance RESERVING>FAILED");
    assert_int_equal(ledger_count(fixture, "release"), 0);
}

static void a_reservation_of_unknown_fate_is_answered_so_and_released_in_the_end(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    fake_script_add(&fixture->inventory.reserve,
                    (struct fake_outcome){.result = EFFECT_UNKNOWN, .happens = true});
    fixture->inventory.reserve.forever = true;
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 10000);
    assert_answered(caller, REASON_RESERVATION_OUTCOME_UNKNOWN);
    assert_true(answer_names_order(caller));
    fixture_run(fixture, 60000);
    IN_ORDER(fixture, "advance RESERVING>RELEASING", "release .1.reserve",
             "advance RELEASING>FAILED");
    assert_false(fixture->inventory.is_reserved);
    assert_int_equal(fixture->order->order.failure.reason, REASON_INVENTORY_UNAVAILABLE);
}

static void an_inventory_not_reached_in_the_callers_time_fails_the_order(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    fake_script_add(&fixture->inventory.reserve,
                    (struct fake_outcome){.result = EFFECT_NOT_REACHED});
    fixture->inventory.reserve.forever = true;
    caller = fixture_call(fixture, 5000);
    fixture_run(fixture, 4500);
    assert_answered(caller, REASON_INVENTORY_UNAVAILABLE);
    assert_int_equal(fixture->order->order.state, ORDER_FAILED);
    assert_int_equal(ledger_count(fixture, "release"), 0);
}

static void remote_stock_is_released_when_the_charge_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    EXPECT(fixture, FAKE_CONFIRM, .result = EFFECT_REFUSED, .reason = REASON_PAYMENT_DECLINED);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 1000);
    assert_answered(caller, REASON_PAYMENT_DECLINED);
    IN_ORDER(fixture, "cancel", "advance REFUNDING>RELEASING", "release",
             "advance RELEASING>FAILED", "answer");
    assert_false(fixture->inventory.is_reserved);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
#define TEST_REMOTE(name) \
    cmocka_unit_test_setup_teardown(name, fixture_setup_remote, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_order_is_reserved_charged_and_fulfilled_each_step_committed_first),
        TEST(the_answer_waits_for_the_last_commit),
        TEST(transitions_are_told_with_step_outcome_and_tries),
        TEST(short_stock_fails_in_the_claim),
        TEST(a_refused_charge_is_cancelled_and_the_cause_told),
        TEST(a_payment_that_cannot_be_opened_passes_its_undo_in_one_commit),
        TEST(an_answer_that_contradicts_the_order_is_undone),
        TEST(a_refused_shipment_needs_no_recall_but_the_refund),
        TEST(a_provider_that_is_reached_later_is_tried_with_the_same_key),
        TEST(a_provider_that_is_not_reached_in_the_callers_time_fails_the_order),
        TEST(an_open_breaker_of_fulfilment_is_seen_before_the_charge),
        TEST(a_shipment_not_reached_in_the_callers_time_goes_on_alone),
        TEST(a_shipment_is_given_up_after_its_time_and_all_undone),
        TEST(a_confirmation_of_unknown_fate_that_happened_is_seen_by_a_look),
        TEST(a_confirmation_that_did_not_happen_is_sent_again_with_the_next_key),
        TEST(an_opening_of_unknown_fate_is_repeated_with_the_next_key),
        TEST(asked_to_look_it_looks),
        TEST(a_charge_of_unknown_fate_is_answered_in_time_and_goes_on_alone),
        TEST(after_forward_until_no_confirmation_is_sent_but_a_look),
        TEST(a_confirmation_waits_for_its_turn_until_forward_until_at_most),
        TEST(a_payment_that_proves_confirmed_goes_on_however_late),
        TEST(a_tainted_shipment_that_is_refused_is_recalled_all_the_same),
        TEST(a_shipment_that_has_left_fulfils_the_order_with_its_id),
        TEST(undoing_tells_the_cause_after_2_s),
        TEST(while_recalling_no_cause_is_told),
        TEST(a_refund_of_unknown_fate_is_looked_at_and_made_once),
        TEST(a_refund_that_is_pending_is_asked_for_again),
        TEST(an_undo_is_never_refused_for_good_and_stuck_after_its_time),
        TEST(a_step_whose_time_is_over_is_not_prolonged_by_a_provider_that_wants_to_be_asked_later),
        TEST(a_shipment_is_given_up_in_time_though_it_is_to_be_asked_for_later),
        TEST(a_pause_asked_for_in_the_callers_last_second_does_not_hide_the_cause),
        TEST(with_less_than_a_second_nothing_is_claimed),
        TEST(with_less_than_a_second_a_repeat_is_answered_all_the_same),
        TEST(a_repeat_that_the_store_does_not_answer_in_time_is_told_nothing_definite),
        TEST(with_less_than_a_second_before_the_confirmation_all_is_undone),
        TEST(once_a_try_has_failed_its_cause_is_told_instead),
        TEST_REMOTE(remote_stock_is_reserved_by_a_step_of_its_own),
        TEST_REMOTE(remote_stock_that_is_short_fails_in_one_commit),
        TEST_REMOTE(a_reservation_of_unknown_fate_is_answered_so_and_released_in_the_end),
        TEST_REMOTE(an_inventory_not_reached_in_the_callers_time_fails_the_order),
        TEST_REMOTE(remote_stock_is_released_when_the_charge_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
