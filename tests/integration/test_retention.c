/* Idempotency keys leave when they are old enough, in bounded passes, and are answered until then. */
#include "store_fixture.h"

#include "observe/metrics.h"
#include "store/retention_pg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <string.h>

struct watch {
    struct store_fixture *store;
    struct retention_pg retention;
    struct clock_timer poll;
    int64_t removed_before, removed_wanted;
};

static int64_t removed(void)
{
    return metrics_get(METRIC_KEYS_REMOVED, 0);
}

/* Until so many have been removed and nothing more is left to do. */
static void on_poll(struct clock_timer *timer)
{
    struct watch *watch = CONTAINER_OF(timer, struct watch, poll);
    bool is_done = removed() - watch->removed_before >= watch->removed_wanted;

    if (is_done && watch->retention.state == RETENTION_WAITING)
        loop_stop(watch->store->loop);
    else
        clock_timer_start(loop_clock(watch->store->loop), timer, 1);
}

static void retain(struct watch *watch, struct store_fixture *store, int64_t removed_wanted)
{
    struct clock *clock = loop_clock(store->loop);

    *watch = (struct watch){.store = store, .poll.on_time = on_poll};
    watch->removed_before = removed();
    watch->removed_wanted = removed_wanted;
    assert_true(retention_pg_init(&watch->retention, store->pool, clock));
    retention_pg_start(&watch->retention);
    clock_timer_start(clock, &watch->poll, 1);
    loop_run(store->loop);
    assert_int_equal(removed() - watch->removed_before, removed_wanted);
    retention_pg_deinit(&watch->retention);
}

static long key_count(struct store_fixture *store)
{
    return store_fixture_number(store, "SELECT count(*) FROM idempotency");
}

/* Keys of a product, so old. */
static void put_keys(struct store_fixture *store, const char *prefix, unsigned count,
                     const char *age)
{
    store_fixture_exec(store,
                       "INSERT INTO idempotency SELECT 'alice', 'CreateProduct', '%s' || i,"
                       " sha256('x'), NULL, 'p', now() - interval '%s'"
                       " FROM generate_series(1, %u) i",
                       prefix, age, count);
}

/* An order in a state, and its key of eight days ago. */
static void put_order(struct store_fixture *store, const char *state)
{
    bool rests = strcmp(state, "PENDING") == 0 || strcmp(state, "FULFILLED") == 0 ||
                 strcmp(state, "FAILED") == 0 || strcmp(state, "CANCELLED") == 0;
    int attempt = strcmp(state, "PENDING") == 0 ? 0 : 1;

    store_fixture_exec(
        store,
        "WITH made AS (INSERT INTO orders (id, caller, customer_id, line_product, line_quantity,"
        " line_name, line_price_minor, ship_recipient, ship_lines, ship_postal_code, ship_locality,"
        " ship_area, ship_region, total_minor, currency, state, attempt, generation, lease_until,"
        " create_time, update_time) VALUES (gen_random_uuid(), 'alice', 'c', '{a}', '{1}', '{a}',"
        " '{1}', 'r', '{l}', '', '', '', 'DE', 1, 'EUR', '%s', %d, %d, %s, now(), now())"
        " RETURNING id)"
        " INSERT INTO idempotency SELECT 'alice', 'PlaceOrder', '%s', sha256('x'), id, NULL,"
        " now() - interval '8 days' FROM made",
        state, attempt, attempt, rests ? "NULL" : "now()", state);
}

/* ---- What leaves ---------------------------------------------------------------------------------- */

static void a_key_leaves_after_seven_days_and_not_a_minute_before(void **state)
{
    struct store_fixture *store = *state;
    struct watch watch;

    put_keys(store, "old-", 3, "7 days 1 minute");
    put_keys(store, "kept-", 2, "6 days 23 hours 59 minutes");
    put_keys(store, "new-", 1, "0 seconds");
    retain(&watch, store, 3);
    assert_int_equal(key_count(store), 3);
    assert_int_equal(store_fixture_number(store, "SELECT count(*) FROM idempotency"
                                                 " WHERE request_id LIKE 'old-%%'"),
                     0);
}

static void the_key_of_an_order_that_is_worked_on_stays(void **state)
{
    static const struct {
        const char *state;
        bool stays;
    } rows[] = {
        {"PENDING", false},   {"RESERVING", true},  {"CHARGING", true},  {"FULFILLING", true},
        {"FULFILLED", false}, {"RECALLING", true},  {"REFUNDING", true}, {"RELEASING", true},
        {"FAILED", false},    {"CANCELLED", false}, {"STUCK", true},
    };
    struct store_fixture *store = *state;
    struct watch watch;
    unsigned leave_count = 0;

    assert_int_equal(COUNT_OF(rows), ORDER_STATE_COUNT - 1);
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        put_order(store, rows[i].state);
        leave_count += !rows[i].stays;
    }
    retain(&watch, store, leave_count);
    for (unsigned i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(store_fixture_number(store,
                                              "SELECT count(*) FROM idempotency"
                                              " WHERE request_id = '%s'",
                                              rows[i].state),
                         rows[i].stays);
}

/* ---- How much at a time --------------------------------------------------------------------------- */

/* One pass, as the statement has it. */
static long pass(struct store_fixture *store)
{
    return store_fixture_number(store,
                                "SET lock_timeout = '5s';"
                                " SELECT removed FROM remove_old_keys(ARRAY[%d],"
                                " ARRAY[%d * 86400000::bigint])",
                                RETENTION_BATCH_MAX, RETENTION_KEY_DAYS);
}

static void a_pass_removes_a_thousand_and_the_oldest_first(void **state)
{
    struct store_fixture *store = *state;

    put_keys(store, "younger-", 1, "8 days");
    put_keys(store, "older-", RETENTION_BATCH_MAX, "9 days");
    assert_int_equal(pass(store), RETENTION_BATCH_MAX);
    assert_int_equal(key_count(store), 1);
    assert_int_equal(store_fixture_number(store, "SELECT count(*) FROM idempotency"
                                                 " WHERE request_id = 'younger-1'"),
                     1);
    assert_int_equal(pass(store), 1);
    assert_int_equal(pass(store), 0);
}

static void a_full_pass_is_followed_by_the_next_at_once(void **state)
{
    struct store_fixture *store = *state;
    struct watch watch;

    put_keys(store, "old-", 3 * RETENTION_BATCH_MAX + 1, "8 days");
    retain(&watch, store, 3 * RETENTION_BATCH_MAX + 1);
    assert_int_equal(key_count(store), 0);
}

/* What another replica has begun to remove is not waited for. */
static void what_is_locked_is_left_to_who_locked_it(void **state)
{
    struct store_fixture *store = *state;
    PGconn *other = PQconnectdb(store->conninfo);

    put_keys(store, "old-", 2, "8 days");
    PQclear(PQexec(other, "BEGIN"));
    PQclear(PQexec(other, "SELECT FROM idempotency WHERE request_id = 'old-1' FOR UPDATE"));
    assert_int_equal(PQtransactionStatus(other), PQTRANS_INTRANS);
    assert_int_equal(pass(store), 1);
    assert_int_equal(store_fixture_number(store, "SELECT count(*) FROM idempotency"
                                                 " WHERE request_id = 'old-1'"),
                     1);
    PQfinish(other);
}

/* ---- Until then it is answered -------------------------------------------------------------------- */

static enum reason create(struct store_fixture *store, struct order_create *create,
                          const struct idempotency *key)
{
    static const char *address_lines[] = {"Hauptstrasse 5"};
    static struct order order;
    static struct order_line line;

    line = (struct order_line){.product_id = "a", .quantity = 1};
    order = (struct order){
        .id = store_fixture_id(store),
        .caller = "alice",
        .customer_id = "customer-1",
        .lines = &line,
        .line_count = 1,
        .ship_to = {.recipient = "Jane Doe",
                    .lines = address_lines,
                    .line_count = 1,
                    .postal_code = "",
                    .locality = "",
                    .administrative_area = "",
                    .region_code = "DE"},
    };
    *create = (struct order_create){.order = &order, .idempotency = key};
    store_fixture_prepare(store, &create->call);
    store->orders.base.ops->create(&store->orders.base, create);
    store_fixture_answer(store);
    return create->call.err.reason;
}

static void an_old_key_is_answered_until_it_is_removed(void **state)
{
    struct store_fixture *store = *state;
    struct idempotency key = {.caller = "alice", .method = "CreateOrder", .request_id = "k"};
    struct order_create first, second, third;
    struct watch watch;

    store_fixture_product(store, "a", 150, "EUR", 9);
    assert_int_equal(create(store, &first, &key), REASON_NONE);
    store_fixture_exec(store, "UPDATE idempotency SET create_time = now() - interval '30 days'");
    assert_int_equal(create(store, &second, &key), REASON_NONE);
    assert_true(second.replayed);
    assert_true(uuid_equal(&second.created->id, &first.created->id));
    retain(&watch, store, 1);
    assert_int_equal(create(store, &third, &key), REASON_NONE);
    assert_false(third.replayed);
    assert_false(uuid_equal(&third.created->id, &first.created->id));
}

/* The moment in which a key that was met is gone when its order is looked up: nothing was made, and
 * asking again makes it. */
static void a_key_that_is_removed_while_it_is_met_invites_to_ask_again(void **state)
{
    struct store_fixture *store = *state;
    struct idempotency key = {.caller = "alice", .method = "CreateOrder", .request_id = "k"};
    struct order_create first, second, third;

    store_fixture_product(store, "a", 150, "EUR", 9);
    assert_int_equal(create(store, &first, &key), REASON_NONE);
    store_fixture_exec(store, "CREATE FUNCTION remove_now() RETURNS trigger LANGUAGE plpgsql AS $$"
                              " BEGIN DELETE FROM idempotency; RETURN NULL; END $$;"
                              " CREATE TRIGGER remove_now AFTER INSERT ON idempotency"
                              " FOR EACH STATEMENT EXECUTE FUNCTION remove_now()");
    assert_int_equal(create(store, &second, &key), REASON_STORE_UNAVAILABLE);
    assert_false(second.call.maybe_done);
    store_fixture_exec(store, "DROP TRIGGER remove_now ON idempotency");
    assert_int_equal(create(store, &third, &key), REASON_NONE);
    assert_false(third.replayed);
    assert_int_equal(store_fixture_number(store, "SELECT count(*) FROM orders"), 2);
}

/* ---- Starting and stopping ------------------------------------------------------------------------ */

static void a_pass_that_is_out_when_it_is_stopped_begins_no_other(void **state)
{
    struct store_fixture *store = *state;
    struct retention_pg retention;

    put_keys(store, "old-", 2 * RETENTION_BATCH_MAX, "8 days");
    assert_true(retention_pg_init(&retention, store->pool, loop_clock(store->loop)));
    retention_pg_start(&retention);
    while (retention.state != RETENTION_PASSING) {
        struct order_get get = {.caller = "alice"}; /* lets the loop turn */
        store_fixture_prepare(store, &get.call);
        store->orders.base.ops->get(&store->orders.base, &get);
        store_fixture_answer(store);
    }
    retention_pg_stop(&retention);
    pg_pool_free(store->pool); /* ends the pass */
    store->pool = NULL;
    assert_int_equal(retention.state, RETENTION_OFF);
    assert_false(retention.timer.pending);
    retention_pg_deinit(&retention);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)
        TEST(a_key_leaves_after_seven_days_and_not_a_minute_before),
        TEST(the_key_of_an_order_that_is_worked_on_stays),
        TEST(a_pass_removes_a_thousand_and_the_oldest_first),
        TEST(a_full_pass_is_followed_by_the_next_at_once),
        TEST(what_is_locked_is_left_to_who_locked_it),
        TEST(an_old_key_is_answered_until_it_is_removed),
        TEST(a_key_that_is_removed_while_it_is_met_invites_to_ask_again),
        TEST(a_pass_that_is_out_when_it_is_stopped_begins_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
