/* Storage of payments and refunds. What they may do is payment.c's. */
#include "sandbox/payment_table.h"

#include "sandbox/order_index.h"

#include <stdlib.h>
#include <string.h>

void payment_table_init(struct payment_table *table, size_t count_max, struct ident_source *ids,
                        struct order_index *orders)
{
    *table = (struct payment_table){.count_max = count_max, .ids = ids, .orders = orders};
}

void payment_table_deinit(struct payment_table *table)
{
    struct refund *refund;
    struct refund *next_refund;
    struct payment *payment;
    struct payment *next_payment;

    HASH_ITER (hh, table->refunds, refund, next_refund) {
        HASH_DEL(table->refunds, refund);
        free(refund);
    }
    HASH_ITER (hh, table->payments, payment, next_payment) {
        HASH_DEL(table->payments, payment);
        free(payment);
    }
}

/* The three texts stand behind the payment, in its own allocation. */
static void payment_table_copy_text(struct payment *payment, const struct payment_spec *spec)
{
    char *text = payment->text;

    payment->order_id = text;
    text = stpcpy(text, spec->order_id) + 1;
    payment->attempt = text;
    text = stpcpy(text, spec->attempt) + 1;
    payment->metadata = text;
    (void)stpcpy(text, spec->metadata);
}

struct payment *payment_table_add(struct payment_table *table, const struct payment_spec *spec)
{
    size_t text_size =
        strlen(spec->order_id) + strlen(spec->attempt) + strlen(spec->metadata) + (size_t)3;
    struct payment *payment;

    if (HASH_COUNT(table->payments) >= table->count_max)
        return NULL;
    payment = calloc(1, sizeof(*payment) + text_size);
    if (payment == NULL)
        return NULL;
    payment_table_copy_text(payment, spec);
    ident_make(table->ids, "pi_", payment->id);
    memcpy(payment->currency, spec->currency, sizeof(payment->currency));
    payment->amount = spec->amount;
    payment->card = spec->card;
    payment->created = time(NULL);
    payment->status =
        spec->card != NULL ? PAYMENT_REQUIRES_CONFIRMATION : PAYMENT_REQUIRES_PAYMENT_METHOD;
    STAILQ_INIT(&payment->refunds);
    STAILQ_INIT(&payment->keys);
    payment->order = order_index_get(table->orders, spec->order_id);
    if (payment->order != NULL)
        STAILQ_INSERT_TAIL(&payment->order->payments, payment, next_of_order);
    HASH_ADD_STR(table->payments, id, payment);
    return payment;
}

struct payment *payment_table_find(struct payment_table *table, const char *id)
{
    struct payment *payment = NULL;

    HASH_FIND_STR(table->payments, id, payment);
    return payment;
}

struct payment *payment_table_newest(const struct payment_table *table)
{
    if (table->payments == NULL)
        return NULL;
    return ELMT_FROM_HH(table->payments->hh.tbl, table->payments->hh.tbl->tail);
}

struct payment *payment_table_older(const struct payment *payment)
{
    return payment->hh.prev;
}

struct refund *payment_table_add_refund(struct payment_table *table, struct payment *payment,
                                        int64_t amount)
{
    struct refund *refund;

    if (HASH_COUNT(table->refunds) >= table->count_max)
        return NULL;
    refund = calloc(1, sizeof(*refund));
    if (refund == NULL)
        return NULL;
    ident_make(table->ids, "re_", refund->id);
    refund->payment = payment;
    refund->amount = amount;
    refund->created = time(NULL);
    HASH_ADD_STR(table->refunds, id, refund);
    return refund;
}

struct refund *payment_table_find_refund(struct payment_table *table, const char *id)
{
    struct refund *refund = NULL;

    HASH_FIND_STR(table->refunds, id, refund);
    return refund;
}
