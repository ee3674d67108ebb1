/* The stores over PostgreSQL: small adapters over one pool. */
#pragma once

#include "port/catalog_store.h"
#include "port/event_store.h"
#include "port/operator_store.h"
#include "port/order_store.h"
#include "port/reconcile_store.h"
#include "port/saga_store.h"
#include "store/pg_batch.h"

struct catalog_store_pg {
    struct catalog_store base;
    struct pg_pool *pool;
    struct random_source *random;
};
void catalog_store_pg_init(struct catalog_store_pg *store, struct pg_pool *pool,
                           struct random_source *random);

struct order_store_pg {
    struct order_store base;
    struct pg_pool *pool;
};
void order_store_pg_init(struct order_store_pg *store, struct pg_pool *pool);

struct saga_store_pg {
    struct saga_store base;
    struct pg_pool *pool;
};
void saga_store_pg_init(struct saga_store_pg *store, struct pg_pool *pool);

struct event_store_pg {
    struct event_store base;
    struct pg_pool *pool;
};
void event_store_pg_init(struct event_store_pg *store, struct pg_pool *pool);

struct operator_store_pg {
    struct operator_store base;
    struct pg_pool *pool;
};
void operator_store_pg_init(struct operator_store_pg *store, struct pg_pool *pool);

struct reconcile_store_pg {
    struct reconcile_store base;
    struct pg_pool *pool;
};
void reconcile_store_pg_init(struct reconcile_store_pg *store, struct pg_pool *pool);
