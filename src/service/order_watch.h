/* The watches of one worker: who waits for news of which order.
 *
 * Watches look, together: all that wait are asked for in one pass, 200 ms after the first began to
 * wait, which the store makes one round trip of; those of an order that is known to have changed, at
 * the end of the turn. While nobody waits no timer runs. How many there may be is the doors' limit
 * (MAX_WATCHERS). Not thread safe: belongs to its worker's loop. */
#pragma once

#include "base/macros.h"
#include "base/uuid.h"
#include "port/clock.h"
#include "port/order_store.h"

#include <stdint.h>

struct order_watches;

/* Both are borrowed and must outlive it. NULL when out of memory. */
struct order_watches *order_watches_new(struct order_store *store, struct clock *clock) NODISCARD;
/* With all streams ended or stopped, and the store's calls answered. NULL does nothing. */
void order_watches_free(struct order_watches *watches);

/* Watches that are open. */
uint32_t order_watches_count(const struct order_watches *watches);
