/* The simulation of the order flow: the real services, saga and retry over fakes of every port, in
 * virtual time, from one seed.
 *
 *            clients                  workers (three rivals)               what outlives them
 *   sim_caller: create, place,   sim_worker: saga_driver, service,    sim_db: orders, attempts, events,
 *   process, repeat, cancel,     watches, clock; it crashes, sleeps,  keys, stock, as src/store/sql does
 *   watch; knows what it was     is drained, and is replaced          sim_payment, sim_fulfillment,
 *   told                                    |        |                sim_inventory: the others' books
 *        '---------- calls -----------------'        '--- messages (sim_message), each with a fate
 *                                                         drawn when it is sent (sim_faults)
 *
 * A world has a seed, its orders and one queue of events. A message is on its way to the database or to
 * a provider, does there what it is for, once, twice, late or never, and its answer comes back or not.
 * A crash frees all that a worker has (from any fault point of src/saga and src/service, by longjmp, or
 * while a message of it is under way); what it has sent still arrives. Every choice is drawn from the
 * seed, and nothing depends on addresses or on the time of day: the same seed is the same run.
 *
 * Faults happen until `calm_ms`; then the world is left alone until every order must have come to rest
 * (V6), and sim_check compares the books. What must hold at every moment is checked at that moment: the
 * first violation prints the seed and ends the process. What was exercised is counted in sim_coverage.
 *
 * Not here: SQL, HTTP and gRPC, which tests/integration and tests/client have; nor threads, since a
 * worker is one loop. */
#pragma once

#include "base/arena.h"
#include "base/limits.h"
#include "base/macros.h"
#include "domain/order.h"
#include "port/clock.h"
#include "port/random.h"
#include "runtime/timer_heap.h"
#include "saga/saga_driver.h"
#include "service/order_watch.h"
#include "service/service.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct sim_coverage;
struct sim_world;
struct sim_profile;

enum {
    SIM_WORKERS = 3,
    SIM_PRODUCTS = 3,
    SIM_WORLD_BYTES = 256 * 1024 * 1024,
    SIM_UNIX_S = 1700000000,
};

/* ---- What is asked of others ---------------------------------------------------------------- */

/* Operations of the store, then those of the providers. */
enum sim_op {
    SIM_CREATE,
    SIM_GET,
    SIM_WISH,
    SIM_CLAIM,
    SIM_ADVANCE,
    SIM_RENEW,
    SIM_TAKE_DUE,
    SIM_GIVE_BACK,
    SIM_OPEN,
    SIM_CONFIRM,
    SIM_LOOK,
    SIM_CANCEL,
    SIM_REFUND,
    SIM_LOOK_REFUNDS,
    SIM_SHIP,
    SIM_RECALL,
    SIM_RESERVE,
    SIM_RELEASE,
    SIM_OP_COUNT
};
enum {
    SIM_STORE_OPS = SIM_OPEN
};
static inline bool sim_op_is_store(enum sim_op op)
{
    return op < SIM_OPEN;
}
const char *sim_op_name(enum sim_op op);

/* ---- The database --------------------------------------------------------------------------- */

struct sim_key {
    const char *caller, *method, *request_id;
    uint8_t hash[IDEMPOTENCY_HASH_SIZE];
    struct uuid order_id;
};

struct sim_attempt {
    int32_t attempt;
    struct uuid claim_token;
    int64_t claim_generation;
    const char *method, *request_id; /* NULL without a key */
    const char *payment_method;
    int64_t forward_until_ms, fulfill_until_ms, undo_since_ms; /* INT64_MAX, -1: none */
    int32_t tries;
    const char *payment_id, *shipment_id;
    struct failure failure;
    bool invites_retry;
    enum order_state outcome; /* UNSPECIFIED while somebody works on it */
    int64_t fulfill_time_us;
    /* For the checks: the greatest number of the keys of an operation, who used it, and whether a look
     * has shown since that it did not happen. */
    int64_t key_n[SIM_OP_COUNT], key_generation[SIM_OP_COUNT];
    bool looked[SIM_OP_COUNT];
};

struct sim_order {
    struct order order; /* id, caller, customer, lines, address, total, create_time */
    uint32_t index;
    enum order_state state;
    int64_t revision;
    int32_t attempt, attempts_used;
    int64_t generation, lease_until_ms;
    bool cancel_wished;
    struct uuid advance_token;
    struct sim_attempt *attempts; /* attempts[0] is number 1 */
    uint32_t attempt_room;
    struct order_event *events;
    uint32_t event_count, event_room;
    int64_t update_time_us;
    unsigned advance_refusals; /* so many advances will be refused for certain */
    unsigned refused_count;    /* so many were */
    bool cancel_told;          /* CancelOrder was answered OK, and did not find it FULFILLED */
    bool has_left;             /* went from RECALLING to FULFILLED */
    unsigned held;             /* payments kept just now */
    struct uuid *joined;       /* tokens of claims that were told to join */
    uint32_t joined_count, joined_room;
};

struct sim_product {
    const char *id;
    int64_t price_minor;
    int64_t stock_first, available;    /* built-in */
    int64_t remote_first, remote_left; /* somebody else's */
    bool is_deleted;
};

struct sim_db {
    struct sim_order **orders;
    uint32_t order_count, order_room;
    struct sim_key *keys;
    uint32_t key_count, key_room;
    struct sim_product products[SIM_PRODUCTS];
    int64_t offset_ms;     /* of its clock against true time */
    int64_t down_until_ms; /* nothing gets through */
};

/* ---- The others' books ---------------------------------------------------------------------- */

struct sim_payment_row {
    uint32_t order_index;
    int32_t attempt;
    struct money amount;
    enum payment_status status;
    enum refund_status refund;
    unsigned confirmed_count;
    bool was_flipped; /* by somebody else */
};

struct sim_stored_answer { /* under an idempotency key of the payment provider */
    const char *key;
    uint32_t hash;
    int64_t time_ms;
    enum effect_result result;
    enum reason reason;
    uint32_t payment; /* number of the row */
    enum payment_status status;
    enum refund_status refund;
};

struct sim_shipment {
    const char *request_id;
    uint32_t order_index;
    int32_t attempt;
    bool is_barred; /* cancelled: none exists and none can come to be */
    bool exists, has_left;
};

struct sim_reservation {
    const char *id;
    uint32_t order_index;
    bool is_held, is_barred;
};

struct sim_books {
    struct sim_payment_row *payments;
    uint32_t payment_count, payment_room;
    struct sim_stored_answer *answers;
    uint32_t answer_count, answer_room;
    struct sim_shipment *shipments;
    uint32_t shipment_count, shipment_room;
    struct sim_reservation *reservations;
    uint32_t reservation_count, reservation_room;
};

/* ---- Messages ------------------------------------------------------------------------------- */

struct sim_fate {
    int64_t arrive_ms, again_ms; /* from now; -1: never */
    int64_t answer_ms;           /* from now */
    int kind;                    /* enum sim_fate_kind of sim_faults.h */
    const char *sqlstate;        /* of the store; NULL: none */
    bool crash_when_acted;
};

/* Something under way to the database or to a provider, and back. */
struct sim_message {
    struct clock_timer arrive, again, answer;
    struct sim_world *world;
    struct sim_worker *worker; /* who waits for the answer; NULL: nobody any more */
    LIST_ENTRY(sim_message) link;
    enum sim_op op;
    struct sim_fate fate;
    unsigned pending; /* of the three */
    bool has_acted;
    void (*on_arrive)(struct sim_message *message); /* does it, notes the result */
    void (*on_answer)(struct sim_message *message); /* tells who waits */
};
LIST_HEAD(sim_message_list, sim_message);

/* Sends it: from now on it belongs to the world. */
void sim_message_send(struct sim_worker *worker, struct sim_message *message);

/* ---- Workers -------------------------------------------------------------------------------- */

struct sim_call;
struct sim_watch;

struct sim_worker {
    struct clock clock;
    struct saga_store saga_store;
    struct order_store order_store;
    struct payment payment;
    struct fulfillment fulfillment;
    struct inventory inventory;
    struct saga_observer observer;
    struct sim_world *world;
    unsigned index;
    unsigned incarnation, sleeps;
    struct timer_heap timers; /* by its own clock */
    int64_t offset_ms;        /* of its clock against true time */
    int64_t asleep_until_ms;  /* true time; 0: awake */
    bool is_suspended;        /* asleep, and its clock stands still */
    bool is_running, is_draining;
    struct saga_driver *driver;
    struct service service;
    struct sim_message_list messages;
    LIST_HEAD(, sim_call) calls;
    LIST_HEAD(, sim_watch) watches;
    struct clock_timer restart; /* of the world's events */
};

/* ---- Clients -------------------------------------------------------------------------------- */

enum sim_method {
    SIM_METHOD_CREATE,
    SIM_METHOD_PROCESS,
    SIM_METHOD_PLACE,
    SIM_METHOD_CANCEL,
    SIM_METHOD_GET,
    SIM_METHOD_COUNT
};

struct sim_client;

/* ---- The world ------------------------------------------------------------------------------ */

struct sim_world {
    uint64_t seed;
    bool is_told; /* every event is printed */
    struct random_source random;
    uint64_t random_state;
    int64_t now_ms, calm_ms;
    int64_t last_time_jump_ms; /* how much longer leases may last for clocks set back */
    struct timer_heap events;
    struct arena *memory;
    const struct sim_profile *profile;
    bool is_remote;
    bool is_clock_true; /* nobody sleeps and no clock jumps, so that leases can be relied on */
    bool honours_keys, keys_expire;
    enum sim_op focus; /* fails more often than others */
    struct saga_config config;
    struct sim_db db;
    struct sim_books books;
    struct sim_worker workers[SIM_WORKERS];
    struct sim_client *clients;
    uint32_t client_count;
    struct sim_coverage *coverage;
    int64_t provider_down_until_ms[SIM_OP_COUNT];
    bool provider_down_is_unknown[SIM_OP_COUNT];
    int64_t breaker_until_ms;   /* of the shipping service */
    const char *doom;           /* the crash point where workers die most; NULL: none */
    struct clock_timer trouble; /* the next of what befalls the world by itself */
};

/* One world from its seed to its end; returns the number of orders it had. Ends the process at the first
 * violation. */
unsigned sim_world_run(uint64_t seed, bool is_told, struct sim_coverage *coverage);

static inline bool sim_is_calm(const struct sim_world *world)
{
    return world->now_ms >= world->calm_ms;
}
static inline int64_t sim_db_now_ms(const struct sim_world *world)
{
    return world->now_ms + world->db.offset_ms;
}

/* Chance, all of it from the seed. */
uint64_t sim_random(struct sim_world *world);
uint32_t sim_below(struct sim_world *world, uint32_t bound);
bool sim_chance(struct sim_world *world, uint32_t per_mille);
int64_t sim_between(struct sim_world *world, int64_t low, int64_t high);

/* Memory that lives as long as the world; never NULL. */
void *sim_alloc(struct sim_world *world, size_t size);
const char *sim_text(struct sim_world *world, const char *text); /* NULL gives NULL */
/* Room for one more in a growing array of the world. */
void *sim_grow(struct sim_world *world, void *array, uint32_t count, uint32_t *room, size_t size);

/* An event of the world. */
void sim_at(struct sim_world *world, struct clock_timer *timer, int64_t delay_ms);

/* One line of what happens, when that is wished. */
void sim_tell(const struct sim_world *world, const char *format, ...) PRINTF_LIKE(2, 3);
/* A violation: prints the seed and what is wrong, and ends the process. */
void sim_fail(const struct sim_world *world, const char *invariant, const char *format, ...)
    PRINTF_LIKE(3, 4) __attribute__((noreturn));
