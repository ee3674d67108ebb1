/* The subscriptions of one worker to the events of all orders.
 *
 * They look together: one look, at most every 200 ms and only while somebody waits, finds out up to
 * where the feed is complete; whoever is behind that reads pages of his own, which the store makes few
 * round trips of. How many there may be is the doors' limit (MAX_WATCHERS). Not thread safe: belongs
 * to its worker's loop. */
#pragma once

#include "base/macros.h"
#include "port/clock.h"
#include "port/event_store.h"

#include <stdint.h>

struct event_feed;

/* Both are borrowed and must outlive it. NULL when out of memory. */
struct event_feed *event_feed_new(struct event_store *store, struct clock *clock) NODISCARD;
/* With all streams ended or stopped, and the store's calls answered. NULL does nothing. */
void event_feed_free(struct event_feed *feed);

/* Subscriptions that are open. */
uint32_t event_feed_count(const struct event_feed *feed);
