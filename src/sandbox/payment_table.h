/* All payments and refunds of a run, in memory, up to a limit.
 *
 * The table owns them; pointers stay good until payment_table_deinit. Both hashes keep the order of
 * creation: `hh.next` leads from a payment to the next newer one. */
#pragma once

#include "sandbox/payment.h"

#include <stddef.h>
#include <stdint.h>

struct ident_source;
struct order_index;

struct payment_table {
    struct payment *payments; /* uthash, by id */
    struct refund *refunds;   /* uthash, by id */
    size_t count_max;         /* of payments, and of refunds */
    struct ident_source *ids; /* borrowed */
    struct order_index *orders;
};

/* What a new payment is made of; everything is copied. */
struct payment_spec {
    int64_t amount;
    const char *currency;
    const struct card *card; /* may be NULL */
    const char *order_id;    /* may be "" */
    const char *attempt;     /* may be "" */
    const char *metadata;    /* a JSON object */
};

void payment_table_init(struct payment_table *table, size_t count_max, struct ident_source *ids,
                        struct order_index *orders);
void payment_table_deinit(struct payment_table *table);

/* NULL when the table is full, or memory is. */
struct payment *payment_table_add(struct payment_table *table, const struct payment_spec *spec);
struct payment *payment_table_find(struct payment_table *table, const char *id);
/* The newest payment, and the one before `payment`; NULL when there is none. */
struct payment *payment_table_newest(const struct payment_table *table);
struct payment *payment_table_older(const struct payment *payment);

/* A refund that has not started; NULL when the table is full, or memory is. */
struct refund *payment_table_add_refund(struct payment_table *table, struct payment *payment,
                                        int64_t amount);
struct refund *payment_table_find_refund(struct payment_table *table, const char *id);
