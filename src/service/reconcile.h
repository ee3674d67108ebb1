/* Reconciliation: orders compared with the payments their provider knows of, every so often, by one
 * replica at a time.
 *
 *   WAITING --time--> TAKING --the run is ours--> LISTING <--more--> COMPARING
 *      ^                 | not ours                                      | all pages
 *      |<----------------'                                               v
 *      '<--- FINISHING <--- all orders --- CHECKING (orders without their payment; page by page)
 *
 * A run looks back for so long, newest payments first. One that fails on the way, or meets more payments
 * than PAYMENTS_MAX, tells nothing: the gauges and the time of the last run stay as they were. It changes
 * nothing but that; what to do about a difference is a person's to decide.
 *
 * Belongs to its loop. Runs are asked for more often than they are due, since a replica may not live so
 * long. */
#pragma once

#include "port/clock.h"
#include "port/random.h"
#include "port/reconcile_store.h"
#include "service/payment_set.h"

enum {
    RECONCILE_ASK_MS_MIN = 1000,
    RECONCILE_ASK_MS = 60 * 1000,
    RECONCILE_PAYMENTS_MAX = 100 * 1000,
    RECONCILE_ORDERS_PER_PAGE = 1000,
    RECONCILE_TOLD_MAX = 100, /* differences told one by one, of a run */
};

struct reconcile_observer {
    void (*on_difference)(struct reconcile_observer *observer, const struct difference *difference);
    /* A run has ended, its outcome is stored. */
    void (*on_finished)(struct reconcile_observer *observer, uint32_t payment_count,
                        const int64_t counts[DIFFERENCE_KIND_COUNT]);
    void (*on_failed)(struct reconcile_observer *observer, const struct error *err);
};

struct reconcile_config {
    int64_t every_ms; /* 0: never */
    int64_t back_ms;
};
/* Borrowed. */
struct reconcile_ports {
    struct reconcile_store *store;
    struct payment_list *payments;
    struct clock *clock;
    struct random_source *random;
    struct reconcile_observer *observer;
};

enum reconcile_state {
    RECONCILE_OFF,
    RECONCILE_WAITING,
    RECONCILE_TAKING,
    RECONCILE_LISTING,
    RECONCILE_COMPARING,
    RECONCILE_CHECKING,
    RECONCILE_FINISHING,
};

struct reconcile {
    struct reconcile_config config;
    struct reconcile_ports ports;
    enum reconcile_state state;
    struct clock_timer timer;
    /* Of a step: what it asks for, and the memory of its answer. */
    struct arena *arena;
    struct reconcile_take take;
    struct payment_list_call list;
    struct reconcile_compare compare;
    struct reconcile_orders orders;
    struct reconcile_finish finish;
    /* Of a run. */
    int64_t since_s, began_ms;
    int64_t asked_ms; /* when the page was asked for */
    char after_id[256];
    struct uuid after_order;
    struct payment_set seen;
    uint32_t payment_count, told_count;
    int64_t counts[DIFFERENCE_KIND_COUNT];
};

void reconcile_init(struct reconcile *reconcile, const struct reconcile_config *config,
                    const struct reconcile_ports *ports);
/* When nothing of it is with the store or the provider any more. */
void reconcile_deinit(struct reconcile *reconcile);

void reconcile_start(struct reconcile *reconcile);
/* The run at hand is dropped; what is out comes home without effect. */
void reconcile_stop(struct reconcile *reconcile);
