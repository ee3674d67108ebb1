/* What a finished call leaves behind: figures in the metrics and one line in the log.
 *
 * Both doors use it, so that a method counts the same whatever door it came through. */
#pragma once

#include "edge/method.h"

#include <stdint.h>

struct call_report {
    const struct method *method;
    unsigned series; /* number of the method, as given to call_report_init */
    const struct error *err;
    const char *order_id; /* NULL: left out */
    int64_t duration_us;
    size_t request_size, reply_size;
};

/* Names the series of `methods` (the rows of method_table first), once, at start. false: there are
 * more than the metrics can hold. */
bool call_report_init(const struct method *const *methods, unsigned method_count_all) NODISCARD;

/* Counts and logs one call: a line each, at info level (LOG_LEVEL=warn for those who count every
 * microsecond of a read). */
void call_report(const struct call_report *report);
