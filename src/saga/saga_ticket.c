/* Callers that wait on an order: attached, answered exactly once, at their time at the latest. What
 * the answer is stands in saga_answer. */
#include "saga/saga.h"
#include "saga/saga_answer.h"

#include <assert.h>

static void on_answer_time(struct clock_timer *timer);

static void ticket_arm(struct saga *saga, struct saga_ticket *ticket)
{
    enum order_state state = saga->record.order.state;
    int64_t when_ms = ticket->answer_by_ms;

    if (state == ORDER_REFUNDING || state == ORDER_RELEASING)
        when_ms = MIN_OF(when_ms, saga->undo_since_ms + SAGA_CAUSE_AFTER_MS);
    clock_timer_start(saga->driver->ports.clock, &ticket->timer,
                      MAX_OF(when_ms - saga_now_ms(saga), 0));
}

void saga_ticket_attach(struct saga *saga, struct saga_ticket *ticket)
{
    assert(saga->phase != SAGA_ENDED);
    assert(ticket->saga == NULL);
    ticket->saga = saga;
    ticket->timer.on_time = on_answer_time;
    LIST_INSERT_HEAD(&saga->tickets, ticket, link);
    saga->ticket_count++;
    ticket_arm(saga, ticket);
}

static void ticket_detach(struct saga_ticket *ticket)
{
    struct saga *saga = ticket->saga;

    assert(saga->ticket_count > 0);
    clock_timer_stop(saga->driver->ports.clock, &ticket->timer);
    LIST_REMOVE(ticket, link);
    saga->ticket_count--;
    ticket->saga = NULL;
}

void saga_ticket_move(struct saga_ticket *ticket, struct saga *to)
{
    assert(ticket->saga != to);
    ticket_detach(ticket);
    saga_ticket_attach(to, ticket);
}

void saga_ticket_move_all(struct saga *from, struct saga *to)
{
    while (!LIST_EMPTY(&from->tickets))
        saga_ticket_move(LIST_FIRST(&from->tickets), to);
    assert(from->ticket_count == 0);
}

void saga_ticket_arm_all(struct saga *saga)
{
    struct saga_ticket *ticket;

    LIST_FOREACH (ticket, &saga->tickets, link) {
        ticket_arm(saga, ticket);
    }
}

void saga_ticket_answer_all(struct saga *saga)
{
    assert(saga->phase == SAGA_ENDED);
    while (!LIST_EMPTY(&saga->tickets)) {
        struct saga_ticket *ticket = LIST_FIRST(&saga->tickets);

        saga_answer_state(&saga->record.order, ticket);
        saga_ticket_finish(ticket);
    }
}

void saga_ticket_finish(struct saga_ticket *ticket)
{
    assert(error_is_set(&ticket->err) || ticket->order != NULL);
    if (ticket->saga != NULL)
        ticket_detach(ticket);
    ticket->done(ticket);
}

static void on_finish_time(struct clock_timer *timer)
{
    saga_ticket_finish(CONTAINER_OF(timer, struct saga_ticket, timer));
}

void saga_ticket_finish_soon(struct saga_driver *driver, struct saga_ticket *ticket)
{
    assert(ticket->saga == NULL);
    ticket->timer.on_time = on_finish_time;
    clock_timer_start(driver->ports.clock, &ticket->timer, 0);
}

/* Nobody waits any more: a claim that is not out is given up, an order is given back at shutdown. */
static void left_alone(struct saga *saga)
{
    if (saga->ticket_count > 0 || saga->work_out)
        return;
    if (saga->phase == SAGA_CLAIMING)
        saga_end(saga);
    else
        saga_leave(saga);
}

/* The caller's time is up, or undoing takes long. The order goes on without it. A claim that may start
 * nothing starts nothing, but what has become of the caller's key it has not told yet. */
static void on_answer_time(struct clock_timer *timer)
{
    struct saga_ticket *ticket = CONTAINER_OF(timer, struct saga_ticket, timer);
    struct saga *saga = ticket->saga;

    if (saga->phase == SAGA_CLAIMING && !saga->claim_may_start && !saga->is_joining)
        saga_answer_refuse(REASON_DEADLINE_EXCEEDED, ticket);
    else
        saga_answer_state(&saga->record.order, ticket);
    ticket_detach(ticket);
    if (!saga_settle(saga))
        left_alone(saga);
    ticket->done(ticket);
}
