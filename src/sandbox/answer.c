/* Answers: from a payment's state to a value, and from the value to JSON. */
#include "sandbox/answer.h"

#include "sandbox/card.h"
#include "sandbox/json_out.h"
#include "sandbox/payment.h"
#include "sandbox/shipment_table.h"

#include <stdio.h>
#include <string.h>

/* The longest message has 190 characters, the longest detail is a path. */
#define ANSWER_MESSAGE_SIZE 768

static void answer_reset(struct answer *answer, enum answer_kind kind, int http_status)
{
    struct evbuffer *body = answer->body;

    memset(answer, 0, sizeof(*answer));
    answer->body = body;
    answer->kind = kind;
    answer->http_status = http_status;
}

static struct payment_view payment_view_of(const struct payment *payment)
{
    return (struct payment_view){
        .payment = payment,
        .id = payment->id,
        .currency = payment->currency,
        .status = payment_status_name(payment->status),
        .card = payment->card,
        .amount = payment->amount,
        .received = payment->received,
        .last_refusal = payment->last_refusal,
    };
}

static struct refund_view refund_view_of(const struct refund *refund)
{
    return (struct refund_view){
        .refund = refund,
        .id = refund->id,
        .currency = refund->payment->currency,
        .status = refund_status_name(refund->status),
        .amount = refund->amount,
    };
}

void answer_payment(struct answer *answer, const struct payment *payment)
{
    answer_reset(answer, ANSWER_PAYMENT, 200);
    answer->payment = payment_view_of(payment);
}

void answer_refund(struct answer *answer, const struct refund *refund)
{
    answer_reset(answer, ANSWER_REFUND, 200);
    answer->refund = refund_view_of(refund);
}

void answer_refuse(struct answer *answer, enum refusal refusal, const char *detail,
                   const struct payment *payment)
{
    answer_reset(answer, ANSWER_REFUSAL, refusal_row(refusal)->http_status);
    answer->refusal = refusal;
    answer->detail = detail;
    if (payment != NULL)
        answer->payment = payment_view_of(payment);
}

void answer_shipment(struct answer *answer, const struct shipment *shipment)
{
    bool is_live = shipment->state == SHIPMENT_ACCEPTED || shipment->state == SHIPMENT_LEFT;

    answer_reset(answer, ANSWER_SHIPMENT, 200);
    answer->shipment.id = shipment->id;
    answer->shipment.state = is_live ? "ACCEPTED" : "CANCELLED";
}

void answer_status(struct answer *answer, int http_status, const char *name, const char *message)
{
    answer_reset(answer, ANSWER_STATUS, http_status);
    answer->status.name = name;
    answer->status.message = message;
}

void answer_body(struct answer *answer)
{
    answer_reset(answer, ANSWER_BODY, 200);
}

/* ------------------------------------------------------------------------------ alterations */

static const char *answer_other_currency(const char *currency)
{
    return strcmp(currency, "usd") == 0 ? "eur" : "usd";
}

static void answer_alter_payment(struct payment_view *view, enum alteration alteration)
{
    switch (alteration) {
    case ALTERATION_NONE:
        break;
    case ALTERATION_AMOUNT:
        view->amount++;
        view->received += view->received > 0 ? 1 : 0;
        break;
    case ALTERATION_CURRENCY:
        view->currency = answer_other_currency(view->currency);
        break;
    case ALTERATION_ID:
        view->id = "pi_somebodyelse";
        break;
    case ALTERATION_STATE:
        view->status = "requires_capture";
        break;
    }
}

static void answer_alter_refund(struct refund_view *view, enum alteration alteration)
{
    switch (alteration) {
    case ALTERATION_NONE:
        break;
    case ALTERATION_AMOUNT:
        view->amount++;
        break;
    case ALTERATION_CURRENCY:
        view->currency = answer_other_currency(view->currency);
        break;
    case ALTERATION_ID:
        view->id = "re_somebodyelse";
        break;
    case ALTERATION_STATE:
        view->status = "requires_action";
        break;
    }
}

static void answer_alter_shipment(struct shipment_view *view, enum alteration alteration)
{
    if (alteration == ALTERATION_ID)
        view->id = "";
    if (alteration == ALTERATION_STATE)
        view->state = "STATE_UNSPECIFIED";
}

void answer_alter(struct answer *answer, enum alteration alteration)
{
    switch (answer->kind) {
    case ANSWER_PAYMENT:
        answer_alter_payment(&answer->payment, alteration);
        break;
    case ANSWER_REFUND:
        answer_alter_refund(&answer->refund, alteration);
        break;
    case ANSWER_SHIPMENT:
        answer_alter_shipment(&answer->shipment, alteration);
        break;
    case ANSWER_REFUSAL:
    case ANSWER_STATUS:
    case ANSWER_BODY:
        break;
    }
}

/* --------------------------------------------------------------------------------- printing */

/* Puts `detail` where the text says {}. */
static const char *answer_fill(char message[ANSWER_MESSAGE_SIZE], const char *text,
                               const char *detail)
{
    const char *hole = strstr(text, "{}");

    if (hole == NULL)
        return text;
    (void)snprintf(message, ANSWER_MESSAGE_SIZE, "%.*s%s%s", (int)(hole - text), text,
                   detail != NULL ? detail : "", hole + 2);
    return message;
}

static void print_optional(struct json_out *json, const char *name, const char *text)
{
    if (text != NULL)
        json_out_text(json, name, text);
}

/* The fields that an error and a payment's last_payment_error have in common. */
static void print_refusal(struct json_out *json, enum refusal refusal, const char *detail)
{
    const struct refusal_row *row = refusal_row(refusal);
    char param[ANSWER_MESSAGE_SIZE];
    char message[ANSWER_MESSAGE_SIZE];

    print_optional(json, "code", row->code);
    print_optional(json, "decline_code", row->decline_code);
    json_out_text(json, "message", answer_fill(message, row->message, detail));
    if (row->param != NULL)
        json_out_text(json, "param", answer_fill(param, row->param, detail));
    json_out_text(json, "type", row->type);
}

static void print_last_error(struct json_out *json, enum refusal refusal)
{
    if (refusal == REFUSAL_NONE) {
        json_out_raw(json, "last_payment_error", "null");
        return;
    }
    json_out_begin(json, "last_payment_error", '{');
    print_refusal(json, refusal, NULL);
    json_out_end(json, '}');
}

/* A payment has one charge at most, so its charge has its name. */
static void print_charge(struct json_out *json, const char *name, const struct payment *payment)
{
    char charge[IDENT_SIZE];

    (void)snprintf(charge, sizeof(charge), "ch_%s", payment->id + 3);
    json_out_text(json, name, charge);
}

/* As far as it tells what a payment does not. */
static void print_whole_charge(struct json_out *json, const char *name,
                               const struct payment *payment)
{
    json_out_begin(json, name, '{');
    print_charge(json, "id", payment);
    json_out_text(json, "object", "charge");
    json_out_number(json, "amount", payment->amount);
    json_out_number(json, "amount_refunded", payment->refunded + payment->refund_pending);
    json_out_bool(json, "refunded", payment->refunded == payment->received);
    json_out_end(json, '}');
}

static void print_payment(struct json_out *json, const char *name, const struct payment_view *view)
{
    json_out_begin(json, name, '{');
    json_out_text(json, "id", view->id);
    json_out_text(json, "object", "payment_intent");
    json_out_number(json, "amount", view->amount);
    json_out_number(json, "amount_received", view->received);
    json_out_text(json, "capture_method", "automatic");
    json_out_number(json, "created", view->payment->created);
    json_out_text(json, "currency", view->currency);
    print_last_error(json, view->last_refusal);
    if (view->received > 0 && view->is_expanded)
        print_whole_charge(json, "latest_charge", view->payment);
    else if (view->received > 0)
        print_charge(json, "latest_charge", view->payment);
    else
        json_out_raw(json, "latest_charge", "null");
    json_out_bool(json, "livemode", false);
    json_out_raw(json, "metadata", view->payment->metadata);
    json_out_text(json, "payment_method", view->card != NULL ? view->card->token : NULL);
    json_out_raw(json, "payment_method_types", "[\"card\"]");
    json_out_text(json, "status", view->status);
    json_out_end(json, '}');
}

static void print_refund(struct json_out *json, const struct refund_view *view)
{
    json_out_begin(json, NULL, '{');
    json_out_text(json, "id", view->id);
    json_out_text(json, "object", "refund");
    json_out_number(json, "amount", view->amount);
    print_charge(json, "charge", view->refund->payment);
    json_out_number(json, "created", view->refund->created);
    json_out_text(json, "currency", view->currency);
    json_out_text(json, "payment_intent", view->refund->payment->id);
    json_out_raw(json, "reason", "null");
    json_out_text(json, "status", view->status);
    json_out_end(json, '}');
}

static void print_error(struct json_out *json, const struct answer *answer)
{
    json_out_begin(json, NULL, '{');
    json_out_begin(json, "error", '{');
    print_refusal(json, answer->refusal, answer->detail);
    if (answer->payment.payment != NULL)
        print_payment(json, "payment_intent", &answer->payment);
    json_out_end(json, '}');
    json_out_end(json, '}');
}

static void print_shipment(struct json_out *json, const struct shipment_view *view)
{
    json_out_begin(json, NULL, '{');
    json_out_text(json, "id", view->id);
    json_out_text(json, "state", view->state);
    json_out_end(json, '}');
}

static void print_status(struct json_out *json, const struct answer *answer)
{
    json_out_begin(json, NULL, '{');
    json_out_begin(json, "error", '{');
    json_out_number(json, "code", answer->http_status);
    json_out_text(json, "message", answer->status.message);
    json_out_text(json, "status", answer->status.name);
    json_out_end(json, '}');
    json_out_end(json, '}');
}

void answer_print(const struct answer *answer, struct evbuffer *out)
{
    struct json_out json;

    json_out_init(&json, out);
    switch (answer->kind) {
    case ANSWER_PAYMENT:
        print_payment(&json, NULL, &answer->payment);
        break;
    case ANSWER_REFUND:
        print_refund(&json, &answer->refund);
        break;
    case ANSWER_REFUSAL:
        print_error(&json, answer);
        break;
    case ANSWER_SHIPMENT:
        print_shipment(&json, &answer->shipment);
        break;
    case ANSWER_STATUS:
        print_status(&json, answer);
        break;
    case ANSWER_BODY:
        break;
    }
}

void answer_print_payment(struct json_out *json, const struct payment *payment, bool is_expanded)
{
    struct payment_view view = payment_view_of(payment);

    view.is_expanded = is_expanded;
    print_payment(json, NULL, &view);
}

void answer_print_refund(struct json_out *json, const struct refund *refund,
                         enum alteration alteration)
{
    struct refund_view view = refund_view_of(refund);

    answer_alter_refund(&view, alteration);
    print_refund(json, &view);
}
