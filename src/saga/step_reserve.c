/* Stock at somebody else's: taking all lines, giving them back. The built-in inventory is taken by
 * the claim and given back by the last commit, so it never gets here. */
#include "saga/saga.h"

#include <assert.h>

static bool inventory_start(struct saga *saga, void (*done)(struct effect *effect))
{
    struct inventory_call *call = &saga->work.inventory;
    struct effect effect;

    if (!saga_try(saga, done, &effect))
        return false;
    *call = (struct inventory_call){
        .effect = effect,
        .reservation_id = saga_key(saga, effect.arena, "reserve"),
        .order = &saga->record.order,
    };
    if (call->reservation_id != NULL)
        return true;
    saga->work_out = false;
    saga->phase = SAGA_RUNNING;
    saga_wait(saga, 0);
    return false;
}

/* ---- RESERVING ---------------------------------------------------------------------------- */

static void on_reserved(struct effect *effect)
{
    struct saga *saga = CONTAINER_OF(effect, struct saga, work.inventory.effect);

    if (!saga_tried(saga, effect))
        return;
    switch (effect->result) {
    case EFFECT_DONE:
        saga_verdict(saga, SAGA_DONE, NULL);
        break;
    case EFFECT_REFUSED:
        saga_verdict(saga, SAGA_NOT_DONE, &effect->err);
        break;
    case EFFECT_NOT_REACHED:
    case EFFECT_UNKNOWN:
    case EFFECT_ASK: /* asking is the same request again */
    case EFFECT_CONTRADICTED:
    case EFFECT_HAS_LEFT:
    case EFFECT_RESULT_COUNT:
    default:
        saga_wait(saga, effect->retry_after_ms);
        break;
    }
}

void step_reserve(struct saga *saga)
{
    struct inventory *inventory = saga->driver->ports.inventory;

    assert(saga->record.order.state == ORDER_RESERVING);
    if (inventory == NULL) /* it was claimed by a replica with another setting */
        saga_give_up(saga, REASON_INVENTORY_MISCONFIGURED);
    else if (saga_now_ms(saga) >= saga->forward_until_ms)
        saga_give_up(saga, REASON_INVENTORY_UNAVAILABLE);
    else if (!saga->tainted && saga_is_too_late(saga))
        saga_give_up(saga,
                     saga->try_failed ? REASON_INVENTORY_UNAVAILABLE : REASON_DEADLINE_TOO_SHORT);
    else if (inventory_start(saga, on_reserved))
        inventory->ops->reserve(inventory, &saga->work.inventory);
}

/* ---- RELEASING ---------------------------------------------------------------------------- */

static void on_released(struct effect *effect)
{
    struct saga *saga = CONTAINER_OF(effect, struct saga, work.inventory.effect);

    if (!saga_tried(saga, effect))
        return;
    if (effect->result == EFFECT_DONE)
        saga_verdict(saga, SAGA_DONE, NULL);
    else
        saga_wait(saga, effect->retry_after_ms);
}

void step_release(struct saga *saga)
{
    struct inventory *inventory = saga->driver->ports.inventory;

    assert(saga->record.order.state == ORDER_RELEASING);
    if (inventory == NULL)
        saga_verdict(saga, SAGA_DONE, NULL); /* the commit gives the stock back */
    else if (inventory_start(saga, on_released))
        inventory->ops->release(inventory, &saga->work.inventory);
}
