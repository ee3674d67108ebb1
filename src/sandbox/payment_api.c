/* The payment API: parameters read and checked, payments asked, answers said. The rules of a payment
 * itself are payment.c's. */
#include "sandbox/route.h"

#include "base/macros.h"
#include "base/number.h"
#include "sandbox/card.h"
#include "sandbox/json_out.h"

#include <ctype.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIST_DEFAULT = 10,
    LIST_MAX = 100,
    METADATA_COUNT_MAX = 50,
    METADATA_KEY_LEN_MAX = 40,
    METADATA_VALUE_LEN_MAX = 500
};
static const int64_t amount_max = 999999999999;

/* -------------------------------------------------------------------------------- parameters */

static void refuse(struct exchange *exchange, enum refusal refusal, const char *detail)
{
    answer_refuse(&exchange->answer, refusal, detail, NULL);
}

/* What a parameter may be called; "[" at the end: with any key in brackets. */
static bool is_known(const char *name, const char *const *known)
{
    for (size_t i = 0; known[i] != NULL; i++) {
        size_t len = strlen(known[i]);
        bool is_prefix = known[i][len - 1] == '[';
        if (is_prefix ? strncmp(name, known[i], len) == 0 : strcmp(name, known[i]) == 0)
            return true;
    }
    return false;
}

static bool check_known(struct exchange *exchange, const char *const *known)
{
    for (size_t i = 0; i < exchange->form.field_count; i++) {
        const char *name = exchange->form.fields[i].name;
        if (!is_known(name, known)) {
            refuse(exchange, REFUSAL_PARAMETER_UNKNOWN, name);
            return false;
        }
    }
    return true;
}

static bool read_amount(struct exchange *exchange, const char *text, int64_t *out_amount)
{
    if (!number_parse(text, 1, INT64_MAX, out_amount)) {
        refuse(exchange, REFUSAL_INTEGER_INVALID, "amount");
        return false;
    }
    if (*out_amount > amount_max) {
        refuse(exchange, REFUSAL_AMOUNT_TOO_LARGE, NULL);
        return false;
    }
    return true;
}

static bool is_currency(const char *text)
{
    return strlen(text) == 3 && islower((unsigned char)text[0]) &&
           islower((unsigned char)text[1]) && islower((unsigned char)text[2]);
}

/* NULL and no refusal when no method was given. */
static bool read_card(struct exchange *exchange, const struct card **out_card)
{
    const char *token = form_get(&exchange->form, "payment_method");

    *out_card = token != NULL ? card_find(token) : NULL;
    if (token != NULL && *out_card == NULL) {
        refuse(exchange, REFUSAL_PAYMENT_METHOD_UNKNOWN, token);
        return false;
    }
    return true;
}

/* What may stand between the brackets: it is printed as the name of a JSON field as it is. */
static bool is_metadata_key(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == '"' || text[i] == '\\')
            return false;
    }
    return len >= 1 && len <= METADATA_KEY_LEN_MAX;
}

/* metadata[...] as a JSON object, printed into `out` (not terminated). */
static bool print_metadata(struct exchange *exchange, struct evbuffer *out)
{
    struct json_out json;
    size_t count = 0;

    json_out_init(&json, out);
    json_out_begin(&json, NULL, '{');
    for (size_t i = 0; i < exchange->form.field_count; i++) {
        const char *name = exchange->form.fields[i].name;
        size_t len = strlen(name);
        char key[METADATA_KEY_LEN_MAX + 1] = "";
        if (strncmp(name, "metadata[", 9) != 0)
            continue;
        if (++count > METADATA_COUNT_MAX || name[len - 1] != ']' ||
            !is_metadata_key(name + 9, len - 10) ||
            strlen(exchange->form.fields[i].value) > METADATA_VALUE_LEN_MAX) {
            refuse(exchange, REFUSAL_METADATA_TOO_LARGE, NULL);
            return false;
        }
        memcpy(key, name + 9, len - 10);
        json_out_text(&json, key, exchange->form.fields[i].value);
    }
    json_out_end(&json, '}');
    (void)evbuffer_add(out, "", 1);
    return true;
}

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static bool is_true(const struct exchange *exchange, const char *name)
{
    return strcmp(text_or_empty(form_get(&exchange->form, name)), "true") == 0;
}

/* ---------------------------------------------------------------------------------- payments */

static struct payment *find_payment(struct exchange *exchange, const char *id,
                                    enum refusal otherwise)
{
    struct payment *payment = payment_table_find(&exchange->sandbox->payments, id);

    if (payment == NULL) {
        refuse(exchange, otherwise, id);
        return NULL;
    }
    if (exchange->key != NULL)
        key_table_link(&exchange->sandbox->keys, exchange->key, payment);
    return payment;
}

static void answer_outcome(struct exchange *exchange, enum refusal refusal,
                           const struct payment *payment)
{
    if (refusal == REFUSAL_NONE)
        answer_payment(&exchange->answer, payment);
    else
        answer_refuse(&exchange->answer, refusal, payment_status_name(payment->status), payment);
}

/* Whether a fault lets it end by itself: "processing" and "pending" with a delay. */
static void settle_later(struct exchange *exchange, const char *id)
{
    if (exchange->fault.mode->outcome == OUTCOME_PROCESSING && exchange->fault.delay_ms > 0)
        settlement_later(exchange->sandbox, id, exchange->fault.delay_ms);
}

static void confirm(struct exchange *exchange, struct payment *payment, const struct card *card)
{
    const struct payment_confirmation confirmation = {
        .card = card,
        .is_unattended =
            is_true(exchange, "off_session") || is_true(exchange, "error_on_requires_action"),
        .outcome = exchange->fault.mode->outcome,
    };
    enum refusal refusal = payment_confirm(payment, &confirmation);

    answer_outcome(exchange, refusal, payment);
    if (refusal == REFUSAL_NONE)
        settle_later(exchange, payment->id);
}

/* The specification's metadata is printed into `metadata`. */
static bool read_spec(struct exchange *exchange, struct evbuffer *metadata,
                      struct payment_spec *out_spec)
{
    const struct form *form = &exchange->form;
    const char *amount = form_get(form, "amount");

    out_spec->currency = text_or_empty(form_get(form, "currency"));
    out_spec->order_id = text_or_empty(form_get(form, "metadata[order_id]"));
    out_spec->attempt = text_or_empty(form_get(form, "metadata[attempt]"));
    if (amount == NULL) {
        refuse(exchange, REFUSAL_PARAMETER_MISSING, "amount");
        return false;
    }
    if (!is_currency(out_spec->currency)) {
        refuse(exchange, REFUSAL_CURRENCY_INVALID, out_spec->currency);
        return false;
    }
    if (!read_amount(exchange, amount, &out_spec->amount) ||
        !read_card(exchange, &out_spec->card) || !print_metadata(exchange, metadata))
        return false;
    out_spec->metadata = (const char *)evbuffer_pullup(metadata, -1);
    return out_spec->metadata != NULL;
}

/* How a confirmation is done cannot be said where none is asked for. */
static bool check_confirm_only(struct exchange *exchange)
{
    static const char *const names[] = {"off_session", "error_on_requires_action"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (form_get(&exchange->form, names[i]) != NULL && !is_true(exchange, "confirm")) {
            refuse(exchange, REFUSAL_NEEDS_CONFIRM, names[i]);
            return false;
        }
    }
    return true;
}

static void open_payment(struct exchange *exchange, const struct payment_spec *spec)
{
    struct payment *payment = payment_table_add(&exchange->sandbox->payments, spec);

    if (payment == NULL) {
        refuse(exchange, REFUSAL_FULL, NULL);
        return;
    }
    if (exchange->key != NULL)
        key_table_link(&exchange->sandbox->keys, exchange->key, payment);
    if (is_true(exchange, "confirm"))
        confirm(exchange, payment, NULL);
    else
        answer_payment(&exchange->answer, payment);
}

void payment_api_open(struct exchange *exchange)
{
    static const char *const known[] = {"amount",
                                        "currency",
                                        "payment_method",
                                        "confirm",
                                        "metadata[",
                                        "off_session",
                                        "error_on_requires_action",
                                        "description",
                                        "payment_method_types[",
                                        "automatic_payment_methods[",
                                        "confirmation_method",
                                        "capture_method",
                                        NULL};
    struct payment_spec spec = {0};
    struct evbuffer *metadata = evbuffer_new();

    if (metadata == NULL) {
        refuse(exchange, REFUSAL_UNAVAILABLE, NULL);
        return;
    }
    if (check_known(exchange, known) && check_confirm_only(exchange) &&
        read_spec(exchange, metadata, &spec))
        open_payment(exchange, &spec);
    evbuffer_free(metadata);
}

void payment_api_look(struct exchange *exchange)
{
    struct payment *payment = find_payment(exchange, exchange->id, REFUSAL_PAYMENT_UNKNOWN);

    if (payment != NULL)
        answer_payment(&exchange->answer, payment);
}

void payment_api_confirm(struct exchange *exchange)
{
    static const char *const known[] = {"payment_method", "off_session", "error_on_requires_action",
                                        "return_url", NULL};
    struct payment *payment = find_payment(exchange, exchange->id, REFUSAL_PAYMENT_UNKNOWN);
    const struct card *card;

    if (payment != NULL && check_known(exchange, known) && read_card(exchange, &card))
        confirm(exchange, payment, card);
}

void payment_api_cancel(struct exchange *exchange)
{
    static const char *const known[] = {"cancellation_reason", NULL};
    struct payment *payment = find_payment(exchange, exchange->id, REFUSAL_PAYMENT_UNKNOWN);

    if (payment == NULL || !check_known(exchange, known))
        return;
    exchange_release_confirmations(exchange->sandbox, payment->id, FAULT_EFFECT_BEFORE_CANCEL);
    answer_outcome(exchange, payment_cancel(payment), payment);
    exchange_release_confirmations(exchange->sandbox, payment->id, FAULT_EFFECT_AFTER_CANCEL);
}

/* ------------------------------------------------------------------------------------ refunds */

static void start_refund(struct exchange *exchange, struct payment *payment, int64_t amount)
{
    enum refusal refusal = payment_check_refund(payment, amount);
    struct refund *refund;

    if (refusal != REFUSAL_NONE) {
        answer_refuse(&exchange->answer, refusal, payment_status_name(payment->status), NULL);
        return;
    }
    refund = payment_table_add_refund(&exchange->sandbox->payments, payment, amount);
    if (refund == NULL) {
        refuse(exchange, REFUSAL_FULL, NULL);
        return;
    }
    refund_start(refund, exchange->fault.mode->outcome);
    answer_refund(&exchange->answer, refund);
    settle_later(exchange, refund->id);
}

void payment_api_refund(struct exchange *exchange)
{
    static const char *const known[] = {"payment_intent", "amount", "reason", "metadata[", NULL};
    const char *id = form_get(&exchange->form, "payment_intent");
    const char *text = form_get(&exchange->form, "amount");
    struct payment *payment;
    int64_t amount;

    if (id == NULL) {
        refuse(exchange, REFUSAL_PARAMETER_MISSING, "payment_intent");
        return;
    }
    payment = find_payment(exchange, id, REFUSAL_REFUND_PAYMENT_UNKNOWN);
    if (payment == NULL || !check_known(exchange, known))
        return;
    amount = payment_refundable(payment);
    if (text == NULL || read_amount(exchange, text, &amount))
        start_refund(exchange, payment, amount);
}

/* -------------------------------------------------------------------------------------- lists */

static size_t list_limit(const struct exchange *exchange)
{
    long limit = strtol(text_or_empty(form_get(&exchange->form, "limit")), NULL, 10);

    return limit < 1 ? LIST_DEFAULT : limit > LIST_MAX ? LIST_MAX : (size_t)limit;
}

static void list_begin(struct exchange *exchange, struct json_out *json, const char *url)
{
    answer_body(&exchange->answer);
    json_out_init(json, exchange->body);
    json_out_begin(json, NULL, '{');
    json_out_text(json, "object", "list");
    json_out_text(json, "url", url);
    json_out_begin(json, "data", '[');
}

static void list_end(struct json_out *json, bool has_more)
{
    json_out_end(json, ']');
    json_out_bool(json, "has_more", has_more);
    json_out_end(json, '}');
}

/* Both lists: newest first. */
void payment_api_list(struct exchange *exchange)
{
    const bool is_expanded =
        strcmp(text_or_empty(form_get(&exchange->form, "expand[]")), "data.latest_charge") == 0;
    const struct payment_table *table = &exchange->sandbox->payments;
    const char *after = form_get(&exchange->form, "starting_after");
    long long since = strtoll(text_or_empty(form_get(&exchange->form, "created[gte]")), NULL, 10);
    size_t left = list_limit(exchange);
    struct payment *payment = payment_table_newest(table);
    struct json_out json;

    if (after != NULL) {
        payment = find_payment(exchange, after, REFUSAL_PAYMENT_UNKNOWN);
        if (payment == NULL)
            return;
        payment = payment_table_older(payment);
    }
    list_begin(exchange, &json, "/v1/payment_intents");
    for (; payment != NULL && left > 0 && payment->created >= since; left--) {
        answer_print_payment(&json, payment, is_expanded);
        payment = payment_table_older(payment);
    }
    list_end(&json, payment != NULL && payment->created >= since);
}

void payment_api_list_refunds(struct exchange *exchange)
{
    const char *id = text_or_empty(form_get(&exchange->form, "payment_intent"));
    struct payment *payment = find_payment(exchange, id, REFUSAL_REFUND_PAYMENT_UNKNOWN);
    size_t left = list_limit(exchange);
    struct refund *refund;
    struct json_out json;

    if (payment == NULL)
        return;
    list_begin(exchange, &json, "/v1/refunds");
    refund = STAILQ_FIRST(&payment->refunds);
    for (; refund != NULL && left > 0; left--) {
        answer_print_refund(&json, refund, exchange->fault.mode->alteration);
        refund = STAILQ_NEXT(refund, next);
    }
    list_end(&json, refund != NULL);
}

/* -------------------------------------------------------------------------------- for the log */

/* The order stands in the payment that is named, or with the one to be opened. */
void payment_api_note(struct exchange *exchange)
{
    const char *id = form_get(&exchange->form, "payment_intent");
    const struct payment *payment =
        payment_table_find(&exchange->sandbox->payments, id != NULL ? id : exchange->id);

    exchange_note_order(
        exchange, payment != NULL ? payment->order_id
                                  : text_or_empty(form_get(&exchange->form, "metadata[order_id]")));
}
