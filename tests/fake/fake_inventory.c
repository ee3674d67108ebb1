/* Two scripts and a flag. */
#include "fake/fake_inventory.h"

#include <string.h>

static struct fake_inventory *self(struct inventory *base)
{
    return CONTAINER_OF(base, struct fake_inventory, base);
}

static void on_reserve(struct inventory *base, struct inventory_call *call)
{
    struct fake_inventory *inventory = self(base);
    struct fake_outcome outcome = fake_script_next(&inventory->reserve);

    fake_ledger_note(inventory->ledger, "reserve %s", call->reservation_id + UUID_TEXT_SIZE - 1);
    inventory->is_reserved |= outcome.result == EFFECT_DONE || outcome.happens;
    fake_effect_end(inventory->ledger, &call->effect, &outcome, inventory->delay_ms,
                    REASON_INVENTORY_UNAVAILABLE);
}

static void on_release(struct inventory *base, struct inventory_call *call)
{
    struct fake_inventory *inventory = self(base);
    struct fake_outcome outcome = fake_script_next(&inventory->release);

    fake_ledger_note(inventory->ledger, "release %s", call->reservation_id + UUID_TEXT_SIZE - 1);
    if (outcome.result == EFFECT_DONE || outcome.happens)
        inventory->is_reserved = false;
    fake_effect_end(inventory->ledger, &call->effect, &outcome, inventory->delay_ms,
                    REASON_INVENTORY_UNAVAILABLE);
}

static bool on_is_ready(struct inventory *base)
{
    (void)base;
    return true;
}

static const struct inventory_ops ops = {
    .reserve = on_reserve,
    .release = on_release,
    .is_ready = on_is_ready,
};

void fake_inventory_init(struct fake_inventory *inventory, struct fake_ledger *ledger)
{
    memset(inventory, 0, sizeof(*inventory));
    inventory->base.ops = &ops;
    inventory->ledger = ledger;
    inventory->delay_ms = 10;
}
