/* Orders in memory behind port/order_store.h, priced from a fake catalogue.
 *
 * Its answers come with the next turn of the clock. completion.fail_next makes the next operation
 * fail. A test changes a stored order through fake_order_store_find(). */
#pragma once

#include "fake/fake_catalog_store.h"
#include "fake/fake_completion.h"
#include "fake/fake_keys.h"
#include "port/order_store.h"

enum {
    FAKE_ORDERS_MAX = 128
};

struct fake_order_store {
    struct order_store base;
    struct fake_completion completion;
    struct fake_catalog_store *catalog;
    struct arena *arena; /* the orders, as long as the store lives */
    struct order *rows[FAKE_ORDERS_MAX];
    uint32_t count;
    struct fake_keys keys;
};

void fake_order_store_init(struct fake_order_store *store, struct fake_catalog_store *catalog,
                           struct clock *clock);
void fake_order_store_deinit(struct fake_order_store *store);
/* The stored order, NULL when there is none; borrowed. */
struct order *fake_order_store_find(struct fake_order_store *store, const struct uuid *id);
