/* Reads orders, events and records. Not for writing them: each statement has its own parameters. */
#include "store/order_row.h"

#include "store/failure_json.h"

#include <assert.h>
#include <string.h>

/* clang-format off */
enum order_column {
    ID, CALLER, CUSTOMER_ID, LINE_PRODUCT, LINE_QUANTITY, LINE_NAME, LINE_PRICE_MINOR,
    SHIP_RECIPIENT, SHIP_LINES, SHIP_POSTAL_CODE, SHIP_LOCALITY, SHIP_AREA, SHIP_REGION,
    TOTAL_MINOR, CURRENCY, STATE, ATTEMPT, REVISION, CREATE_TIME, UPDATE_TIME, PAYMENT_ID,
    SHIPMENT_ID, FAILURE, FULFILL_TIME, ORDER_END
};
enum event_column {
    EVENT_REVISION, EVENT_STATE, EVENT_STEP, EVENT_OUTCOME, EVENT_TRIES, EVENT_EXTERNAL_ID,
    EVENT_FAILURE, EVENT_TIME_US, EVENT_END
};
enum feed_column {
    FEED_REVISION, FEED_ATTEMPT, FEED_STATE, FEED_STEP, FEED_OUTCOME, FEED_TRIES, FEED_EXTERNAL_ID,
    FEED_FAILURE, FEED_TIME
};
enum record_column {
    GENERATION, CANCEL_WISHED, PAYMENT_METHOD, FORWARD_LEFT_MS, FULFILL_LEFT_MS, UNDO_AGE_MS,
    LEASE_LEFT_MS, TRIES, RECORD_END
};
/* clang-format on */
_Static_assert((int)ORDER_END == (int)ORDER_COLUMN_COUNT, "the columns of an order");
_Static_assert((int)EVENT_END == (int)EVENT_COLUMN_COUNT, "the columns of events");
_Static_assert((int)RECORD_END == (int)RECORD_COLUMN_COUNT, "the columns of a record");

/* ---- Order ---- */

static bool read_lines(const struct pg_row *row, int first, struct arena *arena,
                       struct order *order)
{
    uint32_t count, quantity_count, name_count, price_count;
    const char **product = pg_get_text_array(row, first + LINE_PRODUCT, arena, &count);
    int32_t *quantity = pg_get_int4_array(row, first + LINE_QUANTITY, arena, &quantity_count);
    const char **name = pg_get_text_array(row, first + LINE_NAME, arena, &name_count);
    int64_t *price = pg_get_int8_array(row, first + LINE_PRICE_MINOR, arena, &price_count);
    struct order_line *lines = arena_array(arena, count, sizeof(*lines));

    if (product == NULL || quantity == NULL || name == NULL || price == NULL || lines == NULL)
        return false;
    assert(quantity_count == count && name_count == count && price_count == count);
    for (uint32_t i = 0; i < count; i++)
        lines[i] = (struct order_line){product[i], quantity[i], name[i], price[i]};
    order->lines = lines;
    order->line_count = count;
    return true;
}

static bool read_address(const struct pg_row *row, int first, struct arena *arena,
                         struct address *address)
{
    *address = (struct address){
        .recipient = pg_get_text(row, first + SHIP_RECIPIENT, arena),
        .postal_code = pg_get_text(row, first + SHIP_POSTAL_CODE, arena),
        .locality = pg_get_text(row, first + SHIP_LOCALITY, arena),
        .administrative_area = pg_get_text(row, first + SHIP_AREA, arena),
        .region_code = pg_get_text(row, first + SHIP_REGION, arena),
    };
    address->lines = pg_get_text_array(row, first + SHIP_LINES, arena, &address->line_count);
    return address->recipient != NULL && address->postal_code != NULL &&
           address->locality != NULL && address->administrative_area != NULL &&
           address->region_code != NULL && address->lines != NULL;
}

static enum order_state read_state(const char *name)
{
    enum order_state state = order_state_parse(name);
    assert(state != ORDER_STATE_UNSPECIFIED); /* the table's CHECK admits no other */
    return state;
}

/* A text that may be NULL in the table; false only when the arena is full. */
static bool read_optional(const struct pg_row *row, int column, struct arena *arena,
                          const char **out_text)
{
    *out_text = pg_get_text(row, column, arena);
    return *out_text != NULL || pg_is_null(row, column);
}

static bool read_attempt(const struct pg_row *row, int first, struct arena *arena,
                         struct order *order)
{
    const char *failure;

    order->attempt = pg_get_int4(row, first + ATTEMPT);
    order->fulfill_time_us = pg_get_time_us(row, first + FULFILL_TIME);
    return read_optional(row, first + PAYMENT_ID, arena, &order->payment_id) &&
           read_optional(row, first + SHIPMENT_ID, arena, &order->shipment_id) &&
           read_optional(row, first + FAILURE, arena, &failure) &&
           failure_json_read(failure, arena, &order->failure);
}

bool order_row_read(const struct pg_row *row, int first, struct arena *arena,
                    struct order *out_order)
{
    struct order order = {
        .id = pg_get_uuid(row, first + ID),
        .caller = pg_get_text(row, first + CALLER, arena),
        .customer_id = pg_get_text(row, first + CUSTOMER_ID, arena),
        .total.minor = pg_get_int8(row, first + TOTAL_MINOR),
        .revision = pg_get_int8(row, first + REVISION),
        .create_time_us = pg_get_time_us(row, first + CREATE_TIME),
        .update_time_us = pg_get_time_us(row, first + UPDATE_TIME),
    };
    const char *currency = pg_get_text(row, first + CURRENCY, arena);
    const char *state = pg_get_text(row, first + STATE, arena);

    if (order.caller == NULL || order.customer_id == NULL || currency == NULL || state == NULL)
        return false;
    assert(strlen(currency) == CURRENCY_SIZE - 1);
    memcpy(order.total.currency, currency, CURRENCY_SIZE);
    order.state = read_state(state);
    if (!read_lines(row, first, arena, &order) ||
        !read_address(row, first, arena, &order.ship_to) ||
        !read_attempt(row, first, arena, &order))
        return false;
    *out_order = order;
    return true;
}

/* ---- Events ---- */

static enum step_kind step_parse(const char *name)
{
    for (unsigned kind = STEP_NONE + 1; kind < STEP_KIND_COUNT; kind++) {
        if (strcmp(name, step_kind_name((enum step_kind)kind)) == 0)
            return (enum step_kind)kind;
    }
    return STEP_NONE;
}

static enum step_outcome outcome_parse(const char *name)
{
    unsigned outcome = 0;
    while (strcmp(name, step_outcome_name((enum step_outcome)outcome)) != 0) {
        outcome++;
        assert(outcome < STEP_OUTCOME_COUNT); /* the table's CHECK admits no other */
    }
    return (enum step_outcome)outcome;
}

struct event_columns {
    int64_t *revision, *time_us;
    int32_t *tries;
    const char **state, **step, **outcome, **external_id, **failure;
    uint32_t count;
};

static bool read_event_columns(const struct pg_row *row, int first, struct arena *arena,
                               struct event_columns *columns)
{
    uint32_t *count = &columns->count;

    columns->revision = pg_get_int8_array(row, first + EVENT_REVISION, arena, count);
    columns->time_us = pg_get_int8_array(row, first + EVENT_TIME_US, arena, count);
    columns->tries = pg_get_int4_array(row, first + EVENT_TRIES, arena, count);
    columns->state = pg_get_text_array(row, first + EVENT_STATE, arena, count);
    columns->step = pg_get_text_array(row, first + EVENT_STEP, arena, count);
    columns->outcome = pg_get_text_array(row, first + EVENT_OUTCOME, arena, count);
    columns->external_id = pg_get_text_array(row, first + EVENT_EXTERNAL_ID, arena, count);
    columns->failure = pg_get_text_array(row, first + EVENT_FAILURE, arena, count);
    return columns->revision != NULL && columns->time_us != NULL && columns->tries != NULL &&
           columns->state != NULL && columns->step != NULL && columns->outcome != NULL &&
           columns->external_id != NULL && columns->failure != NULL;
}

bool order_row_read_events(const struct pg_row *row, int first, struct arena *arena,
                           struct order *order)
{
    struct event_columns columns;

    if (pg_is_null(row, first + EVENT_REVISION))
        return true;
    if (!read_event_columns(row, first, arena, &columns))
        return false;
    order->events = arena_array(arena, columns.count, sizeof(*order->events));
    if (order->events == NULL)
        return false;
    for (uint32_t i = 0; i < columns.count; i++) {
        struct order_event *event = &order->events[i];
        *event = (struct order_event){
            .revision = columns.revision[i],
            .attempt = order->attempt,
            .state = read_state(columns.state[i]),
            .step = step_parse(columns.step[i]),
            .outcome = outcome_parse(columns.outcome[i]),
            .tries = columns.tries[i],
            .external_id = columns.external_id[i][0] == '\0' ? NULL : columns.external_id[i],
            .time_us = columns.time_us[i],
        };
        if (!failure_json_read(columns.failure[i], arena, &event->failure))
            return false;
    }
    order->event_count = columns.count;
    return true;
}

bool order_row_read_event(const struct pg_row *row, int first, struct arena *arena,
                          struct order_event *out_event)
{
    const char *state = pg_get_text(row, first + FEED_STATE, arena);
    const char *step = pg_get_text(row, first + FEED_STEP, arena);
    const char *outcome = pg_get_text(row, first + FEED_OUTCOME, arena);
    const char *failure;
    struct order_event event = {
        .revision = pg_get_int8(row, first + FEED_REVISION),
        .attempt = pg_get_int4(row, first + FEED_ATTEMPT),
        .tries = pg_get_int4(row, first + FEED_TRIES),
        .time_us = pg_get_time_us(row, first + FEED_TIME),
    };

    if (state == NULL || step == NULL || outcome == NULL ||
        !read_optional(row, first + FEED_EXTERNAL_ID, arena, &event.external_id) ||
        !read_optional(row, first + FEED_FAILURE, arena, &failure) ||
        !failure_json_read(failure, arena, &event.failure))
        return false;
    event.state = read_state(state);
    event.step = step_parse(step);
    event.outcome = outcome_parse(outcome);
    *out_event = event;
    return true;
}

/* ---- Record ---- */

static int64_t read_ms(const struct pg_row *row, int column, int64_t when_null)
{
    return pg_is_null(row, column) ? when_null : pg_get_int8(row, column);
}

bool order_row_read_record(const struct pg_row *row, int first, struct arena *arena,
                           struct saga_record *out_record)
{
    struct saga_record record = {0};
    int at = first + ORDER_COLUMN_COUNT;

    if (!order_row_read(row, first, arena, &record.order) ||
        !read_optional(row, at + PAYMENT_METHOD, arena, &record.payment_method))
        return false;
    record.generation = pg_get_int8(row, at + GENERATION);
    record.cancel_wished = pg_get_bool(row, at + CANCEL_WISHED);
    record.forward_left_ms = read_ms(row, at + FORWARD_LEFT_MS, 0);
    record.fulfill_left_ms = read_ms(row, at + FULFILL_LEFT_MS, INT64_MAX);
    record.undo_age_ms = read_ms(row, at + UNDO_AGE_MS, -1);
    record.lease_left_ms = read_ms(row, at + LEASE_LEFT_MS, 0);
    record.tries = pg_is_null(row, at + TRIES) ? 0 : pg_get_int4(row, at + TRIES);
    *out_record = record;
    return true;
}
