/* A list of lines, a list of answers to come, and scripts. */
#include "fake/fake_ledger.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_later {
    LIST_ENTRY(fake_later) link;
    struct fake_ledger *ledger;
    struct clock_timer timer;
    void (*run)(void *arg);
    void *arg;
};

void fake_ledger_init(struct fake_ledger *ledger, struct clock *clock)
{
    memset(ledger, 0, sizeof(*ledger));
    ledger->clock = clock;
    LIST_INIT(&ledger->laters);
}

void fake_ledger_deinit(struct fake_ledger *ledger)
{
    while (!LIST_EMPTY(&ledger->laters)) {
        struct fake_later *later = LIST_FIRST(&ledger->laters);

        clock_timer_stop(ledger->clock, &later->timer);
        LIST_REMOVE(later, link);
        free(later);
    }
}

void fake_ledger_note(struct fake_ledger *ledger, const char *format, ...)
{
    va_list args;

    assert(ledger->count < FAKE_LEDGER_LINES_MAX);
    va_start(args, format);
    vsnprintf(ledger->lines[ledger->count++], FAKE_LEDGER_LINE_SIZE, format, args);
    va_end(args);
}

int fake_ledger_find(const struct fake_ledger *ledger, const char *prefix, unsigned from)
{
    for (unsigned i = from; i < ledger->count; i++) {
        if (strncmp(ledger->lines[i], prefix, strlen(prefix)) == 0)
            return (int)i;
    }
    return -1;
}

unsigned fake_ledger_count(const struct fake_ledger *ledger, const char *prefix)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ledger->count; i++)
        count += strncmp(ledger->lines[i], prefix, strlen(prefix)) == 0;
    return count;
}

static void on_time(struct clock_timer *timer)
{
    struct fake_later *later = CONTAINER_OF(timer, struct fake_later, timer);
    void (*run)(void *arg) = later->run;
    void *arg = later->arg;

    LIST_REMOVE(later, link);
    free(later);
    run(arg);
}

void fake_ledger_later(struct fake_ledger *ledger, int64_t delay_ms, void (*run)(void *arg),
                       void *arg)
{
    struct fake_later *later = calloc(1, sizeof(*later));

    assert(later != NULL);
    later->ledger = ledger;
    later->run = run;
    later->arg = arg;
    later->timer.on_time = on_time;
    LIST_INSERT_HEAD(&ledger->laters, later, link);
    clock_timer_start(ledger->clock, &later->timer, delay_ms);
}

/* ---- Scripts ------------------------------------------------------------------------------ */

void fake_script_add(struct fake_script *script, struct fake_outcome outcome)
{
    assert(script->count < FAKE_SCRIPT_MAX);
    script->outcomes[script->count++] = outcome;
}

struct fake_outcome fake_script_next(struct fake_script *script)
{
    if (script->next < script->count)
        return script->outcomes[script->next++];
    if (script->forever && script->count > 0)
        return script->outcomes[script->count - 1];
    return (struct fake_outcome){.result = EFFECT_DONE};
}

static void on_effect(void *arg)
{
    struct effect *effect = arg;

    effect->done(effect);
}

static void take_memory(struct arena *arena, size_t size)
{
    const void *memory = arena_alloc(arena, size);

    assert(memory != NULL);
}

void fake_effect_end(struct fake_ledger *ledger, struct effect *effect,
                     const struct fake_outcome *outcome, int64_t delay_ms, enum reason reason)
{
    effect->result = outcome->result;
    effect->retry_after_ms = outcome->retry_after_ms;
    take_memory(effect->arena, outcome->answer_size);
    if (outcome->result != EFFECT_DONE)
        error_set(&effect->err, outcome->reason == REASON_NONE ? reason : outcome->reason);
    fake_ledger_later(ledger, outcome->delay_ms > 0 ? outcome->delay_ms : delay_ms, on_effect,
                      effect);
}
