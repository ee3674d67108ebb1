/* The pauses between tries. How long a step is tried at all is decided by the steps. */
#include "saga/saga_retry.h"

#include "base/macros.h"

#include <assert.h>

/* Between half of the step and all of it, where the step doubles with every try up to its maximum. */
static int64_t pause_ms(int32_t tries, int64_t pause_ms_max, uint32_t chance)
{
    int64_t step_ms = 2 * SAGA_RETRY_FIRST_MS;
    int64_t half_ms;

    assert(tries >= 1);
    for (int32_t i = 1; i < tries && step_ms < pause_ms_max; i++)
        step_ms *= 2;
    step_ms = MIN_OF(step_ms, pause_ms_max);
    half_ms = step_ms / 2;
    return half_ms + (int64_t)(((uint64_t)chance * (uint64_t)(step_ms - half_ms + 1)) >> 32);
}

int64_t saga_retry_forward_ms(int32_t tries, int32_t retry_after_ms, uint32_t chance)
{
    int64_t delay_ms = pause_ms(tries, SAGA_RETRY_FORWARD_MS_MAX, chance);

    assert(retry_after_ms >= 0);
    return MAX_OF(delay_ms, retry_after_ms);
}

int64_t saga_retry_undo_ms(int32_t tries, int64_t undo_age_ms, int32_t retry_after_ms,
                           uint32_t chance)
{
    int64_t delay_ms_max = undo_age_ms < SAGA_RETRY_UNDO_LATE_AGE_MS ? SAGA_RETRY_UNDO_MS_MAX
                                                                     : SAGA_RETRY_UNDO_LATE_MS_MAX;
    int64_t delay_ms = pause_ms(tries, delay_ms_max, chance);

    assert(retry_after_ms >= 0);
    assert(undo_age_ms >= 0);
    return MAX_OF(delay_ms, MIN_OF(retry_after_ms, delay_ms_max));
}
