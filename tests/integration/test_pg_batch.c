/* pg_batch over real connections: what reaches PostgreSQL, what comes back, and what a lost or
 * refusing database does to the requests. The rules of batches themselves are tested with a fake
 * connection in unit/store/test_pg_batch.c. */
#include "postgres_fixture.h"

#include "runtime/random_system.h"
#include "store/pg_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ASKS_MAX = 500,
    CONNECTION_COUNT = 4,
    READ_CONNECTION_COUNT = 2
};

enum {
    TENFOLD,
    DIVIDE,
    NOTE,
    NOTE_ONCE,
    SLEEP,
    TRANSACTION
};

static const struct pg_statement statements[] = {
    [TENFOLD] = {"tenfold",
                 PG_LANE_READ,
                 true,
                 "SELECT ord, value * 10 FROM unnest($1, $2) AS q (ord, value)",
                 {PG_INT4, PG_INT8, PG_END}},
    [DIVIDE] = {"divide",
                PG_LANE_WRITE,
                true,
                "SELECT ord, 100 / value FROM unnest($1, $2) AS q (ord, value)",
                {PG_INT4, PG_INT8, PG_END}},
    [NOTE] = {"note",
              PG_LANE_WRITE,
              true,
              "WITH q AS (SELECT * FROM unnest($1, $2) AS q (ord, value)), written AS"
              " (INSERT INTO note SELECT value FROM q ON CONFLICT DO NOTHING)"
              " SELECT ord, value FROM q",
              {PG_INT4, PG_INT8, PG_END}},
    [NOTE_ONCE] = {"note_once",
                   PG_LANE_WRITE,
                   false,
                   "WITH q AS (SELECT * FROM unnest($1, $2) AS q (ord, value)), written AS"
                   " (INSERT INTO note SELECT value FROM q)"
                   " SELECT ord, value, pg_sleep(value / 1000.0)::text FROM q",
                   {PG_INT4, PG_INT8, PG_END}},
    [SLEEP] = {"sleep",
               PG_LANE_STOCK,
               true,
               "SELECT ord, value, pg_sleep(value / 1000.0)::text"
               " FROM unnest($1, $2) AS q (ord, value)",
               {PG_INT4, PG_INT8, PG_END}},
    [TRANSACTION] = {"transaction",
                     PG_LANE_READ,
                     true,
                     "SELECT ord, pg_backend_pid()::int8 FROM unnest($1, $2) AS q (ord, value)",
                     {PG_INT4, PG_INT8, PG_END}},
    {.name = NULL},
};

struct ask {
    struct store_call call;
    struct fixture *fixture;
    int64_t value;
    int64_t answer;
    unsigned row_count, done_count;
};

struct fixture {
    struct loop *loop;
    struct random_source *random;
    struct pg_pool *pool;
    struct arena *arena;
    const char *conninfo;
    struct ask asks[ASKS_MAX];
    unsigned count, open_count, lost_count;
    struct clock_timer poll;
    unsigned up_wanted, lost_wanted;
};

static void ask_encode(struct store_call *call, uint32_t ord, struct pg_params *params)
{
    struct ask *ask = CONTAINER_OF(call, struct ask, call);
    pg_put_int4(params, 0, (int32_t)ord);
    pg_put_int8(params, 1, ask->value);
}

static void ask_row(struct store_call *call, const struct pg_row *row)
{
    struct ask *ask = CONTAINER_OF(call, struct ask, call);
    ask->answer = pg_get_int8(row, 1);
    ask->row_count++;
}

static const struct pg_batch_codec codecs[] = {
#define CODEC(id) [id] = {(enum pg_statement_id)(id), ask_encode, ask_row, NULL}
    CODEC(TENFOLD), CODEC(DIVIDE), CODEC(NOTE), CODEC(NOTE_ONCE), CODEC(SLEEP), CODEC(TRANSACTION),
};

static void ask_done(struct store_call *call)
{
    struct ask *ask = CONTAINER_OF(call, struct ask, call);
    ask->done_count++;
    if (--ask->fixture->open_count == 0)
        loop_stop(ask->fixture->loop);
}

static struct ask *ask_start(struct fixture *fixture, unsigned statement, int64_t value)
{
    struct ask *ask = &fixture->asks[fixture->count++];
    assert_true(fixture->count <= ASKS_MAX);
    ask->fixture = fixture;
    ask->value = value;
    ask->call.arena = fixture->arena;
    ask->call.deadline_ms = clock_now_ms(loop_clock(fixture->loop)) + 30 * 1000;
    ask->call.done = ask_done;
    fixture->open_count++;
    pg_batch_start(fixture->pool, &codecs[statement], &ask->call);
    return ask;
}

/* Turns the loop until all have been answered. */
static void answer_all(struct fixture *fixture)
{
    if (fixture->open_count > 0)
        loop_run(fixture->loop);
    for (unsigned i = 0; i < fixture->count; i++)
        assert_int_equal(fixture->asks[i].done_count, 1);
}

static void on_lost(void *arg, const struct error *err)
{
    struct fixture *fixture = arg;
    fixture->lost_count++;
    assert_int_equal(err->reason, REASON_STORE_UNAVAILABLE);
    assert_string_not_equal(err->message, "");
}

static unsigned up_count(const struct pg_pool *pool)
{
    unsigned count = 0;

    for (unsigned i = 0; i < PG_LANE_COUNT; i++)
        count += pool->lanes[i].up_count;
    return count;
}

static void on_poll(struct clock_timer *timer)
{
    struct fixture *fixture = CONTAINER_OF(timer, struct fixture, poll);
    if (up_count(fixture->pool) == fixture->up_wanted)
        loop_stop(fixture->loop);
    else
        clock_timer_start(loop_clock(fixture->loop), timer, 5);
}

static void await_up(struct fixture *fixture, unsigned count)
{
    fixture->up_wanted = count;
    fixture->poll.on_time = on_poll;
    clock_timer_start(loop_clock(fixture->loop), &fixture->poll, 0);
    loop_run(fixture->loop);
}

static void on_poll_lost(struct clock_timer *timer)
{
    struct fixture *fixture = CONTAINER_OF(timer, struct fixture, poll);
    if (fixture->lost_count >= fixture->lost_wanted)
        loop_stop(fixture->loop);
    else
        clock_timer_start(loop_clock(fixture->loop), timer, 5);
}

/* Not until none is up: the first may be there again before the last has been missed. */
static void await_lost(struct fixture *fixture, unsigned count)
{
    fixture->lost_wanted = count;
    fixture->poll.on_time = on_poll_lost;
    clock_timer_start(loop_clock(fixture->loop), &fixture->poll, 0);
    loop_run(fixture->loop);
}

static void open_pool(struct fixture *fixture, const char *conninfo, uint32_t batch_max)
{
    const struct pg_pool_config config = {
        .conninfo = conninfo,
        .connection_count = CONNECTION_COUNT,
        .batch_max = batch_max,
        .statement_timeout_ms = 500,
        .lock_timeout_ms = 200,
        .on_connection_lost = on_lost,
        .arg = fixture,
        .statements = statements,
    };
    pg_pool_free(fixture->pool);
    fixture->pool = pg_pool_new(fixture->loop, fixture->random, &config);
    assert_non_null(fixture->pool);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->conninfo = postgres_new_database();
    postgres_exec(fixture->conninfo, "CREATE TABLE note (value int8 PRIMARY KEY)");
    fixture->loop = loop_new();
    fixture->random = random_system_new();
    fixture->arena = arena_new(1024 * 1024);
    open_pool(fixture, fixture->conninfo, 128);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    pg_pool_free(fixture->pool);
    arena_free(fixture->arena);
    random_system_free(fixture->random);
    loop_free(fixture->loop);
    free(fixture);
    return 0;
}

static void assert_unavailable(const struct ask *ask, bool maybe_done)
{
    assert_int_equal(ask->call.err.reason, REASON_STORE_UNAVAILABLE);
    assert_int_equal(ask->call.maybe_done, maybe_done);
}

/* ---- answers ---- */

static void each_request_gets_its_own_row(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 300; i++)
        ask_start(fixture, TENFOLD, i);
    answer_all(fixture);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(fixture->asks[i].call.err.status, STATUS_OK);
        assert_int_equal(fixture->asks[i].row_count, 1);
        assert_int_equal(fixture->asks[i].answer, i * 10);
    }
    assert_int_equal(fixture->pool->waiting_count, 0);
}

static void without_batching_each_request_gets_its_row_too(void **state)
{
    struct fixture *fixture = *state;
    open_pool(fixture, fixture->conninfo, 1);
    each_request_gets_its_own_row(state);
}

static void all_lanes_have_a_connection_once_the_pool_is_up(void **state)
{
    struct fixture *fixture = *state;
    assert_false(pg_pool_is_up(fixture->pool));
    await_up(fixture, CONNECTION_COUNT);
    assert_true(pg_pool_is_up(fixture->pool));
}

static void sessions_have_the_settings_every_command_relies_on(void **state)
{
    struct fixture *fixture = *state;
    await_up(fixture, CONNECTION_COUNT);
    char sql[400];
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orderd'"
             " AND datname = current_database() AND state = 'idle'");
    assert_int_equal(postgres_number(fixture->conninfo, sql), CONNECTION_COUNT);
}

/* ---- refusals ---- */

static void one_bad_request_stops_only_itself(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 10; i++)
        ask_start(fixture, DIVIDE, i == 4 ? 0 : i + 1);
    answer_all(fixture);
    for (int i = 0; i < 10; i++) {
        const struct ask *ask = &fixture->asks[i];
        if (i == 4) {
            assert_int_equal(ask->call.err.reason, REASON_INTERNAL);
            assert_false(ask->call.maybe_done);
        } else {
            assert_int_equal(ask->call.err.status, STATUS_OK);
            assert_int_equal(ask->answer, 100 / (i + 1));
        }
    }
    assert_int_equal(fixture->lost_count, 0);
}

static void a_statement_that_takes_too_long_is_ended_by_the_server(void **state)
{
    struct fixture *fixture = *state;
    struct ask *ask = ask_start(fixture, SLEEP, 5000);
    answer_all(fixture);
    assert_unavailable(ask, false);
    assert_int_equal(fixture->lost_count, 0);
}

static void a_lock_that_is_not_given_in_time_is_told(void **state)
{
    struct fixture *fixture = *state;
    PGconn *other = PQconnectdb(fixture->conninfo);
    PQclear(PQexec(other, "BEGIN; LOCK TABLE note IN ACCESS EXCLUSIVE MODE"));
    struct ask *ask = ask_start(fixture, NOTE, 1);
    answer_all(fixture);
    PQfinish(other);
    assert_unavailable(ask, false);
}

static void reads_go_on_while_another_lane_is_stuck(void **state)
{
    struct fixture *fixture = *state;
    struct ask *slow = ask_start(fixture, SLEEP, 300);
    struct ask *quick = ask_start(fixture, TENFOLD, 1);
    fixture->open_count--; /* the slow one does not count */
    loop_run(fixture->loop);
    assert_int_equal(quick->done_count, 1);
    assert_int_equal(slow->done_count, 0);
    fixture->open_count++;
    answer_all(fixture);
}

/* ---- losses ---- */

static void cut_sessions(struct fixture *fixture)
{
    postgres_exec(fixture->conninfo,
                  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                  " WHERE application_name = 'orderd' AND datname = current_database()");
}

static void on_cut(struct clock_timer *timer)
{
    struct fixture *fixture = CONTAINER_OF(timer, struct fixture, poll);
    cut_sessions(fixture);
}

static void cut_in(struct fixture *fixture, int64_t delay_ms)
{
    fixture->poll.on_time = on_cut;
    clock_timer_start(loop_clock(fixture->loop), &fixture->poll, delay_ms);
}

static void on_crash(struct clock_timer *timer)
{
    (void)timer;
    postgres_crash();
}

static void crash_in(struct fixture *fixture, int64_t delay_ms)
{
    fixture->poll.on_time = on_crash;
    clock_timer_start(loop_clock(fixture->loop), &fixture->poll, delay_ms);
}

static void a_repeatable_statement_survives_a_lost_connection(void **state)
{
    struct fixture *fixture = *state;
    await_up(fixture, CONNECTION_COUNT);
    struct ask *ask = ask_start(fixture, SLEEP, 200);
    cut_in(fixture, 50);
    answer_all(fixture);
    assert_int_equal(ask->call.err.status, STATUS_OK);
    assert_false(ask->call.maybe_done);
    assert_int_equal(ask->row_count, 1);
    assert_true(fixture->lost_count >= 1);
}

static void any_other_statement_ends_with_its_fate_unknown(void **state)
{
    struct fixture *fixture = *state;
    await_up(fixture, CONNECTION_COUNT);
    struct ask *ask = ask_start(fixture, NOTE_ONCE, 200);
    cut_in(fixture, 50);
    answer_all(fixture);
    assert_unavailable(ask, true);
}

static void idle_connections_that_were_cut_come_back(void **state)
{
    struct fixture *fixture = *state;
    await_up(fixture, CONNECTION_COUNT);
    cut_sessions(fixture);
    await_lost(fixture, CONNECTION_COUNT);
    assert_int_equal(fixture->lost_count, CONNECTION_COUNT);
    await_up(fixture, CONNECTION_COUNT);
    struct ask *ask = ask_start(fixture, TENFOLD, 7);
    answer_all(fixture);
    assert_int_equal(ask->answer, 70);
}

static void a_crashed_server_is_used_again_once_it_is_back(void **state)
{
    struct fixture *fixture = *state;
    await_up(fixture, CONNECTION_COUNT);
    struct ask *ask = ask_start(fixture, NOTE_ONCE, 300);
    crash_in(fixture, 50); /* while the server works on it */
    answer_all(fixture);
    assert_unavailable(ask, true);
    struct ask *late = ask_start(fixture, NOTE, 2);
    answer_all(fixture);
    assert_unavailable(late, false);

    postgres_start();
    await_up(fixture, CONNECTION_COUNT);
    struct ask *again = ask_start(fixture, NOTE, 3);
    answer_all(fixture);
    assert_int_equal(again->call.err.status, STATUS_OK);
    assert_int_equal(postgres_number(fixture->conninfo, "SELECT count(*) FROM note"), 1);
}

static void a_server_that_is_not_there_fails_requests_within_the_limit(void **state)
{
    struct fixture *fixture = *state;
    open_pool(fixture, "host=/nonexistent user=nobody", 128);
    struct ask *ask = ask_start(fixture, TENFOLD, 1);
    answer_all(fixture);
    assert_unavailable(ask, false);
    assert_false(pg_pool_is_up(fixture->pool));
    assert_true(fixture->lost_count > 0);
}

static void a_name_is_looked_up_without_the_loop(void **state)
{
    struct fixture *fixture = *state;
    char conninfo[400];
    /* The first host has no server at this port; the second is the folder of the socket. */
    snprintf(conninfo, sizeof(conninfo), "host=localhost,%s port=1,5432",
             fixture->conninfo + strlen("host="));
    open_pool(fixture, conninfo, 128);
    await_up(fixture, CONNECTION_COUNT);
    struct ask *ask = ask_start(fixture, TENFOLD, 2);
    answer_all(fixture);
    assert_int_equal(ask->answer, 20);
}

static void on_stop(struct clock_timer *timer)
{
    loop_stop(CONTAINER_OF(timer, struct fixture, poll)->loop);
}

static void requests_in_flight_end_when_the_pool_is_freed(void **state)
{
    struct fixture *fixture = *state;
    await_up(fixture, CONNECTION_COUNT);
    struct ask *flying = ask_start(fixture, SLEEP, 400);
    struct ask *quick = ask_start(fixture, TENFOLD, 1);
    fixture->open_count--;
    loop_run(fixture->loop);
    fixture->open_count++;
    struct ask *waiting = ask_start(fixture, NOTE, 1);
    pg_pool_free(fixture->pool);
    fixture->pool = NULL;
    answer_all(fixture);
    assert_int_equal(quick->call.err.status, STATUS_OK);
    assert_unavailable(flying, true);
    assert_unavailable(waiting, false);
    loop_run(fixture->loop);         /* takes the stop that the last answer asked for */
    fixture->poll.on_time = on_stop; /* one more turn for the task that was posted */
    clock_timer_start(loop_clock(fixture->loop), &fixture->poll, 0);
    loop_run(fixture->loop);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_request_gets_its_own_row),
        TEST(without_batching_each_request_gets_its_row_too),
        TEST(all_lanes_have_a_connection_once_the_pool_is_up),
        TEST(sessions_have_the_settings_every_command_relies_on),
        TEST(one_bad_request_stops_only_itself),
        TEST(a_statement_that_takes_too_long_is_ended_by_the_server),
        TEST(a_lock_that_is_not_given_in_time_is_told),
        TEST(reads_go_on_while_another_lane_is_stuck),
        TEST(a_repeatable_statement_survives_a_lost_connection),
        TEST(any_other_statement_ends_with_its_fate_unknown),
        TEST(idle_connections_that_were_cut_come_back),
        TEST(a_crashed_server_is_used_again_once_it_is_back),
        TEST(a_server_that_is_not_there_fails_requests_within_the_limit),
        TEST(a_name_is_looked_up_without_the_loop),
        TEST(requests_in_flight_end_when_the_pool_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
