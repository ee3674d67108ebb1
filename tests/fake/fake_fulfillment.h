/* A shipping service in memory, idempotent by request_id. */
#pragma once

#include "fake/fake_ledger.h"
#include "port/fulfillment.h"

enum {
    FAKE_SHIPMENTS_MAX = 300,
    FAKE_REQUEST_ID_SIZE = 80
};

struct fake_fulfillment {
    struct fulfillment base;
    struct fake_ledger *ledger;
    int64_t delay_ms;
    bool is_down;        /* breaker open */
    bool hides_id;       /* creations are answered without the shipment's id */
    const char *told_id; /* then: what stands in its place, or NULL */
    struct fake_script create, cancel;
    struct fake_shipment { /* one that is recalled before it was created can never be live */
        char id[16], request_id[FAKE_REQUEST_ID_SIZE];
        bool is_cancelled, has_left;
    } rows[FAKE_SHIPMENTS_MAX];
    uint32_t count;
};

void fake_fulfillment_init(struct fake_fulfillment *fulfillment, struct fake_ledger *ledger);
unsigned fake_fulfillment_live(const struct fake_fulfillment *fulfillment);
