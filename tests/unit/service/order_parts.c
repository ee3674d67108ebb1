/* Requests for an order. */
#include "order_parts.h"

#include "base/macros.h"

void parts_init(struct parts *parts, size_t line_count)
{
    for (size_t i = 0; i < LINES_MAX; i++) {
        shop__v1__order_line__init(&parts->line_rows[i]);
        parts->line_rows[i].product_id = TEXT("tea");
        parts->line_rows[i].quantity = 1;
        parts->lines[i] = &parts->line_rows[i];
    }
    for (size_t i = 0; i < COUNT_OF(parts->address_lines); i++)
        parts->address_lines[i] = TEXT("Teestr. 1");
    shop__v1__address__init(&parts->ship_to);
    parts->ship_to.recipient = TEXT("Ada");
    parts->ship_to.address_lines = parts->address_lines;
    parts->ship_to.n_address_lines = 1;
    parts->ship_to.region_code = TEXT("DE");

    shop__v1__create_order_request__init(&parts->create);
    parts->create.customer_id = TEXT("ada");
    parts->create.lines = parts->lines;
    parts->create.n_lines = line_count;
    parts->create.ship_to = &parts->ship_to;

    shop__v1__place_order_request__init(&parts->place);
    parts->place.customer_id = TEXT("ada");
    parts->place.lines = parts->lines;
    parts->place.n_lines = line_count;
    parts->place.ship_to = &parts->ship_to;
    parts->place.payment_method = TEXT("pm_card_visa");
    parts->place.request_id = TEXT("key-1");
}
