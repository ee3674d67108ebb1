/* The table of statements against the schema it was written for. */
#include "postgres_fixture.h"
#include "store_fixture.h"

#include "domain/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <string.h>

static PGconn *connect_to(struct store_fixture *fixture)
{
    PGconn *conn = PQconnectdb(fixture->conninfo);
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    return conn;
}

static void prepare(PGconn *conn, const struct pg_statement *statement)
{
    Oid types[PG_PARAMS_MAX];
    int count = 0;

    while (statement->types[count] != PG_END) {
        types[count] = pg_type_array_oid(statement->types[count]);
        count++;
    }
    PGresult *result = PQprepare(conn, statement->name, statement->sql, count, types);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", statement->name, PQresultErrorMessage(result));
    PQclear(result);
    result = PQdescribePrepared(conn, statement->name);
    assert_int_equal(PQnparams(result), count);
    assert_string_equal(PQftype(result, 0) == 23 ? "int4" : "another type", "int4");
    PQclear(result);
}

static void every_statement_can_be_prepared_and_begins_with_ord(void **state)
{
    PGconn *conn = connect_to(*state);

    for (unsigned i = 0; i < PG_STATEMENT_COUNT; i++) {
        assert_non_null(pg_statements[i].name);
        prepare(conn, &pg_statements[i]);
    }
    assert_null(pg_statements[PG_STATEMENT_COUNT].name);
    PQfinish(conn);
}

static void every_statement_has_a_name_of_its_own(void **state)
{
    for (unsigned i = 0; i < PG_STATEMENT_COUNT; i++)
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(pg_statements[i].name, pg_statements[k].name);
}

static void an_empty_batch_is_no_trouble_for_any_statement(void **state)
{
    PGconn *conn = connect_to(*state);

    for (unsigned i = 0; i < PG_STATEMENT_COUNT; i++) {
        const char *values[PG_PARAMS_MAX];
        int count = 0;
        prepare(conn, &pg_statements[i]);
        while (pg_statements[i].types[count] != PG_END)
            values[count++] = "{}";
        PGresult *result =
            PQexecPrepared(conn, pg_statements[i].name, count, values, NULL, NULL, 0);
        if (PQresultStatus(result) != PGRES_TUPLES_OK)
            fail_msg("%s: %s", pg_statements[i].name, PQresultErrorMessage(result));
        assert_int_equal(PQntuples(result), 0);
        PQclear(result);
    }
    PQfinish(conn);
}

static void the_table_admits_exactly_the_states_of_the_domain(void **state)
{
    struct store_fixture *fixture = *state;

    for (unsigned i = ORDER_PENDING; i < ORDER_STATE_COUNT; i++)
        assert_int_equal(
            store_fixture_number(fixture,
                                 "SELECT count(*) FROM pg_constraint WHERE conname = 'orders_state'"
                                 " AND pg_get_constraintdef(oid) LIKE '%%''%s''::text%%'",
                                 order_state_name((enum order_state)i)),
            1);
    assert_int_equal(
        store_fixture_number(fixture,
                             "SELECT (length(d) - length(replace(d, '::text,', '')))"
                             " / length('::text,') + 1 FROM (SELECT pg_get_constraintdef(oid) d"
                             " FROM pg_constraint WHERE conname = 'orders_state') c"),
        ORDER_STATE_COUNT - 1);
}

static void the_table_of_events_admits_exactly_the_steps_and_outcomes_of_the_domain(void **state)
{
    struct store_fixture *fixture = *state;

    for (unsigned i = STEP_NONE + 1; i < STEP_KIND_COUNT; i++)
        assert_int_equal(store_fixture_number(fixture,
                                              "SELECT count(*) FROM pg_constraint WHERE"
                                              " conname = 'order_event_step' AND"
                                              " pg_get_constraintdef(oid) LIKE '%%''%s''%%'",
                                              step_kind_name((enum step_kind)i)),
                         1);
    for (unsigned i = 0; i < STEP_OUTCOME_COUNT; i++)
        assert_int_equal(store_fixture_number(fixture,
                                              "SELECT count(*) FROM pg_constraint WHERE"
                                              " conname = 'order_event_outcome' AND"
                                              " pg_get_constraintdef(oid) LIKE '%%''%s''%%'",
                                              step_outcome_name((enum step_outcome)i)),
                         1);
}

static void the_key_of_the_page_tokens_was_made(void **state)
{
    assert_int_equal(store_fixture_number(*state, "SELECT length(value) FROM secret"
                                                  " WHERE name = 'page_token'"),
                     32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)
        TEST(every_statement_can_be_prepared_and_begins_with_ord),
        TEST(every_statement_has_a_name_of_its_own),
        TEST(an_empty_batch_is_no_trouble_for_any_statement),
        TEST(the_table_admits_exactly_the_states_of_the_domain),
        TEST(the_table_of_events_admits_exactly_the_steps_and_outcomes_of_the_domain),
        TEST(the_key_of_the_page_tokens_was_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
