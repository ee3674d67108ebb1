/* The ledger: every payment, shipment and call, and what they add up to. */
#include "sandbox/route.h"

#include "sandbox/json_out.h"

#include <stdint.h>

static void print_keys(struct json_out *json, const struct payment *payment)
{
    const struct key_record *record;

    json_out_begin(json, "keys", '[');
    STAILQ_FOREACH (record, &payment->keys, next_of_payment) {
        json_out_text(json, NULL, record->key);
    }
    json_out_end(json, ']');
}

/* What is printed, added up. */
struct counters {
    int64_t payments;
    int64_t confirmed;
    int64_t refunded;
    int64_t shipments_live;
};

static void print_payment(struct json_out *json, const struct payment *payment,
                          struct counters *counters)
{
    counters->payments++;
    counters->confirmed += payment->confirmed_count;
    counters->refunded += payment->refunded > 0;
    json_out_begin(json, NULL, '{');
    json_out_text(json, "id", payment->id);
    json_out_text(json, "order_id", payment->order_id);
    json_out_text(json, "attempt", payment->attempt);
    json_out_number(json, "amount", payment->amount);
    json_out_text(json, "currency", payment->currency);
    json_out_text(json, "status", payment_status_name(payment->status));
    json_out_number(json, "confirmed_count", payment->confirmed_count);
    json_out_number(json, "declined_count", payment->declined_count);
    json_out_number(json, "cancelled_count", payment->cancelled_count);
    json_out_number(json, "confirmed_n", payment->confirmed_n);
    json_out_number(json, "refunded_n", payment->refunded_n);
    json_out_number(json, "received", payment->received);
    json_out_number(json, "refunded", payment->refunded);
    json_out_number(json, "refund_pending", payment->refund_pending);
    print_keys(json, payment);
    json_out_end(json, '}');
}

static void print_shipment(struct json_out *json, const struct shipment *shipment,
                           struct counters *counters)
{
    counters->shipments_live +=
        shipment->state == SHIPMENT_ACCEPTED || shipment->state == SHIPMENT_LEFT;
    json_out_begin(json, NULL, '{');
    json_out_text(json, "id", shipment->id);
    json_out_text(json, "request_id", shipment->request_id);
    json_out_text(json, "order_id", shipment->order_id);
    json_out_text(json, "state", shipment_state_name(shipment->state));
    json_out_number(json, "created_count", shipment->created_count);
    json_out_number(json, "request_count", shipment->request_count);
    json_out_number(json, "cancel_count", shipment->cancel_count);
    json_out_end(json, '}');
}

static void print_refunds_of(struct json_out *json, const struct payment *payment)
{
    const struct refund *refund;

    STAILQ_FOREACH (refund, &payment->refunds, next) {
        answer_print_refund(json, refund, ALTERATION_NONE);
    }
}

static void print_of_order(struct json_out *json, const struct order_entry *order,
                           struct counters *counters)
{
    const struct payment *payment;
    const struct shipment *shipment;

    json_out_begin(json, "payments", '[');
    STAILQ_FOREACH (payment, &order->payments, next_of_order) {
        print_payment(json, payment, counters);
    }
    json_out_end(json, ']');
    json_out_begin(json, "refunds", '[');
    STAILQ_FOREACH (payment, &order->payments, next_of_order) {
        print_refunds_of(json, payment);
    }
    json_out_end(json, ']');
    json_out_begin(json, "shipments", '[');
    STAILQ_FOREACH (shipment, &order->shipments, next_of_order) {
        print_shipment(json, shipment, counters);
    }
    json_out_end(json, ']');
}

static void print_all(struct json_out *json, const struct sandbox *sandbox,
                      struct counters *counters)
{
    const struct payment *payment;
    const struct shipment *shipment;

    json_out_begin(json, "payments", '[');
    for (payment = sandbox->payments.payments; payment != NULL; payment = payment->hh.next)
        print_payment(json, payment, counters);
    json_out_end(json, ']');
    json_out_begin(json, "refunds", '[');
    for (payment = sandbox->payments.payments; payment != NULL; payment = payment->hh.next)
        print_refunds_of(json, payment);
    json_out_end(json, ']');
    json_out_begin(json, "shipments", '[');
    for (shipment = sandbox->shipments.shipments; shipment != NULL; shipment = shipment->hh.next)
        print_shipment(json, shipment, counters);
    json_out_end(json, ']');
}

static void print_counters(struct json_out *json, const struct call_log *calls,
                           const struct counters *counters)
{
    json_out_begin(json, "counters", '{');
    json_out_number(json, "calls", (int64_t)(calls->count - calls->forgotten)); /* of all orders */
    json_out_number(json, "payments", counters->payments);
    json_out_number(json, "payments_confirmed", counters->confirmed);
    json_out_number(json, "payments_refunded", counters->refunded);
    json_out_number(json, "shipments_live", counters->shipments_live);
    json_out_end(json, '}');
}

/* Everything, or what belongs to one order. */
void ledger_show(struct exchange *exchange)
{
    static const struct order_entry nobody = {0};
    struct sandbox *sandbox = exchange->sandbox;
    const char *order_id = form_get(&exchange->form, "order_id");
    struct counters counters = {0};
    struct json_out json;

    answer_body(&exchange->answer);
    json_out_init(&json, exchange->body);
    json_out_begin(&json, NULL, '{');
    if (order_id != NULL) {
        const struct order_entry *order = order_index_find(&sandbox->orders, order_id);
        print_of_order(&json, order != NULL ? order : &nobody, &counters);
    } else {
        print_all(&json, sandbox, &counters);
    }
    call_log_print(&sandbox->calls, &json, order_id);
    print_counters(&json, &sandbox->calls, &counters);
    json_out_end(&json, '}');
}

void ledger_reset(struct exchange *exchange)
{
    exchange_drop_held(exchange->sandbox);
    sandbox_reset(exchange->sandbox);
    answer_body(&exchange->answer);
    exchange->answer.http_status = 204;
}
