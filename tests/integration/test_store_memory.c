/* Memory runs out once, anywhere in an operation of a store: of two that share a batch at most one is
 * told OUT_OF_MEMORY, the other gets what it asked for, and the connection goes on. */
#include "store_fixture.h"

#include "base/limits.h"
#include "fake/failing_heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum {
    LEASE_MS = 10000,
    PLENTY = 1000000 /* of stock */
};

/* Any operation; each begins with its call. */
union operation {
    struct store_call call;
    struct catalog_get get_products;
    struct catalog_list list_products;
    struct catalog_create create_product;
    struct catalog_update update;
    struct catalog_delete remove;
    struct catalog_adjust adjust;
    struct order_create create_order;
    struct order_get get_order;
    struct order_list list_orders;
    struct order_cancel cancel;
    struct saga_claim claim;
    struct saga_advance advance;
    struct saga_renew renew;
    struct saga_take_due take_due;
    struct saga_give_back give_back;
    struct event_look look;
    struct event_page page;
    struct operator_list list_stuck;
    struct operator_show show;
    struct operator_mend mend;
    struct reconcile_take take_run;
    struct reconcile_compare compare;
    struct reconcile_orders compare_orders;
    struct reconcile_finish finish_run;
};

/* One of the two that are started together. */
struct asked {
    union operation operation;
    struct store_fixture *store;
    struct order order;
    struct product product;
    char product_id[32];
};

/* What is asked, and how it ends when there is memory. */
struct scene {
    void (*prepare)(struct asked *asked);
    void (*start)(struct asked *asked);
    void (*check)(struct asked *asked); /* of one that ended so; may be NULL */
    enum reason reason;
};

struct play {
    const struct scene *scene;
    struct store_fixture *store;
};

static const char *address_lines[] = {"Hauptstrasse 5", "Hinterhaus"};

#define START(name, store_name, member, function)                                   \
    static void name(struct asked *asked)                                           \
    {                                                                               \
        asked->store->store_name.base.ops->function(&asked->store->store_name.base, \
                                                    &asked->operation.member);      \
    }

START(start_get_products, catalog, get_products, get)
START(start_list_products, catalog, list_products, list)
START(start_create_product, catalog, create_product, create)
START(start_update, catalog, update, update)
START(start_remove, catalog, remove, remove)
START(start_adjust, catalog, adjust, adjust)
START(start_create_order, orders, create_order, create)
START(start_get_order, orders, get_order, get)
START(start_list_orders, orders, list_orders, list)
START(start_cancel, orders, cancel, wish_cancel)
START(start_claim, saga, claim, claim)
START(start_advance, saga, advance, advance)
START(start_renew, saga, renew, renew)
START(start_take_due, saga, take_due, take_due)
START(start_give_back, saga, give_back, give_back)
START(start_look, events, look, look)
START(start_page, events, page, page)
START(start_list_stuck, operators, list_stuck, list)
START(start_show, operators, show, show)
START(start_mend, operators, mend, mend)
START(start_take_run, reconcile, take_run, take)
START(start_compare, reconcile, compare, compare)
START(start_compare_orders, reconcile, compare_orders, orders)
START(start_finish_run, reconcile, finish_run, finish)

/* ---- Running ---- */

/* Starts it, and turns the loop until it is answered. */
static void run_alone(struct asked *asked, void (*start)(struct asked *asked))
{
    store_fixture_prepare(asked->store, &asked->operation.call);
    start(asked);
    store_fixture_answer(asked->store);
    assert_int_equal(asked->operation.call.err.reason, REASON_NONE);
}

static bool ended_as_it_should(const struct scene *scene, struct asked *asked)
{
    enum reason reason = asked->operation.call.err.reason;

    if (failing_heap_has_failed() && reason == REASON_OUT_OF_MEMORY)
        return false;
    assert_string_equal(reason_key(reason), reason_key(scene->reason));
    if (scene->check != NULL)
        scene->check(asked);
    return true;
}

static void run_two(void *context)
{
    const struct play *play = context;
    const struct scene *scene = play->scene;
    struct asked asked[2] = {{.store = play->store}, {.store = play->store}};
    unsigned failed_count = 0;

    for (size_t i = 0; i < COUNT_OF(asked); i++)
        scene->prepare(&asked[i]);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        store_fixture_prepare(play->store, &asked[i].operation.call);
        asked[i].operation.call.arena = arena_new(LIMIT_ARENA_SIZE);
    }
    failing_heap_begin();
    for (size_t i = 0; i < COUNT_OF(asked); i++)
        scene->start(&asked[i]);
    store_fixture_answer(play->store);
    failing_heap_end();
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        failed_count += !ended_as_it_should(scene, &asked[i]);
        arena_free(asked[i].operation.call.arena);
    }
    assert_in_range(failed_count, 0, 1);
    assert_true(pg_pool_is_up(play->store->pool));
}

static void run_all(struct store_fixture *store, const struct scene *scenes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        failing_heap_each(run_two, &(struct play){.scene = &scenes[i], .store = store});
}

/* ---- The catalogue ---- */

static void prepare_get_products(struct asked *asked)
{
    static const char *ids[] = {"a", "nothing", "b"};

    asked->operation.get_products = (struct catalog_get){.ids = ids, .count = COUNT_OF(ids)};
}

static void check_got_products(struct asked *asked)
{
    struct product **products = asked->operation.get_products.products;

    assert_string_equal(products[0]->name, "Name of a");
    assert_null(products[1]);
    assert_string_equal(products[2]->id, "b");
}

static void prepare_list_products(struct asked *asked)
{
    asked->operation.list_products =
        (struct catalog_list){.category = "things", .after_id = "", .limit = 2};
}

static void check_listed_products(struct asked *asked)
{
    const struct catalog_list *list = &asked->operation.list_products;

    assert_int_equal(list->count, 2);
    assert_true(list->has_more);
    assert_string_equal(list->products[1]->id, "b");
}

static void name_product(struct asked *asked, const char *id)
{
    static unsigned number;

    if (id == NULL)
        snprintf(asked->product_id, sizeof(asked->product_id), "z-%u", number++);
    else
        snprintf(asked->product_id, sizeof(asked->product_id), "%s", id);
    asked->product = (struct product){.id = asked->product_id,
                                      .name = "Cup",
                                      .description = "",
                                      .category = "cups",
                                      .price = {100, "EUR"}};
}

static void prepare_create_product(struct asked *asked)
{
    name_product(asked, NULL);
    asked->operation.create_product = (struct catalog_create){.product = &asked->product};
}

static void prepare_create_known_product(struct asked *asked)
{
    name_product(asked, "a");
    asked->operation.create_product = (struct catalog_create){.product = &asked->product};
}

static void check_created_product(struct asked *asked)
{
    assert_string_equal(asked->operation.create_product.created->id, asked->product_id);
}

static void prepare_update(struct asked *asked)
{
    name_product(asked, "b");
    asked->product.category = "things";
    asked->operation.update =
        (struct catalog_update){.product = &asked->product, .mask = PRODUCT_CATEGORY};
}

static void check_updated(struct asked *asked)
{
    assert_string_equal(asked->operation.update.updated->category, "things");
}

static void prepare_update_of_nothing(struct asked *asked)
{
    name_product(asked, "nothing");
    asked->operation.update =
        (struct catalog_update){.product = &asked->product, .mask = PRODUCT_CATEGORY};
}

static void prepare_remove(struct asked *asked)
{
    prepare_create_product(asked);
    run_alone(asked, start_create_product);
    asked->operation.remove = (struct catalog_delete){.id = asked->product_id};
}

static void prepare_adjust(struct asked *asked)
{
    asked->operation.adjust = (struct catalog_adjust){.id = "b", .delta = 1};
}

static void check_adjusted(struct asked *asked)
{
    assert_true(asked->operation.adjust.adjusted->available > 0);
}

static void prepare_adjust_below_zero(struct asked *asked)
{
    asked->operation.adjust = (struct catalog_adjust){.id = "few", .delta = -5};
}

static void an_operation_of_the_catalogue_fails_alone(void **state)
{
    static const struct scene scenes[] = {
        {prepare_get_products, start_get_products, check_got_products, REASON_NONE},
        {prepare_list_products, start_list_products, check_listed_products, REASON_NONE},
        {prepare_create_product, start_create_product, check_created_product, REASON_NONE},
        {prepare_create_known_product, start_create_product, NULL, REASON_PRODUCT_ALREADY_EXISTS},
        {prepare_update, start_update, check_updated, REASON_NONE},
        {prepare_update_of_nothing, start_update, NULL, REASON_PRODUCT_NOT_FOUND},
        {prepare_remove, start_remove, NULL, REASON_NONE},
        {prepare_adjust, start_adjust, check_adjusted, REASON_NONE},
        {prepare_adjust_below_zero, start_adjust, NULL, REASON_STOCK_BELOW_ZERO},
    };

    run_all(*state, scenes, COUNT_OF(scenes));
}

/* ---- Orders ---- */

static struct order_line lines[] = {{.product_id = "a", .quantity = 1},
                                    {.product_id = "b", .quantity = 2}};
static struct order_line unknown_lines[] = {{.product_id = "nothing", .quantity = 1}};
static struct order_line many_lines[] = {{.product_id = "few", .quantity = 3}};

static void prepare_order_of(struct asked *asked, struct order_line *order_lines, uint32_t count)
{
    asked->order = (struct order){
        .id = store_fixture_id(asked->store),
        .caller = "alice",
        .customer_id = "customer-1",
        .lines = order_lines,
        .line_count = count,
        .ship_to = {"Jane Doe", address_lines, 2, "10115", "Berlin", "", "DE"},
    };
    asked->operation.create_order = (struct order_create){.order = &asked->order};
}

static void prepare_create_order(struct asked *asked)
{
    prepare_order_of(asked, lines, COUNT_OF(lines));
}

static void prepare_create_order_of_nothing(struct asked *asked)
{
    prepare_order_of(asked, unknown_lines, COUNT_OF(unknown_lines));
}

static void check_order(struct asked *asked, const struct order *order)
{
    assert_true(uuid_equal(&order->id, &asked->order.id));
    assert_int_equal(order->line_count, 2);
    assert_string_equal(order->lines[1].product_id, "b");
    assert_string_equal(order->ship_to.lines[1], "Hinterhaus");
    assert_true(order->event_count >= 1);
}

static void check_created_order(struct asked *asked)
{
    check_order(asked, asked->operation.create_order.created);
}

static void put_order(struct asked *asked)
{
    prepare_create_order(asked);
    run_alone(asked, start_create_order);
}

static struct saga_claim a_claim(struct asked *asked)
{
    struct saga_claim claim = {.id = asked->order.id,
                               .caller = "alice",
                               .payment_method = "pm_card_visa",
                               .lease_ms = LEASE_MS,
                               .may_start = true,
                               .forward_ms = LEASE_MS};

    random_fill(asked->store->random, claim.token.bytes, sizeof(claim.token.bytes));
    return claim;
}

/* An order that this test owns, in CHARGING. */
static void put_claimed_order(struct asked *asked)
{
    put_order(asked);
    asked->operation.claim = a_claim(asked);
    run_alone(asked, start_claim);
    assert_int_equal(asked->operation.claim.result, CLAIM_STARTED);
}

static struct failure_metadata metadata[] = {{"declineCode", "insufficient_funds"}};
static const struct failure declined = {.reason = REASON_PAYMENT_DECLINED,
                                        .message = "the payment was declined",
                                        .metadata = metadata,
                                        .metadata_count = COUNT_OF(metadata)};

static struct saga_advance an_advance(struct asked *asked, enum order_state from,
                                      enum order_state to)
{
    struct saga_advance advance = {.id = asked->order.id,
                                   .generation = 1,
                                   .from = from,
                                   .to = to,
                                   .step = STEP_CHARGE,
                                   .outcome = OUTCOME_REFUSED,
                                   .tries = 1,
                                   .payment_id = "pi_1",
                                   .lease_ms = LEASE_MS};

    random_fill(asked->store->random, advance.token.bytes, sizeof(advance.token.bytes));
    return advance;
}

/* With everything a row can hold. */
static void put_refunding_order(struct asked *asked)
{
    put_claimed_order(asked);
    asked->operation.advance = an_advance(asked, ORDER_CHARGING, ORDER_REFUNDING);
    asked->operation.advance.failure = &declined;
    run_alone(asked, start_advance);
}

static void prepare_get_order(struct asked *asked)
{
    put_refunding_order(asked);
    asked->operation.get_order = (struct order_get){.id = asked->order.id, .caller = "alice"};
}

static void check_got_order(struct asked *asked)
{
    const struct order *order = asked->operation.get_order.order;

    check_order(asked, order);
    assert_string_equal(order->payment_id, "pi_1");
    assert_string_equal(order->failure.metadata[0].value, "insufficient_funds");
    assert_string_equal(order->events[order->event_count - 1].failure.message, declined.message);
}

static void prepare_get_no_order(struct asked *asked)
{
    asked->operation.get_order =
        (struct order_get){.id = store_fixture_id(asked->store), .caller = "alice"};
}

static void prepare_list_orders(struct asked *asked)
{
    put_order(asked);
    asked->operation.list_orders =
        (struct order_list){.caller = "alice", .customer_id = "customer-1", .limit = 2};
}

static void check_listed_orders(struct asked *asked)
{
    assert_int_equal(asked->operation.list_orders.count, 2);
}

static void prepare_cancel(struct asked *asked)
{
    put_order(asked);
    asked->operation.cancel = (struct order_cancel){.id = asked->order.id, .caller = "alice"};
}

static void check_cancelled(struct asked *asked)
{
    check_order(asked, asked->operation.cancel.order);
    assert_int_equal(asked->operation.cancel.order->state, ORDER_CANCELLED);
}

static void an_operation_of_orders_fails_alone(void **state)
{
    static const struct scene scenes[] = {
        {prepare_create_order, start_create_order, check_created_order, REASON_NONE},
        {prepare_create_order_of_nothing, start_create_order, NULL, REASON_PRODUCT_NOT_FOUND},
        {prepare_get_order, start_get_order, check_got_order, REASON_NONE},
        {prepare_get_no_order, start_get_order, NULL, REASON_ORDER_NOT_FOUND},
        {prepare_list_orders, start_list_orders, check_listed_orders, REASON_NONE},
        {prepare_cancel, start_cancel, check_cancelled, REASON_NONE},
    };

    run_all(*state, scenes, COUNT_OF(scenes));
}

/* ---- The order flow ---- */

static void prepare_claim(struct asked *asked)
{
    put_order(asked);
    asked->operation.claim = a_claim(asked);
}

static void check_claimed(struct asked *asked)
{
    assert_int_equal(asked->operation.claim.result, CLAIM_STARTED);
    assert_int_equal(asked->operation.claim.record.order.line_count, 2);
    assert_string_equal(asked->operation.claim.record.payment_method, "pm_card_visa");
}

static void prepare_claim_of_too_much(struct asked *asked)
{
    prepare_order_of(asked, many_lines, COUNT_OF(many_lines));
    run_alone(asked, start_create_order);
    asked->operation.claim = a_claim(asked);
}

static void check_refused(struct asked *asked)
{
    const struct failure *failure = &asked->operation.claim.record.order.failure;

    assert_int_equal(asked->operation.claim.result, CLAIM_REFUSED);
    assert_int_equal(failure->short_line_count, 1);
    assert_string_equal(failure->short_lines[0].product_id, "few");
}

/* The first cause is told to the store once, with the first step back. */
static void prepare_advance(struct asked *asked)
{
    put_claimed_order(asked);
    asked->operation.advance = an_advance(asked, ORDER_CHARGING, ORDER_REFUNDING);
    asked->operation.advance.failure = &declined;
}

static void check_advanced(struct asked *asked)
{
    char id[UUID_TEXT_SIZE];

    assert_int_equal(asked->operation.advance.result, ADVANCE_DONE);
    uuid_format(&asked->order.id, id);
    assert_int_equal(store_fixture_number(asked->store,
                                          "SELECT count(*) FROM attempt WHERE order_id = '%s'"
                                          " AND failure ->> 'reason' = 'PAYMENT_DECLINED'",
                                          id),
                     1);
}

static void prepare_renew(struct asked *asked)
{
    put_claimed_order(asked);
    asked->operation.renew =
        (struct saga_renew){.id = asked->order.id, .generation = 1, .lease_ms = LEASE_MS};
}

static void check_renewed(struct asked *asked)
{
    assert_int_equal(asked->operation.renew.result, ADVANCE_DONE);
}

static void prepare_take_due(struct asked *asked)
{
    put_refunding_order(asked);
    store_fixture_exec(asked->store, "UPDATE orders SET lease_until = clock_timestamp()"
                                     " WHERE lease_until IS NOT NULL");
    asked->operation.take_due = (struct saga_take_due){.limit = 1, .lease_ms = LEASE_MS};
}

static void check_taken(struct asked *asked)
{
    assert_int_equal(asked->operation.take_due.count, 1);
    assert_int_equal(asked->operation.take_due.records[0].order.line_count, 2);
}

static void prepare_give_back(struct asked *asked)
{
    put_claimed_order(asked);
    asked->operation.give_back = (struct saga_give_back){.id = asked->order.id, .generation = 1};
}

static void an_operation_of_the_order_flow_fails_alone(void **state)
{
    static const struct scene scenes[] = {
        {prepare_claim, start_claim, check_claimed, REASON_NONE},
        {prepare_claim_of_too_much, start_claim, check_refused, REASON_NONE},
        {prepare_advance, start_advance, check_advanced, REASON_NONE},
        {prepare_renew, start_renew, check_renewed, REASON_NONE},
        {prepare_take_due, start_take_due, check_taken, REASON_NONE},
        {prepare_give_back, start_give_back, NULL, REASON_NONE},
    };

    run_all(*state, scenes, COUNT_OF(scenes));
}

/* ---- The feed, the person on call, reconciliation ---- */

static void prepare_look(struct asked *asked)
{
    asked->operation.look = (struct event_look){0};
}

static void prepare_page(struct asked *asked)
{
    put_refunding_order(asked);
    asked->operation.page = (struct event_page){.caller = "alice", .until = INT64_MAX, .limit = 4};
}

static void check_page(struct asked *asked)
{
    const struct event_page *page = &asked->operation.page;

    assert_int_equal(page->count, 4); /* the first is of the setup */
    assert_int_equal(page->events[3].event.state, ORDER_REFUNDING);
    assert_string_equal(page->events[3].event.failure.metadata[0].key, "declineCode");
}

static void put_stuck_order(struct asked *asked)
{
    put_refunding_order(asked);
    asked->operation.advance = an_advance(asked, ORDER_REFUNDING, ORDER_STUCK);
    run_alone(asked, start_advance);
}

static void prepare_list_stuck(struct asked *asked)
{
    put_stuck_order(asked);
    asked->operation.list_stuck = (struct operator_list){.state = ORDER_STUCK, .limit = 2};
}

static void check_listed_stuck(struct asked *asked)
{
    assert_int_equal(asked->operation.list_stuck.count, 2);
}

static void prepare_show(struct asked *asked)
{
    put_stuck_order(asked);
    asked->operation.show = (struct operator_show){.id = asked->order.id};
}

static void check_shown(struct asked *asked)
{
    assert_non_null(strstr(asked->operation.show.order, "STUCK"));
}

static struct operator_mend a_mend(struct asked *asked)
{
    return (struct operator_mend){
        .id = asked->order.id, .to = ORDER_FAILED, .who = "ada", .why = "the money is back"};
}

static void prepare_mend(struct asked *asked)
{
    put_stuck_order(asked);
    asked->operation.mend = a_mend(asked);
}

static void check_mended(struct asked *asked)
{
    assert_int_equal(asked->operation.mend.state, ORDER_FAILED);
}

static void prepare_mend_of_what_goes_on(struct asked *asked)
{
    put_claimed_order(asked);
    asked->operation.mend = a_mend(asked);
}

static void prepare_take_run(struct asked *asked)
{
    asked->operation.take_run = (struct reconcile_take){.every_ms = 1};
}

static void prepare_compare(struct asked *asked)
{
    static const struct payment_listed payments[] = {
        {.id = "pi_1", .order_id = {.bytes = {1}}, .amount = {4200, "EUR"}, .received = 4200}};

    asked->operation.compare =
        (struct reconcile_compare){.payments = payments, .count = COUNT_OF(payments)};
}

static void check_compared(struct asked *asked)
{
    const struct reconcile_compare *compare = &asked->operation.compare;

    assert_int_equal(compare->difference_count, 1);
    assert_int_equal(compare->differences[0].kind, DIFFERENCE_NO_ORDER);
}

static void prepare_compare_orders(struct asked *asked)
{
    char id[UUID_TEXT_SIZE];

    put_claimed_order(asked);
    asked->operation.advance = an_advance(asked, ORDER_CHARGING, ORDER_FULFILLING);
    run_alone(asked, start_advance);
    asked->operation.advance = an_advance(asked, ORDER_FULFILLING, ORDER_FULFILLED);
    asked->operation.advance.shipment_id = "sh_1";
    run_alone(asked, start_advance);
    uuid_format(&asked->order.id, id);
    store_fixture_exec(asked->store,
                       "UPDATE orders SET update_time = now() - interval '1 hour' WHERE id = '%s'",
                       id);
    asked->operation.compare_orders =
        (struct reconcile_orders){.settled_ms = 1, .limit = 1, .after_id = asked->order.id};
    asked->operation.compare_orders.after_id.bytes[15]--;
}

static void check_compared_orders(struct asked *asked)
{
    assert_int_equal(asked->operation.compare_orders.count, 1);
    assert_string_equal(asked->operation.compare_orders.orders[0].payment_id, "pi_1");
}

static void prepare_finish_run(struct asked *asked)
{
    asked->operation.finish_run = (struct reconcile_finish){0};
}

static void an_operation_of_the_feed_fails_alone(void **state)
{
    static const struct scene scenes[] = {
        {prepare_look, start_look, NULL, REASON_NONE},
        {prepare_page, start_page, check_page, REASON_NONE},
    };

    run_all(*state, scenes, COUNT_OF(scenes));
}

static void an_operation_of_the_person_on_call_fails_alone(void **state)
{
    static const struct scene scenes[] = {
        {prepare_list_stuck, start_list_stuck, check_listed_stuck, REASON_NONE},
        {prepare_show, start_show, check_shown, REASON_NONE},
        {prepare_mend, start_mend, check_mended, REASON_NONE},
        {prepare_mend_of_what_goes_on, start_mend, NULL, REASON_ORDER_STATE_INVALID},
    };

    run_all(*state, scenes, COUNT_OF(scenes));
}

static void an_operation_of_reconciliation_fails_alone(void **state)
{
    static const struct scene scenes[] = {
        {prepare_take_run, start_take_run, NULL, REASON_NONE},
        {prepare_compare, start_compare, check_compared, REASON_NONE},
        {prepare_compare_orders, start_compare_orders, check_compared_orders, REASON_NONE},
        {prepare_finish_run, start_finish_run, NULL, REASON_NONE},
    };

    run_all(*state, scenes, COUNT_OF(scenes));
}

/* Its connection is there when it has been answered. */
static void touch_every_lane(struct store_fixture *store)
{
    struct asked asked = {.store = store};

    prepare_get_products(&asked);
    run_alone(&asked, start_get_products);
    prepare_adjust(&asked);
    run_alone(&asked, start_adjust);
    put_order(&asked);
}

static int setup(void **state)
{
    store_fixture_setup(state);
    store_fixture_product(*state, "a", 100, "EUR", PLENTY);
    store_fixture_product(*state, "b", 100, "EUR", PLENTY);
    store_fixture_product(*state, "c", 100, "EUR", PLENTY);
    store_fixture_product(*state, "few", 100, "EUR", 2);
    touch_every_lane(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_operation_of_the_catalogue_fails_alone),
        TEST(an_operation_of_orders_fails_alone),
        TEST(an_operation_of_the_order_flow_fails_alone),
        TEST(an_operation_of_the_feed_fails_alone),
        TEST(an_operation_of_the_person_on_call_fails_alone),
        TEST(an_operation_of_reconciliation_fails_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
