/* The payments a provider knows of, page by page, newest first. Apart from port/payment, since it is not in
 * the way of any order: it has a breaker of its own. Implemented by client/payment_list_stripe and a fake. */
#pragma once

#include "base/uuid.h"
#include "domain/money.h"
#include "port/effect.h"

#include <stdbool.h>

struct payment_listed {
    const char *id;
    struct uuid order_id; /* zero: it names none of ours */
    struct money amount;
    int64_t received, refunded; /* minor units; those being refunded count */
};

/* DONE, NOT_REACHED or UNKNOWN (also of an answer that cannot be read). */
struct payment_list_call {
    struct effect effect;
    int64_t since_s;      /* created then or later, seconds since 1970 by the provider's clock */
    const char *after_id; /* the last one of the page before; NULL: the first page */
    struct payment_listed *payments; /* out */
    uint32_t count;                  /* out */
    bool has_more;                   /* out; then count > 0 */
};

struct payment_list;
struct payment_list_ops {
    void (*page)(struct payment_list *list, struct payment_list_call *call);
};
struct payment_list {
    const struct payment_list_ops *ops;
};
