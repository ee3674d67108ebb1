/* Migrations on a real server: in order, once, alone, and whole or not at all. */
#include "postgres_fixture.h"

#include "store/migrate.h"
#include "store/migrate_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The second file only works after the first; the third is broken in its second statement. */
static const struct sql_file first_only[] = {
    {"0001_a.sql", "CREATE TABLE a (id int); CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS"
                   " $$ BEGIN RETURN 1; END $$;"},
    {NULL, NULL},
};
static const struct sql_file both[] = {
    {"0001_a.sql", "this is not looked at any more"},
    {"0002_b.sql", "ALTER TABLE a ADD COLUMN name text; INSERT INTO a VALUES (1, 'x');"},
    {NULL, NULL},
};
static const struct sql_file broken[] = {
    {"0001_a.sql", "CREATE TABLE a (id int);"},
    {"0002_broken.sql", "CREATE TABLE half (id int); SELECT * FROM nowhere;"},
    {"0003_c.sql", "CREATE TABLE c (id int);"},
    {NULL, NULL},
};

static void run(const char *conninfo, const struct sql_file *files, unsigned expected)
{
    struct error err = {0};
    unsigned applied = 99;
    assert_int_equal(migrate__run(conninfo, files, &applied, &err), STATUS_OK);
    assert_int_equal(applied, expected);
}

static void files_are_applied_once_and_in_order(void **state)
{
    const char *conninfo = postgres_new_database();
    run(conninfo, first_only, 1);
    run(conninfo, first_only, 0);
    run(conninfo, both, 1);
    assert_int_equal(postgres_number(conninfo, "SELECT count(*) FROM a"), 1);
    assert_int_equal(postgres_number(conninfo, "SELECT count(*) FROM schema_migration"), 2);
    run(conninfo, first_only, 0); /* an older program on a newer database */
}

static void a_broken_file_leaves_nothing_behind_and_stops_the_rest(void **state)
{
    const char *conninfo = postgres_new_database();
    struct error err = {0};
    unsigned applied = 0;
    assert_int_equal(migrate__run(conninfo, broken, &applied, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.message, "0002_broken.sql"));
    assert_non_null(strstr(err.message, "42P01"));
    assert_int_equal(postgres_number(conninfo, "SELECT count(*) FROM schema_migration"), 1);
    assert_int_equal(postgres_number(conninfo, "SELECT count(*) FROM pg_class WHERE relname IN"
                                               " ('half', 'c') AND relkind = 'r'"),
                     0);
}

struct runner {
    const char *conninfo;
    unsigned applied;
    enum status status;
};

static void *run_on_thread(void *arg)
{
    struct runner *runner = arg;
    struct error err = {0};
    runner->status = migrate__run(runner->conninfo, first_only, &runner->applied, &err);
    return NULL;
}

static void replicas_that_start_together_apply_each_file_once(void **state)
{
    enum {
        COUNT = 4
    };
    const char *conninfo = postgres_new_database();
    struct runner runners[COUNT];
    pthread_t threads[COUNT];
    unsigned applied = 0;

    for (int i = 0; i < COUNT; i++) {
        runners[i] = (struct runner){.conninfo = conninfo};
        assert_int_equal(pthread_create(&threads[i], NULL, run_on_thread, &runners[i]), 0);
    }
    for (int i = 0; i < COUNT; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(runners[i].status, STATUS_OK);
        applied += runners[i].applied;
    }
    assert_int_equal(applied, 1);
}

static void the_schema_of_this_program_can_be_made_and_is_then_complete(void **state)
{
    const char *conninfo = postgres_new_database();
    uint8_t key[PAGE_KEY_SIZE], again[PAGE_KEY_SIZE];
    struct error err = {0};
    unsigned applied = 0;

    assert_int_equal(migrate_check(conninfo, key, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.message, "no schema"));
    if (migrate_run(conninfo, &applied, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(applied > 0);
    assert_int_equal(migrate_check(conninfo, key, &err), STATUS_OK);
    assert_int_equal(migrate_check(conninfo, again, &err), STATUS_OK);
    assert_memory_equal(key, again, PAGE_KEY_SIZE);

    postgres_exec(conninfo, "DELETE FROM schema_migration WHERE name ="
                            " (SELECT max(name) FROM schema_migration)");
    assert_int_equal(migrate_check(conninfo, key, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.message, "too old"));
}

static void without_a_server_the_store_is_unavailable(void **state)
{
    uint8_t key[PAGE_KEY_SIZE];
    struct error err = {0};
    unsigned applied;
    assert_int_equal(migrate_run("host=/nonexistent", &applied, &err), STATUS_UNAVAILABLE);
    assert_int_equal(migrate_check("host=/nonexistent", key, &err), STATUS_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_applied_once_and_in_order),
        cmocka_unit_test(a_broken_file_leaves_nothing_behind_and_stops_the_rest),
        cmocka_unit_test(replicas_that_start_together_apply_each_file_once),
        cmocka_unit_test(the_schema_of_this_program_can_be_made_and_is_then_complete),
        cmocka_unit_test(without_a_server_the_store_is_unavailable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
