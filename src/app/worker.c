/* Building a worker bottom up, tearing it down in reverse, and its messages. */
#include "app/worker.h"

#include "observe/log.h"
#include "runtime/random_system.h"
#include "service/event_feed.h"
#include "service/order_watch.h"

#include <assert.h>
#include <string.h>

enum {
    TICK_MS = 250,
    STATEMENT_TIMEOUT_MS = 10000,
    LOCK_TIMEOUT_MS = 2000,
    /* To each provider, of the whole process: 2,500 orders a second at one that takes 200 ms. */
    PROVIDER_CONNECTIONS = 1024
};

static void publish_figures(struct worker *worker)
{
    struct worker_figures *out = &worker->figures;
    struct pg_pool_figures figures;

    pg_pool_read_figures(worker->pool, &figures);
    for (int i = 0; i < PG_LANE_COUNT; i++) {
        atomic_store(&out->lanes[i].connections, figures.lanes[i].connections);
        atomic_store(&out->lanes[i].ready, figures.lanes[i].ready);
    }
    for (int i = 0; i < PG_STATEMENT_COUNT; i++) {
        atomic_store(&out->statements[i].waiting, figures.statements[i].waiting);
        atomic_store(&out->statements[i].flying, figures.statements[i].flying);
        atomic_store(&out->statements[i].last_batch, figures.statements[i].last_batch);
    }
    atomic_store(&out->payment_breaker, (unsigned)worker->payment.provider.breaker.state);
    atomic_store(&out->fulfillment_breaker, (unsigned)worker->fulfillment.provider.breaker.state);
}

/* Recovery runs while it may and nobody has paused it. */
static void heed_recovery(struct worker *worker)
{
    bool recovers = worker->may_recover && !atomic_load(&worker->recovery_paused);
    if (recovers != worker->recovers) {
        worker->recovers = recovers;
        saga_driver_recover(worker->saga_driver, recovers);
    }
}

/* What other threads want to know of this loop, and want of it, four times a second. */
static void on_tick(struct clock_timer *timer)
{
    struct worker *worker = CONTAINER_OF(timer, struct worker, tick);
    atomic_store(&worker->is_up, pg_pool_is_up(worker->pool));
    atomic_store(&worker->order_count, saga_driver_count(worker->saga_driver));
    publish_figures(worker);
    heed_recovery(worker);
    clock_timer_start(loop_clock(worker->loop), timer, TICK_MS);
}

/* The text may name the host, so it goes to the operator's log and nowhere else. */
static void on_connection_lost(void *arg, const struct error *err)
{
    (void)arg;
    log_write(LOG_WARN, "connection to the database lost: %s", err->message);
}

static void on_batch_failed(void *arg, const char *statement, const char *sqlstate,
                            const struct error *err)
{
    (void)arg;
    const struct log_field fields[] = {
        LOG_STR("statement", statement),
        LOG_STR("sqlstate", sqlstate),
        LOG_STR("reason", reason_name(err->reason)),
        LOG_STR("error", err->message),
        {0},
    };
    log_fields(err->status == STATUS_INTERNAL ? LOG_ERROR : LOG_WARN, "batch failed", fields);
}

static bool worker_init_store(struct worker *worker, const struct config *config)
{
    const struct pg_pool_config pool_config = {
        .conninfo = config->database_url,
        .connection_count = (uint32_t)(config->db_connections / config->workers),
        .batch_max = (uint32_t)config->batch_max,
        .statement_timeout_ms = STATEMENT_TIMEOUT_MS,
        .lock_timeout_ms = LOCK_TIMEOUT_MS,
        .on_connection_lost = on_connection_lost,
        .on_batch_failed = on_batch_failed,
    };
    worker->pool = pg_pool_new(worker->loop, worker->random, &pool_config);
    if (worker->pool == NULL) {
        return false;
    }
    catalog_store_pg_init(&worker->catalog_store, worker->pool, worker->random);
    order_store_pg_init(&worker->order_store, worker->pool);
    saga_store_pg_init(&worker->saga_store, worker->pool);
    event_store_pg_init(&worker->event_store, worker->pool);
    operator_store_pg_init(&worker->operator_store, worker->pool);
    reconcile_store_pg_init(&worker->reconcile_store, worker->pool);
    return retention_pg_init(&worker->retention, worker->pool, loop_clock(worker->loop)) &&
           sample_pg_init(&worker->sample, worker->pool, loop_clock(worker->loop));
}

static bool worker_init_clients(struct worker *worker, const struct config *config)
{
    struct clock *clock = loop_clock(worker->loop);
    const uint32_t connections = (uint32_t)MAX_OF(1, PROVIDER_CONNECTIONS / config->workers);
    worker->payment_http = http_client_new(worker->loop, connections);
    worker->fulfillment_http = http_client_new(worker->loop, connections);
    if (worker->payment_http == NULL || worker->fulfillment_http == NULL) {
        return false;
    }
    payment_stripe_init(&worker->payment, worker->payment_http, clock, config->payment_url,
                        config->payment_api_key);
    payment_list_stripe_init(&worker->payment_list, worker->payment_http, clock,
                             config->payment_url, config->payment_api_key);
    fulfillment_http_init(&worker->fulfillment, worker->fulfillment_http, clock,
                          config->fulfillment_url);
    return true;
}

static void worker_init_reconcile(struct worker *worker, const struct config *config)
{
    const struct reconcile_config reconcile_config = {.every_ms = config->reconcile_every_ms,
                                                      .back_ms = config->reconcile_back_ms};
    reconcile_log_init(&worker->reconcile_log);
    const struct reconcile_ports ports = {
        .store = &worker->reconcile_store.base,
        .payments = &worker->payment_list.base,
        .clock = loop_clock(worker->loop),
        .random = worker->random,
        .observer = &worker->reconcile_log.base,
    };
    reconcile_init(&worker->reconcile, &reconcile_config, &ports);
}

static bool worker_init_saga(struct worker *worker, const struct config *config,
                             struct limit *callers_orders)
{
    const struct saga_config saga_config = {
        .try_timeout_ms = (int32_t)config->try_timeout_ms,
        .lease_ms = config->lease_ms,
        .forward_ms = config->forward_ms,
        .fulfill_ms = config->fulfill_ms,
        .undo_ms = config->undo_ms,
        .orders_max = (uint32_t)config->orders_max,
    };
    observer_init(&worker->observer, &worker->service);
    const struct saga_ports ports = {
        .store = &worker->saga_store.base,
        .payment = &worker->payment.base,
        .fulfillment = &worker->fulfillment.base,
        .clock = loop_clock(worker->loop),
        .random = worker->random,
        .observer = &worker->observer.base,
        .callers_orders = callers_orders,
    };
    worker->saga_driver = saga_driver_new(&saga_config, &ports);
    return worker->saga_driver != NULL;
}

static bool worker_init_service(struct worker *worker)
{
    worker->service = (struct service){
        .catalog_store = &worker->catalog_store.base,
        .order_store = &worker->order_store.base,
        .saga_driver = worker->saga_driver,
        .order_watches = order_watches_new(&worker->order_store.base, loop_clock(worker->loop)),
        .event_feed = event_feed_new(&worker->event_store.base, loop_clock(worker->loop)),
        .clock = loop_clock(worker->loop),
        .random = worker->random,
    };
    return worker->service.order_watches != NULL && worker->service.event_feed != NULL;
}

enum status worker_init(struct worker *worker, const struct config *config,
                        struct limit *callers_orders, struct error *err)
{
    *worker = (struct worker){0};
    worker->loop = loop_new();
    worker->random = random_system_new();
    if (worker->loop == NULL || worker->random == NULL || !worker_init_store(worker, config) ||
        !worker_init_clients(worker, config) || !worker_init_saga(worker, config, callers_orders) ||
        !worker_init_service(worker)) {
        return error_set(err, REASON_OUT_OF_MEMORY);
    }
    worker_init_reconcile(worker, config);
    worker->tick.on_time = on_tick;
    clock_timer_start(loop_clock(worker->loop), &worker->tick, 0);
    return STATUS_OK;
}

bool worker_init_gateway(struct worker *worker, const struct http_site *site,
                         struct http_door_worker *out)
{
    worker->gateway = http_gateway_new(site, loop_clock(worker->loop), &worker->service);
    *out = (struct http_door_worker){.loop = worker->loop,
                                     .handle = http_gateway_handle,
                                     .drain = http_gateway_drain,
                                     .arg = worker->gateway};
    return worker->gateway != NULL;
}

void worker_deinit(struct worker *worker)
{
    if (worker->tick.on_time != NULL) {
        clock_timer_stop(loop_clock(worker->loop), &worker->tick);
    }
    /* The clients and the pool end what is in flight; the order flow is still there to be told. */
    http_client_free(worker->payment_http);
    http_client_free(worker->fulfillment_http);
    if (worker->pool != NULL) {
        pg_pool_free(worker->pool);
    }
    retention_pg_deinit(&worker->retention);
    sample_pg_deinit(&worker->sample);
    reconcile_deinit(&worker->reconcile);
    order_watches_free(worker->service.order_watches);
    event_feed_free(worker->service.event_feed);
    if (worker->saga_driver != NULL) {
        saga_driver_free(worker->saga_driver);
    }
    http_gateway_free(worker->gateway); /* after all that may still end a call of it */
    random_system_free(worker->random);
    if (worker->loop != NULL) {
        loop_free(worker->loop);
    }
}

/* ---------------------------------------------------------------------------------- the thread */

static void *worker_thread(void *arg)
{
    struct worker *worker = arg;
    loop_run(worker->loop);
    return NULL;
}

enum status worker_start_thread(struct worker *worker, struct error *err)
{
    assert(!worker->has_thread);
    int problem = pthread_create(&worker->thread, NULL, worker_thread, worker);
    if (problem != 0) {
        return error_setf(err, REASON_INTERNAL, "no thread for a worker: %s", strerror(problem));
    }
    worker->has_thread = true;
    return STATUS_OK;
}

void worker_stop_thread(struct worker *worker)
{
    if (worker->has_thread) {
        loop_stop(worker->loop);
        pthread_join(worker->thread, NULL);
        worker->has_thread = false;
    }
}

/* ------------------------------------------------------------------------------- the messages */

static void on_schema(struct letter *letter)
{
    struct worker *worker = CONTAINER_OF(letter, struct worker, schema_letter);
    memcpy(worker->service.page_key, worker->page_key, PAGE_KEY_SIZE);
    worker->service.page_key_set = true;
    worker->may_recover = true;
    heed_recovery(worker);
    if (worker->has_chores) {
        retention_pg_start(&worker->retention);
        sample_pg_start(&worker->sample);
        reconcile_start(&worker->reconcile);
    }
}

void worker_schema_ready(struct worker *worker, const uint8_t *page_key)
{
    worker->page_key = page_key;
    worker->schema_letter.open = on_schema;
    mailbox_put(loop_mailbox(worker->loop), &worker->schema_letter);
}

static void on_drained_letter(struct letter *letter)
{
    struct worker *worker = CONTAINER_OF(letter, struct worker, drained_letter);
    worker->drained(worker->drained_arg);
}

static void on_drained(void *arg)
{
    struct worker *worker = arg;
    worker->drained_letter.open = on_drained_letter;
    mailbox_put(loop_mailbox(worker->app_loop), &worker->drained_letter);
}

static void on_drain(struct letter *letter)
{
    struct worker *worker = CONTAINER_OF(letter, struct worker, drain_letter);
    worker->may_recover = false;
    heed_recovery(worker);
    retention_pg_stop(&worker->retention);
    sample_pg_stop(&worker->sample);
    reconcile_stop(&worker->reconcile);
    saga_driver_drain(worker->saga_driver, on_drained, worker);
}

void worker_drain(struct worker *worker, struct loop *app_loop, void (*drained)(void *arg),
                  void *arg)
{
    worker->app_loop = app_loop;
    worker->drained = drained;
    worker->drained_arg = arg;
    worker->drain_letter.open = on_drain;
    mailbox_put(loop_mailbox(worker->loop), &worker->drain_letter);
}
