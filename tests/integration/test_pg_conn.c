/* One connection over a real server: settings of its session, large commands, timeouts, errors that
 * end it, hosts that do not answer. */
#include "postgres_fixture.h"

#include "fake/failing_heap.h"
#include "runtime/random_system.h"
#include "store/pg_conn.h"
#include "store/pg_row.h"
#include "store/pg_statement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    SETTING,
    ECHO,
    SLEEP,
    WRITE
};

static const struct pg_statement statements[] = {
    [SETTING] = {"setting",
                 PG_LANE_READ,
                 true,
                 "SELECT current_setting(name) FROM unnest($1) AS q (name)",
                 {PG_TEXT, PG_END}},
    [ECHO] = {"echo",
              PG_LANE_READ,
              true,
              "SELECT repeat(text, 2) FROM unnest($1) AS q (text)",
              {PG_TEXT, PG_END}},
    [SLEEP] = {"sleep",
               PG_LANE_READ,
               true,
               "SELECT pg_sleep(length(text) / 1000.0)::text FROM unnest($1) AS q (text)",
               {PG_TEXT, PG_END}},
    [WRITE] = {"write",
               PG_LANE_WRITE,
               false,
               "INSERT INTO note SELECT unnest($1) RETURNING text",
               {PG_TEXT, PG_END}},
    {.name = NULL},
};

static const struct pg_statement broken_statements[] = {
    {"fine", PG_LANE_READ, true, "SELECT unnest($1)", {PG_TEXT, PG_END}},
    {"broken", PG_LANE_READ, true, "SELECT unnest($1) FROM nowhere", {PG_TEXT, PG_END}},
    {.name = NULL},
};

struct fixture {
    struct loop *loop;
    struct random_source *random;
    struct arena *arena;
    struct pg_conn *conn;
    const char *conninfo;
    struct pg_params params;
    int statement_timeout_ms;
    unsigned ready_count, lost_count, done_count;
    char lost_message[ERROR_MESSAGE_SIZE];
    /* Of the command that ended last */
    struct error err;
    char sqlstate[6];
    bool connection_lost;
    const char *answer;
};

static void on_ready(void *arg, struct pg_conn *conn)
{
    struct fixture *fixture = arg;
    assert_true(pg_conn_is_ready(conn));
    fixture->ready_count++;
    loop_stop(fixture->loop);
}

static void on_lost(void *arg, struct pg_conn *conn, const struct error *err)
{
    struct fixture *fixture = arg;
    assert_false(pg_conn_is_ready(conn));
    fixture->lost_count++;
    snprintf(fixture->lost_message, sizeof(fixture->lost_message), "%s", err->message);
    loop_stop(fixture->loop);
}

static void on_done(void *arg, const PGresult *result, const struct error *err,
                    const char *sqlstate, bool connection_lost)
{
    struct fixture *fixture = arg;
    fixture->done_count++;
    fixture->connection_lost = connection_lost;
    fixture->err = err == NULL ? (struct error){0} : *err;
    snprintf(fixture->sqlstate, sizeof(fixture->sqlstate), "%s", sqlstate == NULL ? "" : sqlstate);
    fixture->answer = NULL;
    if (result != NULL && PQntuples(result) > 0) {
        struct pg_row row = {.result = result, .row = 0};
        fixture->answer = pg_get_text(&row, 0, fixture->arena);
    }
}

static void open_with(struct fixture *fixture, const char *conninfo,
                      const struct pg_statement *list)
{
    const struct pg_conn_config config = {
        .conninfo = conninfo,
        .application_name = "test_pg_conn",
        .statements = list,
        .statement_timeout_ms = fixture->statement_timeout_ms,
        .lock_timeout_ms = 250,
        .on_ready = on_ready,
        .on_lost = on_lost,
        .arg = fixture,
    };
    fixture->conn = pg_conn_new(fixture->loop, fixture->random, &config);
    assert_non_null(fixture->conn);
    assert_false(pg_conn_is_ready(fixture->conn));
}

static void await_ready(struct fixture *fixture)
{
    while (!pg_conn_is_ready(fixture->conn))
        loop_run(fixture->loop);
}

static void open_ready(struct fixture *fixture, const char *conninfo)
{
    open_with(fixture, conninfo, statements);
    await_ready(fixture);
}

static void send_command(struct fixture *fixture, unsigned statement, const char *text)
{
    pg_params_clear(&fixture->params);
    pg_put_text(&fixture->params, 0, text);
    pg_conn_execute(fixture->conn, &statements[statement], &fixture->params, on_done, fixture);
}

static const char *ask(struct fixture *fixture, unsigned statement, const char *text)
{
    unsigned done_count = fixture->done_count;
    send_command(fixture, statement, text);
    assert_int_equal(fixture->done_count, done_count); /* never from inside */
    while (fixture->done_count == done_count)
        loop_run(fixture->loop);
    return fixture->answer;
}

static int setup(void **state)
{
    static const enum pg_type types[] = {PG_TEXT, PG_END};
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->statement_timeout_ms = 500;
    fixture->conninfo = postgres_new_database();
    postgres_exec(fixture->conninfo, "CREATE TABLE note (text text)");
    fixture->loop = loop_new();
    fixture->random = random_system_new();
    fixture->arena = arena_new(64 * 1024 * 1024);
    pg_params_init(&fixture->params, types);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    pg_conn_free(fixture->conn);
    pg_params_deinit(&fixture->params);
    arena_free(fixture->arena);
    random_system_free(fixture->random);
    loop_free(fixture->loop);
    free(fixture);
    return 0;
}

static void a_session_has_the_settings_commands_rely_on(void **state)
{
    static const char *const expected[][2] = {
        {"statement_timeout", "500ms"},
        {"lock_timeout", "250ms"},
        {"idle_in_transaction_session_timeout", "500ms"},
        {"jit", "off"},
        {"plan_cache_mode", "force_generic_plan"},
        {"client_encoding", "UTF8"},
        {"application_name", "test_pg_conn"},
        {"synchronous_commit", "on"},
    };
    struct fixture *fixture = *state;
    open_ready(fixture, fixture->conninfo);
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        assert_string_equal(ask(fixture, SETTING, expected[i][0]), expected[i][1]);
    assert_int_equal(fixture->ready_count, 1 + COUNT_OF(expected));
}

static void commands_and_results_larger_than_any_buffer_pass(void **state)
{
    enum {
        SIZE = 8 * 1024 * 1024
    };
    struct fixture *fixture = *state;
    char *text = malloc(SIZE + 1);
    memset(text, 'x', SIZE);
    text[SIZE] = '\0';
    fixture->statement_timeout_ms = 60 * 1000;
    open_ready(fixture, fixture->conninfo);
    const char *answer = ask(fixture, ECHO, text);
    assert_non_null(answer);
    assert_int_equal(strlen(answer), 2 * (size_t)SIZE);
    free(text);
}

static void statements_that_cannot_be_prepared_are_told(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, fixture->conninfo, broken_statements);
    while (fixture->lost_count < 2) /* it tries again */
        loop_run(fixture->loop);
    assert_int_equal(fixture->ready_count, 0);
    assert_non_null(strstr(fixture->lost_message, "nowhere"));

    postgres_exec(fixture->conninfo, "CREATE TABLE nowhere ()");
    await_ready(fixture);
}

/* Whatever finds no memory on the way, it never becomes ready with a statement missing. */
static void open_broken(void *context)
{
    struct fixture *fixture = context;
    unsigned lost_count = fixture->lost_count;

    open_with(fixture, fixture->conninfo, broken_statements);
    failing_heap_begin();
    while (fixture->lost_count == lost_count && fixture->ready_count == 0)
        loop_run(fixture->loop);
    failing_heap_end();
    assert_int_equal(fixture->ready_count, 0);
    pg_conn_free(fixture->conn);
    fixture->conn = NULL;
}

static void statements_that_cannot_be_prepared_are_noticed_without_memory(void **state)
{
    failing_heap_each(open_broken, *state);
}

/* Only an attempt is lost, and the next one is made. */
static void connect_in_the_end(void *context)
{
    struct fixture *fixture = context;

    open_with(fixture, fixture->conninfo, statements);
    failing_heap_begin();
    await_ready(fixture);
    failing_heap_end();
    assert_string_equal(ask(fixture, ECHO, "a"), "aa");
    pg_conn_free(fixture->conn);
    fixture->conn = NULL;
}

static void it_connects_in_the_end_wherever_memory_runs_out(void **state)
{
    failing_heap_each(connect_in_the_end, *state);
}

static void a_connection_string_that_cannot_be_read_is_told(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, "nonsense", statements);
    while (fixture->lost_count < 2)
        loop_run(fixture->loop);
    assert_non_null(strstr(fixture->lost_message, "connection string"));
}

static void an_error_leaves_the_connection_ready(void **state)
{
    struct fixture *fixture = *state;
    char text[1000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    open_ready(fixture, fixture->conninfo);
    ask(fixture, SLEEP, text); /* a second, more than statement_timeout */
    assert_string_equal(fixture->sqlstate, "57014");
    assert_false(fixture->connection_lost);
    assert_string_equal(ask(fixture, ECHO, "a"), "aa");
    assert_int_equal(fixture->lost_count, 0);
}

static void a_read_only_server_is_left_though_the_fate_is_known(void **state)
{
    struct fixture *fixture = *state;
    char conninfo[400];
    snprintf(conninfo, sizeof(conninfo),
             "%s target_session_attrs=any options='-c default_transaction_read_only=on'",
             fixture->conninfo);
    open_ready(fixture, conninfo);
    ask(fixture, WRITE, "a");
    assert_string_equal(fixture->sqlstate, "25006");
    assert_int_equal(fixture->err.reason, REASON_STORE_UNAVAILABLE);
    assert_false(fixture->connection_lost);
    assert_int_equal(fixture->lost_count, 1);
    assert_false(pg_conn_is_ready(fixture->conn));
    await_ready(fixture);
}

static void a_read_only_server_is_not_taken_at_all(void **state)
{
    struct fixture *fixture = *state;
    char conninfo[400];
    snprintf(conninfo, sizeof(conninfo), "%s options='-c default_transaction_read_only=on'",
             fixture->conninfo);
    open_with(fixture, conninfo, statements);
    while (fixture->lost_count < 1)
        loop_run(fixture->loop);
    assert_int_equal(fixture->ready_count, 0);
}

static void a_server_that_falls_silent_is_given_up(void **state)
{
    struct fixture *fixture = *state;
    open_ready(fixture, fixture->conninfo);
    pid_t pid = (pid_t)postgres_number(
        fixture->conninfo, "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                           " AND application_name = 'test_pg_conn'");
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    ask(fixture, ECHO, "a");
    kill(pid, SIGCONT);
    assert_true(fixture->connection_lost);
    assert_int_equal(fixture->err.reason, REASON_STORE_UNAVAILABLE);
    await_ready(fixture);
    assert_string_equal(ask(fixture, ECHO, "b"), "bb");
}

static void a_host_that_never_answers_does_not_hide_the_next(void **state)
{
    struct fixture *fixture = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/silent-XXXXXX", conninfo[600];

    assert_non_null(mkdtemp(folder));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/.s.PGSQL.5432", folder);
    int silent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(silent, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(silent, 8), 0);

    snprintf(conninfo, sizeof(conninfo), "host=%s,%s port=5432", folder,
             fixture->conninfo + strlen("host="));
    open_ready(fixture, conninfo);
    assert_int_equal(fixture->lost_count, 1);
    assert_string_equal(ask(fixture, ECHO, "a"), "aa");

    close(silent);
    unlink(address.sun_path);
    rmdir(folder);
}

static void a_name_that_does_not_exist_is_told(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, "host=no-such-host.invalid", statements);
    while (fixture->lost_count < 1)
        loop_run(fixture->loop);
    assert_non_null(strstr(fixture->lost_message, "looking up"));
}

static void freeing_it_while_it_looks_up_or_connects_is_safe(void **state)
{
    struct fixture *fixture = *state;
    static const char *const hosts[] = {"host=no-such-host.invalid", "host=127.0.0.1 port=1"};
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        open_with(fixture, hosts[i], statements);
        pg_conn_free(fixture->conn);
        open_with(fixture, hosts[i], statements);
        loop_stop(fixture->loop);
        loop_run(fixture->loop);
        pg_conn_free(fixture->conn);
        fixture->conn = NULL;
    }
}

static void freeing_it_ends_the_command_in_flight(void **state)
{
    struct fixture *fixture = *state;
    open_ready(fixture, fixture->conninfo);
    send_command(fixture, SLEEP, "xxxxxxxxxx");
    pg_conn_free(fixture->conn);
    fixture->conn = NULL;
    assert_int_equal(fixture->done_count, 1);
    assert_true(fixture->connection_lost);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_session_has_the_settings_commands_rely_on),
        TEST(commands_and_results_larger_than_any_buffer_pass),
        TEST(statements_that_cannot_be_prepared_are_told),
        TEST(statements_that_cannot_be_prepared_are_noticed_without_memory),
        TEST(it_connects_in_the_end_wherever_memory_runs_out),
        TEST(a_connection_string_that_cannot_be_read_is_told),
        TEST(an_error_leaves_the_connection_ready),
        TEST(a_read_only_server_is_left_though_the_fate_is_known),
        TEST(a_read_only_server_is_not_taken_at_all),
        TEST(a_server_that_falls_silent_is_given_up),
        TEST(a_host_that_never_answers_does_not_hide_the_next),
        TEST(a_name_that_does_not_exist_is_told),
        TEST(freeing_it_while_it_looks_up_or_connects_is_safe),
        TEST(freeing_it_ends_the_command_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
