/* What may differ between orders and the payments their provider tells of. Each should never be: the order
 * flow makes none of them, but a provider, a person or a restored backup may. */
#pragma once

#include "base/uuid.h"

enum difference_kind {
    DIFFERENCE_NO_ORDER,         /* money is held for an order that does not exist */
    DIFFERENCE_NOT_WRITTEN_DOWN, /* a payment was confirmed without its id being written down before */
    DIFFERENCE_KEPT,             /* money is held for an attempt that came to nothing */
    DIFFERENCE_AMOUNT,           /* the payment of a FULFILLED order is over another amount */
    DIFFERENCE_NOT_PAID,         /* the payment of a FULFILLED order was not taken, or given back */
    DIFFERENCE_MISSING,          /* the payment of a FULFILLED order is not known to the provider */
    DIFFERENCE_KIND_COUNT
};

struct difference {
    enum difference_kind kind;
    struct uuid order_id;
    const char *payment_id;
};

/* "NO_ORDER": in SQL, metrics and logs. */
const char *difference_kind_name(enum difference_kind kind);
/* The inverse; DIFFERENCE_KIND_COUNT for any other text. */
enum difference_kind difference_kind_parse(const char *name);
