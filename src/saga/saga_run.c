/* Deciding what an order does next, and what all steps have in common: trying, waiting, keys.
 *
 * Not here: how a step is done (step_*), and what its outcome means for the order (saga_commit). */
#include "saga/saga.h"
#include "saga/saga_retry.h"

#include <assert.h>
#include <inttypes.h>

static saga_step_fn *const steps[STEP_KIND_COUNT] = {
    [STEP_RESERVE] = step_reserve, [STEP_CHARGE] = step_charge, [STEP_FULFILL] = step_fulfill,
    [STEP_RECALL] = step_recall,   [STEP_REFUND] = step_refund, [STEP_RELEASE] = step_release,
};

/* Not beside a renewal: that could come behind it, and the order would wait for its lease. */
static bool may_be_given_back(const struct saga *saga)
{
    return saga->driver->is_draining && saga->ticket_count == 0 && !saga->renew_out;
}

void saga_run(struct saga *saga)
{
    const struct saga_row *row = saga_row(saga->record.order.state);

    assert(!saga->work_out);
    assert(saga->phase == SAGA_RUNNING || saga->phase == SAGA_WAITING);
    assert(row->step != STEP_NONE);
    clock_timer_stop(saga->driver->ports.clock, &saga->timer); /* it may be woken early */
    saga->phase = SAGA_RUNNING;
    if (saga_now_ms(saga) >= saga->lease_until_ms)
        saga_lose(saga);
    else if (may_be_given_back(saga))
        saga_give_back_now(saga);
    else if (row->is_forward && saga->record.cancel_wished)
        saga_give_up(saga, REASON_ORDER_CANCELLED);
    else
        steps[row->step](saga);
}

void saga_leave(struct saga *saga)
{
    if (saga->phase == SAGA_WAITING && may_be_given_back(saga))
        saga_run(saga);
}

/* ---- Trying ------------------------------------------------------------------------------- */

bool saga_try(struct saga *saga, void (*done)(struct effect *effect), struct effect *out_effect)
{
    struct arena *arena = saga_try_arena(saga);

    assert(saga->phase == SAGA_RUNNING);
    if (arena == NULL) {
        saga_wait(saga, 0);
        return false;
    }
    *out_effect = (struct effect){
        .arena = arena, .timeout_ms = saga->driver->config.try_timeout_ms, .done = done};
    saga->phase = SAGA_TRYING;
    saga->work_out = true;
    return true;
}

static bool leaves_doubt(enum effect_result result)
{
    return result == EFFECT_UNKNOWN || result == EFFECT_ASK || result == EFFECT_CONTRADICTED;
}

bool saga_tried(struct saga *saga, const struct effect *effect)
{
    assert(saga->work_out);
    assert(effect->result < EFFECT_RESULT_COUNT);
    saga->work_out = false;
    if (saga->phase == SAGA_LOST) {
        saga_settle(saga);
        return false;
    }
    assert(saga->phase == SAGA_TRYING);
    saga->phase = SAGA_RUNNING;
    saga->counts |= effect->result != EFFECT_NOT_REACHED;
    saga->try_failed |= effect->result != EFFECT_DONE;
    if (saga_row(saga->record.order.state)->is_forward)
        saga->tainted |= leaves_doubt(effect->result);
    return true;
}

/* ---- Waiting ------------------------------------------------------------------------------ */

int64_t saga_caller_left_ms(const struct saga *saga)
{
    const struct saga_ticket *ticket;
    int64_t deadline_ms = INT64_MIN;

    if (saga->ticket_count == 0)
        return INT64_MAX;
    LIST_FOREACH (ticket, &saga->tickets, link) {
        deadline_ms = MAX_OF(deadline_ms, ticket->deadline_ms);
    }
    return deadline_ms - saga_now_ms(saga);
}

bool saga_is_too_late(const struct saga *saga)
{
    return saga_caller_left_ms(saga) < SAGA_CALLER_LEFT_MS_MIN;
}

/* Whether the step, RESERVING or CHARGING, ends with its callers' time: it would begin what may move
 * money, or take stock. */
static bool ends_with_callers(const struct saga *saga)
{
    bool has_begun =
        saga->record.order.state == ORDER_RESERVING ? saga->tainted : saga->charge.look_first;

    return !has_begun && saga->ticket_count > 0;
}

/* How long the step may still be tried; not positive when its time is over. */
static int64_t forward_left_ms(const struct saga *saga)
{
    int64_t now_ms = saga_now_ms(saga);
    int64_t left_ms;

    if (saga->record.order.state == ORDER_FULFILLING)
        return saga->fulfill_until_ms - now_ms;
    left_ms = saga->forward_until_ms - now_ms;
    if (ends_with_callers(saga))
        left_ms = MIN_OF(left_ms, saga_caller_left_ms(saga) - SAGA_CALLER_LEFT_MS_MIN + 1);
    return left_ms;
}

/* A wait ends early when the step must be given up then: what it fails with can still be told. Nor does
 * a provider that wants to be asked much later prolong a step whose time is over. */
static void wait_forward(struct saga *saga, int32_t retry_after_ms, uint32_t chance)
{
    int64_t delay_ms = saga_retry_forward_ms(saga->tries, retry_after_ms, chance);
    int64_t left_ms = forward_left_ms(saga);

    delay_ms = MIN_OF(delay_ms, left_ms > 0 ? left_ms : SAGA_RETRY_FIRST_MS);
    clock_timer_start(saga->driver->ports.clock, &saga->timer, delay_ms);
}

static void wait_undo(struct saga *saga, int32_t retry_after_ms, uint32_t chance)
{
    int64_t age_ms = saga_now_ms(saga) - saga->undo_since_ms;

    clock_timer_start(saga->driver->ports.clock, &saga->timer,
                      saga_retry_undo_ms(saga->tries, age_ms, retry_after_ms, chance));
}

void saga_wait(struct saga *saga, int32_t retry_after_ms)
{
    bool is_forward = saga_row(saga->record.order.state)->is_forward;
    uint32_t chance;

    assert(saga->phase == SAGA_RUNNING);
    assert(!saga->work_out);
    saga->try_failed = true;
    if (may_be_given_back(saga)) {
        saga_give_back_now(saga);
        return;
    }
    if (is_forward && saga->record.cancel_wished) {
        saga_give_up(saga, REASON_ORDER_CANCELLED);
        return;
    }
    if (!is_forward && saga_now_ms(saga) - saga->undo_since_ms >= saga->driver->config.undo_ms) {
        saga_verdict(saga, SAGA_NOT_DONE, NULL);
        return;
    }
    random_fill(saga->driver->ports.random, &chance, sizeof(chance));
    saga->phase = SAGA_WAITING;
    if (is_forward)
        wait_forward(saga, MAX_OF(retry_after_ms, 0), chance);
    else
        wait_undo(saga, MAX_OF(retry_after_ms, 0), chance);
    saga->tries++;
}

/* ---- Keys --------------------------------------------------------------------------------- */

const char *saga_key(struct saga *saga, struct arena *arena, const char *name)
{
    char order_id[UUID_TEXT_SIZE];

    assert(saga->record.order.attempt > 0);
    uuid_format(&saga->record.order.id, order_id);
    return arena_printf(arena, "%s.%" PRId32 ".%s", order_id, saga->record.order.attempt, name);
}

const char *saga_key_n(struct saga *saga, struct arena *arena, const char *name, int64_t n)
{
    char order_id[UUID_TEXT_SIZE];

    assert(n > 0);
    uuid_format(&saga->record.order.id, order_id);
    return arena_printf(arena, "%s.%" PRId32 ".%s.%" PRId64, order_id, saga->record.order.attempt,
                        name, n);
}
