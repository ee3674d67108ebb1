/* How callers come to an order: claims, joins, replays, refusals, limits. */
#include "base/limits.h"
#include "saga_fixture.h"

#include <limits.h>

static void lose(struct fixture *fixture, enum fake_saga_op op, enum fake_loss loss, unsigned times)
{
    fixture->store.fail[op].loss = loss;
    fixture->store.fail[op].times = times;
}

/* Another replica has claimed it with this key. */
static void order_has_key(struct fake_order *order)
{
    static const char key[] = "key";

    memcpy(order->request_id, key, sizeof(key));
    order->order.attempt = 1;
    order->lease_until_ms = INT64_MAX;
}

/* ---- Finding ------------------------------------------------------------------------------------ */

static void an_order_that_does_not_exist_is_not_found(void **state)
{
    struct fixture *fixture = *state;
    struct fake_order stranger = *fixture->order;
    struct caller *caller;

    stranger.order.id.bytes[0] = 99;
    caller = fixture_call_order(fixture, &stranger, 10000, NULL);
    fixture_run(fixture, 100);
    assert_answered(caller, REASON_ORDER_NOT_FOUND);
    assert_null(answer_metadata(caller, "orderId"));
    assert_true(answer_names_order(caller));
}

static void a_fulfilled_order_gives_the_same_confirmation(void **state)
{
    struct fixture *fixture = *state;
    struct caller *first = fixture_call(fixture, 10000), *second;

    fixture_run(fixture, 1000);
    second = fixture_call(fixture, 10000);
    fixture_run(fixture, 1000);
    assert_answered(first, REASON_NONE);
    assert_answered(second, REASON_NONE);
    assert_string_equal(first->ticket.order->payment_id, second->ticket.order->payment_id);
    assert_true(second->ticket.replayed);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

static void orders_that_are_cancelled_or_stuck_are_in_an_invalid_state(void **state)
{
    static const enum order_state states[] = {ORDER_CANCELLED, ORDER_STUCK};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(states); i++) {
        struct caller *caller;

        fixture->order->order.state = states[i];
        caller = fixture_call(fixture, 10000);
        fixture_run(fixture, 100);
        assert_answered(caller, REASON_ORDER_STATE_INVALID);
        assert_string_equal(answer_metadata(caller, "state"), order_state_name(states[i]));
        assert_non_null(answer_metadata(caller, "orderId"));
    }
}

static void another_call_without_the_key_finds_the_order_in_progress(void **state)
{
    struct fixture *fixture = *state;
    struct caller *first = fixture_call(fixture, 10000);
    struct caller *second = fixture_call(fixture, 10000);

    fixture_run(fixture, 1000);
    assert_answered(first, REASON_NONE);
    assert_answered(second, REASON_ORDER_IN_PROGRESS);
    assert_non_null(answer_metadata(second, "orderId"));
}

static void the_twentieth_attempt_that_counts_is_the_last(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < LIMIT_ATTEMPTS_PER_ORDER; i++) {
        fake_payment_expect(&fixture->payment, FAKE_OPEN,
                            (struct fake_outcome){.result = EFFECT_REFUSED,
                                                  .reason = REASON_PAYMENT_METHOD_INVALID});
        fixture->payment.scripts[FAKE_OPEN].forever = true;
        if (i > 0)
            fixture->payment.scripts[FAKE_OPEN].count = 1;
        assert_int_equal(fixture->order->attempts_counted, i);
        fixture_call(fixture, 10000);
        fixture_run(fixture, 1000);
        assert_answered(&fixture->callers[i], REASON_PAYMENT_METHOD_INVALID);
    }
    fixture_call(fixture, 10000);
    fixture_run(fixture, 1000);
    assert_answered(&fixture->callers[LIMIT_ATTEMPTS_PER_ORDER], REASON_ATTEMPTS_EXHAUSTED);
}

/* ---- Keys --------------------------------------------------------------------------------------- */

static void the_same_key_joins_the_attempt_under_way(void **state)
{
    struct fixture *fixture = *state;
    struct caller *first, *second;

    fixture->payment.delay_ms = 1000;
    first = fixture_call_order(fixture, fixture->order, 10000, "key");
    fixture_run(fixture, 500);
    second = fixture_call_order(fixture, fixture->order, 10000, "key");
    fixture_run(fixture, 3000);
    assert_answered(first, REASON_NONE);
    assert_answered(second, REASON_NONE);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

static void joining_needs_no_second_left(void **state)
{
    struct fixture *fixture = *state;
    struct caller *second;

    fixture->payment.delay_ms = 200;
    fixture_call_order(fixture, fixture->order, 10000, "key");
    fixture_run(fixture, 10);
    second = fixture_call_order(fixture, fixture->order, 900, "key");
    fixture_run(fixture, 800);
    assert_answered(second, REASON_NONE);
}

static void the_same_key_repeats_the_answer_of_an_attempt_that_ended(void **state)
{
    struct fixture *fixture = *state;
    struct caller *first, *second;

    fake_payment_expect(
        &fixture->payment, FAKE_CONFIRM,
        (struct fake_outcome){.result = EFFECT_REFUSED, .reason = REASON_PAYMENT_DECLINED});
    first = fixture_call_order(fixture, fixture->order, 10000, "key");
    fixture_run(fixture, 1000);
    second = fixture_call_order(fixture, fixture->order, 10000, "key");
    fixture_run(fixture, 1000);
    assert_answered(first, REASON_PAYMENT_DECLINED);
    assert_answered(second, REASON_PAYMENT_DECLINED);
    assert_true(second->ticket.replayed);
    assert_int_equal(ledger_count(fixture, "confirm"), 1);
}

static void the_same_key_with_another_request_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct caller *second;

    fixture_call_order(fixture, fixture->order, 10000, "key");
    fixture_run(fixture, 1000);
    fixture->order->hash[0]++;
    second = fixture_call_order(fixture, fixture->order, 10000, "key");
    fixture_run(fixture, 1000);
    assert_answered(second, REASON_REQUEST_ID_REUSED);
}

/* Another replica has it: the generation is not ours, and our driver knows nothing of it. */
static void an_attempt_of_another_replica_is_joined_by_asking(void **state)
{
    struct fixture *fixture = *state;
    struct fake_order *order = fixture->order;
    struct caller *caller;

    order->order.state = ORDER_CHARGING;
    order_has_key(order);
    caller = fixture_call_order(fixture, order, 10000, "key");
    fixture_run(fixture, 1000);
    assert_waiting(caller);
    assert_true(ledger_count(fixture, "claim") >= 4);
    order->order.payment_id = "pi_9";
    order->order.shipment_id = "sh_9";
    order->order.state = ORDER_FULFILLED;
    fixture_run(fixture, 250);
    assert_answered(caller, REASON_NONE);
    assert_int_equal(saga_driver_count(fixture->driver), 0);
}

/* Its answer invites a retry, so the key is free again; but a caller that joined waits for this one. */
static void joining_never_starts_the_next_attempt(void **state)
{
    struct fixture *fixture = *state;
    struct fake_order *order = fixture->order;
    struct caller *caller;

    order->order.state = ORDER_CHARGING;
    order_has_key(order);
    caller = fixture_call_order(fixture, order, 10000, "key");
    fixture_run(fixture, 1000);
    assert_waiting(caller);
    int32_t attempt = order->order.attempt;
    order->order.failure = (struct failure){.reason = REASON_PAYMENT_UNAVAILABLE};
    order->order.state = ORDER_FAILED;
    fixture_run(fixture, 250);
    assert_answered(caller, REASON_PAYMENT_UNAVAILABLE);
    assert_int_equal(order->order.attempt, attempt);
    assert_int_equal(ledger_count(fixture, "open"), 0);
}

static void a_joined_attempt_is_answered_by_its_stored_state_in_time(void **state)
{
    static const struct {
        enum order_state state;
        enum reason reason;
    } rows[] = {
        {ORDER_RESERVING, REASON_RESERVATION_OUTCOME_UNKNOWN},
        {ORDER_CHARGING, REASON_PAYMENT_OUTCOME_UNKNOWN},
        {ORDER_FULFILLING, REASON_FULFILLMENT_PENDING},
        {ORDER_RECALLING, REASON_FULFILLMENT_PENDING},
        {ORDER_REFUNDING, REASON_PAYMENT_DECLINED},
        {ORDER_RELEASING, REASON_PAYMENT_DECLINED},
    };
    struct fixture *fixture = *state;
    struct fake_order *order = fixture->order;

    order_has_key(order);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct caller *caller;

        order->order.state = rows[i].state;
        order->order.failure.reason = i >= 4 ? REASON_PAYMENT_DECLINED : REASON_NONE;
        caller = fixture_call_order(fixture, order, 5000, "key");
        fixture_run(fixture, 5000);
        assert_answered(caller, rows[i].reason);
        assert_non_null(answer_metadata(caller, "orderId"));
        assert_int_equal(answer_names_order(caller), i < 4);
        assert_int_equal(saga_driver_count(fixture->driver), 0);
    }
}

/* ---- The database lost at the claim ------------------------------------------------------------- */

static void a_claim_surely_not_sent_changed_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    lose(fixture, FAKE_CLAIM, FAKE_NOT_SENT, 1);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 100);
    assert_answered(caller, REASON_STORE_UNAVAILABLE);
    assert_int_equal(fixture->order->order.state, ORDER_PENDING);
    assert_int_equal(saga_driver_count(fixture->driver), 0);
}

static void a_claim_of_unknown_fate_is_repeated_and_recognised(void **state)
{
    static const enum fake_loss losses[] = {FAKE_LOST_BEFORE, FAKE_LOST_AFTER};

    for (size_t i = 0; i < COUNT_OF(losses); i++) {
        struct fixture *fixture;
        struct caller *caller;

        fixture_teardown(state);
        fixture_setup(state);
        fixture = *state;
        lose(fixture, FAKE_CLAIM, losses[i], 2);
        caller = fixture_call(fixture, 10000);
        fixture_run(fixture, 3000);
        assert_answered(caller, REASON_NONE);
        assert_int_equal(fixture->order->order.attempt, 1);
        assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
    }
}

static void a_claim_whose_fate_stays_unknown_is_answered_so(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    lose(fixture, FAKE_CLAIM, FAKE_LOST_BEFORE, UINT_MAX);
    caller = fixture_call(fixture, 5000);
    fixture_run(fixture, 5000);
    assert_answered(caller, REASON_RESERVATION_OUTCOME_UNKNOWN);
    assert_true(answer_names_order(caller));
    assert_int_equal(saga_driver_count(fixture->driver), 0);
}

/* The repetition may start nothing any more, and says so; the copy that was lost may be on its way. */
static void with_a_copy_of_unknown_fate_on_its_way_nothing_definite_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    lose(fixture, FAKE_CLAIM, FAKE_LOST_BEFORE, 1);
    caller = fixture_call(fixture, 1020);
    fixture_run(fixture, 900);
    assert_answered(caller, REASON_RESERVATION_OUTCOME_UNKNOWN);
    assert_int_equal(fixture->order->order.attempt, 0);
}

static void a_claim_that_comes_home_late_is_driven_without_its_caller(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    fixture->store.delay_ms = 3000;
    caller = fixture_call(fixture, 2000);
    fixture_run(fixture, 2000);
    assert_answered(caller, REASON_RESERVATION_OUTCOME_UNKNOWN);
    fixture->store.delay_ms = 1;
    fixture_run(fixture, 2000);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

/* ---- Limits ------------------------------------------------------------------------------------- */

static void the_order_beyond_the_limit_is_refused_at_once_and_others_do_not_suffer(void **state)
{
    struct fixture *fixture = *state;
    struct caller *last;

    for (int i = 0; i < ORDERS_MAX; i++)
        fixture_call_order(fixture, fake_saga_store_add(&fixture->store), 10000, NULL);
    assert_int_equal(saga_driver_count(fixture->driver), ORDERS_MAX);
    last = fixture_call(fixture, 10000);
    fixture_run(fixture, 0);
    assert_answered(last, REASON_TOO_MANY_ORDERS);
    assert_int_equal(fixture->order->order.state, ORDER_PENDING);
}

/* Other drivers of the process have taken places. */
static void the_limit_is_shared_by_all_drivers(void **state)
{
    struct fixture *fixture = *state;

    fixture->callers_orders.max = 2;
    assert_true(limit_enter(&fixture->callers_orders));
    fixture_call(fixture, 10000);
    fixture_call_order(fixture, fake_saga_store_add(&fixture->store), 10000, NULL);
    fixture_run(fixture, 0);
    assert_waiting(&fixture->callers[0]);
    assert_answered(&fixture->callers[1], REASON_TOO_MANY_ORDERS);
    fixture_run(fixture, 1000);
    assert_answered(&fixture->callers[0], REASON_NONE);
    assert_int_equal(fixture->callers_orders.count, 1); /* the other driver's */
}

static void the_hundred_and_first_waiter_is_refused(void **state)
{
    struct fixture *fixture = *state;

    fixture->payment.delay_ms = 1000;
    for (int i = 0; i < LIMIT_WAITERS_PER_ORDER; i++) {
        fixture_call_order(fixture, fixture->order, 10000, "key");
        fixture_run(fixture, 2);
    }
    fixture_call_order(fixture, fixture->order, 10000, "key");
    fixture_run(fixture, 2);
    assert_answered(&fixture->callers[LIMIT_WAITERS_PER_ORDER], REASON_REQUEST_IN_PROGRESS);
    fixture_run(fixture, 4000);
    for (int i = 0; i < LIMIT_WAITERS_PER_ORDER; i++)
        assert_answered(&fixture->callers[i], REASON_NONE);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

/* PlaceOrder has made the order just now. */
static void a_new_order_is_named_in_every_refusal(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller = &fixture->callers[0];

    fixture->store.fail[FAKE_CLAIM].loss = FAKE_NOT_SENT;
    fixture->store.fail[FAKE_CLAIM].times = 1;
    fixture_call(fixture, 5000);
    caller->ticket.order_is_new = true;
    fixture_run(fixture, 100);
    assert_answered(caller, REASON_STORE_UNAVAILABLE);
    assert_non_null(answer_metadata(caller, "orderId"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_order_that_does_not_exist_is_not_found),
        TEST(a_fulfilled_order_gives_the_same_confirmation),
        TEST(orders_that_are_cancelled_or_stuck_are_in_an_invalid_state),
        TEST(another_call_without_the_key_finds_the_order_in_progress),
        TEST(the_twentieth_attempt_that_counts_is_the_last),
        TEST(the_same_key_joins_the_attempt_under_way),
        TEST(joining_needs_no_second_left),
        TEST(the_same_key_repeats_the_answer_of_an_attempt_that_ended),
        TEST(the_same_key_with_another_request_is_refused),
        TEST(an_attempt_of_another_replica_is_joined_by_asking),
        TEST(joining_never_starts_the_next_attempt),
        TEST(a_joined_attempt_is_answered_by_its_stored_state_in_time),
        TEST(a_claim_surely_not_sent_changed_nothing),
        TEST(a_claim_of_unknown_fate_is_repeated_and_recognised),
        TEST(a_claim_whose_fate_stays_unknown_is_answered_so),
        TEST(with_a_copy_of_unknown_fate_on_its_way_nothing_definite_is_told),
        TEST(a_claim_that_comes_home_late_is_driven_without_its_caller),
        TEST(the_order_beyond_the_limit_is_refused_at_once_and_others_do_not_suffer),
        TEST(the_limit_is_shared_by_all_drivers),
        TEST(the_hundred_and_first_waiter_is_refused),
        TEST(a_new_order_is_named_in_every_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
