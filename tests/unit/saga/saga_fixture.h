/* A driver over fakes, an order, callers, and one ledger of all that happened. */
#pragma once

#include "fake/fake_clock.h"
#include "fake/fake_fulfillment.h"
#include "fake/fake_inventory.h"
#include "fake/fake_payment.h"
#include "fake/fake_random.h"
#include "fake/fake_saga_store.h"
#include "saga/saga_driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
    CALLERS_MAX = 130,
    TRANSITIONS_MAX = 64,
    ORDERS_MAX = 110
};

struct caller {
    struct saga_ticket ticket;
    struct idempotency key;
    struct fixture *fixture;
    unsigned done_count;
};

struct fixture {
    struct fake_clock clock;
    struct fake_random random;
    struct fake_ledger ledger;
    struct fake_saga_store store;
    struct fake_payment payment;
    struct fake_fulfillment fulfillment;
    struct fake_inventory inventory;
    struct saga_driver *driver;
    struct limit callers_orders;
    struct saga_observer observer;
    struct saga_transition transitions[TRANSITIONS_MAX]; /* the first ones */
    unsigned transition_count;
    uint32_t taken_over_count;
    struct arena *arena;
    struct fake_order *order; /* the one most tests are about */
    struct caller callers[CALLERS_MAX];
    unsigned caller_count;
    bool drained;
    bool is_remote;
    uint64_t seed; /* of a test of chance */
};

int fixture_setup(void **state);        /* the built-in inventory */
int fixture_setup_remote(void **state); /* somebody else's */
int fixture_teardown(void **state);
/* The driver's process dies, and another takes its place. */
void fixture_new_driver(struct fixture *fixture);

/* Calls ProcessOrder with that much time; the answer leaves 5 % earlier. request_id may be NULL. */
struct caller *fixture_call_order(struct fixture *fixture, struct fake_order *order,
                                  int64_t deadline_ms, const char *request_id);
struct caller *fixture_call(struct fixture *fixture, int64_t deadline_ms);
/* The order as a dead owner leaves it, in its first attempt, with everything an order can have; in a
 * backward state with a payment that is still open. Due at once. */
void fixture_leave(struct fixture *fixture, enum order_state order_state);
/* Time passes. */
void fixture_run(struct fixture *fixture, int64_t ms);

/* The caller has been answered, exactly once, so. REASON_NONE: with a confirmation. */
void assert_answered(const struct caller *caller, enum reason reason);
void assert_waiting(const struct caller *caller);
const char *answer_metadata(const struct caller *caller, const char *key);
bool answer_names_order(const struct caller *caller);

/* What an order that has come to rest leaves behind: money, shipment, stock. */
void assert_left(const struct fixture *fixture, enum order_state state, unsigned payments_held,
                 unsigned shipments_live, unsigned stock_taken);
/* These lines are in the ledger, in this order (others may stand between them). NULL ends. */
void assert_in_order(const struct fixture *fixture, const char *const *lines);
unsigned ledger_count(const struct fixture *fixture, const char *prefix);
