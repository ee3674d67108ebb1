/* Orders in memory behind port/saga_store.h, with the semantics of the database: generations, leases,
 * cancel wishes, keys, one stock for all orders. Time is the ledger's clock.
 *
 * What a call does, it does when it begins; its answer comes delay_ms later. */
#pragma once

#include "fake/fake_ledger.h"
#include "port/saga_store.h"

enum {
    FAKE_ORDERS_MAX = 300
};

enum fake_saga_op {
    FAKE_CLAIM,
    FAKE_ADVANCE,
    FAKE_RENEW,
    FAKE_TAKE_DUE,
    FAKE_GIVE_BACK,
    FAKE_SAGA_OP_COUNT
};

/* How a store is lost. */
enum fake_loss {
    FAKE_WELL,
    FAKE_NOT_SENT,    /* surely not sent */
    FAKE_LOST_BEFORE, /* maybe_done, and it was not */
    FAKE_LOST_AFTER,  /* maybe_done, and it was */
    FAKE_REFUSED,     /* an error of SQL: it was not done, and never will be */
    FAKE_DOUBTFUL,    /* an error nobody understands, and it may have been done; it was not */
};

struct fake_order {
    struct order order;
    char request_id[40];
    uint8_t hash[IDEMPOTENCY_HASH_SIZE];
    const char *payment_method;
    int64_t generation, claim_generation;
    int64_t lease_until_ms, forward_until_ms, fulfill_until_ms;
    int64_t undo_since_ms; /* -1: not begun */
    bool cancel_wished;
    bool holds_stock;
    bool last_attempt_counts;
    unsigned attempts_counted;
    struct uuid claim_token, advance_token;
};

struct fake_saga_store {
    struct saga_store base;
    struct fake_ledger *ledger;
    struct arena *arena;
    int64_t delay_ms;
    size_t answer_size; /* bytes that the answer to a claim takes of its arena */
    int64_t stock;      /* one line takes one unit */
    struct fake_order orders[FAKE_ORDERS_MAX];
    uint32_t count;
    struct {
        enum fake_loss loss;
        unsigned times; /* UINT_MAX: for ever */
    } fail[FAKE_SAGA_OP_COUNT];
};

void fake_saga_store_init(struct fake_saga_store *store, struct fake_ledger *ledger);
void fake_saga_store_deinit(struct fake_saga_store *store);
/* A new PENDING order; borrowed. */
struct fake_order *fake_saga_store_add(struct fake_saga_store *store);
/* As if another owner had taken the order over. */
void fake_saga_store_steal(struct fake_order *order);
