/* Where the order flow commits: claim, advance, lease. See saga.md "Commits", "Batches" and
 * "Owning an order". Implemented by store/saga_store_pg and by a fake.
 *
 * Every operation is repeatable: it carries an identity made before it was sent (claim token;
 * order id, generation and from-state), so that the same one sent again after a lost connection
 * recognises its own effect. Errors of all: STORE_UNAVAILABLE (see store_call.maybe_done),
 * STORE_OVERLOADED, OUT_OF_MEMORY, INTERNAL. What is decided by the rows is a result, not an error. */
#pragma once

#include "domain/idempotency.h"
#include "domain/order.h"
#include "port/store_call.h"

/* What a driver knows of the order it owns; filled by claim and take_due, kept with the saga. */
struct saga_record {
    struct order order; /* id, lines, ship_to, total, state, attempt, ids, failure, revision */
    int64_t generation; /* grows with every owner */
    bool cancel_wished;
    const char *payment_method;
    /* Budgets, in ms from the moment the answer was made by the database; <= 0: used up. */
    int64_t forward_left_ms;
    int64_t fulfill_left_ms; /* INT64_MAX before FULFILLING */
    int64_t undo_age_ms;     /* since undoing began; -1: not begun */
    int64_t lease_left_ms;
    int32_t tries; /* of the step in work, so that waiting grows across owners */
};

enum claim_result {
    CLAIM_STARTED,       /* record is ours: CHARGING (built-in inventory) or RESERVING (remote) */
    CLAIM_REFUSED,       /* short, or a product gone: FAILED now; record.order.failure says why */
    CLAIM_NOT_FOUND,     /* no such order, or another caller's */
    CLAIM_IN_PROGRESS,   /* another call drives it, or it is being undone */
    CLAIM_FULFILLED,     /* already, and no key or this key's attempt: answer its confirmation */
    CLAIM_STATE_INVALID, /* CANCELLED or STUCK */
    CLAIM_EXHAUSTED,     /* LIMIT_ATTEMPTS_PER_ORDER */
    CLAIM_KEY_REUSED,    /* the key was used with another request */
    CLAIM_REPLAY,    /* the key's attempt came to rest: answer record (that attempt's outcome) */
    CLAIM_JOIN,      /* the key's attempt is under way: wait for it; record.order.state is now */
    CLAIM_TOO_SHORT, /* it would have started an attempt, and may not */
    CLAIM_RESULT_COUNT
};

/* Claims the order for a new attempt and takes all its lines from stock, in one statement. */
struct saga_claim {
    struct store_call call;
    struct uuid id;
    const char *caller;
    const char *payment_method;
    const struct idempotency *idempotency; /* may be unset */
    struct uuid token;                     /* made by the driver, unique over all attempts */
    int64_t lease_ms;
    int64_t forward_ms;        /* forward_until = database now + this */
    bool inventory_remote;     /* true: only claims, state RESERVING */
    bool may_start;            /* false: only join or replay, else CLAIM_TOO_SHORT */
    enum claim_result result;  /* out */
    struct saga_record record; /* out; of CLAIM_STARTED all, of the others order and failure */
};

enum advance_result {
    ADVANCE_DONE,
    ADVANCE_CANCEL_WISHED, /* nothing changed: a wish had come meanwhile; decide again */
    ADVANCE_FENCED,        /* nothing changed: another owner has it, or the state is another */
    ADVANCE_RESULT_COUNT
};

/* The outcome and the next state in one statement; appends the event. Entering FAILED, CANCELLED or
 * leaving RELEASING gives built-in stock back in the same statement. */
struct saga_advance {
    struct store_call call;
    struct uuid id;
    int64_t generation;
    enum order_state from;
    bool cancel_seen;    /* the wish it was computed with */
    enum order_state to; /* may equal from: only writes ids down */
    enum step_kind step; /* that ended with it (or progressed) */
    enum step_outcome outcome;
    int32_t tries;
    const char *external_id;       /* of the step, for the event; NULL: none */
    const char *payment_id;        /* NULL: as stored */
    const char *shipment_id;       /* NULL: as stored */
    const struct failure *failure; /* first cause; NULL: as stored; kept if one is stored already */
    bool clear_failure;            /* RECALLING -> FULFILLED */
    bool release_stock;            /* built-in inventory: give all lines back with this commit */
    int64_t fulfill_ms;            /* entering FULFILLING: fulfil_until = now + this; 0 otherwise */
    bool attempt_counts;           /* entering FAILED: whether it uses up one of the 20 attempts */
    int64_t lease_ms;              /* renewed by the way */
    struct uuid token; /* random, made by the driver for this advance: by it the store knows
                                  one that is sent again; zero: it cannot be known */
    enum advance_result result; /* out */
    bool cancel_wished;         /* out */
    int64_t revision;           /* out, of ADVANCE_DONE */
    int64_t update_time_us;     /* out */
};

/* Renews one lease; many leave together. result as advance. */
struct saga_renew {
    struct store_call call;
    struct uuid id;
    int64_t generation;
    int64_t lease_ms;
    enum advance_result result; /* out; DONE or FENCED */
    bool cancel_wished;         /* out */
};

/* Takes over at most `limit` orders that are due (lease run out, not at rest), each with a new
 * generation. */
struct saga_take_due {
    struct store_call call;
    uint32_t limit;
    int64_t lease_ms;
    struct saga_record *records; /* out */
    uint32_t count;              /* out */
};

/* Gives an order back early (shutdown): due at once for another owner. */
struct saga_give_back {
    struct store_call call;
    struct uuid id;
    int64_t generation;
};

struct saga_store;
struct saga_store_ops {
    void (*claim)(struct saga_store *store, struct saga_claim *claim);
    void (*advance)(struct saga_store *store, struct saga_advance *advance);
    void (*renew)(struct saga_store *store, struct saga_renew *renew);
    void (*take_due)(struct saga_store *store, struct saga_take_due *take);
    void (*give_back)(struct saga_store *store, struct saga_give_back *give_back);
};
struct saga_store {
    const struct saga_store_ops *ops;
};
