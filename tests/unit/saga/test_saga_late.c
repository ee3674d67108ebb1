/* What comes late: the answer to a claim whose caller has gone, a renewal, an answer at shutdown. And
 * callers who bring too little time for it. */
#include "saga_fixture.h"

#include "fake/failing_heap.h"

#include <limits.h>

#define EXPECT(fixture, op, ...) \
    fake_payment_expect(&(fixture)->payment, (op), (struct fake_outcome){__VA_ARGS__})
#define SHIP(fixture, ...) \
    fake_script_add(&(fixture)->fulfillment.create, (struct fake_outcome){__VA_ARGS__})

enum {
    LATE_MS = 3000,
    LARGE = 4000 /* an answer after which the order's own arena takes no other */
};

static void lose(struct fixture *fixture, enum fake_saga_op op, enum fake_loss loss, unsigned times)
{
    fixture->store.fail[op].loss = loss;
    fixture->store.fail[op].times = times;
}

static void restart(void **state)
{
    fixture_teardown(state);
    fixture_setup(state);
}

/* ---- Claims --------------------------------------------------------------------------------------- */

/* The order has been claimed elsewhere, with the key of the caller. */
static void claim_elsewhere(struct fixture *fixture)
{
    fixture_leave(fixture, ORDER_CHARGING);
    fixture->order->lease_until_ms = INT64_MAX;
    memcpy(fixture->order->request_id, "key", sizeof("key"));
}

static void a_claim_whose_caller_has_gone_ends_quietly_whatever_it_says(void **state)
{
    enum {
        NOT_FOUND,
        SHORT_STOCK,
        JOINS,
        LOST,
        CASE_COUNT
    };

    for (int i = 0; i < CASE_COUNT; i++) {
        struct fixture *fixture;
        struct caller *caller;

        restart(state);
        fixture = *state;
        fixture->store.delay_ms = LATE_MS;
        if (i == NOT_FOUND)
            fixture->order->order.caller = "somebody else";
        if (i == SHORT_STOCK)
            fixture->store.stock = 0;
        if (i == JOINS)
            claim_elsewhere(fixture);
        if (i == LOST)
            lose(fixture, FAKE_CLAIM, FAKE_LOST_BEFORE, 1);
        caller = fixture_call_order(fixture, fixture->order, 2000, "key");
        fixture_run(fixture, LATE_MS - 500);
        assert_answered(caller, REASON_RESERVATION_OUTCOME_UNKNOWN);
        fixture_run(fixture, 10000);
        assert_int_equal(saga_driver_count(fixture->driver), 0);
        assert_int_equal(ledger_count(fixture, "claim"), 1);
    }
}

static void
a_caller_with_too_little_time_is_told_nothing_definite_before_the_claim_is_back(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    fixture->store.delay_ms = LATE_MS;
    caller = fixture_call(fixture, 500);
    fixture_run(fixture, 500);
    assert_answered(caller, REASON_DEADLINE_EXCEEDED);
    fixture_run(fixture, 10000);
    assert_left(fixture, ORDER_PENDING, 0, 0, 0);
}

/* None of the two claims could have started an attempt, so nothing is in doubt. */
static void a_lost_claim_of_a_caller_with_too_little_time_leaves_no_doubt(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    lose(fixture, FAKE_CLAIM, FAKE_LOST_BEFORE, 1);
    caller = fixture_call(fixture, 900);
    fixture_run(fixture, 1000);
    assert_answered(caller, REASON_DEADLINE_TOO_SHORT);
    assert_int_equal(ledger_count(fixture, "claim"), 2);
}

static void a_caller_who_joined_with_too_little_time_is_told_the_state(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    claim_elsewhere(fixture);
    caller = fixture_call_order(fixture, fixture->order, 500, "key");
    fixture_run(fixture, 1000);
    assert_answered(caller, REASON_PAYMENT_OUTCOME_UNKNOWN);
}

static void a_call_without_a_key_is_one_with_an_empty_key(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller = &fixture->callers[0];

    fixture_call(fixture, 10000); /* as one to copy */
    fixture_run(fixture, 1000);
    fixture->order->order.state = ORDER_FAILED;
    *caller = (struct caller){.fixture = fixture,
                              .ticket = {.order_id = caller->ticket.order_id,
                                         .arena = fixture->arena,
                                         .answer_by_ms = 20000,
                                         .deadline_ms = 20000,
                                         .caller = "",
                                         .done = caller->ticket.done}};
    saga_driver_process(fixture->driver, &caller->ticket);
    fixture_run(fixture, 1000);
    assert_answered(caller, REASON_NONE);
}

static void an_attempt_that_is_gone_when_it_is_looked_for_is_told_as_the_claim_says(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    claim_elsewhere(fixture);
    caller = fixture_call_order(fixture, fixture->order, 10000, "key");
    fixture_run(fixture, 1000);
    assert_waiting(caller);
    fixture->order->order.caller = "somebody else";
    fixture_run(fixture, 1000);
    assert_answered(caller, REASON_ORDER_NOT_FOUND);
}

/* A claim that is repeated has its answers in memory of its own, once the order's is used up. */
static void join_without_memory(void *context)
{
    struct fixture *fixture;
    struct caller *caller;
    void *state = NULL;

    (void)context;
    fixture_setup(&state);
    fixture = state;
    fixture->store.answer_size = LARGE;
    claim_elsewhere(fixture);
    failing_heap_begin();
    caller = fixture_call_order(fixture, fixture->order, 10000, "key");
    fixture_run(fixture, 1000);
    failing_heap_end();
    fixture->order->order.state = ORDER_FAILED;
    fixture->order->order.failure.reason = REASON_PAYMENT_DECLINED;
    fixture_run(fixture, 5000);
    if (!failing_heap_has_failed() || caller->ticket.err.reason != REASON_OUT_OF_MEMORY)
        assert_answered(caller, REASON_PAYMENT_DECLINED);
    fixture_teardown(&state);
}

static void who_joins_is_answered_though_claims_find_no_memory(void **state)
{
    failing_heap_each(join_without_memory, NULL);
}

/* ---- Tries that find no memory ---------------------------------------------------------------------- */

/* Every answer is large, and none is the last: so each try needs memory of its own. */
static void try_without_memory(void *context)
{
    const struct fake_outcome unknown = {
        .result = EFFECT_NOT_REACHED, .answer_size = LARGE, .delay_ms = 1};
    struct fixture *fixture;
    void *state = NULL;

    (void)context;
    fixture_setup_remote(&state);
    fixture = state;
    for (int op = 0; op < FAKE_PAYMENT_OP_COUNT; op++)
        fake_payment_expect(&fixture->payment, (enum fake_payment_op)op, unknown);
    fake_script_add(&fixture->fulfillment.create, unknown);
    fake_script_add(&fixture->inventory.reserve, unknown);
    failing_heap_begin();
    fixture_call(fixture, 20000);
    fixture_run(fixture, 3000);
    failing_heap_end();
    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, 60000);
    if (fixture->order->order.state != ORDER_PENDING)
        assert_left(fixture, ORDER_FULFILLED, 1, 1, 0);
    fixture_teardown(&state);
}

static void a_try_that_finds_no_memory_is_made_later(void **state)
{
    failing_heap_each(try_without_memory, NULL);
}

/* ---- Leases and wishes ------------------------------------------------------------------------------ */

static void a_lease_is_not_renewed_twice_at_a_time(void **state)
{
    struct fixture *fixture = *state;

    SHIP(fixture, .result = EFFECT_NOT_REACHED, .retry_after_ms = 20000);
    fixture_call(fixture, 30000);
    fixture_run(fixture, 1000);
    fixture->store.delay_ms = 2500; /* more than one look at the leases */
    fixture_run(fixture, 6000);
    assert_int_equal(ledger_count(fixture, "renew"), 1);
    fixture->store.delay_ms = 1;
    fixture_run(fixture, 30000);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

static void a_wish_is_no_news_to_those_who_wait_for_another_owner(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    claim_elsewhere(fixture);
    caller = fixture_call_order(fixture, fixture->order, 10000, "key");
    fixture_run(fixture, 1000);
    saga_driver_notice_cancel(fixture->driver, &fixture->order->order.id);
    fixture_run(fixture, 1000);
    assert_waiting(caller);
}

/* It may have been done, so it is not given up like one that is refused for certain. */
static void a_commit_of_doubtful_fate_is_repeated_as_long_as_the_lease_lasts(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller = fixture_call(fixture, 60000);

    lose(fixture, FAKE_ADVANCE, FAKE_DOUBTFUL, 7);
    fixture_run(fixture, 40000);
    assert_answered(caller, REASON_NONE);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

/* ---- Shutdown --------------------------------------------------------------------------------------- */

static void on_drained(void *arg)
{
    bool *drained = arg;

    *drained = true;
}

static void draining_needs_nobody_to_tell(void **state)
{
    struct fixture *fixture = *state;

    saga_driver_drain(fixture->driver, NULL, NULL);
    fixture_run(fixture, 1000);
    assert_int_equal(saga_driver_count(fixture->driver), 0);
}

static void what_a_caller_still_waits_for_is_given_back_when_he_has_gone(void **state)
{
    struct fixture *fixture = *state;
    struct caller *first, *second;
    bool drained = false;

    SHIP(fixture, .result = EFFECT_NOT_REACHED, .retry_after_ms = 60000);
    first = fixture_call_order(fixture, fixture->order, 2000, "key");
    fixture_run(fixture, 500);
    second = fixture_call_order(fixture, fixture->order, 5000, "key");
    fixture_run(fixture, 100);
    saga_driver_drain(fixture->driver, on_drained, &drained);
    fixture_run(fixture, 2000);
    assert_answered(first, REASON_FULFILLMENT_PENDING);
    assert_false(drained);
    fixture_run(fixture, 5000);
    assert_answered(second, REASON_FULFILLMENT_PENDING);
    assert_int_equal(ledger_count(fixture, "give_back"), 1);
    assert_true(drained);
}

static void a_try_without_an_outcome_gives_the_order_back(void **state)
{
    struct fixture *fixture = *state;
    bool drained = false;

    SHIP(fixture, .result = EFFECT_UNKNOWN, .delay_ms = 5000);
    fixture_call(fixture, 2000);
    fixture_run(fixture, 3000);
    saga_driver_drain(fixture->driver, on_drained, &drained);
    fixture_run(fixture, 5000);
    assert_true(drained);
    assert_int_equal(ledger_count(fixture, "ship"), 1);
    assert_int_equal(ledger_count(fixture, "give_back"), 1);
}

/* A look for due orders was out when the end began, and brings the order that is being given back. */
static void an_order_that_is_due_while_it_is_given_back_is_given_back_anew(void **state)
{
    struct fixture *fixture = *state;
    bool drained = false;

    SHIP(fixture, .result = EFFECT_NOT_REACHED, .retry_after_ms = 60000);
    fixture_call(fixture, 2000);
    fixture_run(fixture, 2500);
    fixture->order->lease_until_ms = 0;
    fixture->store.delay_ms = 100;
    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, 10);
    fixture->store.delay_ms = 500;
    saga_driver_drain(fixture->driver, on_drained, &drained);
    fixture_run(fixture, 10000);
    assert_int_equal(fixture->taken_over_count, 1);
    assert_int_equal(ledger_count(fixture, "give_back"), 2);
    assert_true(drained);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_claim_whose_caller_has_gone_ends_quietly_whatever_it_says),
        TEST(a_caller_with_too_little_time_is_told_nothing_definite_before_the_claim_is_back),
        TEST(a_lost_claim_of_a_caller_with_too_little_time_leaves_no_doubt),
        TEST(a_caller_who_joined_with_too_little_time_is_told_the_state),
        TEST(a_call_without_a_key_is_one_with_an_empty_key),
        TEST(an_attempt_that_is_gone_when_it_is_looked_for_is_told_as_the_claim_says),
        cmocka_unit_test(who_joins_is_answered_though_claims_find_no_memory),
        cmocka_unit_test(a_try_that_finds_no_memory_is_made_later),
        TEST(a_lease_is_not_renewed_twice_at_a_time),
        TEST(a_wish_is_no_news_to_those_who_wait_for_another_owner),
        TEST(a_commit_of_doubtful_fate_is_repeated_as_long_as_the_lease_lasts),
        TEST(draining_needs_nobody_to_tell),
        TEST(what_a_caller_still_waits_for_is_given_back_when_he_has_gone),
        TEST(a_try_without_an_outcome_gives_the_order_back),
        TEST(an_order_that_is_due_while_it_is_given_back_is_given_back_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
