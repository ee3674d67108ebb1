/* FNV-1a and linear probing, at most half full. */
#include "service/payment_set.h"

#include <assert.h>

static uint64_t hash_of(const char *id)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (; *id != '\0'; id++)
        hash = (hash ^ (unsigned char)*id) * UINT64_C(1099511628211);
    return hash == 0 ? 1 : hash;
}

/* Where it is, or would be. */
static uint64_t *place_of(const struct payment_set *set, uint64_t hash)
{
    uint64_t i = hash & (set->size - 1);

    while (set->hashes[i] != 0 && set->hashes[i] != hash)
        i = (i + 1) & (set->size - 1);
    return &set->hashes[i];
}

bool payment_set_init(struct payment_set *set, uint32_t count_max)
{
    *set = (struct payment_set){.size = 1};
    while (set->size < 2 * count_max)
        set->size *= 2;
    set->hashes = calloc(set->size, sizeof(*set->hashes));
    return set->hashes != NULL;
}

void payment_set_deinit(struct payment_set *set)
{
    free(set->hashes);
    *set = (struct payment_set){0};
}

void payment_set_add(struct payment_set *set, const char *id)
{
    const uint64_t hash = hash_of(id);
    uint64_t *place = place_of(set, hash);

    if (*place == hash)
        return;
    assert(2 * set->count < set->size);
    *place = hash;
    set->count++;
}

bool payment_set_has(const struct payment_set *set, const char *id)
{
    const uint64_t hash = hash_of(id);

    return *place_of(set, hash) == hash;
}
