/* Every function of saga/saga_driver.h, so that the real one is not linked. */
#include "fake_saga_driver.h"

#include <assert.h>

#include "base/macros.h"

static void on_time(struct clock_timer *timer)
{
    struct saga_driver *driver = CONTAINER_OF(timer, struct saga_driver, timer);
    struct saga_ticket *ticket = driver->ticket;

    driver->ticket = NULL;
    ticket->replayed = driver->replayed;
    if (driver->refuse_with != REASON_NONE) {
        error_set(&ticket->err, driver->refuse_with);
    } else {
        ticket->order = arena_memdup(ticket->arena, &driver->order, sizeof(driver->order));
        assert(ticket->order != NULL);
        ticket->order->id = ticket->order_id;
    }
    ticket->done(ticket);
}

void fake_saga_driver_init(struct saga_driver *driver, struct clock *clock)
{
    *driver = (struct saga_driver){
        .clock = clock,
        .timer.on_time = on_time,
        .order = {.total = {1000, "EUR"},
                  .payment_id = "pi_1",
                  .shipment_id = "sh_1",
                  .fulfill_time_us = 1700000000000000},
    };
}

void saga_driver_process(struct saga_driver *driver, struct saga_ticket *ticket)
{
    driver->process_count++;
    driver->ticket = ticket;
    driver->order_id = ticket->order_id;
    driver->payment_method = ticket->payment_method;
    driver->caller = ticket->caller;
    driver->method = ticket->idempotency->method;
    driver->request_id = ticket->idempotency->request_id;
    driver->answer_by_ms = ticket->answer_by_ms;
    driver->deadline_ms = ticket->deadline_ms;
    driver->order_is_new = ticket->order_is_new;
    clock_timer_start(driver->clock, &driver->timer, 0);
}

void saga_driver_notice_cancel(struct saga_driver *driver, const struct uuid *order_id)
{
    driver->notice_count++;
    driver->noticed_id = *order_id;
}

struct saga_driver *saga_driver_new(const struct saga_config *config,
                                    const struct saga_ports *ports)
{
    return NULL;
}

void saga_driver_free(struct saga_driver *driver)
{
}

void saga_driver_recover(struct saga_driver *driver, bool on)
{
}

void saga_driver_drain(struct saga_driver *driver, void (*drained)(void *arg), void *arg)
{
}

uint32_t saga_driver_count(const struct saga_driver *driver)
{
    return 0;
}
