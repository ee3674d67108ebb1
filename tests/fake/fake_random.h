/* Chance that repeats: the same seed gives the same bytes, on every machine. */
#pragma once

#include "port/random.h"

#include <stdint.h>

struct fake_random {
    struct random_source base;
    uint64_t state;
};

void fake_random_init(struct fake_random *random, uint64_t seed);
