/* What the services work with, and their methods: one function per method of proto/shop/v1.
 *
 * Every function takes a call, validates all of it, and ends it by call_finish(), at once or later;
 * an answer leaves by call->answer_by_ms at the latest (DEADLINE_EXCEEDED, or the saga's answer of
 * unknown fate). One service a worker; all calls on its loop. */
#pragma once

#include "domain/page.h"
#include "port/catalog_store.h"
#include "port/clock.h"
#include "port/event_store.h"
#include "port/order_store.h"
#include "port/random.h"
#include "saga/saga_driver.h"
#include "service/call.h"
#include "service/stream.h"

struct event_feed;
struct order_watches;

struct service {
    struct catalog_store *catalog_store;
    struct order_store *order_store;
    struct saga_driver *saga_driver;
    struct order_watches *order_watches; /* NULL: WatchOrder is never called */
    struct event_feed *event_feed;       /* NULL: Subscribe is never called */
    struct clock *clock;
    struct random_source *random;
    /* Key of the page tokens, from the database; answers STORE_UNAVAILABLE while it is not set. */
    uint8_t page_key[PAGE_KEY_SIZE];
    bool page_key_set;
};

typedef void service_fn(struct service *service, struct call *call);

/* catalog_service.c */
service_fn catalog_get_product, catalog_batch_get_products, catalog_list_products,
    catalog_create_product, catalog_update_product, catalog_delete_product, catalog_adjust_stock;

/* order_service.c */
service_fn orders_create_order, orders_get_order, orders_list_orders, orders_process_order,
    orders_place_order, orders_cancel_order;

/* order_watch.c */
service_stream_fn orders_watch_order;

/* event_feed.c */
service_stream_fn order_events_subscribe;

/* An order was changed by this worker: its watchers are told at the end of the turn. What others
 * change is found by looking. */
void service_order_changed(struct service *service, const struct uuid *order_id);
