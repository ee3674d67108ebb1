/* Orders over PostgreSQL, as the service sees them: priced, read, listed, wished away. */
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static struct idempotency key(const char *method, const char *request_id, uint8_t payload)
{
    struct idempotency key = {.caller = "alice", .method = method, .request_id = request_id};
    memset(key.hash, payload, sizeof(key.hash));
    return key;
}

static const char *address_lines[] = {"Hauptstrasse 5", "Hinterhaus"};

static struct order an_order(struct store_fixture *fixture, struct order_line *lines,
                             uint32_t line_count)
{
    return (struct order){
        .id = store_fixture_id(fixture),
        .caller = "alice",
        .customer_id = "customer-1",
        .lines = lines,
        .line_count = line_count,
        .ship_to = {.recipient = "Jane Doe",
                    .lines = address_lines,
                    .line_count = 2,
                    .postal_code = "10115",
                    .locality = "Berlin",
                    .administrative_area = "",
                    .region_code = "DE"},
    };
}

static void start_create(struct store_fixture *fixture, struct order_create *create)
{
    store_fixture_prepare(fixture, &create->call);
    fixture->orders.base.ops->create(&fixture->orders.base, create);
}

static enum reason create_one(struct store_fixture *fixture, struct order_line *lines,
                              uint32_t line_count, struct order_create *create)
{
    static struct order order;
    order = an_order(fixture, lines, line_count);
    create->order = &order;
    start_create(fixture, create);
    store_fixture_answer(fixture);
    return create->call.err.reason;
}

static void start_cancel(struct store_fixture *fixture, struct order_cancel *cancel)
{
    store_fixture_prepare(fixture, &cancel->call);
    fixture->orders.base.ops->wish_cancel(&fixture->orders.base, cancel);
}

static enum reason cancel_one(struct store_fixture *fixture, struct order_cancel *cancel)
{
    start_cancel(fixture, cancel);
    store_fixture_answer(fixture);
    return cancel->call.err.reason;
}

static struct order_get get_one(struct store_fixture *fixture, const struct uuid *id,
                                const char *caller)
{
    struct order_get get = {.id = *id, .caller = caller};
    store_fixture_prepare(fixture, &get.call);
    fixture->orders.base.ops->get(&fixture->orders.base, &get);
    store_fixture_answer(fixture);
    return get;
}

static const char *text_of(const struct uuid *id)
{
    static char text[UUID_TEXT_SIZE];
    uuid_format(id, text);
    return text;
}

/* ---- create and get ---- */

static void an_order_is_priced_from_the_catalogue_and_read_as_it_was_stored(void **state)
{
    struct store_fixture *fixture = *state;
    struct order_line lines[] = {{.product_id = "b", .quantity = 2},
                                 {.product_id = "a", .quantity = 3},
                                 {.product_id = "b", .quantity = 1}};
    struct order_create create = {0};

    store_fixture_product(fixture, "a", 150, "EUR", 9);
    store_fixture_product(fixture, "b", 1000, "EUR", 9);
    assert_int_equal(create_one(fixture, lines, 3, &create), REASON_NONE);
    assert_false(create.replayed);
    assert_int_equal(create.created->event_count, 1);

    struct order_get get = get_one(fixture, &create.order->id, "alice");
    const struct order *order = get.order;
    assert_true(uuid_equal(&order->id, &create.order->id));
    assert_string_equal(order->caller, "alice");
    assert_string_equal(order->customer_id, "customer-1");
    assert_int_equal(order->line_count, 3);
    assert_string_equal(order->lines[0].product_id, "b");
    assert_string_equal(order->lines[0].name, "Name of b");
    assert_int_equal(order->lines[0].quantity, 2);
    assert_int_equal(order->lines[1].unit_price_minor, 150);
    assert_string_equal(order->lines[2].product_id, "b");
    assert_int_equal(order->total.minor, 3 * 1000 + 3 * 150);
    assert_string_equal(order->total.currency, "EUR");
    assert_int_equal(order->state, ORDER_PENDING);
    assert_int_equal(order->attempt, 0);
    assert_int_equal(order->revision, 1);
    assert_null(order->payment_id);
    assert_int_equal(order->failure.reason, REASON_NONE);
    assert_string_equal(order->ship_to.recipient, "Jane Doe");
    assert_int_equal(order->ship_to.line_count, 2);
    assert_string_equal(order->ship_to.lines[1], "Hinterhaus");
    assert_string_equal(order->ship_to.postal_code, "10115");
    assert_string_equal(order->ship_to.locality, "Berlin");
    assert_string_equal(order->ship_to.administrative_area, "");
    assert_string_equal(order->ship_to.region_code, "DE");
    assert_true(order->create_time_us > INT64_C(1700000000) * 1000000);
    assert_int_equal(order->events[0].state, ORDER_PENDING);
    assert_int_equal(order->events[0].time_us, order->create_time_us);
}

static void another_callers_order_does_not_exist(void **state)
{
    struct store_fixture *fixture = *state;
    struct order_line line = {.product_id = "a", .quantity = 1};
    struct order_create create = {0};

    store_fixture_product(fixture, "a", 150, "EUR", 9);
    assert_int_equal(create_one(fixture, &line, 1, &create), REASON_NONE);
    struct order_get get = get_one(fixture, &create.order->id, "bob");
    assert_int_equal(get.call.err.reason, REASON_ORDER_NOT_FOUND);
    assert_string_equal(get.call.err.details->a, "shop.v1.Order");
    assert_string_equal(get.call.err.details->b, text_of(&create.order->id));
    struct order_cancel cancel = {.id = create.order->id, .caller = "bob"};
    assert_int_equal(cancel_one(fixture, &cancel), REASON_ORDER_NOT_FOUND);
}

static void start_get_newer(struct store_fixture *fixture, struct order_get *get)
{
    store_fixture_prepare(fixture, &get->call);
    fixture->orders.base.ops->get(&fixture->orders.base, get);
}

static void an_order_is_read_only_when_it_is_newer_than_what_was_seen(void **state)
{
    struct store_fixture *fixture = *state;
    struct order_line line = {.product_id = "a", .quantity = 1};
    struct order_create create = {0};

    store_fixture_product(fixture, "a", 150, "EUR", 9);
    assert_int_equal(create_one(fixture, &line, 1, &create), REASON_NONE);
    const struct uuid old = create.order->id;
    assert_int_equal(create_one(fixture, &line, 1, &create), REASON_NONE);
    const struct uuid changed = create.order->id;
    struct order_cancel cancel = {.id = changed, .caller = "alice"};
    assert_int_equal(cancel_one(fixture, &cancel), REASON_NONE);

    /* One batch, so that each must be dealt its own. */
    struct order_get looks[] = {
        {.id = old, .caller = "alice", .after_revision = 1},
        {.id = changed, .caller = "alice", .after_revision = 1},
        {.id = changed, .caller = "alice", .after_revision = 2},
        {.id = changed, .caller = "bob", .after_revision = 1},
        {.id = store_fixture_id(fixture), .caller = "alice", .after_revision = 1},
        {.id = old, .caller = "alice", .after_revision = INT64_MAX},
        {.id = old, .caller = "alice"},
    };
    for (size_t i = 0; i < COUNT_OF(looks); i++)
        start_get_newer(fixture, &looks[i]);
    store_fixture_answer(fixture);

    static const bool unchanged[] = {true, false, true, false, false, true, false};
    static const int64_t revisions[] = {0, 2, 0, 0, 0, 0, 1}; /* 0: no order is told */
    for (size_t i = 0; i < COUNT_OF(looks); i++) {
        const bool is_missing = i == 3 || i == 4;
        assert_int_equal(looks[i].call.err.reason,
                         is_missing ? REASON_ORDER_NOT_FOUND : REASON_NONE);
        assert_int_equal(looks[i].unchanged, unchanged[i]);
        assert_int_equal(looks[i].order == NULL ? 0 : looks[i].order->revision, revisions[i]);
    }
    assert_int_equal(looks[1].order->state, ORDER_CANCELLED);
    assert_int_equal(looks[1].order->event_count, 2);
    assert_string_equal(looks[1].order->lines[0].product_id, "a");
}

static void what_cannot_be_priced_is_refused_and_leaves_nothing(void **state)
{
    static const struct {
        const char *first, *second;
        int32_t quantity;
        enum reason reason;
    } cases[] = {
        {"cheap", "cheap", 1, REASON_NONE},          {"cheap", "gone", 1, REASON_PRODUCT_NOT_FOUND},
        {"cheap", "yen", 1, REASON_CURRENCY_MIXED},  {"free", "free", 1, REASON_ORDER_TOTAL_ZERO},
        {"dear", "cheap", 1, REASON_NONE}, /* 2^63 - 2 + 1 */
        {"dear", "cheap", 2, REASON_MONEY_OVERFLOW},
    };
    struct store_fixture *fixture = *state;
    struct idempotency with_key = key("CreateOrder", "k", 1);
    long order_count = 0;

    store_fixture_product(fixture, "cheap", 1, "EUR", 9);
    store_fixture_product(fixture, "yen", 1, "JPY", 9);
    store_fixture_product(fixture, "free", 0, "EUR", 9);
    store_fixture_product(fixture, "dear", INT64_MAX - 1, "EUR", 9);
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct order_line lines[] = {{.product_id = cases[i].first, .quantity = 1},
                                     {.product_id = cases[i].second, cases[i].quantity, NULL, 0}};
        struct order_create create = {0};
        if (cases[i].reason != REASON_NONE)
            create.idempotency = &with_key;
        assert_int_equal(create_one(fixture, lines, 2, &create), cases[i].reason);
        order_count += cases[i].reason == REASON_NONE;
    }
    assert_int_equal(store_fixture_number(fixture, "SELECT count(*) FROM orders"), order_count);
    assert_int_equal(store_fixture_number(fixture, "SELECT count(*) FROM order_event"),
                     order_count);
    assert_int_equal(store_fixture_number(fixture, "SELECT count(*) FROM idempotency"), 0);
}

static void all_missing_products_are_named(void **state)
{
    struct store_fixture *fixture = *state;
    struct order_line lines[] = {{.product_id = "z", .quantity = 1},
                                 {.product_id = "a", .quantity = 1},
                                 {.product_id = "y", .quantity = 1}};
    struct order_create create = {0};

    store_fixture_product(fixture, "a", 150, "EUR", 9);
    store_fixture_product(fixture, "z", 150, "EUR", 9);
    store_fixture_exec(fixture, "UPDATE product SET deleted = true WHERE id = 'z'");
    assert_int_equal(create_one(fixture, lines, 3, &create), REASON_PRODUCT_NOT_FOUND);
    const struct error_detail *detail = create.call.err.details;
    assert_int_equal(detail->kind, DETAIL_METADATA);
    assert_string_equal(detail->a, "productId");
    assert_string_equal(detail->b, "y");
    assert_string_equal(detail->next->b, "y");
    assert_string_equal(detail->next->next->a, "shop.v1.Product");
    assert_string_equal(detail->next->next->b, "z");
}

static void one_that_is_refused_does_not_disturb_its_batch(void **state)
{
    struct store_fixture *fixture = *state;
    struct order_line good = {.product_id = "a", .quantity = 1};
    struct order_line bad = {.product_id = "gone", .quantity = 1};
    struct order orders[40];
    struct order_create creates[40];

    store_fixture_product(fixture, "a", 150, "EUR", 9);
    for (unsigned i = 0; i < COUNT_OF(orders); i++) {
        orders[i] = an_order(fixture, i % 3 == 0 ? &bad : &good, 1);
        creates[i] = (struct order_create){.order = &orders[i]};
        start_create(fixture, &creates[i]);
    }
    store_fixture_answer(fixture);
    for (unsigned i = 0; i < COUNT_OF(orders); i++) {
        if (i % 3 == 0) {
            assert_int_equal(creates[i].call.err.reason, REASON_PRODUCT_NOT_FOUND);
        } else {
            assert_int_equal(creates[i].call.err.reason, REASON_NONE);
            assert_true(uuid_equal(&creates[i].created->id, &orders[i].id));
        }
    }
}

static void a_hundred_lines_are_stored_in_their_order(void **state)
{
    struct store_fixture *fixture = *state;
    struct order_line lines[100];
    struct order_create create = {0};

    store_fixture_product(fixture, "a", 1, "EUR", 9);
    for (int i = 0; i < 100; i++)
        lines[i] = (struct order_line){.product_id = "a", .quantity = i + 1};
    assert_int_equal(create_one(fixture, lines, 100, &create), REASON_NONE);
    for (int i = 0; i < 100; i++)
        assert_int_equal(create.created->lines[i].quantity, i + 1);
    assert_int_equal(create.created->total.minor, 5050);
}

/* ---- Keys ---- */

static void a_repeated_key_gives_the_order_it_once_made(void **state)
{
    struct store_fixture *fixture = *state;
    struct order_line line = {.product_id = "a", .quantity = 1};
    struct idempotency same = key("CreateOrder", "k", 1), other = key("CreateOrder", "k", 2);
    struct order orders[4];
    struct order_create creates[4];

    store_fixture_product(fixture, "a", 150, "EUR", 9);
    for (unsigned i = 0; i < 4; i++) {
        orders[i] = an_order(fixture, &line, 1);
        creates[i] =
            (struct order_create){.order = &orders[i], .idempotency = i == 3 ? &other : &same};
    }
    start_create(fixture, &creates[0]);
    start_create(fixture, &creates[1]); /* the same key twice in one batch */
    store_fixture_answer(fixture);
    store_fixture_exec(fixture, "UPDATE product SET deleted = true"); /* it could not be made now */
    start_create(fixture, &creates[2]);
    start_create(fixture, &creates[3]);
    store_fixture_answer(fixture);

    assert_false(creates[0].replayed);
    assert_true(creates[1].replayed);
    assert_true(creates[2].replayed);
    assert_true(uuid_equal(&creates[2].created->id, &orders[0].id));
    assert_int_equal(creates[3].call.err.reason, REASON_REQUEST_ID_REUSED);
    assert_int_equal(store_fixture_number(fixture, "SELECT count(*) FROM orders"), 1);
}

/* What a lost connection leads to: the same parameters again. */
static void an_order_sent_again_is_made_once(void **state)
{
    struct store_fixture *fixture = *state;
    struct order_line line = {.product_id = "a", .quantity = 1};
    struct idempotency with_key = key("CreateOrder", "k", 1);
    struct order plain = an_order(fixture, &line, 1), keyed = an_order(fixture, &line, 1);

    store_fixture_product(fixture, "a", 150, "EUR", 9);
    for (int i = 0; i < 2; i++) {
        struct order_create first = {.order = &plain};
        struct order_create second = {.order = &keyed, .idempotency = &with_key};
        start_create(fixture, &first);
        start_create(fixture, &second);
        store_fixture_answer(fixture);
        assert_int_equal(first.call.err.reason, REASON_NONE);
        assert_int_equal(second.call.err.reason, REASON_NONE);
        assert_false(second.replayed);
        assert_int_equal(second.created->revision, 1);
    }
    assert_int_equal(store_fixture_number(fixture, "SELECT count(*) FROM orders"), 2);
    assert_int_equal(store_fixture_number(fixture, "SELECT count(*) FROM order_event"), 2);
}

/* ---- Pages ---- */

static struct order_list a_list(struct store_fixture *fixture, struct order_list list)
{
    store_fixture_prepare(fixture, &list.call);
    fixture->orders.base.ops->list(&fixture->orders.base, &list);
    store_fixture_answer(fixture);
    assert_int_equal(list.call.err.reason, REASON_NONE);
    return list;
}

static void orders_are_listed_newest_first_page_by_page(void **state)
{
    struct store_fixture *fixture = *state;
    struct order_line line = {.product_id = "a", .quantity = 1};
    struct order orders[5];

    store_fixture_product(fixture, "a", 150, "EUR", 9);
    for (unsigned i = 0; i < 5; i++) {
        struct order_create create = {.order = &orders[i]};
        orders[i] = an_order(fixture, &line, 1);
        if (i == 2)
            orders[i].customer_id = "customer-2";
        if (i == 4)
            orders[i].caller = "bob";
        start_create(fixture, &create);
        store_fixture_answer(fixture);
    }
    struct order_cancel cancel = {.id = orders[0].id, .caller = "alice"};
    assert_int_equal(cancel_one(fixture, &cancel), REASON_NONE);

    struct order_list first =
        a_list(fixture, (struct order_list){.caller = "alice", .customer_id = "", .limit = 3});
    assert_int_equal(first.count, 3);
    assert_true(first.has_more);
    for (unsigned i = 0; i < 3; i++)
        assert_true(uuid_equal(&first.orders[i]->id, &orders[3 - i].id));
    struct order_list second = a_list(
        fixture, (struct order_list){
                     .caller = "alice", .customer_id = "", .before_id = orders[1].id, .limit = 3});
    assert_int_equal(second.count, 1);
    assert_false(second.has_more);
    assert_true(uuid_equal(&second.orders[0]->id, &orders[0].id));

    struct order_list of_customer = a_list(
        fixture, (struct order_list){.caller = "alice", .customer_id = "customer-2", .limit = 3});
    assert_int_equal(of_customer.count, 1);
    assert_true(uuid_equal(&of_customer.orders[0]->id, &orders[2].id));
    struct order_list cancelled = a_list(
        fixture, (struct order_list){
                     .caller = "alice", .customer_id = "", .state = ORDER_CANCELLED, .limit = 3});
    assert_int_equal(cancelled.count, 1);
    assert_true(uuid_equal(&cancelled.orders[0]->id, &orders[0].id));
}

/* ---- Cancel ---- */

static void a_pending_order_is_cancelled_at_once_and_again_without_effect(void **state)
{
    struct store_fixture *fixture = *state;
    struct order_line line = {.product_id = "a", .quantity = 1};
    struct order_create create = {0};
    struct idempotency with_key = key("CancelOrder", "c", 1), other = key("CancelOrder", "c", 2);

    store_fixture_product(fixture, "a", 150, "EUR", 9);
    assert_int_equal(create_one(fixture, &line, 1, &create), REASON_NONE);
    struct order_cancel cancel = {
        .id = create.order->id, .caller = "alice", .idempotency = &with_key};
    struct order_cancel plain = cancel, reused = cancel;
    plain.idempotency = NULL;
    reused.idempotency = &other;

    assert_int_equal(cancel_one(fixture, &cancel), REASON_NONE);
    assert_false(cancel.replayed);
    assert_int_equal(cancel.order->state, ORDER_CANCELLED);
    assert_int_equal(cancel.order->revision, 2);
    assert_int_equal(cancel.order->events[1].state, ORDER_CANCELLED);
    assert_int_equal(cancel_one(fixture, &cancel), REASON_NONE);
    assert_true(cancel.replayed);
    assert_int_equal(cancel_one(fixture, &plain), REASON_NONE);
    assert_int_equal(plain.order->revision, 2);
    assert_int_equal(cancel_one(fixture, &reused), REASON_REQUEST_ID_REUSED);
}

static void a_fulfilled_order_cannot_be_cancelled(void **state)
{
    struct store_fixture *fixture = *state;
    struct order_line line = {.product_id = "a", .quantity = 1};
    struct order_create create = {0};
    struct idempotency with_key = key("CancelOrder", "c", 1);

    store_fixture_product(fixture, "a", 150, "EUR", 9);
    assert_int_equal(create_one(fixture, &line, 1, &create), REASON_NONE);
    store_fixture_exec(fixture, "UPDATE orders SET state = 'FULFILLED', attempt = 1,"
                                " generation = 1");
    struct order_cancel cancel = {
        .id = create.order->id, .caller = "alice", .idempotency = &with_key};
    assert_int_equal(cancel_one(fixture, &cancel), REASON_ORDER_STATE_INVALID);
    assert_int_equal(store_fixture_number(fixture, "SELECT count(*) FROM idempotency"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)
        TEST(an_order_is_priced_from_the_catalogue_and_read_as_it_was_stored),
        TEST(another_callers_order_does_not_exist),
        TEST(an_order_is_read_only_when_it_is_newer_than_what_was_seen),
        TEST(what_cannot_be_priced_is_refused_and_leaves_nothing),
        TEST(all_missing_products_are_named),
        TEST(one_that_is_refused_does_not_disturb_its_batch),
        TEST(a_hundred_lines_are_stored_in_their_order),
        TEST(a_repeated_key_gives_the_order_it_once_made),
        TEST(an_order_sent_again_is_made_once),
        TEST(orders_are_listed_newest_first_page_by_page),
        TEST(a_pending_order_is_cancelled_at_once_and_again_without_effect),
        TEST(a_fulfilled_order_cannot_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
