/* What an answer of the shipping service means: a pure function over one table. */
#pragma once

#include "port/fulfillment.h"

#include <stddef.h>
#include <stdint.h>

enum fulfillment_operation {
    FULFILLMENT_CREATE,
    FULFILLMENT_CANCEL,
    FULFILLMENT_OPERATION_COUNT
};

struct fulfillment_answer {
    int status;       /* of HTTP */
    const char *body; /* any bytes */
    size_t body_size;
    int32_t retry_after_ms;
};

/* Fills in shipment_id, result and error of the call. */
void fulfillment_answer_read(enum fulfillment_operation operation,
                             const struct fulfillment_answer *answer,
                             struct fulfillment_call *call);
