/* The adapters of the payment and fulfilment ports over HTTP.
 *
 * An adapter belongs to the loop of its http_client; strings handed in (url, key) must live as long
 * as it does. It is ended by ending its http_client. */
#pragma once

#include "client/http_client.h"
#include "client/provider.h"
#include "port/clock.h"
#include "port/fulfillment.h"
#include "port/payment.h"
#include "port/payment_list.h"

/* A Stripe-shaped payment API (api.md PAYMENT_URL). */
struct payment_stripe {
    struct payment base;
    struct provider provider; /* `url` without a slash at the end */
    const char *api_key;      /* secret; "" sends none */
};
void payment_stripe_init(struct payment_stripe *payment, struct http_client *http,
                         struct clock *clock, const char *url, const char *api_key);

/* Its list of payments, over the same connections but with a breaker of its own: what goes wrong with the
 * list stops no charge. */
struct payment_list_stripe {
    struct payment_list base;
    struct provider provider;
    const char *api_key;
};
void payment_list_stripe_init(struct payment_list_stripe *list, struct http_client *http,
                              struct clock *clock, const char *url, const char *api_key);

/* JSON by the rules of proto/shop/v1/fulfillment.proto (api.md FULFILLMENT_URL). */
struct fulfillment_http {
    struct fulfillment base;
    struct provider provider;
};
void fulfillment_http_init(struct fulfillment_http *fulfillment, struct http_client *http,
                           struct clock *clock, const char *url);

/* Names the series of METRIC_EFFECTS and METRIC_EFFECT_SECONDS; once, at the start of the process.
 * Without it they are not counted. */
void clients_register_metrics(void);
