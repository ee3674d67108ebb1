/* When to try again. Pure: age and chance are handed in.
 *
 * Waiting doubles from 100 ms, with jitter of half of it, so that orders which failed together do not
 * come back together. */
#pragma once

#include <stdint.h>

enum {
    SAGA_RETRY_FIRST_MS = 100,
    SAGA_RETRY_FORWARD_MS_MAX = 10 * 1000,
    SAGA_RETRY_UNDO_MS_MAX = 10 * 1000,           /* in the first hour */
    SAGA_RETRY_UNDO_LATE_MS_MAX = 5 * 60 * 1000,  /* later on */
    SAGA_RETRY_UNDO_LATE_AGE_MS = 60 * 60 * 1000, /* when "later" begins */
};

/* The pause after try number `tries` (1 for the first) of a forward step. `chance` is any 32 random
 * bits. `retry_after_ms` is what the other side asked for, 0 when nothing: never sooner than that. */
int64_t saga_retry_forward_ms(int32_t tries, int32_t retry_after_ms, uint32_t chance);
/* The same of an undo that began `undo_age_ms` ago; what the other side asks for counts up to the
 * longest pause, since an undo must not be put off for ever. */
int64_t saga_retry_undo_ms(int32_t tries, int64_t undo_age_ms, int32_t retry_after_ms,
                           uint32_t chance);
