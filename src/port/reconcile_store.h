/* What reconciliation asks of the database. Implemented by store/reconcile_store_pg and a fake.
 * Errors of all: STORE_UNAVAILABLE, STORE_OVERLOADED, OUT_OF_MEMORY, INTERNAL. */
#pragma once

#include "domain/difference.h"
#include "port/payment_list.h"
#include "port/store_call.h"

/* Takes the run that is due, if one is and no other replica has it; the next is due every_ms later. */
struct reconcile_take {
    struct store_call call;
    int64_t every_ms;
    bool taken;    /* out */
    int64_t now_s; /* out, of the database's clock */
};

/* Differences of listed payments from orders, of those that have rested for settled_ms. */
struct reconcile_compare {
    struct store_call call;
    const struct payment_listed *payments; /* count > 0 */
    uint32_t count;
    int64_t settled_ms;
    struct difference *differences; /* out; one a payment at most */
    uint32_t difference_count;      /* out */
};

/* A page of orders created since then, oldest first. */
struct reconcile_orders {
    struct store_call call;
    struct uuid after_id; /* zero: from the oldest */
    int64_t since_s, settled_ms;
    uint32_t limit;
    struct reconcile_order {
        struct uuid id;
        const char *payment_id; /* NULL unless it is FULFILLED and has rested for settled_ms */
    } * orders;                 /* out */
    uint32_t count;             /* out; the limit: there may be more */
};

/* Writes down how the run ended, for all replicas to tell. */
struct reconcile_finish {
    struct store_call call;
    int64_t counts[DIFFERENCE_KIND_COUNT];
};

struct reconcile_store;
struct reconcile_store_ops {
    void (*take)(struct reconcile_store *store, struct reconcile_take *take);
    void (*compare)(struct reconcile_store *store, struct reconcile_compare *compare);
    void (*orders)(struct reconcile_store *store, struct reconcile_orders *orders);
    void (*finish)(struct reconcile_store *store, struct reconcile_finish *finish);
};
struct reconcile_store {
    const struct reconcile_store_ops *ops;
};
