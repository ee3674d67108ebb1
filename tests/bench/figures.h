/* What a run counted, and how it is told. */
#pragma once

#include "histogram.h"
#include "hpack.h"
#include "options.h"
#include "usage.h"

#include <stdint.h>
#include <stdio.h>

struct figures {
    uint64_t lost; /* calls whose connection broke, or that were never answered */
    uint64_t by_status[HPACK_STATUS_COUNT];
    char first_error[HPACK_MESSAGE_SIZE];
    struct histogram latency;
};

static inline void figures_add(struct figures *figures, int status, int64_t latency_ns,
                               const char *message)
{
    figures->by_status[status]++;
    histogram_add(&figures->latency, latency_ns);
    if (status != 0 && figures->first_error[0] == '\0') {
        snprintf(figures->first_error, sizeof(figures->first_error), "%s", message);
    }
}

static inline void print_string(const char *key, const char *text)
{
    printf("\"%s\": \"", key);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            putchar('\\');
        }
        putchar((unsigned char)*text < ' ' ? ' ' : *text);
    }
    putchar('"');
}

static inline void figures_print(const struct figures *figures, const struct options *options,
                                 const struct usage *from, const struct usage *to)
{
    const uint64_t count = figures->latency.count;
    const double calls = count > 0 ? (double)count : 1;
    const double seconds = (double)(to->at_ns - from->at_ns) / 1e9;
    printf("{\"mode\": \"%s\", \"connections\": %u, \"streams\": %u, \"rate\": %.0f, ",
           options->mode, options->connections, options->streams, options->rate);
    printf("\"requests\": %llu, \"ok\": %llu, \"lost\": %llu, \"by_status\": {",
           (unsigned long long)count, (unsigned long long)figures->by_status[0],
           (unsigned long long)figures->lost);
    const char *comma = "";
    for (int i = 0; i < HPACK_STATUS_COUNT; i++) {
        if (figures->by_status[i] > 0) {
            printf("%s\"%d\": %llu", comma, i, (unsigned long long)figures->by_status[i]);
            comma = ", ";
        }
    }
    printf("}, ");
    print_string("first_error", figures->first_error);
    printf(", \"seconds\": %.3f, \"rps\": %.1f", seconds, (double)count / seconds);
    static const double percents[] = {50, 90, 99};
    for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
        printf(", \"p%.0f_ms\": %.3f", percents[i],
               (double)histogram_percentile(&figures->latency, percents[i]) / 1e6);
    }
    printf(", \"max_ms\": %.3f", (double)figures->latency.max / 1e6);
    printf(", \"load_cpu_us\": %.2f", (to->own_s - from->own_s) * 1e6 / calls);
    if (options->pid > 0) {
        printf(", \"server_cpu_us\": %.2f, \"server_cpus\": %.2f, \"server_rss_kb\": %ld",
               (to->server_s - from->server_s) * 1e6 / calls,
               (to->server_s - from->server_s) / seconds, to->server_rss_kb);
    }
    printf("}\n");
}
