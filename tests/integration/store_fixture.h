/* The stores over a migrated database of a test's own.
 *
 * Operations are started one after another and answered together by store_fixture_answer: those
 * started between two answers leave in one batch for each statement. */
#pragma once

#include "runtime/loop.h"
#include "store/store_pg.h"

#include <stdbool.h>
#include <stdint.h>

struct store_fixture {
    struct loop *loop;
    struct random_source *random;
    struct pg_pool *pool;
    struct arena *arena;
    const char *conninfo;
    struct catalog_store_pg catalog;
    struct order_store_pg orders;
    struct saga_store_pg saga;
    struct event_store_pg events;
    struct operator_store_pg operators;
    struct reconcile_store_pg reconcile;
    uint32_t open_count;
};

/* cmocka's setup and teardown; *state is the struct store_fixture. */
int store_fixture_setup(void **state);
int store_fixture_teardown(void **state);

/* Makes a call ready to be started: arena, deadline, done. */
void store_fixture_prepare(struct store_fixture *fixture, struct store_call *call);
/* Turns the loop until all prepared calls have been answered. */
void store_fixture_answer(struct store_fixture *fixture);

/* A number that a query of one row and column gives. */
long store_fixture_number(struct store_fixture *fixture, const char *format, ...) PRINTF_LIKE(2, 3);
void store_fixture_exec(struct store_fixture *fixture, const char *format, ...) PRINTF_LIKE(2, 3);

/* A product, directly in the tables. */
void store_fixture_product(struct store_fixture *fixture, const char *id, int64_t price_minor,
                           const char *currency, int64_t available);
/* Ids are UUIDv7s of increasing time, so that the last one made is the newest. */
struct uuid store_fixture_id(struct store_fixture *fixture);
