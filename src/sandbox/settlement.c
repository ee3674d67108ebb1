/* Timers of payments and refunds under way. They hold ids, not pointers: what a reset of the ledger
 * has forgotten is not found any more. What an end means is payment.c's. */
#include "sandbox/settlement.h"

#include "sandbox/sandbox.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

struct settlement {
    struct sandbox *sandbox;
    struct event *timer;
    LIST_ENTRY(settlement) link;
    char id[IDENT_SIZE];
};

bool settlement_now(struct sandbox *sandbox, const char *id, bool succeeds)
{
    struct payment *payment = payment_table_find(&sandbox->payments, id);
    struct refund *refund = payment_table_find_refund(&sandbox->payments, id);

    if (payment != NULL)
        return payment_settle(payment, succeeds);
    return refund != NULL && refund_settle(refund, succeeds);
}

static void settlement_free(struct settlement *settlement)
{
    LIST_REMOVE(settlement, link);
    if (settlement->timer != NULL)
        event_free(settlement->timer);
    free(settlement);
}

static void on_settlement_time(evutil_socket_t descriptor, short events, void *arg)
{
    struct settlement *settlement = arg;

    (void)descriptor;
    (void)events;
    (void)settlement_now(settlement->sandbox, settlement->id, true);
    settlement_free(settlement);
}

void settlement_later(struct sandbox *sandbox, const char *id, int64_t delay_ms)
{
    const struct timeval delay = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};
    struct settlement *settlement = calloc(1, sizeof(*settlement));

    if (settlement == NULL)
        return;
    settlement->sandbox = sandbox;
    (void)snprintf(settlement->id, sizeof(settlement->id), "%s", id);
    LIST_INSERT_HEAD(&sandbox->settlements, settlement, link);
    settlement->timer = evtimer_new(sandbox->base, on_settlement_time, settlement);
    if (settlement->timer == NULL || evtimer_add(settlement->timer, &delay) != 0)
        settlement_free(settlement);
}

void settlement_free_all(struct sandbox *sandbox)
{
    while (!LIST_EMPTY(&sandbox->settlements))
        settlement_free(LIST_FIRST(&sandbox->settlements));
}
