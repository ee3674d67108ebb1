/* The fulfilment port over HTTP/JSON: composes requests by proto/shop/v1/fulfillment.proto. What an
 * answer means is decided in fulfillment_answer.c. */
#include "client/clients.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "client/client_metrics.h"
#include "client/fulfillment_answer.h"

/* 100 lines with names of 200 characters, each of up to 6 bytes when escaped, and an address. */
enum {
    BODY_SIZE_MAX = 256 * 1024
};

static struct fulfillment_http *http_of(struct fulfillment *base)
{
    return CONTAINER_OF(base, struct fulfillment_http, base);
}

/* ---- Composing --------------------------------------------------------------------------- */

static void put_text(struct buf *json, const char *name, const char *text)
{
    buf_put_char(json, '"');
    buf_put_str(json, name);
    buf_put_str(json, "\":\"");
    buf_put_json_text(json, text, strlen(text));
    buf_put_char(json, '"');
}

static void put_price(struct buf *json, int64_t minor, const char *currency)
{
    struct money price = {.minor = minor};
    int64_t units;
    int32_t nanos;

    memcpy(price.currency, currency, CURRENCY_SIZE);
    money_to_units(&price, &units, &nanos);
    buf_printf(json,
               "\"unitPrice\":{\"currencyCode\":\"%s\",\"units\":\"%" PRId64 "\",\"nanos\":%" PRId32
               "}",
               currency, units, nanos);
}

static void put_line(struct buf *json, const struct order_line *line, const char *currency)
{
    buf_put_char(json, '{');
    put_text(json, "productId", line->product_id);
    buf_printf(json, ",\"quantity\":%" PRId32 ",", line->quantity);
    put_text(json, "name", line->name == NULL ? "" : line->name);
    buf_put_char(json, ',');
    put_price(json, line->unit_price_minor, currency);
    buf_put_char(json, '}');
}

static void put_optional(struct buf *json, const char *name, const char *text)
{
    if (text == NULL || *text == '\0')
        return;
    buf_put_char(json, ',');
    put_text(json, name, text);
}

static void put_address(struct buf *json, const struct address *address)
{
    buf_put_str(json, "\"shipTo\":{");
    put_text(json, "recipient", address->recipient);
    buf_put_str(json, ",\"addressLines\":[");
    for (uint32_t i = 0; i < address->line_count; i++) {
        buf_put_str(json, i == 0 ? "\"" : ",\"");
        buf_put_json_text(json, address->lines[i], strlen(address->lines[i]));
        buf_put_char(json, '"');
    }
    buf_put_char(json, ']');
    put_optional(json, "postalCode", address->postal_code);
    put_optional(json, "locality", address->locality);
    put_optional(json, "administrativeArea", address->administrative_area);
    put_optional(json, "regionCode", address->region_code);
    buf_put_char(json, '}');
}

static void put_create(struct buf *json, const struct fulfillment_call *call)
{
    const struct order *order = call->order;
    char order_id[UUID_TEXT_SIZE];

    uuid_format(&order->id, order_id);
    buf_put_char(json, '{');
    put_text(json, "requestId", call->request_id);
    buf_put_char(json, ',');
    put_text(json, "orderId", order_id);
    buf_put_str(json, ",\"lines\":[");
    for (uint32_t i = 0; i < order->line_count; i++) {
        if (i > 0)
            buf_put_char(json, ',');
        put_line(json, &order->lines[i], order->total.currency);
    }
    buf_put_str(json, "],");
    put_address(json, &order->ship_to);
    buf_put_char(json, '}');
}

static void put_cancel(struct buf *json, const struct fulfillment_call *call)
{
    buf_put_char(json, '{');
    put_text(json, "requestId", call->request_id);
    buf_put_char(json, '}');
}

static void set_body(struct provider_try *attempt, enum fulfillment_operation operation,
                     const struct fulfillment_call *call)
{
    struct buf json;

    buf_init(&json, BODY_SIZE_MAX);
    if (operation == FULFILLMENT_CREATE)
        put_create(&json, call);
    else
        put_cancel(&json, call);
    attempt->exchange.body =
        json.failed ? NULL : arena_strndup(attempt->effect->arena, json.data, json.len);
    attempt->exchange.body_size = json.len;
    if (attempt->exchange.body == NULL)
        attempt->broken = true;
    buf_deinit(&json);
}

static void read_answer(struct provider_try *attempt)
{
    const struct http_exchange *exchange = &attempt->exchange;
    struct fulfillment_answer answer = {
        .status = exchange->status,
        .body = exchange->answer,
        .body_size = exchange->answer_size,
        .retry_after_ms = exchange->retry_after_ms,
    };

    fulfillment_answer_read((enum fulfillment_operation)attempt->operation, &answer,
                            CONTAINER_OF(attempt->effect, struct fulfillment_call, effect));
}

static void start(struct fulfillment *base, struct fulfillment_call *call,
                  enum fulfillment_operation operation)
{
    struct provider_try *attempt;

    assert(call->request_id != NULL);
    call->shipment_id = NULL;
    attempt = provider_try_new(&http_of(base)->provider, &call->effect);
    if (attempt == NULL)
        return;
    attempt->operation = (int)operation;
    attempt->series = EFFECT_SERIES_FULFILLMENT + (unsigned)operation;
    attempt->read = read_answer;
    attempt->exchange.name = operation == FULFILLMENT_CREATE ? "ship" : "recall";
    attempt->exchange.method = "POST";
    if (operation == FULFILLMENT_CREATE)
        provider_try_url(attempt, "/v1/shipments", NULL, NULL);
    else
        provider_try_url(attempt, "/v1/shipments/", call->request_id, ":cancel");
    set_body(attempt, operation, call);
    provider_try_header(attempt, "Content-Type", "application/json");
    provider_try_header(attempt, "Accept", "application/json");
    provider_try_start(attempt);
}

/* ---- The port ---------------------------------------------------------------------------- */

static void on_create(struct fulfillment *base, struct fulfillment_call *call)
{
    assert(call->order != NULL);
    start(base, call, FULFILLMENT_CREATE);
}

static void on_cancel(struct fulfillment *base, struct fulfillment_call *call)
{
    start(base, call, FULFILLMENT_CANCEL);
}

static bool on_is_ready(struct fulfillment *base)
{
    return provider_is_ready(&http_of(base)->provider);
}

static const struct fulfillment_ops fulfillment_http_ops = {
    .create = on_create,
    .cancel = on_cancel,
    .is_ready = on_is_ready,
};

void fulfillment_http_init(struct fulfillment_http *fulfillment, struct http_client *http,
                           struct clock *clock, const char *url)
{
    fulfillment->base.ops = &fulfillment_http_ops;
    provider_init(&fulfillment->provider, http, clock, url);
    fulfillment->provider.reason_unavailable = REASON_FULFILLMENT_UNAVAILABLE;
    fulfillment->provider.reason_unknown = REASON_FULFILLMENT_UNAVAILABLE;
}
