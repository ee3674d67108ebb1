/* Drives the orders this worker owns through the table: runs the step of the state, commits the
 * outcome with the next state, renews leases, takes over orders whose owner has gone.
 *
 * Invariants: at most one saga per order in this process; at most config.orders_max sagas; no
 * ticket is told an outcome before the commit that makes it so has returned; every ticket is
 * answered exactly once, at its deadline at the latest (with the answer of unknown fate of the
 * stored state). Not thread safe: one driver a worker, all calls on its loop. */
#pragma once

#include "base/limit.h"
#include "domain/idempotency.h"
#include "domain/order.h"
#include "port/clock.h"
#include "port/fulfillment.h"
#include "port/inventory.h"
#include "port/payment.h"
#include "port/random.h"
#include "port/saga_store.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* saga.md "Time"; milliseconds. */
struct saga_config {
    int32_t try_timeout_ms;
    int64_t lease_ms;
    int64_t forward_ms;
    int64_t fulfill_ms;
    int64_t undo_ms;
    uint32_t
        orders_max; /* sagas in flight of this driver: so many for callers, so many taken over */
};

/* One line of the log and of the metrics; sent after the commit has returned. */
struct saga_transition {
    const struct uuid *order_id;
    int32_t attempt;
    int64_t revision;
    enum order_state from, to;
    enum step_kind step;
    enum step_outcome outcome;
    int32_t tries;
    int64_t duration_ms; /* of the step */
    enum reason reason;  /* of a failure; REASON_NONE */
};
struct saga_observer {
    void (*on_transition)(struct saga_observer *observer, const struct saga_transition *transition);
    /* Orders whose owner had gone are this driver's now. May be NULL. */
    void (*on_taken_over)(struct saga_observer *observer, uint32_t count);
};

/* Everything a driver works with; borrowed, must outlive it. inventory NULL: the built-in one. */
struct saga_ports {
    struct saga_store *store;
    struct payment *payment;
    struct fulfillment *fulfillment;
    struct inventory *inventory;
    struct clock *clock;
    struct random_source *random;
    struct saga_observer *observer; /* NULL: nobody looks */
    struct limit *callers_orders;   /* sagas for callers, of all drivers; NULL: this one is alone */
};

/* A caller that waits for an attempt to end. The caller of this owns it until `done`. */
struct saga_ticket {
    /* in */
    struct uuid order_id;
    const char *caller;
    const char *payment_method;
    const struct idempotency *idempotency;
    struct arena *arena;  /* for results */
    int64_t answer_by_ms; /* clock_now_ms scale: when the answer must have left, margin included */
    int64_t deadline_ms;  /* the caller's own deadline; decides DEADLINE_TOO_SHORT */
    bool order_is_new;    /* PlaceOrder made it just now (metadata orderId is set on every error) */
    void (*done)(struct saga_ticket *ticket);
    /* out */
    struct error err;    /* STATUS_OK: the confirmation below is set */
    struct order *order; /* in arena, of OK: id, total, payment_id, shipment_id, fulfill_time_us */
    bool replayed;
    /* of the driver */
    LIST_ENTRY(saga_ticket) link;
    struct saga *saga;
    struct uuid claim_token; /* of its claim: by it the attempt it began is found again */
    struct clock_timer timer;
};

struct saga_driver;

/* NULL when out of memory. Takes no order by itself until saga_driver_recover() was called. */
struct saga_driver *saga_driver_new(const struct saga_config *config,
                                    const struct saga_ports *ports);
/* Only when saga_driver_count() is 0 or the process ends: sagas in flight are dropped (their leases
 * run out and another owner continues). Tickets must have been answered. */
void saga_driver_free(struct saga_driver *driver);

/* ProcessOrder: claims the order and drives it; answers the ticket. TOO_MANY_ORDERS beyond the
 * limit, SHUTTING_DOWN while draining. */
void saga_driver_process(struct saga_driver *driver, struct saga_ticket *ticket);

/* A wish to cancel the order has been stored. If this driver has the order it sees the wish now instead
 * of with its next commit or lease renewal; otherwise nothing happens. */
void saga_driver_notice_cancel(struct saga_driver *driver, const struct uuid *order_id);

/* Starts (or stops) the recovery pass: due orders are taken over every second, at most 100 at a
 * time. They have room of their own: callers who come all the time keep none of them waiting. */
void saga_driver_recover(struct saga_driver *driver, bool on);

/* From now on nothing is claimed. Orders that callers wait for go on until these are answered; those
 * nobody waits for are given back, at once when they have no effect in flight, otherwise when its
 * outcome is committed. `drained` (may be NULL) is called once, when none is left. */
void saga_driver_drain(struct saga_driver *driver, void (*drained)(void *arg), void *arg);

/* Sagas in flight. */
uint32_t saga_driver_count(const struct saga_driver *driver);
