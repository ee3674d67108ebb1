/* Life of an exchange up to its delivery. What a route does is in the *_api files. */
#include "sandbox/exchange.h"

#include "base/macros.h"
#include "sandbox/route.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
    while (!LIST_EMPTY(&sandbox->exchanges)) {
        struct exchange *exchange = LIST_FIRST(&sandbox->exchanges);
        if (evhttp_request_get_connection(exchange->request) == NULL)
            evhttp_request_free(exchange->request);
        exchange_free(exchange);
    }
}

void exchange_drop_held(struct sandbox *sandbox)
{
    struct exchange *exchange = LIST_FIRST(&sandbox->exchanges);

    while (exchange != NULL) {
        struct exchange *next = LIST_NEXT(exchange, link);
        if (exchange->is_held)
            delivery_cut(exchange, false);
        exchange = next;
    }
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
    call_log_note_order(&exchange->sandbox->calls, exchange->call_n, order_id);
}

/* --------------------------------------------------------------------------------------- keys */

static bool is_payment(const struct exchange *exchange)
{
    return exchange->route->group != NULL && strcmp(exchange->route->group, "payments") == 0;
}

static bool has_key(const struct exchange *exchange)
{
    return is_payment(exchange) && exchange->route->method == EVHTTP_REQ_POST &&
           exchange->key != NULL;
}

/* Whether the key's own story answers the request instead of the route. If not, the key is in use
 * until exchange_act. */
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

/* An answer is worth storing when the provider had begun to act: successes, and refusals that say so. */
static bool is_worth_storing(const struct answer *answer)
{
    return answer->kind != ANSWER_REFUSAL || refusal_row(answer->refusal)->is_stored;
}

/* ------------------------------------------------------------------------------------- acting */

/* clang-format off */
static const struct { int http_status; const char *name; } status_names[] = {
    { 400, "INVALID_ARGUMENT" },
    { 401, "UNAUTHENTICATED" },
    { 403, "PERMISSION_DENIED" },
    { 404, "NOT_FOUND" },
    { 409, "ABORTED" },
    { 422, "INVALID_ARGUMENT" },
    { 429, "RESOURCE_EXHAUSTED" },
    { 500, "INTERNAL" },
    { 504, "DEADLINE_EXCEEDED" },
};
/* clang-format on */

static const char *status_name(int http_status)
{
    for (size_t i = 0; i < COUNT_OF(status_names); i++) {
        if (status_names[i].http_status == http_status)
            return status_names[i].name;
    }
    return "UNAVAILABLE";
}

/* The status of the fault's mode, in the words of the API that is called. */
static void answer_weather(struct exchange *exchange)
{
    int status = exchange->fault.mode->http_status;
    /* Only the message of 404 has room for it, and 404 is never stored. */
    const char *detail = status == 404 ? evhttp_request_get_uri(exchange->request) : NULL;

    if (is_payment(exchange))
        answer_refuse(&exchange->answer, refusal_of_status(status), detail, NULL);
    else
        answer_status(&exchange->answer, status, status_name(status), "injected by a fault rule");
    if (status == 429)
        evhttp_add_header(evhttp_request_get_output_headers(exchange->request), "Retry-After", "1");
}

/* What the provider does, and what its key will repeat. */
static void exchange_act(struct exchange *exchange)
{
    const struct fault_mode *mode = exchange->fault.mode;

    exchange->is_held = false;
    if (mode->effect != FAULT_EFFECT_NONE)
        exchange->route->act(exchange);
    if (mode->is_stored)
        answer_weather(exchange);
    if (has_key(exchange))
        key_table_finish(&exchange->sandbox->keys, exchange->key,
                         is_worth_storing(&exchange->answer) ? &exchange->answer : NULL);
}

/* What the client is told instead of the truth, be it new or repeated by its key; then printed. */
static void exchange_put_answer(struct exchange *exchange)
{
    const struct fault_mode *mode = exchange->fault.mode;

    if (mode->http_status != 0 && !mode->is_stored)
        answer_weather(exchange);
    answer_alter(&exchange->answer, mode->alteration);
    answer_print(&exchange->answer, exchange->body);
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
    if (exchange->is_held) {
        exchange_act(exchange);
        exchange_put_answer(exchange);
    }
    delivery_send(exchange);
}

/* They are only answered after the cancellation is: their timer is made due, not called. */
void exchange_release_confirmations(struct sandbox *sandbox, const char *payment_id,
                                    enum fault_effect which)
{
    struct exchange *exchange;

    LIST_FOREACH (exchange, &sandbox->exchanges, link) {
        if (exchange->is_held && exchange->fault.mode->effect == which &&
            strcmp(exchange->id, payment_id) == 0) {
            exchange_act(exchange);
            exchange_put_answer(exchange);
            event_active(exchange->timer, EV_TIMEOUT, 0);
        }
    }
}

void exchange_release_answers(struct sandbox *sandbox, const char *match)
{
    struct exchange *exchange;

    LIST_FOREACH (exchange, &sandbox->exchanges, link) {
        if (!exchange->is_held && exchange->fault.mode->delays_answer &&
            strcmp(exchange->match, match) == 0 && exchange->timer != NULL &&
            evtimer_pending(exchange->timer, NULL))
            event_active(exchange->timer, EV_TIMEOUT, 0);
    }
}

static bool holds_effect(enum fault_effect effect)
{
    switch (effect) {
    case FAULT_EFFECT_NOW:
    case FAULT_EFFECT_NONE:
        return false;
    case FAULT_EFFECT_LATE:
    case FAULT_EFFECT_BEFORE_CANCEL:
    case FAULT_EFFECT_AFTER_CANCEL:
        return true;
    }
    return false;
}

/* Between the effect and the answer. */
static int64_t answer_delay_ms(const struct exchange *exchange)
{
    int64_t delay_ms = exchange->fault.mode->delays_answer ? exchange->fault.delay_ms : 0;

    if (exchange->route->group == NULL)
        return 0;
    return delay_ms + (is_payment(exchange) ? exchange->sandbox->payment_latency_ms
                                            : exchange->sandbox->shipping_latency_ms);
}

/* A fault without an effect, unless it is stored, stands in front of the provider: keys too are not
 * looked at. */
static void exchange_run(struct exchange *exchange)
{
    const struct fault_mode *mode = exchange->fault.mode;
    bool arrives = mode->effect != FAULT_EFFECT_NONE || mode->is_stored;
    int64_t delay_ms = answer_delay_ms(exchange);

    if (arrives && !(has_key(exchange) && answer_by_key(exchange))) {
        if (holds_effect(mode->effect)) {
            exchange->is_held = true;
            exchange_wait(exchange, exchange->fault.delay_ms, on_effect_time);
            return;
        }
        exchange_act(exchange);
    }
    exchange_put_answer(exchange);
    if (delay_ms > 0)
        exchange_wait(exchange, delay_ms, on_answer_time);
    else
        delivery_send(exchange);
}

/* ----------------------------------------------------------------------------------- reading */

static enum refusal check_bearer(const struct exchange *exchange)
{
    const char *value =
        evhttp_find_header(evhttp_request_get_input_headers(exchange->request), "Authorization");
    const char *expected = exchange->sandbox->api_key;

    if (value == NULL || strncmp(value, "Bearer ", 7) != 0 || value[7] == '\0')
        return REFUSAL_KEY_MISSING;
    return expected == NULL || strcmp(value + 7, expected) == 0 ? REFUSAL_NONE
                                                                : REFUSAL_KEY_INVALID;
}

static bool is_form(const struct exchange *exchange)
{
    const char *type =
        evhttp_find_header(evhttp_request_get_input_headers(exchange->request), "Content-Type");

    return exchange->text[0] == '\0' || type == NULL ||
           strncasecmp(type, "application/x-www-form-urlencoded", 33) == 0;
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
    if (exchange->route->method != EVHTTP_REQ_POST)
        return form_parse(&exchange->form, exchange->query);
    return !is_payment(exchange) || form_parse(&exchange->form, exchange->text);
}

/* REFUSAL_NONE when the route may act. */
static enum refusal exchange_read(struct exchange *exchange)
{
    enum refusal refusal = is_payment(exchange) ? check_bearer(exchange) : REFUSAL_NONE;

    if (refusal != REFUSAL_NONE)
        return refusal;
    if (is_payment(exchange) && exchange->key != NULL && !key_is_valid(exchange->key))
        return REFUSAL_IDEMPOTENCY_INVALID;
    if (is_payment(exchange) && !is_form(exchange))
        return REFUSAL_MEDIA_TYPE;
    return read_form(exchange) ? REFUSAL_NONE : REFUSAL_BODY_UNREADABLE;
}

/* `body` is the request's as it came: reading has taken exchange->text apart. */
static void exchange_pick_fault(struct exchange *exchange, const char *body)
{
    struct call *logged = call_log_find(&exchange->sandbox->calls, exchange->call_n);
    const struct fault_call call = {
        .name = exchange->route->name,
        .group = exchange->route->group,
        .path = evhttp_request_get_uri(exchange->request),
        .key = exchange->key,
        .body = body,
        .order_id = logged != NULL ? logged->order_id : NULL,
    };

    exchange->fault = fault_table_pick(&exchange->sandbox->faults, &call);
    if (exchange->fault.location != NULL)
        (void)snprintf(exchange->location, sizeof(exchange->location), "%s",
                       exchange->fault.location);
    if (exchange->fault.match != NULL)
        (void)snprintf(exchange->match, sizeof(exchange->match), "%s", exchange->fault.match);
    if (logged != NULL)
        logged->fault = exchange->fault.mode->name;
}

/* Every call of the two APIs stands in the log, also one that a fault hides from the provider. */
static void exchange_log(struct exchange *exchange)
{
    bool is_get = exchange->route->method == EVHTTP_REQ_GET;
    bool has_valid_key = exchange->key != NULL && key_is_valid(exchange->key);

    exchange->call_n = call_log_add(&exchange->sandbox->calls, is_get ? "GET" : "POST",
                                    evhttp_request_get_uri(exchange->request),
                                    has_valid_key ? exchange->key : NULL);
}

static void exchange_refuse(struct exchange *exchange, enum refusal refusal)
{
    answer_refuse(&exchange->answer, refusal, evhttp_request_get_uri(exchange->request), NULL);
    answer_print(&exchange->answer, exchange->body);
    delivery_send(exchange);
}

/* Reads a call of the two APIs, notes whose it is, and picks its fault. */
static enum refusal exchange_receive(struct exchange *exchange)
{
    char *body = strdup(exchange->text);
    enum refusal refusal;

    exchange_log(exchange);
    refusal = exchange_read(exchange);
    if (refusal == REFUSAL_NONE)
        exchange->route->note(exchange);
    exchange_pick_fault(exchange, body);
    free(body);
    return refusal;
}

static void exchange_begin(struct exchange *exchange)
{
    bool is_control = exchange->route->group == NULL;
    enum refusal refusal;

    exchange->key =
        evhttp_find_header(evhttp_request_get_input_headers(exchange->request), "Idempotency-Key");
    refusal = is_control ? exchange_read(exchange) : exchange_receive(exchange);
    if (refusal != REFUSAL_NONE)
        exchange_refuse(exchange, refusal);
    else
        exchange_run(exchange);
}

/* What we print of it is JSON, which raw bytes of a URL would break. */
static bool is_ascii(const char *uri)
{
    while (*uri > 0x20 && *uri < 0x7f)
        uri++;
    return *uri == '\0';
}

void exchange_on_request(struct evhttp_request *request, void *arg)
{
    struct exchange *exchange = exchange_new(arg, request);

    if (exchange == NULL) {
        evhttp_send_error(request, HTTP_SERVUNAVAIL, NULL);
        return;
    }
    if (!is_ascii(evhttp_request_get_uri(request))) {
        answer_refuse(&exchange->answer, REFUSAL_ROUTE_UNKNOWN, "not ASCII", NULL);
        answer_print(&exchange->answer, exchange->body);
        delivery_send(exchange);
        return;
    }
    exchange->route = route_find((int)evhttp_request_get_command(request),
                                 evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request)),
                                 exchange->id, sizeof(exchange->id));
    if (exchange->route == NULL)
        exchange_refuse(exchange, REFUSAL_ROUTE_UNKNOWN);
    else if (!read_text(exchange))
        exchange_refuse(exchange, REFUSAL_BODY_UNREADABLE);
    else
        exchange_begin(exchange);
}
