/* Memory runs out, once or for a while, anywhere on an order's way: its caller is answered, nothing is
 * taken twice or lost, and the order comes to rest. */
#include "saga_fixture.h"

#include "fake/failing_heap.h"

#include <stdio.h>
#include <stdlib.h>

#define SHIP(fixture, ...) \
    fake_script_add(&(fixture)->fulfillment.create, (struct fake_outcome){__VA_ARGS__})

enum {
    SHORT_MS =
        4000, /* in which memory may run out: all that is tried at once, a pass of recovery */
    LONG_MS = 20 * 60 * 1000 /* beyond every lease and pause of a forward step */
};

/* What happens before the call, and what must be true when all has come to rest. */
struct scene {
    bool is_remote;
    void (*prepare)(struct fixture *fixture);
    enum order_state end;
    bool is_called; /* somebody calls ProcessOrder, with a key */
};

static void begin_anew(void **state, const struct scene *scene)
{
    if (scene->is_remote)
        fixture_setup_remote(state);
    else
        fixture_setup(state);
}

/* At rest, the other way is right as well: memory that was short may have cost the attempt. */
static void check_rest(const struct fixture *fixture, const struct scene *scene)
{
    enum order_state at_rest = fixture->order->order.state;
    bool is_fulfilled = at_rest == ORDER_FULFILLED;

    if (at_rest != ORDER_PENDING && at_rest != ORDER_FAILED)
        assert_string_equal(order_state_name(at_rest), order_state_name(scene->end));
    assert_left(fixture, at_rest, is_fulfilled, is_fulfilled, is_fulfilled && !scene->is_remote);
    assert_int_equal(saga_driver_count(fixture->driver), 0);
}

static void play(void *context)
{
    const struct scene *scene = context;
    struct fixture *fixture;
    struct caller *caller = NULL;
    void *state = NULL;

    begin_anew(&state, scene);
    fixture = state;
    if (scene->prepare != NULL)
        scene->prepare(fixture);
    failing_heap_begin();
    if (scene->is_called)
        caller = fixture_call_order(fixture, fixture->order, 20000, "key");
    else
        saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, SHORT_MS);
    failing_heap_end();
    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, LONG_MS);

    if (caller != NULL) {
        assert_int_equal(caller->done_count, 1);
        if (!failing_heap_has_failed())
            assert_int_equal(error_is_set(&caller->ticket.err), scene->end != ORDER_FULFILLED);
    }
    check_rest(fixture, scene);
    if (scene->end == ORDER_FULFILLED) { /* the same call without trouble */
        caller = fixture_call_order(fixture, fixture->order, 20000, "key");
        fixture_run(fixture, LONG_MS);
        assert_answered(caller, REASON_NONE);
        check_rest(fixture, scene);
    }
    fixture_teardown(&state);
}

static void play_all(const struct scene *scene)
{
    struct scene copy = *scene;

    failing_heap_each(play, &copy);
    failing_heap_from_each(play, &copy);
}

/* ---- From the call on ----------------------------------------------------------------------------- */

static void an_order_is_fulfilled_once_wherever_memory_runs_out(void **state)
{
    for (int is_remote = 0; is_remote <= 1; is_remote++)
        play_all(
            &(struct scene){.is_remote = is_remote, .end = ORDER_FULFILLED, .is_called = true});
}

static void refuse_shipment(struct fixture *fixture)
{
    SHIP(fixture, .result = EFFECT_UNKNOWN, .happens = true);
    SHIP(fixture, .result = EFFECT_REFUSED, .reason = REASON_FULFILLMENT_REJECTED);
    fixture->fulfillment.create.forever = true;
}

static void an_order_is_undone_wherever_memory_runs_out(void **state)
{
    for (int is_remote = 0; is_remote <= 1; is_remote++)
        play_all(&(struct scene){.is_remote = is_remote,
                                 .prepare = refuse_shipment,
                                 .end = ORDER_FAILED,
                                 .is_called = true});
}

/* The recall finds that it has left, and its id was never told. */
static void let_shipment_leave(struct fixture *fixture)
{
    refuse_shipment(fixture);
    fake_script_add(&fixture->fulfillment.cancel, (struct fake_outcome){.result = EFFECT_HAS_LEFT});
    fixture->fulfillment.create.forever = false;
}

static void a_shipment_that_has_left_fulfils_the_order_wherever_memory_runs_out(void **state)
{
    play_all(
        &(struct scene){.prepare = let_shipment_leave, .end = ORDER_FULFILLED, .is_called = true});
}

static void have_no_stock(struct fixture *fixture)
{
    fixture->store.stock = 0;
}

static void short_stock(void *context)
{
    struct fixture *fixture;
    struct caller *caller;
    void *state = NULL;

    (void)context;
    fixture_setup(&state);
    fixture = state;
    have_no_stock(fixture);
    failing_heap_begin();
    caller = fixture_call(fixture, 10000);
    fixture_run(fixture, 1000);
    failing_heap_end();
    assert_int_equal(caller->done_count, 1);
    assert_true(error_is_set(&caller->ticket.err));
    if (!failing_heap_has_failed())
        assert_answered(caller, REASON_OUT_OF_STOCK);
    fixture_teardown(&state);
}

static void a_refusal_is_told_wherever_memory_runs_out(void **state)
{
    failing_heap_each(short_stock, NULL);
}

/* ---- Of somebody else's attempt -------------------------------------------------------------------- */

static void leave_charging(struct fixture *fixture)
{
    fixture_leave(fixture, ORDER_CHARGING);
}

static void leave_refunding(struct fixture *fixture)
{
    fixture_leave(fixture, ORDER_REFUNDING);
}

static void an_order_is_taken_over_as_soon_as_there_is_memory(void **state)
{
    play_all(&(struct scene){.prepare = leave_charging, .end = ORDER_FULFILLED});
    play_all(&(struct scene){.prepare = leave_refunding, .end = ORDER_FAILED});
}

static void leave_to_be_joined(struct fixture *fixture)
{
    fixture_leave(fixture, ORDER_REFUNDING);
    snprintf(fixture->order->request_id, sizeof(fixture->order->request_id), "key");
    fixture->order->lease_until_ms = clock_now_ms(&fixture->clock.base) + 3000;
}

static void an_attempt_that_is_joined_is_answered_wherever_memory_runs_out(void **state)
{
    play_all(
        &(struct scene){.prepare = leave_to_be_joined, .end = ORDER_FAILED, .is_called = true});
}

/* The order is taken from its owner while a caller waits, and has an owner again in a while. */
static void lose_order(void *context)
{
    struct fixture *fixture;
    struct caller *caller;
    void *state = NULL;

    (void)context;
    fixture_setup(&state);
    fixture = state;
    fake_payment_expect(&fixture->payment, FAKE_CONFIRM,
                        (struct fake_outcome){.result = EFFECT_DONE, .delay_ms = 500});
    caller = fixture_call_order(fixture, fixture->order, 20000, "key");
    fixture_run(fixture, 300);
    failing_heap_begin();
    fake_saga_store_steal(fixture->order);
    fixture_run(fixture, 3000);
    fixture->order->lease_until_ms = 0;
    failing_heap_end();
    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, LONG_MS);
    assert_int_equal(caller->done_count, 1);
    check_rest(fixture, &(struct scene){.end = ORDER_FULFILLED});
    fixture_teardown(&state);
}

static void who_waits_for_a_lost_order_is_answered_wherever_memory_runs_out(void **state)
{
    failing_heap_each(lose_order, NULL);
}

/* ---- The driver ------------------------------------------------------------------------------------ */

static void make_driver(void *context)
{
    struct fixture *fixture = context;
    static const struct saga_config config = {.lease_ms = 10000, .orders_max = ORDERS_MAX};
    const struct saga_ports ports = {.clock = &fixture->clock.base,
                                     .random = &fixture->random.base};
    struct saga_driver *driver;

    failing_heap_begin();
    driver = saga_driver_new(&config, &ports);
    failing_heap_end();
    assert_int_equal(driver == NULL, failing_heap_has_failed());
    saga_driver_free(driver);
}

static void a_driver_without_memory_is_none(void **state)
{
    failing_heap_each(make_driver, *state);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_order_is_fulfilled_once_wherever_memory_runs_out),
        TEST(an_order_is_undone_wherever_memory_runs_out),
        TEST(a_shipment_that_has_left_fulfils_the_order_wherever_memory_runs_out),
        TEST(a_refusal_is_told_wherever_memory_runs_out),
        TEST(an_order_is_taken_over_as_soon_as_there_is_memory),
        TEST(an_attempt_that_is_joined_is_answered_wherever_memory_runs_out),
        TEST(who_waits_for_a_lost_order_is_answered_wherever_memory_runs_out),
        cmocka_unit_test_setup_teardown(a_driver_without_memory_is_none, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
