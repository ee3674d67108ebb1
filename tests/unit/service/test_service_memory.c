/* Memory runs out, once or for a while, anywhere in a call of any method: it is answered once, as it should be or with
 * OUT_OF_MEMORY, and the next call is served. */
#include "order_parts.h"
#include "service_fixture.h"

#include "fake/failing_heap.h"
#include "service/error_details.h"
#include "service/order_watch.h"

#include <stdlib.h>

typedef const ProtobufCMessage *make_request_fn(struct fixture *fixture);

/* A call, and how it ends when there is memory. */
struct scene {
    service_fn *method;
    make_request_fn *request;
    enum reason reason;
};

/* Of the fixture at hand: an order that was tried once, and has failed. */
static char order_id[UUID_TEXT_SIZE];

/* ---- Requests -------------------------------------------------------------------------------------- */

static const ProtobufCMessage *get_tea(struct fixture *fixture)
{
    static Shop__V1__GetProductRequest request;

    shop__v1__get_product_request__init(&request);
    request.id = TEXT("tea");
    return &request.base;
}

static const ProtobufCMessage *get_coffee(struct fixture *fixture)
{
    static Shop__V1__GetProductRequest request;

    shop__v1__get_product_request__init(&request);
    request.id = TEXT("coffee");
    return &request.base;
}

static const ProtobufCMessage *get_batch(struct fixture *fixture)
{
    static char sake[] = "sake", tea[] = "tea";
    static char *ids[] = {sake, tea};
    static Shop__V1__BatchGetProductsRequest request;

    shop__v1__batch_get_products_request__init(&request);
    request.ids = ids;
    request.n_ids = COUNT_OF(ids);
    return &request.base;
}

static const ProtobufCMessage *list_products(struct fixture *fixture)
{
    static Shop__V1__ListProductsRequest request;

    shop__v1__list_products_request__init(&request);
    request.page_size = 1;
    return &request.base;
}

static const ProtobufCMessage *list_more_products(struct fixture *fixture)
{
    static char token[256];
    static Shop__V1__ListProductsRequest request;
    const Shop__V1__ListProductsResponse *reply =
        fixture_reply(fixture, catalog_list_products, list_products(fixture));

    snprintf(token, sizeof(token), "%s", reply->next_page_token);
    shop__v1__list_products_request__init(&request);
    request.page_size = 1;
    request.page_token = token;
    return &request.base;
}

static Shop__V1__Product *pot(void)
{
    static Google__Type__Money price;
    static Shop__V1__Product product;

    google__type__money__init(&price);
    price.units = 20;
    price.currency_code = TEXT("EUR");
    shop__v1__product__init(&product);
    product.id = TEXT("pot");
    product.name = TEXT("Tea pot");
    product.category = TEXT("shop");
    product.price = &price;
    return &product;
}

static const ProtobufCMessage *create_product(struct fixture *fixture)
{
    static Shop__V1__CreateProductRequest request;

    shop__v1__create_product_request__init(&request);
    request.product = pot();
    request.request_id = TEXT("key");
    return &request.base;
}

static const ProtobufCMessage *create_bad_product(struct fixture *fixture)
{
    static Shop__V1__CreateProductRequest request;

    shop__v1__create_product_request__init(&request);
    request.product = pot();
    request.product->id = TEXT("Pot");
    request.product->category = TEXT("Shop");
    request.product->price->units = -1;
    request.initial_stock = -1;
    return &request.base;
}

static const ProtobufCMessage *update_product(struct fixture *fixture)
{
    static Shop__V1__UpdateProductRequest request;

    shop__v1__update_product_request__init(&request);
    request.product = pot();
    request.product->id = TEXT("tea");
    return &request.base;
}

static const ProtobufCMessage *update_changed_product(struct fixture *fixture)
{
    static char name[] = "name";
    static char *paths[] = {name};
    static Google__Protobuf__FieldMask mask;
    static Shop__V1__UpdateProductRequest request;

    google__protobuf__field_mask__init(&mask);
    mask.paths = paths;
    mask.n_paths = COUNT_OF(paths);
    shop__v1__update_product_request__init(&request);
    request.product = pot();
    request.product->id = TEXT("tea");
    request.product->etag = TEXT("7");
    request.update_mask = &mask;
    return &request.base;
}

static const ProtobufCMessage *delete_product(struct fixture *fixture)
{
    static Shop__V1__DeleteProductRequest request;

    shop__v1__delete_product_request__init(&request);
    request.id = TEXT("tea");
    return &request.base;
}

static const ProtobufCMessage *adjust_stock(struct fixture *fixture)
{
    static Shop__V1__AdjustStockRequest request;

    shop__v1__adjust_stock_request__init(&request);
    request.id = TEXT("tea");
    request.delta = 5;
    request.request_id = TEXT("key");
    return &request.base;
}

static const ProtobufCMessage *adjust_below_zero(struct fixture *fixture)
{
    static Shop__V1__AdjustStockRequest request;

    shop__v1__adjust_stock_request__init(&request);
    request.id = TEXT("tea");
    request.delta = -50;
    return &request.base;
}

static struct parts *parts(void)
{
    static struct parts parts;

    parts_init(&parts, 2);
    parts.line_rows[1].product_id = TEXT("cup");
    return &parts;
}

static const ProtobufCMessage *create_order(struct fixture *fixture)
{
    struct parts *order = parts();

    order->create.request_id = TEXT("key");
    return &order->create.base;
}

static const ProtobufCMessage *create_bad_order(struct fixture *fixture)
{
    struct parts *order = parts();

    order->create.customer_id = TEXT("");
    order->line_rows[1].product_id = TEXT("Cup");
    order->address_lines[0] = TEXT("");
    return &order->create.base;
}

static const ProtobufCMessage *create_order_of_coffee(struct fixture *fixture)
{
    struct parts *order = parts();

    order->line_rows[1].product_id = TEXT("coffee");
    return &order->create.base;
}

static const ProtobufCMessage *place_order(struct fixture *fixture)
{
    return &parts()->place.base;
}

static const ProtobufCMessage *place_declined_order(struct fixture *fixture)
{
    fixture->driver.refuse_with = REASON_PAYMENT_DECLINED;
    return &parts()->place.base;
}

static const ProtobufCMessage *get_order(struct fixture *fixture)
{
    static Shop__V1__GetOrderRequest request;

    shop__v1__get_order_request__init(&request);
    request.id = order_id;
    return &request.base;
}

static const ProtobufCMessage *get_no_order(struct fixture *fixture)
{
    static Shop__V1__GetOrderRequest request;

    shop__v1__get_order_request__init(&request);
    request.id = TEXT("00000000-0000-7000-8000-000000000000");
    return &request.base;
}

static const ProtobufCMessage *list_orders(struct fixture *fixture)
{
    static Shop__V1__ListOrdersRequest request;

    (void)fixture_reply(fixture, orders_create_order, &parts()->create.base);
    shop__v1__list_orders_request__init(&request);
    request.customer_id = TEXT("ada");
    request.page_size = 1;
    return &request.base;
}

static const ProtobufCMessage *list_more_orders(struct fixture *fixture)
{
    static char token[256];
    static Shop__V1__ListOrdersRequest request;
    const Shop__V1__ListOrdersResponse *reply =
        fixture_reply(fixture, orders_list_orders, list_orders(fixture));

    snprintf(token, sizeof(token), "%s", reply->next_page_token);
    shop__v1__list_orders_request__init(&request);
    request.customer_id = TEXT("ada");
    request.page_size = 1;
    request.page_token = token;
    return &request.base;
}

static const ProtobufCMessage *process_order(struct fixture *fixture)
{
    static Shop__V1__ProcessOrderRequest request;

    shop__v1__process_order_request__init(&request);
    request.id = order_id;
    request.payment_method = TEXT("pm_card_visa");
    request.request_id = TEXT("key");
    return &request.base;
}

static const ProtobufCMessage *cancel_order(struct fixture *fixture)
{
    static Shop__V1__CancelOrderRequest request;

    shop__v1__cancel_order_request__init(&request);
    request.id = order_id;
    request.request_id = TEXT("key");
    return &request.base;
}

/* ---- Calls ----------------------------------------------------------------------------------------- */

/* An order with everything an answer can tell of it. */
static void put_order(struct fixture *fixture)
{
    static struct failure_metadata metadata[] = {{"declineCode", "insufficient_funds"}};
    static struct order_event events[] = {
        {2, 1, ORDER_CHARGING, STEP_RESERVE, OUTCOME_DONE, 1, NULL, {0}, 100},
        {3, 1, ORDER_FAILED, STEP_CHARGE, OUTCOME_REFUSED, 1, "pi_1", {0}, 200},
    };
    const Shop__V1__Order *reply =
        fixture_reply(fixture, orders_create_order, &parts()->create.base);
    struct order *order;
    struct uuid id;

    memcpy(order_id, reply->id, sizeof(order_id));
    assert_true(uuid_parse(order_id, &id));
    order = fake_order_store_find(&fixture->orders, &id);
    order->state = ORDER_FAILED;
    order->attempt = 1;
    order->payment_id = "pi_1";
    order->failure = (struct failure){.reason = REASON_PAYMENT_DECLINED,
                                      .message = "the payment was declined",
                                      .metadata = metadata,
                                      .metadata_count = COUNT_OF(metadata)};
    events[1].failure = order->failure;
    order->events = events;
    order->event_count = COUNT_OF(events);
    fake_clock_advance(&fixture->clock, 5);
}

static struct fixture *begin(void **state)
{
    struct fixture *fixture;

    assert_int_equal(fixture_setup(state), 0);
    fixture = *state;
    fixture_put_products(fixture);
    put_order(fixture);
    return fixture;
}

/* What the doors do with an error. */
static void pack_error(struct call *call)
{
    uint8_t *bytes;
    size_t size = error_pack_status(&call->err, ERROR_STATUS_SIZE_MAX, call->arena, &bytes);

    if (size == 0)
        assert_true(failing_heap_has_failed());
}

static void check(const struct fixture *fixture, const struct scene *scene)
{
    const struct error *err = &fixture->call.err;

    if (failing_heap_has_failed() && err->reason == REASON_OUT_OF_MEMORY)
        return;
    assert_string_equal(reason_key(err->reason), reason_key(scene->reason));
    assert_int_equal(fixture->call.reply != NULL, scene->reason == REASON_NONE);
}

static void call(void *context)
{
    const struct scene *scene = context;
    void *state = NULL;
    struct fixture *fixture = begin(&state);
    const ProtobufCMessage *request = scene->request(fixture);

    failing_heap_begin();
    fixture_run(fixture, scene->method, request);
    if (error_is_set(&fixture->call.err))
        pack_error(&fixture->call);
    failing_heap_end();
    check(fixture, scene);

    /* The next call, and that one repeated. */
    (void)fixture_reply(fixture, catalog_list_products, list_products(fixture));
    if (scene->method != catalog_delete_product || fixture->call.err.reason != REASON_NONE) {
        fixture_run(fixture, scene->method, request);
        if (scene->method != catalog_delete_product)
            assert_int_equal(error_is_set(&fixture->call.err), scene->reason != REASON_NONE);
    }
    fixture_teardown(&state);
}

static void call_all(const struct scene *scenes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct scene scene = scenes[i];

        failing_heap_each(call, &scene);
        failing_heap_from_each(call, &scene);
    }
}

static void every_method_of_the_catalogue_stands_memory_that_runs_out(void **state)
{
    static const struct scene scenes[] = {
        {catalog_get_product, get_tea, REASON_NONE},
        {catalog_get_product, get_coffee, REASON_PRODUCT_NOT_FOUND},
        {catalog_batch_get_products, get_batch, REASON_NONE},
        {catalog_list_products, list_products, REASON_NONE},
        {catalog_list_products, list_more_products, REASON_NONE},
        {catalog_create_product, create_product, REASON_NONE},
        {catalog_create_product, create_bad_product, REASON_REQUEST_INVALID},
        {catalog_update_product, update_product, REASON_NONE},
        {catalog_update_product, update_changed_product, REASON_ETAG_MISMATCH},
        {catalog_delete_product, delete_product, REASON_NONE},
        {catalog_adjust_stock, adjust_stock, REASON_NONE},
        {catalog_adjust_stock, adjust_below_zero, REASON_STOCK_BELOW_ZERO},
    };

    call_all(scenes, COUNT_OF(scenes));
}

static void every_method_of_orders_stands_memory_that_runs_out(void **state)
{
    static const struct scene scenes[] = {
        {orders_create_order, create_order, REASON_NONE},
        {orders_create_order, create_bad_order, REASON_REQUEST_INVALID},
        {orders_create_order, create_order_of_coffee, REASON_PRODUCT_NOT_FOUND},
        {orders_place_order, place_order, REASON_NONE},
        {orders_place_order, place_declined_order, REASON_PAYMENT_DECLINED},
        {orders_get_order, get_order, REASON_NONE},
        {orders_get_order, get_no_order, REASON_ORDER_NOT_FOUND},
        {orders_list_orders, list_orders, REASON_NONE},
        {orders_list_orders, list_more_orders, REASON_NONE},
        {orders_process_order, process_order, REASON_NONE},
        {orders_cancel_order, cancel_order, REASON_NONE},
    };

    call_all(scenes, COUNT_OF(scenes));
}

/* ---- Streams --------------------------------------------------------------------------------------- */

struct reader {
    struct stream stream;
    unsigned message_count;
    bool has_ended;
};

static void on_message(struct stream *stream, const ProtobufCMessage *message)
{
    CONTAINER_OF(stream, struct reader, stream)->message_count++;
}

static void on_end(struct stream *stream)
{
    CONTAINER_OF(stream, struct reader, stream)->has_ended = true;
}

/* Two readers of one order: what is made for the first is not lost with the second. */
static void watch(void *context)
{
    void *state = NULL;
    struct fixture *fixture = begin(&state);
    Shop__V1__WatchOrderRequest request;
    struct reader readers[2];

    fixture->service.order_watches = order_watches_new(&fixture->orders.base, &fixture->clock.base);
    assert_non_null(fixture->service.order_watches);
    shop__v1__watch_order_request__init(&request);
    request.id = order_id;
    failing_heap_begin();
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        readers[i] = (struct reader){.stream = {.request = &request.base,
                                                .arena = fixture->call.arena,
                                                .caller = "",
                                                .on_message = on_message,
                                                .on_end = on_end}};
        orders_watch_order(&fixture->service, &readers[i].stream);
        if (!readers[i].has_ended)
            stream_next(&readers[i].stream);
    }
    fake_clock_advance(&fixture->clock, 300);
    failing_heap_end();
    fake_clock_advance(&fixture->clock, 300);
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        const struct error *err = &readers[i].stream.err;

        /* FAILED rests: the reader is told, and the stream ends. */
        assert_true(readers[i].has_ended);
        if (error_is_set(err))
            assert_int_equal(err->reason, REASON_OUT_OF_MEMORY);
        else
            assert_int_equal(readers[i].message_count, 1);
    }
    assert_int_equal(order_watches_count(fixture->service.order_watches), 0);
    order_watches_free(fixture->service.order_watches);
    fixture_teardown(&state);
}

static void a_watch_is_told_or_ended_wherever_memory_runs_out(void **state)
{
    failing_heap_each(watch, NULL);
    failing_heap_from_each(watch, NULL);
}

static void make_watches(void *context)
{
    struct order_watches *watches;

    failing_heap_begin();
    watches = order_watches_new(NULL, NULL);
    failing_heap_end();
    assert_int_equal(watches == NULL, failing_heap_has_failed());
    order_watches_free(watches);
}

static void there_are_no_watches_without_memory(void **state)
{
    failing_heap_each(make_watches, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_of_the_catalogue_stands_memory_that_runs_out),
        cmocka_unit_test(every_method_of_orders_stands_memory_that_runs_out),
        cmocka_unit_test(a_watch_is_told_or_ended_wherever_memory_runs_out),
        cmocka_unit_test(there_are_no_watches_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
