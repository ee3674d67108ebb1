/* The figures of all workers as JSON. What they mean is the pool's and the clients'. */
#include "app/desk.h"

#include "client/breaker.h"
#include "observe/metrics.h"

static const char *const lane_names[PG_LANE_COUNT] = {
    [PG_LANE_READ] = "read", [PG_LANE_STOCK] = "stock", [PG_LANE_WRITE] = "write"};

static void print_worker(struct worker *worker, struct buf *json)
{
    struct worker_figures *figures = &worker->figures;

    buf_printf(json, "{\"ordersInFlight\":%u,\"connections\":{", atomic_load(&worker->order_count));
    for (int i = 0; i < PG_LANE_COUNT; i++) {
        buf_printf(json, "%s\"%s\":{\"ready\":%u,\"count\":%u}", i == 0 ? "" : ",", lane_names[i],
                   atomic_load(&figures->lanes[i].ready),
                   atomic_load(&figures->lanes[i].connections));
    }
    buf_printf(json, "},\"breakers\":{\"payment\":\"%s\",\"fulfillment\":\"%s\"}}",
               breaker_state_name((enum breaker_state)atomic_load(&figures->payment_breaker)),
               breaker_state_name((enum breaker_state)atomic_load(&figures->fulfillment_breaker)));
}

/* All workers together; of their last batches the largest. */
static void print_statement(const struct desk *desk, int statement, struct buf *json)
{
    unsigned waiting = 0, flying = 0, last_batch = 0;

    for (uint32_t i = 0; i < desk->worker_count; i++) {
        struct worker_figures *figures = &desk->workers[i].figures;
        const unsigned batch = atomic_load(&figures->statements[statement].last_batch);
        waiting += atomic_load(&figures->statements[statement].waiting);
        flying += atomic_load(&figures->statements[statement].flying);
        last_batch = MAX_OF(last_batch, batch);
    }
    buf_printf(json,
               "{\"statement\":\"%s\",\"lane\":\"%s\",\"waiting\":%u,\"inFlight\":%u,"
               "\"lastBatch\":%u}",
               pg_statements[statement].name, lane_names[pg_statements[statement].lane], waiting,
               flying, last_batch);
}

void desk_print_batches(void *arg, struct buf *json)
{
    struct desk *desk = arg;
    const bool is_paused = atomic_load(&desk->workers[0].recovery_paused);

    buf_printf(json, "{\"recoveryPaused\":%s,\"batchMax\":%lld,\"workers\":[",
               is_paused ? "true" : "false", (long long)desk->batch_max);
    for (uint32_t i = 0; i < desk->worker_count; i++) {
        buf_put_str(json, i == 0 ? "\n" : ",\n");
        print_worker(&desk->workers[i], json);
    }
    buf_put_str(json, "],\"statements\":[");
    for (int i = 0; i < PG_STATEMENT_COUNT; i++) {
        buf_put_str(json, i == 0 ? "\n" : ",\n");
        print_statement(desk, i, json);
    }
    buf_put_str(json, "]}\n");
}

void desk_pause_recovery(void *arg, bool is_paused)
{
    struct desk *desk = arg;

    for (uint32_t i = 0; i < desk->worker_count; i++) {
        atomic_store(&desk->workers[i].recovery_paused, is_paused);
    }
    metrics_set(METRIC_RECOVERY_PAUSED, 0, is_paused);
}
