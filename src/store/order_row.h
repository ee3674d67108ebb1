/* Orders, and what a driver knows of them, out of the rows of a result.
 *
 * The lists of columns stand here, beside the enums that name their places, and the statements are
 * made from them. */
#pragma once

#include "domain/order.h"
#include "port/saga_store.h"
#include "store/pg_row.h"

#include <stdbool.h>

#define ORDER_COLUMNS                                                                         \
    "id, caller, customer_id, line_product, line_quantity, line_name, line_price_minor,"      \
    " ship_recipient, ship_lines, ship_postal_code, ship_locality, ship_area, ship_region,"   \
    " total_minor, currency, state, attempt, revision, create_time, update_time, payment_id," \
    " shipment_id, failure, fulfill_time"
#define EVENT_COLUMNS                                                                         \
    "event_revision, event_state, event_step, event_outcome, event_tries, event_external_id," \
    " event_failure, event_time_us"
#define FEED_COLUMNS                                                                           \
    "e.revision, e.attempt, e.state, coalesce(e.step, ''), e.outcome, e.tries, e.external_id," \
    " e.failure::text, e.create_time"
#define RECORD_COLUMNS                                                                          \
    "generation, cancel_wished, payment_method, forward_left_ms, fulfill_left_ms, undo_age_ms," \
    " lease_left_ms, tries"

enum {
    ORDER_COLUMN_COUNT = 24,
    EVENT_COLUMN_COUNT = 8,
    RECORD_COLUMN_COUNT = 8
};

/* Each reads its columns from `first` on into the arena; false when that is full. A row without an
 * order (all NULL) must not be read. */
bool order_row_read(const struct pg_row *row, int first, struct arena *arena,
                    struct order *out_order) NODISCARD;
/* Into order->events. */
bool order_row_read_events(const struct pg_row *row, int first, struct arena *arena,
                           struct order *order) NODISCARD;
/* One event: FEED_COLUMNS. */
bool order_row_read_event(const struct pg_row *row, int first, struct arena *arena,
                          struct order_event *out_event) NODISCARD;
/* ORDER_COLUMNS, then RECORD_COLUMNS. Without an attempt the record has no budgets. */
bool order_row_read_record(const struct pg_row *row, int first, struct arena *arena,
                           struct saga_record *out_record) NODISCARD;
