/* Where orders are kept, as the service sees them: create, read, list, wish away.
 * What the order flow needs is port/saga_store.h. Implemented by store/order_store_pg and a fake.
 *
 * Errors all operations may end with: STORE_UNAVAILABLE, STORE_OVERLOADED, OUT_OF_MEMORY, INTERNAL;
 * further ones stand at each. Orders of another caller do not exist. */
#pragma once

#include "domain/idempotency.h"
#include "domain/order.h"
#include "port/store_call.h"

/* Prices the lines from the catalogue and stores the order as PENDING, all in one round trip.
 * In: id (made by the caller of this), caller, customer_id, lines (product_id, quantity), ship_to.
 * PRODUCT_NOT_FOUND (a DETAIL_RESOURCE "shop.v1.Product" per missing id and metadata productId of
 * the first), CURRENCY_MIXED, ORDER_TOTAL_ZERO, MONEY_OVERFLOW, REQUEST_ID_REUSED.
 * A repeated key gives the order it once made, as it is now. With only_replay nothing is created: a key
 * that made no order yet is ORDER_NOT_FOUND. */
struct order_create {
    struct store_call call;
    const struct order *order;
    const struct idempotency *idempotency;
    bool only_replay;
    struct order *created; /* out, complete */
    bool replayed;         /* out */
};

/* ORDER_NOT_FOUND. */
struct order_get {
    struct store_call call;
    struct uuid id;
    const char *caller;
    int64_t after_revision; /* only when its revision is greater than this; 0: in any case */
    struct order *order;    /* out, complete with events; NULL when it is not newer */
    bool unchanged;         /* out: there is such an order, but no newer than that */
};

/* Newest first (ids are UUIDv7, so by id). */
struct order_list {
    struct store_call call;
    const char *caller;
    const char *customer_id; /* "": all */
    enum order_state state;  /* UNSPECIFIED: all */
    struct uuid before_id;   /* keyset position; zero: from the newest */
    uint32_t limit;
    struct order **orders; /* out */
    uint32_t count;        /* out */
    bool has_more;         /* out */
};

/* ORDER_NOT_FOUND, ORDER_STATE_INVALID (FULFILLED), REQUEST_ID_REUSED. PENDING and FAILED become
 * CANCELLED at once; CANCELLED is OK again; otherwise the wish is stored for the driver. */
struct order_cancel {
    struct store_call call;
    struct uuid id;
    const char *caller;
    const struct idempotency *idempotency;
    struct order *order; /* out, as it is once the wish is stored */
    bool replayed;       /* out */
};

struct order_store;
struct order_store_ops {
    void (*create)(struct order_store *store, struct order_create *create);
    void (*get)(struct order_store *store, struct order_get *get);
    void (*list)(struct order_store *store, struct order_list *list);
    void (*wish_cancel)(struct order_store *store, struct order_cancel *cancel);
};
struct order_store {
    const struct order_store_ops *ops;
};
