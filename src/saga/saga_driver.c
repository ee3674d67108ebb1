/* The driver itself: made, drained, freed. Callers come in by saga_claim, due orders by saga_recover;
 * what happens to an order is decided in saga_run. */
#include "saga/saga.h"

#include <assert.h>
#include <stdlib.h>

static void on_drained_time(struct clock_timer *timer)
{
    struct saga_driver *driver = CONTAINER_OF(timer, struct saga_driver, drained_timer);
    void (*drained)(void *arg) = driver->drained;

    assert(driver->count == 0);
    assert(drained != NULL);
    driver->drained = NULL;
    drained(driver->drained_arg);
}

/* About a bucket an order; an empty one is all zeros. */
static bool table_init(struct saga_driver *driver, uint32_t orders_max)
{
    driver->bucket_count = 1;
    while (driver->bucket_count < orders_max)
        driver->bucket_count *= 2;
    driver->by_order = calloc(driver->bucket_count, sizeof(*driver->by_order));
    return driver->by_order != NULL;
}

struct saga_driver *saga_driver_new(const struct saga_config *config,
                                    const struct saga_ports *ports)
{
    struct saga_driver *driver;

    assert(config->orders_max > 0);
    driver = calloc(1, sizeof(*driver));
    if (driver == NULL || !table_init(driver, config->orders_max)) {
        free(driver);
        return NULL;
    }
    driver->config = *config;
    driver->ports = *ports;
    driver->drained_timer.on_time = on_drained_time;
    LIST_INIT(&driver->sagas);
    saga_lease_init(driver);
    saga_recover_init(driver);
    return driver;
}

void saga_driver_free(struct saga_driver *driver)
{
    struct clock *clock;

    if (driver == NULL)
        return;
    clock = driver->ports.clock;
    driver->is_draining = false;
    while (!LIST_EMPTY(&driver->sagas))
        saga_free(LIST_FIRST(&driver->sagas));
    assert(driver->count == 0);
    clock_timer_stop(clock, &driver->lease_timer);
    clock_timer_stop(clock, &driver->recover_timer);
    clock_timer_stop(clock, &driver->drained_timer);
    arena_free(driver->take_arena);
    free(driver->by_order);
    free(driver);
}

bool saga_driver_enter(struct saga_driver *driver)
{
    if (driver->callers_count >= driver->config.orders_max)
        return false;
    if (driver->ports.callers_orders != NULL && !limit_enter(driver->ports.callers_orders))
        return false;
    driver->callers_count++;
    return true;
}

void saga_driver_leave(struct saga_driver *driver)
{
    assert(driver->callers_count > 0);
    driver->callers_count--;
    if (driver->ports.callers_orders != NULL)
        limit_leave(driver->ports.callers_orders);
}

uint32_t saga_driver_count(const struct saga_driver *driver)
{
    return driver->count;
}

/* ---- The end ---------------------------------------------------------------------------------- */

void saga_driver_check_drained(struct saga_driver *driver)
{
    bool is_empty = driver->count == 0 && !driver->take_out;

    if (driver->is_draining && is_empty && driver->drained != NULL)
        clock_timer_start(driver->ports.clock, &driver->drained_timer, 0);
}

void saga_driver_drain(struct saga_driver *driver, void (*drained)(void *arg), void *arg)
{
    struct saga *saga = LIST_FIRST(&driver->sagas);

    assert(!driver->is_draining);
    driver->is_draining = true;
    driver->drained = drained;
    driver->drained_arg = arg;
    clock_timer_stop(driver->ports.clock, &driver->recover_timer);
    while (saga != NULL) {
        struct saga *next = LIST_NEXT(saga, link); /* what is lost is freed */

        saga_leave(saga);
        saga = next;
    }
    saga_driver_check_drained(driver);
}
