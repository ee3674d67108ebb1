/* What the person on call is told of all workers. */
#include "app/desk.h"

#include "client/breaker.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    WORKERS = 2
};

static int setup(void **state)
{
    struct desk *desk = calloc(1, sizeof(*desk));

    desk->workers = calloc(WORKERS, sizeof(*desk->workers));
    desk->worker_count = WORKERS;
    desk->batch_max = 128;
    *state = desk;
    return 0;
}

static int teardown(void **state)
{
    struct desk *desk = *state;

    free(desk->workers);
    free(desk);
    return 0;
}

static json_t *told(struct desk *desk)
{
    struct buf text;
    json_t *json;

    buf_init(&text, 64 * 1024);
    desk_print_batches(desk, &text);
    assert_false(text.failed);
    json = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    buf_deinit(&text);
    return json;
}

static long long integer(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void each_worker_is_told_with_its_connections_and_breakers(void **state)
{
    struct desk *desk = *state;
    struct worker *second = &desk->workers[1];
    json_t *json;
    const json_t *worker, *breakers, *lane;

    atomic_store(&second->order_count, 7);
    atomic_store(&second->figures.lanes[PG_LANE_STOCK].connections, 2);
    atomic_store(&second->figures.lanes[PG_LANE_STOCK].ready, 1);
    atomic_store(&second->figures.payment_breaker, BREAKER_OPEN);
    json = told(desk);
    assert_int_equal(integer(json, "batchMax"), 128);
    assert_int_equal(json_array_size(json_object_get(json, "workers")), WORKERS);
    worker = json_array_get(json_object_get(json, "workers"), 1);
    assert_int_equal(integer(worker, "ordersInFlight"), 7);
    lane = json_object_get(json_object_get(worker, "connections"), "stock");
    assert_int_equal(integer(lane, "ready"), 1);
    assert_int_equal(integer(lane, "count"), 2);
    breakers = json_object_get(worker, "breakers");
    assert_string_equal(json_string_value(json_object_get(breakers, "payment")), "OPEN");
    assert_string_equal(json_string_value(json_object_get(breakers, "fulfillment")), "CLOSED");
    json_decref(json);
}

static void requests_of_a_statement_are_added_up_over_the_workers(void **state)
{
    struct desk *desk = *state;
    json_t *json;
    const json_t *statement;

    for (unsigned i = 0; i < WORKERS; i++) {
        struct worker_figures *figures = &desk->workers[i].figures;
        atomic_store(&figures->statements[0].waiting, 10 + i);
        atomic_store(&figures->statements[0].flying, 20 + i);
        atomic_store(&figures->statements[0].last_batch, 31 - i);
    }
    json = told(desk);
    assert_int_equal(json_array_size(json_object_get(json, "statements")), PG_STATEMENT_COUNT);
    statement = json_array_get(json_object_get(json, "statements"), 0);
    assert_string_equal(json_string_value(json_object_get(statement, "statement")),
                        pg_statements[0].name);
    assert_int_equal(integer(statement, "waiting"), 21);
    assert_int_equal(integer(statement, "inFlight"), 41);
    assert_int_equal(integer(statement, "lastBatch"), 31); /* the largest of them */
    json_decref(json);
}

static void a_pause_is_one_of_all_workers(void **state)
{
    struct desk *desk = *state;

    for (int is_paused = 1; is_paused >= 0; is_paused--) {
        desk_pause_recovery(desk, is_paused);
        for (unsigned i = 0; i < WORKERS; i++) {
            assert_int_equal(atomic_load(&desk->workers[i].recovery_paused), is_paused);
        }
        json_t *json = told(desk);
        assert_int_equal(json_is_true(json_object_get(json, "recoveryPaused")), is_paused);
        json_decref(json);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_worker_is_told_with_its_connections_and_breakers),
        TEST(requests_of_a_statement_are_added_up_over_the_workers),
        TEST(a_pause_is_one_of_all_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
