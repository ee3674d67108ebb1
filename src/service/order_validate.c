/* Requests of orders, checked whole. Not for what only the catalogue or the stored order tells (prices,
 * states). */
#include "service/order_validate.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "service/validate.h"

enum {
    INDEXED_FIELD_SIZE = 48,
    RESOURCE_NAME_LEN_MAX = 2 * LIMIT_ID_LEN,
};

/* ---- Orders -------------------------------------------------------------------------------- */

static void validate_line(const struct validation *validation, size_t index,
                          const Shop__V1__OrderLine *source, struct order_line *line)
{
    struct validation inside = *validation;
    char prefix[INDEXED_FIELD_SIZE];

    snprintf(prefix, sizeof(prefix), "lines[%zu]", index);
    inside.prefix = prefix;
    validate_id(&inside, "product_id", source->product_id);
    if (source->quantity < 1 || source->quantity > LIMIT_QUANTITY_PER_LINE)
        validation_fail(&inside, "quantity", "must be from 1 to %d", LIMIT_QUANTITY_PER_LINE);
    *line = (struct order_line){.product_id = source->product_id, .quantity = source->quantity};
}

static enum status validate_lines(const struct validation *validation, size_t count,
                                  Shop__V1__OrderLine *const *lines, struct order *order)
{
    size_t checked_count = MIN_OF(count, (size_t)LIMIT_LINES_PER_ORDER);

    if (count == 0)
        validation_fail(validation, "lines", "is required");
    if (count > LIMIT_LINES_PER_ORDER)
        validation_fail(validation, "lines", "has %zu entries, at most %d are allowed", count,
                        LIMIT_LINES_PER_ORDER);
    order->lines = arena_array(validation->arena, checked_count, sizeof(*order->lines));
    if (order->lines == NULL)
        return error_set(validation->err, REASON_OUT_OF_MEMORY);
    order->line_count = (uint32_t)checked_count;
    for (size_t i = 0; i < checked_count; i++)
        validate_line(validation, i, lines[i], &order->lines[i]);
    return STATUS_OK;
}

static enum status validate_address_lines(const struct validation *inside,
                                          const Shop__V1__Address *source, struct address *address)
{
    size_t count = MIN_OF(source->n_address_lines, (size_t)LIMIT_ADDRESS_LINES);

    if (source->n_address_lines == 0)
        validation_fail(inside, "address_lines", "is required");
    if (source->n_address_lines > LIMIT_ADDRESS_LINES)
        validation_fail(inside, "address_lines", "has %zu entries, at most %d are allowed",
                        source->n_address_lines, LIMIT_ADDRESS_LINES);
    address->lines = arena_array(inside->arena, count, sizeof(*address->lines));
    if (address->lines == NULL)
        return error_set(inside->err, REASON_OUT_OF_MEMORY);
    address->line_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        char field[INDEXED_FIELD_SIZE];
        snprintf(field, sizeof(field), "address_lines[%zu]", i);
        validate_text(inside, field, source->address_lines[i], LIMIT_ADDRESS_CHARS);
        address->lines[i] = source->address_lines[i];
    }
    return STATUS_OK;
}

static enum status validate_address(const struct validation *validation,
                                    const Shop__V1__Address *source, struct address *address)
{
    struct validation inside = *validation;

    if (source == NULL) {
        validation_fail(validation, "ship_to", "is required");
        return STATUS_OK;
    }
    inside.prefix = "ship_to";
    validate_text(&inside, "recipient", source->recipient, LIMIT_ADDRESS_CHARS);
    if (validate_address_lines(&inside, source, address) != STATUS_OK)
        return validation->err->status;
    validate_optional_text(&inside, "postal_code", source->postal_code, LIMIT_ADDRESS_CHARS);
    validate_optional_text(&inside, "locality", source->locality, LIMIT_ADDRESS_CHARS);
    validate_optional_text(&inside, "administrative_area", source->administrative_area,
                           LIMIT_ADDRESS_CHARS);
    validate_region_code(&inside, "region_code", source->region_code);
    address->recipient = source->recipient;
    address->postal_code = source->postal_code;
    address->locality = source->locality;
    address->administrative_area = source->administrative_area;
    address->region_code = source->region_code;
    return STATUS_OK;
}

/* What CreateOrder and PlaceOrder have in common. */
struct order_parts {
    const char *customer_id;
    size_t line_count;
    Shop__V1__OrderLine *const *lines;
    const Shop__V1__Address *ship_to;
};

static enum status validate_order(const struct validation *validation,
                                  const struct order_parts *parts, struct order *order)
{
    *order = (struct order){.customer_id = parts->customer_id};
    validate_id(validation, "customer_id", parts->customer_id);
    if (validate_lines(validation, parts->line_count, parts->lines, order) != STATUS_OK)
        return validation->err->status;
    return validate_address(validation, parts->ship_to, &order->ship_to);
}

enum status validate_create_order(const Shop__V1__CreateOrderRequest *request, struct arena *arena,
                                  struct order *out_order, struct error *err)
{
    struct validation validation = {.arena = arena, .err = err, .prefix = ""};
    struct order_parts parts = {.customer_id = request->customer_id,
                                .line_count = request->n_lines,
                                .lines = request->lines,
                                .ship_to = request->ship_to};
    struct order order;

    if (validate_order(&validation, &parts, &order) != STATUS_OK)
        return err->status;
    validate_request_id(&validation, request->request_id);
    if (!error_is_set(err))
        *out_order = order;
    return err->status;
}

enum status validate_place_order(const Shop__V1__PlaceOrderRequest *request, struct arena *arena,
                                 struct order *out_order, struct error *err)
{
    struct validation validation = {.arena = arena, .err = err, .prefix = ""};
    struct order_parts parts = {.customer_id = request->customer_id,
                                .line_count = request->n_lines,
                                .lines = request->lines,
                                .ship_to = request->ship_to};
    struct order order;

    if (validate_order(&validation, &parts, &order) != STATUS_OK)
        return err->status;
    validate_payment_method(&validation, request->payment_method);
    validate_required(&validation, "request_id", request->request_id);
    validate_request_id(&validation, request->request_id);
    if (!error_is_set(err))
        *out_order = order;
    return err->status;
}

/* ---- Naming an order ----------------------------------------------------------------------- */

enum status order_not_found(const char *id, struct arena *arena, struct error *err)
{
    /* What was asked for may be any text, of any length. */
    size_t len = strnlen(id, RESOURCE_NAME_LEN_MAX);
    const char *name = arena_strndup(arena, id, text_cut(id, len));

    error_set(err, REASON_ORDER_NOT_FOUND);
    if (name != NULL) {
        error_add_metadata(err, arena, "orderId", name);
        error_add_resource(err, arena, "shop.v1.Order", name);
    }
    return err->status;
}

static enum status parse_order_id(const char *id, struct arena *arena, struct uuid *out_id,
                                  struct error *err)
{
    return uuid_parse(id, out_id) ? STATUS_OK : order_not_found(id, arena, err);
}

enum status validate_get_order(const Shop__V1__GetOrderRequest *request, struct arena *arena,
                               struct uuid *out_id, struct error *err)
{
    struct validation validation = {.arena = arena, .err = err, .prefix = ""};

    validate_required(&validation, "id", request->id);
    if (error_is_set(err))
        return err->status;
    return parse_order_id(request->id, arena, out_id, err);
}

enum status validate_process_order(const Shop__V1__ProcessOrderRequest *request,
                                   struct arena *arena, struct uuid *out_id, struct error *err)
{
    struct validation validation = {.arena = arena, .err = err, .prefix = ""};

    validate_required(&validation, "id", request->id);
    validate_payment_method(&validation, request->payment_method);
    validate_request_id(&validation, request->request_id);
    if (error_is_set(err))
        return err->status;
    return parse_order_id(request->id, arena, out_id, err);
}

enum status validate_cancel_order(const Shop__V1__CancelOrderRequest *request, struct arena *arena,
                                  struct uuid *out_id, struct error *err)
{
    struct validation validation = {.arena = arena, .err = err, .prefix = ""};

    validate_required(&validation, "id", request->id);
    validate_request_id(&validation, request->request_id);
    if (error_is_set(err))
        return err->status;
    return parse_order_id(request->id, arena, out_id, err);
}

enum status validate_watch_order(const Shop__V1__WatchOrderRequest *request, struct arena *arena,
                                 struct uuid *out_id, struct error *err)
{
    struct validation validation = {.arena = arena, .err = err, .prefix = ""};

    validate_required(&validation, "id", request->id);
    if (request->after_revision < 0)
        validation_fail(&validation, "after_revision", "must not be negative");
    if (error_is_set(err))
        return err->status;
    return parse_order_id(request->id, arena, out_id, err);
}

enum status validate_subscribe(const Shop__V1__SubscribeRequest *request, struct arena *arena,
                               struct error *err)
{
    struct validation validation = {.arena = arena, .err = err, .prefix = ""};

    if (request->after_position < 0)
        validation_fail(&validation, "after_position", "must not be negative");
    return err->status;
}

enum status validate_list_orders(const Shop__V1__ListOrdersRequest *request, struct arena *arena,
                                 uint32_t *out_limit, struct error *err)
{
    struct validation validation = {.arena = arena, .err = err, .prefix = ""};
    int64_t state = request->state;

    validate_optional_id(&validation, "customer_id", request->customer_id);
    if (state < 0 || state >= ORDER_STATE_COUNT)
        validation_fail(&validation, "state", "is no state of an order");
    validate_page_size(&validation, "page_size", request->page_size, out_limit);
    return err->status;
}
