/* Taking over orders whose owner has gone: a bounded number at a time, within the limit of orders,
 * at once again when there was a full load of them. */
#include "base/fault_point.h"
#include "base/limits.h"
#include "saga/saga.h"

#include <assert.h>

enum {
    RECOVER_AGAIN_MS = 20
}; /* after a full load: others get their turn in between */

/* ---- Copies ----------------------------------------------------------------------------------- */

static bool copy_text(const char **text, struct arena *arena)
{
    if (*text == NULL)
        return true;
    *text = arena_strdup(arena, *text);
    return *text != NULL;
}

static bool copy_metadata(struct failure *failure, struct arena *arena)
{
    const struct failure_metadata *from = failure->metadata;

    failure->metadata = arena_array(arena, failure->metadata_count, sizeof(*from));
    if (failure->metadata == NULL)
        return false;
    for (uint32_t i = 0; i < failure->metadata_count; i++) {
        failure->metadata[i] = from[i];
        if (!copy_text(&failure->metadata[i].key, arena) ||
            !copy_text(&failure->metadata[i].value, arena))
            return false;
    }
    return true;
}

static bool copy_short_lines(struct failure *failure, struct arena *arena)
{
    const struct short_line *from = failure->short_lines;

    failure->short_lines = arena_array(arena, failure->short_line_count, sizeof(*from));
    if (failure->short_lines == NULL)
        return false;
    for (uint32_t i = 0; i < failure->short_line_count; i++) {
        failure->short_lines[i] = from[i];
        if (!copy_text(&failure->short_lines[i].product_id, arena))
            return false;
    }
    return true;
}

bool failure_copy(struct failure *out, const struct failure *failure, struct arena *arena)
{
    *out = *failure;
    return copy_text(&out->message, arena) && copy_metadata(out, arena) &&
           copy_short_lines(out, arena);
}

static bool copy_lines(struct order *order, struct arena *arena)
{
    const struct order_line *from = order->lines;

    order->lines = arena_array(arena, order->line_count, sizeof(*from));
    if (order->lines == NULL)
        return false;
    for (uint32_t i = 0; i < order->line_count; i++) {
        order->lines[i] = from[i];
        if (!copy_text(&order->lines[i].product_id, arena) ||
            !copy_text(&order->lines[i].name, arena))
            return false;
    }
    return true;
}

static bool copy_address(struct address *address, struct arena *arena)
{
    const char *const *from = address->lines;

    address->lines = arena_array(arena, address->line_count, sizeof(*from));
    if (address->lines == NULL)
        return false;
    for (uint32_t i = 0; i < address->line_count; i++) {
        address->lines[i] = from[i];
        if (!copy_text(&address->lines[i], arena))
            return false;
    }
    return copy_text(&address->recipient, arena) && copy_text(&address->postal_code, arena) &&
           copy_text(&address->locality, arena) &&
           copy_text(&address->administrative_area, arena) &&
           copy_text(&address->region_code, arena);
}

bool saga_record_copy(struct saga_record *out, const struct saga_record *record,
                      struct arena *arena)
{
    struct order *order = &out->order;

    *out = *record;
    order->events = NULL; /* nobody here reads the trail */
    order->event_count = 0;
    return copy_lines(order, arena) && copy_address(&order->ship_to, arena) &&
           failure_copy(&order->failure, &record->order.failure, arena) &&
           copy_text(&order->caller, arena) && copy_text(&order->customer_id, arena) &&
           copy_text(&order->payment_id, arena) && copy_text(&order->shipment_id, arena) &&
           copy_text(&out->payment_method, arena);
}

/* ---- The pass --------------------------------------------------------------------------------- */

/* Without memory the order is left: its lease runs out, and it is due again. */
static void take_over(struct saga_driver *driver, const struct saga_record *record, int64_t sent_ms)
{
    struct saga *saga;

    saga = saga_new(driver);
    if (saga == NULL)
        return;
    if (!saga_record_copy(&saga->record, record, saga->arena)) {
        saga_free(saga);
        return;
    }
    saga->sent_ms = sent_ms;
    saga_start(saga, true);
    saga_run(saga);
}

static uint32_t take_limit(const struct saga_driver *driver)
{
    uint32_t taken = driver->count - driver->callers_count;
    uint32_t room = driver->config.orders_max - taken;

    assert(taken <= driver->config.orders_max);
    return MIN_OF(room, SAGA_RECOVER_MAX);
}

static void pass_later(struct saga_driver *driver, int64_t delay_ms)
{
    if (driver->is_recovering && !driver->is_draining)
        clock_timer_start(driver->ports.clock, &driver->recover_timer, delay_ms);
}

/* Not all replicas at the same time. */
static int64_t pass_pause_ms(struct saga_driver *driver)
{
    return SAGA_RECOVER_MS - 100 + random_below(driver->ports.random, 200);
}

static int64_t take_sent_ms(const struct saga_driver *driver)
{
    return driver->take.call.deadline_ms - driver->config.lease_ms;
}

static void tell_observer(const struct saga_driver *driver, uint32_t count)
{
    struct saga_observer *observer = driver->ports.observer;

    if (count > 0 && observer != NULL && observer->on_taken_over != NULL)
        observer->on_taken_over(observer, count);
}

static void on_taken(struct store_call *call)
{
    struct saga_take_due *take = CONTAINER_OF(call, struct saga_take_due, call);
    struct saga_driver *driver = CONTAINER_OF(take, struct saga_driver, take);
    bool is_done = !error_is_set(&call->err);
    uint32_t count = is_done ? take->count : 0;

    assert(driver->take_out);
    assert(count <= take->limit);
    driver->take_out = false;
    if (count > 0)
        FAULT_POINT("take_due.after");
    tell_observer(driver, count);
    for (uint32_t i = 0; i < count; i++)
        take_over(driver, &take->records[i], take_sent_ms(driver));
    arena_free(driver->take_arena);
    driver->take_arena = NULL;
    pass_later(driver, count == take->limit ? RECOVER_AGAIN_MS : pass_pause_ms(driver));
    saga_driver_check_drained(driver);
}

void saga_recover_pass(struct clock_timer *timer)
{
    struct saga_driver *driver = CONTAINER_OF(timer, struct saga_driver, recover_timer);
    uint32_t limit = take_limit(driver);

    assert(driver->is_recovering);
    if (driver->take_out)
        return;
    driver->take_arena = limit > 0 ? arena_new(2 * (size_t)LIMIT_ARENA_SIZE) : NULL;
    if (driver->take_arena == NULL) {
        pass_later(driver, pass_pause_ms(driver));
        return;
    }
    driver->take = (struct saga_take_due){
        .call = {.arena = driver->take_arena,
                 .deadline_ms = clock_now_ms(driver->ports.clock) + driver->config.lease_ms,
                 .done = on_taken},
        .limit = limit,
        .lease_ms = driver->config.lease_ms,
    };
    driver->take_out = true;
    FAULT_POINT("take_due.before");
    driver->ports.store->ops->take_due(driver->ports.store, &driver->take);
}

void saga_recover_init(struct saga_driver *driver)
{
    driver->recover_timer.on_time = saga_recover_pass;
}

void saga_driver_recover(struct saga_driver *driver, bool on)
{
    driver->is_recovering = on;
    if (on)
        pass_later(driver, 0);
    else
        clock_timer_stop(driver->ports.clock, &driver->recover_timer);
}
