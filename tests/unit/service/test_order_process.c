/* ProcessOrder and PlaceOrder over orders in memory and a saga driver that answers as told. */
#include "order_parts.h"
#include "service_fixture.h"

#include "base/limits.h"

/* ---- ProcessOrder -------------------------------------------------------------------------- */

static Shop__V1__ProcessOrderRequest process_request(const char *id)
{
    Shop__V1__ProcessOrderRequest request;

    shop__v1__process_order_request__init(&request);
    request.id = TEXT(id);
    request.payment_method = TEXT("pm_card_visa");
    return request;
}

static const char order_id[] = "0190b0f0-0000-7000-8000-000000000001";

static void a_processed_order_is_confirmed(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__ProcessOrderRequest request = process_request(order_id);
    const Shop__V1__OrderConfirmation *reply;

    request.request_id = TEXT("key");
    fixture->call.deadline_ms = fixture->clock.now_ms + 5000;
    reply = fixture_reply(fixture, orders_process_order, &request.base);
    assert_string_equal(reply->order_id, order_id);
    assert_int_equal(reply->total->units, 10);
    assert_string_equal(reply->payment_id, "pi_1");
    assert_string_equal(reply->shipment_id, "sh_1");
    assert_int_equal(reply->fulfill_time->seconds, 1700000000);
    assert_string_equal(fixture->call.order_id, order_id);

    assert_string_equal(fixture->driver.payment_method, "pm_card_visa");
    assert_string_equal(fixture->driver.method, "ProcessOrder");
    assert_string_equal(fixture->driver.request_id, "key");
    assert_int_equal(fixture->driver.deadline_ms - fixture->driver.answer_by_ms, 50);
    assert_false(fixture->driver.order_is_new);
}

static void a_repeated_answer_says_so(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__ProcessOrderRequest request = process_request(order_id);

    fixture->driver.replayed = true;
    (void)fixture_reply(fixture, orders_process_order, &request.base);
    assert_true(fixture->call.replayed);
}

static void a_repeated_refusal_says_so_too(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__ProcessOrderRequest request = process_request(order_id);

    fixture->driver.replayed = true;
    fixture->driver.refuse_with = REASON_PAYMENT_DECLINED;
    fixture_refuses(fixture, orders_process_order, &request.base, REASON_PAYMENT_DECLINED);
    assert_true(fixture->call.replayed);
}

static void a_refused_order_names_itself(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__ProcessOrderRequest request = process_request(order_id);

    fixture->driver.refuse_with = REASON_OUT_OF_STOCK;
    fixture_refuses(fixture, orders_process_order, &request.base, REASON_OUT_OF_STOCK);
    assert_string_equal(fixture_metadata(fixture, "orderId"), order_id);
    fixture->driver.refuse_with = REASON_ORDER_NOT_FOUND;
    fixture_refuses(fixture, orders_process_order, &request.base, REASON_ORDER_NOT_FOUND);
    assert_true(fixture_names_resource(fixture, "shop.v1.Order", order_id));
}

static void a_payment_method_is_a_token_and_never_a_card_number(void **state)
{
    struct fixture *fixture = *state;
    char longest[LIMIT_PAYMENT_METHOD_LEN + 2];
    const char *const refused[] = {
        "", "two words", "pm\n", "4242424242424242", "424242424242", "4242-4242-4242-4242"};

    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        Shop__V1__ProcessOrderRequest request = process_request(order_id);
        request.payment_method = TEXT(refused[i]);
        fixture_refuses(fixture, orders_process_order, &request.base, REASON_REQUEST_INVALID);
        assert_non_null(fixture_violation(fixture, "payment_method"));
        assert_null(strstr(fixture_violation(fixture, "payment_method"), "4242"));
    }
    for (size_t len = LIMIT_PAYMENT_METHOD_LEN; len <= LIMIT_PAYMENT_METHOD_LEN + 1; len++) {
        Shop__V1__ProcessOrderRequest request = process_request(order_id);
        memset(longest, 'p', len);
        longest[len] = '\0';
        request.payment_method = longest;
        fixture_run(fixture, orders_process_order, &request.base);
        assert_int_equal(error_is_set(&fixture->call.err), len > LIMIT_PAYMENT_METHOD_LEN);
    }
    assert_int_equal(fixture->driver.process_count, 1);
}

static void a_malformed_order_is_not_processed(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__ProcessOrderRequest request = process_request("42");

    fixture_refuses(fixture, orders_process_order, &request.base, REASON_ORDER_NOT_FOUND);
    request.payment_method = TEXT("");
    fixture_refuses(fixture, orders_process_order, &request.base, REASON_REQUEST_INVALID);
    request = process_request("");
    fixture_refuses(fixture, orders_process_order, &request.base, REASON_REQUEST_INVALID);
    assert_non_null(fixture_violation(fixture, "id"));
    assert_int_equal(fixture->driver.process_count, 0);
}

/* ---- PlaceOrder ---------------------------------------------------------------------------- */

static void a_placed_order_is_created_and_processed_under_one_key(void **state)
{
    struct fixture *fixture = *state;
    struct parts parts;
    const Shop__V1__OrderConfirmation *reply;
    char id[UUID_TEXT_SIZE];

    fixture_put_products(fixture);
    parts_init(&parts, 1);
    reply = fixture_reply(fixture, orders_place_order, &parts.place.base);
    uuid_format(&fixture->orders.rows[0]->id, id);
    assert_string_equal(reply->order_id, id);
    assert_true(fixture->driver.order_is_new);
    assert_string_equal(fixture->driver.method, "PlaceOrder");
    assert_string_equal(fixture->driver.request_id, "key-1");
    assert_string_equal(fixture->driver.payment_method, "pm_card_visa");
}

static void a_repeated_place_order_orders_once(void **state)
{
    struct fixture *fixture = *state;
    struct parts parts;

    fixture_put_products(fixture);
    parts_init(&parts, 1);
    (void)fixture_reply(fixture, orders_place_order, &parts.place.base);
    (void)fixture_reply(fixture, orders_place_order, &parts.place.base);
    assert_int_equal(fixture->orders.count, 1);
    assert_int_equal(fixture->driver.process_count, 2);
    assert_false(fixture->driver.order_is_new);
    assert_true(uuid_equal(&fixture->driver.order_id, &fixture->orders.rows[0]->id));
    parts.place.payment_method = TEXT("pm_other");
    fixture_refuses(fixture, orders_place_order, &parts.place.base, REASON_REQUEST_ID_REUSED);
    assert_int_equal(fixture->driver.process_count, 2);
}

static void place_order_requires_a_request_id(void **state)
{
    struct fixture *fixture = *state;
    struct parts parts;

    parts_init(&parts, 1);
    parts.place.request_id = TEXT("");
    parts.place.payment_method = TEXT("");
    fixture_refuses(fixture, orders_place_order, &parts.place.base, REASON_REQUEST_INVALID);
    assert_string_equal(fixture_violation(fixture, "request_id"), "is required");
    assert_non_null(fixture_violation(fixture, "payment_method"));
}

static void from_the_moment_the_order_exists_errors_name_it(void **state)
{
    struct fixture *fixture = *state;
    struct parts parts;
    char id[UUID_TEXT_SIZE];

    parts_init(&parts, 1);
    fixture_refuses(fixture, orders_place_order, &parts.place.base, REASON_PRODUCT_NOT_FOUND);
    assert_null(fixture_metadata(fixture, "orderId"));
    assert_null(fixture->call.order_id);

    fixture_put_products(fixture);
    fixture->driver.refuse_with = REASON_PAYMENT_OUTCOME_UNKNOWN;
    fixture_refuses(fixture, orders_place_order, &parts.place.base, REASON_PAYMENT_OUTCOME_UNKNOWN);
    uuid_format(&fixture->orders.rows[0]->id, id);
    assert_string_equal(fixture_metadata(fixture, "orderId"), id);
    assert_string_equal(fixture->call.order_id, id);
}

static void with_less_than_a_second_left_nothing_new_is_created(void **state)
{
    struct fixture *fixture = *state;
    struct parts parts;

    fixture_put_products(fixture);
    parts_init(&parts, 1);
    fixture->call.deadline_ms = fixture->clock.now_ms + 999;
    fixture_refuses(fixture, orders_place_order, &parts.place.base, REASON_DEADLINE_TOO_SHORT);
    assert_int_equal(fixture->orders.count, 0);
    assert_int_equal(fixture->driver.process_count, 0);

    fixture->call.deadline_ms = fixture->clock.now_ms + 1000;
    (void)fixture_reply(fixture, orders_place_order, &parts.place.base);
    assert_int_equal(fixture->orders.count, 1);
}

static void a_repeat_is_answered_however_little_time_is_left(void **state)
{
    struct fixture *fixture = *state;
    struct parts parts;

    fixture_put_products(fixture);
    parts_init(&parts, 1);
    (void)fixture_reply(fixture, orders_place_order, &parts.place.base);
    fixture->call.deadline_ms = fixture->clock.now_ms + 100;
    fixture->driver.replayed = true;
    (void)fixture_reply(fixture, orders_place_order, &parts.place.base);
    assert_true(fixture->call.replayed);
    assert_int_equal(fixture->orders.count, 1);
}

/* Whatever allocation is the one that fails, the call is answered once. */
static void a_full_arena_is_an_answer_at_every_point(void **state)
{
    struct fixture *fixture = *state;
    struct arena *arena = fixture->call.arena;
    Shop__V1__ProcessOrderRequest request = process_request(order_id);
    bool has_succeeded = false;

    request.request_id = TEXT("key");
    for (size_t size = 0; size < 64 * 1024 && !has_succeeded; size += 64) {
        fixture->call.arena = arena_new(size);
        assert_non_null(fixture->call.arena);
        /* The fake driver needs memory of its own for the confirmation. */
        fixture->driver.refuse_with = REASON_PAYMENT_DECLINED;
        fixture_run(fixture, orders_process_order, &request.base);
        assert_true(error_is_set(&fixture->call.err));
        has_succeeded = fixture->call.err.reason == REASON_PAYMENT_DECLINED;
        if (!has_succeeded)
            assert_int_equal(fixture->call.err.reason, REASON_OUT_OF_MEMORY);
        arena_free(fixture->call.arena);
    }
    fixture->call.arena = arena;
    assert_true(has_succeeded);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_processed_order_is_confirmed),
        TEST(a_repeated_answer_says_so),
        TEST(a_repeated_refusal_says_so_too),
        TEST(a_refused_order_names_itself),
        TEST(a_payment_method_is_a_token_and_never_a_card_number),
        TEST(a_malformed_order_is_not_processed),
        TEST(a_placed_order_is_created_and_processed_under_one_key),
        TEST(a_repeated_place_order_orders_once),
        TEST(place_order_requires_a_request_id),
        TEST(from_the_moment_the_order_exists_errors_name_it),
        TEST(with_less_than_a_second_left_nothing_new_is_created),
        TEST(a_repeat_is_answered_however_little_time_is_left),
        TEST(a_full_arena_is_an_answer_at_every_point),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
