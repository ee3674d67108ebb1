/* How many products a second pg_batch reads by id: one worker, a table of 10,000 rows, closed loop.
 *
 *   bench_pg_batch CONNINFO [SECONDS]
 *
 * Makes the table bench_product in that database, then measures each combination of batch size,
 * requests in flight and connections for reading, and drops the table. Not for a database that
 * serves others. */
#include "runtime/random_system.h"
#include "store/pg_batch.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum {
    PRODUCT_COUNT = 10000,
    IN_FLIGHT_MAX = 1024
};

struct read {
    struct store_call call;
    struct bench *bench;
    int32_t id;
    char text[16];
    int64_t price;
};

struct bench {
    struct loop *loop;
    struct pg_pool *pool;
    struct random_source *random;
    struct clock_timer end;
    struct read reads[IN_FLIGHT_MAX];
    uint32_t in_flight;
    uint64_t done_count, failed_count;
    bool is_over;
};

static const struct pg_statement statements[] = {
    {.name = "bench_products_get",
     .lane = PG_LANE_READ,
     .is_repeatable = true,
     .sql = "SELECT q.ord, p.id, p.name, p.price FROM unnest($1, $2) AS q (ord, id)"
            " JOIN bench_product p ON p.id = q.id",
     .types = {PG_INT4, PG_TEXT, PG_END}},
    {.name = NULL},
};

static void read_encode(struct store_call *call, uint32_t ord, struct pg_params *params)
{
    struct read *read = CONTAINER_OF(call, struct read, call);
    pg_put_int4(params, 0, (int32_t)ord);
    pg_put_text(params, 1, read->text);
}

static void read_row(struct store_call *call, const struct pg_row *row)
{
    struct read *read = CONTAINER_OF(call, struct read, call);
    if (pg_get_text(row, 1, call->arena) != NULL && pg_get_text(row, 2, call->arena) != NULL)
        read->price = pg_get_int8(row, 3);
}

static const struct pg_batch_codec read_codec = {
    .statement = (enum pg_statement_id)0,
    .encode = read_encode,
    .on_row = read_row,
};

static void read_start(struct read *read)
{
    struct bench *bench = read->bench;
    read->call.arena = arena_new(64 * 1024);
    read->call.deadline_ms = clock_now_ms(loop_clock(bench->loop)) + 10 * 1000;
    snprintf(read->text, sizeof(read->text), "p-%05u", random_below(bench->random, PRODUCT_COUNT));
    pg_batch_start(bench->pool, &read_codec, &read->call);
}

static void read_done(struct store_call *call)
{
    struct read *read = CONTAINER_OF(call, struct read, call);
    struct bench *bench = read->bench;

    arena_free(call->arena);
    bench->done_count++;
    bench->failed_count += error_is_set(&call->err) || read->price == 0;
    if (bench->is_over && --bench->in_flight == 0)
        loop_stop(bench->loop);
    if (!bench->is_over)
        read_start(read);
}

static void bench_over(struct clock_timer *timer)
{
    struct bench *bench = CONTAINER_OF(timer, struct bench, end);
    bench->is_over = true;
}

static double seconds(const struct timespec *at)
{
    return (double)at->tv_sec + (double)at->tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return seconds(&now);
}

static void measure(const char *conninfo, uint32_t batch_max, uint32_t in_flight,
                    uint32_t connection_count, int64_t duration_ms)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct timespec from, to;

    bench->loop = loop_new();
    bench->random = random_system_new();
    const struct pg_pool_config config = {.conninfo = conninfo,
                                          .connection_count = connection_count,
                                          .batch_max = batch_max,
                                          .statement_timeout_ms = 10 * 1000,
                                          .lock_timeout_ms = 2000,
                                          .statements = statements};
    bench->pool = pg_pool_new(bench->loop, bench->random, &config);
    bench->in_flight = in_flight;
    bench->end.on_time = bench_over;
    clock_timer_start(loop_clock(bench->loop), &bench->end, duration_ms);
    for (uint32_t i = 0; i < in_flight; i++) {
        bench->reads[i].bench = bench;
        bench->reads[i].call.done = read_done;
        read_start(&bench->reads[i]);
    }
    double cpu = cpu_seconds();
    clock_gettime(CLOCK_MONOTONIC, &from);
    loop_run(bench->loop);
    clock_gettime(CLOCK_MONOTONIC, &to);
    cpu = cpu_seconds() - cpu;
    double took = seconds(&to) - seconds(&from);
    printf("%9u %9u %11u %12.0f %9.2f %7lu\n", batch_max, in_flight, connection_count,
           (double)bench->done_count / took, cpu * 1e6 / (double)bench->done_count,
           (unsigned long)bench->failed_count);
    fflush(stdout);

    pg_pool_free(bench->pool);
    random_system_free(bench->random);
    loop_free(bench->loop);
    free(bench);
}

static bool execute(const char *conninfo, const char *sql)
{
    PGconn *pg = PQconnectdb(conninfo);
    PGresult *result = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(result);
    bool done = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!done)
        fprintf(stderr, "%s", PQerrorMessage(pg));
    PQclear(result);
    PQfinish(pg);
    return done;
}

int main(int argc, char **argv)
{
    static const uint32_t batches[] = {1, 128}, flights[] = {64, 256};
    static const uint32_t connections[] = {3, 4, 6, 8, 16};
    double duration_s = argc > 2 ? strtod(argv[2], NULL) : 3.0;

    if (argc < 2) {
        fprintf(stderr, "usage: bench_pg_batch CONNINFO [SECONDS]\n");
        return 2;
    }
    if (!execute(argv[1],
                 "DROP TABLE IF EXISTS bench_product;"
                 "CREATE TABLE bench_product (id text COLLATE \"C\" PRIMARY KEY, name text,"
                 " price int8);"
                 "INSERT INTO bench_product SELECT 'p-' || lpad(i::text, 5, '0'),"
                 " 'Product ' || i, 100 + i FROM generate_series(0, 9999) i;"
                 "ANALYZE bench_product"))
        return 1;
    printf("%9s %9s %11s %12s %9s %7s\n", "batch_max", "in_flight", "connections", "requests/s",
           "cpu_us", "failed");
    for (size_t i = 0; i < COUNT_OF(batches); i++)
        for (size_t j = 0; j < COUNT_OF(flights); j++)
            for (size_t k = 0; k < COUNT_OF(connections); k++)
                measure(argv[1], batches[i], flights[j], connections[k],
                        (int64_t)(duration_s * 1000));
    return execute(argv[1], "DROP TABLE bench_product") ? 0 : 1;
}
