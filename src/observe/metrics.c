/* The figures of the service: atomics in tables that never grow, and their text form.
 *
 * An unlabelled metric has one series, number 0. Storage is set aside when the program starts, so
 * that counting never allocates and never fails. Not for events: those are log lines. */
#include "observe/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "observe/log.h"
#include "observe/metrics_internal.h"

enum metric_type {
    COUNTER,
    GAUGE,
    HISTOGRAM
};

struct metric_row {
    enum metric_type type;
    const char *name, *label, *help;
};

static const struct metric_row metric_rows[METRIC_COUNT] = {
#define METRIC_ROW(id, type_, name_, label_, help_) \
    [METRIC_##id] = {.type = type_, .name = name_, .label = label_, .help = help_},
    METRIC_TABLE(METRIC_ROW)
#undef METRIC_ROW
};

/* Upper bounds of the buckets. Those of OpenTelemetry's durations (5 ms to 10 s) and some below,
 * because a call to the database takes less than a millisecond. */
struct bucket {
    int64_t us;
    const char *le;
};
/* clang-format off */
static const struct bucket buckets[] = {
    {     250, "0.00025"}, {     500, "0.0005"}, {    1000, "0.001"}, {    2500, "0.0025"},
    {    5000, "0.005"},   {   10000, "0.01"},   {   25000, "0.025"}, {   50000, "0.05"},
    {   75000, "0.075"},   {  100000, "0.1"},    {  250000, "0.25"},  {  500000, "0.5"},
    {  750000, "0.75"},    { 1000000, "1"},      { 2500000, "2.5"},   { 5000000, "5"},
    { 7500000, "7.5"},     {10000000, "10"},
};
/* clang-format on */

struct histogram {
    atomic_int_fast64_t counts[COUNT_OF(buckets) + 1]; /* of each bucket alone; the last: beyond */
    atomic_int_fast64_t sum_us;
};

struct series {
    const char *labels; /* as printed between braces; "" for none */
    atomic_int_fast64_t value;
    struct histogram *histogram; /* of histograms only */
};

/* What a metric has: one series from the start, more once they are named. */
struct metric_state {
    struct series *series;
    unsigned count;
};
static struct series unlabelled_series[METRIC_COUNT];
static struct histogram unlabelled_histograms[METRIC_COUNT];
static struct metric_state metric_states[METRIC_COUNT];

static const struct metric_row *row_of(enum metric metric)
{
    assert((unsigned)metric < METRIC_COUNT);
    return &metric_rows[metric];
}

static bool is_labelled(enum metric metric)
{
    return row_of(metric)->label != NULL;
}

/* NULL for a series nobody named: counted nowhere, since a figure must not stop the service. */
static struct series *series_of(enum metric metric, unsigned number)
{
    if (!is_labelled(metric)) {
        assert(number == 0);
        return &unlabelled_series[metric];
    }
    return number < metric_states[metric].count ? &metric_states[metric].series[number] : NULL;
}

static struct histogram *histogram_of(enum metric metric, struct series *series)
{
    return is_labelled(metric) ? series->histogram : &unlabelled_histograms[metric];
}

/* ---- Naming ------------------------------------------------------------------------------ */

static char *copy_labels(const char *labels)
{
    char *copy = strdup(labels);

    if (copy == NULL)
        abort(); /* while starting: there is nothing to serve yet */
    return copy;
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (memory == NULL)
        abort(); /* the same */
    return memory;
}

static void series_free(struct metric_state *state)
{
    for (unsigned i = 0; i < state->count; i++) {
        free((void *)(uintptr_t)state->series[i].labels);
        free(state->series[i].histogram);
    }
    free(state->series);
}

void metrics_series(enum metric metric, const char *const *labels, unsigned count)
{
    struct metric_state *state = &metric_states[metric];

    assert(is_labelled(metric));
    assert(count <= METRIC_SERIES_MAX);
    series_free(state);
    state->count = count;
    state->series = count == 0 ? NULL : allocate(count, sizeof(*state->series));
    for (unsigned i = 0; i < count; i++) {
        state->series[i].labels = copy_labels(labels[i]);
        if (row_of(metric)->type == HISTOGRAM)
            state->series[i].histogram = allocate(1, sizeof(struct histogram));
    }
}

/* ---- Counting ---------------------------------------------------------------------------- */

void metrics_add(enum metric metric, unsigned series, int64_t delta)
{
    struct series *entry = series_of(metric, series);

    assert(row_of(metric)->type != HISTOGRAM);
    if (entry != NULL)
        atomic_fetch_add_explicit(&entry->value, delta, memory_order_relaxed);
}

void metrics_set(enum metric metric, unsigned series, int64_t value)
{
    struct series *entry = series_of(metric, series);

    assert(row_of(metric)->type == GAUGE);
    if (entry != NULL)
        atomic_store_explicit(&entry->value, value, memory_order_relaxed);
}

void metrics_observe_us(enum metric metric, unsigned series, int64_t us)
{
    struct series *entry = series_of(metric, series);
    struct histogram *histogram;
    size_t bucket = 0;

    assert(row_of(metric)->type == HISTOGRAM);
    if (entry == NULL)
        return;
    while (bucket < COUNT_OF(buckets) && us > buckets[bucket].us)
        bucket++;
    histogram = histogram_of(metric, entry);
    atomic_fetch_add_explicit(&histogram->counts[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_us, us, memory_order_relaxed);
}

static int64_t histogram_count(struct histogram *histogram)
{
    int64_t count = 0;

    for (size_t i = 0; i <= COUNT_OF(buckets); i++)
        count += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
    return count;
}

/* Lines lost are counted by the log itself, which stands below this file. */
static int64_t value_of(enum metric metric, struct series *series)
{
    if (metric == METRIC_LOG_DROPPED)
        return (int64_t)log_dropped_count();
    return atomic_load_explicit(&series->value, memory_order_relaxed);
}

int64_t metrics_get(enum metric metric, unsigned series)
{
    struct series *entry = series_of(metric, series);

    if (entry == NULL)
        return 0;
    if (row_of(metric)->type == HISTOGRAM)
        return histogram_count(histogram_of(metric, entry));
    return value_of(metric, entry);
}

/* ---- Printing ---------------------------------------------------------------------------- */

void metrics__print_head(struct buf *buf, const char *name, const char *type, const char *help)
{
    buf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics__print_value(struct buf *buf, const char *name, const char *labels, int64_t value)
{
    if (*labels == '\0')
        buf_printf(buf, "%s %" PRId64 "\n", name, value);
    else
        buf_printf(buf, "%s{%s} %" PRId64 "\n", name, labels, value);
}

/* Seconds with the six digits there are. */
void metrics__print_seconds(struct buf *buf, const char *name, const char *labels, int64_t us)
{
    const char *open = *labels == '\0' ? "" : "{";
    const char *close = *labels == '\0' ? "" : "}";

    buf_printf(buf, "%s%s%s%s %" PRId64 ".%06" PRId64 "\n", name, open, labels, close, us / 1000000,
               us % 1000000);
}

static void print_histogram(struct buf *buf, const char *name, const char *labels,
                            struct histogram *histogram)
{
    const char *comma = *labels == '\0' ? "" : ",";
    char part_name[128];
    int64_t count = 0;

    for (size_t i = 0; i <= COUNT_OF(buckets); i++) {
        count += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        buf_printf(buf, "%s_bucket{%s%sle=\"%s\"} %" PRId64 "\n", name, labels, comma,
                   i < COUNT_OF(buckets) ? buckets[i].le : "+Inf", count);
    }
    snprintf(part_name, sizeof(part_name), "%s_sum", name);
    metrics__print_seconds(buf, part_name, labels,
                           atomic_load_explicit(&histogram->sum_us, memory_order_relaxed));
    /* The sum of the buckets as they were read, so that the figures agree with each other. */
    snprintf(part_name, sizeof(part_name), "%s_count", name);
    metrics__print_value(buf, part_name, labels, count);
}

static void print_metric(struct buf *buf, enum metric metric)
{
    static const char *const type_names[] = {
        [COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram"};
    const struct metric_row *row = row_of(metric);
    unsigned count = is_labelled(metric) ? metric_states[metric].count : 1;

    if (count == 0)
        return;
    metrics__print_head(buf, row->name, type_names[row->type], row->help);
    for (unsigned i = 0; i < count; i++) {
        struct series *series = series_of(metric, i);
        const char *labels;

        assert(series != NULL);
        labels = series->labels == NULL ? "" : series->labels;
        if (row->type == HISTOGRAM)
            print_histogram(buf, row->name, labels, histogram_of(metric, series));
        else
            metrics__print_value(buf, row->name, labels, value_of(metric, series));
    }
}

void metrics_print(struct buf *buf)
{
    for (int i = 0; i < METRIC_COUNT; i++)
        print_metric(buf, (enum metric)i);
    metrics__print_process(buf);
}
