/* A table of shipments. */
#include "fake/fake_fulfillment.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static struct fake_fulfillment *self(struct fulfillment *base)
{
    return CONTAINER_OF(base, struct fake_fulfillment, base);
}

static struct fake_shipment *find_or_add(struct fake_fulfillment *fulfillment,
                                         const char *request_id)
{
    struct fake_shipment *row;

    for (uint32_t i = 0; i < fulfillment->count; i++) {
        if (strcmp(fulfillment->rows[i].request_id, request_id) == 0)
            return &fulfillment->rows[i];
    }
    assert(fulfillment->count < FAKE_SHIPMENTS_MAX);
    row = &fulfillment->rows[fulfillment->count++];
    snprintf(row->id, sizeof(row->id), "sh_%u", (unsigned)fulfillment->count);
    snprintf(row->request_id, sizeof(row->request_id), "%s", request_id);
    return row;
}

static void on_create(struct fulfillment *base, struct fulfillment_call *call)
{
    struct fake_fulfillment *fulfillment = self(base);
    struct fake_outcome outcome = fake_script_next(&fulfillment->create);

    fake_ledger_note(fulfillment->ledger, "ship %s", call->request_id + UUID_TEXT_SIZE - 1);
    if (outcome.result == EFFECT_DONE || outcome.happens)
        call->shipment_id =
            arena_strdup(call->effect.arena, find_or_add(fulfillment, call->request_id)->id);
    if (fulfillment->hides_id)
        call->shipment_id = fulfillment->told_id;
    fake_effect_end(fulfillment->ledger, &call->effect, &outcome, fulfillment->delay_ms,
                    REASON_FULFILLMENT_UNAVAILABLE);
}

/* What has been recalled does not leave any more, and what has left is not recalled. */
static enum effect_result recall(struct fake_shipment *row, const struct fake_outcome *outcome)
{
    if (outcome->result == EFFECT_HAS_LEFT && !row->is_cancelled)
        row->has_left = true;
    if (row->has_left)
        return outcome->result == EFFECT_DONE ? EFFECT_HAS_LEFT : outcome->result;
    row->is_cancelled |= outcome->result == EFFECT_DONE || outcome->happens;
    return outcome->result == EFFECT_HAS_LEFT ? EFFECT_DONE : outcome->result;
}

static void on_cancel(struct fulfillment *base, struct fulfillment_call *call)
{
    struct fake_fulfillment *fulfillment = self(base);
    struct fake_outcome outcome = fake_script_next(&fulfillment->cancel);

    fake_ledger_note(fulfillment->ledger, "recall %s", call->request_id + UUID_TEXT_SIZE - 1);
    outcome.result = recall(find_or_add(fulfillment, call->request_id), &outcome);
    fake_effect_end(fulfillment->ledger, &call->effect, &outcome, fulfillment->delay_ms,
                    REASON_FULFILLMENT_UNAVAILABLE);
}

static bool on_is_ready(struct fulfillment *base)
{
    return !self(base)->is_down;
}

static const struct fulfillment_ops ops = {
    .create = on_create,
    .cancel = on_cancel,
    .is_ready = on_is_ready,
};

void fake_fulfillment_init(struct fake_fulfillment *fulfillment, struct fake_ledger *ledger)
{
    memset(fulfillment, 0, sizeof(*fulfillment));
    fulfillment->base.ops = &ops;
    fulfillment->ledger = ledger;
    fulfillment->delay_ms = 10;
}

unsigned fake_fulfillment_live(const struct fake_fulfillment *fulfillment)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < fulfillment->count; i++)
        count += !fulfillment->rows[i].is_cancelled;
    return count;
}
