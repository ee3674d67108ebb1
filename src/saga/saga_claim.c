/* A caller comes: the order is claimed for it, or it joins those who wait already, or is refused.
 *
 * A claim of unknown fate is sent again with its token as long as the caller waits. When nobody waits
 * any more it is given up: if it was made, the order is due as soon as its lease has run out. Callers
 * of an attempt that is driven elsewhere are in saga_join. */
#include "saga/saga.h"
#include "saga/saga_answer.h"
#include "saga/saga_retry.h"

#include "base/fault_point.h"

#include <assert.h>
#include <string.h>

enum {
    CLAIM_TIME_MS_MIN = 100,    /* a claim is given at least so long */
    CLAIM_ANSWER_MARGIN_MS = 20 /* it returns before the caller is answered, and may then be told */
};

/* ---- Sending ---------------------------------------------------------------------------------- */

static void on_claimed(struct store_call *call);

static bool may_start(const struct saga *saga)
{
    return !saga->is_joining && !saga_is_too_late(saga);
}

/* One that may start an attempt is not sent any more when the caller has too little time left for
 * the money to move. */
static int64_t claim_deadline_ms(const struct saga *saga)
{
    const struct saga_ticket *ticket;
    int64_t deadline_ms = saga_now_ms(saga) + CLAIM_TIME_MS_MIN;

    LIST_FOREACH (ticket, &saga->tickets, link) {
        int64_t ticket_ms = ticket->answer_by_ms - CLAIM_ANSWER_MARGIN_MS;

        if (may_start(saga))
            ticket_ms = MIN_OF(ticket_ms, ticket->deadline_ms - SAGA_CALLER_LEFT_MS_MIN);
        deadline_ms = MAX_OF(deadline_ms, ticket_ms);
    }
    return deadline_ms;
}

void saga_claim_later(struct saga *saga, int64_t delay_ms)
{
    assert(saga->phase == SAGA_CLAIMING);
    assert(!saga->work_out);
    clock_timer_start(saga->driver->ports.clock, &saga->timer, delay_ms);
}

static void claim_repeat_later(struct saga *saga)
{
    uint32_t chance;

    random_fill(saga->driver->ports.random, &chance, sizeof(chance));
    saga->tries++;
    saga_claim_later(saga, saga_retry_forward_ms(saga->tries, 0, chance));
}

static void claim_send(struct saga *saga)
{
    struct saga_driver *driver = saga->driver;
    struct arena *arena = saga_try_arena(saga);

    assert(saga->phase == SAGA_CLAIMING);
    assert(saga->is_joining || saga->ticket_count == 1);
    if (arena == NULL) {
        claim_repeat_later(saga);
        return;
    }
    saga->sent_ms = saga_now_ms(saga);
    saga->work.claim = (struct saga_claim){
        .call = {.arena = arena, .deadline_ms = claim_deadline_ms(saga), .done = on_claimed},
        .id = saga->record.order.id,
        .caller = saga->caller,
        .payment_method = saga->payment_method,
        .idempotency = &saga->idempotency,
        .token = saga->claim_token,
        .lease_ms = driver->config.lease_ms,
        .forward_ms = driver->config.forward_ms,
        .inventory_remote = driver->ports.inventory != NULL,
        .may_start = may_start(saga),
    };
    saga->claim_may_start |= saga->work.claim.may_start;
    saga->work_out = true;
    FAULT_POINT("claim.before");
    driver->ports.store->ops->claim(driver->ports.store, &saga->work.claim);
}

void saga_claim_again(struct saga *saga)
{
    assert(saga->phase == SAGA_CLAIMING);
    assert(!saga->work_out);
    if (saga->ticket_count == 0)
        saga_end(saga);
    else
        claim_send(saga);
}

/* ---- Returned --------------------------------------------------------------------------------- */

static void tell_observer(struct saga *saga, enum step_outcome outcome)
{
    struct saga_observer *observer = saga->driver->ports.observer;
    const struct order *order = &saga->record.order;
    bool has_reserved = order->state != ORDER_RESERVING;

    if (observer == NULL)
        return;
    observer->on_transition(observer, &(struct saga_transition){
                                          .order_id = &order->id,
                                          .attempt = order->attempt,
                                          .revision = order->revision,
                                          .from = order->attempt > 1 ? ORDER_FAILED : ORDER_PENDING,
                                          .to = order->state,
                                          .step = has_reserved ? STEP_RESERVE : STEP_NONE,
                                          .outcome = has_reserved ? outcome : OUTCOME_RUNNING,
                                          .tries = 1,
                                          .duration_ms = saga_now_ms(saga) - saga->sent_ms,
                                          .reason = order->failure.reason,
                                      });
}

static void claim_started(struct saga *saga)
{
    saga->record = saga->work.claim.record;
    saga_start(saga, false);
    tell_observer(saga, OUTCOME_DONE);
    saga_run(saga);
}

/* The one ticket is answered, and with it this saga has nothing left to do. */
static void claim_answered(struct saga *saga)
{
    struct saga_ticket *ticket = LIST_FIRST(&saga->tickets);

    assert(saga->ticket_count <= 1);
    if (ticket != NULL)
        saga_ticket_finish(ticket);
    saga_end(saga);
}

/* Whether a copy of the claim that was sent before, and never came back, may yet start an attempt. */
static bool may_still_start(const struct saga *saga)
{
    enum claim_result result = saga->work.claim.result;

    return saga->claim_maybe && saga->claim_may_start &&
           (result == CLAIM_TOO_SHORT || result == CLAIM_IN_PROGRESS);
}

static void claim_refused(struct saga *saga)
{
    struct saga_ticket *ticket = LIST_FIRST(&saga->tickets);

    if (saga->work.claim.result == CLAIM_REFUSED) {
        saga->record = saga->work.claim.record;
        tell_observer(saga, OUTCOME_REFUSED);
    }
    if (ticket != NULL && may_still_start(saga))
        saga_answer_state(&saga->record.order, ticket);
    else if (ticket != NULL)
        saga_answer_claim(&saga->work.claim, ticket);
    claim_answered(saga);
}

static void claim_failed(struct saga *saga)
{
    const struct store_call *call = &saga->work.claim.call;

    saga->claim_maybe |= call->maybe_done;
    if (saga->ticket_count == 0) {
        saga_end(saga);
    } else if (saga->claim_maybe || saga->is_joining) {
        claim_repeat_later(saga);
    } else {
        saga_answer_error(&call->err, LIST_FIRST(&saga->tickets));
        claim_answered(saga);
    }
}

static void on_claimed(struct store_call *call)
{
    struct saga *saga =
        CONTAINER_OF(CONTAINER_OF(call, struct saga_claim, call), struct saga, work.claim);

    assert(saga->work_out);
    assert(saga->phase == SAGA_CLAIMING);
    saga->work_out = false;
    if (error_is_set(&call->err)) {
        claim_failed(saga);
        return;
    }
    FAULT_POINT("claim.after");
    switch (saga->work.claim.result) {
    case CLAIM_STARTED:
        /* What was lost is not driven on, though nobody has taken it over yet. */
        if (saga->is_joining)
            saga_join(saga);
        else
            claim_started(saga);
        break;
    case CLAIM_JOIN:
        saga_join(saga);
        break;
    case CLAIM_REFUSED:
    case CLAIM_NOT_FOUND:
    case CLAIM_IN_PROGRESS:
    case CLAIM_FULFILLED:
    case CLAIM_STATE_INVALID:
    case CLAIM_EXHAUSTED:
    case CLAIM_KEY_REUSED:
    case CLAIM_REPLAY:
    case CLAIM_TOO_SHORT:
    case CLAIM_RESULT_COUNT:
    default:
        if (saga->is_joining)
            saga_join_end(saga);
        else
            claim_refused(saga);
        break;
    }
}

/* ---- A caller comes --------------------------------------------------------------------------- */

static bool copy_text(const char **out, const char *text, struct arena *arena)
{
    *out = arena_strdup(arena, text == NULL ? "" : text);
    return *out != NULL;
}

bool saga_claim_init(struct saga *saga, const struct saga_ticket *ticket)
{
    const struct idempotency *key = ticket->idempotency;
    struct arena *arena = saga->arena;

    saga->record.order.id = ticket->order_id;
    saga->claim_token = ticket->claim_token;
    saga->idempotency = key == NULL ? (struct idempotency){0} : *key;
    return copy_text(&saga->caller, ticket->caller, arena) &&
           copy_text(&saga->payment_method, ticket->payment_method, arena) &&
           copy_text(&saga->idempotency.caller, saga->idempotency.caller, arena) &&
           copy_text(&saga->idempotency.method, saga->idempotency.method, arena) &&
           copy_text(&saga->idempotency.request_id, saga->idempotency.request_id, arena);
}

static void refuse(struct saga_driver *driver, struct saga_ticket *ticket, enum reason reason)
{
    saga_answer_refuse(reason, ticket);
    saga_ticket_finish_soon(driver, ticket);
}

/* Has a place already. */
static void claim_start(struct saga_driver *driver, struct saga_ticket *ticket)
{
    struct saga *saga = saga_new(driver);

    if (saga == NULL) {
        saga_driver_leave(driver);
        refuse(driver, ticket, REASON_OUT_OF_MEMORY);
        return;
    }
    saga->is_callers = true;
    random_fill(driver->ports.random, &ticket->claim_token, sizeof(ticket->claim_token));
    if (!saga_claim_init(saga, ticket)) {
        saga_free(saga);
        refuse(driver, ticket, REASON_OUT_OF_MEMORY);
        return;
    }
    saga->arena_used_first = arena_used(saga->arena);
    saga_ticket_attach(saga, ticket);
    claim_send(saga);
}

void saga_driver_process(struct saga_driver *driver, struct saga_ticket *ticket)
{
    assert(ticket->done != NULL);
    assert(ticket->arena != NULL);
    ticket->err = (struct error){.status = STATUS_OK};
    ticket->order = NULL;
    ticket->replayed = false;
    ticket->saga = NULL;
    ticket->timer = (struct clock_timer){.pending = false};
    if (driver->is_draining)
        refuse(driver, ticket, REASON_SHUTTING_DOWN);
    else if (!saga_driver_enter(driver))
        refuse(driver, ticket, REASON_TOO_MANY_ORDERS);
    else
        claim_start(driver, ticket);
}
