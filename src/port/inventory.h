/* Somebody else's stock-keeping (proto/shop/v1/inventory.proto); idempotent by reservation_id.
 * The built-in inventory is not behind this port: it is taken by the claim itself (saga_store). */
#pragma once

#include "domain/order.h"
#include "port/effect.h"

#include <stdbool.h>

struct inventory_call {
    struct effect effect;
    /* in */
    const char *reservation_id; /* "<order id>.<attempt>.reserve" */
    const struct order *order;  /* lines */
    /* out, of REFUSED with OUT_OF_STOCK: short lines are preconditions in effect.err */
};

struct inventory;
struct inventory_ops {
    void (*reserve)(struct inventory *inventory, struct inventory_call *call);
    void (*release)(struct inventory *inventory, struct inventory_call *call);
    bool (*is_ready)(struct inventory *inventory);
};
struct inventory {
    const struct inventory_ops *ops;
};
