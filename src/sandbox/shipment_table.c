/* Storage of shipments. What a request means to one is shipping_api.c's. */
#include "sandbox/shipment_table.h"

#include "sandbox/order_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *shipment_state_name(enum shipment_state state)
{
    static const char *const names[] = {
        [SHIPMENT_ACCEPTED] = "ACCEPTED",
        [SHIPMENT_CANCELLED] = "CANCELLED",
        [SHIPMENT_LEFT] = "LEFT",
        [SHIPMENT_BARRED] = "BARRED",
    };

    return names[state];
}

void shipment_table_init(struct shipment_table *table, size_t count_max, struct ident_source *ids,
                         struct order_index *orders)
{
    *table = (struct shipment_table){.count_max = count_max, .ids = ids, .orders = orders};
}

void shipment_table_deinit(struct shipment_table *table)
{
    struct shipment *shipment;
    struct shipment *next;

    HASH_ITER (hh, table->shipments, shipment, next) {
        HASH_DEL(table->shipments, shipment);
        free(shipment);
    }
}

struct shipment *shipment_table_find(struct shipment_table *table, const char *request_id)
{
    struct shipment *shipment = NULL;

    HASH_FIND_STR(table->shipments, request_id, shipment);
    return shipment;
}

struct shipment *shipment_table_add(struct shipment_table *table, const char *request_id,
                                    const char *order_id, enum shipment_state state)
{
    size_t request_id_len = strlen(request_id);
    struct shipment *shipment;

    assert(state == SHIPMENT_ACCEPTED || state == SHIPMENT_BARRED);
    if (HASH_COUNT(table->shipments) >= table->count_max)
        return NULL;
    shipment = calloc(1, sizeof(*shipment) + request_id_len + strlen(order_id) + 2);
    if (shipment == NULL)
        return NULL;
    shipment->request_id = shipment->text;
    shipment->order_id = stpcpy(shipment->text, request_id) + 1;
    (void)stpcpy(shipment->text + request_id_len + 1, order_id);
    shipment->state = state;
    if (state == SHIPMENT_ACCEPTED) {
        ident_make(table->ids, "shp_", shipment->id);
        shipment->created_count = 1;
    }
    shipment->order = order_index_get(table->orders, order_id);
    if (shipment->order != NULL)
        STAILQ_INSERT_TAIL(&shipment->order->shipments, shipment, next_of_order);
    HASH_ADD_KEYPTR(hh, table->shipments, shipment->request_id, request_id_len, shipment);
    return shipment;
}

bool shipment_leave(struct shipment *shipment)
{
    if (shipment->state != SHIPMENT_ACCEPTED)
        return false;
    shipment->state = SHIPMENT_LEFT;
    return true;
}
