/* A worker: a loop with its own clock, a driver and the services on it. It may die at every fault point
 * it passes, sleep, be drained; another takes its place. */
#include "sim_coverage.h"
#include "sim_faults.h"
#include "sim_parts.h"

#include "base/fault_point.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    RESTART_MS_MAX = 5000,
    POINT_NAME_SIZE = 96,
    DOOM = 400, /* per mille */
};

/* The worker whose code runs: fault points do not know whose they are. */
static struct {
    struct sim_worker *worker;
    jmp_buf death;
} running;

/* ---- Its clock ------------------------------------------------------------------------------ */

static int64_t on_turn_us(struct clock *base)
{
    return sim_worker_now_ms(CONTAINER_OF(base, struct sim_worker, clock)) * 1000;
}

static int64_t on_unix_us(struct clock *base)
{
    struct sim_worker *worker = CONTAINER_OF(base, struct sim_worker, clock);

    return ((int64_t)SIM_UNIX_S * 1000 + worker->world->now_ms) * 1000;
}

static void on_timer_stop(struct clock *base, struct clock_timer *timer)
{
    struct sim_worker *worker = CONTAINER_OF(base, struct sim_worker, clock);

    if (!timer->pending)
        return;
    timer_heap_remove(&worker->timers, timer);
    timer->pending = false;
}

static void on_timer_start(struct clock *base, struct clock_timer *timer, int64_t delay_ms)
{
    struct sim_worker *worker = CONTAINER_OF(base, struct sim_worker, clock);

    on_timer_stop(base, timer);
    timer->pending = true;
    timer_heap_push(&worker->timers, timer, sim_worker_now_ms(worker) + MAX_OF(delay_ms, 0));
}

static const struct clock_ops clock_ops = {
    .turn_us = on_turn_us,
    .exact_us = on_turn_us,
    .unix_us = on_unix_us,
    .timer_start = on_timer_start,
    .timer_stop = on_timer_stop,
};

/* ---- What it tells -------------------------------------------------------------------------- */

static void on_transition(struct saga_observer *observer, const struct saga_transition *transition)
{
    struct sim_worker *worker = CONTAINER_OF(observer, struct sim_worker, observer);
    const struct sim_order *order = sim_db_find(worker->world, transition->order_id);

    /* No log line tells an outcome before the commit that makes it so. */
    if (order == NULL || order->revision < transition->revision)
        sim_fail(worker->world, "V7", "a transition to %s was told before it was committed",
                 order_state_name(transition->to));
    service_order_changed(&worker->service, transition->order_id);
}

static void on_taken_over(struct saga_observer *observer, uint32_t count)
{
    CONTAINER_OF(observer, struct sim_worker, observer)->world->coverage->takeovers += count;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static void run_start(void *arg)
{
    saga_driver_recover(((struct sim_worker *)arg)->driver, true);
}

static void worker_start(struct sim_worker *worker)
{
    struct sim_world *world = worker->world;
    const struct saga_ports ports = {
        .store = &worker->saga_store,
        .payment = &worker->payment,
        .fulfillment = &worker->fulfillment,
        .inventory = world->is_remote ? &worker->inventory : NULL,
        .clock = &worker->clock,
        .random = &world->random,
        .observer = &worker->observer,
    };

    worker->incarnation++;
    worker->is_running = true;
    worker->is_draining = false;
    worker->timers = (struct timer_heap){0};
    worker->driver = saga_driver_new(&world->config, &ports);
    worker->service = (struct service){
        .order_store = &worker->order_store,
        .saga_driver = worker->driver,
        .order_watches = order_watches_new(&worker->order_store, &worker->clock),
        .clock = &worker->clock,
        .random = &world->random,
    };
    assert(worker->driver != NULL && worker->service.order_watches != NULL);
    sim_tell(world, "worker %u starts", worker->index);
    sim_worker_run(worker, run_start, worker);
}

static void on_restart(struct clock_timer *timer)
{
    worker_start(CONTAINER_OF(timer, struct sim_worker, restart));
}

/* Looks of watches hold memory of their own: they are told that the store is gone. */
static bool ends_at_death(const struct sim_message *message)
{
    return message->op == SIM_GET;
}

/* What was sent still arrives; nobody waits for the answers any more. */
static void forget_messages(struct sim_worker *worker)
{
    while (!LIST_EMPTY(&worker->messages)) {
        struct sim_message *message = LIST_FIRST(&worker->messages);

        LIST_REMOVE(message, link);
        message->worker = NULL;
        if (message->answer.pending) {
            timer_heap_remove(&worker->world->events, &message->answer);
            message->answer.pending = false;
        }
        if (ends_at_death(message)) {
            message->fate.kind = SIM_NOT_SENT;
            message->on_answer(message);
        }
    }
}

static void worker_end(struct sim_worker *worker)
{
    assert(worker->is_running);
    worker->is_running = false;
    sim_calls_lost(worker);
    forget_messages(worker);
    sim_calls_forget(worker);
    saga_driver_free(worker->driver);
    worker->driver = NULL;
    order_watches_free(worker->service.order_watches);
    worker->service.order_watches = NULL;
    worker->timers = (struct timer_heap){0};
    worker->asleep_until_ms = 0;
}

static void worker_end_and_restart(struct sim_worker *worker)
{
    struct sim_world *world = worker->world;
    int64_t pause_ms = sim_chance(world, 500) ? 1 : sim_between(world, 1, RESTART_MS_MAX);

    worker_end(worker);
    if (world->now_ms + pause_ms > world->calm_ms)
        pause_ms = MAX_OF(world->calm_ms - world->now_ms, 0);
    sim_at(world, &worker->restart, pause_ms);
}

void sim_worker_crash(struct sim_worker *worker, const char *point)
{
    assert(running.worker == NULL);
    if (!worker->is_running)
        return;
    sim_tell(worker->world, "worker %u dies at %s", worker->index, point);
    sim_cover_point(worker->world->coverage, point);
    worker_end_and_restart(worker);
}

void sim_worker_run(struct sim_worker *worker, void (*run)(void *arg), void *arg)
{
    struct sim_worker *volatile it = worker;

    assert(running.worker == NULL);
    assert(worker->is_running);
    running.worker = worker;
    if (_setjmp(running.death) == 0) {
        run(arg);
        running.worker = NULL;
        return;
    }
    running.worker = NULL;
    worker_end_and_restart(it);
}

/* ---- Dying ---------------------------------------------------------------------------------- */

bool sim_dies_at(struct sim_world *world, const char *name, const char *where)
{
    const char *doom = world->doom;
    size_t len = strlen(name);
    bool is_doomed =
        doom != NULL && strncmp(doom, name, len) == 0 && strcmp(doom + len, where) == 0;

    return !sim_is_calm(world) && sim_chance(world, is_doomed ? DOOM : world->profile->crashes);
}

static void may_die(const char *format, va_list args) PRINTF_LIKE(1, 0);
static void may_die(const char *format, va_list args)
{
    struct sim_worker *worker = running.worker;
    char name[POINT_NAME_SIZE];

    if (worker == NULL || (worker->world->profile->crashes == 0 && worker->world->doom == NULL))
        return;
    vsnprintf(name, sizeof(name), format, args);
    if (!sim_dies_at(worker->world, name, ""))
        return;
    sim_tell(worker->world, "worker %u dies at %s", worker->index, name);
    sim_cover_point(worker->world->coverage, name);
    _longjmp(running.death, 1);
}

/* Takes the place of the one in src/base, which kills the process. */
void fault_point(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    may_die(format, args);
    va_end(args);
}

static void die_maybe(const char *format, ...) PRINTF_LIKE(1, 2);
static void die_maybe(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    may_die(format, args);
    va_end(args);
}

void sim_point(struct sim_worker *worker, enum sim_op op, const char *where)
{
    assert(running.worker == worker);
    die_maybe("%s.%s", sim_op_name(op), where);
}

/* ---- Sleeping, draining --------------------------------------------------------------------- */

void sim_worker_sleep(struct sim_worker *worker, int64_t ms, bool is_suspended)
{
    if (!worker->is_running || sim_worker_is_asleep(worker))
        return;
    sim_tell(worker->world, "worker %u %s for %lld ms", worker->index,
             is_suspended ? "is suspended" : "stops", (long long)ms);
    worker->asleep_until_ms = worker->world->now_ms + ms;
    worker->is_suspended = is_suspended;
    worker->sleeps++;
    if (is_suspended)
        worker->offset_ms -= ms; /* what it knows of time when it wakes */
}

static void on_drained(void *arg)
{
    struct sim_worker *worker = arg;

    worker->is_draining = false; /* ends with this turn */
}

static void run_drain(void *arg)
{
    struct sim_worker *worker = arg;

    saga_driver_drain(worker->driver, on_drained, worker);
}

void sim_worker_drain(struct sim_worker *worker)
{
    if (!worker->is_running || worker->is_draining || sim_worker_is_asleep(worker))
        return;
    sim_tell(worker->world, "worker %u shuts down", worker->index);
    worker->is_draining = true;
    sim_worker_run(worker, run_drain, worker);
}

/* ---- Turns ---------------------------------------------------------------------------------- */

int64_t sim_worker_next_ms(const struct sim_worker *worker)
{
    struct clock_timer *first = timer_heap_first(&worker->timers);

    if (first == NULL)
        return INT64_MAX;
    return MAX_OF(timer_heap_due_ms(first) - worker->offset_ms, worker->asleep_until_ms);
}

static void run_timer(void *arg)
{
    struct clock_timer *timer = arg;

    timer->on_time(timer);
}

void sim_worker_turn(struct sim_worker *worker)
{
    struct clock_timer *timer = timer_heap_first(&worker->timers);
    bool was_draining = worker->is_draining;

    timer_heap_remove(&worker->timers, timer);
    timer->pending = false;
    sim_worker_run(worker, run_timer, timer);
    if (was_draining && worker->is_running && !worker->is_draining) {
        sim_tell(worker->world, "worker %u has shut down", worker->index);
        worker_end_and_restart(worker);
    }
}

void sim_worker_init(struct sim_worker *worker, struct sim_world *world, unsigned index)
{
    memset(worker, 0, sizeof(*worker));
    worker->world = world;
    worker->index = index;
    worker->clock.ops = &clock_ops;
    worker->offset_ms = sim_between(world, 0, 1000 * 1000);
    worker->observer.on_transition = on_transition;
    worker->observer.on_taken_over = on_taken_over;
    worker->restart.on_time = on_restart;
    LIST_INIT(&worker->messages);
    LIST_INIT(&worker->calls);
    LIST_INIT(&worker->watches);
    sim_store_init(worker);
    sim_payment_init(worker);
    sim_fulfillment_init(worker);
    sim_inventory_init(worker);
    worker_start(worker);
}

void sim_worker_deinit(struct sim_worker *worker)
{
    if (worker->is_running)
        worker_end(worker);
}
