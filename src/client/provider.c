/* One try at a provider. What answers mean is in stripe_answer.c and fulfillment_answer.c. */
#include "client/provider.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/fault_point.h"

/* Ten tries in a row that fail are not chance; two seconds later one try looks whether it is over. */
enum {
    BREAKER_FAILURES_MAX = 10,
    BREAKER_OPEN_MS = 2000,
    URL_SIZE_MAX = 4096,
    TOO_MANY_REQUESTS = 429,
};

/* ---- Effects that end without being sent ------------------------------------------------- */

static void on_refused(struct clock_timer *timer)
{
    struct provider *provider = CONTAINER_OF(timer, struct provider, refused_timer);

    while (provider->refused != NULL) {
        struct effect *effect = provider->refused;

        provider->refused = effect->adapter[0];
        effect->done(effect);
    }
}

static void refuse(struct provider *provider, struct effect *effect)
{
    provider_set(effect, EFFECT_NOT_REACHED, provider->reason_unavailable);
    effect->adapter[0] = provider->refused;
    provider->refused = effect;
    clock_timer_start(provider->clock, &provider->refused_timer, 0);
}

/* ---- Life cycle -------------------------------------------------------------------------- */

void provider_init(struct provider *provider, struct http_client *http, struct clock *clock,
                   const char *url)
{
    *provider = (struct provider){.http = http,
                                  .clock = clock,
                                  .url = url,
                                  .refused_timer.on_time = on_refused,
                                  .reason_unavailable = REASON_INTERNAL,
                                  .reason_unknown = REASON_INTERNAL};
    breaker_init(&provider->breaker, BREAKER_FAILURES_MAX, BREAKER_OPEN_MS);
}

bool provider_is_ready(const struct provider *provider)
{
    return breaker_is_ready(&provider->breaker, clock_now_ms(provider->clock));
}

void provider_set(struct effect *effect, enum effect_result result, enum reason reason)
{
    effect->result = result;
    if (result != EFFECT_DONE)
        error_set(&effect->err, reason);
}

enum effect_result provider_result(enum effect_result result, unsigned begun_count)
{
    bool is_no = result == EFFECT_REFUSED || result == EFFECT_NOT_REACHED;

    return is_no && begun_count > 1 ? EFFECT_UNKNOWN : result;
}

/* ---- Composing --------------------------------------------------------------------------- */

struct provider_try *provider_try_new(struct provider *provider, struct effect *effect)
{
    struct provider_try *attempt = ARENA_NEW(effect->arena, struct provider_try);

    assert(effect->done != NULL);
    effect->retry_after_ms = 0;
    effect->err = (struct error){.status = STATUS_OK};
    if (attempt == NULL) {
        refuse(provider, effect);
        return NULL;
    }
    attempt->provider = provider;
    attempt->effect = effect;
    return attempt;
}

void provider_try_header(struct provider_try *attempt, const char *name, const char *value)
{
    char *header;

    if (value == NULL)
        return;
    assert(attempt->header_count < PROVIDER_HEADERS_MAX);
    header = arena_alloc(attempt->effect->arena, strlen(name) + 2 + strlen(value) + 1);
    if (header == NULL) {
        attempt->broken = true;
        return;
    }
    (void)stpcpy(stpcpy(stpcpy(header, name), ": "), value);
    attempt->headers[attempt->header_count++] = header;
}

/* All but the unreserved characters of RFC 3986: what came from outside stays one segment. */
static void put_segment(struct buf *buf, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
            strchr("-._~", c) != NULL)
            buf_put_char(buf, (char)c);
        else
            buf_printf(buf, "%%%02X", c);
    }
}

void provider_try_url(struct provider_try *attempt, const char *path, const char *id,
                      const char *suffix)
{
    struct buf buf;

    buf_init(&buf, URL_SIZE_MAX);
    buf_put_str(&buf, attempt->provider->url);
    buf_put_str(&buf, path);
    if (id != NULL) {
        put_segment(&buf, id);
        buf_put_str(&buf, suffix);
    }
    attempt->exchange.url =
        buf.failed ? NULL : arena_strndup(attempt->effect->arena, buf.data, buf.len);
    if (attempt->exchange.url == NULL)
        attempt->broken = true;
    buf_deinit(&buf);
}

/* ---- Trying ------------------------------------------------------------------------------ */

/* A provider that answers at all is there, unless it says that it is not. */
static bool was_reached(enum effect_result result)
{
    return result != EFFECT_NOT_REACHED && result != EFFECT_UNKNOWN;
}

/* Too many requests: it is there, but not at work. No place among thousands of our own: it was not
 * even asked. Neither says that it is down, or well. */
static bool says_nothing(const struct http_exchange *exchange)
{
    return exchange->was_crowded_out ||
           (exchange->result == HTTP_ANSWERED && exchange->status == TOO_MANY_REQUESTS);
}

static void tell_breaker(struct provider *provider, const struct provider_try *attempt)
{
    if (says_nothing(&attempt->exchange))
        breaker_abstain(&provider->breaker);
    else
        breaker_report(&provider->breaker, was_reached(attempt->effect->result),
                       clock_now_ms(provider->clock));
}

static void count(const struct provider_try *attempt)
{
    unsigned result = (unsigned)attempt->effect->result;

    metrics_observe_us(METRIC_EFFECT_SECONDS, attempt->series, attempt->exchange.duration_us);
    metrics_add(METRIC_EFFECTS, attempt->series * EFFECT_RESULT_COUNT + result, 1);
}

static void exchange_done(struct http_exchange *exchange)
{
    struct provider_try *attempt = CONTAINER_OF(exchange, struct provider_try, exchange);
    struct provider *provider = attempt->provider;
    struct effect *effect = attempt->effect;
    enum effect_result result;

    switch (exchange->result) {
    case HTTP_ANSWERED:
        FAULT_POINT("%s.answered", exchange->name);
        attempt->read(attempt);
        break;
    case HTTP_NOT_REACHED:
        provider_set(effect, EFFECT_NOT_REACHED, provider->reason_unavailable);
        break;
    case HTTP_UNKNOWN:
        provider_set(effect, EFFECT_UNKNOWN, provider->reason_unknown);
        break;
    }
    result = provider_result(effect->result, exchange->begun_count);
    if (result != effect->result)
        provider_set(effect, result, provider->reason_unknown);
    tell_breaker(provider, attempt);
    count(attempt);
    effect->done(effect); /* the try may be gone with its arena */
}

void provider_try_start(struct provider_try *attempt)
{
    struct provider *provider = attempt->provider;

    if (attempt->broken || !breaker_allow(&provider->breaker, clock_now_ms(provider->clock))) {
        refuse(provider, attempt->effect);
        return;
    }
    attempt->exchange.headers = attempt->headers;
    attempt->exchange.turn_ms = attempt->effect->turn_ms;
    attempt->exchange.timeout_ms = attempt->effect->timeout_ms;
    attempt->exchange.arena = attempt->effect->arena;
    attempt->exchange.done = exchange_done;
    FAULT_POINT("%s.before", attempt->exchange.name);
    http_client_start(provider->http, &attempt->exchange);
}
