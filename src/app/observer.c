/* Transitions of orders, as log lines, metrics and news for watchers. Not for calls: the edge tells
 * those. */
#include "app/observer.h"

#include "observe/log.h"
#include "observe/metrics.h"

#include <stdio.h>

enum {
    LABEL_SIZE = 96,
    STEP_SERIES = STEP_KIND_COUNT * STEP_OUTCOME_COUNT
};

static void register_reasons(void)
{
    static char text[REASON_COUNT][LABEL_SIZE];
    const char *labels[REASON_COUNT];
    for (int i = 0; i < REASON_COUNT; i++) {
        const char *name = i == REASON_NONE ? "NONE" : reason_key((enum reason)i);
        snprintf(text[i], LABEL_SIZE, "reason=\"%s\"", name);
        labels[i] = text[i];
    }
    metrics_series(METRIC_ORDERS_FAILED, labels, REASON_COUNT);
}

static void register_steps(void)
{
    static char step_text[STEP_KIND_COUNT][LABEL_SIZE];
    static char outcome_text[STEP_SERIES][LABEL_SIZE];
    const char *steps[STEP_KIND_COUNT];
    const char *outcomes[STEP_SERIES];
    for (int step = 0; step < STEP_KIND_COUNT; step++) {
        const char *name = step == STEP_NONE ? "NONE" : step_kind_name((enum step_kind)step);
        snprintf(step_text[step], LABEL_SIZE, "step=\"%s\"", name);
        steps[step] = step_text[step];
        for (int outcome = 0; outcome < STEP_OUTCOME_COUNT; outcome++) {
            int series = step * STEP_OUTCOME_COUNT + outcome;
            const char *word = outcome == OUTCOME_RUNNING
                                   ? "RUNNING"
                                   : step_outcome_name((enum step_outcome)outcome);
            snprintf(outcome_text[series], LABEL_SIZE, "step=\"%s\",outcome=\"%s\"", name, word);
            outcomes[series] = outcome_text[series];
        }
    }
    metrics_series(METRIC_STEP_SECONDS, steps, STEP_KIND_COUNT);
    metrics_series(METRIC_STEPS, outcomes, STEP_SERIES);
}

void observer_register_metrics(void)
{
    register_reasons();
    register_steps();
}

static void count_transition(const struct saga_transition *transition)
{
    unsigned step = (unsigned)transition->step;
    if (transition->step != STEP_NONE) {
        metrics_add(METRIC_STEPS, step * STEP_OUTCOME_COUNT + (unsigned)transition->outcome, 1);
        if (transition->outcome != OUTCOME_RUNNING) {
            metrics_observe_us(METRIC_STEP_SECONDS, step, transition->duration_ms * 1000);
        }
    }
    if (transition->from == transition->to) {
        return;
    }
    if (transition->to == ORDER_FULFILLED) {
        metrics_add(METRIC_ORDERS_FULFILLED, 0, 1);
    } else if (transition->to == ORDER_FAILED || transition->to == ORDER_CANCELLED) {
        metrics_add(METRIC_ORDERS_FAILED, (unsigned)transition->reason, 1);
    } else if (transition->to == ORDER_STUCK) {
        metrics_add(METRIC_ORDERS_STUCK, 0, 1);
    }
}

static void log_transition(const struct saga_transition *transition)
{
    enum log_level level = transition->to == ORDER_STUCK ? LOG_ERROR : LOG_INFO;
    if (!log_enabled(level)) {
        return;
    }
    char order_id[UUID_TEXT_SIZE];
    uuid_format(transition->order_id, order_id);
    bool has_step = transition->step != STEP_NONE;
    const struct log_field fields[] = {
        LOG_STR("order_id", order_id),
        LOG_INT("attempt", transition->attempt),
        LOG_INT("revision", transition->revision),
        LOG_STR("from", order_state_name(transition->from)),
        LOG_STR("saga_state", order_state_name(transition->to)),
        LOG_STR("step", has_step ? step_kind_name(transition->step) : NULL),
        LOG_STR("outcome", has_step ? step_outcome_name(transition->outcome) : NULL),
        LOG_INT("tries", transition->tries),
        LOG_DURATION("duration_ms", transition->duration_ms * 1000),
        LOG_STR("reason",
                transition->reason != REASON_NONE ? reason_name(transition->reason) : NULL),
        {0},
    };
    log_fields(level, "order transition", fields);
}

static void on_transition(struct saga_observer *base, const struct saga_transition *transition)
{
    struct observer *observer = CONTAINER_OF(base, struct observer, base);
    count_transition(transition);
    log_transition(transition);
    service_order_changed(observer->service, transition->order_id);
}

static void on_taken_over(struct saga_observer *observer, uint32_t count)
{
    (void)observer;
    metrics_add(METRIC_ORDERS_TAKEN_OVER, 0, count);
}

void observer_init(struct observer *observer, struct service *service)
{
    *observer = (struct observer){
        .base = {.on_taken_over = on_taken_over, .on_transition = on_transition},
        .service = service,
    };
}
