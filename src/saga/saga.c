/* The life of a saga: made, started, lost or ended, freed. What it does meanwhile is decided in
 * saga_run. */
#include "saga/saga.h"

#include <assert.h>
#include <stdint.h>

/* What a saga waits for with its one timer follows from its phase. */
static void on_time(struct clock_timer *timer)
{
    struct saga *saga = CONTAINER_OF(timer, struct saga, timer);

    assert(!saga->work_out);
    if (saga->phase == SAGA_CLAIMING) {
        saga_claim_again(saga);
    } else if (saga->phase == SAGA_COMMITTING) {
        saga_commit_again(saga);
    } else {
        assert(saga->phase == SAGA_WAITING);
        saga_run(saga);
    }
}

struct saga *saga_new(struct saga_driver *driver)
{
    struct arena *arena;
    struct saga *saga;

    arena = arena_new(SAGA_ARENA_SIZE);
    if (arena == NULL)
        return NULL;
    saga = ARENA_NEW(arena, struct saga);
    if (saga == NULL) {
        arena_free(arena);
        return NULL;
    }
    saga->driver = driver;
    saga->arena = arena;
    saga->phase = SAGA_CLAIMING;
    saga->timer.on_time = on_time;
    saga->arena_used_first = arena_used(arena);
    LIST_INIT(&saga->tickets);
    LIST_INSERT_HEAD(&driver->sagas, saga, link);
    driver->count++;
    saga_lease_watch(driver);
    return saga;
}

static void saga_forget(struct saga *saga)
{
    if (!saga->is_known)
        return;
    LIST_REMOVE(saga, bucket_link);
    saga->is_known = false;
}

void saga_free(struct saga *saga)
{
    struct saga_driver *driver = saga->driver;

    assert(driver->count > 0);
    saga_forget(saga);
    clock_timer_stop(driver->ports.clock, &saga->timer);
    LIST_REMOVE(saga, link);
    driver->count--;
    if (saga->is_callers)
        saga_driver_leave(driver);
    arena_free(saga->try_arena);
    arena_free(saga->record_arena);
    arena_free(saga->arena);
    saga_driver_check_drained(driver);
}

static struct saga_list *saga_bucket(struct saga_driver *driver, const struct uuid *order_id)
{
    return &driver->by_order[uuid_bucket(order_id, driver->bucket_count)];
}

struct saga *saga_find(struct saga_driver *driver, const struct uuid *order_id)
{
    struct saga *saga;

    LIST_FOREACH (saga, saga_bucket(driver, order_id), bucket_link) {
        if (uuid_equal(&saga->record.order.id, order_id))
            break;
    }
    assert(saga == NULL || saga->is_known);
    return saga;
}

void saga_make_known(struct saga *saga)
{
    assert(!saga->is_known);
    LIST_INSERT_HEAD(saga_bucket(saga->driver, &saga->record.order.id), saga, bucket_link);
    saga->is_known = true;
}

int64_t saga_time_after(int64_t now_ms, int64_t left_ms)
{
    int64_t sum_ms;

    if (__builtin_add_overflow(now_ms, left_ms, &sum_ms))
        return left_ms > 0 ? INT64_MAX : INT64_MIN;
    return sum_ms;
}

/* The database has given the order to a new owner, who is this driver too: the old saga has lost it.
 * Only an outcome that is being committed may still come home, since its commit can be recognised. */
static void saga_replace(struct saga *old, struct saga *saga)
{
    bool is_same_attempt = old->record.order.attempt == saga->record.order.attempt;

    assert(old != saga);
    saga_forget(old);
    if (is_same_attempt)
        saga_ticket_move_all(old, saga);
    if (old->phase == SAGA_CLAIMING)
        return; /* it drove nothing; without tickets it ends by itself */
    if (is_same_attempt || old->phase != SAGA_COMMITTING)
        saga_lose(old);
}

/* The lines and texts of the record stand in the arena of the claim that brought it. */
static void saga_keep_record(struct saga *saga)
{
    assert(saga->record_arena == NULL);
    saga->record_arena = saga->try_arena;
    saga->try_arena = NULL;
    saga->arena_used_first = arena_used(saga->arena);
}

static void saga_start_clocks(struct saga *saga)
{
    const struct saga_record *record = &saga->record;

    saga->lease_until_ms = saga_time_after(saga->sent_ms, record->lease_left_ms);
    saga->forward_until_ms = saga_time_after(saga->sent_ms, record->forward_left_ms);
    saga->fulfill_until_ms = saga_time_after(saga->sent_ms, record->fulfill_left_ms);
    saga->undo_since_ms =
        record->undo_age_ms < 0 ? saga_now_ms(saga) : saga->sent_ms - record->undo_age_ms;
    saga->step_since_ms = saga_now_ms(saga);
}

void saga_start(struct saga *saga, bool is_taken_over)
{
    struct saga_driver *driver = saga->driver;
    struct saga *old = saga_find(driver, &saga->record.order.id);

    assert(saga->phase == SAGA_CLAIMING);
    assert(!saga->work_out);
    saga_keep_record(saga);
    saga_start_clocks(saga);
    if (old != NULL)
        saga_replace(old, saga);
    saga_make_known(saga);
    saga->phase = SAGA_RUNNING;
    saga->is_taken_over = is_taken_over;
    saga->counts = is_taken_over;
    saga->tainted = is_taken_over && saga_row(saga->record.order.state)->is_forward;
    saga->tries = is_taken_over ? saga->record.tries + 1 : 1;
    step_charge_enter(saga);
    saga_ticket_arm_all(saga);
}

bool saga_settle(struct saga *saga)
{
    bool is_over = saga->phase == SAGA_LOST || saga->phase == SAGA_ENDED;

    if (!is_over || saga->work_out || saga->renew_out)
        return false;
    if (saga->ticket_count == 0) {
        saga_free(saga);
        return true;
    }
    assert(saga->phase == SAGA_LOST);
    saga_join_lost(saga);
    return false;
}

void saga_lose(struct saga *saga)
{
    assert(saga->phase != SAGA_ENDED);
    assert(saga->phase != SAGA_CLAIMING);
    saga->phase = SAGA_LOST;
    saga_forget(saga);
    clock_timer_stop(saga->driver->ports.clock, &saga->timer);
    saga_settle(saga);
}

void saga_end(struct saga *saga)
{
    assert(saga->phase != SAGA_ENDED);
    assert(!saga->work_out);
    saga->phase = SAGA_ENDED;
    saga_forget(saga);
    clock_timer_stop(saga->driver->ports.clock, &saga->timer);
    saga_ticket_answer_all(saga);
    saga_settle(saga);
}

struct arena *saga_try_arena(struct saga *saga)
{
    assert(!saga->work_out);
    arena_free(saga->try_arena);
    saga->try_arena = NULL;
    if (arena_used(saga->arena) - saga->arena_used_first < SAGA_TRY_RESULT_SIZE)
        return saga->arena;
    saga->try_arena = arena_new(SAGA_ARENA_SIZE);
    return saga->try_arena;
}
