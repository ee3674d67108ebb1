/* Outcomes: what a verdict means for the order, committed in one statement with the next state, and
 * what follows once that has returned. Before it has, nobody is told anything.
 *
 * An advance whose fate is unknown is sent again as it was, with its token, until it returns or the
 * lease has run out. One that the store refuses for certain, again and again, is a bug of ours: the
 * order then goes the other way of its state, where a person can see it at the end. */
#include "saga/saga.h"
#include "saga/saga_retry.h"

#include "base/fault_point.h"

#include <assert.h>
#include <string.h>

/* ---- Deciding --------------------------------------------------------------------------------- */

/* Whether the step in work was refused for certain, or never tried. */
static bool nothing_happened(const struct saga *saga)
{
    return saga->verdict == SAGA_NOT_DONE && !saga->tainted;
}

/* Whether the effect of an undo, reached by the commit in work, is true without any call. */
static bool undo_is_true(const struct saga *saga, enum order_state undo)
{
    const struct order *order = &saga->record.order;

    switch (saga_row(undo)->step) {
    case STEP_RECALL:
        assert(order->state == ORDER_FULFILLING);
        return nothing_happened(saga);
    case STEP_REFUND: /* what was never written down was never confirmed */
        return order->payment_id == NULL;
    case STEP_RELEASE: /* the built-in stock goes back with the commit itself */
        return saga->driver->ports.inventory == NULL ||
               (order->state == ORDER_RESERVING && nothing_happened(saga));
    case STEP_NONE:
    case STEP_RESERVE:
    case STEP_CHARGE:
    case STEP_FULFILL:
    case STEP_KIND_COUNT:
    default:
        break;
    }
    return false;
}

static enum order_state next_state(const struct saga *saga)
{
    bool is_wished = saga->record.cancel_wished;
    enum order_state next = saga_next(saga->record.order.state, saga->verdict, is_wished);

    while (undo_is_true(saga, next))
        next = saga_next(next, SAGA_DONE, is_wished);
    return next;
}

static enum step_outcome step_outcome(const struct saga *saga)
{
    bool is_forward = saga_row(saga->record.order.state)->is_forward;

    if (saga->verdict == SAGA_DONE)
        return OUTCOME_DONE;
    if (saga->verdict == SAGA_HAS_LEFT)
        return OUTCOME_REFUSED;
    return is_forward && !saga->tainted ? OUTCOME_REFUSED : OUTCOME_UNKNOWN;
}

/* The first cause; a wish that was there before it is one. NULL when there is none to be stored. */
static const struct failure *first_cause(struct saga *saga, enum order_state next)
{
    bool goes_on = saga_row(next)->is_forward || next == ORDER_FULFILLED;

    if (goes_on || saga->record.order.failure.reason != REASON_NONE)
        return NULL;
    if (saga->record.cancel_wished)
        saga->cause = (struct failure){.reason = REASON_ORDER_CANCELLED};
    return saga->cause.reason == REASON_NONE ? NULL : &saga->cause;
}

/* ---- Sending ---------------------------------------------------------------------------------- */

static void on_advanced(struct store_call *call);

/* Sends the advance in `work`, for the first time or again. */
static void advance_send(struct saga *saga)
{
    struct saga_advance *advance = &saga->work.advance;
    struct saga_store *store = saga->driver->ports.store;

    assert(saga->phase == SAGA_COMMITTING);
    assert(!saga->work_out);
    advance->call = (struct store_call){
        .arena = saga->arena, .deadline_ms = saga->lease_until_ms, .done = on_advanced};
    saga->work_out = true;
    FAULT_POINT("advance.%s-%s.before", order_state_name(advance->from),
                order_state_name(advance->to));
    store->ops->advance(store, advance);
}

static void advance_init(struct saga *saga, enum order_state to, enum step_outcome outcome)
{
    struct order *order = &saga->record.order;

    assert(saga->phase == SAGA_RUNNING);
    saga->phase = SAGA_COMMITTING;
    saga->commit_tries = 0;
    saga->commit_refusals = 0;
    /* Not of a repetition: the lease in the database may be that of the first time. */
    saga->sent_ms = saga_now_ms(saga);
    saga->work.advance = (struct saga_advance){
        .id = order->id,
        .generation = saga->record.generation,
        .from = order->state,
        .cancel_seen = saga->record.cancel_wished,
        .to = to,
        .step = saga_row(order->state)->step,
        .outcome = outcome,
        .tries = saga->tries,
        .lease_ms = saga->driver->config.lease_ms,
    };
    random_fill(saga->driver->ports.random, &saga->work.advance.token,
                sizeof(saga->work.advance.token));
}

/* The other side's id of the effect that the step was about. */
static const char *external_id(const struct saga *saga)
{
    switch (saga_row(saga->record.order.state)->step) {
    case STEP_CHARGE:
    case STEP_REFUND:
        return saga->record.order.payment_id;
    case STEP_FULFILL:
    case STEP_RECALL:
        return saga->shipment_id != NULL ? saga->shipment_id : saga->record.order.shipment_id;
    case STEP_NONE:
    case STEP_RESERVE:
    case STEP_RELEASE:
    case STEP_KIND_COUNT:
    default:
        break;
    }
    return NULL;
}

static void commit_verdict(struct saga *saga)
{
    struct saga_advance *advance = &saga->work.advance;
    enum order_state to = next_state(saga);
    bool is_undone = to == ORDER_FAILED || to == ORDER_CANCELLED;

    assert(to != saga->record.order.state);
    advance_init(saga, to, step_outcome(saga));
    advance->external_id = external_id(saga);
    advance->shipment_id = saga->shipment_id;
    advance->failure = first_cause(saga, to);
    advance->clear_failure = saga->verdict == SAGA_HAS_LEFT;
    advance->release_stock = is_undone && saga->driver->ports.inventory == NULL &&
                             saga->record.order.state != ORDER_RESERVING;
    advance->fulfill_ms = to == ORDER_FULFILLING ? saga->driver->config.fulfill_ms : 0;
    advance->attempt_counts = to == ORDER_FAILED && saga->counts;
    advance_send(saga);
}

void saga_verdict(struct saga *saga, enum saga_verdict verdict, const struct error *cause)
{
    bool is_forward = saga_row(saga->record.order.state)->is_forward;

    assert(saga->phase == SAGA_RUNNING);
    assert((cause != NULL) == (is_forward && verdict == SAGA_NOT_DONE));
    saga->verdict = verdict;
    saga->writing_down = false;
    if (cause != NULL)
        failure_from_error(cause, saga->arena, &saga->cause);
    commit_verdict(saga);
}

void saga_give_up(struct saga *saga, enum reason reason)
{
    struct error cause = {0};

    assert(reason != REASON_NONE);
    error_set(&cause, reason);
    saga_verdict(saga, SAGA_NOT_DONE, &cause);
}

void saga_write_down(struct saga *saga)
{
    assert(saga->record.order.state == ORDER_CHARGING);
    assert(saga->charge.opened_id != NULL);
    saga->writing_down = true;
    advance_init(saga, ORDER_CHARGING, OUTCOME_RUNNING);
    saga->work.advance.payment_id = saga->charge.opened_id;
    saga->work.advance.external_id = saga->charge.opened_id;
    advance_send(saga);
}

/* ---- Returned --------------------------------------------------------------------------------- */

static void tell_observer(struct saga *saga, const struct saga_advance *advance)
{
    struct saga_observer *observer = saga->driver->ports.observer;
    bool goes_on = saga_row(advance->to)->is_forward || advance->to == ORDER_FULFILLED;

    if (observer == NULL)
        return;
    observer->on_transition(observer,
                            &(struct saga_transition){
                                .order_id = &saga->record.order.id,
                                .attempt = saga->record.order.attempt,
                                .revision = advance->revision,
                                .from = advance->from,
                                .to = advance->to,
                                .step = advance->step,
                                .outcome = advance->outcome,
                                .tries = advance->tries,
                                .duration_ms = saga_now_ms(saga) - saga->step_since_ms,
                                .reason = goes_on ? REASON_NONE : saga->record.order.failure.reason,
                            });
}

/* The record becomes what is stored now. */
static void record_advance(struct saga *saga, const struct saga_advance *advance)
{
    struct order *order = &saga->record.order;

    order->state = advance->to;
    order->revision = advance->revision;
    order->update_time_us = advance->update_time_us;
    saga->record.cancel_wished = advance->cancel_wished;
    saga->lease_until_ms =
        MAX_OF(saga->lease_until_ms, saga->sent_ms + saga->driver->config.lease_ms);
    if (advance->payment_id != NULL)
        order->payment_id = advance->payment_id;
    if (advance->shipment_id != NULL)
        order->shipment_id = advance->shipment_id;
    if (advance->failure != NULL)
        order->failure = *advance->failure;
    if (advance->clear_failure)
        order->failure = (struct failure){.reason = REASON_NONE};
    if (advance->to == ORDER_FULFILLED)
        order->fulfill_time_us = advance->update_time_us;
}

/* A new state: its step has not been tried yet, by nobody. */
static void step_enter(struct saga *saga, const struct saga_advance *advance)
{
    bool was_forward = saga_row(advance->from)->is_forward;
    bool is_forward = saga_row(advance->to)->is_forward;

    assert(advance->from != advance->to);
    saga->is_taken_over = false;
    saga->tainted = false;
    saga->try_failed = false;
    saga->has_left = false;
    saga->tries = 1;
    saga->shipment_id = NULL;
    saga->step_since_ms = saga_now_ms(saga);
    step_charge_enter(saga);
    if (advance->to == ORDER_FULFILLING)
        saga->fulfill_until_ms = saga_time_after(saga->sent_ms, advance->fulfill_ms);
    if (was_forward && !is_forward)
        saga->undo_since_ms = saga->sent_ms;
}

static void committed(struct saga *saga)
{
    /* Entering the next state starts using `work` for something else. */
    const struct saga_advance advance = saga->work.advance;

    FAULT_POINT("advance.%s-%s.after", order_state_name(advance.from),
                order_state_name(advance.to));
    record_advance(saga, &advance);
    saga->phase = SAGA_RUNNING;
    if (saga->writing_down) {
        saga_run(saga);
        return;
    }
    tell_observer(saga, &advance);
    step_enter(saga, &advance);
    if (order_is_at_rest(advance.to)) {
        saga_end(saga);
        return;
    }
    saga_ticket_arm_all(saga);
    saga_run(saga);
}

/* Nothing was committed: a wish had come. What is decided now is decided with it. */
static void decide_again(struct saga *saga)
{
    assert(!saga->record.cancel_wished);
    saga->record.cancel_wished = true;
    saga->phase = SAGA_RUNNING;
    if (saga->writing_down)
        saga_run(saga);
    else
        commit_verdict(saga);
}

static void repeat_later(struct saga *saga)
{
    uint32_t chance;

    random_fill(saga->driver->ports.random, &chance, sizeof(chance));
    saga->commit_tries++;
    clock_timer_start(saga->driver->ports.clock, &saga->timer,
                      saga_retry_forward_ms(saga->commit_tries, 0, chance));
}

void saga_commit_again(struct saga *saga)
{
    assert(saga->phase == SAGA_COMMITTING);
    if (saga_now_ms(saga) >= saga->lease_until_ms)
        saga_lose(saga);
    else
        advance_send(saga);
}

/* Not done is what is left to be said of it: a forward step is undone, an undo is STUCK. When that is
 * refused as well, the order is left, and its next owner tries anew. A payment whose id could not be written
 * down is cancelled all the same: the id may stand there, of a try whose fate was not known. */
static void other_way(struct saga *saga)
{
    bool is_forward = saga_row(saga->record.order.state)->is_forward;

    if (!saga->writing_down && saga->verdict == SAGA_NOT_DONE) {
        saga_lose(saga);
        return;
    }
    if (saga->writing_down)
        saga->record.order.payment_id = saga->charge.opened_id;
    saga->phase = SAGA_RUNNING;
    saga->shipment_id = NULL;
    saga->tainted = is_forward;
    if (is_forward)
        saga_give_up(saga, REASON_INTERNAL);
    else
        saga_verdict(saga, SAGA_NOT_DONE, NULL);
}

static void not_advanced(struct saga *saga, const struct store_call *call)
{
    bool is_refused = call->err.reason == REASON_INTERNAL && !call->maybe_done;

    saga->commit_refusals += is_refused;
    if (saga->commit_refusals < SAGA_REFUSALS_MAX)
        repeat_later(saga);
    else
        other_way(saga);
}

static void on_advanced(struct store_call *call)
{
    struct saga *saga =
        CONTAINER_OF(CONTAINER_OF(call, struct saga_advance, call), struct saga, work.advance);

    assert(saga->work_out);
    saga->work_out = false;
    if (saga->phase == SAGA_LOST) {
        saga_settle(saga);
        return;
    }
    if (error_is_set(&call->err)) {
        not_advanced(saga, call);
        return;
    }
    switch (saga->work.advance.result) {
    case ADVANCE_DONE:
        committed(saga);
        break;
    case ADVANCE_CANCEL_WISHED:
        decide_again(saga);
        break;
    case ADVANCE_FENCED:
    case ADVANCE_RESULT_COUNT:
    default:
        saga_lose(saga);
        break;
    }
}

/* ---- Giving back ------------------------------------------------------------------------------ */

/* Whether it worked makes no difference: without it the lease runs out a little later. */
static void on_given_back(struct store_call *call)
{
    struct saga *saga =
        CONTAINER_OF(CONTAINER_OF(call, struct saga_give_back, call), struct saga, work.give_back);

    assert(saga->work_out);
    saga->work_out = false;
    FAULT_POINT("give_back.after");
    if (saga->phase == SAGA_LOST)
        saga_settle(saga);
    else
        saga_end(saga);
}

void saga_give_back_now(struct saga *saga)
{
    struct saga_store *store = saga->driver->ports.store;

    assert(saga->phase == SAGA_RUNNING);
    assert(saga->ticket_count == 0);
    saga->phase = SAGA_GIVING_BACK;
    saga->work.give_back = (struct saga_give_back){
        .call = {.arena = saga->arena, .deadline_ms = saga->lease_until_ms, .done = on_given_back},
        .id = saga->record.order.id,
        .generation = saga->record.generation,
    };
    saga->work_out = true;
    FAULT_POINT("give_back.before");
    store->ops->give_back(store, &saga->work.give_back);
}
