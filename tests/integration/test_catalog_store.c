/* The catalogue over PostgreSQL: what each operation leaves behind, alone and in one batch. */
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static struct idempotency key(const char *request_id, uint8_t payload)
{
    struct idempotency key = {.caller = "alice", .method = "Test", .request_id = request_id};
    memset(key.hash, payload, sizeof(key.hash));
    return key;
}

static struct product a_product(const char *id, int64_t price_minor)
{
    return (struct product){
        .id = id,
        .name = "Teapot",
        .description = "Holds one litre.",
        .category = "kitchen",
        .price = {.minor = price_minor, .currency = "EUR"},
    };
}

static void start_create(struct store_fixture *fixture, struct catalog_create *create)
{
    store_fixture_prepare(fixture, &create->call);
    fixture->catalog.base.ops->create(&fixture->catalog.base, create);
}
static void start_adjust(struct store_fixture *fixture, struct catalog_adjust *adjust)
{
    store_fixture_prepare(fixture, &adjust->call);
    fixture->catalog.base.ops->adjust(&fixture->catalog.base, adjust);
}
static void start_update(struct store_fixture *fixture, struct catalog_update *update)
{
    store_fixture_prepare(fixture, &update->call);
    fixture->catalog.base.ops->update(&fixture->catalog.base, update);
}

static const struct product *get(struct store_fixture *fixture, const char *id)
{
    struct catalog_get get = {.ids = &id, .count = 1};
    store_fixture_prepare(fixture, &get.call);
    fixture->catalog.base.ops->get(&fixture->catalog.base, &get);
    store_fixture_answer(fixture);
    assert_int_equal(get.call.err.status, STATUS_OK);
    return get.products[0];
}

static enum reason remove_product(struct store_fixture *fixture, const char *id, int64_t version)
{
    struct catalog_delete remove = {.id = id, .version_expected = version};
    store_fixture_prepare(fixture, &remove.call);
    fixture->catalog.base.ops->remove(&fixture->catalog.base, &remove);
    store_fixture_answer(fixture);
    return remove.call.err.reason;
}

/* ---- create and get ---- */

static void a_created_product_is_read_as_it_was_given(void **state)
{
    struct store_fixture *fixture = *state;
    struct product product = a_product("teapot", 2999);
    struct catalog_create create = {.product = &product, .initial_stock = 7};

    start_create(fixture, &create);
    store_fixture_answer(fixture);
    assert_int_equal(create.call.err.status, STATUS_OK);
    assert_false(create.replayed);
    assert_int_equal(create.created->version, 1);

    const struct product *read = get(fixture, "teapot");
    assert_string_equal(read->id, "teapot");
    assert_string_equal(read->name, "Teapot");
    assert_string_equal(read->description, "Holds one litre.");
    assert_string_equal(read->category, "kitchen");
    assert_int_equal(read->price.minor, 2999);
    assert_string_equal(read->price.currency, "EUR");
    assert_int_equal(read->available, 7);
    assert_true(read->create_time_us > INT64_C(1700000000) * 1000000);
    assert_int_equal(read->update_time_us, read->create_time_us);
}

static void products_are_read_in_the_order_they_were_asked_for(void **state)
{
    struct store_fixture *fixture = *state;
    const char *ids[] = {"b", "no-such-product", "a"};
    struct catalog_get get = {.ids = ids, .count = 3};

    store_fixture_product(fixture, "a", 1, "EUR", 1);
    store_fixture_product(fixture, "b", 1, "EUR", 1);
    store_fixture_prepare(fixture, &get.call);
    fixture->catalog.base.ops->get(&fixture->catalog.base, &get);
    store_fixture_answer(fixture);
    assert_string_equal(get.products[0]->id, "b");
    assert_null(get.products[1]);
    assert_string_equal(get.products[2]->id, "a");
}

static void an_id_is_taken_once(void **state)
{
    struct store_fixture *fixture = *state;
    struct product products[] = {a_product("cup", 1), a_product("cup", 2)};
    struct idempotency second_key = key("second", 2);
    struct catalog_create first = {.product = &products[0], .initial_stock = 1};
    struct catalog_create second = {
        .product = &products[1], .initial_stock = 2, .idempotency = &second_key};

    start_create(fixture, &first); /* both in one batch */
    start_create(fixture, &second);
    store_fixture_answer(fixture);
    assert_int_equal(first.call.err.reason, REASON_NONE);
    assert_int_equal(second.call.err.reason, REASON_PRODUCT_ALREADY_EXISTS);
    assert_int_equal(get(fixture, "cup")->available, 1);
    assert_int_equal(store_fixture_number(fixture, "SELECT count(*) FROM idempotency"), 0);
}

static void a_repeated_key_gives_the_product_as_it_is_now(void **state)
{
    struct store_fixture *fixture = *state;
    struct product product = a_product("cup", 500);
    struct idempotency same = key("k1", 1), other = key("k1", 2);
    struct catalog_create first = {.product = &product, .initial_stock = 3, .idempotency = &same};
    struct catalog_create again = first, reused = first, twin = first;
    struct catalog_adjust adjust = {.id = "cup", .delta = 4};

    start_create(fixture, &first);
    start_create(fixture, &twin); /* the same key twice in one batch */
    store_fixture_answer(fixture);
    assert_int_equal(first.call.err.reason, REASON_NONE);
    assert_false(first.replayed);
    assert_int_equal(twin.call.err.reason, REASON_NONE);
    assert_true(twin.replayed);

    start_adjust(fixture, &adjust);
    store_fixture_answer(fixture);
    reused.idempotency = &other;
    start_create(fixture, &again);
    start_create(fixture, &reused);
    store_fixture_answer(fixture);
    assert_true(again.replayed);
    assert_int_equal(again.created->available, 7);
    assert_int_equal(reused.call.err.reason, REASON_REQUEST_ID_REUSED);

    assert_int_equal(remove_product(fixture, "cup", 0), REASON_NONE);
    start_create(fixture, &again);
    store_fixture_answer(fixture);
    assert_int_equal(again.call.err.reason, REASON_PRODUCT_NOT_FOUND);
}

/* ---- update and remove ---- */

static void an_update_changes_the_named_fields_only(void **state)
{
    struct store_fixture *fixture = *state;
    struct product change = {.id = "pan", .name = "Big pan", .price = {1900, "USD"}};
    struct catalog_update update = {.product = &change, .mask = PRODUCT_NAME};

    store_fixture_product(fixture, "pan", 700, "EUR", 5);
    start_update(fixture, &update);
    store_fixture_answer(fixture);
    assert_string_equal(update.updated->name, "Big pan");
    assert_int_equal(update.updated->price.minor, 700);
    assert_int_equal(update.updated->version, 2);

    update.mask = PRODUCT_PRICE;
    start_update(fixture, &update);
    store_fixture_answer(fixture);
    assert_int_equal(update.updated->price.minor, 1900);
    assert_string_equal(update.updated->price.currency, "USD");
    assert_int_equal(update.updated->version, 3);
    assert_true(update.updated->update_time_us > update.updated->create_time_us);
}

static void an_empty_mask_changes_nothing(void **state)
{
    struct store_fixture *fixture = *state;
    struct product change = {.id = "pan"};
    struct catalog_update update = {.product = &change, .version_expected = 1};

    store_fixture_product(fixture, "pan", 700, "EUR", 5);
    start_update(fixture, &update);
    store_fixture_answer(fixture);
    assert_int_equal(update.call.err.reason, REASON_NONE);
    assert_int_equal(update.updated->version, 1);
}

static void of_two_updates_of_one_version_the_first_wins(void **state)
{
    struct store_fixture *fixture = *state;
    struct product change = {.id = "pan", .name = "A"};
    struct catalog_update first = {.product = &change, .mask = PRODUCT_NAME, .version_expected = 1};
    struct catalog_update second = first;

    store_fixture_product(fixture, "pan", 700, "EUR", 5);
    start_update(fixture, &first);
    start_update(fixture, &second);
    store_fixture_answer(fixture);
    assert_int_equal(first.call.err.reason, REASON_NONE);
    assert_int_equal(second.call.err.reason, REASON_ETAG_MISMATCH);
}

static void a_removed_product_is_gone_and_its_id_is_not_used_again(void **state)
{
    struct store_fixture *fixture = *state;
    struct product product = a_product("pan", 700);
    struct catalog_create create = {.product = &product};
    struct catalog_update update = {.product = &product, .mask = PRODUCT_NAME};
    struct catalog_adjust adjust = {.id = "pan", .delta = 1};

    store_fixture_product(fixture, "pan", 700, "EUR", 5);
    assert_int_equal(remove_product(fixture, "pan", 2), REASON_ETAG_MISMATCH);
    assert_int_equal(remove_product(fixture, "pan", 1), REASON_NONE);
    assert_null(get(fixture, "pan"));
    assert_int_equal(remove_product(fixture, "pan", 0), REASON_PRODUCT_NOT_FOUND);
    start_create(fixture, &create);
    start_update(fixture, &update);
    start_adjust(fixture, &adjust);
    store_fixture_answer(fixture);
    assert_int_equal(create.call.err.reason, REASON_PRODUCT_ALREADY_EXISTS);
    assert_int_equal(update.call.err.reason, REASON_PRODUCT_NOT_FOUND);
    assert_int_equal(adjust.call.err.reason, REASON_PRODUCT_NOT_FOUND);
    assert_string_equal(adjust.call.err.details->b, "pan");
}

/* ---- stock ---- */

static void stock_moves_by_delta_and_stops_at_its_ends(void **state)
{
    static const struct {
        int64_t delta;
        enum reason reason;
        int64_t left;
    } cases[] = {
        {-5, REASON_NONE, 0},
        {-1, REASON_STOCK_BELOW_ZERO, 0},
        {INT64_MAX, REASON_NONE, INT64_MAX},
        {1, REASON_STOCK_OVERFLOW, INT64_MAX},
        {INT64_MIN, REASON_STOCK_BELOW_ZERO, INT64_MAX},
        {-INT64_MAX, REASON_NONE, 0},
    };
    struct store_fixture *fixture = *state;

    store_fixture_product(fixture, "pan", 700, "EUR", 5);
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct catalog_adjust adjust = {.id = "pan", .delta = cases[i].delta};
        start_adjust(fixture, &adjust);
        store_fixture_answer(fixture);
        assert_int_equal(adjust.call.err.reason, cases[i].reason);
        assert_int_equal(get(fixture, "pan")->available, cases[i].left);
    }
}

static void a_refused_adjustment_says_how_much_there_is(void **state)
{
    struct store_fixture *fixture = *state;
    struct catalog_adjust adjust = {.id = "pan", .delta = -6};

    store_fixture_product(fixture, "pan", 700, "EUR", 5);
    start_adjust(fixture, &adjust);
    store_fixture_answer(fixture);
    const struct error_detail *detail = adjust.call.err.details;
    assert_string_equal(detail->a, "available");
    assert_string_equal(detail->b, "5");
    assert_string_equal(detail->next->a, "delta");
    assert_string_equal(detail->next->b, "-6");
}

static void adjustments_of_one_batch_are_made_one_after_the_other(void **state)
{
    struct store_fixture *fixture = *state;
    struct catalog_adjust adjusts[100];

    store_fixture_product(fixture, "pan", 700, "EUR", 50);
    for (unsigned i = 0; i < COUNT_OF(adjusts); i++) {
        adjusts[i] = (struct catalog_adjust){.id = "pan", .delta = -1};
        start_adjust(fixture, &adjusts[i]);
    }
    store_fixture_answer(fixture);
    for (unsigned i = 0; i < COUNT_OF(adjusts); i++)
        assert_int_equal(adjusts[i].call.err.reason,
                         i < 50 ? REASON_NONE : REASON_STOCK_BELOW_ZERO);
    assert_int_equal(get(fixture, "pan")->available, 0);
}

static void a_key_moves_the_stock_once(void **state)
{
    struct store_fixture *fixture = *state;
    struct idempotency same = key("k", 1), other = key("k", 2);
    struct catalog_adjust first = {.id = "pan", .delta = 3, .idempotency = &same};
    struct catalog_adjust twin = first, later = first, reused = first;

    reused.idempotency = &other;
    store_fixture_product(fixture, "pan", 700, "EUR", 5);
    start_adjust(fixture, &first);
    start_adjust(fixture, &twin);
    store_fixture_answer(fixture);
    start_adjust(fixture, &later);
    start_adjust(fixture, &reused);
    store_fixture_answer(fixture);
    assert_false(first.replayed);
    assert_true(twin.replayed);
    assert_true(later.replayed);
    assert_int_equal(later.adjusted->available, 8);
    assert_int_equal(reused.call.err.reason, REASON_REQUEST_ID_REUSED);
}

static void a_refused_adjustment_leaves_its_key_free(void **state)
{
    struct store_fixture *fixture = *state;
    struct idempotency same = key("k", 1);
    struct catalog_adjust adjust = {.id = "pan", .delta = -6, .idempotency = &same};

    store_fixture_product(fixture, "pan", 700, "EUR", 5);
    start_adjust(fixture, &adjust);
    store_fixture_answer(fixture);
    assert_int_equal(adjust.call.err.reason, REASON_STOCK_BELOW_ZERO);
    store_fixture_exec(fixture, "UPDATE stock SET available = 9");
    start_adjust(fixture, &adjust);
    store_fixture_answer(fixture);
    assert_int_equal(adjust.call.err.reason, REASON_NONE);
    assert_false(adjust.replayed);
    assert_int_equal(adjust.adjusted->available, 3);
}

/* What a lost connection leads to: the same parameters again. */
static void a_statement_sent_again_moves_the_stock_once(void **state)
{
    struct store_fixture *fixture = *state;

    store_fixture_product(fixture, "pan", 700, "EUR", 5);
    for (int i = 0; i < 2; i++)
        store_fixture_exec(
            fixture, "SELECT * FROM adjust_stock('{pan}', '{4}',"
                     " '{00000000-0000-4000-8000-000000000001}', '{\"\"}', '{\"\"}', '{\"\"}',"
                     " ARRAY[sha256('')])");
    assert_int_equal(get(fixture, "pan")->available, 9);
}

/* ---- pages ---- */

static void list(struct store_fixture *fixture, struct catalog_list *list)
{
    store_fixture_prepare(fixture, &list->call);
    fixture->catalog.base.ops->list(&fixture->catalog.base, list);
}

static void pages_follow_each_other_without_gap_or_overlap(void **state)
{
    struct store_fixture *fixture = *state;
    static const char *const ids[] = {"p0", "p1", "p2", "p3", "p4"};

    for (unsigned i = 0; i < COUNT_OF(ids); i++)
        store_fixture_product(fixture, ids[i], 1, "EUR", 1);
    struct catalog_list first = {.category = "", .after_id = "", .limit = 2};
    struct catalog_list second = {.category = "things", .after_id = "p1", .limit = 2};
    struct catalog_list last = {.category = "", .after_id = "p3", .limit = 2};
    struct catalog_list numbered = {.category = "", .after_id = "", .offset = 3, .limit = 2};
    struct catalog_list exact = {.category = "", .after_id = "", .limit = 5};
    struct catalog_list none = {.category = "other", .after_id = "", .limit = 5};
    list(fixture, &first);
    list(fixture, &second);
    list(fixture, &last);
    list(fixture, &numbered);
    list(fixture, &exact);
    list(fixture, &none);
    store_fixture_answer(fixture);

    assert_int_equal(first.count, 2);
    assert_string_equal(first.products[0]->id, "p0");
    assert_string_equal(first.products[1]->id, "p1");
    assert_true(first.has_more);
    assert_string_equal(second.products[0]->id, "p2");
    assert_string_equal(second.products[1]->id, "p3");
    assert_true(second.has_more);
    assert_int_equal(last.count, 1);
    assert_false(last.has_more);
    assert_string_equal(numbered.products[0]->id, "p3");
    assert_false(numbered.has_more);
    assert_int_equal(exact.count, 5);
    assert_false(exact.has_more);
    assert_int_equal(none.count, 0);
}

static void removed_products_are_not_listed(void **state)
{
    struct store_fixture *fixture = *state;
    struct catalog_list all = {.category = "", .after_id = "", .limit = 10};

    store_fixture_product(fixture, "a", 1, "EUR", 1);
    store_fixture_product(fixture, "b", 1, "EUR", 1);
    assert_int_equal(remove_product(fixture, "a", 0), REASON_NONE);
    list(fixture, &all);
    store_fixture_answer(fixture);
    assert_int_equal(all.count, 1);
    assert_string_equal(all.products[0]->id, "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)
        TEST(a_created_product_is_read_as_it_was_given),
        TEST(products_are_read_in_the_order_they_were_asked_for),
        TEST(an_id_is_taken_once),
        TEST(a_repeated_key_gives_the_product_as_it_is_now),
        TEST(an_update_changes_the_named_fields_only),
        TEST(an_empty_mask_changes_nothing),
        TEST(of_two_updates_of_one_version_the_first_wins),
        TEST(a_removed_product_is_gone_and_its_id_is_not_used_again),
        TEST(stock_moves_by_delta_and_stops_at_its_ends),
        TEST(a_refused_adjustment_says_how_much_there_is),
        TEST(adjustments_of_one_batch_are_made_one_after_the_other),
        TEST(a_key_moves_the_stock_once),
        TEST(a_refused_adjustment_leaves_its_key_free),
        TEST(a_statement_sent_again_moves_the_stock_once),
        TEST(pages_follow_each_other_without_gap_or_overlap),
        TEST(removed_products_are_not_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
