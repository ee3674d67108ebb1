/* The rows of the table of methods, in the order of the services and of their methods in proto/.
 *
 * slot_count: a burst beyond it queues behind a lock, which costs a fifth more CPU a call at 1,000 callers;
 * but Debian's gRPC core looks through all slots of a worker at every event, so their sum stays below
 * 300. Hence many for what is called in bursts, few for the rest. */
#include "edge/method.h"

#include "shop/v1/catalog.pb-c.h"
#include "shop/v1/events.pb-c.h"
#include "shop/v1/orders.pb-c.h"

#include "google/protobuf/empty.pb-c.h"

#define CATALOG(name_, request_, reply_, run_, kind_, slots_)                              \
    {                                                                                      \
        .service = "shop.v1.Catalog", .name = #name_, .path = "/shop.v1.Catalog/" #name_,  \
        .request = &request_##__descriptor, .reply = &reply_##__descriptor, .run = (run_), \
        .kind = (kind_), .slot_count = (slots_)                                            \
    }
#define ORDERS(name_, request_, reply_, run_, kind_, slots_)                               \
    {                                                                                      \
        .service = "shop.v1.Orders", .name = #name_, .path = "/shop.v1.Orders/" #name_,    \
        .request = &request_##__descriptor, .reply = &reply_##__descriptor, .run = (run_), \
        .kind = (kind_), .slot_count = (slots_)                                            \
    }
#define ORDERS_STREAM(name_, request_, reply_, open_, kind_, slots_)                         \
    {                                                                                        \
        .service = "shop.v1.Orders", .name = #name_, .path = "/shop.v1.Orders/" #name_,      \
        .request = &request_##__descriptor, .reply = &reply_##__descriptor, .open = (open_), \
        .kind = (kind_), .slot_count = (slots_), .resume_field = "revision"                  \
    }
#define EVENTS_STREAM(name_, request_, reply_, open_, kind_, slots_)                              \
    {                                                                                             \
        .service = "shop.v1.OrderEvents", .name = #name_, .path = "/shop.v1.OrderEvents/" #name_, \
        .request = &request_##__descriptor, .reply = &reply_##__descriptor, .open = (open_),      \
        .kind = (kind_), .slot_count = (slots_), .resume_field = "position", .is_endless = true   \
    }

/* clang-format off */
const struct method method_table[] = {
    /*      name              request                               reply                                  function                    counts as     slots */
    CATALOG(GetProduct,       shop__v1__get_product_request,        shop__v1__product,                     catalog_get_product,        METHOD_READ,  64),
    CATALOG(BatchGetProducts, shop__v1__batch_get_products_request, shop__v1__batch_get_products_response, catalog_batch_get_products, METHOD_READ,   8),
    CATALOG(ListProducts,     shop__v1__list_products_request,      shop__v1__list_products_response,      catalog_list_products,      METHOD_READ,  32),
    CATALOG(CreateProduct,    shop__v1__create_product_request,     shop__v1__product,                     catalog_create_product,     METHOD_WRITE,  4),
    CATALOG(UpdateProduct,    shop__v1__update_product_request,     shop__v1__product,                     catalog_update_product,     METHOD_WRITE,  4),
    CATALOG(DeleteProduct,    shop__v1__delete_product_request,     google__protobuf__empty,               catalog_delete_product,     METHOD_WRITE,  2),
    CATALOG(AdjustStock,      shop__v1__adjust_stock_request,       shop__v1__product,                     catalog_adjust_stock,       METHOD_WRITE,  4),
    ORDERS(CreateOrder,       shop__v1__create_order_request,       shop__v1__order,                       orders_create_order,        METHOD_WRITE, 16),
    ORDERS(GetOrder,          shop__v1__get_order_request,          shop__v1__order,                       orders_get_order,           METHOD_READ,  32),
    ORDERS(ListOrders,        shop__v1__list_orders_request,        shop__v1__list_orders_response,        orders_list_orders,         METHOD_READ,   8),
    ORDERS(ProcessOrder,      shop__v1__process_order_request,      shop__v1__order_confirmation,          orders_process_order,       METHOD_ORDER, 16),
    ORDERS(PlaceOrder,        shop__v1__place_order_request,        shop__v1__order_confirmation,          orders_place_order,         METHOD_ORDER, 64),
    ORDERS(CancelOrder,       shop__v1__cancel_order_request,       shop__v1__order,                       orders_cancel_order,        METHOD_WRITE,  2),
    ORDERS_STREAM(WatchOrder, shop__v1__watch_order_request,        shop__v1__order,                       orders_watch_order,         METHOD_READ,   4),
    EVENTS_STREAM(Subscribe,  shop__v1__subscribe_request,          shop__v1__order_event,                 order_events_subscribe,     METHOD_READ,   2),
};
/* clang-format on */

const size_t method_count = sizeof(method_table) / sizeof(method_table[0]);
