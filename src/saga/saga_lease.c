/* Leases: renewed when a third of their time is over, all sagas of a worker in one pass, so that the
 * store makes one round trip of them. What cannot be renewed in time is lost. */
#include "saga/saga.h"

#include "base/fault_point.h"

#include <assert.h>

enum {
    LEASE_PASSES = 10 /* looks at all leases in the time of one */
};

/* Owned, and not about to be given up. */
static bool needs_lease(const struct saga *saga)
{
    return saga->phase == SAGA_WAITING || saga->phase == SAGA_TRYING ||
           saga->phase == SAGA_COMMITTING;
}

/* A wish that is stored stays, so it concerns whichever attempt is under way. While a commit is out it
 * comes with the answer, which tells the commit's fate as well. */
static void note_wish(struct saga *saga)
{
    if (saga->phase == SAGA_COMMITTING)
        return;
    saga->record.cancel_wished = true;
    if (saga->phase == SAGA_WAITING && saga_row(saga->record.order.state)->is_forward)
        saga_run(saga);
}

static void renewed(struct saga *saga)
{
    saga->lease_until_ms =
        MAX_OF(saga->lease_until_ms, saga->renew_sent_ms + saga->driver->config.lease_ms);
    if (saga->renew.cancel_wished)
        note_wish(saga);
    else
        saga_leave(saga);
}

static void on_renewed(struct store_call *call)
{
    struct saga *saga =
        CONTAINER_OF(CONTAINER_OF(call, struct saga_renew, call), struct saga, renew);

    assert(saga->renew_out);
    saga->renew_out = false;
    FAULT_POINT("renew.after");
    if (saga_settle(saga) || !needs_lease(saga))
        return;
    if (error_is_set(&call->err))
        saga_leave(saga);
    else if (saga->renew.result == ADVANCE_DONE)
        renewed(saga);
    else if (saga->phase != SAGA_COMMITTING)
        saga_lose(saga);
}

void saga_driver_notice_cancel(struct saga_driver *driver, const struct uuid *order_id)
{
    struct saga *saga = saga_find(driver, order_id);

    if (saga != NULL && needs_lease(saga))
        note_wish(saga);
}

static void renew_send(struct saga *saga)
{
    struct saga_store *store = saga->driver->ports.store;

    assert(!saga->renew_out);
    saga->renew_sent_ms = saga_now_ms(saga);
    saga->renew = (struct saga_renew){
        .call = {.arena = saga->arena, .deadline_ms = saga->lease_until_ms, .done = on_renewed},
        .id = saga->record.order.id,
        .generation = saga->record.generation,
        .lease_ms = saga->driver->config.lease_ms,
    };
    saga->renew_out = true;
    FAULT_POINT("renew.before");
    store->ops->renew(store, &saga->renew);
}

static void lease_look(struct saga *saga)
{
    int64_t left_ms = saga->lease_until_ms - saga_now_ms(saga);
    int64_t lease_ms = saga->driver->config.lease_ms;
    bool is_commit_out = saga->phase == SAGA_COMMITTING && saga->work_out;

    if (!needs_lease(saga))
        return;
    if (left_ms <= 0 && !is_commit_out) /* the answer to a commit is true, however late */
        saga_lose(saga);
    else if (left_ms > 0 && left_ms <= lease_ms - lease_ms / 3 && !saga->renew_out)
        renew_send(saga);
}

static void on_lease_time(struct clock_timer *timer)
{
    struct saga_driver *driver = CONTAINER_OF(timer, struct saga_driver, lease_timer);
    struct saga *saga = LIST_FIRST(&driver->sagas);

    while (saga != NULL) {
        struct saga *next = LIST_NEXT(saga, link); /* losing it may free it, and no other */

        lease_look(saga);
        saga = next;
    }
    saga_lease_watch(driver);
}

void saga_lease_init(struct saga_driver *driver)
{
    assert(driver->config.lease_ms >= LEASE_PASSES);
    driver->lease_timer.on_time = on_lease_time;
}

void saga_lease_watch(struct saga_driver *driver)
{
    if (!driver->lease_timer.pending && driver->count > 0)
        clock_timer_start(driver->ports.clock, &driver->lease_timer,
                          driver->config.lease_ms / LEASE_PASSES);
}
