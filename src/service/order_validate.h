/* Requests of shop.v1.Orders and OrderEvents, checked whole and turned into values of the domain.
 *
 * Each function answers REQUEST_INVALID with all violations at once, or one of the reasons named; the
 * values borrow the texts of the request. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/macros.h"
#include "domain/order.h"

#include "shop/v1/events.pb-c.h"
#include "shop/v1/orders.pb-c.h"

#include <stdint.h>

/* *out_order: customer_id, lines (product_id, quantity) and ship_to. Also OUT_OF_MEMORY. */
enum status validate_create_order(const Shop__V1__CreateOrderRequest *request, struct arena *arena,
                                  struct order *out_order, struct error *err) NODISCARD;
enum status validate_place_order(const Shop__V1__PlaceOrderRequest *request, struct arena *arena,
                                 struct order *out_order, struct error *err) NODISCARD;
/* Also ORDER_NOT_FOUND, for an id that no order can have. */
enum status validate_get_order(const Shop__V1__GetOrderRequest *request, struct arena *arena,
                               struct uuid *out_id, struct error *err) NODISCARD;
enum status validate_process_order(const Shop__V1__ProcessOrderRequest *request,
                                   struct arena *arena, struct uuid *out_id, struct error *err)
    NODISCARD;
enum status validate_cancel_order(const Shop__V1__CancelOrderRequest *request, struct arena *arena,
                                  struct uuid *out_id, struct error *err) NODISCARD;
enum status validate_watch_order(const Shop__V1__WatchOrderRequest *request, struct arena *arena,
                                 struct uuid *out_id, struct error *err) NODISCARD;
enum status validate_subscribe(const Shop__V1__SubscribeRequest *request, struct arena *arena,
                               struct error *err) NODISCARD;
enum status validate_list_orders(const Shop__V1__ListOrdersRequest *request, struct arena *arena,
                                 uint32_t *out_limit, struct error *err) NODISCARD;

/* ORDER_NOT_FOUND, naming the order. */
enum status order_not_found(const char *id, struct arena *arena, struct error *err);
