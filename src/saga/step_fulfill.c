/* The shipment: created at most once by its request_id, recalled when the order is undone. */
#include "saga/saga.h"

#include <assert.h>

static bool shipment_start(struct saga *saga, void (*done)(struct effect *effect))
{
    struct fulfillment_call *call = &saga->work.fulfillment;
    struct effect effect;

    if (!saga_try(saga, done, &effect))
        return false;
    *call = (struct fulfillment_call){
        .effect = effect,
        .request_id = saga_key(saga, effect.arena, "ship"),
        .order = &saga->record.order,
    };
    if (call->request_id != NULL)
        return true;
    saga->work_out = false;
    saga->phase = SAGA_RUNNING;
    saga_wait(saga, 0);
    return false;
}

/* Keeps the shipment's id for the commit; false when there is none or no room for it. */
static bool keep_shipment_id(struct saga *saga)
{
    const char *shipment_id = saga->work.fulfillment.shipment_id;

    if (shipment_id == NULL || shipment_id[0] == '\0')
        return false;
    saga->shipment_id = arena_strdup(saga->arena, shipment_id);
    return saga->shipment_id != NULL;
}

/* ---- FULFILLING --------------------------------------------------------------------------- */

static void on_created(struct effect *effect)
{
    struct saga *saga = CONTAINER_OF(effect, struct saga, work.fulfillment.effect);

    if (!saga_tried(saga, effect))
        return;
    switch (effect->result) {
    case EFFECT_DONE:
        if (keep_shipment_id(saga)) {
            saga_verdict(saga, SAGA_DONE, NULL);
        } else {
            saga->tainted = true;
            saga_wait(saga, 0);
        }
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

void step_fulfill(struct saga *saga)
{
    struct fulfillment *fulfillment = saga->driver->ports.fulfillment;

    assert(saga->record.order.state == ORDER_FULFILLING);
    if (saga_now_ms(saga) >= saga->fulfill_until_ms)
        saga_give_up(saga, REASON_FULFILLMENT_UNAVAILABLE);
    else if (shipment_start(saga, on_created))
        fulfillment->ops->create(fulfillment, &saga->work.fulfillment);
}

/* ---- RECALLING ---------------------------------------------------------------------------- */

static void on_created_again(struct effect *effect)
{
    struct saga *saga = CONTAINER_OF(effect, struct saga, work.fulfillment.effect);

    if (!saga_tried(saga, effect))
        return;
    if (effect->result == EFFECT_DONE && keep_shipment_id(saga))
        saga_verdict(saga, SAGA_HAS_LEFT, NULL);
    else
        saga_wait(saga, effect->retry_after_ms);
}

/* A shipment that has left fulfils the order, and its id belongs into the confirmation: the creation
 * repeated with the same request_id tells it. */
static void recall_has_left(struct saga *saga)
{
    struct fulfillment *fulfillment = saga->driver->ports.fulfillment;

    assert(saga->has_left);
    if (saga->record.order.shipment_id != NULL)
        saga_verdict(saga, SAGA_HAS_LEFT, NULL);
    else if (shipment_start(saga, on_created_again))
        fulfillment->ops->create(fulfillment, &saga->work.fulfillment);
}

static void on_recalled(struct effect *effect)
{
    struct saga *saga = CONTAINER_OF(effect, struct saga, work.fulfillment.effect);

    if (!saga_tried(saga, effect))
        return;
    saga->has_left = effect->result == EFFECT_HAS_LEFT;
    if (effect->result == EFFECT_DONE)
        saga_verdict(saga, SAGA_DONE, NULL);
    else if (saga->has_left)
        saga_run(saga);
    else
        saga_wait(saga, effect->retry_after_ms); /* never "refused for good" */
}

void step_recall(struct saga *saga)
{
    struct fulfillment *fulfillment = saga->driver->ports.fulfillment;

    assert(saga->record.order.state == ORDER_RECALLING);
    if (saga->has_left)
        recall_has_left(saga);
    else if (shipment_start(saga, on_recalled))
        fulfillment->ops->cancel(fulfillment, &saga->work.fulfillment);
}
