/* Figures are counted by series, and printed so that Prometheus reads them without a complaint. */
#include "observe/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct buf output;

static int setup(void **state)
{
    static const char *const methods[] = {"method=\"A\"", "method=\"B\""};

    metrics_series(METRIC_CALL_SECONDS, methods, 2);
    metrics_series(METRIC_CALLS, methods, 2);
    buf_init(&output, 1024 * 1024);
    return 0;
}

static int teardown(void **state)
{
    metrics_series(METRIC_CALL_SECONDS, NULL, 0);
    metrics_series(METRIC_CALLS, NULL, 0);
    buf_deinit(&output);
    return 0;
}

static const char *printed(void)
{
    buf_clear(&output);
    metrics_print(&output);
    assert_false(output.failed);
    return output.data;
}

static bool has_line(const char *text, const char *expected)
{
    size_t len = strlen(expected);

    for (const char *at = text; (at = strstr(at, expected)) != NULL; at++) {
        if ((at == text || at[-1] == '\n') && at[len] == '\n')
            return true;
    }
    return false;
}

static void counters_and_gauges_keep_their_series_apart(void **state)
{
    metrics_add(METRIC_CALLS, 0, 1);
    metrics_add(METRIC_CALLS, 1, 2);
    metrics_add(METRIC_CALLS, 1, 3);
    metrics_set(METRIC_CONNECTIONS, 0, 12);
    metrics_add(METRIC_CONNECTIONS, 0, -2);
    assert_int_equal(metrics_get(METRIC_CALLS, 0), 1);
    assert_int_equal(metrics_get(METRIC_CALLS, 1), 5);
    assert_true(has_line(printed(), "rpc_server_calls_total{method=\"A\"} 1"));
    assert_true(has_line(printed(), "rpc_server_calls_total{method=\"B\"} 5"));
    assert_true(has_line(printed(), "grpc_connections 10"));
}

static void a_series_nobody_named_is_counted_nowhere(void **state)
{
    metrics_add(METRIC_CALLS, 2, 1);
    metrics_observe_us(METRIC_CALL_SECONDS, 2, 1);
    assert_int_equal(metrics_get(METRIC_CALLS, 2), 0);
}

static void a_metric_without_series_is_not_printed(void **state)
{
    assert_null(strstr(printed(), "saga_steps_total"));
}

/* A bucket holds what is less than or equal to its bound, and all that is in the ones before it. */
static void histograms_are_cumulative_with_sum_and_count(void **state)
{
    metrics_observe_us(METRIC_CALL_SECONDS, 0, 1000);
    metrics_observe_us(METRIC_CALL_SECONDS, 0, 1001);
    metrics_observe_us(METRIC_CALL_SECONDS, 0, 60000000);
    printed();
#define SERIES "rpc_server_call_duration_seconds"
    assert_true(has_line(output.data, SERIES "_bucket{method=\"A\",le=\"0.0005\"} 0"));
    assert_true(has_line(output.data, SERIES "_bucket{method=\"A\",le=\"0.001\"} 1"));
    assert_true(has_line(output.data, SERIES "_bucket{method=\"A\",le=\"0.0025\"} 2"));
    assert_true(has_line(output.data, SERIES "_bucket{method=\"A\",le=\"10\"} 2"));
    assert_true(has_line(output.data, SERIES "_bucket{method=\"A\",le=\"+Inf\"} 3"));
    assert_true(has_line(output.data, SERIES "_sum{method=\"A\"} 60.002001"));
    assert_true(has_line(output.data, SERIES "_count{method=\"A\"} 3"));
    assert_true(has_line(output.data, SERIES "_count{method=\"B\"} 0"));
    assert_int_equal(metrics_get(METRIC_CALL_SECONDS, 0), 3);
}

/* The rules of `promtool check metrics`: HELP and TYPE once, before the samples of the metric;
 * counters end with _total and nothing else does; base units. */
static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void check_head(const char *help_line, const char *type_line)
{
    char name[128], type_name[128], type[32], needle[160];
    const char *first;

    assert_int_equal(sscanf(help_line, "# HELP %127s", name), 1);
    assert_int_equal(sscanf(type_line, "# TYPE %127s %31s", type_name, type), 2);
    assert_string_equal(name, type_name);
    assert_int_equal(ends_with(name, "_total"), strcmp(type, "counter") == 0);
    assert_false(ends_with(name, "_ms") || ends_with(name, "_us") || ends_with(name, "_count"));
    snprintf(needle, sizeof(needle), "# HELP %s ", name);
    first = strstr(output.data, needle);
    assert_null(strstr(first + 1, needle));
}

static void every_metric_has_help_and_type_once_and_a_proper_name(void **state)
{
    int heads = 0;

    printed();
    for (const char *at = output.data; (at = strstr(at, "# HELP ")) != NULL; at++) {
        check_head(at, strchr(at, '\n') + 1);
        heads++;
    }
    assert_true(heads > 15);
}

static double value_of(const char *name)
{
    char needle[128];
    const char *at;

    snprintf(needle, sizeof(needle), "\n%s ", name);
    at = strstr(output.data, needle);
    assert_non_null(at);
    return strtod(at + strlen(needle), NULL);
}

static void the_process_tells_about_itself(void **state)
{
    double started;

    printed();
    started = value_of("process_start_time_seconds");
    assert_true(started > 1e9);
    assert_true(value_of("process_resident_memory_bytes") > 100000);
    assert_true(value_of("process_open_fds") >= 3);
    assert_true(value_of("process_max_fds") >= value_of("process_open_fds"));
    assert_true(value_of("process_cpu_seconds_total") > 0);
    assert_non_null(strstr(output.data, "\norderd_build_info{version=\""));
    printed();
    assert_true(value_of("process_start_time_seconds") == started);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(counters_and_gauges_keep_their_series_apart),
        TEST(a_series_nobody_named_is_counted_nowhere),
        TEST(a_metric_without_series_is_not_printed),
        TEST(histograms_are_cumulative_with_sum_and_count),
        TEST(every_metric_has_help_and_type_once_and_a_proper_name),
        TEST(the_process_tells_about_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
