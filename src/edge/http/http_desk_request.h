/* Requests of the person on call, read strictly: an unknown parameter or field is an error, and all that is
 * wrong is told at once. Bytes in, values out. */
#pragma once

#include "base/error.h"
#include "port/operator_store.h"

enum {
    DESK_LIMIT_DEFAULT = 100,
    DESK_LIMIT_MAX = 1000,
    DESK_REASON_CHARS = 500,
    DESK_OPERATOR_CHARS = 100,
};

/* What a body says. */
struct desk_order {
    const char *who; /* "operator" */
    const char *why; /* "reason" */
    enum order_state state;
};
enum desk_order_kind {
    DESK_ORDER_PLAIN, /* reason, operator */
    DESK_ORDER_END,   /* and state: FAILED or CANCELLED */
};

/* "state=STUCK&older_than=10m&limit=100&before=<id>", all of it optional. `text` may be NULL. */
enum status desk_read_list(const char *text, struct arena *arena, struct operator_list *out,
                           struct error *err) NODISCARD;
/* {"reason": "…", "operator": "…", "state": "…"} */
enum status desk_read_order(const char *body, size_t size, enum desk_order_kind kind,
                            struct arena *arena, struct desk_order *out, struct error *err)
    NODISCARD;
