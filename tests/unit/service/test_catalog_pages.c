/* ListProducts over a catalogue in memory: the two ways of paging. */
#include "service_fixture.h"

#include <stdio.h>

#include "base/limits.h"

static void put_many(struct fixture *fixture, unsigned count, const char *description)
{
    for (unsigned i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof(id), "p%03u", i);
        fake_catalog_store_put(&fixture->catalog,
                               &(struct product){.id = id,
                                                 .name = id,
                                                 .description = description,
                                                 .category = i % 2 ? "odd" : "even",
                                                 .price = {100, "EUR"}});
    }
}

static Shop__V1__ListProductsRequest list_request(void)
{
    Shop__V1__ListProductsRequest request;

    shop__v1__list_products_request__init(&request);
    return request;
}

static void tokens_lead_through_all_products_once(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__ListProductsRequest request = list_request();
    const Shop__V1__ListProductsResponse *reply;
    unsigned seen = 0;

    put_many(fixture, 50, "");
    do {
        reply = fixture_reply(fixture, catalog_list_products, &request.base);
        for (size_t i = 0; i < reply->n_products; i++) {
            char id[16];
            snprintf(id, sizeof(id), "p%03u", seen++);
            assert_string_equal(reply->products[i]->id, id);
        }
        request.page_token = reply->next_page_token;
    } while (request.page_token[0] != '\0');
    assert_int_equal(seen, 50);
    assert_int_equal(reply->n_products, 10);
}

static void a_page_has_20_products_unless_asked_otherwise_and_at_most_100(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        int32_t asked;
        size_t answered;
    } rows[] = {{0, 20}, {1, 1}, {100, 100}, {101, 100}, {INT32_MAX, 100}};

    put_many(fixture, 150, "");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        Shop__V1__ListProductsRequest request = list_request();
        const Shop__V1__ListProductsResponse *reply;
        request.page_size = rows[i].asked;
        reply = fixture_reply(fixture, catalog_list_products, &request.base);
        assert_int_equal(reply->n_products, rows[i].answered);
        request = list_request();
        request.per_page = rows[i].asked;
        reply = fixture_reply(fixture, catalog_list_products, &request.base);
        assert_int_equal(reply->n_products, rows[i].answered);
    }
}

static void numbered_pages_begin_at_1_and_0_is_1(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        int32_t page;
        const char *first;
    } rows[] = {{0, "p000"}, {1, "p000"}, {2, "p010"}, {3, "p020"}};

    put_many(fixture, 30, "");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        Shop__V1__ListProductsRequest request = list_request();
        const Shop__V1__ListProductsResponse *reply;
        request.page = rows[i].page;
        request.per_page = 10;
        reply = fixture_reply(fixture, catalog_list_products, &request.base);
        assert_string_equal(reply->products[0]->id, rows[i].first);
        assert_int_equal(reply->next_page_token[0] == '\0', rows[i].page == 3);
    }
}

static void numbered_pages_end_at_offset_10000(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__ListProductsRequest request = list_request();
    const Shop__V1__ListProductsResponse *reply;

    request.per_page = 100;
    request.page = 101;
    reply = fixture_reply(fixture, catalog_list_products, &request.base);
    assert_int_equal(reply->n_products, 0);
    request.page = 102;
    fixture_refuses(fixture, catalog_list_products, &request.base, REASON_PAGE_OUT_OF_RANGE);
    request.page = INT32_MAX;
    fixture_refuses(fixture, catalog_list_products, &request.base, REASON_PAGE_OUT_OF_RANGE);
}

static void the_two_ways_of_paging_do_not_mix(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__ListProductsRequest request = list_request();

    request.page = 1;
    request.page_size = 10;
    request.page_token = TEXT("x");
    fixture_refuses(fixture, catalog_list_products, &request.base, REASON_REQUEST_INVALID);
    assert_non_null(fixture_violation(fixture, "page_size"));
    assert_non_null(fixture_violation(fixture, "page_token"));
}

static void negative_sizes_and_pages_are_invalid(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__ListProductsRequest request = list_request();

    request.page_size = -1;
    request.category = TEXT("No Category");
    fixture_refuses(fixture, catalog_list_products, &request.base, REASON_REQUEST_INVALID);
    assert_non_null(fixture_violation(fixture, "page_size"));
    assert_non_null(fixture_violation(fixture, "category"));
    request = list_request();
    request.page = -1;
    request.per_page = -1;
    fixture_refuses(fixture, catalog_list_products, &request.base, REASON_REQUEST_INVALID);
    assert_non_null(fixture_violation(fixture, "page"));
    assert_non_null(fixture_violation(fixture, "per_page"));
}

static void a_token_is_bound_to_its_category(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__ListProductsRequest request = list_request();
    const Shop__V1__ListProductsResponse *reply;

    put_many(fixture, 50, "");
    request.category = TEXT("even");
    reply = fixture_reply(fixture, catalog_list_products, &request.base);
    request.page_token = reply->next_page_token;
    reply = fixture_reply(fixture, catalog_list_products, &request.base);
    assert_int_equal(reply->n_products, 5);
    request.category = TEXT("odd");
    fixture_refuses(fixture, catalog_list_products, &request.base, REASON_PAGE_TOKEN_INVALID);
    request.page_token = TEXT("nonsense");
    fixture_refuses(fixture, catalog_list_products, &request.base, REASON_PAGE_TOKEN_INVALID);
}

static void a_page_of_large_products_ends_early_and_the_next_goes_on(void **state)
{
    static char description[16001];
    struct fixture *fixture = *state;
    Shop__V1__ListProductsRequest request = list_request();
    const Shop__V1__ListProductsResponse *reply;
    size_t first_count;

    memset(description, 'x', sizeof(description) - 1);
    put_many(fixture, 100, description);
    request.page_size = 100;
    reply = fixture_reply(fixture, catalog_list_products, &request.base);
    first_count = reply->n_products;
    assert_true(first_count < 100);
    assert_true(shop__v1__list_products_response__get_packed_size(reply) <= LIMIT_REPLY_SIZE + 512);
    request.page_token = reply->next_page_token;
    reply = fixture_reply(fixture, catalog_list_products, &request.base);
    assert_int_equal(first_count + reply->n_products, 100);

    /* By number nothing may be left out: the rest would stand on no page. */
    request = list_request();
    request.per_page = 100;
    reply = fixture_reply(fixture, catalog_list_products, &request.base);
    assert_int_equal(reply->n_products, 100);
}

static void lists_wait_for_the_key_of_the_tokens(void **state)
{
    struct fixture *fixture = *state;
    Shop__V1__ListProductsRequest request = list_request();

    fixture->service.page_key_set = false;
    fixture_refuses(fixture, catalog_list_products, &request.base, REASON_STORE_UNAVAILABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tokens_lead_through_all_products_once),
        TEST(a_page_has_20_products_unless_asked_otherwise_and_at_most_100),
        TEST(numbered_pages_begin_at_1_and_0_is_1),
        TEST(numbered_pages_end_at_offset_10000),
        TEST(the_two_ways_of_paging_do_not_mix),
        TEST(negative_sizes_and_pages_are_invalid),
        TEST(a_token_is_bound_to_its_category),
        TEST(a_page_of_large_products_ends_early_and_the_next_goes_on),
        TEST(lists_wait_for_the_key_of_the_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
