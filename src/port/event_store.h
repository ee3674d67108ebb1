/* The events of all orders as one feed, for those who read it from outside. What belongs to one order is
 * port/order_store.h. Implemented by store/event_store_pg and a fake.
 *
 * An event has a position, greater than that of all earlier events of the same order. Events are
 * committed in another order than their positions, so a page is read only up to where the feed is
 * known to be complete, which a look finds out. Events are never deleted.
 *
 * Errors both operations may end with: STORE_UNAVAILABLE, STORE_OVERLOADED, OUT_OF_MEMORY, INTERNAL. */
#pragma once

#include "domain/order.h"
#include "port/store_call.h"

enum {
    EVENT_POSITION_START = 1 /* before all events */
};

/* What one look found and the next one goes on with; zero at first. `complete` is for everybody: no
 * event will come any more whose position is at most this. 0: not known yet, or there is none. */
struct event_mark {
    int64_t complete;
    int64_t pending, fence; /* the store's */
};

struct event_look {
    struct store_call call;
    struct event_mark mark; /* in: what the look before found; out */
    int64_t newest;         /* out: greatest position that can be seen; 0: there is no event */
};

struct feed_event {
    int64_t position;
    struct uuid order_id;
    struct order_event event;
};

/* The next events of a caller's orders, by position. A page may end early; then read_to is the position
 * of its last event. */
struct event_page {
    struct store_call call;
    const char *caller;
    int64_t after, until;      /* until: at most mark.complete */
    uint32_t limit;            /* events that are looked at, those of other callers included */
    struct feed_event *events; /* out */
    uint32_t count;            /* out */
    int64_t read_to;           /* out: all his events up to here are in this page or before it */
};

struct event_store;
struct event_store_ops {
    void (*look)(struct event_store *store, struct event_look *look);
    void (*page)(struct event_store *store, struct event_page *page);
};
struct event_store {
    const struct event_store_ops *ops;
};
