/* Payments against orders, over PostgreSQL. */
#include "store_fixture.h"

#include "observe/metrics.h"
#include "store/sample_pg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

enum {
    SETTLED_MS = 1000
};
#define NONE DIFFERENCE_KIND_COUNT

/* ---- Helpers ---- */

/* An order of 4200 EUR with one attempt, which has rested for an hour. */
static struct uuid put_order(struct store_fixture *store, const char *state, const char *outcome,
                             const char *payment_id)
{
    struct uuid id = store_fixture_id(store);
    char text[UUID_TEXT_SIZE];

    uuid_format(&id, text);
    store_fixture_exec(
        store,
        "INSERT INTO orders (id, caller, customer_id, line_product, line_quantity, line_name,"
        " line_price_minor, ship_recipient, ship_lines, ship_postal_code, ship_locality, ship_area,"
        " ship_region, total_minor, currency, state, attempt, generation, lease_until, create_time,"
        " update_time) VALUES ('%s', 'alice', 'c', '{a}', '{1}', '{a}', '{4200}', 'r', '{l}', '',"
        " '', '', 'DE', 4200, 'EUR', '%s', 1, 1, now(), now(), now() - interval '1 hour');"
        " INSERT INTO attempt (order_id, attempt, claim_token, claim_generation, payment_method,"
        " forward_until, payment_id, shipment_id, failure, stuck_state, outcome, fulfill_time)"
        " VALUES ('%s', 1, gen_random_uuid(), 1, 'pm', now(), '%s', 's',"
        " CASE '%s' WHEN 'FULFILLED' THEN NULL ELSE '{\"reason\": \"INTERNAL\"}'::jsonb END,"
        " 'REFUNDING', nullif('%s', ''), now())",
        text, state, text, payment_id, outcome, outcome);
    return id;
}

static struct payment_listed a_payment(struct uuid order_id, const char *id, int64_t received,
                                       int64_t refunded)
{
    return (struct payment_listed){.id = id,
                                   .order_id = order_id,
                                   .amount = {4200, "EUR"},
                                   .received = received,
                                   .refunded = refunded};
}

/* NONE: they agree. */
static enum difference_kind difference_of(struct store_fixture *store,
                                          const struct payment_listed *payment)
{
    struct reconcile_compare compare = {.payments = payment, .count = 1, .settled_ms = SETTLED_MS};

    store_fixture_prepare(store, &compare.call);
    store->reconcile.base.ops->compare(&store->reconcile.base, &compare);
    store_fixture_answer(store);
    assert_int_equal(compare.call.err.reason, REASON_NONE);
    assert_in_range(compare.difference_count, 0, 1);
    return compare.difference_count == 0 ? NONE : compare.differences[0].kind;
}

/* ---- Comparing ---- */

static void payments_are_compared_with_what_became_of_their_orders(void **state)
{
    static const struct {
        const char *state, *outcome, *payment_id;
        int64_t received, refunded;
        enum difference_kind kind;
    } cases[] = {
        {"FULFILLED", "FULFILLED", "pi_1", 4200, 0, NONE},
        {"FULFILLED", "FULFILLED", "pi_1", 4200, 1, DIFFERENCE_NOT_PAID},
        {"FULFILLED", "FULFILLED", "pi_1", 0, 0, DIFFERENCE_NOT_PAID},
        {"FULFILLED", "FULFILLED", "pi_2", 4200, 0, DIFFERENCE_NOT_WRITTEN_DOWN},
        {"FULFILLED", "FULFILLED", "pi_2", 4200, 4200, DIFFERENCE_NOT_WRITTEN_DOWN},
        {"FULFILLED", "FULFILLED", "pi_2", 0, 0, NONE}, /* opened twice, confirmed once */
        {"FAILED", "FAILED", "pi_1", 4200, 4200, NONE},
        {"FAILED", "FAILED", "pi_1", 4200, 4199, DIFFERENCE_KEPT},
        {"FAILED", "FAILED", "pi_1", 0, 0, NONE},
        {"CANCELLED", "FAILED", "pi_1", 4200, 0, DIFFERENCE_KEPT},
        {"STUCK", "STUCK", "pi_1", 4200, 0, NONE},
        {"REFUNDING", "", "pi_1", 4200, 0, NONE},
        {"CHARGING", "", "pi_2", 4200, 0, NONE},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct uuid id = put_order(*state, cases[i].state, cases[i].outcome, "pi_1");
        struct payment_listed payment =
            a_payment(id, cases[i].payment_id, cases[i].received, cases[i].refunded);
        enum difference_kind kind = difference_of(*state, &payment);
        if (kind != cases[i].kind)
            fail_msg("case %u: %d", i, (int)kind);
    }
}

static void amount_and_currency_have_to_be_those_of_the_order(void **state)
{
    struct uuid id = put_order(*state, "FULFILLED", "FULFILLED", "pi_1");
    struct payment_listed payment = a_payment(id, "pi_1", 4200, 0);

    payment.amount.minor = 4201;
    assert_int_equal(difference_of(*state, &payment), DIFFERENCE_AMOUNT);
    payment.amount = (struct money){4200, "USD"};
    assert_int_equal(difference_of(*state, &payment), DIFFERENCE_AMOUNT);
}

static void an_order_that_has_just_come_to_rest_is_not_compared(void **state)
{
    struct uuid id = put_order(*state, "FAILED", "FAILED", "pi_1");
    struct payment_listed payment = a_payment(id, "pi_1", 4200, 0);

    store_fixture_exec(*state, "UPDATE orders SET update_time = now() + interval '1 minute'");
    assert_int_equal(difference_of(*state, &payment), NONE);
}

static void money_of_no_order_differs_and_an_open_payment_does_not(void **state)
{
    struct uuid id = store_fixture_id(*state);
    struct payment_listed taken = a_payment(id, "pi_1", 4200, 0);
    struct payment_listed given_back = a_payment(id, "pi_1", 4200, 4200);
    struct payment_listed open = a_payment(id, "pi_1", 0, 0);

    assert_int_equal(difference_of(*state, &taken), DIFFERENCE_NO_ORDER);
    assert_int_equal(difference_of(*state, &given_back), NONE);
    assert_int_equal(difference_of(*state, &open), NONE);
}

static void a_page_tells_which_of_its_payments_differ(void **state)
{
    struct store_fixture *store = *state;
    struct uuid good = put_order(store, "FULFILLED", "FULFILLED", "pi_1");
    struct uuid bad = put_order(store, "FAILED", "FAILED", "pi_2");
    const struct payment_listed payments[] = {a_payment(good, "pi_1", 4200, 0),
                                              a_payment(bad, "pi_2", 4200, 0),
                                              a_payment(store_fixture_id(store), "pi_3", 4200, 0)};
    struct reconcile_compare compare = {
        .payments = payments, .count = COUNT_OF(payments), .settled_ms = SETTLED_MS};

    store_fixture_prepare(store, &compare.call);
    store->reconcile.base.ops->compare(&store->reconcile.base, &compare);
    store_fixture_answer(store);
    assert_int_equal(compare.difference_count, 2);
    for (uint32_t i = 0; i < compare.difference_count; i++) {
        const bool is_bad = strcmp(compare.differences[i].payment_id, "pi_2") == 0;
        assert_int_equal(compare.differences[i].kind,
                         is_bad ? DIFFERENCE_KEPT : DIFFERENCE_NO_ORDER);
        assert_int_equal(uuid_equal(&compare.differences[i].order_id, &bad), is_bad);
    }
}

static void orders_come_page_by_page_with_the_payments_of_those_that_are_fulfilled(void **state)
{
    struct store_fixture *store = *state;
    struct reconcile_orders page = {.limit = 2, .settled_ms = SETTLED_MS};
    struct reconcile_orders next = {.limit = 2, .settled_ms = SETTLED_MS};

    put_order(store, "FULFILLED", "FULFILLED", "pi_1");
    put_order(store, "FAILED", "FAILED", "pi_2");
    put_order(store, "FULFILLED", "FULFILLED", "pi_3");
    store_fixture_prepare(store, &page.call);
    store->reconcile.base.ops->orders(&store->reconcile.base, &page);
    store_fixture_answer(store);
    assert_int_equal(page.count, 2);
    assert_string_equal(page.orders[0].payment_id, "pi_1");
    assert_null(page.orders[1].payment_id);

    next.after_id = page.orders[1].id;
    store_fixture_prepare(store, &next.call);
    store->reconcile.base.ops->orders(&store->reconcile.base, &next);
    store_fixture_answer(store);
    assert_int_equal(next.count, 1);
    assert_string_equal(next.orders[0].payment_id, "pi_3");

    struct reconcile_orders young = {.limit = 2, .since_s = INT64_C(4000000000)};
    store_fixture_prepare(store, &young.call);
    store->reconcile.base.ops->orders(&store->reconcile.base, &young);
    store_fixture_answer(store);
    assert_int_equal(young.count, 0);
}

/* ---- Runs ---- */

static bool take(struct store_fixture *store, int64_t every_ms)
{
    struct reconcile_take take = {.every_ms = every_ms};

    store_fixture_prepare(store, &take.call);
    store->reconcile.base.ops->take(&store->reconcile.base, &take);
    store_fixture_answer(store);
    assert_int_equal(take.call.err.reason, REASON_NONE);
    assert_true(take.now_s > 1700000000);
    return take.taken;
}

static void a_run_is_taken_once_until_the_next_is_due(void **state)
{
    assert_true(take(*state, 3600 * 1000));
    assert_false(take(*state, 3600 * 1000));
    store_fixture_exec(*state, "UPDATE reconciliation SET next_time = now() - interval '1 second'");
    assert_true(take(*state, 3600 * 1000));
}

/* What a run found is told by the gauges of every replica. */
static void the_outcome_of_a_run_becomes_gauges(void **state)
{
    struct store_fixture *store = *state;
    struct reconcile_finish finish = {.counts = {1, 2, 3, 4, 5, 6}};
    struct sample_pg sample;

    sample_pg_register_metrics();
    store_fixture_prepare(store, &finish.call);
    store->reconcile.base.ops->finish(&store->reconcile.base, &finish);
    store_fixture_answer(store);

    put_order(store, "STUCK", "STUCK", "pi_1");
    put_order(store, "REFUNDING", "", "pi_2");
    store_fixture_exec(store, "UPDATE attempt SET begin_time = now() - interval '90 seconds'");
    assert_true(sample_pg_init(&sample, store->pool, loop_clock(store->loop)));
    sample_pg_start(&sample);
    struct reconcile_take asked = {.every_ms = 1};
    do { /* each answer turns the loop */
        store_fixture_prepare(store, &asked.call);
        store->reconcile.base.ops->take(&store->reconcile.base, &asked);
        store_fixture_answer(store);
    } while (metrics_get(METRIC_ORDERS_STUCK_NOW, 0) == 0);
    sample_pg_stop(&sample);
    for (unsigned kind = 0; kind < DIFFERENCE_KIND_COUNT; kind++)
        assert_int_equal(metrics_get(METRIC_DIFFERENCES, kind), kind + 1);
    assert_true(metrics_get(METRIC_RECONCILED, 0) > 1700000000);
    assert_int_equal(metrics_get(METRIC_ORDERS_STUCK_NOW, 0), 1);
    assert_int_equal(metrics_get(METRIC_ORDERS_UNDOING, 0), 1);
    assert_in_range(metrics_get(METRIC_ORDERS_OLDEST, 0), 89, 600);
    sample_pg_deinit(&sample);
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(payments_are_compared_with_what_became_of_their_orders),
        TEST(amount_and_currency_have_to_be_those_of_the_order),
        TEST(an_order_that_has_just_come_to_rest_is_not_compared),
        TEST(money_of_no_order_differs_and_an_open_payment_does_not),
        TEST(a_page_tells_which_of_its_payments_differ),
        TEST(orders_come_page_by_page_with_the_payments_of_those_that_are_fulfilled),
        TEST(a_run_is_taken_once_until_the_next_is_due),
        TEST(the_outcome_of_a_run_becomes_gauges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
