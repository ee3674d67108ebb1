/* Why an attempt failed, turned into the error that is answered and back. One form is recorded, and
 * every answer is derived from it. Not for its stored form, which is the store's. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "domain/order.h"

static const char STOCK_TYPE[] = "STOCK";
static const char STOCK_SUBJECT_PREFIX[] = "products/";
/* Every answer about an order names it; it is not part of what is recorded. */
static const char ORDER_ID_KEY[] = "orderId";

void error_add_short_line(struct error *err, struct arena *arena, const struct short_line *line)
{
    char description[80];
    const char *subject = arena_printf(arena, "%s%s", STOCK_SUBJECT_PREFIX, line->product_id);

    if (subject == NULL)
        return;
    if (line->requested >= 0)
        snprintf(description, sizeof(description), "%" PRId64 " requested, %" PRId64 " available",
                 line->requested, line->available);
    else
        snprintf(description, sizeof(description), "not enough units in stock");
    error_add_precondition(err, arena, STOCK_TYPE, subject, description);
}

static bool has_condition(const struct error *err)
{
    const struct error_detail *detail = err->details;

    while (detail != NULL && detail->kind != DETAIL_PRECONDITION)
        detail = detail->next;
    return detail != NULL;
}

void error_add_order_condition(struct error *err, struct arena *arena, const struct uuid *order_id)
{
    char id[UUID_TEXT_SIZE];

    if (err->status != STATUS_FAILED_PRECONDITION || has_condition(err))
        return;
    uuid_format(order_id, id);
    error_add_precondition(err, arena, reason_name(err->reason), id, err->message);
}

void failure_to_error(const struct failure *failure, const struct uuid *order_id,
                      struct arena *arena, struct error *err)
{
    char id[UUID_TEXT_SIZE];

    if (failure->message != NULL)
        error_setf(err, failure->reason, "%s", failure->message);
    else
        error_set(err, failure->reason);
    uuid_format(order_id, id);
    error_add_metadata(err, arena, ORDER_ID_KEY, id);
    for (uint32_t i = 0; i < failure->metadata_count; i++)
        error_add_metadata(err, arena, failure->metadata[i].key, failure->metadata[i].value);
    for (uint32_t i = 0; i < failure->short_line_count; i++)
        error_add_short_line(err, arena, &failure->short_lines[i]);
    error_add_order_condition(err, arena, order_id);
}

/* ---- And back ------------------------------------------------------------------------------ */

static bool is_recorded_metadata(const struct error_detail *detail)
{
    return detail->kind == DETAIL_METADATA && strcmp(detail->a, ORDER_ID_KEY) != 0;
}

static bool is_short_line(const struct error_detail *detail)
{
    return detail->kind == DETAIL_PRECONDITION && strcmp(detail->a, STOCK_TYPE) == 0;
}

static struct short_line short_line_read(const struct error_detail *detail, struct arena *arena)
{
    size_t prefix_len = sizeof(STOCK_SUBJECT_PREFIX) - 1;
    bool has_prefix = strncmp(detail->b, STOCK_SUBJECT_PREFIX, prefix_len) == 0;
    struct short_line line = {
        .product_id = arena_strdup(arena, detail->b + (has_prefix ? prefix_len : 0)),
    };

    if (sscanf(detail->c, "%" SCNd64 " requested, %" SCNd64 " available", &line.requested,
               &line.available) != 2) {
        line.requested = -1;
        line.available = -1;
    }
    return line;
}

/* Makes room for as many as there are; a full arena leaves them out, the reason never. */
static void failure_reserve(struct failure *failure, const struct error *err, struct arena *arena)
{
    uint32_t metadata_count = 0, short_line_count = 0;

    for (const struct error_detail *detail = err->details; detail != NULL; detail = detail->next) {
        metadata_count += is_recorded_metadata(detail);
        short_line_count += is_short_line(detail);
    }
    failure->metadata = arena_array(arena, metadata_count, sizeof(*failure->metadata));
    failure->short_lines = arena_array(arena, short_line_count, sizeof(*failure->short_lines));
}

void failure_from_error(const struct error *err, struct arena *arena, struct failure *out_failure)
{
    struct failure failure = {.reason = err->reason};

    failure.message = arena_strdup(arena, err->message);
    failure_reserve(&failure, err, arena);
    for (const struct error_detail *detail = err->details; detail != NULL; detail = detail->next) {
        if (is_recorded_metadata(detail) && failure.metadata != NULL) {
            struct failure_metadata entry = {
                .key = arena_strdup(arena, detail->a),
                .value = arena_strdup(arena, detail->b),
            };
            if (entry.key != NULL && entry.value != NULL)
                failure.metadata[failure.metadata_count++] = entry;
        } else if (is_short_line(detail) && failure.short_lines != NULL) {
            struct short_line line = short_line_read(detail, arena);
            if (line.product_id != NULL)
                failure.short_lines[failure.short_line_count++] = line;
        }
    }
    *out_failure = failure;
}
