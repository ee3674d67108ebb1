/* A world from its seed to its end: the queue of events, chance, memory. */
#include "sim_world.h"

#include "sim_coverage.h"
#include "sim_faults.h"
#include "sim_parts.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 20 * 1000 * 1000, /* of one world: more is a loop */
    REST_MS = 30 * 1000,           /* V6, beside the lease */
    AGAIN_MS = 1000,
};

/* ---- Chance: SplitMix64 --------------------------------------------------------------------- */

uint64_t sim_random(struct sim_world *world)
{
    uint64_t z = (world->random_state += 0x9e3779b97f4a7c15U);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

uint32_t sim_below(struct sim_world *world, uint32_t bound)
{
    assert(bound > 0);
    return (uint32_t)(((sim_random(world) >> 32) * bound) >> 32);
}

bool sim_chance(struct sim_world *world, uint32_t per_mille)
{
    return per_mille > 0 && sim_below(world, 1000) < per_mille;
}

int64_t sim_between(struct sim_world *world, int64_t low, int64_t high)
{
    assert(low <= high);
    return low + sim_below(world, (uint32_t)(high - low + 1));
}

static void on_fill(struct random_source *base, void *data, size_t size)
{
    struct sim_world *world = CONTAINER_OF(base, struct sim_world, random);
    unsigned char *bytes = data;

    while (size > 0) {
        uint64_t value = sim_random(world);
        size_t count = MIN_OF(size, sizeof(value));

        memcpy(bytes, &value, count);
        bytes += count;
        size -= count;
    }
}

static const struct random_source_ops random_ops = {.fill = on_fill};

/* ---- Memory --------------------------------------------------------------------------------- */

void *sim_alloc(struct sim_world *world, size_t size)
{
    void *memory = arena_alloc_zero(world->memory, size);

    if (memory == NULL)
        sim_fail(world, "memory", "the world is larger than it may be");
    return memory;
}

const char *sim_text(struct sim_world *world, const char *text)
{
    const char *copy;

    if (text == NULL)
        return NULL;
    copy = arena_strdup(world->memory, text);
    if (copy == NULL)
        sim_fail(world, "memory", "the world is larger than it may be");
    return copy;
}

void *sim_grow(struct sim_world *world, void *array, uint32_t count, uint32_t *room, size_t size)
{
    void *larger;

    if (count < *room)
        return array;
    *room = MAX_OF(2 * *room, 8);
    larger = sim_alloc(world, *room * size);
    if (count > 0)
        memcpy(larger, array, count * size);
    return larger;
}

/* ---- Telling -------------------------------------------------------------------------------- */

void sim_tell(const struct sim_world *world, const char *format, ...)
{
    va_list args;

    if (!world->is_told)
        return;
    printf("%9.3f  ", (double)world->now_ms / 1000);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void sim_fail(const struct sim_world *world, const char *invariant, const char *format, ...)
{
    char text[600];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fflush(stdout);
    dprintf(STDOUT_FILENO, "SEED=%" PRIu64 " (%s%s) at %.3f s: %s: %s\n", world->seed,
            world->profile->name, world->is_remote ? ", remote inventory" : "",
            (double)world->now_ms / 1000, invariant, text);
    _exit(1);
}

/* ---- Messages ------------------------------------------------------------------------------- */

static void message_done(struct sim_message *message)
{
    assert(message->pending > 0);
    message->pending--;
}

static void message_arrive(struct sim_message *message)
{
    struct sim_worker *worker = message->worker;
    char point[40];

    message_done(message);
    message->has_acted = true;
    message->on_arrive(message);
    if (!message->fate.crash_when_acted || worker == NULL || sim_worker_is_asleep(worker))
        return;
    message->fate.crash_when_acted = false;
    snprintf(point, sizeof(point), "%s.acted", sim_op_name(message->op));
    sim_worker_crash(worker, point);
}

static void on_arrive(struct clock_timer *timer)
{
    message_arrive(CONTAINER_OF(timer, struct sim_message, arrive));
}

static void on_again(struct clock_timer *timer)
{
    message_arrive(CONTAINER_OF(timer, struct sim_message, again));
}

static void run_answer(void *arg)
{
    struct sim_message *message = arg;
    struct sim_worker *worker = message->worker;

    LIST_REMOVE(message, link);
    message->worker = NULL;
    if (message->op >= SIM_OPEN)
        sim_point(worker, message->op, "answered");
    message->on_answer(message);
}

/* What comes for one who sleeps waits for it. */
static void on_answer(struct clock_timer *timer)
{
    struct sim_message *message = CONTAINER_OF(timer, struct sim_message, answer);
    struct sim_worker *worker = message->worker;

    assert(worker != NULL);
    if (sim_worker_is_asleep(worker)) {
        sim_at(message->world, timer, worker->asleep_until_ms - message->world->now_ms);
        return;
    }
    message_done(message);
    sim_worker_run(worker, run_answer, message);
}

static void message_at(struct sim_message *message, struct clock_timer *timer, int64_t delay_ms)
{
    if (delay_ms < 0)
        return;
    message->pending++;
    sim_at(message->world, timer, delay_ms);
}

void sim_message_send(struct sim_worker *worker, struct sim_message *message)
{
    message->world = worker->world;
    message->worker = worker;
    message->arrive.on_time = on_arrive;
    message->again.on_time = on_again;
    message->answer.on_time = on_answer;
    LIST_INSERT_HEAD(&worker->messages, message, link);
    message_at(message, &message->arrive, message->fate.arrive_ms);
    message_at(message, &message->again, message->fate.again_ms);
    message_at(message, &message->answer, MAX_OF(message->fate.answer_ms, 0));
}

/* ---- The queue ------------------------------------------------------------------------------ */

void sim_at(struct sim_world *world, struct clock_timer *timer, int64_t delay_ms)
{
    if (timer->pending)
        timer_heap_remove(&world->events, timer);
    timer->pending = true;
    timer_heap_push(&world->events, timer, world->now_ms + MAX_OF(delay_ms, 0));
}

/* The worker whose timer comes next; NULL: an event of the world does, at *out_ms. */
static struct sim_worker *next_source(struct sim_world *world, int64_t *out_ms)
{
    struct clock_timer *first = timer_heap_first(&world->events);
    struct sim_worker *source = NULL;

    *out_ms = first == NULL ? INT64_MAX : timer_heap_due_ms(first);
    for (unsigned i = 0; i < SIM_WORKERS; i++) {
        int64_t next_ms = sim_worker_next_ms(&world->workers[i]);

        if (next_ms < *out_ms) {
            *out_ms = next_ms;
            source = &world->workers[i];
        }
    }
    return source;
}

static void run_event(struct sim_world *world)
{
    struct clock_timer *timer = timer_heap_first(&world->events);

    timer_heap_remove(&world->events, timer);
    timer->pending = false;
    timer->on_time(timer);
}

static void run_until(struct sim_world *world, int64_t until_ms)
{
    unsigned events = 0;

    for (;;) {
        int64_t next_ms;
        struct sim_worker *worker = next_source(world, &next_ms);

        if (next_ms > until_ms)
            break;
        world->now_ms = MAX_OF(world->now_ms, next_ms);
        if (worker != NULL)
            sim_worker_turn(worker);
        else
            run_event(world);
        if (++events > EVENTS_MAX)
            sim_fail(world, "V6", "the world goes round in circles");
    }
    world->now_ms = until_ms;
    world->coverage->events += events;
}

/* ---- One world ------------------------------------------------------------------------------ */

static void world_init(struct sim_world *world, uint64_t seed, bool is_told,
                       struct sim_coverage *coverage)
{
    *world = (struct sim_world){
        .seed = seed,
        .is_told = is_told,
        .random.ops = &random_ops,
        .random_state = seed,
        .memory = arena_new(SIM_WORLD_BYTES),
        .now_ms = 1000,
        .coverage = coverage,
    };
    assert(world->memory != NULL);
    sim_faults_init(world);
    sim_db_init(world);
    for (unsigned i = 0; i < SIM_WORKERS; i++)
        sim_worker_init(&world->workers[i], world, i);
    sim_clients_init(world);
}

unsigned sim_world_run(uint64_t seed, bool is_told, struct sim_coverage *coverage)
{
    struct sim_world world;
    unsigned orders;

    coverage->seed = seed;
    world_init(&world, seed, is_told, coverage);
    run_until(&world, world.calm_ms);
    sim_check_stock(&world);
    run_until(&world, world.calm_ms + world.last_time_jump_ms + world.config.lease_ms + REST_MS);
    sim_check_at_rest(&world);
    sim_clients_ask_again(&world);
    run_until(&world, world.now_ms + AGAIN_MS);
    sim_check_at_rest(&world);
    for (unsigned i = 0; i < SIM_WORKERS; i++)
        sim_worker_deinit(&world.workers[i]);
    orders = world.db.order_count;
    coverage->worlds++;
    coverage->orders += orders;
    coverage->virtual_ms += world.now_ms;
    arena_free(world.memory);
    return orders;
}
