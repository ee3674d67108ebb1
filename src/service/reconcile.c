/* A run, step by step. What differs is decided by the store, what a page says by the client. */
#include "service/reconcile.h"

#include "base/limits.h"

#include <assert.h>
#include <string.h>

enum {
    STORE_MS = 10000,
    LIST_MS = 30000,
    SETTLED_MS = 10000, /* and the time since the page was asked for: an order rested before */
    CLOCKS_APART_S = 10 * 60, /* the provider's and the database's, at most */
};

static void begin_list(struct reconcile *reconcile);
static void begin_check(struct reconcile *reconcile);
static void begin_finish(struct reconcile *reconcile);

/* ------------------------------------------------------------------------------------- steps */

static int64_t now_ms(const struct reconcile *reconcile)
{
    return clock_now_ms(reconcile->ports.clock);
}

static void drop_step(struct reconcile *reconcile)
{
    arena_free(reconcile->arena);
    reconcile->arena = NULL;
}

/* Back to waiting, whatever the run has come to. */
static void end_run(struct reconcile *reconcile)
{
    const int64_t every_ms = MAX_OF(reconcile->config.every_ms, RECONCILE_ASK_MS_MIN);
    const int64_t most_ms = MIN_OF(every_ms, RECONCILE_ASK_MS);

    drop_step(reconcile);
    payment_set_deinit(&reconcile->seen);
    reconcile->state = RECONCILE_WAITING;
    clock_timer_start(reconcile->ports.clock, &reconcile->timer,
                      most_ms / 2 +
                          random_below(reconcile->ports.random, (uint32_t)most_ms / 2 + 1));
}

static void fail_run(struct reconcile *reconcile, const struct error *err)
{
    reconcile->ports.observer->on_failed(reconcile->ports.observer, err);
    end_run(reconcile);
}

static void fail_run_by(struct reconcile *reconcile, enum reason reason)
{
    struct error err = {0};

    error_set(&err, reason);
    fail_run(reconcile, &err);
}

/* New memory for a step. False: the run has ended. */
static bool enter(struct reconcile *reconcile, enum reconcile_state state)
{
    drop_step(reconcile);
    reconcile->arena = arena_new(LIMIT_ARENA_SIZE);
    if (reconcile->arena == NULL) {
        fail_run_by(reconcile, REASON_OUT_OF_MEMORY);
        return false;
    }
    reconcile->state = state;
    return true;
}

static struct store_call store_call(struct reconcile *reconcile,
                                    void (*done)(struct store_call *call))
{
    return (struct store_call){
        .arena = reconcile->arena, .deadline_ms = now_ms(reconcile) + STORE_MS, .done = done};
}

/* Whether an answer of the store is of use; if not, it has been dealt with. */
static bool came_home(struct reconcile *reconcile, const struct store_call *call)
{
    if (reconcile->state == RECONCILE_OFF) {
        drop_step(reconcile);
        payment_set_deinit(&reconcile->seen);
        return false;
    }
    if (error_is_set(&call->err)) {
        fail_run(reconcile, &call->err);
        return false;
    }
    return true;
}

static void tell(struct reconcile *reconcile, const struct difference *difference)
{
    struct reconcile_observer *observer = reconcile->ports.observer;

    assert(difference->kind < DIFFERENCE_KIND_COUNT);
    reconcile->counts[difference->kind]++;
    if (reconcile->told_count++ < RECONCILE_TOLD_MAX)
        observer->on_difference(observer, difference);
}

/* -------------------------------------------------------------------------------------- taking */

static void on_taken(struct store_call *call)
{
    struct reconcile *reconcile = CONTAINER_OF(call, struct reconcile, take.call);

    if (!came_home(reconcile, call))
        return;
    if (!reconcile->take.taken) {
        end_run(reconcile);
        return;
    }
    if (!payment_set_init(&reconcile->seen, RECONCILE_PAYMENTS_MAX)) {
        fail_run_by(reconcile, REASON_OUT_OF_MEMORY);
        return;
    }
    reconcile->since_s = reconcile->take.now_s - reconcile->config.back_ms / 1000;
    begin_list(reconcile);
}

static void on_time(struct clock_timer *timer)
{
    struct reconcile *reconcile = CONTAINER_OF(timer, struct reconcile, timer);

    assert(reconcile->state == RECONCILE_WAITING);
    reconcile->began_ms = now_ms(reconcile);
    reconcile->after_id[0] = '\0';
    reconcile->after_order = (struct uuid){{0}};
    reconcile->payment_count = 0;
    reconcile->told_count = 0;
    memset(reconcile->counts, 0, sizeof(reconcile->counts));
    if (!enter(reconcile, RECONCILE_TAKING))
        return;
    reconcile->take = (struct reconcile_take){
        .call = store_call(reconcile, on_taken),
        .every_ms = reconcile->config.every_ms,
    };
    reconcile->ports.store->ops->take(reconcile->ports.store, &reconcile->take);
}

/* ------------------------------------------------------------------------- listing and comparing */

static void on_compared(struct store_call *call)
{
    struct reconcile *reconcile = CONTAINER_OF(call, struct reconcile, compare.call);

    if (!came_home(reconcile, call))
        return;
    for (uint32_t i = 0; i < reconcile->compare.difference_count; i++)
        tell(reconcile, &reconcile->compare.differences[i]);
    if (reconcile->list.has_more)
        begin_list(reconcile);
    else
        begin_check(reconcile);
}

/* Those of our orders come first in the array; how many they are. */
static uint32_t keep_ours(struct payment_listed *payments, uint32_t count)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (!uuid_is_zero(&payments[i].order_id))
            payments[kept++] = payments[i];
    }
    return kept;
}

/* False: there are too many. */
static bool note_page(struct reconcile *reconcile, const struct payment_list_call *list)
{
    const char *last_id = list->count == 0 ? "" : list->payments[list->count - 1].id;

    reconcile->payment_count += list->count;
    if (reconcile->payment_count > RECONCILE_PAYMENTS_MAX ||
        strlen(last_id) >= sizeof(reconcile->after_id))
        return false;
    for (uint32_t i = 0; i < list->count; i++)
        payment_set_add(&reconcile->seen, list->payments[i].id);
    memcpy(reconcile->after_id, last_id, strlen(last_id) + 1);
    return true;
}

static void begin_compare(struct reconcile *reconcile)
{
    struct payment_list_call *list = &reconcile->list;

    reconcile->state = RECONCILE_COMPARING;
    reconcile->compare = (struct reconcile_compare){
        .call = store_call(reconcile, on_compared),
        .payments = list->payments,
        .count = keep_ours(list->payments, list->count),
        .settled_ms = SETTLED_MS + now_ms(reconcile) - reconcile->asked_ms,
    };
    if (reconcile->compare.count > 0)
        reconcile->ports.store->ops->compare(reconcile->ports.store, &reconcile->compare);
    else if (list->has_more)
        begin_list(reconcile);
    else
        begin_check(reconcile);
}

static void on_listed(struct effect *effect)
{
    struct reconcile *reconcile = CONTAINER_OF(effect, struct reconcile, list.effect);
    struct error err = {0};

    if (reconcile->state == RECONCILE_OFF) {
        drop_step(reconcile);
        payment_set_deinit(&reconcile->seen);
        return;
    }
    if (effect->result != EFFECT_DONE) {
        fail_run(reconcile, &effect->err);
        return;
    }
    if (!note_page(reconcile, &reconcile->list)) {
        error_setf(&err, REASON_PAYMENT_UNAVAILABLE,
                   "there are more than %d payments to be compared: look back for less",
                   RECONCILE_PAYMENTS_MAX);
        fail_run(reconcile, &err);
        return;
    }
    begin_compare(reconcile);
}

static void begin_list(struct reconcile *reconcile)
{
    if (!enter(reconcile, RECONCILE_LISTING))
        return;
    reconcile->asked_ms = now_ms(reconcile);
    reconcile->list = (struct payment_list_call){
        .effect = {.arena = reconcile->arena, .timeout_ms = LIST_MS, .done = on_listed},
        .since_s = reconcile->since_s,
        .after_id = reconcile->after_id[0] == '\0' ? NULL : reconcile->after_id,
    };
    reconcile->ports.payments->ops->page(reconcile->ports.payments, &reconcile->list);
}

/* ------------------------------------------------------------------------------------ checking */

static void on_checked(struct store_call *call)
{
    struct reconcile *reconcile = CONTAINER_OF(call, struct reconcile, orders.call);
    const struct reconcile_orders *orders = &reconcile->orders;

    if (!came_home(reconcile, call))
        return;
    for (uint32_t i = 0; i < orders->count; i++) {
        const struct reconcile_order *order = &orders->orders[i];
        if (order->payment_id != NULL && !payment_set_has(&reconcile->seen, order->payment_id))
            tell(reconcile, &(struct difference){.kind = DIFFERENCE_MISSING,
                                                 .order_id = order->id,
                                                 .payment_id = order->payment_id});
    }
    if (orders->count < orders->limit) {
        begin_finish(reconcile);
        return;
    }
    reconcile->after_order = orders->orders[orders->count - 1].id;
    begin_check(reconcile);
}

/* Orders that rested before the first page was asked for, and are so young that their payments must have
 * been listed. */
static void begin_check(struct reconcile *reconcile)
{
    if (!enter(reconcile, RECONCILE_CHECKING))
        return;
    reconcile->orders = (struct reconcile_orders){
        .call = store_call(reconcile, on_checked),
        .after_id = reconcile->after_order,
        .since_s = reconcile->since_s + CLOCKS_APART_S,
        .settled_ms = SETTLED_MS + now_ms(reconcile) - reconcile->began_ms,
        .limit = RECONCILE_ORDERS_PER_PAGE,
    };
    reconcile->ports.store->ops->orders(reconcile->ports.store, &reconcile->orders);
}

/* ----------------------------------------------------------------------------------- finishing */

static void on_finished(struct store_call *call)
{
    struct reconcile *reconcile = CONTAINER_OF(call, struct reconcile, finish.call);
    struct reconcile_observer *observer = reconcile->ports.observer;

    if (!came_home(reconcile, call))
        return;
    observer->on_finished(observer, reconcile->payment_count, reconcile->counts);
    end_run(reconcile);
}

static void begin_finish(struct reconcile *reconcile)
{
    if (!enter(reconcile, RECONCILE_FINISHING))
        return;
    reconcile->finish = (struct reconcile_finish){.call = store_call(reconcile, on_finished)};
    memcpy(reconcile->finish.counts, reconcile->counts, sizeof(reconcile->counts));
    reconcile->ports.store->ops->finish(reconcile->ports.store, &reconcile->finish);
}

/* ---------------------------------------------------------------------------------------- life */

void reconcile_start(struct reconcile *reconcile)
{
    if (reconcile->config.every_ms > 0 && reconcile->state == RECONCILE_OFF &&
        reconcile->arena == NULL)
        end_run(reconcile); /* waits for the first */
}

void reconcile_stop(struct reconcile *reconcile)
{
    if (reconcile->state == RECONCILE_WAITING)
        clock_timer_stop(reconcile->ports.clock, &reconcile->timer);
    reconcile->state = RECONCILE_OFF;
}

void reconcile_init(struct reconcile *reconcile, const struct reconcile_config *config,
                    const struct reconcile_ports *ports)
{
    *reconcile = (struct reconcile){
        .config = *config, .ports = *ports, .timer.on_time = on_time, .state = RECONCILE_OFF};
}

void reconcile_deinit(struct reconcile *reconcile)
{
    if (reconcile->ports.clock != NULL)
        reconcile_stop(reconcile);
    drop_step(reconcile);
    payment_set_deinit(&reconcile->seen);
}
