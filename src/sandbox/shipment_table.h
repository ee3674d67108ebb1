/* All shipments of a run, by the request_id of their creation.
 *
 *   (none) ──create──> ACCEPTED ──cancel──> CANCELLED
 *      │                   └──ship──> LEFT
 *      └──cancel──> BARRED: nothing was created, and nothing can be any more
 *
 * The table owns the shipments; pointers stay good until shipment_table_deinit. `hh.next` leads to
 * the next newer one. */
#pragma once

#include "sandbox/ident.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <uthash.h>

struct ident_source;
struct order_entry;
struct order_index;

enum shipment_state {
    SHIPMENT_ACCEPTED,
    SHIPMENT_CANCELLED,
    SHIPMENT_LEFT,
    SHIPMENT_BARRED,
};

struct shipment {
    char id[IDENT_SIZE]; /* "" when it is barred */
    enum shipment_state state;
    unsigned created_count; /* 0 or 1: shipments that came to be */
    unsigned request_count; /* creations asked for */
    unsigned cancel_count;  /* cancellations asked for */
    const char *request_id; /* these two point into text */
    const char *order_id;
    struct order_entry *order;
    STAILQ_ENTRY(shipment) next_of_order;
    UT_hash_handle hh;
    char text[];
};

struct shipment_table {
    struct shipment *shipments; /* uthash, by request_id */
    size_t count_max;
    struct ident_source *ids; /* borrowed */
    struct order_index *orders;
};

const char *shipment_state_name(enum shipment_state state);

void shipment_table_init(struct shipment_table *table, size_t count_max, struct ident_source *ids,
                         struct order_index *orders);
void shipment_table_deinit(struct shipment_table *table);

struct shipment *shipment_table_find(struct shipment_table *table, const char *request_id);
/* A new one, which must not be there yet: ACCEPTED with an id, or BARRED without. NULL when the table
 * is full, or memory is. */
struct shipment *shipment_table_add(struct shipment_table *table, const char *request_id,
                                    const char *order_id, enum shipment_state state);
/* It is on its way; false when there is nothing that could leave. */
bool shipment_leave(struct shipment *shipment);
