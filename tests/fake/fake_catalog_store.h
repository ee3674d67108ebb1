/* A catalogue in memory behind port/catalog_store.h.
 *
 * Its answers come with the next turn of the clock. completion.fail_next makes the next operation
 * fail. */
#pragma once

#include "fake/fake_completion.h"
#include "fake/fake_keys.h"
#include "port/catalog_store.h"

enum {
    FAKE_PRODUCTS_MAX = 300
};

struct fake_catalog_store {
    struct catalog_store base;
    struct fake_completion completion;
    struct arena *arena; /* texts of the products, as long as the store lives */
    struct fake_product {
        struct product product;
        bool is_deleted;
    } rows[FAKE_PRODUCTS_MAX];
    uint32_t count;
    struct fake_keys keys;
};

void fake_catalog_store_init(struct fake_catalog_store *store, struct clock *clock);
void fake_catalog_store_deinit(struct fake_catalog_store *store);
/* Puts a product in, as it is (texts are copied; a version of 0 becomes 1). */
void fake_catalog_store_put(struct fake_catalog_store *store, const struct product *product);
/* The stored product, NULL when there is none; borrowed. */
struct product *fake_catalog_store_find(struct fake_catalog_store *store, const char *id);
