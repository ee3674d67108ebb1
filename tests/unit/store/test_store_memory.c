/* Memory runs out once in the parts of the store that need no server: what the operator configured, the
 * failure that is stored, a row that is read. */
#include "fake/failing_heap.h"
#include "runtime/loop.h"
#include "runtime/random_system.h"
#include "store/failure_json.h"
#include "store/pg_conn.h"
#include "store/pg_conninfo.h"
#include "store/pg_hosts.h"
#include "store/pg_statement.h"
#include "store/sample_pg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

/* ---- A connection ---- */

static void on_ready(void *arg, struct pg_conn *conn)
{
}

static void on_lost(void *arg, struct pg_conn *conn, const struct error *err)
{
    loop_stop(arg);
}

static struct pg_conn_config config_of(struct loop *loop, const char *conninfo)
{
    return (struct pg_conn_config){
        .conninfo = conninfo,
        .application_name = "orderd",
        .statements = pg_statements,
        .statement_timeout_ms = 1000,
        .lock_timeout_ms = 1000,
        .on_ready = on_ready,
        .on_lost = on_lost,
        .arg = loop,
    };
}

static void make_conn(void *context)
{
    const struct pg_conn_config config =
        config_of(context, "host=/nowhere,/elsewhere options='-c search_path=x'");
    struct pg_conn *conn;

    failing_heap_begin();
    conn = pg_conn_new(context, NULL, &config);
    failing_heap_end();
    assert_int_equal(conn == NULL, failing_heap_has_failed());
    pg_conn_free(conn);
}

/* It reads its configuration once, so one that has not read all of it could never connect. */
static void a_connection_is_whole_or_none(void **state)
{
    struct loop *loop = loop_new();

    assert_non_null(loop);
    failing_heap_each(make_conn, loop);
    loop_free(loop);
}

/* Nobody listens there; what is lost is tried again. */
static void look_up(void *context)
{
    struct random_source *random = random_system_new();
    const struct pg_conn_config config = config_of(context, "host=localhost port=1");
    struct pg_conn *conn = pg_conn_new(context, random, &config);

    assert_non_null(conn);
    for (int i = 0; i < 2; i++) {
        failing_heap_begin();
        loop_run(context);
        failing_heap_end();
        assert_false(pg_conn_is_ready(conn));
    }
    pg_conn_free(conn);
    random_system_free(random);
}

static void a_look_up_that_finds_no_memory_is_tried_again(void **state)
{
    struct loop *loop = loop_new();

    assert_non_null(loop);
    failing_heap_each(look_up, loop);
    loop_free(loop);
}

static void make_sample(void *context)
{
    struct sample_pg sample;
    bool is_ready;

    failing_heap_begin();
    is_ready = sample_pg_init(&sample, NULL, loop_clock(context));
    failing_heap_end();
    assert_int_equal(is_ready, !failing_heap_has_failed());
    sample_pg_deinit(&sample);
}

static void there_are_no_samples_without_memory(void **state)
{
    struct loop *loop = loop_new();

    assert_non_null(loop);
    failing_heap_each(make_sample, loop);
    loop_free(loop);
}

static void apply_hosts(void *context)
{
    struct pg_conninfo info;
    struct pg_hosts hosts;
    struct error err = {0};
    bool is_applied;

    (void)context;
    assert_int_equal(pg_conninfo_init(&info, "host=db1 port=1", "orderd", "-c jit=off", &err),
                     STATUS_OK);
    assert_true(pg_hosts_parse(&hosts, "db1,db2", "10.0.0.1,10.0.0.2", "1,2"));
    failing_heap_begin();
    is_applied = pg_hosts_apply(&hosts, 1, &info);
    failing_heap_end();
    assert_int_equal(is_applied, !failing_heap_has_failed());
    assert_true(pg_hosts_apply(&hosts, 1, &info)); /* at the next attempt to connect */
    assert_string_equal(pg_conninfo_get(&info, "hostaddr"), "10.0.0.2,10.0.0.1");
    assert_string_equal(pg_conninfo_get(&info, "port"), "2,1");
    pg_conninfo_deinit(&info);
}

static void hosts_that_found_no_memory_are_applied_the_next_time(void **state)
{
    failing_heap_each(apply_hosts, NULL);
}

/* ---- A failure ---- */

static struct failure_metadata metadata[] = {{"declineCode", "insufficient_funds"}, {"a", "b"}};
static struct short_line short_lines[] = {{"tea", 3, 1}, {"cup", 2, 0}};
static const struct failure failure = {.reason = REASON_OUT_OF_STOCK,
                                       .message = "not enough in stock",
                                       .metadata = metadata,
                                       .metadata_count = COUNT_OF(metadata),
                                       .short_lines = short_lines,
                                       .short_line_count = COUNT_OF(short_lines)};

static void write_failure(void *context)
{
    struct buf buf;

    (void)context;
    buf_init(&buf, FAILURE_JSON_SIZE_MAX);
    failing_heap_begin();
    failure_json_write(&failure, &buf);
    failing_heap_end();
    assert_int_equal(buf.failed, failing_heap_has_failed());
    buf_deinit(&buf);
}

static void read_failure(void *context)
{
    struct arena *arena = arena_new(64 * 1024);
    struct failure found = {0};
    bool is_read;

    failing_heap_begin();
    is_read = failure_json_read(context, arena, &found);
    failing_heap_end();
    assert_int_equal(is_read, !failing_heap_has_failed());
    assert_int_equal(found.reason, is_read ? failure.reason : REASON_NONE);
    if (is_read)
        assert_string_equal(found.short_lines[1].product_id, "cup");
    arena_free(arena);
}

static void a_failure_is_stored_and_read_whole_or_not_at_all(void **state)
{
    struct buf buf;

    failing_heap_each(write_failure, NULL);
    buf_init(&buf, FAILURE_JSON_SIZE_MAX);
    failure_json_write(&failure, &buf);
    failing_heap_each(read_failure, buf.data);
    buf_deinit(&buf);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_connection_is_whole_or_none),
        TEST(a_look_up_that_finds_no_memory_is_tried_again),
        TEST(there_are_no_samples_without_memory),
        TEST(hosts_that_found_no_memory_are_applied_the_next_time),
        TEST(a_failure_is_stored_and_read_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
