/* The shipping API, by proto/shop/v1/fulfillment.proto as JSON: idempotent by request_id. */
#include "sandbox/route.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void refuse(struct exchange *exchange, const char *message)
{
    answer_status(&exchange->answer, 400, "INVALID_ARGUMENT", message);
}

static void refuse_state(struct exchange *exchange, const char *message)
{
    answer_status(&exchange->answer, 400, "FAILED_PRECONDITION", message);
}

/* Both spellings of a field, as proto3's JSON allows. */
static const char *text_of(const json_t *object, const char *name, const char *proto_name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : json_string_value(json_object_get(object, proto_name));
}

/* Longer ones could not be named in the URL of a recall. */
static bool is_id(const char *text)
{
    return text != NULL && text[0] != '\0' && strlen(text) <= KEY_LEN_MAX;
}

static bool is_served(const json_t *request)
{
    const json_t *address = json_object_get(request, "shipTo");
    const char *region, *recipient;

    if (address == NULL)
        address = json_object_get(request, "ship_to");
    region = text_of(address, "regionCode", "region_code");
    recipient = json_string_value(json_object_get(address, "recipient"));
    return region != NULL && strcmp(region, "ZZ") != 0 && recipient != NULL &&
           strcmp(recipient, "REJECT ME") != 0;
}

static void create(struct exchange *exchange, const char *request_id, const char *order_id)
{
    struct shipment_table *table = &exchange->sandbox->shipments;
    struct shipment *shipment = shipment_table_find(table, request_id);

    if (shipment == NULL)
        shipment = shipment_table_add(table, request_id, order_id, SHIPMENT_ACCEPTED);
    if (shipment == NULL) {
        answer_status(&exchange->answer, 503, "UNAVAILABLE", "the sandbox's ledger is full");
        return;
    }
    shipment->request_count++;
    if (exchange->fault.mode->outcome == OUTCOME_LEFT)
        (void)shipment_leave(shipment);
    if (shipment->state == SHIPMENT_BARRED || shipment->state == SHIPMENT_CANCELLED)
        refuse_state(exchange, "this request_id was cancelled");
    else
        answer_shipment(&exchange->answer, shipment);
}

void shipping_api_create(struct exchange *exchange)
{
    json_t *request = json_loads(exchange->text, JSON_REJECT_DUPLICATES, NULL);
    const char *request_id = text_of(request, "requestId", "request_id");
    const char *order_id = text_of(request, "orderId", "order_id");

    if (request == NULL)
        refuse(exchange, "the body is not JSON");
    else if (!is_id(request_id) || !is_id(order_id))
        refuse(exchange, "requestId and orderId are required, 255 bytes at most");
    else if (!is_served(request))
        refuse(exchange, "nothing is shipped to this address");
    else
        create(exchange, request_id, order_id);
    json_decref(request);
}

/* A recall names its order only in the request_id: "<order id>.<attempt>.ship"; "" if it is not like
 * that. */
static void order_of_request(const char *request_id, char out[KEY_LEN_MAX + 1])
{
    size_t len = strlen(request_id);
    const char *dot;

    out[0] = '\0';
    if (len < 5 || strcmp(request_id + len - 5, ".ship") != 0)
        return;
    dot = memrchr(request_id, '.', len - 5);
    if (dot != NULL)
        (void)snprintf(out, KEY_LEN_MAX + 1, "%.*s", (int)(dot - request_id), request_id);
}

void shipping_api_cancel(struct exchange *exchange)
{
    struct shipment_table *table = &exchange->sandbox->shipments;
    struct shipment *shipment = shipment_table_find(table, exchange->id);
    char order_id[KEY_LEN_MAX + 1];

    order_of_request(exchange->id, order_id);
    if (shipment == NULL)
        shipment = shipment_table_add(table, exchange->id, order_id, SHIPMENT_BARRED);
    if (shipment == NULL) {
        answer_status(&exchange->answer, 503, "UNAVAILABLE", "the sandbox's ledger is full");
        return;
    }
    shipment->cancel_count++;
    if (shipment->state == SHIPMENT_LEFT) {
        refuse_state(exchange, "the shipment has left");
        return;
    }
    if (shipment->state == SHIPMENT_ACCEPTED)
        shipment->state = SHIPMENT_CANCELLED;
    answer_shipment(&exchange->answer, shipment);
}

/* -------------------------------------------------------------------------------- for the log */

void shipping_api_note(struct exchange *exchange)
{
    char recalled[KEY_LEN_MAX + 1];
    const char *order_id = recalled;
    json_t *request = NULL;

    order_of_request(exchange->id, recalled);
    if (exchange->id[0] == '\0') {
        request = json_loads(exchange->text, JSON_REJECT_DUPLICATES, NULL);
        order_id = text_of(request, "orderId", "order_id");
    }
    exchange_note_order(exchange, order_id != NULL ? order_id : "");
    json_decref(request);
}
