/* Counters, gauges and histograms, as one table; printed in Prometheus' text format.
 *
 * The set of series is fixed at start (closed label sets), so no input can grow it. Updates are
 * relaxed atomics, from any thread; printing reads them without stopping anybody. */
#pragma once

#include "base/buf.h"

#include <stdint.h>

/* clang-format off */
/*         id                        type       name                                  label            help */
#define METRIC_TABLE(X) \
    X(CALLS,                   COUNTER,   "rpc_server_calls_total",              "method_code",   "Calls answered, by method and status") \
    X(CALL_SECONDS,            HISTOGRAM, "rpc_server_call_duration_seconds",    "method",        "Time from receiving a call to its answer") \
    X(CALLS_IN_FLIGHT,         GAUGE,     "rpc_server_calls_in_flight",          NULL,            "Calls being worked on") \
    X(CALLS_REFUSED,           COUNTER,   "rpc_server_calls_refused_total",      NULL,            "Calls refused because of a limit") \
    X(CONNECTIONS,             GAUGE,     "grpc_connections",                    NULL,            "gRPC connections, as of the last sweep") \
    X(CONNECTIONS_REFUSED,     COUNTER,   "grpc_connections_refused_total",      NULL,            "gRPC connections refused because of the limit") \
    X(HTTP_CONNECTIONS,        GAUGE,     "http_connections",                    NULL,            "HTTP connections") \
    X(HTTP_CONNECTIONS_REFUSED, COUNTER,  "http_connections_refused_total",      NULL,            "HTTP connections refused because of the limit") \
    X(HTTP_SECONDS,            HISTOGRAM, "http_server_request_duration_seconds", "method_route_status", "Time from receiving a request over HTTP to its reply") \
    X(ORDERS_IN_FLIGHT,        GAUGE,     "orders_in_flight",                    NULL,            "Orders this process drives") \
    X(ORDERS_FULFILLED,        COUNTER,   "orders_fulfilled_total",              NULL,            "Orders that reached FULFILLED, each once") \
    X(ORDERS_FAILED,           COUNTER,   "orders_failed_total",                 "reason",        "Attempts that ended in FAILED or CANCELLED") \
    X(ORDERS_STUCK,            COUNTER,   "orders_stuck_total",                  NULL,            "Orders that need a person") \
    X(ORDERS_TAKEN_OVER,       COUNTER,   "orders_taken_over_total",             NULL,            "Orders continued after their owner had gone") \
    X(ORDERS_STUCK_NOW,        GAUGE,     "orders_stuck",                        NULL,            "Orders that are STUCK, of all replicas") \
    X(ORDERS_UNDOING,          GAUGE,     "orders_undoing",                      NULL,            "Orders being recalled, refunded or released, of all replicas") \
    X(ORDERS_OLDEST,           GAUGE,     "orders_oldest_not_at_rest_seconds",   NULL,            "Age of the oldest attempt that is under way, of all replicas") \
    X(RECONCILED,              GAUGE,     "payment_reconciliation_time_seconds", NULL,            "When the last reconciliation ended, since 1970; 0: never") \
    X(DIFFERENCES,             GAUGE,     "payment_differences",                 "kind",          "Payments and orders that differ, as of the last reconciliation") \
    X(RECOVERY_PAUSED,         GAUGE,     "recovery_paused",                     NULL,            "1 while this process takes over no orders, because somebody said so") \
    X(STEP_SECONDS,            HISTOGRAM, "saga_step_duration_seconds",          "step",          "Time a step of an order took") \
    X(STEPS,                   COUNTER,   "saga_steps_total",                    "step_outcome",  "Steps of orders, by outcome") \
    X(DB_BATCHES,              COUNTER,   "db_client_batches_total",             "statement",     "Batches sent to PostgreSQL") \
    X(DB_FULL,                 COUNTER,   "db_client_batches_full_total",        "statement",     "Batches that left at BATCH_MAX while more waited") \
    X(DB_ROWS,                 COUNTER,   "db_client_batch_requests_total",      "statement",     "Requests sent in batches") \
    X(DB_SECONDS,              HISTOGRAM, "db_client_operation_duration_seconds","statement",     "Time a batch took") \
    X(DB_UP,                   GAUGE,     "db_client_up",                        NULL,            "1 while PostgreSQL can be asked for everything") \
    X(DB_CONNECTIONS,          GAUGE,     "db_client_connections",               NULL,            "Connections to PostgreSQL that are ready") \
    X(DB_WAITING,              GAUGE,     "db_client_requests_waiting",          NULL,            "Requests that wait for a batch") \
    X(DB_FAILURES,             COUNTER,   "db_client_failures_total",            NULL,            "Batches that failed") \
    X(KEYS_REMOVED,            COUNTER,   "idempotency_keys_removed_total",      NULL,            "Idempotency keys removed because of their age") \
    X(EFFECTS,                 COUNTER,   "effects_total",                       "effect_result", "Calls to payment and shipping providers") \
    X(EFFECT_SECONDS,          HISTOGRAM, "effect_duration_seconds",             "effect",        "Time a provider took") \
    X(LOG_DROPPED,             COUNTER,   "log_lines_dropped_total",             NULL,            "Log lines dropped because nobody read them")
/* clang-format on */

enum metric {
#define METRIC_ENUM(id, type, name, label, help) METRIC_##id,
    METRIC_TABLE(METRIC_ENUM)
#undef METRIC_ENUM
    METRIC_COUNT
};

enum {
    METRIC_SERIES_MAX = 512
}; /* per metric */

/* Names the series of a labelled metric once, at start: label pairs as they are printed, e.g.
 * `method="shop.v1.Orders/GetOrder",code="OK"`. Series are numbered from 0 in the order given. */
void metrics_series(enum metric metric, const char *const *labels, unsigned count);

void metrics_add(enum metric metric, unsigned series, int64_t delta);     /* counters and gauges */
void metrics_set(enum metric metric, unsigned series, int64_t value);     /* gauges */
void metrics_observe_us(enum metric metric, unsigned series, int64_t us); /* histograms */
int64_t metrics_get(enum metric metric, unsigned series);

/* Everything in text format 0.0.4, with HELP and TYPE lines; process_* figures included. */
void metrics_print(struct buf *buf);
