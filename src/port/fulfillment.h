/* A shipping service; idempotent by request_id (proto/shop/v1/fulfillment.proto).
 * Implemented by client/fulfillment_http, later client/fulfillment_grpc, and by a fake. */
#pragma once

#include "domain/order.h"
#include "port/effect.h"

#include <stdbool.h>

struct fulfillment_call {
    struct effect effect;
    /* in */
    const char *request_id;    /* "<order id>.<attempt>.ship" */
    const struct order *order; /* create: id, lines, ship_to */
    /* out */
    const char *shipment_id;
};

struct fulfillment;
struct fulfillment_ops {
    /* DONE: shipment_id, ACCEPTED. REFUSED: FULFILLMENT_REJECTED, FULFILLMENT_MISCONFIGURED. */
    void (*create)(struct fulfillment *fulfillment, struct fulfillment_call *call);
    /* By request_id of the creation. DONE: none exists and none can come to be. HAS_LEFT. */
    void (*cancel)(struct fulfillment *fulfillment, struct fulfillment_call *call);
    bool (*is_ready)(struct fulfillment *fulfillment);
};
struct fulfillment {
    const struct fulfillment_ops *ops;
};
