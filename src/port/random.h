/* Chance: for ids, jitter, claim tokens. Implemented by runtime/random_system and fakes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct random_source;
struct random_source_ops {
    void (*fill)(struct random_source *random, void *data, size_t size);
};
struct random_source {
    const struct random_source_ops *ops;
};

static inline void random_fill(struct random_source *random, void *data, size_t size)
{
    random->ops->fill(random, data, size);
}
/* Uniform enough for jitter: 0 <= result < bound; bound > 0. */
static inline uint32_t random_below(struct random_source *random, uint32_t bound)
{
    uint32_t value;
    random_fill(random, &value, sizeof(value));
    return (uint32_t)(((uint64_t)value * bound) >> 32);
}
