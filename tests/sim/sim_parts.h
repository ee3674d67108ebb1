/* The parts of a world, as they see each other. */
#pragma once

#include "sim_world.h"

/* sim_db.c: what the functions of src/store/sql do, a row at a time. */
void sim_db_init(struct sim_world *world);
struct sim_order *sim_db_find(struct sim_world *world, const struct uuid *id);
struct sim_key *sim_db_key(struct sim_world *world, const struct idempotency *key);
static inline struct sim_attempt *sim_db_attempt(const struct sim_order *order)
{
    return order->attempt == 0 ? NULL : &order->attempts[order->attempt - 1];
}
/* How much of the product its lines want together. */
int64_t sim_order_quantity(const struct sim_order *order, const char *product_id);
void sim_db_create(struct sim_world *world, struct order_create *create);
void sim_db_get(struct sim_world *world, struct order_get *get);
void sim_db_wish(struct sim_world *world, struct order_cancel *cancel);
void sim_db_claim(struct sim_world *world, struct saga_claim *claim);
void sim_db_advance(struct sim_world *world, struct saga_advance *advance);
void sim_db_renew(struct sim_world *world, struct saga_renew *renew);
void sim_db_take_due(struct sim_world *world, struct saga_take_due *take);
void sim_db_give_back(struct sim_world *world, struct saga_give_back *give_back);

/* sim_store.c, sim_payment.c, sim_fulfillment.c, sim_inventory.c: the ports of a worker. */
void sim_store_init(struct sim_worker *worker);
void sim_payment_init(struct sim_worker *worker);
void sim_fulfillment_init(struct sim_worker *worker);
void sim_inventory_init(struct sim_worker *worker);

/* sim_provider.c: what calls to all providers have in common. */
struct sim_exchange {
    struct sim_message message;
    struct effect *effect; /* of the worker */
    struct sim_order *order;
    int32_t attempt;
    const char *key;
    /* What the provider says, when it has acted. */
    enum effect_result result;
    enum reason reason;
    int32_t retry_after_ms;
};
/* Sends; `exchange` is in the world's memory and its callbacks are set. */
void sim_exchange_send(struct sim_worker *worker, struct sim_exchange *exchange,
                       struct effect *effect);
/* Ends the worker's call with what is known of it. */
void sim_exchange_end(struct sim_exchange *exchange);
/* The order and attempt of "<order id>.<attempt>.<name>". */
struct sim_order *sim_order_of_key(struct sim_world *world, const char *key, int32_t *out_attempt);

/* sim_worker.c */
void sim_worker_init(struct sim_worker *worker, struct sim_world *world, unsigned index);
void sim_worker_deinit(struct sim_worker *worker);
/* Runs `run` as the worker's own code, which may crash in it. */
void sim_worker_run(struct sim_worker *worker, void (*run)(void *arg), void *arg);
/* It dies now, outside of its own code; another takes its place a little later. */
void sim_worker_crash(struct sim_worker *worker, const char *point);
/* Whether one dies at the point of that name; `where` is its end. */
bool sim_dies_at(struct sim_world *world, const char *name, const char *where);
/* A place where it may die, inside of its own code. */
void sim_point(struct sim_worker *worker, enum sim_op op, const char *where);
void sim_worker_drain(struct sim_worker *worker);
void sim_worker_sleep(struct sim_worker *worker, int64_t ms, bool is_suspended);
/* True time of its next timer; INT64_MAX. */
int64_t sim_worker_next_ms(const struct sim_worker *worker);
void sim_worker_turn(struct sim_worker *worker);
static inline bool sim_worker_is_asleep(const struct sim_worker *worker)
{
    return worker->asleep_until_ms > worker->world->now_ms;
}
static inline int64_t sim_worker_now_ms(const struct sim_worker *worker)
{
    return worker->world->now_ms + worker->offset_ms;
}

/* sim_caller.c */
void sim_clients_init(struct sim_world *world);
/* When all rests: every key that was answered for good is sent once more. */
void sim_clients_ask_again(struct sim_world *world);
/* The worker has died: its calls are not answered any more, its watches are stopped; then, when nothing
 * refers to them, they go. */
void sim_calls_lost(struct sim_worker *worker);
void sim_calls_forget(struct sim_worker *worker);
/* No call waits longer than its deadline. */
void sim_calls_check(struct sim_world *world);

/* sim_watcher.c: somebody watches the order, at that worker. */
void sim_watch_start(struct sim_worker *worker, struct sim_order *order);
void sim_watches_stop(struct sim_worker *worker);

/* sim_check.c */
void sim_check_money(struct sim_world *world, struct sim_order *order);
void sim_check_edge(struct sim_world *world, const struct sim_order *order, enum order_state from,
                    enum order_state to);
/* An effect is tried now by that worker: it must be the one the stored state names. */
void sim_check_effect(struct sim_worker *worker, enum sim_op op, struct sim_order *order,
                      int32_t attempt, const char *key, const char *payment_id);
void sim_check_stock(struct sim_world *world);
void sim_check_at_rest(struct sim_world *world);

/* What was answered to a call of ProcessOrder or PlaceOrder, or of another method. */
struct sim_answer {
    enum sim_method method;
    const struct call *call;
    struct sim_order *order; /* what it is about; NULL: none */
    const char *request_id;  /* "": without a key */
    bool is_late;            /* after its deadline, though its worker never slept */
};
void sim_check_answer(struct sim_world *world, const struct sim_answer *answer);
