/* Reads lists of payments, each with its charge, which tells what was given back. What they are compared
 * with is the store's. */
#include "client/stripe_list.h"

#include "base/text.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>

enum {
    ID_LEN_MAX = 255,
    TOO_MANY_REQUESTS = 429
};

static void set_unknown(struct payment_list_call *call)
{
    call->effect.result = EFFECT_UNKNOWN;
    error_set(&call->effect.err, REASON_PAYMENT_UNAVAILABLE);
}

static bool read_amount(const json_t *object, const char *name, int64_t *out_amount)
{
    const json_t *value = json_object_get(object, name);

    *out_amount = json_integer_value(value);
    return json_is_integer(value) && *out_amount >= 0;
}

/* The provider writes currencies in lower case. */
static bool read_currency(const json_t *object, char out[CURRENCY_SIZE])
{
    const char *text = json_string_value(json_object_get(object, "currency"));

    if (text == NULL || strlen(text) != CURRENCY_SIZE - 1)
        return false;
    for (int i = 0; i < CURRENCY_SIZE; i++)
        out[i] = (char)toupper((unsigned char)text[i]);
    return text_is_visible_ascii(out, CURRENCY_SIZE - 1);
}

/* Nothing was taken, or the charge tells what was given back of it. */
static bool read_refunded(const json_t *object, struct payment_listed *payment)
{
    const json_t *charge = json_object_get(object, "latest_charge");

    payment->refunded = 0;
    if (payment->received == 0)
        return true;
    return json_is_object(charge) && read_amount(charge, "amount_refunded", &payment->refunded);
}

static void read_order_id(const json_t *object, struct payment_listed *payment)
{
    const char *text =
        json_string_value(json_object_get(json_object_get(object, "metadata"), "order_id"));

    if (text == NULL || !uuid_parse(text, &payment->order_id))
        payment->order_id = (struct uuid){{0}};
}

static bool read_payment(const json_t *object, struct arena *arena, struct payment_listed *payment)
{
    const char *id = json_string_value(json_object_get(object, "id"));

    read_order_id(object, payment);
    payment->id =
        id == NULL || !text_is_visible_ascii(id, ID_LEN_MAX) ? NULL : arena_strdup(arena, id);
    return payment->id != NULL && read_amount(object, "amount", &payment->amount.minor) &&
           read_amount(object, "amount_received", &payment->received) &&
           read_currency(object, payment->amount.currency) && read_refunded(object, payment);
}

static bool read_page(const json_t *body, struct payment_list_call *call)
{
    const json_t *data = json_object_get(body, "data");
    const json_t *has_more = json_object_get(body, "has_more");
    const size_t count = json_array_size(data);

    if (!json_is_array(data) || !json_is_boolean(has_more) ||
        (json_is_true(has_more) && count == 0))
        return false;
    call->payments = arena_array(call->effect.arena, count, sizeof(*call->payments));
    if (call->payments == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!read_payment(json_array_get(data, i), call->effect.arena, &call->payments[i]))
            return false;
    }
    call->count = (uint32_t)count;
    call->has_more = json_is_true(has_more);
    return true;
}

void stripe_list_read(const struct stripe_answer *answer, struct payment_list_call *call)
{
    json_t *body = NULL;

    call->count = 0;
    call->has_more = false;
    if (answer->status == TOO_MANY_REQUESTS) {
        call->effect.result = EFFECT_NOT_REACHED;
        error_set(&call->effect.err, REASON_PAYMENT_UNAVAILABLE);
        return;
    }
    if (answer->status >= 200 && answer->status <= 299)
        body = json_loadb(answer->body, answer->body_size, JSON_REJECT_DUPLICATES, NULL);
    if (read_page(body, call))
        call->effect.result = EFFECT_DONE;
    else
        set_unknown(call);
    json_decref(body);
}
