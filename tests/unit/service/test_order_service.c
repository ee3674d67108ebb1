/* shop.v1.Orders over orders in memory: creating, reading, listing. */
#include "order_parts.h"
#include "service_fixture.h"

#include "base/limits.h"

static const char *create(struct fixture *fixture, const char *customer_id)
{
    struct parts parts;
    const Shop__V1__Order *order;

    parts_init(&parts, 1);
    parts.create.customer_id = TEXT(customer_id);
    order = fixture_reply(fixture, orders_create_order, &parts.create.base);
    fake_clock_advance(&fixture->clock, 5); /* ids are ordered by the millisecond */
    return order->id;
}

/* ---- CreateOrder --------------------------------------------------------------------------- */

static void a_created_order_is_priced_from_the_catalogue(void **state)
{
    struct fixture *fixture = *state;
    struct parts parts;
    const Shop__V1__Order *order;

    fixture_put_products(fixture);
    parts_init(&parts, 2);
    parts.line_rows[0].quantity = 3;
    parts.line_rows[0].name = TEXT("ignored"); /* output only */
    parts.line_rows[1].product_id = TEXT("cup");
    order = fixture_reply(fixture, orders_create_order, &parts.create.base);
    assert_int_equal(order->state, SHOP__V1__ORDER__STATE__PENDING);
    assert_int_equal(order->total->units, 17);
    assert_int_equal(order->total->nanos, 500000000);
    assert_int_equal(order->n_lines, 2);
    assert_string_equal(order->lines[0]->name, "Green tea");
    assert_int_equal(order->lines[1]->unit_price->units, 10);
    assert_string_equal(order->ship_to->recipient, "Ada");
    assert_string_equal(order->ship_to->address_lines[0], "Teestr. 1");
    assert_string_equal(order->etag, "1");
    assert_int_equal(order->n_steps, 0);
    assert_null(order->failure);
    assert_int_equal(order->id[14], '7'); /* UUIDv7 */
    assert_string_equal(fixture->call.order_id, order->id);
}

static void all_violations_of_an_order_are_told_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct parts parts;

    parts_init(&parts, 3);
    parts.create.customer_id = TEXT("");
    parts.line_rows[1].product_id = TEXT("Tea");
    parts.line_rows[2].quantity = 0;
    parts.address_lines[0] = TEXT("");
    parts.ship_to.region_code = TEXT("de");
    parts.create.request_id = TEXT("\303\244");
    fixture_refuses(fixture, orders_create_order, &parts.create.base, REASON_REQUEST_INVALID);
    assert_string_equal(fixture_violation(fixture, "customer_id"), "is required");
    assert_non_null(fixture_violation(fixture, "lines[1].product_id"));
    assert_string_equal(fixture_violation(fixture, "lines[2].quantity"), "must be from 1 to 10000");
    assert_string_equal(fixture_violation(fixture, "ship_to.address_lines[0]"), "is required");
    assert_non_null(fixture_violation(fixture, "ship_to.region_code"));
    assert_non_null(fixture_violation(fixture, "request_id"));
    assert_int_equal(fixture->call.err.field_count, 6);
    assert_int_equal(fixture->orders.completion.call_count, 0);
}

static void an_order_has_1_to_100_lines(void **state)
{
    struct fixture *fixture = *state;
    struct parts parts;

    fixture_put_products(fixture);
    parts_init(&parts, 0);
    fixture_refuses(fixture, orders_create_order, &parts.create.base, REASON_REQUEST_INVALID);
    assert_string_equal(fixture_violation(fixture, "lines"), "is required");
    parts_init(&parts, LIMIT_LINES_PER_ORDER);
    (void)fixture_reply(fixture, orders_create_order, &parts.create.base);
    parts_init(&parts, LIMIT_LINES_PER_ORDER + 1);
    fixture_refuses(fixture, orders_create_order, &parts.create.base, REASON_REQUEST_INVALID);
    assert_string_equal(fixture_violation(fixture, "lines"),
                        "has 101 entries, at most 100 are allowed");
}

static void a_quantity_is_1_to_10000(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        int32_t quantity;
        enum reason reason;
    } rows[] = {
        {INT32_MIN, REASON_REQUEST_INVALID},
        {-1, REASON_REQUEST_INVALID},
        {0, REASON_REQUEST_INVALID},
        {1, REASON_NONE},
        {10000, REASON_NONE},
        {10001, REASON_REQUEST_INVALID},
    };

    fixture_put_products(fixture);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct parts parts;
        parts_init(&parts, 1);
        parts.line_rows[0].quantity = rows[i].quantity;
        fixture_run(fixture, orders_create_order, &parts.create.base);
        assert_int_equal(fixture->call.err.reason, rows[i].reason);
    }
}

static void an_address_has_a_recipient_1_to_4_lines_and_a_region(void **state)
{
    struct fixture *fixture = *state;
    char text[LIMIT_ADDRESS_CHARS + 2];
    struct parts parts;

    fixture_put_products(fixture);
    memset(text, 'x', sizeof(text));
    text[LIMIT_ADDRESS_CHARS + 1] = '\0';
    parts_init(&parts, 1);
    parts.create.ship_to = NULL;
    fixture_refuses(fixture, orders_create_order, &parts.create.base, REASON_REQUEST_INVALID);
    assert_string_equal(fixture_violation(fixture, "ship_to"), "is required");

    parts_init(&parts, 1);
    parts.ship_to.recipient = TEXT("");
    parts.ship_to.n_address_lines = 0;
    parts.ship_to.postal_code = parts.ship_to.locality = parts.ship_to.administrative_area = text;
    parts.ship_to.region_code = TEXT("DEU");
    fixture_refuses(fixture, orders_create_order, &parts.create.base, REASON_REQUEST_INVALID);
    assert_int_equal(fixture->call.err.field_count, 6);
    assert_non_null(fixture_violation(fixture, "ship_to.administrative_area"));

    text[LIMIT_ADDRESS_CHARS] = '\0';
    parts_init(&parts, 1);
    parts.ship_to.locality = text;
    parts.ship_to.n_address_lines = LIMIT_ADDRESS_LINES;
    (void)fixture_reply(fixture, orders_create_order, &parts.create.base);
    parts.ship_to.n_address_lines = LIMIT_ADDRESS_LINES + 1;
    fixture_refuses(fixture, orders_create_order, &parts.create.base, REASON_REQUEST_INVALID);
    assert_non_null(fixture_violation(fixture, "ship_to.address_lines"));
}

static void products_that_do_not_exist_are_named(void **state)
{
    struct fixture *fixture = *state;
    struct parts parts;

    fixture_put_products(fixture);
    parts_init(&parts, 3);
    parts.line_rows[0].product_id = TEXT("coffee");
    parts.line_rows[2].product_id = TEXT("cocoa");
    fixture_refuses(fixture, orders_create_order, &parts.create.base, REASON_PRODUCT_NOT_FOUND);
    assert_string_equal(fixture_metadata(fixture, "productId"), "coffee");
    assert_true(fixture_names_resource(fixture, "shop.v1.Product", "coffee"));
    assert_true(fixture_names_resource(fixture, "shop.v1.Product", "cocoa"));
    assert_null(fixture_metadata(fixture, "orderId"));
}

static void an_order_is_in_one_currency(void **state)
{
    struct fixture *fixture = *state;
    struct parts parts;

    fixture_put_products(fixture);
    parts_init(&parts, 2);
    parts.line_rows[1].product_id = TEXT("sake");
    fixture_refuses(fixture, orders_create_order, &parts.create.base, REASON_CURRENCY_MIXED);
}

static void a_repeated_key_gives_the_order_it_made(void **state)
{
    struct fixture *fixture = *state;
    struct parts parts;
    const Shop__V1__Order *order;
    const char *id;

    fixture_put_products(fixture);
    parts_init(&parts, 1);
    parts.create.request_id = TEXT("key");
    order = fixture_reply(fixture, orders_create_order, &parts.create.base);
    id = order->id;
    order = fixture_reply(fixture, orders_create_order, &parts.create.base);
    assert_true(fixture->call.replayed);
    assert_string_equal(order->id, id);
    parts.line_rows[0].quantity = 2;
    fixture_refuses(fixture, orders_create_order, &parts.create.base, REASON_REQUEST_ID_REUSED);
}

static void a_creation_of_unknown_fate_invites_a_retry_only_with_a_key(void **state)
{
    struct fixture *fixture = *state;
    struct parts parts;

    parts_init(&parts, 1);
    error_set(&fixture->orders.completion.fail_next, REASON_STORE_UNAVAILABLE);
    fixture->orders.completion.fail_maybe_done = true;
    fixture_refuses(fixture, orders_create_order, &parts.create.base, REASON_DEADLINE_EXCEEDED);
    parts.create.request_id = TEXT("key");
    error_set(&fixture->orders.completion.fail_next, REASON_STORE_UNAVAILABLE);
    fixture_refuses(fixture, orders_create_order, &parts.create.base, REASON_STORE_UNAVAILABLE);
}

/* ---- GetOrder ------------------------------------------------------------------------------ */

static Shop__V1__GetOrderRequest get_request(const char *id)
{
    Shop__V1__GetOrderRequest request;

    shop__v1__get_order_request__init(&request);
    request.id = TEXT(id);
    return request;
}

static void an_order_can_be_read_by_its_caller_only(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__GetOrderRequest request;
    const Shop__V1__Order *order;

    fixture_put_products(fixture);
    fixture->call.caller = "shop-a";
    request = get_request(create(fixture, "ada"));
    order = fixture_reply(fixture, orders_get_order, &request.base);
    assert_string_equal(order->customer_id, "ada");
    fixture->call.caller = "shop-b";
    fixture_refuses(fixture, orders_get_order, &request.base, REASON_ORDER_NOT_FOUND);
    assert_true(fixture_names_resource(fixture, "shop.v1.Order", request.id));
    assert_string_equal(fixture_metadata(fixture, "orderId"), request.id);
}

static void a_malformed_order_id_is_not_found_and_an_empty_one_invalid(void **state)
{
    struct fixture *fixture = *state;
    static char long_id[100000];
    Shop__V1__GetOrderRequest request = get_request("42");

    fixture_refuses(fixture, orders_get_order, &request.base, REASON_ORDER_NOT_FOUND);
    assert_string_equal(fixture_metadata(fixture, "orderId"), "42");
    memset(long_id, 'x', sizeof(long_id) - 1);
    request.id = long_id;
    fixture_refuses(fixture, orders_get_order, &request.base, REASON_ORDER_NOT_FOUND);
    assert_true(strlen(fixture_metadata(fixture, "orderId")) < 200);
    request.id = TEXT("");
    fixture_refuses(fixture, orders_get_order, &request.base, REASON_REQUEST_INVALID);
    assert_string_equal(fixture_violation(fixture, "id"), "is required");
    assert_int_equal(fixture->orders.completion.call_count, 0);
}

static void a_failed_order_tells_its_failure_and_steps(void **state)
{
    static struct failure_metadata metadata[] = {{"declineCode", "insufficient_funds"}};
    static struct failure declined = {
        .reason = REASON_PAYMENT_DECLINED, .metadata = metadata, .metadata_count = 1};
    static struct order_event events[] = {
        {.revision = 2,
         .attempt = 1,
         .state = ORDER_CHARGING,
         .step = STEP_RESERVE,
         .outcome = OUTCOME_DONE,
         .tries = 1,
         .time_us = 1000000},
        {.revision = 3,
         .attempt = 1,
         .state = ORDER_FAILED,
         .step = STEP_CHARGE,
         .outcome = OUTCOME_REFUSED,
         .tries = 1,
         .time_us = 2500000,
         .external_id = "pi_1"},
    };
    struct fixture *fixture = *state;
    Shop__V1__GetOrderRequest request;
    const Shop__V1__Order *order;
    struct order *stored;

    fixture_put_products(fixture);
    request = get_request(create(fixture, "ada"));
    events[1].failure = declined;
    stored = fixture->orders.rows[0];
    stored->state = ORDER_FAILED;
    stored->attempt = 1;
    stored->revision = 3;
    stored->failure = declined;
    stored->events = events;
    stored->event_count = 2;
    order = fixture_reply(fixture, orders_get_order, &request.base);
    assert_int_equal(order->failure->code, STATUS_FAILED_PRECONDITION);
    assert_int_equal(order->failure->n_details, 2); /* as the caller of the attempt was told it */
    assert_string_equal(order->failure->details[1]->type_url,
                        "type.googleapis.com/google.rpc.PreconditionFailure");
    assert_int_equal(order->n_steps, 2);
    assert_int_equal(order->steps[1]->kind, SHOP__V1__ORDER_STEP__KIND__CHARGE);
    assert_int_equal(order->steps[1]->outcome, SHOP__V1__ORDER_STEP__OUTCOME__REFUSED);
    assert_string_equal(order->steps[1]->external_id, "pi_1");
    assert_int_equal(order->steps[1]->end_time->seconds, 2);
    assert_int_equal(order->steps[1]->end_time->nanos, 500000000);
    assert_non_null(order->steps[1]->error);
    assert_string_equal(order->etag, "3");

    stored->state = ORDER_REFUNDING; /* not at rest: the cause is not told yet */
    order = fixture_reply(fixture, orders_get_order, &request.base);
    assert_null(order->failure);
}

/* ---- ListOrders ---------------------------------------------------------------------------- */

static Shop__V1__ListOrdersRequest list_request(void)
{
    Shop__V1__ListOrdersRequest request;

    shop__v1__list_orders_request__init(&request);
    return request;
}

static void orders_are_listed_newest_first_page_by_page(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__ListOrdersRequest request = list_request();
    const Shop__V1__ListOrdersResponse *reply;
    const char *ids[5];
    size_t seen = 0;

    fixture_put_products(fixture);
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        ids[i] = create(fixture, "ada");
    request.page_size = 2;
    do {
        reply = fixture_reply(fixture, orders_list_orders, &request.base);
        for (size_t i = 0; i < reply->n_orders; i++)
            assert_string_equal(reply->orders[i]->id, ids[4 - seen++]);
        request.page_token = reply->next_page_token;
    } while (request.page_token[0] != '\0');
    assert_int_equal(seen, 5);
}

static void lists_are_filtered_by_customer_state_and_caller(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__ListOrdersRequest request = list_request();
    const Shop__V1__ListOrdersResponse *reply;

    fixture_put_products(fixture);
    (void)create(fixture, "ada");
    (void)create(fixture, "bob");
    fixture->call.caller = "another";
    (void)create(fixture, "ada");
    fixture->call.caller = "";
    fixture->orders.rows[1]->state = ORDER_FULFILLED;

    reply = fixture_reply(fixture, orders_list_orders, &request.base);
    assert_int_equal(reply->n_orders, 2);
    request.customer_id = TEXT("ada");
    reply = fixture_reply(fixture, orders_list_orders, &request.base);
    assert_int_equal(reply->n_orders, 1);
    request.state = SHOP__V1__ORDER__STATE__FULFILLED;
    reply = fixture_reply(fixture, orders_list_orders, &request.base);
    assert_int_equal(reply->n_orders, 0);
}

static void a_token_is_bound_to_its_filter_and_caller(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__ListOrdersRequest request = list_request();
    const Shop__V1__ListOrdersResponse *reply;

    fixture_put_products(fixture);
    (void)create(fixture, "ada");
    (void)create(fixture, "ada");
    request.page_size = 1;
    reply = fixture_reply(fixture, orders_list_orders, &request.base);
    request.page_token = reply->next_page_token;
    request.customer_id = TEXT("ada");
    fixture_refuses(fixture, orders_list_orders, &request.base, REASON_PAGE_TOKEN_INVALID);
    request.customer_id = TEXT("");
    request.state = SHOP__V1__ORDER__STATE__PENDING;
    fixture_refuses(fixture, orders_list_orders, &request.base, REASON_PAGE_TOKEN_INVALID);
    request.state = SHOP__V1__ORDER__STATE__STATE_UNSPECIFIED;
    fixture->call.caller = "another";
    fixture_refuses(fixture, orders_list_orders, &request.base, REASON_PAGE_TOKEN_INVALID);
    fixture->call.caller = "";
    (void)fixture_reply(fixture, orders_list_orders, &request.base);
}

static void a_list_of_unknown_states_or_negative_sizes_is_invalid(void **state)
{
    struct fixture *fixture = *state;
    static const int states[] = {-1, 12, 1000};

    for (size_t i = 0; i < COUNT_OF(states); i++) {
        Shop__V1__ListOrdersRequest request = list_request();
        request.state = (Shop__V1__Order__State)states[i];
        request.page_size = -1;
        request.customer_id = TEXT("Ada");
        fixture_refuses(fixture, orders_list_orders, &request.base, REASON_REQUEST_INVALID);
        assert_non_null(fixture_violation(fixture, "state"));
        assert_non_null(fixture_violation(fixture, "page_size"));
        assert_non_null(fixture_violation(fixture, "customer_id"));
    }
}

static void a_list_is_refused_while_the_database_cannot_be_asked(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__ListOrdersRequest request = list_request();

    error_set(&fixture->orders.completion.fail_next, REASON_STORE_UNAVAILABLE);
    fixture_refuses(fixture, orders_list_orders, &request.base, REASON_STORE_UNAVAILABLE);
    fixture->service.page_key_set = false; /* it was never there: no token could be told */
    fixture_refuses(fixture, orders_list_orders, &request.base, REASON_STORE_UNAVAILABLE);
}

static void a_page_of_large_orders_ends_early_and_the_next_goes_on(void **state)
{
    static char name[801];
    struct fixture *fixture = *state;
    Shop__V1__ListOrdersRequest request = list_request();
    const Shop__V1__ListOrdersResponse *reply;
    struct parts parts;
    size_t seen = 0;

    memset(name, 'n', sizeof(name) - 1);
    fixture_put_products(fixture);
    fake_catalog_store_find(&fixture->catalog, "tea")->name = name;
    parts_init(&parts, LIMIT_LINES_PER_ORDER);
    for (size_t i = 0; i < 14; i++) {
        (void)fixture_reply(fixture, orders_create_order, &parts.create.base);
        fake_clock_advance(&fixture->clock, 5);
    }
    do {
        reply = fixture_reply(fixture, orders_list_orders, &request.base);
        assert_true(shop__v1__list_orders_response__get_packed_size(reply) <=
                    LIMIT_REPLY_SIZE + 512);
        assert_true(reply->n_orders < 14);
        seen += reply->n_orders;
        request.page_token = reply->next_page_token;
    } while (request.page_token[0] != '\0');
    assert_int_equal(seen, 14);
}

static void every_method_answers_without_an_arena(void **state)
{
    struct fixture *fixture = *state;
    struct arena *arena = fixture->call.arena;
    service_fn *const methods[] = {orders_create_order, orders_get_order, orders_list_orders,
                                   orders_process_order, orders_place_order};

    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        fixture->call.arena = NULL;
        fixture_refuses(fixture, methods[i], NULL, REASON_OUT_OF_MEMORY);
    }
    fixture->call.arena = arena;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_created_order_is_priced_from_the_catalogue),
        TEST(all_violations_of_an_order_are_told_at_once),
        TEST(an_order_has_1_to_100_lines),
        TEST(a_quantity_is_1_to_10000),
        TEST(an_address_has_a_recipient_1_to_4_lines_and_a_region),
        TEST(products_that_do_not_exist_are_named),
        TEST(an_order_is_in_one_currency),
        TEST(a_repeated_key_gives_the_order_it_made),
        TEST(a_creation_of_unknown_fate_invites_a_retry_only_with_a_key),
        TEST(an_order_can_be_read_by_its_caller_only),
        TEST(a_malformed_order_id_is_not_found_and_an_empty_one_invalid),
        TEST(a_failed_order_tells_its_failure_and_steps),
        TEST(orders_are_listed_newest_first_page_by_page),
        TEST(lists_are_filtered_by_customer_state_and_caller),
        TEST(a_token_is_bound_to_its_filter_and_caller),
        TEST(a_list_of_unknown_states_or_negative_sizes_is_invalid),
        TEST(a_list_is_refused_while_the_database_cannot_be_asked),
        TEST(a_page_of_large_orders_ends_early_and_the_next_goes_on),
        TEST(every_method_answers_without_an_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
