/* Many orders, each with its own chance: providers that answer anything, a database that gets lost,
 * owners that die, wishes that come at any time. Once the faults are over every order comes to rest,
 * and the invariants of the design hold (V1 to V4, V6). A failure prints its seed. */
#include "saga_fixture.h"

#include <limits.h>

enum {
    SEEDS = 400,
    FAULTS_MS = 90 * 1000,
    REST_MS = 20 * 60 * 1000
};

static bool chance(struct fixture *fixture, uint32_t percent)
{
    return random_below(&fixture->random.base, 100) < percent;
}

static struct fake_outcome any_outcome(struct fixture *fixture, bool is_recall)
{
    static const enum effect_result results[] = {
        EFFECT_DONE,    EFFECT_DONE,    EFFECT_REFUSED, EFFECT_NOT_REACHED,
        EFFECT_UNKNOWN, EFFECT_UNKNOWN, EFFECT_ASK,     EFFECT_HAS_LEFT,
    };
    struct fake_outcome outcome = {
        .result = results[random_below(&fixture->random.base, is_recall ? 8 : 7)],
        .delay_ms = 1 + random_below(&fixture->random.base, chance(fixture, 20) ? 15000 : 100),
    };

    if (outcome.result == EFFECT_UNKNOWN || outcome.result == EFFECT_ASK)
        outcome.happens = chance(fixture, 50);
    if (outcome.result == EFFECT_REFUSED)
        outcome.reason = REASON_PAYMENT_DECLINED;
    return outcome;
}

static void script(struct fixture *fixture, struct fake_script *script, bool is_recall)
{
    uint32_t count = random_below(&fixture->random.base, 6);

    for (uint32_t i = 0; i < count; i++)
        fake_script_add(script, any_outcome(fixture, is_recall));
}

static void lose_some(struct fixture *fixture)
{
    int op = (int)random_below(&fixture->random.base, FAKE_SAGA_OP_COUNT);

    fixture->store.fail[op].loss =
        (enum fake_loss)(FAKE_NOT_SENT + random_below(&fixture->random.base, 3));
    fixture->store.fail[op].times = chance(fixture, 20) ? 30 : 1;
}

/* The process dies with all that was in flight; the next one starts. */
static void crash(struct fixture *fixture)
{
    fake_ledger_deinit(&fixture->ledger);
    fixture_new_driver(fixture);
    saga_driver_recover(fixture->driver, true);
}

static void have_faults(struct fixture *fixture)
{
    while (clock_now_ms(&fixture->clock.base) < FAULTS_MS) {
        fixture_run(fixture, 1 + random_below(&fixture->random.base, 2000));
        if (chance(fixture, 10))
            lose_some(fixture);
        if (chance(fixture, 3) && !order_is_at_rest(fixture->order->order.state))
            fixture->order->cancel_wished = true;
        if (chance(fixture, 5))
            crash(fixture);
        if (chance(fixture, 5) && fixture->caller_count < CALLERS_MAX)
            fixture_call(fixture, 1500 + random_below(&fixture->random.base, 30000));
    }
    for (int op = 0; op < FAKE_SAGA_OP_COUNT; op++)
        fixture->store.fail[op].times = 0;
}

static void assert_callers_were_told_the_truth(const struct fixture *fixture)
{
    for (unsigned i = 0; i < fixture->caller_count; i++) {
        const struct saga_ticket *ticket = &fixture->callers[i].ticket;

        assert_true(fixture->callers[i].done_count <= 1); /* 0: the process died */
        if (fixture->callers[i].done_count == 1 && !error_is_set(&ticket->err))
            assert_int_equal(fixture->order->order.state, ORDER_FULFILLED);
    }
}

static void assert_invariants(const struct fixture *fixture)
{
    enum order_state order_state = fixture->order->order.state;
    bool is_fulfilled = order_state == ORDER_FULFILLED;

    assert_true(order_is_at_rest(order_state));
    assert_int_not_equal(order_state, ORDER_STUCK);
    assert_left(fixture, order_state, is_fulfilled, is_fulfilled, is_fulfilled);
    assert_int_equal(fixture->order->holds_stock, is_fulfilled);
    assert_callers_were_told_the_truth(fixture);
}

static void one_life(void **state, uint64_t seed)
{
    struct fixture *fixture = *state;

    fake_random_init(&fixture->random, seed);
    for (int op = 0; op < FAKE_PAYMENT_OP_COUNT; op++)
        script(fixture, &fixture->payment.scripts[op], false);
    script(fixture, &fixture->fulfillment.create, false);
    script(fixture, &fixture->fulfillment.cancel, true);
    saga_driver_recover(fixture->driver, true);
    fixture_call(fixture, 10000);
    have_faults(fixture);
    fixture_run(fixture, REST_MS);
    assert_invariants(fixture);
}

static void every_order_comes_to_rest_and_nothing_is_lost_or_taken_twice(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        fixture_teardown(state);
        fixture_setup(state);
        ((struct fixture *)*state)->seed = seed;
        one_life(state, seed);
    }
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    if (fixture->seed != SEEDS)
        print_message("it was seed %u\n", (unsigned)fixture->seed);
    return fixture_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            every_order_comes_to_rest_and_nothing_is_lost_or_taken_twice, fixture_setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
