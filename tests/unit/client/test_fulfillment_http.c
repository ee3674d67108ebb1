/* What the shipping adapter sends, and how tries end that no answer explains. */
#include "client/clients.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "canned_server.h"

#define ORDER_ID "017f22e2-79b0-7000-8000-000000000000"

enum {
    LONG_MS = 20000,
    SHORT_MS = 500, /* but time to connect and send, on a busy machine, too */
    CONNECTIONS = 4,
    FAILURES_MANY = 20 /* more than the breaker takes */
};

static struct loop *loop;
static struct canned_server *server;
static struct http_client *http;
static struct fulfillment_http shipping;
static struct fulfillment_call call;

static struct order_line lines[] = {
    {.product_id = "tea", .quantity = 2, .name = "Tea \"Earl\"", .unit_price_minor = 450},
    {.product_id = "cup", .quantity = 1, .name = "Cup", .unit_price_minor = 1},
};
static const char *address_lines[] = {"1 Main St", "Flat 2"};
static struct order order;

static void call_done(struct effect *effect UNUSED)
{
    loop_stop(loop);
}

static int setup(void **state)
{
    loop = loop_new();
    http = http_client_new(loop, CONNECTIONS);
    server = canned_server_new(loop);
    fulfillment_http_init(&shipping, http, loop_clock(loop), canned_server_url(server));
    order = (struct order){
        .lines = lines,
        .line_count = COUNT_OF(lines),
        .total = {.minor = 901, .currency = "EUR"},
        .ship_to = {.recipient = "J\xc3\xbcrgen",
                    .lines = address_lines,
                    .line_count = 2,
                    .postal_code = "10115",
                    .locality = "Berlin",
                    .administrative_area = "",
                    .region_code = "DE"},
    };
    assert_true(uuid_parse(ORDER_ID, &order.id));
    call = (struct fulfillment_call){
        .effect = {.arena = arena_new(1024 * 1024), .timeout_ms = LONG_MS, .done = call_done},
        .request_id = ORDER_ID ".1.ship",
        .order = &order,
    };
    return 0;
}

static int teardown(void **state)
{
    http_client_free(http);
    canned_server_free(server);
    arena_free(call.effect.arena);
    loop_free(loop);
    return 0;
}

static enum effect_result run(void (*operation)(struct fulfillment *fulfillment,
                                                struct fulfillment_call *call))
{
    operation(&shipping.base, &call);
    loop_run(loop);
    return call.effect.result;
}

static void create_sends_the_order_as_the_proto_says(void **state)
{
    canned_server_answer(server, 200, "{\"id\":\"sh_1\",\"state\":\"ACCEPTED\"}");
    assert_int_equal(run(shipping.base.ops->create), EFFECT_DONE);
    assert_string_equal(call.shipment_id, "sh_1");
    assert_string_equal(canned_server_request_line(server), "POST /v1/shipments");
    assert_string_equal(canned_server_request_header(server, "Content-Type"), "application/json");
    assert_string_equal(
        canned_server_request_body(server),
        "{\"requestId\":\"" ORDER_ID ".1.ship\",\"orderId\":\"" ORDER_ID "\",\"lines\":["
        "{\"productId\":\"tea\",\"quantity\":2,\"name\":\"Tea \\\"Earl\\\"\","
        "\"unitPrice\":{\"currencyCode\":\"EUR\",\"units\":\"4\",\"nanos\":500000000}},"
        "{\"productId\":\"cup\",\"quantity\":1,\"name\":\"Cup\","
        "\"unitPrice\":{\"currencyCode\":\"EUR\",\"units\":\"0\",\"nanos\":10000000}}],"
        "\"shipTo\":{\"recipient\":\"J\xc3\xbcrgen\",\"addressLines\":[\"1 Main St\",\"Flat 2\"],"
        "\"postalCode\":\"10115\",\"locality\":\"Berlin\",\"regionCode\":\"DE\"}}");
}

static void cancel_names_the_request_of_the_creation(void **state)
{
    canned_server_answer(server, 200, "{\"id\":\"sh_1\",\"state\":\"CANCELLED\"}");
    assert_int_equal(run(shipping.base.ops->cancel), EFFECT_DONE);
    assert_string_equal(canned_server_request_line(server),
                        "POST /v1/shipments/" ORDER_ID ".1.ship:cancel");
    assert_string_equal(canned_server_request_body(server),
                        "{\"requestId\":\"" ORDER_ID ".1.ship\"}");
}

static void the_request_id_stays_one_segment(void **state)
{
    call.request_id = "a/b:c?";
    run(shipping.base.ops->cancel);
    assert_string_equal(canned_server_request_line(server),
                        "POST /v1/shipments/a%2Fb%3Ac%3F:cancel");
}

static void a_shipment_that_has_left_is_told(void **state)
{
    canned_server_answer(server, 400,
                         "{\"error\":{\"code\":400,\"status\":\"FAILED_PRECONDITION\","
                         "\"message\":\"it has left\"}}");
    assert_int_equal(run(shipping.base.ops->cancel), EFFECT_HAS_LEFT);
}

static void holder_done(struct http_exchange *exchange UNUSED)
{
}

static void tries_that_find_no_place_say_nothing_of_the_service(void **state)
{
    static struct http_exchange holders[CONNECTIONS];

    canned_server_mode(server, CANNED_SILENCE);
    for (int i = 0; i < CONNECTIONS; i++) {
        holders[i] = (struct http_exchange){.method = "GET",
                                            .url = canned_server_url(server),
                                            .timeout_ms = LONG_MS,
                                            .arena = call.effect.arena,
                                            .done = holder_done};
        http_client_start(http, &holders[i]);
    }
    call.effect.timeout_ms = 1;
    for (int i = 0; i < FAILURES_MANY; i++)
        assert_int_equal(run(shipping.base.ops->create), EFFECT_NOT_REACHED);
    assert_true(shipping.base.ops->is_ready(&shipping.base));
}

/* The largest order there can be, of texts that all need escaping, must fit. */
static void an_order_of_the_largest_size_is_sent(void **state)
{
    static struct order_line many[100];
    static char name[200 * 4 + 1];

    memset(name, '\x01', 200); /* six bytes each when escaped */
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = (struct order_line){
            .product_id = "p", .quantity = 10000, .name = name, .unit_price_minor = INT64_MAX};
    order.lines = many;
    order.line_count = COUNT_OF(many);
    canned_server_answer(server, 200, "{\"id\":\"sh_1\",\"state\":\"ACCEPTED\"}");
    assert_int_equal(run(shipping.base.ops->create), EFFECT_DONE);
}

static void no_answer_in_time_is_unknown_and_no_connection_is_not_reached(void **state)
{
    canned_server_mode(server, CANNED_SILENCE);
    call.effect.timeout_ms = SHORT_MS;
    assert_int_equal(run(shipping.base.ops->create), EFFECT_UNKNOWN);
    shipping.provider.url = "http://127.0.0.1:1";
    assert_int_equal(run(shipping.base.ops->create), EFFECT_NOT_REACHED);
    assert_int_equal(call.effect.err.reason, REASON_FULFILLMENT_UNAVAILABLE);
    assert_true(shipping.base.ops->is_ready(&shipping.base));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(create_sends_the_order_as_the_proto_says),
        TEST(cancel_names_the_request_of_the_creation),
        TEST(the_request_id_stays_one_segment),
        TEST(a_shipment_that_has_left_is_told),
        TEST(tries_that_find_no_place_say_nothing_of_the_service),
        TEST(an_order_of_the_largest_size_is_sent),
        TEST(no_answer_in_time_is_unknown_and_no_connection_is_not_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
