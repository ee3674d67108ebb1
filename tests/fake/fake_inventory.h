/* Somebody else's inventory in memory: it counts reservations, it has no stock of its own. */
#pragma once

#include "fake/fake_ledger.h"
#include "port/inventory.h"

struct fake_inventory {
    struct inventory base;
    struct fake_ledger *ledger;
    int64_t delay_ms;
    struct fake_script reserve, release;
    bool is_reserved; /* of the one order a test is about */
};

void fake_inventory_init(struct fake_inventory *inventory, struct fake_ledger *ledger);
