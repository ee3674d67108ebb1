/* One worker: a loop with everything that lives on it - connections to PostgreSQL and to the
 * providers, the stores, the order flow, the services. Workers share nothing but messages. */
#pragma once

#include "app/config.h"
#include "app/observer.h"
#include "app/reconcile_log.h"
#include "base/error.h"
#include "client/clients.h"
#include "edge/http/http_door.h"
#include "edge/http/http_gateway.h"
#include "runtime/loop.h"
#include "service/service.h"
#include "store/retention_pg.h"
#include "store/sample_pg.h"
#include "store/store_pg.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* What goes on in a worker: written by it at every tick, read by any thread, each number for itself. */
struct worker_figures {
    struct {
        atomic_uint connections, ready;
    } lanes[PG_LANE_COUNT];
    struct {
        atomic_uint waiting, flying, last_batch;
    } statements[PG_STATEMENT_COUNT];
    atomic_uint payment_breaker, fulfillment_breaker; /* enum breaker_state */
};

struct worker {
    struct loop *loop;
    struct random_source *random;
    struct pg_pool *pool;
    struct catalog_store_pg catalog_store;
    struct order_store_pg order_store;
    struct saga_store_pg saga_store;
    struct event_store_pg event_store;
    struct operator_store_pg operator_store;
    struct retention_pg retention;
    struct sample_pg sample;
    struct payment_list_stripe payment_list;
    struct reconcile_store_pg reconcile_store;
    struct reconcile_log reconcile_log;
    struct reconcile reconcile;
    /* Retention, sample, reconcile: one worker of the process does it; set before its thread starts. */
    bool has_chores;
    struct http_client *payment_http, *fulfillment_http;
    struct payment_stripe payment;
    struct fulfillment_http fulfillment;
    struct observer observer;
    struct saga_driver *saga_driver;
    struct service service;
    struct http_gateway *gateway; /* NULL until worker_init_gateway */
    pthread_t thread;
    bool has_thread;
    struct clock_timer tick;
    /* Written by the worker at every tick, read by any thread. */
    atomic_bool is_up;       /* PostgreSQL can be asked */
    atomic_uint order_count; /* orders in flight */
    struct worker_figures figures;
    atomic_bool recovery_paused; /* written by any thread, heeded at the next tick */
    bool may_recover, recovers;
    /* Messages to the worker's loop. */
    struct letter schema_letter, drain_letter;
    const uint8_t *page_key; /* of schema_letter */
    void (*drained)(void *arg);
    void *drained_arg;
    struct letter drained_letter; /* to the loop of app */
    struct loop *app_loop;
};

/* Builds everything; nothing runs yet. `callers_orders` is of all workers, and borrowed. On failure
 * worker_deinit still has to be called. */
enum status worker_init(struct worker *worker, const struct config *config,
                        struct limit *callers_orders, struct error *err) NODISCARD;
/* Makes the worker's HTTP gateway and fills in what the door needs of it; false: out of memory. */
bool worker_init_gateway(struct worker *worker, const struct http_site *site,
                         struct http_door_worker *out) NODISCARD;
/* With its loop stopped, and the doors gone. */
void worker_deinit(struct worker *worker);

/* Runs the loop on a thread of its own / ends that thread. */
enum status worker_start_thread(struct worker *worker, struct error *err) NODISCARD;
void worker_stop_thread(struct worker *worker);

/* From any thread: the schema is there; page tokens and recovery may begin. */
void worker_schema_ready(struct worker *worker, const uint8_t *page_key);
/* From any thread: no more orders; `drained` runs on app_loop when none is in flight. */
void worker_drain(struct worker *worker, struct loop *app_loop, void (*drained)(void *arg),
                  void *arg);
