/* The rules of batches, with connections that the test answers itself: what leaves together, in what
 * order, who gets which row, and what becomes of those whose batch fails or whose time is up. */
#include "store/pg_pool.h"

#include "fake/failing_heap.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum {
    ASKS_MAX = 1200,
    CONNS_MAX = 8,
    BATCH_MAX = 4
};

enum {
    LOOK,
    PEEK,
    WRITE_TWICE,
    WRITE_ONCE
};

static const struct pg_statement statements[] = {
    [LOOK] = {"look", PG_LANE_READ, true, "", {PG_INT4, PG_INT8, PG_BYTEA, PG_END}},
    [PEEK] = {"peek", PG_LANE_READ, true, "", {PG_INT4, PG_INT8, PG_BYTEA, PG_END}},
    [WRITE_TWICE] = {"write_twice", PG_LANE_WRITE, true, "", {PG_INT4, PG_INT8, PG_BYTEA, PG_END}},
    [WRITE_ONCE] = {"write_once", PG_LANE_WRITE, false, "", {PG_INT4, PG_INT8, PG_BYTEA, PG_END}},
    {.name = NULL},
};

/* ---- the connection of the test ---- */

struct pg_conn {
    struct pg_conn_config config;
    bool is_ready;
    const char *statement; /* NULL: no command in flight */
    uint32_t count;
    int64_t values[ASKS_MAX];
    pg_conn_done_fn *done;
    void *arg;
};

struct request {
    struct store_call call;
    struct fixture *fixture;
    int64_t value, answer;
    size_t size;
    unsigned row_count, end_count, done_count;
    unsigned refuse_row; /* on_row sets an error */
};

struct fixture {
    struct loop *loop;
    struct random_source random;
    struct pg_pool *pool;
    struct arena *arena;
    struct clock_timer stop;
    struct request *requests;
    unsigned count;
    struct request *next; /* started from inside `done` */
    char told[64];        /* the last batch that failed: statement and SQLSTATE */
};

static struct pg_conn *fake_conns[CONNS_MAX];
static unsigned fake_conn_count;

static struct pg_conn *fake_new(struct loop *loop, struct random_source *random,
                                const struct pg_conn_config *config)
{
    struct pg_conn *conn = calloc(1, sizeof(*conn));
    conn->config = *config;
    assert_true(fake_conn_count < CONNS_MAX);
    fake_conns[fake_conn_count++] = conn;
    return conn;
}

static void fake_end(struct pg_conn *conn, const PGresult *result, const struct error *err,
                     const char *sqlstate, bool lost)
{
    pg_conn_done_fn *done = conn->done;
    assert_non_null(conn->statement);
    conn->statement = NULL;
    done(conn->arg, result, err, sqlstate, lost);
}

static void fake_free(struct pg_conn *conn)
{
    if (conn->statement != NULL) {
        struct error err = {.status = STATUS_UNAVAILABLE, .reason = REASON_STORE_UNAVAILABLE};
        fake_end(conn, NULL, &err, NULL, true);
    }
    free(conn);
}

static bool fake_is_ready(const struct pg_conn *conn)
{
    return conn->is_ready && conn->statement == NULL;
}

static uint32_t u32_at(const char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return ntohl(value);
}

static void fake_execute(struct pg_conn *conn, const struct pg_statement *statement,
                         struct pg_params *params, pg_conn_done_fn *done, void *arg)
{
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];

    assert_true(fake_is_ready(conn));
    assert_true(pg_params_finish(params, values, lengths, formats));
    conn->statement = statement->name;
    conn->done = done;
    conn->arg = arg;
    conn->count = u32_at(values[0] + 12);
    for (uint32_t i = 0; i < conn->count; i++) {
        assert_int_equal(u32_at(values[0] + 20 + i * 8 + 4), i); /* ord */
        conn->values[i] = u32_at(values[1] + 20 + i * 12 + 8);
    }
}

static const struct pg_conn_ops fake_ops = {fake_new, fake_free, fake_is_ready, fake_execute};

static void fake_up(struct pg_conn *conn)
{
    conn->is_ready = true;
    conn->config.on_ready(conn->config.arg, conn);
}

static void fake_lose(struct pg_conn *conn)
{
    struct error err = {.status = STATUS_UNAVAILABLE, .reason = REASON_STORE_UNAVAILABLE};
    conn->is_ready = false;
    if (conn->statement != NULL)
        fake_end(conn, NULL, &err, NULL, true);
    conn->config.on_lost(conn->config.arg, conn, &err);
}

static void fake_refuse(struct pg_conn *conn)
{
    struct error err = {0};
    error_set(&err, REASON_INTERNAL);
    fake_end(conn, NULL, &err, "22012", false);
    fake_up(conn);
}

static void set_column(PGresult *result, int row, int column, uint32_t high, uint32_t low, int size)
{
    uint32_t bytes[2] = {htonl(high), htonl(low)};
    char *data = (char *)bytes;
    assert_true(PQsetvalue(result, row, column, data + 8 - size, size));
}

/* Rows (ord, value * 10), last request first; `skip` has none. */
static void fake_answer_without(struct pg_conn *conn, int64_t skip)
{
    PGresAttDesc columns[] = {{.name = (char[]){"ord"}, .format = 1, .typid = 23, .typlen = 4},
                              {.name = (char[]){"value"}, .format = 1, .typid = 20, .typlen = 8}};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_true(PQsetResultAttrs(result, 2, columns));
    for (uint32_t i = conn->count; i-- > 0;) {
        if (conn->values[i] == skip)
            continue;
        int row = PQntuples(result);
        set_column(result, row, 0, 0, i, 4);
        set_column(result, row, 1, 0, (uint32_t)(conn->values[i] * 10), 8);
    }
    fake_end(conn, result, NULL, NULL, false);
    PQclear(result);
    fake_up(conn);
}

static void fake_answer(struct pg_conn *conn)
{
    fake_answer_without(conn, -1);
}

/* ---- requests ---- */

static void encode(struct store_call *call, uint32_t ord, struct pg_params *params)
{
    static char filler[PG_BATCH_SIZE_MAX];
    struct request *request = CONTAINER_OF(call, struct request, call);
    pg_put_int4(params, 0, (int32_t)ord);
    pg_put_int8(params, 1, request->value);
    pg_put_bytea(params, 2, filler, request->size);
}

static void on_row(struct store_call *call, const struct pg_row *row)
{
    struct request *request = CONTAINER_OF(call, struct request, call);
    request->answer = pg_get_int8(row, 1);
    request->row_count++;
    if (request->refuse_row)
        error_set(&call->err, REASON_ETAG_MISMATCH);
}

static void on_end(struct store_call *call)
{
    struct request *request = CONTAINER_OF(call, struct request, call);
    request->end_count++;
    if (request->row_count == 0)
        error_set(&call->err, REASON_PRODUCT_NOT_FOUND);
}

static const struct pg_batch_codec codecs[] = {
    {(enum pg_statement_id)LOOK, encode, on_row, on_end},
    {(enum pg_statement_id)PEEK, encode, on_row, on_end},
    {(enum pg_statement_id)WRITE_TWICE, encode, on_row, on_end},
    {(enum pg_statement_id)WRITE_ONCE, encode, on_row, NULL},
};

static void on_done(struct store_call *call)
{
    struct request *request = CONTAINER_OF(call, struct request, call);
    struct fixture *fixture = request->fixture;
    request->done_count++;
    if (fixture->next != NULL) {
        struct request *next = fixture->next;
        fixture->next = NULL;
        pg_batch_start(fixture->pool, &codecs[LOOK], &next->call);
        assert_int_equal(next->done_count, 0);
    }
}

static struct request *prepare(struct fixture *fixture)
{
    assert_true(fixture->count < ASKS_MAX);
    struct request *request = &fixture->requests[fixture->count];
    request->fixture = fixture;
    request->value = fixture->count++;
    request->call.arena = fixture->arena;
    request->call.done = on_done;
    request->call.deadline_ms = clock_now_ms(loop_clock(fixture->loop)) + 60 * 1000;
    return request;
}

static struct request *start(struct fixture *fixture, unsigned statement)
{
    struct request *request = prepare(fixture);
    pg_batch_start(fixture->pool, &codecs[statement], &request->call);
    assert_int_equal(request->done_count, 0); /* never from inside */
    return request;
}

static void on_stop(struct clock_timer *timer)
{
    loop_stop(CONTAINER_OF(timer, struct fixture, stop)->loop);
}

/* Runs the loop for so long, and to the end of that turn. */
static void turn(struct fixture *fixture, int64_t delay_ms)
{
    fixture->stop.on_time = on_stop;
    clock_timer_start(loop_clock(fixture->loop), &fixture->stop, delay_ms);
    loop_run(fixture->loop);
}

static void on_batch_failed(void *arg, const char *statement, const char *sqlstate,
                            const struct error *err)
{
    struct fixture *fixture = arg;
    assert_true(error_is_set(err));
    snprintf(fixture->told, sizeof(fixture->told), "%s %s", statement,
             sqlstate == NULL ? "-" : sqlstate);
}

static struct pg_pool_config a_config(struct fixture *fixture, uint32_t connection_count,
                                      uint32_t batch_max)
{
    return (struct pg_pool_config){
        .conninfo = "",
        .connection_count = connection_count,
        .batch_max = batch_max,
        .statement_timeout_ms = 10000,
        .lock_timeout_ms = 2000,
        .statements = statements,
        .conn_ops = &fake_ops,
        .on_batch_failed = on_batch_failed,
        .arg = fixture,
    };
}

static void open_pool(struct fixture *fixture, uint32_t connection_count, uint32_t batch_max)
{
    const struct pg_pool_config config = a_config(fixture, connection_count, batch_max);
    pg_pool_free(fixture->pool);
    fake_conn_count = 0;
    fixture->pool = pg_pool_new(fixture->loop, &fixture->random, &config);
    assert_non_null(fixture->pool);
}

enum {
    READ_CONN,
    STOCK_CONN,
    WRITE_CONN
}; /* of a pool of three */

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->requests = calloc(ASKS_MAX, sizeof(*fixture->requests));
    fixture->loop = loop_new();
    fixture->arena = arena_new(64 * 1024);
    open_pool(fixture, PG_LANE_COUNT, BATCH_MAX);
    for (unsigned i = 0; i < PG_LANE_COUNT; i++)
        fake_up(fake_conns[i]);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    pg_pool_free(fixture->pool);
    for (unsigned i = 0; i < fixture->count; i++)
        assert_int_equal(fixture->requests[i].done_count, 1);
    turn(fixture, 0);
    arena_free(fixture->arena);
    loop_free(fixture->loop);
    free(fixture->requests);
    free(fixture);
    return 0;
}

static void assert_answered(const struct request *request)
{
    assert_int_equal(request->done_count, 1);
    assert_int_equal(request->call.err.status, STATUS_OK);
    assert_int_equal(request->row_count, 1);
    assert_int_equal(request->answer, request->value * 10);
    assert_false(request->call.maybe_done);
}

static void assert_failed(const struct request *request, enum reason reason, bool maybe_done)
{
    assert_int_equal(request->done_count, 1);
    assert_int_equal(request->call.err.reason, reason);
    assert_int_equal(request->call.maybe_done, maybe_done);
}

/* ---- gathering ---- */

static void one_request_is_a_batch_of_one_at_the_end_of_its_turn(void **state)
{
    struct fixture *fixture = *state;
    struct request *request = start(fixture, LOOK);
    assert_null(fake_conns[READ_CONN]->statement);
    turn(fixture, 0);
    assert_int_equal(fake_conns[READ_CONN]->count, 1);
    fake_answer(fake_conns[READ_CONN]);
    assert_answered(request);
}

static void as_many_as_batch_max_leave_together(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < BATCH_MAX; i++)
        start(fixture, LOOK);
    turn(fixture, 0);
    assert_int_equal(fake_conns[READ_CONN]->count, BATCH_MAX);
    assert_int_equal(fixture->pool->waiting_count, 0);
    fake_answer(fake_conns[READ_CONN]);
    for (unsigned i = 0; i < fixture->count; i++)
        assert_answered(&fixture->requests[i]);
}

static void one_more_than_batch_max_waits_for_the_next(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < BATCH_MAX + 1; i++)
        start(fixture, LOOK);
    turn(fixture, 0);
    assert_int_equal(fake_conns[READ_CONN]->count, BATCH_MAX);
    assert_int_equal(fixture->pool->waiting_count, 1);
    fake_answer(fake_conns[READ_CONN]);
    turn(fixture, 0);
    assert_int_equal(fake_conns[READ_CONN]->count, 1);
    assert_int_equal(fake_conns[READ_CONN]->values[0], BATCH_MAX); /* the youngest */
    fake_answer(fake_conns[READ_CONN]);
    for (unsigned i = 0; i < fixture->count; i++)
        assert_answered(&fixture->requests[i]);
}

static void the_figures_tell_who_waits_and_who_has_left(void **state)
{
    struct fixture *fixture = *state;
    struct pg_pool_figures figures;

    for (int i = 0; i < BATCH_MAX + 3; i++)
        start(fixture, LOOK);
    turn(fixture, 0);
    pg_pool_read_figures(fixture->pool, &figures);
    assert_int_equal(figures.statements[LOOK].waiting, 3);
    assert_int_equal(figures.statements[LOOK].flying, BATCH_MAX);
    assert_int_equal(figures.statements[LOOK].last_batch, BATCH_MAX);
    assert_int_equal(figures.statements[PEEK].waiting, 0);
    assert_int_equal(figures.lanes[PG_LANE_READ].ready, 1);
    fake_answer(fake_conns[READ_CONN]);
    turn(fixture, 0);
    fake_answer(fake_conns[READ_CONN]);
    pg_pool_read_figures(fixture->pool, &figures);
    assert_int_equal(figures.statements[LOOK].waiting, 0);
    assert_int_equal(figures.statements[LOOK].flying, 0);
    assert_int_equal(figures.statements[LOOK].last_batch, 3);
}

static void requests_gather_while_the_connection_is_busy(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, LOOK);
    turn(fixture, 0);
    for (int i = 0; i < 3; i++) {
        start(fixture, LOOK);
        turn(fixture, 0);
    }
    assert_int_equal(fake_conns[READ_CONN]->count, 1);
    fake_answer(fake_conns[READ_CONN]);
    turn(fixture, 0);
    assert_int_equal(fake_conns[READ_CONN]->count, 3);
    fake_answer(fake_conns[READ_CONN]);
}

static void a_batch_ends_at_its_byte_limit(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 3; i++)
        prepare(fixture)->size = i == 0 ? PG_BATCH_SIZE_MAX / 2 : PG_BATCH_SIZE_MAX / 2 + 1;
    for (unsigned i = 0; i < fixture->count; i++)
        pg_batch_start(fixture->pool, &codecs[LOOK], &fixture->requests[i].call);
    turn(fixture, 0);
    assert_int_equal(fake_conns[READ_CONN]->count, 2);
    fake_answer(fake_conns[READ_CONN]);
    turn(fixture, 0);
    assert_int_equal(fake_conns[READ_CONN]->count, 1);
    fake_answer(fake_conns[READ_CONN]);
}

static void statements_of_a_lane_take_turns(void **state)
{
    struct fixture *fixture = *state;
    static const char *const expected[] = {"look", "peek", "look"};
    for (int i = 0; i < BATCH_MAX + 1; i++)
        start(fixture, LOOK);
    start(fixture, PEEK);
    for (unsigned i = 0; i < COUNT_OF(expected); i++) {
        turn(fixture, 0);
        assert_string_equal(fake_conns[READ_CONN]->statement, expected[i]);
        fake_answer(fake_conns[READ_CONN]);
    }
}

static void lanes_do_not_wait_for_each_other(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, LOOK);
    turn(fixture, 0);
    start(fixture, WRITE_ONCE);
    turn(fixture, 0);
    assert_string_equal(fake_conns[READ_CONN]->statement, "look");
    assert_string_equal(fake_conns[WRITE_CONN]->statement, "write_once");
    assert_null(fake_conns[STOCK_CONN]->statement);
}

static void a_second_connection_of_the_lane_is_used_while_the_first_is_busy(void **state)
{
    struct fixture *fixture = *state;
    open_pool(fixture, 4, BATCH_MAX); /* two of them for reading */
    for (unsigned i = 0; i < 4; i++)
        fake_up(fake_conns[i]);
    struct request *first = start(fixture, LOOK);
    turn(fixture, 0);
    struct request *second = start(fixture, LOOK);
    turn(fixture, 0);
    fake_answer(fake_conns[1]);
    assert_answered(second);
    assert_int_equal(first->done_count, 0);
    fake_answer(fake_conns[0]);
    assert_answered(first);
}

static void a_request_may_be_started_by_the_end_of_another(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, LOOK);
    fixture->next = prepare(fixture);
    turn(fixture, 0);
    fake_answer(fake_conns[READ_CONN]);
    turn(fixture, 0);
    fake_answer(fake_conns[READ_CONN]);
    assert_answered(&fixture->requests[1]);
}

/* ---- dealing ---- */

static void a_request_without_a_row_is_told_by_on_end(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 3; i++)
        start(fixture, LOOK);
    turn(fixture, 0);
    fake_answer_without(fake_conns[READ_CONN], 1);
    assert_answered(&fixture->requests[0]);
    assert_failed(&fixture->requests[1], REASON_PRODUCT_NOT_FOUND, false);
    assert_answered(&fixture->requests[2]);
}

static void an_error_of_a_row_fails_its_request_only(void **state)
{
    struct fixture *fixture = *state;
    struct request *bad = start(fixture, LOOK), *good = start(fixture, LOOK);
    bad->refuse_row = true;
    turn(fixture, 0);
    fake_answer(fake_conns[READ_CONN]);
    assert_failed(bad, REASON_ETAG_MISMATCH, false);
    assert_int_equal(bad->end_count, 0);
    assert_answered(good);
}

/* ---- failing ---- */

static void a_refused_batch_is_sent_once_more_each_alone(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 3; i++)
        start(fixture, LOOK);
    turn(fixture, 0);
    start(fixture, LOOK); /* a fourth comes meanwhile, and does not join the lonely */
    fake_refuse(fake_conns[READ_CONN]);
    for (int i = 0; i < 4; i++) {
        turn(fixture, 0);
        assert_int_equal(fake_conns[READ_CONN]->count, 1);
        assert_int_equal(fake_conns[READ_CONN]->values[0], i);
        if (i == 1)
            fake_refuse(fake_conns[READ_CONN]);
        else
            fake_answer(fake_conns[READ_CONN]);
    }
    assert_answered(&fixture->requests[0]);
    assert_failed(&fixture->requests[1], REASON_INTERNAL, false);
    assert_answered(&fixture->requests[2]);
    assert_answered(&fixture->requests[3]);
}

static void one_that_is_to_go_alone_is_not_taken_along(void **state)
{
    struct fixture *fixture = *state;
    open_pool(fixture, 4, BATCH_MAX); /* two of them for reading */
    for (unsigned i = 0; i < 4; i++)
        fake_up(fake_conns[i]);
    start(fixture, LOOK);
    start(fixture, LOOK);
    turn(fixture, 0);
    start(fixture, LOOK);
    turn(fixture, 0);
    fake_refuse(fake_conns[0]); /* the first two, now each alone */
    fake_lose(fake_conns[1]);   /* the third, now before them */
    static const int64_t order[] = {2, 0, 1};
    for (unsigned i = 0; i < COUNT_OF(order); i++) {
        turn(fixture, 0);
        assert_int_equal(fake_conns[0]->count, 1);
        assert_int_equal(fake_conns[0]->values[0], order[i]);
        fake_answer(fake_conns[0]);
        assert_answered(&fixture->requests[order[i]]);
    }
}

static void a_batch_that_fails_is_told_with_its_statement_and_sqlstate(void **state)
{
    struct fixture *fixture = *state;
    char expected[64];
    start(fixture, LOOK);
    turn(fixture, 0);
    snprintf(expected, sizeof(expected), "%s 22012", fake_conns[READ_CONN]->statement);
    fake_refuse(fake_conns[READ_CONN]);
    assert_string_equal(fixture->told, expected);

    start(fixture, LOOK);
    turn(fixture, 0);
    snprintf(expected, sizeof(expected), "%s -", fake_conns[READ_CONN]->statement);
    fake_lose(fake_conns[READ_CONN]);
    assert_string_equal(fixture->told, expected);
}

static void a_refused_batch_of_one_is_not_repeated(void **state)
{
    struct fixture *fixture = *state;
    struct request *request = start(fixture, LOOK);
    turn(fixture, 0);
    fake_refuse(fake_conns[READ_CONN]);
    assert_failed(request, REASON_INTERNAL, false);
    turn(fixture, 0);
    assert_null(fake_conns[READ_CONN]->statement);
}

static void a_repeatable_batch_is_sent_again_after_a_lost_connection(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 3; i++)
        start(fixture, WRITE_TWICE);
    turn(fixture, 0);
    fake_lose(fake_conns[WRITE_CONN]);
    assert_int_equal(fixture->pool->waiting_count, 3);
    turn(fixture, 0);
    fake_up(fake_conns[WRITE_CONN]);
    turn(fixture, 0);
    assert_int_equal(fake_conns[WRITE_CONN]->count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fake_conns[WRITE_CONN]->values[i], i); /* in the old order */
    fake_answer(fake_conns[WRITE_CONN]);
    for (int i = 0; i < 3; i++)
        assert_answered(&fixture->requests[i]);
}

static void a_repeatable_batch_that_is_lost_twice_ends(void **state)
{
    struct fixture *fixture = *state;
    struct request *request = start(fixture, WRITE_TWICE);
    for (int i = 0; i < 2; i++) {
        turn(fixture, 0);
        assert_int_equal(request->done_count, 0);
        fake_lose(fake_conns[WRITE_CONN]);
        fake_up(fake_conns[WRITE_CONN]);
    }
    assert_failed(request, REASON_STORE_UNAVAILABLE, true);
}

static void what_is_lost_and_then_refused_may_have_been_done(void **state)
{
    struct fixture *fixture = *state;
    struct request *request = start(fixture, WRITE_TWICE);
    turn(fixture, 0);
    fake_lose(fake_conns[WRITE_CONN]);
    fake_up(fake_conns[WRITE_CONN]);
    turn(fixture, 0);
    fake_refuse(fake_conns[WRITE_CONN]);
    assert_failed(request, REASON_INTERNAL, true);
}

static void any_other_batch_is_not_sent_again(void **state)
{
    struct fixture *fixture = *state;
    struct request *request = start(fixture, WRITE_ONCE);
    turn(fixture, 0);
    fake_lose(fake_conns[WRITE_CONN]);
    assert_failed(request, REASON_STORE_UNAVAILABLE, true);
    assert_int_equal(fixture->pool->waiting_count, 0);
}

/* ---- time ---- */

static struct request *start_until(struct fixture *fixture, unsigned statement, int64_t time_ms)
{
    struct request *request = prepare(fixture);
    request->call.deadline_ms = clock_now_ms(loop_clock(fixture->loop)) + time_ms;
    pg_batch_start(fixture->pool, &codecs[statement], &request->call);
    return request;
}

/* Its time is over now, however long it took so far. */
static void pass_deadline(struct fixture *fixture, struct request *request)
{
    request->call.deadline_ms = clock_now_ms(loop_clock(fixture->loop));
    pg_pool__wake_at(fixture->pool, request->call.deadline_ms);
    while (request->done_count == 0)
        turn(fixture, 5);
}

static void a_deadline_that_passes_while_waiting_ends_unsent(void **state)
{
    struct fixture *fixture = *state;
    struct request *first = start(fixture, LOOK);
    turn(fixture, 0);
    struct request *late = start_until(fixture, LOOK, 5);
    struct request *other = start(fixture, LOOK);
    while (late->done_count == 0)
        turn(fixture, 5);
    assert_failed(late, REASON_STORE_UNAVAILABLE, false);
    fake_answer(fake_conns[READ_CONN]);
    turn(fixture, 0);
    assert_int_equal(fake_conns[READ_CONN]->count, 1);
    fake_answer(fake_conns[READ_CONN]);
    assert_answered(first);
    assert_answered(other);
}

static void a_deadline_that_has_passed_already_is_never_sent(void **state)
{
    struct fixture *fixture = *state;
    struct request *late = start_until(fixture, LOOK, 0);
    turn(fixture, 0);
    assert_null(fake_conns[READ_CONN]->statement);
    assert_failed(late, REASON_STORE_UNAVAILABLE, false);
}

static void a_deadline_that_passes_in_flight_leaves_the_fate_unknown(void **state)
{
    struct fixture *fixture = *state;
    struct request *first = start(fixture, WRITE_ONCE);
    struct request *late = start(fixture, WRITE_ONCE);
    struct request *last = start(fixture, WRITE_ONCE);
    turn(fixture, 0);
    assert_int_equal(fake_conns[WRITE_CONN]->count, 3);
    pass_deadline(fixture, late);
    assert_failed(late, REASON_STORE_UNAVAILABLE, true);

    memset(late, 0xEE, sizeof(*late)); /* its owner may do with it what he likes */
    fake_answer(fake_conns[WRITE_CONN]);
    assert_answered(first);
    assert_answered(last);
    late->done_count = 1;
}

static void a_request_answered_at_its_deadline_is_not_repeated_with_its_batch(void **state)
{
    struct fixture *fixture = *state;
    struct request *late = start(fixture, WRITE_TWICE);
    struct request *other = start(fixture, WRITE_TWICE);
    turn(fixture, 0);
    pass_deadline(fixture, late);
    fake_refuse(fake_conns[WRITE_CONN]);
    turn(fixture, 0);
    assert_int_equal(fake_conns[WRITE_CONN]->count, 1);
    fake_answer(fake_conns[WRITE_CONN]);
    assert_answered(other);
}

static void a_request_answered_at_its_deadline_is_not_repeated_after_a_loss(void **state)
{
    struct fixture *fixture = *state;
    struct request *late = start(fixture, WRITE_TWICE);
    struct request *other = start(fixture, WRITE_TWICE);
    turn(fixture, 0);
    pass_deadline(fixture, late);
    memset(late, 0xEE, sizeof(*late)); /* its owner may do with it what he likes */
    fake_lose(fake_conns[WRITE_CONN]);
    fake_up(fake_conns[WRITE_CONN]);
    turn(fixture, 0);
    assert_int_equal(fake_conns[WRITE_CONN]->count, 1);
    fake_answer(fake_conns[WRITE_CONN]);
    assert_answered(other);
    late->done_count = 1;
}

static void a_request_that_waits_again_after_a_loss_may_have_been_done(void **state)
{
    struct fixture *fixture = *state;
    struct request *request = start(fixture, WRITE_TWICE);
    turn(fixture, 0);
    fake_lose(fake_conns[WRITE_CONN]);
    pass_deadline(fixture, request);
    assert_failed(request, REASON_STORE_UNAVAILABLE, true);
}

static void with_no_connection_up_nobody_waits_for_long(void **state)
{
    struct fixture *fixture = *state;
    fake_lose(fake_conns[READ_CONN]);
    assert_false(pg_pool_is_up(fixture->pool));
    struct request *request = start(fixture, LOOK);
    turn(fixture, 0);
    assert_int_equal(request->done_count, 0);
    turn(fixture, PG_LANE_DOWN_MS_MAX + 10);
    assert_failed(request, REASON_STORE_UNAVAILABLE, false);
    struct request *later = start(fixture, LOOK);
    turn(fixture, 0);
    assert_failed(later, REASON_STORE_UNAVAILABLE, false);
    struct request *write = start(fixture, WRITE_ONCE);
    turn(fixture, 0);
    fake_answer(fake_conns[WRITE_CONN]);
    assert_answered(write);
    fake_up(fake_conns[READ_CONN]);
    assert_true(pg_pool_is_up(fixture->pool));
    struct request *again = start(fixture, LOOK);
    turn(fixture, 0);
    fake_answer(fake_conns[READ_CONN]);
    assert_answered(again);
}

static void with_no_connection_up_a_nearer_deadline_does_not_hide_the_limit(void **state)
{
    struct fixture *fixture = *state;
    fake_lose(fake_conns[READ_CONN]);
    struct request *near = start_until(fixture, LOOK, 5);
    struct request *far = start(fixture, LOOK);
    while (near->done_count == 0)
        turn(fixture, 5);
    assert_failed(near, REASON_STORE_UNAVAILABLE, false);
    assert_int_equal(far->done_count, 0);
    turn(fixture, PG_LANE_DOWN_MS_MAX + 10);
    assert_failed(far, REASON_STORE_UNAVAILABLE, false);
}

/* ---- limits and the end ---- */

static void the_request_beyond_the_queue_limit_is_told_to_come_back(void **state)
{
    struct fixture *fixture = *state;
    enum {
        COUNT = PG_WAITING_MAX + 1
    };
    struct request *many = calloc(COUNT, sizeof(*many));
    for (unsigned i = 0; i < COUNT; i++) {
        many[i].fixture = fixture;
        many[i].call.arena = fixture->arena;
        many[i].call.done = on_done;
        many[i].call.deadline_ms = clock_now_ms(loop_clock(fixture->loop)) + 60 * 1000;
        pg_batch_start(fixture->pool, &codecs[LOOK], &many[i].call);
    }
    assert_int_equal(fixture->pool->waiting_count, PG_WAITING_MAX);
    assert_int_equal(many[COUNT - 1].done_count, 0); /* not from inside */
    turn(fixture, 0);
    assert_failed(&many[COUNT - 1], REASON_STORE_OVERLOADED, false);
    assert_int_equal(many[COUNT - 2].done_count, 0);
    pg_pool_free(fixture->pool);
    fixture->pool = NULL;
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(many[i].done_count, 1);
    free(many);
}

static void freeing_the_pool_ends_what_waits_and_what_flies(void **state)
{
    struct fixture *fixture = *state;
    struct request *flying = start(fixture, WRITE_TWICE);
    turn(fixture, 0);
    struct request *waiting = start(fixture, WRITE_TWICE);
    fixture->next = prepare(fixture); /* started while the pool is being freed */
    pg_pool_free(fixture->pool);
    fixture->pool = NULL;
    assert_failed(flying, REASON_STORE_UNAVAILABLE, true);
    assert_failed(waiting, REASON_STORE_UNAVAILABLE, false);
    assert_failed(&fixture->requests[2], REASON_STORE_UNAVAILABLE, false);
}

static unsigned up_count(const struct pg_pool *pool)
{
    unsigned count = 0;

    for (unsigned i = 0; i < PG_LANE_COUNT; i++)
        count += pool->lanes[i].up_count;
    return count;
}

static void connections_are_dealt_to_all_lanes(void **state)
{
    struct fixture *fixture = *state;
    for (uint32_t count = PG_LANE_COUNT; count <= CONNS_MAX; count++) {
        open_pool(fixture, count, BATCH_MAX);
        assert_int_equal(fake_conn_count, count);
        for (unsigned i = 0; i < count; i++)
            fake_up(fake_conns[i]);
        assert_true(pg_pool_is_up(fixture->pool));
        assert_int_equal(up_count(fixture->pool), count);
        turn(fixture, 0);
    }
}

/* ---- memory that runs out ---- */

static void make_pool(void *context)
{
    struct fixture *fixture = context;
    const struct pg_pool_config config = a_config(fixture, PG_LANE_COUNT, BATCH_MAX);
    struct pg_pool *pool;

    fake_conn_count = 0;
    failing_heap_begin();
    pool = pg_pool_new(fixture->loop, &fixture->random, &config);
    failing_heap_end();
    assert_int_equal(pool == NULL, failing_heap_has_failed());
    pg_pool_free(pool);
}

static void a_pool_is_whole_or_none(void **state)
{
    failing_heap_each(make_pool, *state);
}

/* A batch whose parameters found no memory is formed again, each request alone. */
static void ask_new_pool(void *context)
{
    struct fixture *fixture = context;
    struct request *requests[2];

    fixture->count = 0;
    memset(fixture->requests, 0, COUNT_OF(requests) * sizeof(*fixture->requests));
    open_pool(fixture, PG_LANE_COUNT, BATCH_MAX);
    fake_up(fake_conns[READ_CONN]);
    failing_heap_begin();
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        requests[i] = start(fixture, LOOK);
        requests[i]->size = 10000; /* some growing */
    }
    turn(fixture, 0);
    failing_heap_end();
    if (failing_heap_has_failed())
        assert_int_equal(fake_conns[READ_CONN]->count, 1);
    while (fake_conns[READ_CONN]->statement != NULL) {
        fake_answer(fake_conns[READ_CONN]);
        turn(fixture, 0);
    }
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        assert_answered(requests[i]);
    assert_int_equal(fixture->pool->waiting_count, 0);
}

static void a_batch_without_memory_leaves_in_smaller_ones(void **state)
{
    failing_heap_each(ask_new_pool, *state);
}

static void ask_alone(void *context)
{
    struct fixture *fixture = context;
    struct request *request;

    fixture->count = 0;
    memset(fixture->requests, 0, 2 * sizeof(*fixture->requests));
    open_pool(fixture, PG_LANE_COUNT, BATCH_MAX);
    fake_up(fake_conns[WRITE_CONN]);
    failing_heap_begin();
    request = start(fixture, WRITE_ONCE);
    turn(fixture, 0);
    failing_heap_end();
    if (failing_heap_has_failed()) {
        assert_failed(request, REASON_OUT_OF_MEMORY, false);
        assert_null(fake_conns[WRITE_CONN]->statement);
        request = start(fixture, WRITE_ONCE);
        turn(fixture, 0);
    }
    fake_answer(fake_conns[WRITE_CONN]);
    assert_answered(request);
}

static void a_request_without_memory_is_not_sent_and_the_next_one_is(void **state)
{
    failing_heap_each(ask_alone, *state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_request_is_a_batch_of_one_at_the_end_of_its_turn),
        TEST(as_many_as_batch_max_leave_together),
        TEST(one_more_than_batch_max_waits_for_the_next),
        TEST(the_figures_tell_who_waits_and_who_has_left),
        TEST(requests_gather_while_the_connection_is_busy),
        TEST(a_batch_ends_at_its_byte_limit),
        TEST(statements_of_a_lane_take_turns),
        TEST(lanes_do_not_wait_for_each_other),
        TEST(a_second_connection_of_the_lane_is_used_while_the_first_is_busy),
        TEST(a_request_may_be_started_by_the_end_of_another),
        TEST(a_request_without_a_row_is_told_by_on_end),
        TEST(an_error_of_a_row_fails_its_request_only),
        TEST(a_refused_batch_is_sent_once_more_each_alone),
        TEST(one_that_is_to_go_alone_is_not_taken_along),
        TEST(a_batch_that_fails_is_told_with_its_statement_and_sqlstate),
        TEST(a_refused_batch_of_one_is_not_repeated),
        TEST(a_repeatable_batch_is_sent_again_after_a_lost_connection),
        TEST(a_repeatable_batch_that_is_lost_twice_ends),
        TEST(what_is_lost_and_then_refused_may_have_been_done),
        TEST(any_other_batch_is_not_sent_again),
        TEST(a_deadline_that_passes_while_waiting_ends_unsent),
        TEST(a_deadline_that_has_passed_already_is_never_sent),
        TEST(a_deadline_that_passes_in_flight_leaves_the_fate_unknown),
        TEST(a_request_answered_at_its_deadline_is_not_repeated_with_its_batch),
        TEST(a_request_answered_at_its_deadline_is_not_repeated_after_a_loss),
        TEST(a_request_that_waits_again_after_a_loss_may_have_been_done),
        TEST(with_no_connection_up_nobody_waits_for_long),
        TEST(with_no_connection_up_a_nearer_deadline_does_not_hide_the_limit),
        TEST(the_request_beyond_the_queue_limit_is_told_to_come_back),
        TEST(freeing_the_pool_ends_what_waits_and_what_flies),
        TEST(connections_are_dealt_to_all_lanes),
        TEST(a_pool_is_whole_or_none),
        TEST(a_batch_without_memory_leaves_in_smaller_ones),
        TEST(a_request_without_memory_is_not_sent_and_the_next_one_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
