/* Ids as the providers make them: a prefix ("pi_", "re_", "shp_") and letters and digits.
 *
 * Invariant: no two ids of one source are equal, and ids of two runs of the sandbox differ, so a
 * database that outlives the sandbox never meets an old id on a new payment. */
#pragma once

#include <stdint.h>

/* The longest prefix is 4, the tail 20. */
#define IDENT_SIZE 32
#define IDENT_RUN_LEN 11

struct ident_source {
    char run[IDENT_RUN_LEN + 1]; /* different at each start */
    uint64_t seq;                /* survives a reset of the ledger */
};

void ident_source_init(struct ident_source *source);

/* Writes the next id; `prefix` has at most 4 characters. */
void ident_make(struct ident_source *source, const char *prefix, char out[IDENT_SIZE]);
