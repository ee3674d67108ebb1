/* shop.v1.Catalog over a catalogue in memory. */
#include "service_fixture.h"

#include <stdio.h>

#include "base/limits.h"

/* ---- GetProduct, BatchGetProducts ---------------------------------------------------------- */

static Shop__V1__GetProductRequest get_request(const char *id)
{
    Shop__V1__GetProductRequest request;

    shop__v1__get_product_request__init(&request);
    request.id = TEXT(id);
    return request;
}

static void a_product_is_answered_as_it_is_stored(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__GetProductRequest request = get_request("tea");
    const Shop__V1__Product *product;

    fixture_put_products(fixture);
    product = fixture_reply(fixture, catalog_get_product, &request.base);
    assert_string_equal(product->id, "tea");
    assert_string_equal(product->name, "Green tea");
    assert_string_equal(product->price->currency_code, "EUR");
    assert_int_equal(product->price->units, 2);
    assert_int_equal(product->price->nanos, 500000000);
    assert_int_equal(product->available, 10);
    assert_string_equal(product->etag, "1");
    assert_non_null(product->create_time);
}

static void a_missing_product_is_named(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__GetProductRequest request = get_request("coffee");

    fixture_refuses(fixture, catalog_get_product, &request.base, REASON_PRODUCT_NOT_FOUND);
    assert_true(fixture_names_resource(fixture, "shop.v1.Product", "coffee"));
    assert_string_equal(fixture_metadata(fixture, "productId"), "coffee");
}

static void a_malformed_product_id_is_an_invalid_argument(void **state)
{
    struct fixture *fixture = *state;
    static const char *const ids[] = {"", "Tea", "-tea", "a/b"};

    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        Shop__V1__GetProductRequest request = get_request(ids[i]);
        fixture_refuses(fixture, catalog_get_product, &request.base, REASON_REQUEST_INVALID);
        assert_non_null(fixture_violation(fixture, "id"));
        assert_int_equal(fixture->catalog.completion.call_count, 0);
    }
}

static void a_batch_answers_in_the_order_asked_for(void **state)
{
    struct fixture *fixture = *state;
    char *ids[] = {TEXT("tea"), TEXT("cup")};
    Shop__V1__BatchGetProductsRequest request;
    const Shop__V1__BatchGetProductsResponse *reply;

    fixture_put_products(fixture);
    shop__v1__batch_get_products_request__init(&request);
    request.ids = ids;
    request.n_ids = 2;
    reply = fixture_reply(fixture, catalog_batch_get_products, &request.base);
    assert_int_equal(reply->n_products, 2);
    assert_string_equal(reply->products[0]->id, "tea");
    assert_string_equal(reply->products[1]->id, "cup");
    assert_int_equal(fixture->catalog.completion.call_count, 1);
}

static void a_batch_names_every_missing_product(void **state)
{
    struct fixture *fixture = *state;
    char *ids[] = {TEXT("a"), TEXT("tea"), TEXT("b")};
    Shop__V1__BatchGetProductsRequest request;

    fixture_put_products(fixture);
    shop__v1__batch_get_products_request__init(&request);
    request.ids = ids;
    request.n_ids = 3;
    fixture_refuses(fixture, catalog_batch_get_products, &request.base, REASON_PRODUCT_NOT_FOUND);
    assert_true(fixture_names_resource(fixture, "shop.v1.Product", "a"));
    assert_true(fixture_names_resource(fixture, "shop.v1.Product", "b"));
    assert_string_equal(fixture_metadata(fixture, "productId"), "a");
}

static void a_batch_has_1_to_100_ids_all_different(void **state)
{
    struct fixture *fixture = *state;
    char texts[LIMIT_IDS_PER_BATCH + 1][8];
    char *ids[LIMIT_IDS_PER_BATCH + 1];
    Shop__V1__BatchGetProductsRequest request;

    shop__v1__batch_get_products_request__init(&request);
    fixture_refuses(fixture, catalog_batch_get_products, &request.base, REASON_REQUEST_INVALID);
    assert_string_equal(fixture_violation(fixture, "ids"), "is required");

    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        snprintf(texts[i], sizeof(texts[i]), "p%zu", i);
        ids[i] = texts[i];
    }
    request.ids = ids;
    request.n_ids = LIMIT_IDS_PER_BATCH;
    fixture_refuses(fixture, catalog_batch_get_products, &request.base, REASON_PRODUCT_NOT_FOUND);
    request.n_ids = LIMIT_IDS_PER_BATCH + 1;
    fixture_refuses(fixture, catalog_batch_get_products, &request.base, REASON_REQUEST_INVALID);
    assert_string_equal(fixture_violation(fixture, "ids"),
                        "has 101 entries, at most 100 are allowed");

    request.n_ids = 3;
    ids[2] = ids[0];
    fixture_refuses(fixture, catalog_batch_get_products, &request.base, REASON_REQUEST_INVALID);
    assert_string_equal(fixture_violation(fixture, "ids[2]"), "stands in the list twice");
}

/* ---- CreateProduct ------------------------------------------------------------------------- */

struct create_request {
    Shop__V1__CreateProductRequest message;
    Shop__V1__Product product;
    Google__Type__Money price;
};

static void create_request_init(struct create_request *request)
{
    google__type__money__init(&request->price);
    request->price.currency_code = TEXT("EUR");
    request->price.units = 3;
    shop__v1__product__init(&request->product);
    request->product.id = TEXT("mate");
    request->product.name = TEXT("Mate");
    request->product.price = &request->price;
    shop__v1__create_product_request__init(&request->message);
    request->message.product = &request->product;
    request->message.initial_stock = 5;
}

static void a_created_product_can_be_read(void **state)
{
    struct fixture *fixture = *state;
    struct create_request request;
    Shop__V1__GetProductRequest get = get_request("mate");
    const Shop__V1__Product *product;

    create_request_init(&request);
    request.product.available = 99; /* output only: ignored */
    product = fixture_reply(fixture, catalog_create_product, &request.message.base);
    assert_int_equal(product->available, 5);
    product = fixture_reply(fixture, catalog_get_product, &get.base);
    assert_string_equal(product->name, "Mate");
    fixture_refuses(fixture, catalog_create_product, &request.message.base,
                    REASON_PRODUCT_ALREADY_EXISTS);
    assert_string_equal(fixture_metadata(fixture, "productId"), "mate");
}

static void all_violations_of_a_product_are_told_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct create_request request;

    create_request_init(&request);
    request.product.id = TEXT("Mate");
    request.product.name = TEXT("");
    request.product.category = TEXT("Hot drinks");
    request.price.currency_code = TEXT("eur");
    request.message.initial_stock = -1;
    request.message.request_id = TEXT("two words");
    fixture_refuses(fixture, catalog_create_product, &request.message.base, REASON_REQUEST_INVALID);
    assert_non_null(fixture_violation(fixture, "product.id"));
    assert_string_equal(fixture_violation(fixture, "product.name"), "is required");
    assert_non_null(fixture_violation(fixture, "product.category"));
    assert_non_null(fixture_violation(fixture, "product.price.currency_code"));
    assert_non_null(fixture_violation(fixture, "initial_stock"));
    assert_non_null(fixture_violation(fixture, "request_id"));
    assert_int_equal(fixture->call.err.field_count, 6);
}

static void a_price_is_exact_and_not_negative(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *currency;
        int64_t units;
        int32_t nanos;
        const char *field, *text;
    } rows[] = {
        {"", 1, 0, "product.price.currency_code", "is required"},
        {"XXX", 1, 0, "product.price.currency_code", NULL},
        {"EUR", 0, 5000000, "product.price.nanos",
         "is finer than EUR has: at most 2 digits after the point"},
        {"JPY", 1, 500000000, "product.price.nanos", NULL},
        {"EUR", 1, -1, "product.price.nanos", NULL},
        {"EUR", 1, 1000000000, "product.price.nanos", NULL},
        {"EUR", -1, 0, "product.price.units", "must not be negative"},
        {"EUR", 0, -10000000, "product.price.nanos", "must not be negative"},
        {"EUR", INT64_MAX, 0, "product.price.units", "is too large"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct create_request request;
        create_request_init(&request);
        request.price.currency_code = TEXT(rows[i].currency);
        request.price.units = rows[i].units;
        request.price.nanos = rows[i].nanos;
        fixture_refuses(fixture, catalog_create_product, &request.message.base,
                        REASON_REQUEST_INVALID);
        assert_non_null(fixture_violation(fixture, rows[i].field));
        if (rows[i].text != NULL)
            assert_string_equal(fixture_violation(fixture, rows[i].field), rows[i].text);
    }
}

static void texts_are_counted_in_characters(void **state)
{
    struct fixture *fixture = *state;
    char name[2 * (LIMIT_NAME_CHARS + 1) + 1] = "";
    static char description[LIMIT_DESCRIPTION_CHARS + 2];
    struct create_request request;

    for (size_t i = 0; i < LIMIT_NAME_CHARS; i++)
        memcpy(name + 2 * i, "\303\244", 3);
    memset(description, 'd', LIMIT_DESCRIPTION_CHARS);
    create_request_init(&request);
    request.product.name = name;
    request.product.description = description;
    (void)fixture_reply(fixture, catalog_create_product, &request.message.base);

    memcpy(name + 2 * LIMIT_NAME_CHARS, "\303\244", 3);
    description[LIMIT_DESCRIPTION_CHARS] = 'd';
    fixture_refuses(fixture, catalog_create_product, &request.message.base, REASON_REQUEST_INVALID);
    assert_string_equal(fixture_violation(fixture, "product.name"),
                        "has 201 characters, at most 200 are allowed");
    assert_non_null(fixture_violation(fixture, "product.description"));
}

static void a_repeated_key_creates_one_product(void **state)
{
    struct fixture *fixture = *state;
    struct create_request request;

    create_request_init(&request);
    request.message.request_id = TEXT("key-1");
    (void)fixture_reply(fixture, catalog_create_product, &request.message.base);
    assert_false(fixture->call.replayed);
    (void)fixture_reply(fixture, catalog_create_product, &request.message.base);
    assert_true(fixture->call.replayed);
    request.message.initial_stock = 6;
    fixture_refuses(fixture, catalog_create_product, &request.message.base,
                    REASON_REQUEST_ID_REUSED);
}

static void a_request_id_of_255_characters_is_valid_and_one_of_256_is_not(void **state)
{
    struct fixture *fixture = *state;
    char key[LIMIT_REQUEST_ID_LEN + 2];
    struct create_request request;

    create_request_init(&request);
    memset(key, 'k', sizeof(key));
    key[LIMIT_REQUEST_ID_LEN] = '\0';
    request.message.request_id = key;
    (void)fixture_reply(fixture, catalog_create_product, &request.message.base);
    key[LIMIT_REQUEST_ID_LEN] = 'k';
    key[LIMIT_REQUEST_ID_LEN + 1] = '\0';
    fixture_refuses(fixture, catalog_create_product, &request.message.base, REASON_REQUEST_INVALID);
}

/* ---- UpdateProduct ------------------------------------------------------------------------- */

struct update_request {
    Shop__V1__UpdateProductRequest message;
    Shop__V1__Product product;
    Google__Type__Money price;
    Google__Protobuf__FieldMask mask;
    char *paths[4];
};

/* A request for the product "tea"; a NULL path: no mask. */
static void update_request_init(struct update_request *request, const char *path)
{
    google__type__money__init(&request->price);
    request->price.currency_code = TEXT("EUR");
    request->price.units = 3;
    shop__v1__product__init(&request->product);
    request->product.id = TEXT("tea");
    google__protobuf__field_mask__init(&request->mask);
    request->paths[0] = TEXT(path);
    request->mask.paths = request->paths;
    request->mask.n_paths = 1;
    shop__v1__update_product_request__init(&request->message);
    request->message.product = &request->product;
    request->message.update_mask = path == NULL ? NULL : &request->mask;
}

static void without_a_mask_the_populated_fields_change(void **state)
{
    struct fixture *fixture = *state;
    struct update_request request;
    const Shop__V1__Product *product;

    fixture_put_products(fixture);
    update_request_init(&request, NULL);
    request.product.description = TEXT("Sencha");
    product = fixture_reply(fixture, catalog_update_product, &request.message.base);
    assert_string_equal(product->description, "Sencha");
    assert_string_equal(product->name, "Green tea");
    assert_int_equal(product->price->units, 2);
    assert_string_equal(product->etag, "2");
}

static void with_a_mask_only_its_fields_change(void **state)
{
    struct fixture *fixture = *state;
    struct update_request request;
    const Shop__V1__Product *product;

    fixture_put_products(fixture);
    update_request_init(&request, "category");
    request.paths[1] = TEXT("price");
    request.mask.n_paths = 2;
    request.product.name = TEXT("ignored");
    request.product.price = &request.price;
    product = fixture_reply(fixture, catalog_update_product, &request.message.base);
    assert_string_equal(product->category, "");
    assert_string_equal(product->name, "Green tea");
    assert_int_equal(product->price->units, 3);
}

static void a_star_replaces_everything_the_owner_sets(void **state)
{
    struct fixture *fixture = *state;
    struct update_request request;
    const Shop__V1__Product *product;

    fixture_put_products(fixture);
    update_request_init(&request, "*");
    fixture_refuses(fixture, catalog_update_product, &request.message.base, REASON_REQUEST_INVALID);
    assert_non_null(fixture_violation(fixture, "product.name"));
    assert_non_null(fixture_violation(fixture, "product.price"));

    request.product.name = TEXT("Black tea");
    request.product.price = &request.price;
    product = fixture_reply(fixture, catalog_update_product, &request.message.base);
    assert_string_equal(product->name, "Black tea");
    assert_string_equal(product->category, "");
    assert_int_equal(product->available, 10);
}

static void a_required_field_cannot_be_cleared(void **state)
{
    struct fixture *fixture = *state;
    struct update_request request;

    fixture_put_products(fixture);
    update_request_init(&request, "name");
    fixture_refuses(fixture, catalog_update_product, &request.message.base, REASON_REQUEST_INVALID);
    assert_string_equal(fixture_violation(fixture, "product.name"), "is required");
    update_request_init(&request, "price");
    fixture_refuses(fixture, catalog_update_product, &request.message.base, REASON_REQUEST_INVALID);
    assert_string_equal(fixture_violation(fixture, "product.price"), "is required");
}

static void a_mask_names_what_an_owner_sets_and_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    static const char *const paths[] = {"id", "etag", "available",   "create_time", "update_time",
                                        "",   "Name", "price.units", "nothing",     "name "};

    fixture_put_products(fixture);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct update_request request;
        update_request_init(&request, "description");
        request.paths[1] = TEXT(paths[i]);
        request.paths[2] = TEXT("*");
        request.mask.n_paths = 3;
        fixture_refuses(fixture, catalog_update_product, &request.message.base,
                        REASON_REQUEST_INVALID);
        assert_non_null(fixture_violation(fixture, "update_mask.paths[1]"));
        assert_non_null(fixture_violation(fixture, "update_mask.paths[2]"));
        assert_null(fixture_violation(fixture, "update_mask.paths[0]"));
    }
}

static void an_update_with_an_old_or_malformed_etag_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char *const etags[] = {
        "2", "0", "01", "+1", "1 ", "\"1\"", "x", "-1", "99999999999999999999"};
    struct update_request request;

    fixture_put_products(fixture);
    for (size_t i = 0; i < COUNT_OF(etags); i++) {
        update_request_init(&request, NULL);
        request.product.name = TEXT("Black tea");
        request.product.etag = TEXT(etags[i]);
        fixture_refuses(fixture, catalog_update_product, &request.message.base,
                        REASON_ETAG_MISMATCH);
    }
    request.product.etag = TEXT("1");
    (void)fixture_reply(fixture, catalog_update_product, &request.message.base);
    fixture_refuses(fixture, catalog_update_product, &request.message.base, REASON_ETAG_MISMATCH);
}

static void an_update_of_a_missing_product_names_it(void **state)
{
    struct fixture *fixture = *state;
    struct update_request request;

    update_request_init(&request, NULL);
    fixture_refuses(fixture, catalog_update_product, &request.message.base,
                    REASON_PRODUCT_NOT_FOUND);
    assert_true(fixture_names_resource(fixture, "shop.v1.Product", "tea"));
    request.product.id = TEXT("");
    fixture_refuses(fixture, catalog_update_product, &request.message.base, REASON_REQUEST_INVALID);
    assert_string_equal(fixture_violation(fixture, "product.id"), "is required");
    request.message.product = NULL;
    fixture_refuses(fixture, catalog_update_product, &request.message.base, REASON_REQUEST_INVALID);
    assert_string_equal(fixture_violation(fixture, "product"), "is required");
}

/* ---- DeleteProduct, AdjustStock ------------------------------------------------------------ */

static void a_deletion_names_its_product(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__DeleteProductRequest request;

    shop__v1__delete_product_request__init(&request);
    fixture_refuses(fixture, catalog_delete_product, &request.base, REASON_REQUEST_INVALID);
    assert_non_null(fixture_violation(fixture, "id"));
    assert_int_equal(fixture->catalog.completion.call_count, 0);
}

static void a_deleted_product_is_gone_and_its_id_is_not_used_again(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__DeleteProductRequest request;
    Shop__V1__GetProductRequest get = get_request("tea");
    struct create_request create;

    fixture_put_products(fixture);
    shop__v1__delete_product_request__init(&request);
    request.id = TEXT("tea");
    request.etag = TEXT("7");
    fixture_refuses(fixture, catalog_delete_product, &request.base, REASON_ETAG_MISMATCH);
    request.etag = TEXT("1");
    (void)fixture_reply(fixture, catalog_delete_product, &request.base);
    fixture_refuses(fixture, catalog_get_product, &get.base, REASON_PRODUCT_NOT_FOUND);
    fixture_refuses(fixture, catalog_delete_product, &request.base, REASON_PRODUCT_NOT_FOUND);
    create_request_init(&create);
    create.product.id = TEXT("tea");
    fixture_refuses(fixture, catalog_create_product, &create.message.base,
                    REASON_PRODUCT_ALREADY_EXISTS);
}

static Shop__V1__AdjustStockRequest adjust_request(const char *id, int64_t delta)
{
    Shop__V1__AdjustStockRequest request;

    shop__v1__adjust_stock_request__init(&request);
    request.id = TEXT(id);
    request.delta = delta;
    return request;
}

static void stock_moves_by_the_delta_but_not_below_zero(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__AdjustStockRequest request = adjust_request("tea", -10);
    const Shop__V1__Product *product;

    fixture_put_products(fixture);
    product = fixture_reply(fixture, catalog_adjust_stock, &request.base);
    assert_int_equal(product->available, 0);
    assert_string_equal(product->etag, "1"); /* the version is of what the owner sets */
    request.delta = -1;
    fixture_refuses(fixture, catalog_adjust_stock, &request.base, REASON_STOCK_BELOW_ZERO);
    assert_string_equal(fixture_metadata(fixture, "available"), "0");
    assert_string_equal(fixture_metadata(fixture, "productId"), "tea");
    request.delta = 0;
    fixture_refuses(fixture, catalog_adjust_stock, &request.base, REASON_REQUEST_INVALID);
    assert_non_null(fixture_violation(fixture, "delta"));
    request = adjust_request("coffee", 1);
    fixture_refuses(fixture, catalog_adjust_stock, &request.base, REASON_PRODUCT_NOT_FOUND);
}

static void a_repeated_key_moves_the_stock_once(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__AdjustStockRequest request = adjust_request("tea", 5);
    const Shop__V1__Product *product;

    fixture_put_products(fixture);
    request.request_id = TEXT("delivery-7");
    (void)fixture_reply(fixture, catalog_adjust_stock, &request.base);
    product = fixture_reply(fixture, catalog_adjust_stock, &request.base);
    assert_true(fixture->call.replayed);
    assert_int_equal(product->available, 15);
}

/* ---- Weather ------------------------------------------------------------------------------- */

static void fail_next(struct fixture *fixture, enum reason reason, bool maybe_done)
{
    error_set(&fixture->catalog.completion.fail_next, reason);
    fixture->catalog.completion.fail_maybe_done = maybe_done;
}

static void an_unreachable_store_is_told_as_it_is(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__GetProductRequest get = get_request("tea");

    fail_next(fixture, REASON_STORE_UNAVAILABLE, false);
    fixture_refuses(fixture, catalog_get_product, &get.base, REASON_STORE_UNAVAILABLE);
    assert_null(fixture_metadata(fixture, "productId"));
    fail_next(fixture, REASON_STORE_OVERLOADED, false);
    fixture_refuses(fixture, catalog_get_product, &get.base, REASON_STORE_OVERLOADED);
    fail_next(fixture, REASON_STORE_UNAVAILABLE, true);
    fixture_refuses(fixture, catalog_get_product, &get.base, REASON_STORE_UNAVAILABLE);
}

static void an_unreachable_store_is_told_by_those_who_read_many(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__BatchGetProductsRequest batch;
    Shop__V1__ListProductsRequest list;
    char *ids[] = {TEXT("tea")};

    shop__v1__batch_get_products_request__init(&batch);
    batch.ids = ids;
    batch.n_ids = COUNT_OF(ids);
    fail_next(fixture, REASON_STORE_UNAVAILABLE, true);
    fixture_refuses(fixture, catalog_batch_get_products, &batch.base, REASON_STORE_UNAVAILABLE);
    shop__v1__list_products_request__init(&list);
    fail_next(fixture, REASON_STORE_UNAVAILABLE, true);
    fixture_refuses(fixture, catalog_list_products, &list.base, REASON_STORE_UNAVAILABLE);
}

static void what_may_have_happened_at_the_deadline_is_deadline_exceeded(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__GetProductRequest get = get_request("tea");

    fixture->clock.now_ms = 1000;
    fixture->call.deadline_ms = 1050; /* answer_by is now */
    fail_next(fixture, REASON_STORE_UNAVAILABLE, true);
    fixture_refuses(fixture, catalog_get_product, &get.base, REASON_DEADLINE_EXCEEDED);
}

static void an_adjustment_of_unknown_fate_invites_a_retry_only_with_a_key(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__AdjustStockRequest request = adjust_request("tea", 1);

    fixture_put_products(fixture);
    fail_next(fixture, REASON_STORE_UNAVAILABLE, true);
    fixture_refuses(fixture, catalog_adjust_stock, &request.base, REASON_DEADLINE_EXCEEDED);
    request.request_id = TEXT("key");
    fail_next(fixture, REASON_STORE_UNAVAILABLE, true);
    fixture_refuses(fixture, catalog_adjust_stock, &request.base, REASON_STORE_UNAVAILABLE);
}

static void every_method_answers_without_an_arena(void **state)
{
    struct fixture *fixture = *state;
    struct arena *arena = fixture->call.arena;
    service_fn *const methods[] = {catalog_get_product,    catalog_batch_get_products,
                                   catalog_list_products,  catalog_create_product,
                                   catalog_update_product, catalog_delete_product,
                                   catalog_adjust_stock};

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
        TEST(a_product_is_answered_as_it_is_stored),
        TEST(a_missing_product_is_named),
        TEST(a_malformed_product_id_is_an_invalid_argument),
        TEST(a_batch_answers_in_the_order_asked_for),
        TEST(a_batch_names_every_missing_product),
        TEST(a_batch_has_1_to_100_ids_all_different),
        TEST(a_created_product_can_be_read),
        TEST(all_violations_of_a_product_are_told_at_once),
        TEST(a_price_is_exact_and_not_negative),
        TEST(texts_are_counted_in_characters),
        TEST(a_repeated_key_creates_one_product),
        TEST(a_request_id_of_255_characters_is_valid_and_one_of_256_is_not),
        TEST(without_a_mask_the_populated_fields_change),
        TEST(with_a_mask_only_its_fields_change),
        TEST(a_star_replaces_everything_the_owner_sets),
        TEST(a_required_field_cannot_be_cleared),
        TEST(a_mask_names_what_an_owner_sets_and_nothing_else),
        TEST(an_update_with_an_old_or_malformed_etag_is_refused),
        TEST(an_update_of_a_missing_product_names_it),
        TEST(a_deletion_names_its_product),
        TEST(a_deleted_product_is_gone_and_its_id_is_not_used_again),
        TEST(stock_moves_by_the_delta_but_not_below_zero),
        TEST(a_repeated_key_moves_the_stock_once),
        TEST(an_unreachable_store_is_told_as_it_is),
        TEST(an_unreachable_store_is_told_by_those_who_read_many),
        TEST(what_may_have_happened_at_the_deadline_is_deadline_exceeded),
        TEST(an_adjustment_of_unknown_fate_invites_a_retry_only_with_a_key),
        TEST(every_method_answers_without_an_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
