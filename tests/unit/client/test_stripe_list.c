/* Pages of a provider's list: read whole, or not believed. */
#include "client/stripe_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define ORDER_ID "017f22e2-79b0-7000-8000-000000000000"
#define CHARGE(refunded) "{\"id\":\"ch_1\",\"amount_refunded\":" refunded "}"
#define PAYMENT(id, received, charge, metadata)                                \
    "{\"id\":\"" id "\",\"amount\":4200,\"amount_received\":" received         \
    ",\"currency\":\"eur\",\"status\":\"succeeded\",\"latest_charge\":" charge \
    ",\"metadata\":" metadata "}"
#define UNPAID(currency) \
    "{\"id\":\"pi_1\",\"amount\":4200,\"amount_received\":0,\"currency\":" currency "}"
#define OURS "{\"order_id\":\"" ORDER_ID "\",\"attempt\":\"3\"}"
#define PAGE(data, has_more) "{\"object\":\"list\",\"data\":[" data "],\"has_more\":" has_more "}"

static struct payment_list_call call;

static int setup(void **state)
{
    call = (struct payment_list_call){.effect.arena = arena_new((size_t)64 * 1024)};
    return 0;
}

static int teardown(void **state)
{
    arena_free(call.effect.arena);
    return 0;
}

static enum effect_result read_list(int status, const char *body)
{
    const struct stripe_answer answer = {.status = status, .body = body, .body_size = strlen(body)};

    stripe_list_read(&answer, &call);
    return call.effect.result;
}

static void a_page_tells_amounts_refunds_and_orders(void **state)
{
    char order_id[UUID_TEXT_SIZE];

    assert_int_equal(read_list(200, PAGE(PAYMENT("pi_1", "4200", CHARGE("100"),
                                                 OURS) "," PAYMENT("pi_2", "0", "null", "{}"),
                                         "true")),
                     EFFECT_DONE);
    assert_int_equal(call.count, 2);
    assert_true(call.has_more);
    assert_string_equal(call.payments[0].id, "pi_1");
    assert_int_equal(call.payments[0].amount.minor, 4200);
    assert_string_equal(call.payments[0].amount.currency, "EUR");
    assert_int_equal(call.payments[0].received, 4200);
    assert_int_equal(call.payments[0].refunded, 100);
    uuid_format(&call.payments[0].order_id, order_id);
    assert_string_equal(order_id, ORDER_ID);
    assert_int_equal(call.payments[1].received, 0);
    assert_true(uuid_is_zero(&call.payments[1].order_id));
}

static void a_payment_of_somebody_else_names_no_order(void **state)
{
    static const char *const pages[] = {
        PAGE(PAYMENT("pi_1", "4200", CHARGE("0"), "{\"order_id\":\"7\"}"), "false"),
        PAGE(PAYMENT("pi_1", "4200", CHARGE("0"), "null"), "false"),
        PAGE(PAYMENT("pi_1", "4200", CHARGE("0"), "{\"order_id\":7}"), "false"),
    };
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        assert_int_equal(read_list(200, pages[i]), EFFECT_DONE);
        assert_true(uuid_is_zero(&call.payments[0].order_id));
    }
}

static void an_empty_page_is_a_page(void **state)
{
    assert_int_equal(read_list(200, PAGE("", "false")), EFFECT_DONE);
    assert_int_equal(call.count, 0);
    assert_false(call.has_more);
}

static void what_is_not_as_expected_is_not_believed(void **state)
{
    static const char *const bodies[] = {
        "",
        "[]",
        "{}",
        "{\"data\":[]}",
        "{\"data\":{},\"has_more\":false}",
        PAGE("", "true"),
        PAGE("7", "false"),
        PAGE(PAYMENT("", "4200", CHARGE("0"), OURS), "false"),
        PAGE(PAYMENT("pi 1", "4200", CHARGE("0"), OURS), "false"),
        PAGE(PAYMENT("pi_1", "-1", CHARGE("0"), OURS), "false"),
        PAGE(PAYMENT("pi_1", "1.5", CHARGE("0"), OURS), "false"),
        PAGE(PAYMENT("pi_1", "4200", "\"ch_1\"", OURS), "false"), /* not shown as it was asked */
        PAGE(PAYMENT("pi_1", "4200", "null", OURS), "false"),
        PAGE(PAYMENT("pi_1", "4200", CHARGE("null"), OURS), "false"),
        PAGE(PAYMENT("pi_1", "4200", CHARGE("-1"), OURS), "false"),
        PAGE(UNPAID("\"eur\"") "," UNPAID("null"), "false"),
        PAGE(UNPAID("\"euro\""), "false"),
        PAGE(UNPAID("\"e r\""), "false"),
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        if (read_list(200, bodies[i]) != EFFECT_UNKNOWN)
            fail_msg("%s", bodies[i]);
        assert_int_equal(call.count, 0);
        assert_int_equal(call.effect.err.reason, REASON_PAYMENT_UNAVAILABLE);
    }
}

static void other_statuses_are_no_page(void **state)
{
    assert_int_equal(read_list(500, PAGE("", "false")), EFFECT_UNKNOWN);
    assert_int_equal(read_list(401, "{}"), EFFECT_UNKNOWN);
    assert_int_equal(read_list(429, PAGE("", "false")), EFFECT_NOT_REACHED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_page_tells_amounts_refunds_and_orders),
        TEST(a_payment_of_somebody_else_names_no_order),
        TEST(an_empty_page_is_a_page),
        TEST(what_is_not_as_expected_is_not_believed),
        TEST(other_statuses_are_no_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
