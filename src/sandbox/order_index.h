/* Payments and shipments by the order they belong to, so that the ledger of one order costs what that
 * order costs, however many there are.
 *
 * The index owns its entries; payments and shipments own themselves and outlive no index. */
#pragma once

#include <stddef.h>
#include <sys/queue.h>
#include <uthash.h>

struct payment;
struct shipment;

struct order_entry {
    STAILQ_HEAD(order_payments, payment) payments;    /* in the order they came */
    STAILQ_HEAD(order_shipments, shipment) shipments; /* in the order they came */
    unsigned move_count;                              /* money taken, money given back */
    UT_hash_handle hh;
    char order_id[];
};
struct order_index {
    struct order_entry *head; /* uthash */
};

void order_index_init(struct order_index *index);
void order_index_deinit(struct order_index *index);

/* Both are NULL for an empty id; find also for an unknown one, get also without memory. */
struct order_entry *order_index_find(struct order_index *index, const char *order_id);
struct order_entry *order_index_get(struct order_index *index, const char *order_id);
