/* See store_fixture.h. */
#include "store_fixture.h"

#include "postgres_fixture.h"
#include "runtime/random_system.h"
#include "store/migrate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LOOK_MS = 5
};

struct look {
    struct clock_timer timer;
    struct store_fixture *fixture;
};

static void look_whether_it_is_up(struct clock_timer *timer)
{
    struct store_fixture *fixture = CONTAINER_OF(timer, struct look, timer)->fixture;

    if (pg_pool_is_up(fixture->pool))
        loop_stop(fixture->loop);
    else
        clock_timer_start(loop_clock(fixture->loop), timer, LOOK_MS);
}

/* Requests would wait for PG_LANE_DOWN_MS_MAX only. */
static void wait_until_up(struct store_fixture *fixture)
{
    struct look look = {.timer.on_time = look_whether_it_is_up, .fixture = fixture};

    clock_timer_start(loop_clock(fixture->loop), &look.timer, 0);
    loop_run(fixture->loop);
}

int store_fixture_setup(void **state)
{
    struct store_fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err = {0};
    unsigned applied;

    fixture->conninfo = postgres_new_database();
    assert_int_equal(migrate_run(fixture->conninfo, &applied, &err), STATUS_OK);
    fixture->loop = loop_new();
    fixture->random = random_system_new();
    fixture->arena = arena_new((size_t)64 * 1024 * 1024);
    fixture->pool = pg_pool_new(fixture->loop, fixture->random,
                                &(struct pg_pool_config){
                                    .conninfo = fixture->conninfo,
                                    .connection_count = 3,
                                    .batch_max = 128,
                                    .statement_timeout_ms = 10000,
                                    .lock_timeout_ms = 2000,
                                });
    assert_non_null(fixture->pool);
    catalog_store_pg_init(&fixture->catalog, fixture->pool, fixture->random);
    order_store_pg_init(&fixture->orders, fixture->pool);
    saga_store_pg_init(&fixture->saga, fixture->pool);
    event_store_pg_init(&fixture->events, fixture->pool);
    operator_store_pg_init(&fixture->operators, fixture->pool);
    reconcile_store_pg_init(&fixture->reconcile, fixture->pool);
    wait_until_up(fixture);
    *state = fixture;
    return 0;
}

int store_fixture_teardown(void **state)
{
    struct store_fixture *fixture = *state;
    pg_pool_free(fixture->pool);
    arena_free(fixture->arena);
    random_system_free(fixture->random);
    loop_free(fixture->loop);
    free(fixture);
    return 0;
}

/* There is one fixture a test, and done has no other way to it. */
static struct store_fixture *running;

static void on_done(struct store_call *call)
{
    (void)call;
    assert_true(running->open_count > 0);
    if (--running->open_count == 0)
        loop_stop(running->loop);
}

void store_fixture_prepare(struct store_fixture *fixture, struct store_call *call)
{
    call->arena = fixture->arena;
    call->deadline_ms = clock_now_ms(loop_clock(fixture->loop)) + 60 * 1000;
    call->done = on_done;
    fixture->open_count++;
}

void store_fixture_answer(struct store_fixture *fixture)
{
    running = fixture;
    if (fixture->open_count > 0)
        loop_run(fixture->loop);
    assert_int_equal(fixture->open_count, 0);
}

long store_fixture_number(struct store_fixture *fixture, const char *format, ...)
{
    char sql[2000];
    va_list args;

    va_start(args, format);
    vsnprintf(sql, sizeof(sql), format, args);
    va_end(args);
    return postgres_number(fixture->conninfo, sql);
}

void store_fixture_exec(struct store_fixture *fixture, const char *format, ...)
{
    char sql[2000];
    va_list args;

    va_start(args, format);
    vsnprintf(sql, sizeof(sql), format, args);
    va_end(args);
    postgres_exec(fixture->conninfo, sql);
}

void store_fixture_product(struct store_fixture *fixture, const char *id, int64_t price_minor,
                           const char *currency, int64_t available)
{
    store_fixture_exec(
        fixture,
        "INSERT INTO product (id, name, description, category, price_minor, currency)"
        " VALUES ('%s', 'Name of %s', '', 'things', %lld, '%s')",
        id, id, (long long)price_minor, currency);
    store_fixture_exec(fixture, "INSERT INTO stock VALUES ('%s', %lld)", id, (long long)available);
    store_fixture_exec(fixture,
                       "INSERT INTO stock_adjustment VALUES (gen_random_uuid(), '%s', %lld)", id,
                       (long long)available);
}

struct uuid store_fixture_id(struct store_fixture *fixture)
{
    static int64_t unix_ms = INT64_C(1700000000000);
    uint8_t bytes[8];

    random_fill(fixture->random, bytes, sizeof(bytes));
    return uuid_v7(unix_ms++ * 1000, bytes);
}
