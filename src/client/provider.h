/* What both adapters have in common: one try of an effect at a provider over HTTP.
 *
 * It asks the breaker, runs the exchange, has the answer read, applies the rule of requests that may
 * have arrived twice, tells the breaker and the metrics, and ends the effect. Belongs to its loop. */
#pragma once

#include "client/breaker.h"
#include "client/http_client.h"
#include "observe/metrics.h"
#include "port/clock.h"
#include "port/effect.h"

struct provider {
    struct http_client *http;
    struct clock *clock;
    const char *url; /* without a slash at the end */
    struct breaker breaker;
    /* The errors that go with results no answer explains. */
    enum reason reason_unavailable; /* not reached */
    enum reason reason_unknown;
    struct effect *refused; /* ended before they were sent; linked by adapter[0] */
    struct clock_timer refused_timer;
};

enum {
    PROVIDER_HEADERS_MAX = 6
};

/* In the effect's arena. */
struct provider_try {
    struct http_exchange exchange; /* method, url, body, headers: the adapter's */
    struct provider *provider;
    struct effect *effect;
    const char *headers[PROVIDER_HEADERS_MAX + 1];
    unsigned header_count;
    bool broken;     /* something did not fit the arena */
    unsigned series; /* of METRIC_EFFECT_SECONDS */
    int operation;   /* the adapter's */
    /* Sets the result from the exchange. */
    void (*read)(struct provider_try *attempt);
};

void provider_init(struct provider *provider, struct http_client *http, struct clock *clock,
                   const char *url);
bool provider_is_ready(const struct provider *provider);

/* A zeroed try with the fields of its effect; NULL when the arena is full, and then the effect is
 * ended (later, as always). */
struct provider_try *provider_try_new(struct provider *provider, struct effect *effect);
/* "name: value"; both must live until the end. A NULL value leaves the header out. */
void provider_try_header(struct provider_try *attempt, const char *name, const char *value);
/* The URL: base, path, and then, if not NULL, an id (percent-encoded) and what follows it. */
void provider_try_url(struct provider_try *attempt, const char *path, const char *id,
                      const char *suffix);
/* Sends it. A try that is `broken` ends as not reached. */
void provider_try_start(struct provider_try *attempt);

/* For readers: ends with an error of this reason, or with the provider's own for the result. */
void provider_set(struct effect *effect, enum effect_result result, enum reason reason);
/* Weakens a "no" to "unknown" when the request may have arrived more than once; pure. */
enum effect_result provider_result(enum effect_result result, unsigned begun_count);
