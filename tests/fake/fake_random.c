/* SplitMix64. */
#include "fake/fake_random.h"

#include "base/macros.h"

static uint64_t next(struct fake_random *random)
{
    uint64_t z = (random->state += 0x9e3779b97f4a7c15U);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static void on_fill(struct random_source *base, void *data, size_t size)
{
    struct fake_random *random = CONTAINER_OF(base, struct fake_random, base);
    unsigned char *bytes = data;
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++) {
        if (i % sizeof(value) == 0)
            value = next(random);
        bytes[i] = (unsigned char)(value >> (8 * (i % sizeof(value))));
    }
}

static const struct random_source_ops fake_random_ops = {.fill = on_fill};

void fake_random_init(struct fake_random *random, uint64_t seed)
{
    *random = (struct fake_random){.base.ops = &fake_random_ops, .state = seed};
}
