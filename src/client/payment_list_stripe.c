/* The list of payments of a Stripe-shaped API: composes requests. What an answer says is read in
 * stripe_list.c. */
#include "client/clients.h"

#include "base/limits.h"
#include "client/client_metrics.h"
#include "client/stripe_list.h"

#include <inttypes.h>

static struct payment_list_stripe *stripe_of(struct payment_list *base)
{
    return CONTAINER_OF(base, struct payment_list_stripe, base);
}

static void read_answer(struct provider_try *attempt)
{
    const struct http_exchange *exchange = &attempt->exchange;
    const struct stripe_answer answer = {
        .status = exchange->status,
        .body = exchange->answer,
        .body_size = exchange->answer_size,
    };

    stripe_list_read(&answer, CONTAINER_OF(attempt->effect, struct payment_list_call, effect));
}

/* Brackets are percent-encoded. The charge is asked for because it alone tells of refunds. */
static const char *path_of(const struct payment_list_call *call)
{
    return arena_printf(call->effect.arena,
                        "/v1/payment_intents?limit=100&expand%%5B%%5D=data.latest_charge"
                        "&created%%5Bgte%%5D=%" PRId64 "%s",
                        call->since_s, call->after_id == NULL ? "" : "&starting_after=");
}

static void set_headers(struct provider_try *attempt, const struct payment_list_stripe *stripe)
{
    const char *bearer = NULL;

    if (*stripe->api_key != '\0') {
        bearer = arena_printf(attempt->effect->arena, "Bearer %s", stripe->api_key);
        attempt->broken = attempt->broken || bearer == NULL;
    }
    provider_try_header(attempt, "Authorization", bearer);
    provider_try_header(attempt, "Accept", "application/json");
}

static void on_page(struct payment_list *base, struct payment_list_call *call)
{
    struct payment_list_stripe *stripe = stripe_of(base);
    struct provider_try *attempt = provider_try_new(&stripe->provider, &call->effect);
    const char *path;

    call->count = 0;
    call->has_more = false;
    if (attempt == NULL)
        return;
    path = path_of(call);
    attempt->series = EFFECT_SERIES_PAYMENT_LIST;
    attempt->read = read_answer;
    attempt->exchange.name = "list_payments";
    attempt->exchange.method = "GET";
    attempt->exchange.answer_size_max = LIMIT_LIST_ANSWER_SIZE;
    provider_try_url(attempt, path == NULL ? "" : path, call->after_id, "");
    attempt->broken = attempt->broken || path == NULL;
    set_headers(attempt, stripe);
    provider_try_start(attempt);
}

static const struct payment_list_ops payment_list_stripe_ops = {.page = on_page};

void payment_list_stripe_init(struct payment_list_stripe *list, struct http_client *http,
                              struct clock *clock, const char *url, const char *api_key)
{
    list->base.ops = &payment_list_stripe_ops;
    list->api_key = api_key;
    provider_init(&list->provider, http, clock, url);
    list->provider.reason_unavailable = REASON_PAYMENT_UNAVAILABLE;
    list->provider.reason_unknown = REASON_PAYMENT_UNAVAILABLE;
}
