/* The answers, each in one place. No time, no I/O. */
#include "saga/saga_answer.h"

#include <assert.h>

#define RESOURCE_ORDER "shop.v1.Order"

/* ---- Details all answers have ----------------------------------------------------------------- */

static void add_order_id(struct saga_ticket *ticket)
{
    char order_id[UUID_TEXT_SIZE];

    uuid_format(&ticket->order_id, order_id);
    error_add_metadata(&ticket->err, ticket->arena, "orderId", order_id);
}

static void add_order_resource(struct saga_ticket *ticket)
{
    char order_id[UUID_TEXT_SIZE];

    uuid_format(&ticket->order_id, order_id);
    error_add_resource(&ticket->err, ticket->arena, RESOURCE_ORDER, order_id);
}

/* An error about an order that exists. */
static void answer_reason(struct saga_ticket *ticket, enum reason reason)
{
    assert(reason != REASON_NONE);
    error_set(&ticket->err, reason);
    add_order_id(ticket);
    error_add_order_condition(&ticket->err, ticket->arena, &ticket->order_id);
}

/* ---- By the state ----------------------------------------------------------------------------- */

/* What a confirmation is made of, in the caller's own memory; NULL when that is used up. */
static struct order *confirmation(const struct order *order, struct arena *arena)
{
    struct order *copy = ARENA_NEW(arena, struct order);

    if (copy == NULL)
        return NULL;
    *copy = (struct order){
        .id = order->id,
        .total = order->total,
        .state = order->state,
        .attempt = order->attempt,
        .revision = order->revision,
        .create_time_us = order->create_time_us,
        .update_time_us = order->update_time_us,
        .payment_id = arena_strdup(arena, order->payment_id),
        .shipment_id = arena_strdup(arena, order->shipment_id),
        .fulfill_time_us = order->fulfill_time_us,
    };
    return copy->payment_id == NULL || copy->shipment_id == NULL ? NULL : copy;
}

static void answer_confirmation(const struct order *order, struct saga_ticket *ticket)
{
    assert(order->state == ORDER_FULFILLED);
    ticket->err = (struct error){.status = STATUS_OK};
    ticket->order = confirmation(order, ticket->arena);
    if (ticket->order == NULL)
        answer_reason(ticket, REASON_OUT_OF_MEMORY);
}

static void answer_cause(const struct order *order, struct saga_ticket *ticket)
{
    if (order->failure.reason == REASON_NONE) {
        answer_reason(ticket, order->state == ORDER_CANCELLED ? REASON_ORDER_CANCELLED
                                                              : REASON_ORDER_STATE_INVALID);
        return;
    }
    failure_to_error(&order->failure, &ticket->order_id, ticket->arena, &ticket->err);
    assert(error_is_set(&ticket->err));
}

static void answer_goes_on(struct saga_ticket *ticket, enum reason reason)
{
    assert(reason_retry(reason) == RETRY_NEVER);
    answer_reason(ticket, reason);
    add_order_resource(ticket);
}

void saga_answer_state(const struct order *order, struct saga_ticket *ticket)
{
    assert(order->state < ORDER_STATE_COUNT);
    ticket->order = NULL;
    switch (order->state) {
    case ORDER_STATE_UNSPECIFIED: /* the claim has not returned */
    case ORDER_PENDING:
    case ORDER_RESERVING:
        answer_goes_on(ticket, REASON_RESERVATION_OUTCOME_UNKNOWN);
        break;
    case ORDER_CHARGING:
        answer_goes_on(ticket, REASON_PAYMENT_OUTCOME_UNKNOWN);
        break;
    case ORDER_FULFILLING:
    case ORDER_RECALLING: /* it may yet be FULFILLED, so no cause is told */
        answer_goes_on(ticket, REASON_FULFILLMENT_PENDING);
        break;
    case ORDER_FULFILLED:
        answer_confirmation(order, ticket);
        break;
    case ORDER_REFUNDING:
    case ORDER_RELEASING:
    case ORDER_FAILED:
    case ORDER_CANCELLED:
    case ORDER_STUCK:
    case ORDER_STATE_COUNT:
    default:
        answer_cause(order, ticket);
        break;
    }
}

/* ---- By the claim ----------------------------------------------------------------------------- */

static void answer_state_invalid(const struct order *order, struct saga_ticket *ticket)
{
    answer_reason(ticket, REASON_ORDER_STATE_INVALID);
    if (order->state != ORDER_STATE_UNSPECIFIED)
        error_add_metadata(&ticket->err, ticket->arena, "state", order_state_name(order->state));
}

void saga_answer_claim(const struct saga_claim *claim, struct saga_ticket *ticket)
{
    const struct order *order = &claim->record.order;

    assert(claim->result != CLAIM_STARTED);
    assert(claim->result != CLAIM_JOIN);
    assert(claim->result < CLAIM_RESULT_COUNT);
    switch (claim->result) {
    case CLAIM_REFUSED:
        answer_cause(order, ticket);
        break;
    case CLAIM_NOT_FOUND:
        error_set(&ticket->err, REASON_ORDER_NOT_FOUND);
        add_order_resource(ticket);
        break;
    case CLAIM_IN_PROGRESS:
        answer_reason(ticket, REASON_ORDER_IN_PROGRESS);
        break;
    case CLAIM_FULFILLED:
    case CLAIM_REPLAY:
        saga_answer_state(order, ticket);
        ticket->replayed = true;
        break;
    case CLAIM_STATE_INVALID:
        answer_state_invalid(order, ticket);
        break;
    case CLAIM_EXHAUSTED:
        answer_reason(ticket, REASON_ATTEMPTS_EXHAUSTED);
        break;
    case CLAIM_KEY_REUSED:
        error_set(&ticket->err, REASON_REQUEST_ID_REUSED);
        break;
    case CLAIM_TOO_SHORT:
    case CLAIM_STARTED: /* no answers: see above */
    case CLAIM_JOIN:
    case CLAIM_RESULT_COUNT:
    default:
        saga_answer_refuse(REASON_DEADLINE_TOO_SHORT, ticket);
        break;
    }
}

void saga_answer_refuse(enum reason reason, struct saga_ticket *ticket)
{
    error_set(&ticket->err, reason);
    if (ticket->order_is_new)
        add_order_id(ticket);
}

void saga_answer_error(const struct error *err, struct saga_ticket *ticket)
{
    assert(error_is_set(err));
    error_setf(&ticket->err, err->reason, "%s", err->message);
    ticket->err.retry_delay_ms = err->retry_delay_ms;
    if (ticket->order_is_new)
        add_order_id(ticket);
}
