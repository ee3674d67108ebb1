/* Which payments were seen: a set of ids, by their hashes. Two ids with one hash (64 bits) would hide a
 * payment that is missing; among a hundred thousand that is a chance of one in four thousand million. */
#pragma once

#include "base/macros.h"

#include <stdbool.h>
#include <stdint.h>

struct payment_set {
    uint64_t *hashes; /* open addressing; 0: free */
    uint32_t size;    /* a power of two */
    uint32_t count;
};

/* For so many at most. False: out of memory. */
bool payment_set_init(struct payment_set *set, uint32_t count_max) NODISCARD;
void payment_set_deinit(struct payment_set *set);
void payment_set_add(struct payment_set *set, const char *id);
bool payment_set_has(const struct payment_set *set, const char *id);
