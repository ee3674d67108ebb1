/* Values of the domain as messages of shop.v1.
 *
 * Messages are allocated from the arena and borrow the texts of the values, so they live as long as
 * both. NULL when the arena is full. */
#pragma once

#include "base/arena.h"
#include "base/macros.h"
#include "domain/order.h"
#include "domain/product.h"
#include "port/event_store.h"

#include "shop/v1/catalog.pb-c.h"
#include "shop/v1/events.pb-c.h"
#include "shop/v1/orders.pb-c.h"

/* etag: the version. */
Shop__V1__Product *present_product(const struct product *product, struct arena *arena) NODISCARD;
/* With the steps of the last attempt; `failure` only when FAILED or STUCK. etag: the revision. */
Shop__V1__Order *present_order(const struct order *order, struct arena *arena) NODISCARD;
/* Of a FULFILLED order. */
Shop__V1__OrderConfirmation *present_confirmation(const struct order *order, struct arena *arena)
    NODISCARD;
Shop__V1__OrderEvent *present_event(const struct feed_event *event, struct arena *arena) NODISCARD;
