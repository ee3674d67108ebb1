/* Where the catalogue is kept. Implemented by store/catalog_store_pg and by a fake.
 *
 * Errors all operations may end with: STORE_UNAVAILABLE, STORE_OVERLOADED, OUT_OF_MEMORY, INTERNAL;
 * further ones stand at each. */
#pragma once

#include "base/uuid.h"
#include "domain/idempotency.h"
#include "domain/product.h"
#include "port/store_call.h"

/* Reads `count` products by id; products[i] belongs to ids[i], NULL when there is none. */
struct catalog_get {
    struct store_call call;
    const char *const *ids;
    uint32_t count;
    struct product **products; /* out */
};

/* A page ordered by id. */
struct catalog_list {
    struct store_call call;
    const char *category;      /* "": all */
    const char *after_id;      /* keyset position; "" from the start */
    uint32_t offset;           /* of numbered pages; 0 otherwise */
    uint32_t limit;            /* the store reads one more to see whether there is a next page */
    struct product **products; /* out */
    uint32_t count;            /* out, <= limit */
    bool has_more;             /* out */
};

/* PRODUCT_ALREADY_EXISTS, REQUEST_ID_REUSED. A repeated key gives the product as it is now, or
 * PRODUCT_NOT_FOUND when it was deleted since. */
struct catalog_create {
    struct store_call call;
    const struct product *product; /* id, name, description, category, price */
    int64_t initial_stock;
    const struct idempotency *idempotency;
    struct product *created; /* out */
    bool replayed;           /* out */
    struct uuid identity;    /* of the adapter: knows a request that is sent again */
};

/* PRODUCT_NOT_FOUND, ETAG_MISMATCH. */
struct catalog_update {
    struct store_call call;
    const struct product *product; /* id, and the fields named in mask */
    uint32_t mask;                 /* of enum product_field; 0: only checks id and version */
    int64_t version_expected;      /* 0: any */
    struct product *updated;       /* out */
};

/* PRODUCT_NOT_FOUND, ETAG_MISMATCH. A tombstone stays. */
struct catalog_delete {
    struct store_call call;
    const char *id;
    int64_t version_expected; /* 0: any */
};

/* PRODUCT_NOT_FOUND, STOCK_BELOW_ZERO (metadata available, delta), STOCK_OVERFLOW,
 * REQUEST_ID_REUSED. Without a key of the caller the store makes one of its own, so that a batch
 * repeated after a lost connection moves the stock once. */
struct catalog_adjust {
    struct store_call call;
    const char *id;
    int64_t delta;
    const struct idempotency *idempotency;
    struct product *adjusted; /* out */
    bool replayed;            /* out */
    struct uuid identity;     /* of the adapter: knows a request that is sent again */
};

struct catalog_store;
struct catalog_store_ops {
    void (*get)(struct catalog_store *store, struct catalog_get *get);
    void (*list)(struct catalog_store *store, struct catalog_list *list);
    void (*create)(struct catalog_store *store, struct catalog_create *create);
    void (*update)(struct catalog_store *store, struct catalog_update *update);
    void (*remove)(struct catalog_store *store, struct catalog_delete *remove);
    void (*adjust)(struct catalog_store *store, struct catalog_adjust *adjust);
};
struct catalog_store {
    const struct catalog_store_ops *ops;
};
