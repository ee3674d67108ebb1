/* What the person on call sees and mends, over PostgreSQL. */
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

enum {
    LEASE_MS = 10000,
    MINUTE_MS = 60 * 1000
};

/* ---- Helpers ---- */

static int setup(void **state)
{
    store_fixture_setup(state);
    store_fixture_product(*state, "a", 100, "EUR", 10);
    return 0;
}

/* A stored order of two units. */
static struct uuid an_order(struct store_fixture *fixture)
{
    static const char *address_line[] = {"Hauptstrasse 5"};
    struct order_line line = {.product_id = "a", .quantity = 2};
    struct order order = {
        .id = store_fixture_id(fixture),
        .caller = "alice",
        .customer_id = "customer-1",
        .lines = &line,
        .line_count = 1,
        .ship_to = {"Jane Doe", address_line, 1, "", "", "", "DE"},
    };
    struct order_create create = {.order = &order};

    store_fixture_prepare(fixture, &create.call);
    fixture->orders.base.ops->create(&fixture->orders.base, &create);
    store_fixture_answer(fixture);
    assert_int_equal(create.call.err.reason, REASON_NONE);
    return order.id;
}

static struct uuid a_claimed_order(struct store_fixture *fixture)
{
    struct saga_claim claim = {
        .id = an_order(fixture),
        .caller = "alice",
        .payment_method = "pm_card_visa",
        .lease_ms = LEASE_MS,
        .may_start = true,
        .forward_ms = MINUTE_MS,
    };

    random_fill(fixture->random, claim.token.bytes, sizeof(claim.token.bytes));
    store_fixture_prepare(fixture, &claim.call);
    fixture->saga.base.ops->claim(&fixture->saga.base, &claim);
    store_fixture_answer(fixture);
    assert_int_equal(claim.result, CLAIM_STARTED);
    return claim.id;
}

static void advance(struct store_fixture *fixture, struct uuid id, enum order_state from,
                    enum order_state to, enum step_outcome outcome)
{
    const struct failure failure = {.reason = REASON_FULFILLMENT_REJECTED};
    struct saga_advance advance = {
        .id = id,
        .generation = 1,
        .from = from,
        .to = to,
        .step = from == ORDER_CHARGING ? STEP_CHARGE : STEP_REFUND,
        .outcome = outcome,
        .tries = 3,
        .payment_id = "pi_1",
        .failure = &failure,
        .lease_ms = LEASE_MS,
    };

    random_fill(fixture->random, advance.token.bytes, sizeof(advance.token.bytes));
    store_fixture_prepare(fixture, &advance.call);
    fixture->saga.base.ops->advance(&fixture->saga.base, &advance);
    store_fixture_answer(fixture);
    assert_int_equal(advance.result, ADVANCE_DONE);
}

static struct uuid a_stuck_order(struct store_fixture *fixture)
{
    struct uuid id = a_claimed_order(fixture);

    advance(fixture, id, ORDER_CHARGING, ORDER_REFUNDING, OUTCOME_UNKNOWN);
    advance(fixture, id, ORDER_REFUNDING, ORDER_STUCK, OUTCOME_UNKNOWN);
    return id;
}

static void start_mend(struct store_fixture *fixture, struct operator_mend *mend)
{
    mend->who = "ada";
    mend->why = "the provider was down";
    store_fixture_prepare(fixture, &mend->call);
    fixture->operators.base.ops->mend(&fixture->operators.base, mend);
}

static enum reason mend_order(struct store_fixture *fixture, struct uuid id, enum order_state to,
                              struct operator_mend *mend)
{
    *mend = (struct operator_mend){.id = id, .to = to};
    start_mend(fixture, mend);
    store_fixture_answer(fixture);
    return mend->call.err.reason;
}

static struct operator_list list_orders(struct store_fixture *fixture, enum order_state state,
                                        int64_t older_ms, uint32_t limit)
{
    struct operator_list list = {.state = state, .older_ms = older_ms, .limit = limit};

    store_fixture_prepare(fixture, &list.call);
    fixture->operators.base.ops->list(&fixture->operators.base, &list);
    store_fixture_answer(fixture);
    assert_int_equal(list.call.err.reason, REASON_NONE);
    return list;
}

static json_t *show_order(struct store_fixture *fixture, struct uuid id)
{
    struct operator_show show = {.id = id};
    json_error_t problem;
    json_t *order;

    store_fixture_prepare(fixture, &show.call);
    fixture->operators.base.ops->show(&fixture->operators.base, &show);
    store_fixture_answer(fixture);
    assert_int_equal(show.call.err.reason, REASON_NONE);
    order = json_loads(show.order, 0, &problem);
    assert_non_null(order);
    return order;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static const json_t *last_of(const json_t *object, const char *key)
{
    const json_t *array = json_object_get(object, key);
    return json_array_get(array, json_array_size(array) - 1);
}

static long available(struct store_fixture *fixture)
{
    return store_fixture_number(fixture, "SELECT available FROM stock WHERE product_id = 'a'");
}

/* ---- Trying again ---- */

static void a_stuck_order_goes_back_to_its_undo_and_is_due_at_once(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = a_stuck_order(fixture);
    struct operator_mend mend;
    struct saga_take_due take = {.limit = 10, .lease_ms = LEASE_MS};

    store_fixture_exec(fixture, "UPDATE attempt SET undo_since = now() - interval '25 hours'");
    assert_int_equal(mend_order(fixture, id, ORDER_STATE_UNSPECIFIED, &mend), REASON_NONE);
    assert_int_equal(mend.state, ORDER_REFUNDING);
    assert_int_equal(mend.revision, 5);
    assert_int_equal(available(fixture), 8);

    store_fixture_prepare(fixture, &take.call);
    fixture->saga.base.ops->take_due(&fixture->saga.base, &take);
    store_fixture_answer(fixture);
    assert_int_equal(take.count, 1);
    assert_true(uuid_equal(&take.records[0].order.id, &id));
    assert_int_equal(take.records[0].order.state, ORDER_REFUNDING);
    assert_int_equal(take.records[0].generation, 3);
    assert_int_equal(take.records[0].tries, 0);
    assert_in_range(take.records[0].undo_age_ms, 0, MINUTE_MS);
}

static void who_and_why_stand_in_the_event(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = a_stuck_order(fixture);
    struct operator_mend mend;

    assert_int_equal(mend_order(fixture, id, ORDER_STATE_UNSPECIFIED, &mend), REASON_NONE);
    json_t *shown = show_order(fixture, id);
    const json_t *event = last_of(shown, "events");
    assert_string_equal(text_of(event, "state"), "REFUNDING");
    assert_string_equal(text_of(event, "outcome"), "RUNNING");
    assert_string_equal(text_of(event, "operator"), "ada");
    assert_string_equal(text_of(event, "operatorReason"), "the provider was down");
    json_decref(shown);
}

/* ---- Ending by hand ---- */

static void an_order_ended_by_hand_gives_its_stock_back(void **state)
{
    static const enum order_state ends[] = {ORDER_FAILED, ORDER_CANCELLED};
    struct store_fixture *fixture = *state;
    struct operator_mend mend;

    for (unsigned i = 0; i < COUNT_OF(ends); i++) {
        struct uuid id = a_stuck_order(fixture);
        assert_int_equal(available(fixture), 8);
        assert_int_equal(mend_order(fixture, id, ends[i], &mend), REASON_NONE);
        assert_int_equal(mend.state, ends[i]);
        assert_int_equal(available(fixture), 10);
        assert_int_equal(store_fixture_number(fixture,
                                              "SELECT count(*) FROM attempt JOIN orders o ON o.id ="
                                              " order_id WHERE outcome = '%s' AND state = outcome"
                                              " AND stuck_state IS NULL",
                                              order_state_name(ends[i])),
                         1);
    }
}

static void an_order_that_failed_by_hand_may_be_tried_again(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = a_stuck_order(fixture);
    struct operator_mend mend;
    struct saga_claim claim = {.id = id,
                               .caller = "alice",
                               .payment_method = "pm_card_visa",
                               .lease_ms = LEASE_MS,
                               .may_start = true,
                               .forward_ms = MINUTE_MS,
                               .token = id};

    assert_int_equal(mend_order(fixture, id, ORDER_FAILED, &mend), REASON_NONE);
    store_fixture_prepare(fixture, &claim.call);
    fixture->saga.base.ops->claim(&fixture->saga.base, &claim);
    store_fixture_answer(fixture);
    assert_int_equal(claim.result, CLAIM_STARTED);
    assert_int_equal(store_fixture_number(fixture, "SELECT attempts_used FROM orders"), 1);
}

static void an_order_that_is_to_be_cancelled_cannot_end_failed(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = a_stuck_order(fixture);
    struct operator_mend mend;

    store_fixture_exec(fixture, "UPDATE orders SET cancel_wished = true");
    assert_int_equal(mend_order(fixture, id, ORDER_FAILED, &mend), REASON_ORDER_STATE_INVALID);
    assert_non_null(strstr(mend.call.err.message, "CANCELLED only"));
    assert_int_equal(mend_order(fixture, id, ORDER_CANCELLED, &mend), REASON_NONE);
}

static void only_stuck_orders_are_mended_and_each_once(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid stuck = a_stuck_order(fixture), running = a_claimed_order(fixture);
    struct operator_mend mends[] = {{.id = stuck, .to = ORDER_FAILED},
                                    {.id = stuck},
                                    {.id = running},
                                    {.id = store_fixture_id(fixture)}};
    static const enum reason expected[] = {REASON_NONE, REASON_ORDER_STATE_INVALID,
                                           REASON_ORDER_STATE_INVALID, REASON_ORDER_NOT_FOUND};

    for (unsigned i = 0; i < COUNT_OF(mends); i++)
        start_mend(fixture, &mends[i]);
    store_fixture_answer(fixture);
    for (unsigned i = 0; i < COUNT_OF(mends); i++)
        assert_int_equal(mends[i].call.err.reason, expected[i]);
    assert_int_equal(store_fixture_number(fixture, "SELECT count(*) FROM order_event"
                                                   " WHERE operator IS NOT NULL"),
                     1);
}

/* ---- Looking ---- */

static void orders_are_listed_by_state_and_age(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct {
        enum order_state state;
        int64_t older_ms;
        uint32_t count;
    } cases[] = {
        {ORDER_STATE_UNSPECIFIED, 0, 3}, {ORDER_STUCK, 0, 2},
        {ORDER_STUCK, MINUTE_MS, 1},     {ORDER_CHARGING, 0, 1},
        {ORDER_CHARGING, MINUTE_MS, 0},  {ORDER_REFUNDING, 0, 0},
        {ORDER_PENDING, 0, 1},           {ORDER_PENDING, 3 * MINUTE_MS, 0},
        {ORDER_FULFILLED, 0, 0},
    };

    a_stuck_order(fixture);
    store_fixture_exec(fixture, "UPDATE orders SET update_time = now() - interval '2 minutes'");
    a_stuck_order(fixture);
    a_claimed_order(fixture);
    an_order(fixture);
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct operator_list list = list_orders(fixture, cases[i].state, cases[i].older_ms, 100);
        if (list.count != cases[i].count)
            fail_msg("case %u: %u orders", i, list.count);
        assert_false(list.has_more);
    }
}

static void a_list_is_cut_and_goes_on_newest_first(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid first = a_stuck_order(fixture), second = a_stuck_order(fixture);
    struct operator_list list = list_orders(fixture, ORDER_STUCK, 0, 1);
    struct operator_list rest = {.state = ORDER_STUCK, .limit = 1};
    char text[UUID_TEXT_SIZE];

    assert_int_equal(list.count, 1);
    assert_true(list.has_more);
    assert_true(uuid_equal(&list.last_id, &second));
    rest.before_id = list.last_id;
    store_fixture_prepare(fixture, &rest.call);
    fixture->operators.base.ops->list(&fixture->operators.base, &rest);
    store_fixture_answer(fixture);
    assert_int_equal(rest.count, 1);
    assert_false(rest.has_more);
    uuid_format(&first, text);
    assert_non_null(strstr(rest.orders[0], text));
    assert_non_null(strstr(rest.orders[0], "\"stuckState\" : \"REFUNDING\""));
}

static void an_order_is_shown_with_attempts_steps_and_events(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = a_stuck_order(fixture);
    json_t *shown = show_order(fixture, id);
    const json_t *attempt = last_of(shown, "attempts");
    const json_t *step = last_of(attempt, "steps");

    assert_string_equal(text_of(json_object_get(shown, "order"), "state"), "STUCK");
    assert_string_equal(text_of(json_object_get(shown, "order"), "paymentId"), "pi_1");
    assert_string_equal(text_of(attempt, "stuckState"), "REFUNDING");
    assert_non_null(text_of(attempt, "beginTime"));
    assert_int_equal(json_array_size(json_object_get(attempt, "steps")), 3);
    assert_string_equal(text_of(step, "kind"), "REFUND");
    assert_string_equal(text_of(step, "outcome"), "UNKNOWN");
    assert_int_equal(json_array_size(json_object_get(shown, "events")), 4);
    json_decref(shown);
}

static void an_order_without_an_attempt_is_shown_too(void **state)
{
    json_t *shown = show_order(*state, an_order(*state));

    assert_string_equal(text_of(json_object_get(shown, "order"), "state"), "PENDING");
    assert_int_equal(json_array_size(json_object_get(shown, "attempts")), 0);
    json_decref(shown);
}

static void an_order_that_does_not_exist_is_not_found(void **state)
{
    struct store_fixture *fixture = *state;
    struct operator_show show = {.id = store_fixture_id(fixture)};

    store_fixture_prepare(fixture, &show.call);
    fixture->operators.base.ops->show(&fixture->operators.base, &show);
    store_fixture_answer(fixture);
    assert_int_equal(show.call.err.reason, REASON_ORDER_NOT_FOUND);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_stuck_order_goes_back_to_its_undo_and_is_due_at_once),
        TEST(who_and_why_stand_in_the_event),
        TEST(an_order_ended_by_hand_gives_its_stock_back),
        TEST(an_order_that_failed_by_hand_may_be_tried_again),
        TEST(an_order_that_is_to_be_cancelled_cannot_end_failed),
        TEST(only_stuck_orders_are_mended_and_each_once),
        TEST(orders_are_listed_by_state_and_age),
        TEST(a_list_is_cut_and_goes_on_newest_first),
        TEST(an_order_is_shown_with_attempts_steps_and_events),
        TEST(an_order_without_an_attempt_is_shown_too),
        TEST(an_order_that_does_not_exist_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
