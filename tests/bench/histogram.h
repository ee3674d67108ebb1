/* Latencies, counted in buckets that grow with the value: 64 buckets a power of two, so that a
 * percentile is at most 1.6 % off, in 16 KiB however long the run. */
#pragma once

#include <stdint.h>

enum {
    HISTOGRAM_BITS = 6,
    HISTOGRAM_STEPS = 1 << HISTOGRAM_BITS,
    HISTOGRAM_BUCKETS = 34 * HISTOGRAM_STEPS /* up to 2^39 ns: nine minutes */
};

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count;
    int64_t max;
};

static inline unsigned histogram_bucket(int64_t value)
{
    if (value < HISTOGRAM_STEPS) {
        return value < 0 ? 0 : (unsigned)value;
    }
    unsigned shift = 63U - (unsigned)__builtin_clzll((uint64_t)value) - HISTOGRAM_BITS;
    unsigned bucket = shift * HISTOGRAM_STEPS + (unsigned)(value >> shift);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static inline void histogram_add(struct histogram *histogram, int64_t value)
{
    histogram->buckets[histogram_bucket(value)]++;
    histogram->count++;
    histogram->max = value > histogram->max ? value : histogram->max;
}

/* The upper end of the bucket in which the value of that rank is; 0 when nothing was counted. */
static inline int64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    uint64_t rank = (uint64_t)((double)histogram->count * percent / 100.0);
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && histogram->count > 0; i++) {
        seen += histogram->buckets[i];
        if (seen > rank) {
            unsigned shift = i < 2 * HISTOGRAM_STEPS ? 0 : i / HISTOGRAM_STEPS - 1;
            int64_t top = ((int64_t)(i - shift * HISTOGRAM_STEPS + 1) << shift) - 1;
            return top < histogram->max ? top : histogram->max;
        }
    }
    return histogram->max;
}
