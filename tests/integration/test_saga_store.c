/* The commits of the order flow over PostgreSQL: claim with stock, advance with its fences, leases,
 * each alone, in one batch, and sent again. */
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

enum {
    LEASE_MS = 10000,
    FORWARD_MS = 60000
};

/* ---- Helpers ---- */

static struct idempotency key(const char *request_id, uint8_t payload)
{
    struct idempotency key = {
        .caller = "alice", .method = "ProcessOrder", .request_id = request_id};
    memset(key.hash, payload, sizeof(key.hash));
    return key;
}

/* A stored order of one or two lines. */
static struct uuid an_order(struct store_fixture *fixture, const char *product_id, int quantity,
                            const char *other_id, int other_quantity)
{
    static const char *address_line[] = {"Hauptstrasse 5"};
    struct order_line lines[] = {{.product_id = product_id, .quantity = quantity},
                                 {.product_id = other_id, .quantity = other_quantity}};
    struct order order = {
        .id = store_fixture_id(fixture),
        .caller = "alice",
        .customer_id = "customer-1",
        .lines = lines,
        .line_count = other_id == NULL ? 1 : 2,
        .ship_to = {"Jane Doe", address_line, 1, "", "", "", "DE"},
    };
    struct order_create create = {.order = &order};

    store_fixture_prepare(fixture, &create.call);
    fixture->orders.base.ops->create(&fixture->orders.base, &create);
    store_fixture_answer(fixture);
    assert_int_equal(create.call.err.reason, REASON_NONE);
    return order.id;
}

static struct saga_claim a_claim(struct store_fixture *fixture, struct uuid id,
                                 const struct idempotency *idempotency)
{
    struct saga_claim claim = {
        .id = id,
        .caller = "alice",
        .payment_method = "pm_card_visa",
        .idempotency = idempotency,
        .lease_ms = LEASE_MS,
        .may_start = true,
        .forward_ms = FORWARD_MS,
    };
    random_fill(fixture->random, claim.token.bytes, sizeof(claim.token.bytes));
    return claim;
}

static void start_claim(struct store_fixture *fixture, struct saga_claim *claim)
{
    store_fixture_prepare(fixture, &claim->call);
    fixture->saga.base.ops->claim(&fixture->saga.base, claim);
}

static enum claim_result claim_one(struct store_fixture *fixture, struct saga_claim *claim)
{
    start_claim(fixture, claim);
    store_fixture_answer(fixture);
    assert_int_equal(claim->call.err.reason, REASON_NONE);
    return claim->result;
}

static enum claim_result claim_order(struct store_fixture *fixture, struct uuid id,
                                     const struct idempotency *idempotency)
{
    struct saga_claim claim = a_claim(fixture, id, idempotency);
    return claim_one(fixture, &claim);
}

static struct saga_advance an_advance(struct store_fixture *fixture, struct uuid id,
                                      int64_t generation, enum order_state from,
                                      enum order_state to)
{
    struct saga_advance advance = {
        .id = id,
        .generation = generation,
        .from = from,
        .to = to,
        .step = STEP_CHARGE,
        .outcome = OUTCOME_DONE,
        .tries = 1,
        .lease_ms = LEASE_MS,
    };
    random_fill(fixture->random, advance.token.bytes, sizeof(advance.token.bytes));
    return advance;
}

static void start_advance(struct store_fixture *fixture, struct saga_advance *advance)
{
    store_fixture_prepare(fixture, &advance->call);
    fixture->saga.base.ops->advance(&fixture->saga.base, advance);
}

static enum advance_result advance_one(struct store_fixture *fixture, struct saga_advance *advance)
{
    start_advance(fixture, advance);
    store_fixture_answer(fixture);
    assert_int_equal(advance->call.err.reason, REASON_NONE);
    return advance->result;
}

/* A claimed order, on to FULFILLED. */
static void fulfill(struct store_fixture *fixture, struct uuid id, int64_t generation)
{
    struct saga_advance open = an_advance(fixture, id, generation, ORDER_CHARGING, ORDER_CHARGING);
    open.outcome = OUTCOME_RUNNING;
    open.payment_id = "pi_1";
    struct saga_advance charged =
        an_advance(fixture, id, generation, ORDER_CHARGING, ORDER_FULFILLING);
    charged.fulfill_ms = 900000;
    struct saga_advance shipped =
        an_advance(fixture, id, generation, ORDER_FULFILLING, ORDER_FULFILLED);
    shipped.step = STEP_FULFILL;
    shipped.shipment_id = "ship_1";
    shipped.external_id = "ship_1";
    assert_int_equal(advance_one(fixture, &open), ADVANCE_DONE);
    assert_int_equal(advance_one(fixture, &charged), ADVANCE_DONE);
    assert_int_equal(advance_one(fixture, &shipped), ADVANCE_DONE);
}

/* A claimed order, back to FAILED, with its stock. */
static void fail_order(struct store_fixture *fixture, struct uuid id, int64_t generation,
                       enum reason reason, bool attempt_counts)
{
    struct failure failure = {.reason = reason};
    struct saga_advance refused = an_advance(fixture, id, generation, ORDER_CHARGING, ORDER_FAILED);
    refused.outcome = OUTCOME_REFUSED;
    refused.failure = &failure;
    refused.release_stock = true;
    refused.attempt_counts = attempt_counts;
    assert_int_equal(advance_one(fixture, &refused), ADVANCE_DONE);
}

static void wish_cancel(struct store_fixture *fixture, struct uuid id)
{
    struct order_cancel cancel = {.id = id, .caller = "alice"};
    store_fixture_prepare(fixture, &cancel.call);
    fixture->orders.base.ops->wish_cancel(&fixture->orders.base, &cancel);
    store_fixture_answer(fixture);
    assert_int_equal(cancel.call.err.reason, REASON_NONE);
}

static const struct order *get_order(struct store_fixture *fixture, struct uuid id)
{
    struct order_get get = {.id = id, .caller = "alice"};
    store_fixture_prepare(fixture, &get.call);
    fixture->orders.base.ops->get(&fixture->orders.base, &get);
    store_fixture_answer(fixture);
    assert_int_equal(get.call.err.reason, REASON_NONE);
    return get.order;
}

static long available(struct store_fixture *fixture, const char *product_id)
{
    return store_fixture_number(fixture, "SELECT available FROM stock WHERE product_id = '%s'",
                                product_id);
}

static int setup(void **state)
{
    store_fixture_setup(state);
    store_fixture_product(*state, "a", 100, "EUR", 10);
    store_fixture_product(*state, "b", 100, "EUR", 10);
    return 0;
}

/* After every test: the stock is what was put in less what orders hold, and the newest event of each
 * order tells its state, with none missing before it. */
static int teardown(void **state)
{
    struct store_fixture *fixture = *state;

    assert_int_equal(
        store_fixture_number(
            fixture,
            "SELECT count(*) FROM stock s WHERE available <>"
            " (SELECT sum(delta) FROM stock_adjustment j WHERE j.product_id = s.product_id)"
            " - (SELECT coalesce(sum(l.quantity), 0) FROM orders o"
            "    CROSS JOIN unnest(o.line_product, o.line_quantity) AS l (product, quantity)"
            "    WHERE l.product = s.product_id AND (o.state = 'FULFILLED' OR EXISTS"
            "      (SELECT FROM attempt t WHERE t.order_id = o.id AND t.outcome IS NULL"
            "       AND o.state <> 'RESERVING')))"),
        0);
    assert_int_equal(
        store_fixture_number(fixture,
                             "SELECT count(*) FROM orders o WHERE NOT EXISTS (SELECT FROM"
                             " order_event e WHERE (e.order_id, e.revision, e.state, e.attempt)"
                             " = (o.id, o.revision, o.state, o.attempt)"
                             " AND e.revision = (SELECT count(*) FROM order_event n"
                             "                   WHERE n.order_id = o.id))"),
        0);
    return store_fixture_teardown(state);
}

/* ---- Claim ---- */

static void a_claim_that_may_not_start_leaves_the_order_as_it_was(void **state)
{
    struct store_fixture *fixture = *state;
    const struct idempotency once = key("too-short", 1);
    struct saga_claim claim = a_claim(fixture, an_order(fixture, "a", 1, "b", 1), &once);

    claim.may_start = false;
    assert_int_equal(claim_one(fixture, &claim), CLAIM_TOO_SHORT);
    assert_int_equal(claim.record.order.state, ORDER_PENDING);
    claim.may_start = true; /* the key was not kept, so it may begin an attempt later */
    assert_int_equal(claim_one(fixture, &claim), CLAIM_STARTED);
    claim.may_start = false;
    random_fill(fixture->random, claim.token.bytes, sizeof(claim.token.bytes));
    assert_int_equal(claim_one(fixture, &claim), CLAIM_JOIN);
}

static void a_claim_takes_all_lines_and_charges_next(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 3, "b", 2);
    struct saga_claim claim = a_claim(fixture, id, NULL);

    assert_int_equal(claim_one(fixture, &claim), CLAIM_STARTED);
    const struct saga_record *record = &claim.record;
    assert_true(uuid_equal(&record->order.id, &id));
    assert_int_equal(record->order.state, ORDER_CHARGING);
    assert_int_equal(record->order.attempt, 1);
    assert_int_equal(record->order.revision, 2);
    assert_int_equal(record->order.line_count, 2);
    assert_string_equal(record->order.lines[1].name, "Name of b");
    assert_int_equal(record->order.total.minor, 500);
    assert_string_equal(record->order.ship_to.recipient, "Jane Doe");
    assert_int_equal(record->generation, 1);
    assert_false(record->cancel_wished);
    assert_string_equal(record->payment_method, "pm_card_visa");
    assert_in_range(record->forward_left_ms, 1, FORWARD_MS);
    assert_in_range(record->lease_left_ms, 1, LEASE_MS);
    assert_true(record->fulfill_left_ms == INT64_MAX);
    assert_int_equal(record->undo_age_ms, -1);
    assert_int_equal(record->tries, 0);
    assert_int_equal(available(fixture, "a"), 7);
    assert_int_equal(available(fixture, "b"), 8);
}

static void its_steps_can_be_told_from_its_events(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 1, NULL, 0);
    uint32_t count;

    claim_order(fixture, id, NULL);
    struct order_step *steps = order_steps(get_order(fixture, id), fixture->arena, &count);
    assert_int_equal(count, 2);
    assert_int_equal(steps[0].kind, STEP_RESERVE);
    assert_int_equal(steps[0].outcome, OUTCOME_DONE);
    assert_int_equal(steps[1].kind, STEP_CHARGE);
    assert_int_equal(steps[1].outcome, OUTCOME_RUNNING);
    fulfill(fixture, id, 1);
    steps = order_steps(get_order(fixture, id), fixture->arena, &count);
    assert_int_equal(count, 3);
    assert_int_equal(steps[2].kind, STEP_FULFILL);
    assert_int_equal(steps[2].outcome, OUTCOME_DONE);
    assert_string_equal(steps[2].external_id, "ship_1");
}

static void a_short_order_fails_at_once_and_names_every_short_line(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "b", 11, "a", 12);
    struct saga_claim claim = a_claim(fixture, id, NULL);

    assert_int_equal(claim_one(fixture, &claim), CLAIM_REFUSED);
    const struct failure *failure = &claim.record.order.failure;
    assert_int_equal(claim.record.order.state, ORDER_FAILED);
    assert_int_equal(failure->reason, REASON_OUT_OF_STOCK);
    assert_int_equal(failure->short_line_count, 2);
    assert_string_equal(failure->short_lines[0].product_id, "a");
    assert_int_equal(failure->short_lines[0].requested, 12);
    assert_int_equal(failure->short_lines[0].available, 10);
    assert_string_equal(failure->short_lines[1].product_id, "b");
    assert_int_equal(available(fixture, "a"), 10);
    assert_int_equal(store_fixture_number(fixture, "SELECT attempts_used FROM orders"), 1);

    const struct order *order = get_order(fixture, id);
    assert_int_equal(order->failure.short_line_count, 2);
    assert_int_equal(order->event_count, 1);
    assert_int_equal(order->events[0].outcome, OUTCOME_REFUSED);
    assert_int_equal(order->events[0].failure.reason, REASON_OUT_OF_STOCK);
}

static void two_lines_of_one_product_are_summed(void **state)
{
    struct store_fixture *fixture = *state;
    struct saga_claim claim = a_claim(fixture, an_order(fixture, "a", 6, "a", 5), NULL);

    assert_int_equal(claim_one(fixture, &claim), CLAIM_REFUSED);
    assert_int_equal(claim.record.order.failure.short_line_count, 1);
    assert_int_equal(claim.record.order.failure.short_lines[0].requested, 11);
    assert_int_equal(claim_order(fixture, an_order(fixture, "a", 5, "a", 5), NULL), CLAIM_STARTED);
    assert_int_equal(available(fixture, "a"), 0);
}

static void an_order_of_a_product_deleted_since_fails(void **state)
{
    struct store_fixture *fixture = *state;
    struct saga_claim claim = a_claim(fixture, an_order(fixture, "a", 1, "b", 99), NULL);

    store_fixture_exec(fixture, "UPDATE product SET deleted = true WHERE id = 'a'");
    assert_int_equal(claim_one(fixture, &claim), CLAIM_REFUSED);
    assert_int_equal(claim.record.order.failure.reason, REASON_ORDER_PRODUCT_NOT_FOUND);
    assert_string_equal(claim.record.order.failure.metadata[0].key, "productId");
    assert_string_equal(claim.record.order.failure.metadata[0].value, "a");
    assert_int_equal(available(fixture, "b"), 10);
}

static void a_batch_is_served_in_order_each_with_all_lines_or_none(void **state)
{
    static const struct {
        int a, b;
        enum claim_result result;
    } cases[] = {
        {4, 1, CLAIM_STARTED},
        {7, 1, CLAIM_REFUSED}, /* 6 left of a; b stays */
        {6, 8, CLAIM_STARTED},
        {1, 1, CLAIM_REFUSED}, /* nothing left of a, 1 of b */
    };
    struct store_fixture *fixture = *state;
    struct saga_claim claims[COUNT_OF(cases)];

    for (unsigned i = 0; i < COUNT_OF(cases); i++)
        claims[i] = a_claim(fixture, an_order(fixture, "a", cases[i].a, "b", cases[i].b), NULL);
    for (unsigned i = 0; i < COUNT_OF(cases); i++)
        start_claim(fixture, &claims[i]);
    store_fixture_answer(fixture);
    for (unsigned i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(claims[i].result, cases[i].result);
    assert_int_equal(claims[1].record.order.failure.short_lines[0].available, 6);
    assert_int_equal(available(fixture, "a"), 0);
    assert_int_equal(available(fixture, "b"), 1);
}

static void fifty_in_stock_are_sold_fifty_times(void **state)
{
    struct store_fixture *fixture = *state;
    static struct saga_claim claims[300];
    unsigned started = 0;

    store_fixture_product(fixture, "hot", 100, "EUR", 50);
    for (unsigned i = 0; i < COUNT_OF(claims); i++)
        claims[i] = a_claim(fixture, an_order(fixture, "hot", 1, NULL, 0), NULL);
    for (unsigned i = 0; i < COUNT_OF(claims); i++)
        start_claim(fixture, &claims[i]);
    store_fixture_answer(fixture);
    for (unsigned i = 0; i < COUNT_OF(claims); i++) {
        assert_int_equal(claims[i].call.err.reason, REASON_NONE);
        assert_int_equal(claims[i].result, i < 50 ? CLAIM_STARTED : CLAIM_REFUSED);
        started += claims[i].result == CLAIM_STARTED;
    }
    assert_int_equal(started, 50);
    assert_int_equal(available(fixture, "hot"), 0);
}

static void a_remote_inventory_is_asked_later(void **state)
{
    struct store_fixture *fixture = *state;
    struct saga_claim claim = a_claim(fixture, an_order(fixture, "a", 99, NULL, 0), NULL);

    claim.inventory_remote = true;
    assert_int_equal(claim_one(fixture, &claim), CLAIM_STARTED);
    assert_int_equal(claim.record.order.state, ORDER_RESERVING);
    assert_int_equal(available(fixture, "a"), 10);
}

static void what_cannot_be_claimed_is_told(void **state)
{
    static const struct {
        const char *order_state; /* as SQL sets it */
        enum claim_result result;
    } cases[] = {
        {"'FULFILLED'", CLAIM_FULFILLED},
        {"'CANCELLED'", CLAIM_STATE_INVALID},
        {"'STUCK'", CLAIM_STATE_INVALID},
        {"'CHARGING'", CLAIM_IN_PROGRESS},
        {"'RELEASING'", CLAIM_IN_PROGRESS},
        {"'FAILED', attempts_used = 20, attempt = 25, generation = 25", CLAIM_EXHAUSTED},
    };
    struct store_fixture *fixture = *state;
    struct idempotency with_key = key("k", 1);

    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct uuid id = an_order(fixture, "a", 20, NULL, 0);
        char text[UUID_TEXT_SIZE];
        assert_int_equal(claim_order(fixture, id, NULL), CLAIM_REFUSED);
        uuid_format(&id, text);
        store_fixture_exec(fixture, "UPDATE orders SET state = %s WHERE id = '%s'",
                           cases[i].order_state, text);
        assert_int_equal(claim_order(fixture, id, &with_key), cases[i].result);
        assert_int_equal(store_fixture_number(fixture, "SELECT count(*) FROM idempotency"), 0);
    }
    assert_int_equal(claim_order(fixture, store_fixture_id(fixture), &with_key), CLAIM_NOT_FOUND);
    struct saga_claim foreign = a_claim(fixture, an_order(fixture, "a", 1, NULL, 0), NULL);
    foreign.caller = "bob";
    assert_int_equal(claim_one(fixture, &foreign), CLAIM_NOT_FOUND);
    assert_int_equal(store_fixture_number(fixture, "SELECT count(*) FROM idempotency"), 0);
    store_fixture_exec(fixture, "TRUNCATE orders, attempt, order_event"); /* they were made up */
}

static void twenty_attempts_may_be_used_and_outages_do_not_count(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 1, NULL, 0);

    for (int i = 1; i <= 25; i++) {
        assert_int_equal(claim_order(fixture, id, NULL), CLAIM_STARTED);
        fail_order(fixture, id, i, REASON_PAYMENT_DECLINED, i > 5);
    }
    assert_int_equal(claim_order(fixture, id, NULL), CLAIM_EXHAUSTED);
    assert_int_equal(available(fixture, "a"), 10);
}

static void of_two_claims_of_one_order_in_a_batch_the_first_wins(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 1, NULL, 0);
    struct idempotency with_key = key("k", 1);
    struct saga_claim first = a_claim(fixture, id, &with_key);
    struct saga_claim twin = a_claim(fixture, id, &with_key);
    struct saga_claim other = a_claim(fixture, id, NULL);

    start_claim(fixture, &first);
    start_claim(fixture, &twin);
    start_claim(fixture, &other);
    store_fixture_answer(fixture);
    assert_int_equal(first.result, CLAIM_STARTED);
    assert_int_equal(twin.result, CLAIM_JOIN);
    assert_int_equal(twin.record.order.state, ORDER_CHARGING);
    assert_int_equal(other.result, CLAIM_IN_PROGRESS);
    assert_int_equal(available(fixture, "a"), 9);
}

/* ---- Claim: repeated ---- */

static void a_claim_sent_again_starts_nothing_new(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 3, NULL, 0);
    struct saga_claim claim = a_claim(fixture, id, NULL);

    assert_int_equal(claim_one(fixture, &claim), CLAIM_STARTED);
    assert_int_equal(claim_one(fixture, &claim), CLAIM_STARTED);
    assert_int_equal(claim.record.generation, 1);
    assert_int_equal(claim.record.order.attempt, 1);
    assert_int_equal(available(fixture, "a"), 7);

    store_fixture_exec(fixture, "UPDATE orders SET generation = 2"); /* somebody took it over */
    assert_int_equal(claim_one(fixture, &claim), CLAIM_JOIN);
    fulfill(fixture, id, 2);
    assert_int_equal(claim_one(fixture, &claim), CLAIM_REPLAY);
    assert_int_equal(claim.record.order.state, ORDER_FULFILLED);

    struct saga_claim is_short = a_claim(fixture, an_order(fixture, "a", 99, NULL, 0), NULL);
    assert_int_equal(claim_one(fixture, &is_short), CLAIM_REFUSED);
    assert_int_equal(claim_one(fixture, &is_short), CLAIM_REFUSED);
    assert_int_equal(is_short.record.order.attempt, 1);
}

static void a_key_joins_its_attempt_and_then_repeats_its_outcome(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 1, NULL, 0);
    struct idempotency first = key("k1", 1), second = key("k2", 1), reused = key("k1", 2);

    assert_int_equal(claim_order(fixture, id, &first), CLAIM_STARTED);
    assert_int_equal(claim_order(fixture, id, &first), CLAIM_JOIN);
    assert_int_equal(claim_order(fixture, id, &second), CLAIM_IN_PROGRESS);
    assert_int_equal(claim_order(fixture, id, &reused), CLAIM_KEY_REUSED);
    fail_order(fixture, id, 1, REASON_PAYMENT_DECLINED, true);
    assert_int_equal(claim_order(fixture, id, &second), CLAIM_STARTED); /* another card */
    fulfill(fixture, id, 2);

    struct saga_claim again = a_claim(fixture, id, &first);
    assert_int_equal(claim_one(fixture, &again), CLAIM_REPLAY);
    assert_int_equal(again.record.order.state, ORDER_FAILED);
    assert_int_equal(again.record.order.attempt, 1);
    assert_int_equal(again.record.order.failure.reason, REASON_PAYMENT_DECLINED);
    again = a_claim(fixture, id, &second);
    assert_int_equal(claim_one(fixture, &again), CLAIM_REPLAY);
    assert_int_equal(again.record.order.state, ORDER_FULFILLED);
    assert_string_equal(again.record.order.payment_id, "pi_1");
    assert_string_equal(again.record.order.shipment_id, "ship_1");
    assert_true(again.record.order.fulfill_time_us > 0);
    again = a_claim(fixture, id, NULL);
    assert_int_equal(claim_one(fixture, &again), CLAIM_FULFILLED);
    assert_string_equal(again.record.order.payment_id, "pi_1");
}

static void an_answer_that_invites_a_retry_does_not_bind_its_key(void **state)
{
    static const struct {
        enum reason reason;
        enum claim_result result;
    } cases[] = {
        {REASON_PAYMENT_UNAVAILABLE, CLAIM_STARTED},
        {REASON_DEADLINE_TOO_SHORT, CLAIM_STARTED},
        {REASON_FULFILLMENT_UNAVAILABLE, CLAIM_STARTED},
        {REASON_PAYMENT_DECLINED, CLAIM_REPLAY},
        {REASON_PAYMENT_OUTCOME_UNKNOWN, CLAIM_REPLAY},
        {REASON_PAYMENT_MISCONFIGURED, CLAIM_REPLAY},
    };
    struct store_fixture *fixture = *state;

    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct uuid id = an_order(fixture, "a", 1, NULL, 0);
        char name[] = {'k', (char)('0' + i), '\0'};
        struct idempotency with_key = key(name, 1);
        struct saga_claim again;
        assert_int_equal(claim_order(fixture, id, &with_key), CLAIM_STARTED);
        fail_order(fixture, id, 1, cases[i].reason, false);
        again = a_claim(fixture, id, &with_key);
        assert_int_equal(claim_one(fixture, &again), cases[i].result);
        if (cases[i].result == CLAIM_STARTED)
            fail_order(fixture, id, 2, REASON_PAYMENT_DECLINED, true);
        assert_int_equal(claim_order(fixture, id, &with_key), CLAIM_REPLAY);
    }
}

static void a_key_of_a_created_order_claims_it(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 1, NULL, 0);
    struct idempotency with_key = key("k", 0);

    /* As PlaceOrder leaves it when it dies between its two commits. */
    store_fixture_exec(fixture, "INSERT INTO idempotency SELECT 'alice', 'ProcessOrder', 'k',"
                                " decode(repeat('00', 32), 'hex'), id, NULL, now() FROM orders");
    assert_int_equal(claim_order(fixture, id, &with_key), CLAIM_STARTED);
    assert_int_equal(claim_order(fixture, id, &with_key), CLAIM_JOIN);
}

/* ---- Advance ---- */

static void an_order_goes_through_and_all_of_it_is_recorded(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 2, NULL, 0);

    claim_order(fixture, id, NULL);
    fulfill(fixture, id, 1);
    const struct order *order = get_order(fixture, id);
    assert_int_equal(order->state, ORDER_FULFILLED);
    assert_int_equal(order->revision, 5);
    assert_string_equal(order->payment_id, "pi_1");
    assert_string_equal(order->shipment_id, "ship_1");
    assert_int_equal(order->fulfill_time_us, order->update_time_us);
    assert_int_equal(order->event_count, 4);
    assert_int_equal(available(fixture, "a"), 8);
}

static void an_advance_from_anything_else_than_what_is_stored_changes_nothing(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 1, NULL, 0);

    claim_order(fixture, id, NULL);
    struct saga_advance old = an_advance(fixture, id, 0, ORDER_CHARGING, ORDER_FULFILLING);
    struct saga_advance other = an_advance(fixture, id, 1, ORDER_FULFILLING, ORDER_FULFILLED);
    struct saga_advance unknown =
        an_advance(fixture, store_fixture_id(fixture), 1, ORDER_CHARGING, ORDER_FULFILLING);
    start_advance(fixture, &old);
    start_advance(fixture, &other);
    start_advance(fixture, &unknown);
    store_fixture_answer(fixture);
    assert_int_equal(old.result, ADVANCE_FENCED);
    assert_int_equal(other.result, ADVANCE_FENCED);
    assert_int_equal(unknown.result, ADVANCE_FENCED);
    assert_int_equal(get_order(fixture, id)->revision, 2);
}

static void a_wish_that_came_meanwhile_is_told_and_nothing_changes(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 1, NULL, 0);
    struct failure failure = {.reason = REASON_ORDER_CANCELLED};

    claim_order(fixture, id, NULL);
    wish_cancel(fixture, id);
    assert_int_equal(get_order(fixture, id)->state, ORDER_CHARGING);
    struct saga_advance blind = an_advance(fixture, id, 1, ORDER_CHARGING, ORDER_FULFILLING);
    assert_int_equal(advance_one(fixture, &blind), ADVANCE_CANCEL_WISHED);
    assert_true(blind.cancel_wished);
    assert_int_equal(get_order(fixture, id)->revision, 2);
    struct saga_advance seen = an_advance(fixture, id, 1, ORDER_CHARGING, ORDER_CANCELLED);
    seen.cancel_seen = true;
    seen.release_stock = true;
    seen.failure = &failure;
    assert_int_equal(advance_one(fixture, &seen), ADVANCE_DONE);
    assert_int_equal(get_order(fixture, id)->state, ORDER_CANCELLED);
    assert_int_equal(available(fixture, "a"), 10);
}

static void an_advance_sent_again_is_done_once(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 4, NULL, 0);
    struct failure failure = {.reason = REASON_PAYMENT_DECLINED};

    claim_order(fixture, id, NULL);
    struct saga_advance note = an_advance(fixture, id, 1, ORDER_CHARGING, ORDER_CHARGING);
    note.payment_id = "pi_1";
    for (int i = 0; i < 2; i++) {
        assert_int_equal(advance_one(fixture, &note), ADVANCE_DONE);
        assert_int_equal(note.revision, 3);
    }
    struct saga_advance release = an_advance(fixture, id, 1, ORDER_CHARGING, ORDER_FAILED);
    release.release_stock = true;
    release.failure = &failure;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(advance_one(fixture, &release), ADVANCE_DONE);
        assert_int_equal(release.revision, 4);
        assert_int_equal(available(fixture, "a"), 10);
    }
}

static void the_first_failure_is_kept_and_cleared_when_the_shipment_had_left(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 1, NULL, 0);
    struct failure_metadata metadata[] = {{"declineCode", "\"quoted\"\n"}};
    struct failure first = {.reason = REASON_FULFILLMENT_REJECTED,
                            .message = "Straße unbekannt",
                            .metadata = metadata,
                            .metadata_count = 1};
    struct failure second = {.reason = REASON_PAYMENT_UNAVAILABLE};

    claim_order(fixture, id, NULL);
    struct saga_advance pay = an_advance(fixture, id, 1, ORDER_CHARGING, ORDER_FULFILLING);
    pay.payment_id = "pi_1";
    struct saga_advance refused = an_advance(fixture, id, 1, ORDER_FULFILLING, ORDER_RECALLING);
    refused.failure = &first;
    struct saga_advance again = an_advance(fixture, id, 1, ORDER_RECALLING, ORDER_RECALLING);
    again.failure = &second;
    assert_int_equal(advance_one(fixture, &pay), ADVANCE_DONE);
    assert_int_equal(advance_one(fixture, &refused), ADVANCE_DONE);
    assert_int_equal(advance_one(fixture, &again), ADVANCE_DONE);
    const struct failure *kept = &get_order(fixture, id)->failure;
    assert_int_equal(kept->reason, REASON_FULFILLMENT_REJECTED);
    assert_string_equal(kept->message, "Straße unbekannt");
    assert_string_equal(kept->metadata[0].value, "\"quoted\"\n");
    assert_int_equal(store_fixture_number(fixture, "SELECT invites_retry::int FROM attempt"), 0);

    struct saga_advance left = an_advance(fixture, id, 1, ORDER_RECALLING, ORDER_FULFILLED);
    left.shipment_id = "ship_1";
    left.clear_failure = true;
    assert_int_equal(advance_one(fixture, &left), ADVANCE_DONE);
    assert_int_equal(get_order(fixture, id)->failure.reason, REASON_NONE);
}

static void an_order_without_payment_cannot_be_fulfilled(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 1, NULL, 0);
    struct uuid good = an_order(fixture, "b", 1, NULL, 0);

    claim_order(fixture, id, NULL);
    claim_order(fixture, good, NULL);
    struct saga_advance wrong = an_advance(fixture, id, 1, ORDER_CHARGING, ORDER_FULFILLED);
    struct saga_advance right = an_advance(fixture, good, 1, ORDER_CHARGING, ORDER_FULFILLING);
    start_advance(fixture, &wrong);
    start_advance(fixture, &right);
    store_fixture_answer(fixture);
    assert_int_equal(wrong.call.err.reason, REASON_INTERNAL);
    assert_int_equal(right.call.err.reason, REASON_NONE); /* the bad row stops only itself */
    assert_int_equal(right.result, ADVANCE_DONE);
    assert_int_equal(get_order(fixture, id)->state, ORDER_CHARGING);
}

static void a_stuck_order_rests_and_remembers_where(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 1, NULL, 0);
    struct failure failure = {.reason = REASON_PAYMENT_UNAVAILABLE};

    claim_order(fixture, id, NULL);
    struct saga_advance undo = an_advance(fixture, id, 1, ORDER_CHARGING, ORDER_REFUNDING);
    undo.failure = &failure;
    struct saga_advance stuck = an_advance(fixture, id, 1, ORDER_REFUNDING, ORDER_STUCK);
    assert_int_equal(advance_one(fixture, &undo), ADVANCE_DONE);
    assert_int_equal(advance_one(fixture, &stuck), ADVANCE_DONE);
    assert_int_equal(store_fixture_number(fixture, "SELECT count(*) FROM attempt WHERE outcome ="
                                                   " 'STUCK' AND stuck_state = 'REFUNDING'"
                                                   " AND undo_since IS NOT NULL"),
                     1);
    assert_int_equal(claim_order(fixture, id, NULL), CLAIM_STATE_INVALID);
    store_fixture_exec(fixture, "UPDATE stock SET available = 10"); /* it still holds one */
}

/* ---- Leases ---- */

static struct saga_take_due take_due(struct store_fixture *fixture, uint32_t limit)
{
    struct saga_take_due take = {.limit = limit, .lease_ms = LEASE_MS};
    store_fixture_prepare(fixture, &take.call);
    fixture->saga.base.ops->take_due(&fixture->saga.base, &take);
    store_fixture_answer(fixture);
    assert_int_equal(take.call.err.reason, REASON_NONE);
    return take;
}

static struct saga_renew renew(struct store_fixture *fixture, struct uuid id, int64_t generation)
{
    struct saga_renew renew = {.id = id, .generation = generation, .lease_ms = LEASE_MS};
    store_fixture_prepare(fixture, &renew.call);
    fixture->saga.base.ops->renew(&fixture->saga.base, &renew);
    store_fixture_answer(fixture);
    assert_int_equal(renew.call.err.reason, REASON_NONE);
    return renew;
}

static void only_what_is_due_is_taken_over_and_at_most_the_limit(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid ids[4];

    for (unsigned i = 0; i < 4; i++)
        ids[i] = an_order(fixture, "a", 1, NULL, 0);
    for (unsigned i = 0; i < 3; i++)
        claim_order(fixture, ids[i], NULL);
    assert_int_equal(take_due(fixture, 10).count, 0);
    fulfill(fixture, ids[2], 1);
    store_fixture_exec(fixture, "UPDATE orders SET lease_until = clock_timestamp()"
                                " - revision * interval '1 s' WHERE lease_until IS NOT NULL");

    struct saga_take_due take = take_due(fixture, 1);
    assert_int_equal(take.count, 1);
    assert_int_equal(take.records[0].generation, 2);
    assert_int_equal(take.records[0].order.state, ORDER_CHARGING);
    assert_string_equal(take.records[0].payment_method, "pm_card_visa");
    assert_in_range(take.records[0].lease_left_ms, 1, LEASE_MS);
    assert_int_equal(take_due(fixture, 10).count, 1);
    assert_int_equal(take_due(fixture, 10).count, 0);
}

static void who_was_taken_over_is_fenced(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 1, NULL, 0);

    claim_order(fixture, id, NULL);
    store_fixture_exec(fixture, "UPDATE orders SET lease_until = now() - interval '1 s'");
    assert_int_equal(take_due(fixture, 10).count, 1);
    assert_int_equal(renew(fixture, id, 1).result, ADVANCE_FENCED);
    struct saga_advance late = an_advance(fixture, id, 1, ORDER_CHARGING, ORDER_FULFILLING);
    assert_int_equal(advance_one(fixture, &late), ADVANCE_FENCED);
    struct saga_give_back give = {.id = id, .generation = 1};
    store_fixture_prepare(fixture, &give.call);
    fixture->saga.base.ops->give_back(&fixture->saga.base, &give);
    store_fixture_answer(fixture);
    assert_int_equal(take_due(fixture, 10).count, 0);
    assert_int_equal(renew(fixture, id, 2).result, ADVANCE_DONE);
}

static void a_renewal_brings_the_wish(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 1, NULL, 0);

    claim_order(fixture, id, NULL);
    assert_false(renew(fixture, id, 1).cancel_wished);
    wish_cancel(fixture, id);
    assert_true(renew(fixture, id, 1).cancel_wished);
}

static void what_is_given_back_is_due_at_once(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 1, NULL, 0);
    struct saga_give_back give = {.id = id, .generation = 1};

    claim_order(fixture, id, NULL);
    store_fixture_prepare(fixture, &give.call);
    fixture->saga.base.ops->give_back(&fixture->saga.base, &give);
    store_fixture_answer(fixture);
    assert_int_equal(give.call.err.reason, REASON_NONE);
    assert_int_equal(take_due(fixture, 10).count, 1);
}

static void a_new_owner_continues_the_clocks(void **state)
{
    struct store_fixture *fixture = *state;
    struct uuid id = an_order(fixture, "a", 1, NULL, 0);

    claim_order(fixture, id, NULL);
    struct saga_advance pay = an_advance(fixture, id, 1, ORDER_CHARGING, ORDER_FULFILLING);
    pay.payment_id = "pi_1";
    pay.fulfill_ms = 900000;
    struct saga_advance tried = an_advance(fixture, id, 1, ORDER_FULFILLING, ORDER_FULFILLING);
    tried.tries = 7;
    assert_int_equal(advance_one(fixture, &pay), ADVANCE_DONE);
    assert_int_equal(advance_one(fixture, &tried), ADVANCE_DONE);
    store_fixture_exec(fixture, "UPDATE orders SET lease_until = now() - interval '1 s'");
    store_fixture_exec(fixture, "UPDATE attempt SET forward_until = now() - interval '5 s',"
                                " undo_since = now() - interval '3 s'");
    const struct saga_take_due take = take_due(fixture, 1);
    assert_int_equal(take.records[0].tries, 7);
    assert_true(take.records[0].forward_left_ms <= -5000);
    assert_in_range(take.records[0].fulfill_left_ms, 1, 900000);
    assert_true(take.records[0].undo_age_ms >= 3000);
    assert_string_equal(take.records[0].order.payment_id, "pi_1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_claim_that_may_not_start_leaves_the_order_as_it_was),
        TEST(a_claim_takes_all_lines_and_charges_next),
        TEST(its_steps_can_be_told_from_its_events),
        TEST(a_short_order_fails_at_once_and_names_every_short_line),
        TEST(two_lines_of_one_product_are_summed),
        TEST(an_order_of_a_product_deleted_since_fails),
        TEST(a_batch_is_served_in_order_each_with_all_lines_or_none),
        TEST(fifty_in_stock_are_sold_fifty_times),
        TEST(a_remote_inventory_is_asked_later),
        TEST(what_cannot_be_claimed_is_told),
        TEST(twenty_attempts_may_be_used_and_outages_do_not_count),
        TEST(of_two_claims_of_one_order_in_a_batch_the_first_wins),
        TEST(a_claim_sent_again_starts_nothing_new),
        TEST(a_key_joins_its_attempt_and_then_repeats_its_outcome),
        TEST(an_answer_that_invites_a_retry_does_not_bind_its_key),
        TEST(a_key_of_a_created_order_claims_it),
        TEST(an_order_goes_through_and_all_of_it_is_recorded),
        TEST(an_advance_from_anything_else_than_what_is_stored_changes_nothing),
        TEST(a_wish_that_came_meanwhile_is_told_and_nothing_changes),
        TEST(an_advance_sent_again_is_done_once),
        TEST(the_first_failure_is_kept_and_cleared_when_the_shipment_had_left),
        TEST(an_order_without_payment_cannot_be_fulfilled),
        TEST(a_stuck_order_rests_and_remembers_where),
        TEST(only_what_is_due_is_taken_over_and_at_most_the_limit),
        TEST(who_was_taken_over_is_fenced),
        TEST(a_renewal_brings_the_wish),
        TEST(what_is_given_back_is_due_at_once),
        TEST(a_new_owner_continues_the_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
