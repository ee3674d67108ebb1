/* Orders as the person on call sees them: whoever placed them, with all that is recorded, and what may be
 * done to one that is stuck. Implemented by store/operator_store_pg.
 *
 * What is shown is JSON made by the store: it is for eyes and scripts, and nothing here depends on it.
 * Errors of all: STORE_UNAVAILABLE (see store_call.maybe_done), STORE_OVERLOADED, OUT_OF_MEMORY,
 * INTERNAL. */
#pragma once

#include "domain/order.h"
#include "port/store_call.h"

/* Newest first. Of the states in which orders rest (STUCK is none of these) the newest 10,000 are looked at. */
struct operator_list {
    struct store_call call;
    enum order_state state; /* UNSPECIFIED: all that are under way or stuck */
    int64_t older_ms;       /* not changed for so long */
    struct uuid before_id;  /* zero: from the newest */
    uint32_t limit;
    const char **orders; /* out: a JSON object each */
    uint32_t count;      /* out */
    bool has_more;       /* out */
    struct uuid last_id; /* out, with has_more: before_id of the next page */
};

/* ORDER_NOT_FOUND. */
struct operator_show {
    struct store_call call;
    struct uuid id;
    const char *order; /* out: a JSON object */
};

/* Tries the undo of a STUCK order again (`to` UNSPECIFIED), from the state it is stuck in, with all the
 * time there is for undoing; or ends it as FAILED or CANCELLED, its stock given back, because the operator
 * has seen to it that no money is held and no shipment lives. Either is an event with who and why.
 *
 * Not sent again after a lost connection (maybe_done): the operator looks.
 * ORDER_NOT_FOUND, ORDER_STATE_INVALID (not STUCK; FAILED though it is to be cancelled). */
struct operator_mend {
    struct store_call call;
    struct uuid id;
    enum order_state to;
    const char *who, *why;
    enum order_state state; /* out: as it is now */
    int64_t revision;       /* out */
};

struct operator_store;
struct operator_store_ops {
    void (*list)(struct operator_store *store, struct operator_list *list);
    void (*show)(struct operator_store *store, struct operator_show *show);
    void (*mend)(struct operator_store *store, struct operator_mend *mend);
};
struct operator_store {
    const struct operator_store_ops *ops;
};
