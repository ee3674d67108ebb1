/* Counts and logs finished calls. Not for figures of one door only (connections, refusals). */
#include "edge/call_report.h"

#include "observe/log.h"
#include "observe/metrics.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LABEL_SIZE = 128
};

static bool name_series(enum metric metric, char (*labels)[LABEL_SIZE], unsigned count)
{
    const char **names;

    assert(count > 0);
    names = calloc(count, sizeof(*names));
    if (names == NULL) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        names[i] = labels[i];
    }
    metrics_series(metric, names, count);
    free((void *)names);
    return true;
}

bool call_report_init(const struct method *const *methods, unsigned method_count_all)
{
    const unsigned count = method_count_all * STATUS_COUNT;
    char(*labels)[LABEL_SIZE];
    bool ok;

    if (count > METRIC_SERIES_MAX) {
        return false;
    }
    labels = calloc(count, sizeof(*labels));
    if (labels == NULL) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        const struct method *method = methods[i / STATUS_COUNT];
        snprintf(labels[i], LABEL_SIZE, "method=\"%s/%s\",code=\"%s\"", method->service,
                 method->name, status_name((enum status)(i % STATUS_COUNT)));
    }
    ok = name_series(METRIC_CALLS, labels, count);
    for (unsigned i = 0; i < method_count_all; i++) {
        snprintf(labels[i], LABEL_SIZE, "method=\"%s/%s\"", methods[i]->service, methods[i]->name);
    }
    ok = ok && name_series(METRIC_CALL_SECONDS, labels, method_count_all);
    free(labels);
    return ok;
}

static void write_line(const struct call_report *report)
{
    const struct error *err = report->err;
    const bool failed = error_is_set(err);
    char method[LABEL_SIZE];

    snprintf(method, sizeof(method), "%s/%s", report->method->service, report->method->name);
    const struct log_field fields[] = {
        LOG_STR("method", method),
        LOG_STR("code", status_name(err->status)),
        LOG_STR("reason", failed ? reason_name(err->reason) : NULL),
        LOG_STR("error", failed ? err->message : NULL),
        LOG_DURATION("duration_ms", report->duration_us),
        LOG_STR("order_id", report->order_id),
        LOG_INT("request_size", report->request_size),
        LOG_INT("reply_size", report->reply_size),
        {.key = NULL},
    };
    log_fields(LOG_INFO, "call finished", fields);
}

void call_report(const struct call_report *report)
{
    const enum status status = report->err->status;

    metrics_add(METRIC_CALLS, report->series * STATUS_COUNT + (unsigned)status, 1);
    metrics_observe_us(METRIC_CALL_SECONDS, report->series, report->duration_us);
    if (log_enabled(LOG_INFO)) {
        write_line(report);
    }
}
