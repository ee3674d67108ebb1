/* From values to messages. Not for deciding what to answer. */
#include "service/present.h"

#include "base/number.h"
#include "service/error_details.h"

enum {
    US_PER_SECOND = 1000000,
    NANOS_PER_US = 1000,
};

/* Messages have `char *` where they only read. */
static char *borrow(const char *text)
{
    return (char *)(uintptr_t)(text == NULL ? protobuf_c_empty_string : text);
}

static char *etag_of(int64_t version, struct arena *arena)
{
    char text[NUMBER_TEXT_SIZE];

    return arena_strndup(arena, text, number_print(version, text));
}

/* A list of `count` messages of `size` bytes and the pointers to them, as messages have it. */
static void *list_new(struct arena *arena, size_t count, size_t size)
{
    void **pointers = arena_array(arena, count, sizeof(void *));
    char *items = arena_array(arena, count, size);

    if (pointers == NULL || items == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        pointers[i] = items + i * size;
    return pointers;
}

/* ---- Parts --------------------------------------------------------------------------------- */

static Google__Type__Money *present_money(const struct money *money, struct arena *arena)
{
    Google__Type__Money *message = ARENA_NEW(arena, Google__Type__Money);

    if (message == NULL)
        return NULL;
    google__type__money__init(message);
    message->currency_code = borrow(money->currency);
    money_to_units(money, &message->units, &message->nanos);
    return message;
}

/* Microseconds since 1970; before 1970 the fraction still counts forward. */
static Google__Protobuf__Timestamp *present_time(int64_t time_us, struct arena *arena)
{
    Google__Protobuf__Timestamp *message = ARENA_NEW(arena, Google__Protobuf__Timestamp);
    int64_t fraction_us = time_us % US_PER_SECOND;

    if (message == NULL)
        return NULL;
    if (fraction_us < 0)
        fraction_us += US_PER_SECOND;
    google__protobuf__timestamp__init(message);
    message->seconds = (time_us - fraction_us) / US_PER_SECOND;
    message->nanos = (int32_t)fraction_us * NANOS_PER_US;
    return message;
}

static Google__Rpc__Status *present_failure(const struct failure *failure,
                                            const struct uuid *order_id, struct arena *arena)
{
    struct error err = {0};

    failure_to_error(failure, order_id, arena, &err);
    return error_to_status(&err, arena);
}

/* ---- The catalogue ------------------------------------------------------------------------- */

Shop__V1__Product *present_product(const struct product *product, struct arena *arena)
{
    Shop__V1__Product *message = ARENA_NEW(arena, Shop__V1__Product);

    if (message == NULL)
        return NULL;
    shop__v1__product__init(message);
    message->id = borrow(product->id);
    message->name = borrow(product->name);
    message->description = borrow(product->description);
    message->category = borrow(product->category);
    message->available = product->available;
    message->price = present_money(&product->price, arena);
    message->etag = etag_of(product->version, arena);
    message->create_time = present_time(product->create_time_us, arena);
    message->update_time = present_time(product->update_time_us, arena);
    if (message->price == NULL || message->etag == NULL || message->create_time == NULL ||
        message->update_time == NULL)
        return NULL;
    return message;
}

/* ---- Orders -------------------------------------------------------------------------------- */

static bool present_lines(const struct order *order, struct arena *arena, Shop__V1__Order *message)
{
    message->lines = list_new(arena, order->line_count, sizeof(Shop__V1__OrderLine));
    if (message->lines == NULL)
        return false;
    for (uint32_t i = 0; i < order->line_count; i++) {
        const struct order_line *line = &order->lines[i];
        struct money price = order->total; /* all lines are in the currency of the total */
        price.minor = line->unit_price_minor;
        shop__v1__order_line__init(message->lines[i]);
        message->lines[i]->product_id = borrow(line->product_id);
        message->lines[i]->quantity = line->quantity;
        message->lines[i]->name = borrow(line->name);
        message->lines[i]->unit_price = present_money(&price, arena);
        if (message->lines[i]->unit_price == NULL)
            return false;
        message->lines[i]->unit_price->currency_code = borrow(order->total.currency);
    }
    message->n_lines = order->line_count;
    return true;
}

static Shop__V1__Address *present_address(const struct address *address, struct arena *arena)
{
    Shop__V1__Address *message = ARENA_NEW(arena, Shop__V1__Address);
    char **lines = arena_array(arena, address->line_count, sizeof(*lines));

    if (message == NULL || lines == NULL)
        return NULL;
    shop__v1__address__init(message);
    message->recipient = borrow(address->recipient);
    for (uint32_t i = 0; i < address->line_count; i++)
        lines[i] = borrow(address->lines[i]);
    message->address_lines = lines;
    message->n_address_lines = address->line_count;
    message->postal_code = borrow(address->postal_code);
    message->locality = borrow(address->locality);
    message->administrative_area = borrow(address->administrative_area);
    message->region_code = borrow(address->region_code);
    return message;
}

static bool present_step(const struct order_step *step, const struct uuid *order_id,
                         struct arena *arena, Shop__V1__OrderStep *message)
{
    shop__v1__order_step__init(message);
    message->kind = (Shop__V1__OrderStep__Kind)step->kind;
    message->outcome = (Shop__V1__OrderStep__Outcome)step->outcome;
    message->attempts = step->tries;
    message->external_id = borrow(step->external_id);
    message->start_time = present_time(step->start_time_us, arena);
    if (message->start_time == NULL)
        return false;
    if (step->end_time_us != 0) {
        message->end_time = present_time(step->end_time_us, arena);
        if (message->end_time == NULL)
            return false;
    }
    if (step->failure.reason != REASON_NONE) {
        message->error = present_failure(&step->failure, order_id, arena);
        return message->error != NULL;
    }
    return true;
}

static bool present_steps(const struct order *order, struct arena *arena, Shop__V1__Order *message)
{
    uint32_t count;
    struct order_step *steps = order_steps(order, arena, &count);

    if (count == 0)
        return order->attempt == 0 || order->event_count == 0 || steps != NULL;
    message->steps = list_new(arena, count, sizeof(Shop__V1__OrderStep));
    if (message->steps == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!present_step(&steps[i], &order->id, arena, message->steps[i]))
            return false;
    }
    message->n_steps = count;
    return true;
}

static char *present_id(const struct uuid *id, struct arena *arena)
{
    char text[UUID_TEXT_SIZE];

    uuid_format(id, text);
    return arena_strdup(arena, text);
}

static bool tells_failure(const struct order *order)
{
    return order->failure.reason != REASON_NONE &&
           (order->state == ORDER_FAILED || order->state == ORDER_STUCK);
}

Shop__V1__Order *present_order(const struct order *order, struct arena *arena)
{
    Shop__V1__Order *message = ARENA_NEW(arena, Shop__V1__Order);

    if (message == NULL)
        return NULL;
    shop__v1__order__init(message);
    message->id = present_id(&order->id, arena);
    message->customer_id = borrow(order->customer_id);
    message->total = present_money(&order->total, arena);
    message->state = (Shop__V1__Order__State)order->state;
    message->payment_id = borrow(order->payment_id);
    message->shipment_id = borrow(order->shipment_id);
    message->revision = order->revision;
    message->create_time = present_time(order->create_time_us, arena);
    message->update_time = present_time(order->update_time_us, arena);
    message->ship_to = present_address(&order->ship_to, arena);
    message->attempt = order->attempt;
    message->etag = etag_of(order->revision, arena);
    if (message->id == NULL || message->total == NULL || message->create_time == NULL ||
        message->update_time == NULL || message->ship_to == NULL || message->etag == NULL)
        return NULL;
    if (!present_lines(order, arena, message) || !present_steps(order, arena, message))
        return NULL;
    if (tells_failure(order)) {
        message->failure = present_failure(&order->failure, &order->id, arena);
        if (message->failure == NULL)
            return NULL;
    }
    return message;
}

Shop__V1__OrderConfirmation *present_confirmation(const struct order *order, struct arena *arena)
{
    Shop__V1__OrderConfirmation *message = ARENA_NEW(arena, Shop__V1__OrderConfirmation);

    if (message == NULL)
        return NULL;
    shop__v1__order_confirmation__init(message);
    message->order_id = present_id(&order->id, arena);
    message->total = present_money(&order->total, arena);
    message->payment_id = borrow(order->payment_id);
    message->shipment_id = borrow(order->shipment_id);
    message->fulfill_time = present_time(order->fulfill_time_us, arena);
    if (message->order_id == NULL || message->total == NULL || message->fulfill_time == NULL)
        return NULL;
    return message;
}

/* ---- The feed ------------------------------------------------------------------------------ */

Shop__V1__OrderEvent *present_event(const struct feed_event *event, struct arena *arena)
{
    const struct order_event *change = &event->event;
    Shop__V1__OrderEvent *message = ARENA_NEW(arena, Shop__V1__OrderEvent);

    if (message == NULL)
        return NULL;
    shop__v1__order_event__init(message);
    message->position = event->position;
    message->order_id = present_id(&event->order_id, arena);
    message->revision = change->revision;
    message->attempt = change->attempt;
    message->state = (Shop__V1__Order__State)change->state;
    message->step = (Shop__V1__OrderStep__Kind)change->step;
    message->outcome = (Shop__V1__OrderStep__Outcome)change->outcome;
    message->external_id = borrow(change->external_id);
    message->time = present_time(change->time_us, arena);
    if (message->order_id == NULL || message->time == NULL)
        return NULL;
    if (change->failure.reason != REASON_NONE) {
        message->failure = present_failure(&change->failure, &event->order_id, arena);
        if (message->failure == NULL)
            return NULL;
    }
    return message;
}
