/* Callers who wait for an attempt that is driven elsewhere: it was under way at another replica when
 * they came, or this driver has lost the order while they waited.
 *
 * Their claim is sent again and again, as one that may start nothing: it tells where the attempt is now,
 * and in the end how it ended. All who wait for one attempt in this process wait on one saga; when the
 * order is taken over here, they move to the saga that drives it. */
#include "saga/saga.h"
#include "saga/saga_answer.h"

#include "base/limits.h"

#include <assert.h>

/* ---- Waiting ---------------------------------------------------------------------------------- */

/* They wait on `other` from now on; who finds no place there is told so. */
static void join_other(struct saga *saga, struct saga *other)
{
    assert(saga != other);
    while (!LIST_EMPTY(&saga->tickets)) {
        struct saga_ticket *ticket = LIST_FIRST(&saga->tickets);

        if (other->ticket_count < LIMIT_WAITERS_PER_ORDER) {
            saga_ticket_move(ticket, other);
        } else {
            saga_answer_refuse(REASON_REQUEST_IN_PROGRESS, ticket);
            saga_ticket_finish(ticket);
        }
    }
    saga_end(saga);
}

/* What is known of the attempt, for the answer at a ticket's time. */
static void join_note(struct saga *saga)
{
    const struct saga_record *record = &saga->work.claim.record;
    struct order *known = &saga->record.order;

    known->state = record->order.state;
    known->attempt = record->order.attempt;
    if (record->undo_age_ms >= 0)
        saga->undo_since_ms = saga_now_ms(saga) - record->undo_age_ms;
    else
        saga->undo_since_ms = saga_now_ms(saga);
    if (known->failure.reason == REASON_NONE &&
        !failure_copy(&known->failure, &record->order.failure, saga->arena))
        known->failure = (struct failure){.reason = record->order.failure.reason};
}

void saga_join(struct saga *saga)
{
    const struct order *order = &saga->work.claim.record.order;
    struct saga *other;

    assert(saga->phase == SAGA_CLAIMING);
    if (saga->ticket_count == 0) {
        saga_end(saga);
        return;
    }
    saga->is_joining = true;
    other = saga_find(saga->driver, &saga->record.order.id);
    if (other != NULL && other != saga && other->record.order.attempt == order->attempt) {
        join_other(saga, other);
        return;
    }
    join_note(saga);
    if (other == NULL)
        saga_make_known(saga);
    saga_ticket_arm_all(saga);
    saga_claim_later(saga, SAGA_JOIN_POLL_MS);
}

/* ---- The end ---------------------------------------------------------------------------------- */

/* The attempt has ended, and its key would begin the next one. How it ended stands in the record, unless
 * another key has begun a later attempt meanwhile, whose cause is not for these callers. */
static void answer_ended(const struct saga *saga, struct saga_ticket *ticket)
{
    const struct order *order = &saga->work.claim.record.order;

    if (order->attempt == saga->record.order.attempt)
        saga_answer_state(order, ticket);
    else
        saga_answer_refuse(REASON_ORDER_IN_PROGRESS, ticket);
}

static void answer(const struct saga *saga, struct saga_ticket *ticket)
{
    const struct saga_claim *claim = &saga->work.claim;

    assert(claim->result != CLAIM_STARTED);
    assert(claim->result != CLAIM_JOIN);
    switch (claim->result) {
    case CLAIM_REPLAY:
    case CLAIM_REFUSED:
    case CLAIM_FULFILLED:
        saga_answer_state(&claim->record.order, ticket);
        break;
    case CLAIM_TOO_SHORT:
        answer_ended(saga, ticket);
        break;
    case CLAIM_NOT_FOUND:
    case CLAIM_IN_PROGRESS:
    case CLAIM_STATE_INVALID:
    case CLAIM_EXHAUSTED:
    case CLAIM_KEY_REUSED:
    case CLAIM_STARTED: /* no answers: see above */
    case CLAIM_JOIN:
    case CLAIM_RESULT_COUNT:
    default:
        saga_answer_claim(claim, ticket);
        break;
    }
}

void saga_join_end(struct saga *saga)
{
    assert(saga->is_joining);
    while (!LIST_EMPTY(&saga->tickets)) {
        struct saga_ticket *ticket = LIST_FIRST(&saga->tickets);

        answer(saga, ticket);
        saga_ticket_finish(ticket);
    }
    saga_end(saga);
}

/* ---- Lost ------------------------------------------------------------------------------------- */

void saga_join_lost(struct saga *saga)
{
    const struct saga_ticket *ticket = LIST_FIRST(&saga->tickets);

    assert(saga->phase == SAGA_LOST);
    assert(ticket != NULL);
    if (!saga_claim_init(saga, ticket))
        return; /* without memory they are answered at their time, by what is known */
    saga->phase = SAGA_CLAIMING;
    saga->is_joining = true;
    saga->tries = 0;
    saga_claim_later(saga, 0);
}
