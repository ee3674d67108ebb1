/* The state of the whole program, borrowed by everything that answers a request. */
#pragma once

#include "sandbox/call_log.h"
#include "sandbox/fault.h"
#include "sandbox/ident.h"
#include "sandbox/key_table.h"
#include "sandbox/order_index.h"
#include "sandbox/payment_table.h"
#include "sandbox/settlement.h"
#include "sandbox/shipment_table.h"

#include <stdint.h>
#include <sys/queue.h>

struct event_base;
struct exchange;

LIST_HEAD(exchange_list, exchange);

struct sandbox {
    struct event_base *base;
    const char *api_key; /* NULL: any key will do */
    int64_t payment_latency_ms;
    int64_t shipping_latency_ms;
    size_t count_max;
    uint64_t seed;
    struct ident_source ids;
    struct order_index orders;
    struct payment_table payments;
    struct shipment_table shipments;
    struct key_table keys;
    struct call_log calls;
    struct fault_table faults;
    struct exchange_list exchanges;     /* not answered yet */
    struct settlement_list settlements; /* of payments and refunds under way */
};

/* 0, or -1 without memory. base, api_key, latencies, count_max and seed are set before. */
int sandbox_init(struct sandbox *sandbox);
void sandbox_deinit(struct sandbox *sandbox);
/* Forgets payments, shipments, keys and calls; faults stay. Before it, exchanges whose effect is still
 * to come are dropped (exchange_drop_held). */
void sandbox_reset(struct sandbox *sandbox);
