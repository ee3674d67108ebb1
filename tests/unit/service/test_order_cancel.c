/* CancelOrder over orders in memory: what is asked, what is told, and to whom. */
#include "order_parts.h"
#include "service_fixture.h"

static Shop__V1__CancelOrderRequest cancel_request(const char *id)
{
    Shop__V1__CancelOrderRequest request;

    shop__v1__cancel_order_request__init(&request);
    request.id = TEXT(id);
    return request;
}

static struct order *stored(struct fixture *fixture, const char *id)
{
    struct uuid uuid;

    assert_true(uuid_parse(id, &uuid));
    return fake_order_store_find(&fixture->orders, &uuid);
}

/* A new order, in a state. */
static const char *order_in(struct fixture *fixture, enum order_state order_state)
{
    struct parts parts;
    const Shop__V1__Order *order;

    if (fake_catalog_store_find(&fixture->catalog, "tea") == NULL)
        fixture_put_products(fixture);
    parts_init(&parts, 1);
    order = fixture_reply(fixture, orders_create_order, &parts.create.base);
    stored(fixture, order->id)->state = order_state;
    return order->id;
}

/* ---- By the state of the order -------------------------------------------------------------- */

static void an_order_nobody_works_on_is_cancelled_at_once(void **state)
{
    struct fixture *fixture = *state;
    static const enum order_state states[] = {ORDER_PENDING, ORDER_FAILED};

    for (size_t i = 0; i < COUNT_OF(states); i++) {
        const char *id = order_in(fixture, states[i]);
        Shop__V1__CancelOrderRequest request = cancel_request(id);
        const Shop__V1__Order *order = fixture_reply(fixture, orders_cancel_order, &request.base);

        assert_string_equal(order->id, id);
        assert_int_equal(order->state, SHOP__V1__ORDER__STATE__CANCELLED);
        assert_int_equal(order->revision, 2);
        assert_string_equal(fixture->call.order_id, id);
    }
    assert_int_equal(fixture->driver.notice_count, 0);
}

static void a_cancelled_order_can_be_cancelled_again(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__CancelOrderRequest request = cancel_request(order_in(fixture, ORDER_PENDING));
    const Shop__V1__Order *order;

    (void)fixture_reply(fixture, orders_cancel_order, &request.base);
    order = fixture_reply(fixture, orders_cancel_order, &request.base);
    assert_int_equal(order->state, SHOP__V1__ORDER__STATE__CANCELLED);
    assert_int_equal(order->revision, 2);
    assert_false(fixture->call.replayed);
}

/* The order is told as it is then, and its driver hears of the wish. */
static void an_order_under_way_is_answered_as_it_is_and_its_driver_is_told(void **state)
{
    struct fixture *fixture = *state;
    static const enum order_state states[] = {ORDER_RESERVING, ORDER_CHARGING,  ORDER_FULFILLING,
                                              ORDER_RECALLING, ORDER_REFUNDING, ORDER_RELEASING};

    for (size_t i = 0; i < COUNT_OF(states); i++) {
        Shop__V1__CancelOrderRequest request = cancel_request(order_in(fixture, states[i]));
        const Shop__V1__Order *order = fixture_reply(fixture, orders_cancel_order, &request.base);

        assert_int_equal(order->state, states[i]);
        assert_int_equal(fixture->driver.notice_count, i + 1);
        assert_true(uuid_equal(&fixture->driver.noticed_id, &stored(fixture, request.id)->id));
    }
}

static void the_wish_for_a_stuck_order_is_kept_for_the_person_who_looks(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__CancelOrderRequest request = cancel_request(order_in(fixture, ORDER_STUCK));
    const Shop__V1__Order *order = fixture_reply(fixture, orders_cancel_order, &request.base);

    assert_int_equal(order->state, SHOP__V1__ORDER__STATE__STUCK);
    assert_int_equal(fixture->driver.notice_count, 0);
}

static void a_fulfilled_order_is_refused_and_says_why(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__CancelOrderRequest request = cancel_request(order_in(fixture, ORDER_FULFILLED));
    const struct error_detail *detail;

    fixture_refuses(fixture, orders_cancel_order, &request.base, REASON_ORDER_STATE_INVALID);
    assert_string_equal(fixture_metadata(fixture, "orderId"), request.id);
    assert_string_equal(fixture_metadata(fixture, "state"), "FULFILLED");
    detail = fixture->call.err.details;
    while (detail != NULL && detail->kind != DETAIL_PRECONDITION)
        detail = detail->next;
    assert_non_null(detail);
    assert_string_equal(detail->a, "ORDER_STATE_INVALID");
    assert_string_equal(detail->b, request.id);
    assert_int_equal(fixture->driver.notice_count, 0);
}

/* ---- Keys ----------------------------------------------------------------------------------- */

static void a_repeated_key_is_answered_with_the_order_as_it_is_now(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__CancelOrderRequest request = cancel_request(order_in(fixture, ORDER_FULFILLING));
    const Shop__V1__Order *order;

    request.request_id = TEXT("key");
    (void)fixture_reply(fixture, orders_cancel_order, &request.base);
    assert_false(fixture->call.replayed);
    stored(fixture, request.id)->state = ORDER_FULFILLED; /* it had left */
    order = fixture_reply(fixture, orders_cancel_order, &request.base);
    assert_int_equal(order->state, SHOP__V1__ORDER__STATE__FULFILLED);
    assert_true(fixture->call.replayed);
}

static void a_key_is_for_one_order(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__CancelOrderRequest request = cancel_request(order_in(fixture, ORDER_PENDING));
    const char *other;

    request.request_id = TEXT("key");
    (void)fixture_reply(fixture, orders_cancel_order, &request.base);
    fake_clock_advance(&fixture->clock, 5);
    other = order_in(fixture, ORDER_PENDING);
    request.id = TEXT(other);
    fixture_refuses(fixture, orders_cancel_order, &request.base, REASON_REQUEST_ID_REUSED);
    assert_int_equal(stored(fixture, other)->state, ORDER_PENDING);
}

static void a_key_that_was_refused_is_free_for_another_order(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__CancelOrderRequest request = cancel_request(order_in(fixture, ORDER_FULFILLED));

    request.request_id = TEXT("key");
    fixture_refuses(fixture, orders_cancel_order, &request.base, REASON_ORDER_STATE_INVALID);
    fake_clock_advance(&fixture->clock, 5);
    request.id = TEXT(order_in(fixture, ORDER_PENDING));
    (void)fixture_reply(fixture, orders_cancel_order, &request.base);
    assert_false(fixture->call.replayed);
}

/* ---- What is no order ------------------------------------------------------------------------ */

static void an_order_that_does_not_exist_or_is_anothers_is_not_found(void **state)
{
    struct fixture *fixture = *state;
    const char *id = order_in(fixture, ORDER_PENDING);
    Shop__V1__CancelOrderRequest request = cancel_request("0190b0f0-0000-7000-8000-000000000001");

    fixture_refuses(fixture, orders_cancel_order, &request.base, REASON_ORDER_NOT_FOUND);
    assert_true(fixture_names_resource(fixture, "shop.v1.Order", request.id));
    assert_string_equal(fixture_metadata(fixture, "orderId"), request.id);
    request.id = TEXT(id);
    fixture->call.caller = "another";
    fixture_refuses(fixture, orders_cancel_order, &request.base, REASON_ORDER_NOT_FOUND);
    assert_int_equal(stored(fixture, id)->state, ORDER_PENDING);
}

static void a_malformed_id_is_not_found_and_what_is_missing_or_no_key_is_invalid(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__CancelOrderRequest request = cancel_request("no-order");

    fixture_refuses(fixture, orders_cancel_order, &request.base, REASON_ORDER_NOT_FOUND);
    assert_true(fixture_names_resource(fixture, "shop.v1.Order", "no-order"));
    request.id = TEXT("");
    request.request_id = TEXT("with space");
    fixture_refuses(fixture, orders_cancel_order, &request.base, REASON_REQUEST_INVALID);
    assert_string_equal(fixture_violation(fixture, "id"), "is required");
    assert_non_null(fixture_violation(fixture, "request_id"));
    assert_int_equal(fixture->orders.completion.call_count, 0);
}

/* ---- When the database is away ---------------------------------------------------------------- */

static void a_wish_of_unknown_fate_invites_to_repeat_it(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__CancelOrderRequest request = cancel_request(order_in(fixture, ORDER_CHARGING));

    error_set(&fixture->orders.completion.fail_next, REASON_STORE_UNAVAILABLE);
    fixture->orders.completion.fail_maybe_done = true;
    fixture_refuses(fixture, orders_cancel_order, &request.base, REASON_STORE_UNAVAILABLE);
    assert_string_equal(fixture_metadata(fixture, "orderId"), request.id);
    assert_int_equal(fixture->driver.notice_count, 0);
}

static void it_answers_without_an_arena(void **state)
{
    struct fixture *fixture = *state;
    struct arena *arena = fixture->call.arena;

    fixture->call.arena = NULL;
    fixture_refuses(fixture, orders_cancel_order, NULL, REASON_OUT_OF_MEMORY);
    fixture->call.arena = arena;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_order_nobody_works_on_is_cancelled_at_once),
        TEST(a_cancelled_order_can_be_cancelled_again),
        TEST(an_order_under_way_is_answered_as_it_is_and_its_driver_is_told),
        TEST(the_wish_for_a_stuck_order_is_kept_for_the_person_who_looks),
        TEST(a_fulfilled_order_is_refused_and_says_why),
        TEST(a_repeated_key_is_answered_with_the_order_as_it_is_now),
        TEST(a_key_is_for_one_order),
        TEST(a_key_that_was_refused_is_free_for_another_order),
        TEST(an_order_that_does_not_exist_or_is_anothers_is_not_found),
        TEST(a_malformed_id_is_not_found_and_what_is_missing_or_no_key_is_invalid),
        TEST(a_wish_of_unknown_fate_invites_to_repeat_it),
        TEST(it_answers_without_an_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
