/* What every call to somebody else's service has in common: a payment, a shipment, a reservation.
 *
 * The caller owns the object until `done`, called exactly once, on the worker's loop, never from
 * inside the function that started it. `effect_cancel` is not offered: an effect ends by its answer
 * or its timeout, because what was sent cannot be unsent. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

#include <stdint.h>

/* saga.md "What a try can bring". */
enum effect_result {
    EFFECT_DONE,    /* yes, and the answer agrees with what was asked */
    EFFECT_REFUSED, /* a definite no: nothing happened; err says why (…_DECLINED, …_REJECTED,
                            …_MISCONFIGURED with INTERNAL for 401, 403, 404 of the API itself) */
    EFFECT_NOT_REACHED, /* not one byte of the request left, or 429; err …_UNAVAILABLE */
    EFFECT_UNKNOWN,     /* it may have happened; err …_OUTCOME_UNKNOWN or …_UNAVAILABLE */
    EFFECT_ASK,         /* 409, "processing", "unexpected state": look by id before anything else */
    EFFECT_CONTRADICTED, /* amount, currency or id not as asked; err PAYMENT_ANSWER_INVALID */
    EFFECT_HAS_LEFT,     /* recall only: the shipment is on its way */
    EFFECT_RESULT_COUNT
};

struct effect {
    struct arena *arena; /* for results and error details; must live until done */
    int32_t timeout_ms;  /* of this try, connecting included */
    int32_t turn_ms;     /* how long it may wait for its turn, before that; 0: as long */
    void (*done)(struct effect *effect);
    enum effect_result result;
    struct error err;       /* set unless EFFECT_DONE */
    int32_t retry_after_ms; /* of a 429; 0: nothing was said */
    void *adapter[2];       /* of the adapter */
};
