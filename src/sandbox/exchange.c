/* Life of an exchange up to its delivery. What a route does is in the *_api files. */
#include "sandbox/exchange.h"

#include "sandbox/route.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void exchange_free(struct exchange *exchange)
{
    LIST_REMOVE(exchange, link);
    if (exchange->timer != NULL)
        event_free(exchange->timer);
    if (exchange->rest != NULL)
        evbuffer_free(exchange->rest);
    evbuffer_free(exchange->body);
    free(exchange->text);
    free(exchange->query);
    free(exchange);
}

void exchange_free_all(struct sandbox *sandbox)
{
    while (!LIST_EMPTY(&sandbox->exchanges))
        exchange_free(LIST_FIRST(&sandbox->exchanges));
}

static struct exchange *exchange_new(struct sandbox *sandbox, struct evhttp_request *request)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    if (exchange == NULL)
        return NULL;
    exchange->body = evbuffer_new();
    if (exchange->body == NULL) {
        free(exchange);
        return NULL;
    }
    exchange->sandbox = sandbox;
    exchange->request = request;
    exchange->answer.body = exchange->body;
    exchange->fault = (struct fault_pick){.mode = fault_mode_ordinary()};
    LIST_INSERT_HEAD(&sandbox->exchanges, exchange, link);
    return exchange;
}

void exchange_wait(struct exchange *exchange, int64_t delay_ms,
                   void (*on_time)(int descriptor, short events, void *arg))
{
    const struct timeval delay = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};

    if (exchange->timer != NULL)
        event_free(exchange->timer);
    exchange->timer = evtimer_new(exchange->sandbox->base, on_time, exchange);
    if (exchange->timer == NULL || evtimer_add(exchange->timer, &delay) != 0)
        on_time(-1, EV_TIMEOUT, exchange);
}

void exchange_note_order(struct exchange *exchange, const char *order_id)
{
    struct call *call = call_log_find(&exchange->sandbox->calls, exchange->call_n);

    if (call != NULL && exchange->route->group != NULL)
        (void)snprintf(call->order_id, sizeof(call->order_id), "%s", order_id);
}

/* ------------------------------------------------------------------------------------ acting */

static bool is_payment(const struct exchange *exchange)
{
    return exchange->route->group != NULL && strcmp(exchange->route->group, "payments") == 0;
}

static bool has_key(const struct exchange *exchange)
{
    return is_payment(exchange) && exchange->route->method == EVHTTP_REQ_POST &&
           exchange->key != NULL;
}

/* Whether the key's own story answers the request instead of the route. */
static bool answer_by_key(struct exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    uint64_t hash = form_hash(&exchange->form);

    for (const char *c = evhttp_request_get_uri(exchange->request); *c != '\0'; c++)
        hash = hash * 31 + (unsigned char)*c;
    switch (key_table_begin(&sandbox->keys, exchange->key, hash, !sandbox->faults.ignores_keys,
                            &exchange->answer)) {
    case KEY_NEW:
        return false;
    case KEY_REPLAY:
        evhttp_add_header(evhttp_request_get_output_headers(exchange->request),
                          "Idempotent-Replayed", "true");
        return true;
    case KEY_IN_USE:
        answer_refuse(&exchange->answer, REFUSAL_IDEMPOTENCY_IN_USE, exchange->key, NULL);
        return true;
    case KEY_MISMATCH:
        answer_refuse(&exchange->answer, REFUSAL_IDEMPOTENCY_MISMATCH, exchange->key, NULL);
        return true;
    case KEY_FULL:
        break;
    }
    answer_refuse(&exchange->answer, REFUSAL_FULL, NULL, NULL);
    return true;
}

static void answer_weather(struct exchange *exchange)
{
    int status = exchange->fault.mode->http_status;

    if (is_payment(exchange))
        answer_refuse(&exchange->answer, refusal_of_status(status),
                      evhttp_request_get_uri(exchange->request), NULL);
    else
        answer_status(&exchange->answer, status,
                      status == 400 || status == 422 ? "INVALID_ARGUMENT" : "UNAVAILABLE",
                      "injected by a fault rule");
    if (status == 429)
        evhttp_add_header(evhttp_request_get_output_headers(exchange->request), "Retry-After", "1");
}

/* An answer is worth storing when the provider had begun to act: successes, and refusals that say so. */
static bool is_stored(const struct exchange *exchange)
{
    if (exchange->fault.mode->http_status != 0)
        return exchange->fault.mode->is_stored;
    return exchange->answer.kind != ANSWER_REFUSAL ||
           refusal_row(exchange->answer.refusal)->is_stored;
}

static void exchange_act(struct exchange *exchange, bool has_effect)
{
    struct answer real = exchange->answer;
    bool is_mine = !has_key(exchange) || !answer_by_key(exchange);

    exchange->has_acted = true;
    exchange->awaits_cancel = false;
    if (!is_mine)
        return;
    if (has_effect)
        exchange->route->act(exchange);
    real = exchange->answer;
    if (exchange->fault.mode->http_status != 0)
        answer_weather(exchange);
    if (has_key(exchange)) {
        /* A fault that hides the answer does not change what the key repeats. */
        bool hides = exchange->fault.mode->http_status != 0 && !exchange->fault.mode->is_stored;
        const struct answer *kept = hides ? &real : &exchange->answer;
        bool keeps = hides ? has_effect && real.kind != ANSWER_REFUSAL : is_stored(exchange);
        key_table_finish(&exchange->sandbox->keys, exchange->key, keeps ? kept : NULL);
    }
    answer_alter(&exchange->answer, exchange->fault.mode->alteration);
}

static void on_answer_time(int descriptor, short events, void *arg)
{
    (void)descriptor;
    (void)events;
    delivery_send(arg);
}

static void on_effect_time(int descriptor, short events, void *arg)
{
    struct exchange *exchange = arg;

    (void)descriptor;
    (void)events;
    if (!exchange->has_acted)
        exchange_act(exchange, true);
    delivery_send(exchange);
}

void exchange_release_confirmations(struct sandbox *sandbox, const char *payment_id,
                                    enum fault_effect which)
{
    struct exchange *exchange;

    LIST_FOREACH (exchange, &sandbox->exchanges, link) {
        if (exchange->awaits_cancel && exchange->fault.mode->effect == which &&
            strcmp(exchange->id, payment_id) == 0) {
            exchange_act(exchange, true);
            exchange_wait(exchange, 0, on_answer_time);
        }
    }
}

static int64_t latency_ms(const struct exchange *exchange)
{
    if (exchange->route->group == NULL)
        return 0;
    return is_payment(exchange) ? exchange->sandbox->payment_latency_ms
                                : exchange->sandbox->shipping_latency_ms;
}

/* The effect comes when the mode says; the answer, after the latency on demand. */
static void exchange_run(struct exchange *exchange)
{
    const struct fault_mode *mode = exchange->fault.mode;
    int64_t delay_ms = latency_ms(exchange);

    switch (mode->effect) {
    case FAULT_EFFECT_NOW:
    case FAULT_EFFECT_NONE:
        exchange_act(exchange, mode->effect == FAULT_EFFECT_NOW);
        break;
    case FAULT_EFFECT_LATE:
        exchange_wait(exchange, exchange->fault.delay_ms, on_effect_time);
        return;
    case FAULT_EFFECT_BEFORE_CANCEL:
    case FAULT_EFFECT_AFTER_CANCEL:
        exchange->awaits_cancel = true;
        exchange_wait(exchange, exchange->fault.delay_ms, on_effect_time);
        return;
    }
    delay_ms += mode->delays_answer ? exchange->fault.delay_ms : 0;
    if (delay_ms > 0)
        exchange_wait(exchange, delay_ms, on_answer_time);
    else
        delivery_send(exchange);
}

/* ----------------------------------------------------------------------------------- reading */

static bool is_authorized(const struct exchange *exchange)
{
    const char *value =
        evhttp_find_header(evhttp_request_get_input_headers(exchange->request), "Authorization");

    if (value == NULL || strncmp(value, "Bearer ", 7) != 0 || value[7] == '\0')
        return false;
    return exchange->sandbox->api_key == NULL || strcmp(value + 7, exchange->sandbox->api_key) == 0;
}

/* The body and the query as text; false without memory or with a NUL inside. */
static bool read_text(struct exchange *exchange)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(exchange->request);
    size_t len = evbuffer_get_length(input);
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(exchange->request));

    exchange->text = malloc(len + 1);
    exchange->query = strdup(query != NULL ? query : "");
    if (exchange->text == NULL || exchange->query == NULL)
        return false;
    (void)evbuffer_copyout(input, exchange->text, len);
    exchange->text[len] = '\0';
    return strlen(exchange->text) == len;
}

static bool read_form(struct exchange *exchange)
{
    if (exchange->route->method == EVHTTP_REQ_GET)
        return form_parse(&exchange->form, exchange->query);
    return !is_payment(exchange) || form_parse(&exchange->form, exchange->text);
}

/* REFUSAL_NONE when the route may act. */
static enum refusal exchange_read(struct exchange *exchange)
{
    exchange->key =
        evhttp_find_header(evhttp_request_get_input_headers(exchange->request), "Idempotency-Key");
    if (is_payment(exchange) && !is_authorized(exchange))
        return REFUSAL_KEY_MISSING;
    if (is_payment(exchange) && exchange->key != NULL && !key_is_valid(exchange->key))
        return REFUSAL_IDEMPOTENCY_INVALID;
    return read_form(exchange) ? REFUSAL_NONE : REFUSAL_BODY_UNREADABLE;
}

static void exchange_pick_fault(struct exchange *exchange, const char *body)
{
    const struct fault_call call = {
        .name = exchange->route->name,
        .group = exchange->route->group,
        .path = evhttp_request_get_uri(exchange->request),
        .key = exchange->key,
        .body = body,
    };
    struct call *logged = call_log_find(&exchange->sandbox->calls, exchange->call_n);

    exchange->fault = fault_table_pick(&exchange->sandbox->faults, &call);
    if (exchange->fault.location != NULL)
        (void)snprintf(exchange->location, sizeof(exchange->location), "%s",
                       exchange->fault.location);
    if (logged != NULL)
        logged->fault = exchange->fault.mode->name;
}

static void exchange_refuse(struct exchange *exchange, enum refusal refusal)
{
    answer_refuse(&exchange->answer, refusal, evhttp_request_get_uri(exchange->request), NULL);
    delivery_send(exchange);
}

void exchange_on_request(struct evhttp_request *request, void *arg)
{
    struct sandbox *sandbox = arg;
    struct exchange *exchange = exchange_new(sandbox, request);
    enum refusal refusal;

    if (exchange == NULL) {
        evhttp_send_error(request, HTTP_SERVUNAVAIL, NULL);
        return;
    }
    exchange->route = route_find(evhttp_request_get_command(request),
                                 evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request)),
                                 exchange->id, sizeof(exchange->id));
    if (exchange->route == NULL) {
        exchange_refuse(exchange, REFUSAL_ROUTE_UNKNOWN);
        return;
    }
    if (!read_text(exchange)) {
        exchange_refuse(exchange, REFUSAL_BODY_UNREADABLE);
        return;
    }
    if (exchange->route->group != NULL) {
        const char *key =
            evhttp_find_header(evhttp_request_get_input_headers(request), "Idempotency-Key");
        exchange->call_n = call_log_add(&sandbox->calls,
                                        exchange->route->method == EVHTTP_REQ_GET ? "GET" : "POST",
                                        evhttp_request_get_uri(request), key);
        exchange_pick_fault(exchange, exchange->text);
    }
    refusal = exchange_read(exchange);
    if (refusal != REFUSAL_NONE)
        exchange_refuse(exchange, refusal);
    else
        exchange_run(exchange);
}
