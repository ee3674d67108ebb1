/* Building, serving, leaving.
 *
 *   STARTING --schema there, database up--> SERVING <--> NOT READY (database lost for a while)
 *       any --SIGTERM--> LEAVING (health says so, DRAIN_DELAY) --> DRAINING (GOAWAY, calls in
 *       flight finish, DRAIN_TIMEOUT) --> SETTLING (orders without a caller) --> STOPPED
 *
 * A second signal ends the process at once: everything that matters is in the database. */
#include "app/app.h"

#include "app/desk.h"
#include "app/heap.h"
#include "app/observer.h"
#include "app/schema.h"
#include "app/worker.h"
#include "edge/grpc/grpc_server.h"
#include "edge/http/http_admin.h"
#include "edge/http/http_door.h"
#include "edge/http/http_site.h"
#include "observe/log.h"
#include "observe/metrics.h"

#include <assert.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    TICK_MS = 250,
    DOWN_TICKS_MAX = 8,
    SETTLE_MS = 10000,
    SIGNAL_COUNT = 2,
    DOOR_COUNT = 2
};

enum app_state {
    APP_STARTING,
    APP_SERVING,
    APP_LEAVING,
    APP_DRAINING,
    APP_SETTLING,
    APP_STOPPED
};

struct app {
    const struct config *config;
    enum app_state state;
    struct worker *workers;
    uint32_t worker_count;
    struct loop *loop; /* of worker 0, run by the main thread */
    struct schema schema;
    bool schema_ready;
    struct door_limits limits;   /* of both doors */
    struct limit callers_orders; /* of all workers */
    struct grpc_door *door;
    struct http_site *site;
    struct http_door *http_door;
    uint32_t http_connections_max;
    uint32_t drained_count; /* doors */
    struct desk desk;
    struct http_admin *admin;
    struct event *signals[SIGNAL_COUNT];
    struct clock_timer tick;
    struct heap heap;
    struct clock_timer leave; /* the delay, then the bound on settling */
    unsigned down_ticks;
    bool is_serving; /* what health says */
    uint32_t settled_count;
    bool settled;
};

/* ---------------------------------------------------------------------------------- readiness */

static bool database_is_up(const struct app *app)
{
    for (uint32_t i = 0; i < app->worker_count; i++) {
        if (!atomic_load(&app->workers[i].is_up)) {
            return false;
        }
    }
    return true;
}

static bool app_is_ready(void *arg, const char **out_why)
{
    const struct app *app = arg;
    *out_why = app->state >= APP_LEAVING ? "shutting down"
               : !app->schema_ready      ? "the database's schema is not there yet"
               : !app->is_serving        ? "the database cannot be reached"
                                         : "ready";
    return app->is_serving;
}

static void set_serving(struct app *app, bool is_serving)
{
    if (app->is_serving != is_serving) {
        app->is_serving = is_serving;
        grpc_door_set_serving(app->door, is_serving);
        http_site_set_serving(app->site, is_serving);
        log_write(is_serving ? LOG_INFO : LOG_WARN, is_serving ? "serving" : "not serving");
    }
}

static void publish_gauges(const struct app *app)
{
    unsigned orders = 0;
    for (uint32_t i = 0; i < app->worker_count; i++) {
        orders += atomic_load(&app->workers[i].order_count);
    }
    metrics_set(METRIC_ORDERS_IN_FLIGHT, 0, orders);
    metrics_set(METRIC_DB_UP, 0, app->schema_ready && database_is_up(app));
}

/* Health follows the database: up at once, down only after two seconds, so that one lost connection
 * does not take the process out of the balancing. */
static void on_tick(struct clock_timer *timer)
{
    struct app *app = CONTAINER_OF(timer, struct app, tick);
    publish_gauges(app);
    if (app->state <= APP_SERVING && app->schema_ready) {
        bool is_up = database_is_up(app);
        app->down_ticks = is_up ? 0 : app->down_ticks + 1;
        if (is_up) {
            app->state = APP_SERVING;
            set_serving(app, true);
        } else if (app->down_ticks >= DOWN_TICKS_MAX) {
            set_serving(app, false);
        }
    }
    clock_timer_start(loop_clock(app->loop), timer, TICK_MS);
}

static void on_schema_ready(struct schema *schema)
{
    struct app *app = CONTAINER_OF(schema, struct app, schema);
    app->schema_ready = true;
    for (uint32_t i = 0; i < app->worker_count; i++) {
        worker_schema_ready(&app->workers[i], schema->page_key);
    }
}

/* ------------------------------------------------------------------------------------ leaving */

static void app_stop(struct app *app)
{
    app->state = APP_STOPPED;
    clock_timer_stop(loop_clock(app->loop), &app->leave);
    loop_stop(app->loop);
}

static void on_settle_timeout(struct clock_timer *timer)
{
    struct app *app = CONTAINER_OF(timer, struct app, leave);
    log_write(LOG_WARN, "orders are still under way, another process will continue them");
    app_stop(app);
}

static void on_worker_settled(void *arg)
{
    struct app *app = arg;
    if (++app->settled_count == app->worker_count && app->state == APP_SETTLING) {
        app->settled = true;
        app_stop(app);
    }
}

static void on_door_drained(void *arg)
{
    struct app *app = arg;
    if (++app->drained_count < DOOR_COUNT) {
        return;
    }
    app->state = APP_SETTLING;
    app->leave.on_time = on_settle_timeout;
    clock_timer_start(loop_clock(app->loop), &app->leave, SETTLE_MS);
    for (uint32_t i = 0; i < app->worker_count; i++) {
        worker_drain(&app->workers[i], app->loop, on_worker_settled, app);
    }
}

static void on_delay_over(struct clock_timer *timer)
{
    struct app *app = CONTAINER_OF(timer, struct app, leave);
    app->state = APP_DRAINING;
    log_write(LOG_INFO, "draining");
    grpc_door_drain(app->door, app->config->drain_timeout_ms, on_door_drained, app);
    http_door_drain(app->http_door, app->config->drain_timeout_ms, on_door_drained, app);
}

static void on_signal(evutil_socket_t number, short events, void *arg)
{
    (void)events;
    struct app *app = arg;
    if (app->state >= APP_LEAVING) {
        log_write(LOG_WARN, "signal %d again, leaving at once", (int)number);
        _exit(EXIT_FAILURE);
    }
    app->state = APP_LEAVING;
    log_write(LOG_INFO, "signal %d, shutting down", (int)number);
    set_serving(app, false);
    app->leave.on_time = on_delay_over;
    clock_timer_start(loop_clock(app->loop), &app->leave, app->config->drain_delay_ms);
}

/* ----------------------------------------------------------------------------------- building */

/* Besides those of callers: 1,024 to each of two providers, the database, files. */
enum {
    OTHER_DESCRIPTORS = 3 * 1024
};

/* Each connection is a descriptor; what the hard limit allows is taken. The HTTP port makes do with what
 * the others leave: 10,000 connections to each port are more than many systems' limit has room for. */
static enum status check_descriptors(struct app *app, struct error *err)
{
    const int64_t needed = app->config->connections_max + OTHER_DESCRIPTORS;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return error_setf(err, REASON_INTERNAL, "cannot read the limit of open files");
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* the check below speaks for it */
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur <= (rlim_t)needed) {
        return error_setf(err, REASON_REQUEST_INVALID,
                          "MAX_CONNECTIONS %lld needs a limit of more than %lld open files, it is "
                          "%llu",
                          (long long)app->config->connections_max, (long long)needed,
                          (unsigned long long)limit.rlim_cur);
    }
    app->http_connections_max =
        (uint32_t)MIN_OF((rlim_t)app->config->connections_max, limit.rlim_cur - (rlim_t)needed);
    return STATUS_OK;
}

static enum status build_workers(struct app *app, struct error *err)
{
    uint32_t count = (uint32_t)app->config->workers;
    app->workers = calloc(count, sizeof(*app->workers));
    if (app->workers == NULL) {
        return error_set(err, REASON_OUT_OF_MEMORY);
    }
    app->callers_orders.max = (uint32_t)app->config->orders_max;
    for (uint32_t i = 0; i < count; i++) {
        app->worker_count = i + 1;
        if (worker_init(&app->workers[i], app->config, &app->callers_orders, err)) {
            return err->status;
        }
    }
    app->loop = app->workers[0].loop;
    app->workers[0].has_chores = true;
    return STATUS_OK;
}

static enum status build_grpc_door(struct app *app, struct error *err)
{
    const struct config *config = app->config;
    struct grpc_server_worker *workers = calloc(app->worker_count, sizeof(*workers));
    if (workers == NULL) {
        return error_set(err, REASON_OUT_OF_MEMORY);
    }
    for (uint32_t i = 0; i < app->worker_count; i++) {
        workers[i].loop = app->workers[i].loop;
        workers[i].service = &app->workers[i].service;
    }
    const struct grpc_server_config door = {
        .address = config->grpc_addr,
        .connections_max = (uint32_t)config->connections_max,
        .limits = &app->limits,
    };
    enum status status = grpc_door_new(&door, workers, app->worker_count, &app->door, err);
    free(workers);
    return status;
}

static enum status build_http_door(struct app *app, struct error *err)
{
    const struct config *config = app->config;
    const struct http_site_config site = {.limits = &app->limits, .origins = config->cors_origins};
    struct http_door_worker *workers = calloc(app->worker_count, sizeof(*workers));
    app->site = workers == NULL ? NULL : http_site_new(&site, err);
    bool has_memory = app->site != NULL;
    for (uint32_t i = 0; i < app->worker_count && has_memory; i++) {
        has_memory = worker_init_gateway(&app->workers[i], app->site, &workers[i]);
    }
    const struct http_door_config door = {.address = config->http_addr,
                                          .connections_max = app->http_connections_max,
                                          .site = app->site};
    enum status status =
        has_memory          ? http_door_new(&door, workers, app->worker_count, &app->http_door, err)
        : error_is_set(err) ? err->status
                            : error_set(err, REASON_OUT_OF_MEMORY);
    free(workers);
    return status;
}

static enum status build_doors(struct app *app, struct error *err)
{
    const struct config *config = app->config;
    app->limits.calls.max = (uint32_t)config->calls_max;
    app->limits.orders.max = (uint32_t)config->orders_max;
    app->limits.watchers.max = (uint32_t)config->watchers_max;
    if (build_grpc_door(app, err) || build_http_door(app, err)) {
        return err->status;
    }
    app->desk = (struct desk){
        .workers = app->workers, .worker_count = app->worker_count, .batch_max = config->batch_max};
    /* The admin port is served by the loop of worker 0, and so are its questions to the database. */
    const struct http_desk_config desk = {
        .site = app->site,
        .store = &app->workers[0].operator_store.base,
        .clock = loop_clock(app->loop),
        .print_batches = desk_print_batches,
        .pause_recovery = desk_pause_recovery,
        .arg = &app->desk,
    };
    const struct http_admin_config admin = {
        .address = config->admin_addr, .is_ready = app_is_ready, .arg = app, .desk = &desk};
    return http_admin_new(app->loop, &admin, &app->admin, err);
}

static enum status build_signals(struct app *app, struct error *err)
{
    static const int numbers[SIGNAL_COUNT] = {SIGTERM, SIGINT};
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        app->signals[i] = evsignal_new(loop_base(app->loop), numbers[i], on_signal, app);
        if (app->signals[i] == NULL || evsignal_add(app->signals[i], NULL) != 0) {
            return error_setf(err, REASON_INTERNAL, "cannot watch for signals");
        }
    }
    return STATUS_OK;
}

/* A database that is away is weather: serving begins without it and says so. A schema that cannot
 * be made is not. */
static enum status prepare_schema(struct app *app, struct error *err)
{
    app->schema.conninfo = app->config->database_url;
    app->schema.may_migrate = app->config->migrate == MIGRATE_AUTO;
    app->schema.ready = on_schema_ready;
    app->schema_ready = schema_try(&app->schema, err) == STATUS_OK;
    if (!app->schema_ready && err->status == STATUS_UNAVAILABLE) {
        log_write(LOG_WARN, "starting without the database: %s", err->message);
        *err = (struct error){0};
    }
    return err->status;
}

static enum status app_build(struct app *app, struct error *err)
{
    pg_pool_register_metrics();
    sample_pg_register_metrics();
    clients_register_metrics();
    observer_register_metrics();
    if (check_descriptors(app, err) || prepare_schema(app, err) || build_workers(app, err) ||
        build_doors(app, err) || build_signals(app, err)) {
        return err->status;
    }
    app->schema.loop = app->loop;
    for (uint32_t i = 1; i < app->worker_count; i++) {
        if (worker_start_thread(&app->workers[i], err)) {
            return err->status;
        }
    }
    if (app->schema_ready) {
        on_schema_ready(&app->schema);
    } else if (schema_start(&app->schema, err)) {
        return err->status;
    }
    app->tick.on_time = on_tick;
    clock_timer_start(loop_clock(app->loop), &app->tick, 0);
    heap_start(&app->heap, loop_clock(app->loop));
    grpc_door_start(app->door);
    http_door_start(app->http_door);
    log_write(LOG_INFO, "orderd %s listens: grpc port %u, admin port %u, http port %u, %u workers",
              ORDERD_VERSION, grpc_door_port(app->door), http_admin_port(app->admin),
              http_door_port(app->http_door), app->worker_count);
    return STATUS_OK;
}

static void app_deinit(struct app *app)
{
    schema_stop(&app->schema);
    for (uint32_t i = 0; i < app->worker_count; i++) {
        worker_stop_thread(&app->workers[i]);
    }
    if (app->door != NULL) {
        grpc_door_free(app->door);
    }
    http_door_free(app->http_door);
    if (app->admin != NULL) {
        http_admin_free(app->admin);
    }
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        if (app->signals[i] != NULL) {
            event_free(app->signals[i]);
        }
    }
    if (app->loop != NULL) {
        clock_timer_stop(loop_clock(app->loop), &app->tick);
        heap_stop(&app->heap);
    }
    for (uint32_t i = 0; i < app->worker_count; i++) {
        worker_deinit(&app->workers[i]);
    }
    free(app->workers);
    http_site_free(app->site);
}

int app_run(const struct config *config)
{
    struct app app = {.config = config};
    struct error err = {0};
    heap_limit((uint32_t)config->workers);
    log_configure((enum log_level)config->log_level, (enum log_format)config->log_format,
                  STDERR_FILENO);
    if (app_build(&app, &err)) {
        log_write(LOG_ERROR, "cannot start: %s", err.message);
        app_deinit(&app);
        return err.status == STATUS_INVALID_ARGUMENT ? 2 : EXIT_FAILURE;
    }
    loop_run(app.loop);
    if (!app.settled) { /* effects are in flight that would be told to what is gone: just leave */
        _exit(EXIT_SUCCESS);
    }
    app_deinit(&app);
    log_write(LOG_INFO, "stopped");
    return EXIT_SUCCESS;
}
