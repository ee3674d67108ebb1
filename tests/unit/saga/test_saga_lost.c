/* An order that was lost to another owner while something of it was out: what comes home then is heard
 * by nobody, and changes nothing. */
#include "saga_fixture.h"

#include <limits.h>

enum {
    AWAY_MS = 60000 /* longer than any lease */
};

enum op {
    OPEN,
    CONFIRM,
    LOOK,
    CANCEL,
    REFUND,
    LOOK_REFUNDS,
    SHIP,
    RECALL,
    RESERVE,
    RELEASE
};

static void answer(struct fixture *fixture, enum op op, struct fake_outcome outcome)
{
    struct fake_script *const scripts[] = {
        [OPEN] = &fixture->payment.scripts[FAKE_OPEN],
        [CONFIRM] = &fixture->payment.scripts[FAKE_CONFIRM],
        [LOOK] = &fixture->payment.scripts[FAKE_LOOK],
        [CANCEL] = &fixture->payment.scripts[FAKE_CANCEL],
        [REFUND] = &fixture->payment.scripts[FAKE_REFUND],
        [LOOK_REFUNDS] = &fixture->payment.scripts[FAKE_LOOK_REFUNDS],
        [SHIP] = &fixture->fulfillment.create,
        [RECALL] = &fixture->fulfillment.cancel,
        [RESERVE] = &fixture->inventory.reserve,
        [RELEASE] = &fixture->inventory.release,
    };

    fake_script_add(scripts[op], outcome);
}

static void restart(void **state, bool is_remote)
{
    fixture_teardown(state);
    if (is_remote)
        fixture_setup_remote(state);
    else
        fixture_setup(state);
}

/* ---- Tries ------------------------------------------------------------------------------------- */

#define REFUSED(op, reason_)                              \
    {                                                     \
        op,                                               \
        {                                                 \
            .result = EFFECT_REFUSED, .reason = (reason_) \
        }                                                 \
    }
#define UNKNOWN(op)                                   \
    {                                                 \
        op,                                           \
        {                                             \
            .result = EFFECT_UNKNOWN, .happens = true \
        }                                             \
    }
#define LEFT(op)                      \
    {                                 \
        op,                           \
        {                             \
            .result = EFFECT_HAS_LEFT \
        }                             \
    }
#define AWAY(op)                                       \
    {                                                  \
        op,                                            \
        {                                              \
            .result = EFFECT_DONE, .delay_ms = AWAY_MS \
        }                                              \
    }
#define DECLINED(op) REFUSED(op, REASON_PAYMENT_DECLINED)
#define REJECTED(op) REFUSED(op, REASON_FULFILLMENT_REJECTED)

static void a_try_that_comes_home_to_a_lost_order_is_not_heard(void **state)
{
    static const struct {
        const char *call; /* as the ledger names it */
        bool is_remote;
        unsigned count;
        struct {
            enum op op;
            struct fake_outcome outcome;
        } answers[4];
    } cases[] = {
        {"open", false, 1, {AWAY(OPEN)}},
        {"confirm", false, 1, {AWAY(CONFIRM)}},
        {"look", false, 2, {UNKNOWN(CONFIRM), AWAY(LOOK)}},
        {"cancel", false, 2, {DECLINED(CONFIRM), AWAY(CANCEL)}},
        {"look", false, 3, {DECLINED(CONFIRM), UNKNOWN(CANCEL), AWAY(LOOK)}},
        {"refund", false, 2, {REJECTED(SHIP), AWAY(REFUND)}},
        {"look_refunds", false, 3, {REJECTED(SHIP), UNKNOWN(REFUND), AWAY(LOOK_REFUNDS)}},
        {"ship", false, 1, {AWAY(SHIP)}},
        {"recall", false, 3, {UNKNOWN(SHIP), REJECTED(SHIP), AWAY(RECALL)}},
        {"recall", false, 4, {UNKNOWN(SHIP), REJECTED(SHIP), LEFT(RECALL), AWAY(SHIP)}},
        {"reserve", true, 1, {AWAY(RESERVE)}},
        {"release", true, 2, {DECLINED(CONFIRM), AWAY(RELEASE)}},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture *fixture;
        enum order_state left_in;
        unsigned line_count;

        restart(state, cases[i].is_remote);
        fixture = *state;
        for (unsigned k = 0; k < cases[i].count; k++)
            answer(fixture, cases[i].answers[k].op, cases[i].answers[k].outcome);
        fixture_call(fixture, 2000);
        fixture_run(fixture, 3000);
        assert_true(ledger_count(fixture, cases[i].call) > 0);
        left_in = fixture->order->order.state;
        fake_saga_store_steal(fixture->order);
        fixture_run(fixture, 20000);
        assert_int_equal(saga_driver_count(fixture->driver), 1); /* its call is still out */
        line_count = fixture->ledger.count;
        fixture_run(fixture, 2 * AWAY_MS);
        assert_int_equal(saga_driver_count(fixture->driver), 0);
        assert_int_equal(fixture->ledger.count, line_count);
        assert_int_equal(fixture->order->order.state, left_in);
    }
}

static void lose(struct fixture *fixture, enum fake_saga_op op, enum fake_loss loss, unsigned times)
{
    fixture->store.fail[op].loss = loss;
    fixture->store.fail[op].times = times;
}

/* ---- Commits and leases -------------------------------------------------------------------------- */

/* The order is due by the database's clock while its owner, here, has a commit out. */
static void take_over_own_order(struct fixture *fixture)
{
    fixture->store.delay_ms = 1;
    fixture->order->lease_until_ms = 0;
    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, 100);
    saga_driver_recover(fixture->driver, false);
    assert_int_equal(fixture->taken_over_count, 1);
}

static void a_commit_that_comes_home_to_a_lost_order_is_not_heard(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller = fixture_call(fixture, 30000);

    fixture_run(fixture, 3); /* claimed, and a payment is being opened */
    fixture->store.delay_ms = 5000;
    fixture_run(fixture, 100);
    assert_int_equal(ledger_count(fixture, "advance CHARGING>CHARGING"), 1);
    take_over_own_order(fixture);
    fixture_run(fixture, 20000);
    assert_answered(caller, REASON_NONE);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
    assert_int_equal(saga_driver_count(fixture->driver), 0);
}

/* The answer to a commit is true, however late it is. */
static void a_commit_that_is_out_longer_than_the_lease_still_counts(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller = fixture_call(fixture, 30000);

    fixture_run(fixture, 3);
    fixture->store.delay_ms = 12500;
    fixture_run(fixture, 100);
    assert_int_equal(ledger_count(fixture, "advance CHARGING>CHARGING"), 1);
    fixture->store.delay_ms = 1;
    fixture_run(fixture, 20000);
    assert_answered(caller, REASON_NONE);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

/* Sending it again would need the lease, which the next owner may have. */
static void a_commit_of_unknown_fate_is_not_repeated_beyond_the_lease(void **state)
{
    struct fixture *fixture = *state;

    fixture_call(fixture, 2000);
    fixture_run(fixture, 3);
    fixture->store.delay_ms = 10200; /* behind the lease, and before the next look at it */
    lose(fixture, FAKE_ADVANCE, FAKE_LOST_BEFORE, UINT_MAX);
    lose(fixture, FAKE_RENEW, FAKE_NOT_SENT, UINT_MAX);
    fixture_run(fixture, 30000);
    assert_int_equal(ledger_count(fixture, "advance"), 1);
    assert_int_equal(saga_driver_count(fixture->driver), 0);
}

static void a_renewal_that_comes_home_to_a_lost_order_is_not_heard(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    answer(fixture, SHIP,
           (struct fake_outcome){.result = EFFECT_NOT_REACHED, .retry_after_ms = AWAY_MS});
    caller = fixture_call(fixture, 30000);
    fixture_run(fixture, 1000);
    fixture->store.delay_ms = 12000; /* so the lease runs out while its renewal is out */
    fixture_run(fixture, 9000);
    fixture->store.delay_ms = 1;
    fixture_run(fixture, 2000);
    assert_int_equal(ledger_count(fixture, "renew"), 1);
    fixture_run(fixture, 30000);
    assert_answered(caller, REASON_FULFILLMENT_PENDING); /* it looked for the next owner, in vain */
    assert_int_equal(ledger_count(fixture, "ship"), 1);
    assert_int_equal(saga_driver_count(fixture->driver), 0);
}

/* ---- Attempts ------------------------------------------------------------------------------------ */

/* Another replica took the first attempt over and ended it, so the next one begins here while a call of
 * the first is still out. */
static void begin_next_attempt(struct fixture *fixture)
{
    fake_saga_store_steal(fixture->order);
    fixture->order->order.state = ORDER_FAILED;
    fixture->order->order.failure.reason = REASON_FULFILLMENT_REJECTED;
    fixture->payment.rows[0].refund = REFUND_STATUS_SUCCEEDED;
    fixture->fulfillment.count = 0;
}

static void an_attempt_before_the_last_is_dropped(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    answer(fixture, SHIP, (struct fake_outcome){.result = EFFECT_NOT_REACHED, .delay_ms = AWAY_MS});
    fixture_call(fixture, 2000);
    fixture_run(fixture, 2500);
    begin_next_attempt(fixture);
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 5000);
    assert_answered(caller, REASON_NONE);
    assert_int_equal(fixture->order->order.attempt, 2);
    assert_int_equal(saga_driver_count(fixture->driver), 1); /* the first one's call is out */
    fixture_run(fixture, 2 * AWAY_MS);
    assert_int_equal(saga_driver_count(fixture->driver), 0);
    assert_int_equal(fixture->order->order.state, ORDER_FULFILLED);
}

static void a_caller_of_the_next_attempt_elsewhere_does_not_wait_on_the_last(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    answer(fixture, SHIP, (struct fake_outcome){.result = EFFECT_NOT_REACHED, .delay_ms = AWAY_MS});
    fixture_call(fixture, 2000);
    fixture_run(fixture, 2500);
    begin_next_attempt(fixture);
    fixture->order->order.state = ORDER_CHARGING;
    fixture->order->order.attempt = 2;
    fixture->order->lease_until_ms = INT64_MAX;
    memcpy(fixture->order->request_id, "key", sizeof("key"));
    caller = fixture_call_order(fixture, fixture->order, 20000, "key");
    fixture_run(fixture, 500);
    assert_waiting(caller);
    fixture->order->order.state = ORDER_FULFILLED;
    fixture->order->order.shipment_id = "sh_2";
    fixture_run(fixture, 1000);
    assert_answered(caller, REASON_NONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_try_that_comes_home_to_a_lost_order_is_not_heard),
        TEST(a_commit_that_comes_home_to_a_lost_order_is_not_heard),
        TEST(a_commit_that_is_out_longer_than_the_lease_still_counts),
        TEST(a_commit_of_unknown_fate_is_not_repeated_beyond_the_lease),
        TEST(a_renewal_that_comes_home_to_a_lost_order_is_not_heard),
        TEST(an_attempt_before_the_last_is_dropped),
        TEST(a_caller_of_the_next_attempt_elsewhere_does_not_wait_on_the_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
