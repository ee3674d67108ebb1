/* Orders: names of states and steps, and the steps of an attempt. Not for moving an order from state
 * to state, which is the saga's. */
#include "domain/order.h"

#include <assert.h>
#include <string.h>

/* clang-format off */
static const struct order_state_row {
    const char *name;
    enum step_kind step; /* what is being made true in this state */
    bool is_at_rest;
} state_rows[ORDER_STATE_COUNT] = {
    [ORDER_STATE_UNSPECIFIED] = {"STATE_UNSPECIFIED", STEP_NONE,    false},
    [ORDER_PENDING]           = {"PENDING",           STEP_NONE,    true},
    [ORDER_RESERVING]         = {"RESERVING",         STEP_RESERVE, false},
    [ORDER_CHARGING]          = {"CHARGING",          STEP_CHARGE,  false},
    [ORDER_FULFILLING]        = {"FULFILLING",        STEP_FULFILL, false},
    [ORDER_FULFILLED]         = {"FULFILLED",         STEP_NONE,    true},
    [ORDER_RECALLING]         = {"RECALLING",         STEP_RECALL,  false},
    [ORDER_REFUNDING]         = {"REFUNDING",         STEP_REFUND,  false},
    [ORDER_RELEASING]         = {"RELEASING",         STEP_RELEASE, false},
    [ORDER_FAILED]            = {"FAILED",            STEP_NONE,    true},
    [ORDER_CANCELLED]         = {"CANCELLED",         STEP_NONE,    true},
    [ORDER_STUCK]             = {"STUCK",             STEP_NONE,    true},
};
static const char *const step_kind_names[STEP_KIND_COUNT] = {
    [STEP_NONE]    = "KIND_UNSPECIFIED",
    [STEP_RESERVE] = "RESERVE",
    [STEP_CHARGE]  = "CHARGE",
    [STEP_FULFILL] = "FULFILL",
    [STEP_RECALL]  = "RECALL",
    [STEP_REFUND]  = "REFUND",
    [STEP_RELEASE] = "RELEASE",
};
static const char *const step_outcome_names[STEP_OUTCOME_COUNT] = {
    [OUTCOME_RUNNING] = "RUNNING",
    [OUTCOME_DONE]    = "DONE",
    [OUTCOME_REFUSED] = "REFUSED",
    [OUTCOME_UNKNOWN] = "UNKNOWN",
};
/* clang-format on */

/* ---- Names --------------------------------------------------------------------------------- */

const char *order_state_name(enum order_state state)
{
    assert((unsigned)state < ORDER_STATE_COUNT);
    return state_rows[state].name;
}

enum order_state order_state_parse(const char *name)
{
    for (unsigned state = ORDER_PENDING; state < ORDER_STATE_COUNT; state++) {
        if (strcmp(name, state_rows[state].name) == 0)
            return (enum order_state)state;
    }
    return ORDER_STATE_UNSPECIFIED;
}

const char *step_kind_name(enum step_kind kind)
{
    assert((unsigned)kind < STEP_KIND_COUNT);
    return step_kind_names[kind];
}

const char *step_outcome_name(enum step_outcome outcome)
{
    assert((unsigned)outcome < STEP_OUTCOME_COUNT);
    return step_outcome_names[outcome];
}

bool order_is_at_rest(enum order_state state)
{
    assert((unsigned)state < ORDER_STATE_COUNT);
    return state_rows[state].is_at_rest;
}

/* ---- Steps --------------------------------------------------------------------------------- */

struct step_list {
    struct order_step *steps;
    uint32_t count;
};

/* The step an event tells about: the last one if it has not ended, else a new one. A step begins when
 * its state was entered, which is what the event before it did. */
static struct order_step *step_of_event(struct step_list *list, enum step_kind kind,
                                        int64_t start_time_us)
{
    struct order_step *step = list->count == 0 ? NULL : &list->steps[list->count - 1];

    if (step != NULL && step->kind == kind &&
        (step->outcome == OUTCOME_RUNNING || step->outcome == OUTCOME_UNKNOWN))
        return step;
    step = &list->steps[list->count++];
    *step = (struct order_step){.kind = kind, .start_time_us = start_time_us};
    return step;
}

static void step_list_add(struct step_list *list, const struct order_event *event,
                          int64_t entered_time_us)
{
    struct order_step *step;

    if (event->step == STEP_NONE)
        return;
    step = step_of_event(list, event->step, entered_time_us);
    step->outcome = event->outcome;
    step->tries = event->tries;
    step->end_time_us = event->outcome == OUTCOME_RUNNING ? 0 : event->time_us;
    if (event->external_id != NULL)
        step->external_id = event->external_id;
    if (event->failure.reason != REASON_NONE)
        step->failure = event->failure;
}

struct order_step *order_steps(const struct order *order, struct arena *arena, uint32_t *out_count)
{
    struct step_list list = {0};
    enum step_kind running = state_rows[order->state].step;
    int64_t entered_time_us = 0;

    *out_count = 0;
    if (order->event_count == 0 || order->attempt == 0)
        return NULL;
    list.steps = arena_array(arena, (size_t)order->event_count + 1, sizeof(*list.steps));
    if (list.steps == NULL)
        return NULL;
    for (uint32_t i = 0; i < order->event_count; i++) {
        const struct order_event *event = &order->events[i];
        if (event->attempt != order->attempt)
            continue;
        step_list_add(&list, event, entered_time_us == 0 ? event->time_us : entered_time_us);
        if (i == 0 || event->state != order->events[i - 1].state || entered_time_us == 0)
            entered_time_us = event->time_us;
    }
    if (running != STEP_NONE && entered_time_us != 0)
        step_of_event(&list, running, entered_time_us);
    *out_count = list.count;
    return list.count == 0 ? NULL : list.steps;
}
