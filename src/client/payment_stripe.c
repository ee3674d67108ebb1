/* The payment port over a Stripe-shaped API: composes requests. What an answer means is decided in
 * stripe_answer.c; when to call what, in the saga.
 *
 * The API key stands in the Authorization header and nowhere else. */
#include "client/clients.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "client/client_metrics.h"
#include "client/stripe_answer.h"

enum {
    FORM_SIZE_MAX = 8 * 1024
};

static struct payment_stripe *stripe_of(struct payment *base)
{
    return CONTAINER_OF(base, struct payment_stripe, base);
}

/* ---- Composing --------------------------------------------------------------------------- */

static void put_pair(struct buf *form, const char *name, const char *value)
{
    if (form->len > 0)
        buf_put_char(form, '&');
    buf_put_form_text(form, name);
    buf_put_char(form, '=');
    buf_put_form_text(form, value);
}

static void put_integer(struct buf *form, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, value);
    put_pair(form, name, text);
}

static void put_open(struct buf *form, const struct payment_call *call)
{
    char currency[CURRENCY_SIZE] = "", order_id[UUID_TEXT_SIZE];

    for (size_t i = 0; i < CURRENCY_SIZE - 1; i++)
        currency[i] = (char)tolower((unsigned char)call->amount.currency[i]);
    uuid_format(&call->order_id, order_id);
    put_integer(form, "amount", call->amount.minor);
    put_pair(form, "currency", currency);
    put_pair(form, "payment_method", call->payment_method);
    put_pair(form, "metadata[order_id]", order_id);
    put_integer(form, "metadata[attempt]", call->attempt);
}

/* No action of the customer can finish the payment behind our back. */
static void put_confirm(struct buf *form, const struct payment_call *call)
{
    put_pair(form, "payment_method", call->payment_method);
    put_pair(form, "off_session", "true");
    put_pair(form, "error_on_requires_action", "true");
}

static void put_refund(struct buf *form, const struct payment_call *call)
{
    put_pair(form, "payment_intent", call->payment_id);
    put_integer(form, "amount", call->amount.minor);
}

/* One row an operation. Paths with `suffix` have the payment's id before it. */
struct request_row {
    const char *name, *method, *path, *suffix;
    void (*put_form)(struct buf *form, const struct payment_call *call);
};

/* clang-format off */
static const struct request_row request_rows[STRIPE_OPERATION_COUNT] = {
    [STRIPE_OPEN]         = {"open",         "POST", "/v1/payment_intents",         NULL,         put_open},
    [STRIPE_CONFIRM]      = {"confirm",      "POST", "/v1/payment_intents/",        "/confirm",   put_confirm},
    [STRIPE_LOOK]         = {"look",         "GET",  "/v1/payment_intents/",        "",           NULL},
    [STRIPE_CANCEL]       = {"cancel",       "POST", "/v1/payment_intents/",        "/cancel",    NULL},
    [STRIPE_REFUND]       = {"refund",       "POST", "/v1/refunds",                 NULL,         put_refund},
    [STRIPE_LOOK_REFUNDS] = {"look_refunds", "GET",  "/v1/refunds?payment_intent=", "&limit=100", NULL},
};
/* clang-format on */

static void set_body(struct provider_try *attempt, const struct request_row *row,
                     const struct payment_call *call)
{
    struct buf form;

    buf_init(&form, FORM_SIZE_MAX);
    if (row->put_form != NULL)
        row->put_form(&form, call);
    attempt->exchange.body =
        arena_strndup(attempt->effect->arena, form.data == NULL ? "" : form.data, form.len);
    attempt->exchange.body_size = form.len;
    if (form.failed || attempt->exchange.body == NULL)
        attempt->broken = true;
    buf_deinit(&form);
}

static void set_headers(struct provider_try *attempt, const struct payment_stripe *stripe,
                        const struct payment_call *call, bool has_body)
{
    const char *bearer = NULL;

    if (*stripe->api_key != '\0') {
        bearer = arena_printf(attempt->effect->arena, "Bearer %s", stripe->api_key);
        attempt->broken = attempt->broken || bearer == NULL;
    }
    provider_try_header(attempt, "Authorization", bearer);
    provider_try_header(attempt, "Accept", "application/json");
    if (has_body) {
        provider_try_header(attempt, "Content-Type", "application/x-www-form-urlencoded");
        provider_try_header(attempt, "Idempotency-Key", call->key);
    }
}

static void read_answer(struct provider_try *attempt)
{
    const struct http_exchange *exchange = &attempt->exchange;
    struct stripe_answer answer = {
        .status = exchange->status,
        .body = exchange->answer,
        .body_size = exchange->answer_size,
        .retry_after_ms = exchange->retry_after_ms,
    };

    stripe_answer_read((enum stripe_operation)attempt->operation, &answer,
                       CONTAINER_OF(attempt->effect, struct payment_call, effect));
}

static void start(struct payment *base, struct payment_call *call, enum stripe_operation operation)
{
    struct payment_stripe *stripe = stripe_of(base);
    const struct request_row *row = &request_rows[operation];
    bool has_body = strcmp(row->method, "POST") == 0;
    struct provider_try *attempt;

    call->id = NULL;
    call->status = PAYMENT_STATUS_NONE;
    call->refund_status = REFUND_STATUS_NONE;
    attempt = provider_try_new(&stripe->provider, &call->effect);
    if (attempt == NULL)
        return;
    attempt->operation = (int)operation;
    attempt->series = EFFECT_SERIES_PAYMENT + (unsigned)operation;
    attempt->read = read_answer;
    attempt->exchange.name = row->name;
    attempt->exchange.method = row->method;
    provider_try_url(attempt, row->path, row->suffix == NULL ? NULL : call->payment_id,
                     row->suffix);
    if (has_body)
        set_body(attempt, row, call);
    set_headers(attempt, stripe, call, has_body);
    provider_try_start(attempt);
}

/* ---- The port ---------------------------------------------------------------------------- */

static void on_open(struct payment *base, struct payment_call *call)
{
    assert(call->key != NULL);
    assert(call->payment_method != NULL);
    start(base, call, STRIPE_OPEN);
}

static void on_confirm(struct payment *base, struct payment_call *call)
{
    assert(call->key != NULL);
    assert(call->payment_id != NULL);
    assert(call->payment_method != NULL);
    start(base, call, STRIPE_CONFIRM);
}

static void on_look(struct payment *base, struct payment_call *call)
{
    assert(call->payment_id != NULL);
    start(base, call, STRIPE_LOOK);
}

static void on_cancel(struct payment *base, struct payment_call *call)
{
    assert(call->key != NULL);
    assert(call->payment_id != NULL);
    start(base, call, STRIPE_CANCEL);
}

static void on_refund(struct payment *base, struct payment_call *call)
{
    assert(call->key != NULL);
    assert(call->payment_id != NULL);
    start(base, call, STRIPE_REFUND);
}

static void on_look_refunds(struct payment *base, struct payment_call *call)
{
    assert(call->payment_id != NULL);
    start(base, call, STRIPE_LOOK_REFUNDS);
}

static bool on_is_ready(struct payment *base)
{
    return provider_is_ready(&stripe_of(base)->provider);
}

static const struct payment_ops payment_stripe_ops = {
    .open = on_open,
    .confirm = on_confirm,
    .look = on_look,
    .cancel = on_cancel,
    .refund = on_refund,
    .look_refunds = on_look_refunds,
    .is_ready = on_is_ready,
};

void payment_stripe_init(struct payment_stripe *payment, struct http_client *http,
                         struct clock *clock, const char *url, const char *api_key)
{
    payment->base.ops = &payment_stripe_ops;
    payment->api_key = api_key;
    provider_init(&payment->provider, http, clock, url);
    payment->provider.reason_unavailable = REASON_PAYMENT_UNAVAILABLE;
    payment->provider.reason_unknown = REASON_PAYMENT_OUTCOME_UNKNOWN;
}
