/* An order and what belongs to it: lines, address, steps, failure. Values only, no I/O.
 *
 * The states are described where they are decided: saga/saga_table.h. Their numbers are those of
 * shop.v1.Order.State; their names are those of the SQL CHECK. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/uuid.h"
#include "domain/money.h"

#include <stdbool.h>
#include <stdint.h>

enum order_state {
    ORDER_STATE_UNSPECIFIED = 0,
    ORDER_PENDING = 1,
    ORDER_RESERVING = 2,
    ORDER_CHARGING = 3,
    ORDER_FULFILLING = 4,
    ORDER_FULFILLED = 5,
    ORDER_RECALLING = 6,
    ORDER_REFUNDING = 7,
    ORDER_RELEASING = 8,
    ORDER_FAILED = 9,
    ORDER_CANCELLED = 10,
    ORDER_STUCK = 11,
    ORDER_STATE_COUNT = 12,
};

/* "CHARGING"; the inverse gives ORDER_STATE_UNSPECIFIED for any other text. */
const char *order_state_name(enum order_state state);
enum order_state order_state_parse(const char *name);

/* Numbers of shop.v1.OrderStep.Kind and .Outcome. */
enum step_kind {
    STEP_NONE = 0,
    STEP_RESERVE = 1,
    STEP_CHARGE = 2,
    STEP_FULFILL = 3,
    STEP_RECALL = 4,
    STEP_REFUND = 5,
    STEP_RELEASE = 6,
    STEP_KIND_COUNT = 7,
};
enum step_outcome {
    OUTCOME_RUNNING = 0,
    OUTCOME_DONE = 1,
    OUTCOME_REFUSED = 2,
    OUTCOME_UNKNOWN = 3,
    STEP_OUTCOME_COUNT = 4,
};
const char *step_kind_name(enum step_kind kind);          /* "CHARGE" */
const char *step_outcome_name(enum step_outcome outcome); /* "DONE" */

struct order_line {
    const char *product_id;
    int32_t quantity;
    const char *name; /* as it was when the order was created */
    int64_t unit_price_minor;
};

struct address {
    const char *recipient;
    const char **lines;
    uint32_t line_count;
    const char *postal_code, *locality, *administrative_area; /* "" when there is none */
    const char *region_code;                                  /* two letters */
};

/* A line that could not be reserved. */
struct short_line {
    const char *product_id;
    int64_t requested; /* summed over the order's lines of this product; -1: was not told */
    int64_t available;
};

struct failure_metadata {
    const char *key, *value;
};

/* Why an attempt failed: what is recorded, and what every answer is derived from. The stored form
 * is JSON: {"reason":"OUT_OF_STOCK","message":"…","metadata":{"k":"v"},
 *           "short":[{"product":"x","requested":3,"available":1}]} (reason by reason_key). */
struct failure {
    enum reason reason;  /* REASON_NONE: there is no failure */
    const char *message; /* NULL: the reason's default text */
    struct failure_metadata *metadata;
    uint32_t metadata_count;
    struct short_line *short_lines;
    uint32_t short_line_count;
};

/* One row of the audit trail, from which the steps of an attempt are derived. */
struct order_event {
    int64_t revision;
    int32_t attempt;
    enum order_state state;    /* entered with this event (may be the same as before) */
    enum step_kind step;       /* that ended (or progressed) with it; STEP_NONE */
    enum step_outcome outcome; /* of that step; OUTCOME_RUNNING when it goes on */
    int32_t tries;             /* of that step */
    const char *external_id;   /* NULL when there is none */
    struct failure failure;    /* what the step failed with, if it did */
    int64_t time_us;
};

struct order_step {
    enum step_kind kind;
    enum step_outcome outcome;
    int32_t tries;
    int64_t start_time_us;
    int64_t end_time_us; /* 0 while it runs */
    struct failure failure;
    const char *external_id;
};

struct order {
    struct uuid id;
    const char *caller; /* authenticated identity; "" with AUTH=none */
    const char *customer_id;
    struct order_line *lines;
    uint32_t line_count;
    struct address ship_to;
    struct money total;
    enum order_state state;
    int32_t attempt; /* 0 before the first */
    int64_t revision;
    int64_t create_time_us;
    int64_t update_time_us;
    /* Of the last attempt. */
    const char *payment_id;  /* NULL when there is none */
    const char *shipment_id; /* NULL when there is none */
    struct failure failure;
    int64_t fulfill_time_us;    /* 0 unless FULFILLED */
    struct order_event *events; /* of the last attempt, oldest first */
    uint32_t event_count;
};

/* The steps of the last attempt, in the order they ran, derived from its events. NULL with
 * *out_count = 0 when there are none or the arena is full. */
struct order_step *order_steps(const struct order *order, struct arena *arena, uint32_t *out_count);

/* FULFILLED, FAILED, CANCELLED, STUCK or PENDING: nobody works on it. */
bool order_is_at_rest(enum order_state state);

/* Tells of a short line in `err`, as a precondition of type "STOCK" whose subject is "products/<id>".
 * failure_from_error() reads it back, so every OUT_OF_STOCK is built with this. */
void error_add_short_line(struct error *err, struct arena *arena, const struct short_line *line);

/* Every FAILED_PRECONDITION about an order says which condition of what it was: adds one of this
 * reason, its subject the order, unless there are some. Nothing to any other status. */
void error_add_order_condition(struct error *err, struct arena *arena, const struct uuid *order_id);

/* The failure as an error to be answered: status, message, metadata, preconditions; and `orderId` in
 * the metadata. Detail strings go to the arena. */
void failure_to_error(const struct failure *failure, const struct uuid *order_id,
                      struct arena *arena, struct error *err);
/* The failure an error amounts to (metadata and short lines kept); strings go to the arena. */
void failure_from_error(const struct error *err, struct arena *arena, struct failure *out_failure);
