/* One order in flight. Private to src/saga.
 *
 * A saga is made for a claim or by the recovery pass, works on one thing at a time, and is gone when
 * the order has come to rest or belongs to somebody else:
 *
 *   CLAIMING --started--> RUNNING <--> WAITING (for the time of the next try)
 *    ^ |                   |   ^  <--> TRYING (somebody else's service was asked)
 *    | |                   |   +-----> COMMITTING (an outcome, or an id to be written down)
 *    | |                   v
 *    | +--> ENDED <-- GIVING_BACK        any of them --lease lost--> LOST
 *    '----------------------- (callers wait: they join whoever drives it now) ---'
 *
 * Everything it waits for is a member of it: `work` (at most one call at a time), `renew` (beside it)
 * and `timer`. It is freed when neither call is out, no ticket waits, and it is ENDED or LOST; it
 * stands in an arena of its own, which it is freed with. */
#pragma once

#include "saga/saga_driver.h"
#include "saga/saga_table.h"

enum {
    SAGA_ARENA_SIZE = 256 * 1024,    /* an order of 100 lines with long names takes 110 KiB */
    SAGA_TRY_RESULT_SIZE = 2 * 1024, /* what results of tries may take of the saga's own arena */
    SAGA_CALLER_LEFT_MS_MIN = 1000,  /* less than this left: no claim and no confirmation */
    SAGA_CAUSE_AFTER_MS = 2000,      /* so long undoing may take before the cause is told */
    SAGA_JOIN_POLL_MS = 200,         /* joining an attempt that is driven elsewhere */
    SAGA_REFUSALS_MAX = 5,       /* so often a commit is sent that the store refuses for certain */
    SAGA_RECOVER_MS = 1000,      /* between looks for due orders */
    SAGA_RECOVER_MAX = 100,      /* orders taken over at a time */
    SAGA_GENERATION_KEYS = 1000, /* keys of one kind that one owner may use up */
};

enum saga_phase {
    SAGA_CLAIMING,    /* the claim is out, or waits to be repeated; see also is_joining */
    SAGA_RUNNING,     /* deciding; never seen from a loop turn of its own */
    SAGA_WAITING,     /* timer runs until the next try */
    SAGA_TRYING,      /* `work` is a call to somebody else's service */
    SAGA_COMMITTING,  /* `work` is an advance, or it waits to be repeated */
    SAGA_GIVING_BACK, /* `work` is a give_back */
    SAGA_LOST,        /* another owner may have it; nothing is done any more */
    SAGA_ENDED,       /* at rest or given back */
};

/* How far the payment has come, as far as this owner knows. */
struct saga_charge {
    const char *opened_id; /* of `open`, not written down yet */
    /* n of the keys. That of open grows with every unknown, the others when a look has shown that n
     * did not happen. An owner who took the order over begins behind all its predecessors used. */
    int64_t open_n, confirm_n, cancel_n, refund_n;
    bool look_first;  /* of unknown fate: a look comes before anything else */
    bool refunding;   /* REFUNDING: it had succeeded, so the refund is what is left to do */
    bool looked_late; /* the one look after forward_until was made */
};

LIST_HEAD(saga_ticket_list, saga_ticket);
LIST_HEAD(saga_list, saga);

struct saga {
    struct saga_driver *driver;
    struct arena *arena;        /* holds this object, its record and its few texts */
    struct arena *record_arena; /* holds the record when a repeated claim brought it; or NULL */
    struct arena *try_arena;    /* of the call that is out, when `arena` is used up; or NULL */
    size_t arena_used_first;    /* of `arena`, when the order was started */
    LIST_ENTRY(saga) link;
    LIST_ENTRY(saga) bucket_link;
    bool is_known;   /* in the driver's table of orders */
    bool is_callers; /* made for a caller, not taken over */
    enum saga_phase phase;
    bool work_out, renew_out; /* these calls have not come back */
    struct clock_timer timer;
    struct saga_ticket_list tickets;
    uint32_t ticket_count;

    struct saga_record record; /* as committed */

    /* Owning it; loop clock. */
    int64_t sent_ms; /* when the claim was sent last, the advance first */
    int64_t renew_sent_ms;
    int64_t lease_until_ms;
    int64_t forward_until_ms;
    int64_t fulfill_until_ms;
    int64_t undo_since_ms;
    bool is_taken_over; /* from another owner, who may have tried the step in work */
    bool counts;        /* refused, or reached a provider: uses up one of the order's attempts */

    /* The step in work. */
    int64_t step_since_ms;
    int32_t tries;
    bool tainted;    /* of a forward step: it may have happened */
    bool try_failed; /* a try of this step ended without an outcome */
    bool has_left;   /* RECALLING: known already, only the shipment's id is missing */
    struct saga_charge charge;

    /* What is being committed. */
    bool writing_down; /* an id, no verdict */
    enum saga_verdict verdict;
    struct failure cause;    /* of a forward step that is not done */
    const char *shipment_id; /* new with this commit, or NULL */
    int32_t commit_tries, commit_refusals;

    /* Before the claim has returned. */
    const char *caller, *payment_method;
    struct idempotency idempotency;
    struct uuid claim_token;
    bool claim_maybe;     /* a claim was sent whose fate is not known */
    bool claim_may_start; /* one was sent that may start an attempt */
    bool is_joining;      /* the attempt is driven elsewhere; record has its state */

    union {
        struct saga_claim claim;
        struct saga_advance advance;
        struct saga_give_back give_back;
        struct payment_call payment;
        struct fulfillment_call fulfillment;
        struct inventory_call inventory;
    } work;
    struct saga_renew renew;
};

struct saga_driver {
    struct saga_config config;
    struct saga_ports ports;
    struct saga_list *by_order; /* buckets, by record.order.id; so many as a power of two */
    uint32_t bucket_count;
    struct saga_list sagas;
    uint32_t count, callers_count;
    struct clock_timer lease_timer;

    /* The recovery pass. */
    bool is_recovering, take_out;
    struct clock_timer recover_timer;
    struct saga_take_due take;
    struct arena *take_arena;

    /* The end. */
    bool is_draining;
    struct clock_timer drained_timer;
    void (*drained)(void *arg);
    void *drained_arg;
};

/* ---- saga.c: life of the object -------------------------------------------------------------- */

/* A saga without an order, CLAIMING; NULL when out of memory. For a caller it needs a place. */
struct saga *saga_new(struct saga_driver *driver) NODISCARD;
/* A place for one more saga of a caller; false: there is none. saga_free leaves it when the saga has it. */
bool saga_driver_enter(struct saga_driver *driver) NODISCARD;
void saga_driver_leave(struct saga_driver *driver);
void saga_free(struct saga *saga);
/* The order's saga of this driver, or NULL. */
struct saga *saga_find(struct saga_driver *driver, const struct uuid *order_id);
/* The record is ours since `sent_ms`: enters the table (an older saga of the order leaves it) and
 * takes over the budgets. saga_run() comes next. */
void saga_start(struct saga *saga, bool is_taken_over);
/* Another owner may have it: nothing more is done. Its tickets join that owner's attempt. */
void saga_lose(struct saga *saga);
/* Enters the driver's table of orders. */
void saga_make_known(struct saga *saga);
/* Nothing is left to do: answers its tickets by the stored state. The saga is gone afterwards, or
 * as soon as the call that is out has come back. */
void saga_end(struct saga *saga);
/* When nothing is out any more: frees a saga that is over, or sends the tickets of a lost one to join.
 * True when it is gone. */
bool saga_settle(struct saga *saga);
/* An arena for the results of one call; NULL when out of memory. */
struct arena *saga_try_arena(struct saga *saga) NODISCARD;
/* now + left_ms, at most INT64_MAX. */
int64_t saga_time_after(int64_t now_ms, int64_t left_ms);

static inline int64_t saga_now_ms(const struct saga *saga)
{
    return clock_now_ms(saga->driver->ports.clock);
}

/* ---- saga_run.c: deciding --------------------------------------------------------------------- */

/* Does what the state asks for. THE place where an order goes on. */
void saga_run(struct saga *saga);
/* At shutdown: gives the order back when nobody waits for it and nothing of it is out. */
void saga_leave(struct saga *saga);
/* A pause, then saga_run(); STUCK when an undo has used up its time. */
void saga_wait(struct saga *saga, int32_t retry_after_ms);
/* Books a try that has come back: what it says about fate and attempts. False when the saga was
 * lost meanwhile; it may be gone then. */
bool saga_tried(struct saga *saga, const struct effect *effect) NODISCARD;
/* Prepares a call to somebody else's service: an effect to be put into the call, which the caller
 * then starts. False when there is no memory; then the saga waits already. */
bool saga_try(struct saga *saga, void (*done)(struct effect *effect), struct effect *out_effect)
    NODISCARD;
/* The longest time any waiting caller has left; INT64_MAX when none waits. */
int64_t saga_caller_left_ms(const struct saga *saga);
/* Whether callers wait, none of which has the time left that money needs. */
bool saga_is_too_late(const struct saga *saga);
/* "<order id>.<attempt>.ship" in the try's arena; NULL when out of memory. */
const char *saga_key(struct saga *saga, struct arena *arena, const char *name);
/* The same with a number: "….confirm.1". */
const char *saga_key_n(struct saga *saga, struct arena *arena, const char *name, int64_t n);

/* ---- saga_commit.c: outcomes ------------------------------------------------------------------ */

/* How the step in work ended: commits it with the next state. THE function steps report by. `cause`
 * is set exactly for SAGA_NOT_DONE of a forward step. */
void saga_verdict(struct saga *saga, enum saga_verdict verdict, const struct error *cause);
/* SAGA_NOT_DONE of a forward step, for a reason of our own. */
void saga_give_up(struct saga *saga, enum reason reason);
/* Commits charge.opened_id as the payment's id; the state stays. */
void saga_write_down(struct saga *saga);
/* Sends the advance whose fate is unknown again; drops the saga when its lease has run out. */
void saga_commit_again(struct saga *saga);
/* Gives the order back to be taken over at once. */
void saga_give_back_now(struct saga *saga);

/* ---- saga_claim.c, saga_join.c, saga_recover.c, saga_lease.c ----------------------------------- */

/* Sends the claim again: its fate is unknown, or the attempt of its key is under way elsewhere. */
void saga_claim_again(struct saga *saga);
/* The same, so much later. */
void saga_claim_later(struct saga *saga, int64_t delay_ms);
/* The claim this ticket asks for. It may outlive its caller, so it has texts of its own; false when
 * the arena is full. */
bool saga_claim_init(struct saga *saga, const struct saga_ticket *ticket) NODISCARD;
/* The claim has found the attempt under way elsewhere: waits for it. */
void saga_join(struct saga *saga);
/* The claim has found that attempt ended: answers all who wait for it. */
void saga_join_end(struct saga *saga);
/* The saga is lost, and callers wait: they wait for whoever drives the order now. */
void saga_join_lost(struct saga *saga);
/* Copies a record with all its texts; false when the arena is full. */
bool saga_record_copy(struct saga_record *out, const struct saga_record *record,
                      struct arena *arena) NODISCARD;
bool failure_copy(struct failure *out, const struct failure *failure, struct arena *arena)
    NODISCARD;
void saga_recover_init(struct saga_driver *driver);
void saga_recover_pass(struct clock_timer *timer);
/* Renews leases from now on, until no saga is left. */
void saga_lease_init(struct saga_driver *driver);
void saga_lease_watch(struct saga_driver *driver);
/* Calls `drained` soon, when that is wished and nothing is left. */
void saga_driver_check_drained(struct saga_driver *driver);

/* ---- saga_ticket.c: who waits ----------------------------------------------------------------- */

void saga_ticket_attach(struct saga *saga, struct saga_ticket *ticket);
/* The ticket, or all of `from`, waits on `to` from now on. */
void saga_ticket_move(struct saga_ticket *ticket, struct saga *to);
void saga_ticket_move_all(struct saga *from, struct saga *to);
/* The state has changed: tickets of an order that is being undone wait for 2 s at most. */
void saga_ticket_arm_all(struct saga *saga);
/* Answers all by the stored state. */
void saga_ticket_answer_all(struct saga *saga);
/* Takes the ticket off its saga and hands it to its owner, answered. */
void saga_ticket_finish(struct saga_ticket *ticket);
/* The same from a function that may not call `done`: as soon as it has returned. */
void saga_ticket_finish_soon(struct saga_driver *driver, struct saga_ticket *ticket);

/* ---- The steps -------------------------------------------------------------------------------- */

typedef void saga_step_fn(struct saga *saga);
saga_step_fn step_reserve, step_release, step_charge, step_refund, step_fulfill, step_recall;
/* The order was taken over, or a new state was entered: what that means for the payment. */
void step_charge_enter(struct saga *saga);
