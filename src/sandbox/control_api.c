/* Levers for tests: latency, faults, keys, shipments that leave, payments that settle. */
#include "sandbox/route.h"

#include "base/macros.h"
#include "sandbox/json_out.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void refuse(struct exchange *exchange, const char *message)
{
    answer_status(&exchange->answer, 400, "INVALID_ARGUMENT", message);
}

static void done(struct exchange *exchange)
{
    answer_body(&exchange->answer);
    exchange->answer.http_status = 204;
}

static json_t *read_json(struct exchange *exchange)
{
    json_t *request = json_loads(exchange->text, JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(request)) {
        json_decref(request);
        refuse(exchange, "the body is not a JSON object");
        return NULL;
    }
    return request;
}

/* The integer of that name within [min, max]; `fallback` when it is absent. */
static bool read_integer(const json_t *request, const char *name, int64_t min, int64_t max,
                         int64_t fallback, int64_t *out_value)
{
    const json_t *value = json_object_get(request, name);

    *out_value = value != NULL ? json_integer_value(value) : fallback;
    return value == NULL || (json_is_integer(value) && *out_value >= min && *out_value <= max);
}

void control_health(struct exchange *exchange)
{
    struct json_out json;

    answer_body(&exchange->answer);
    json_out_init(&json, exchange->body);
    json_out_begin(&json, NULL, '{');
    json_out_text(&json, "status", "ok");
    json_out_end(&json, '}');
}

void control_latency(struct exchange *exchange)
{
    struct sandbox *sandbox = exchange->sandbox;
    json_t *request = read_json(exchange);
    int64_t payment_ms, shipping_ms;

    if (request == NULL)
        return;
    if (read_integer(request, "paymentMs", 0, FAULT_DELAY_MS_MAX, sandbox->payment_latency_ms,
                     &payment_ms) &&
        read_integer(request, "shippingMs", 0, FAULT_DELAY_MS_MAX, sandbox->shipping_latency_ms,
                     &shipping_ms)) {
        sandbox->payment_latency_ms = payment_ms;
        sandbox->shipping_latency_ms = shipping_ms;
        done(exchange);
    } else {
        refuse(exchange, "paymentMs and shippingMs are milliseconds");
    }
    json_decref(request);
}

/* ------------------------------------------------------------------------------------- faults */

static bool read_text(const json_t *request, const char *name, const char *fallback, char *out,
                      size_t size)
{
    const json_t *value = json_object_get(request, name);
    const char *text = value != NULL ? json_string_value(value) : fallback;

    return text != NULL && (size_t)snprintf(out, size, "%s", text) < size;
}

/* A mistyped name would leave a test without its fault. */
static bool knows_names(const json_t *request)
{
    static const char *const known[] = {"mode",  "path", "order",   "match",      "location",
                                        "count", "skip", "delayMs", "probability"};
    size_t count = 0;

    for (size_t i = 0; i < COUNT_OF(known); i++)
        count += json_object_get(request, known[i]) != NULL;
    return count == json_object_size(request);
}

/* NULL, or what is wrong. */
static const char *read_rule(const json_t *request, struct fault_rule *out_rule)
{
    const char *mode = json_string_value(json_object_get(request, "mode"));
    const json_t *probability = json_object_get(request, "probability");

    out_rule->mode = mode != NULL ? fault_mode_find(mode) : NULL;
    out_rule->probability = probability != NULL ? json_number_value(probability) : 1.0;
    if (out_rule->mode == NULL)
        return "mode is unknown, see GET /control/faults";
    if (!knows_names(request))
        return "known are mode, path, order, match, location, count, skip, delayMs, probability";
    if (!read_text(request, "path", "*", out_rule->path, sizeof(out_rule->path)))
        return "path is the name of a call, of a group, or *";
    if (out_rule->mode->path != NULL && strcmp(out_rule->path, out_rule->mode->path) != 0)
        return "this mode is for another path: confirm, or ship";
    if (!read_text(request, "order", "", out_rule->order, sizeof(out_rule->order)) ||
        !read_text(request, "match", "", out_rule->match, sizeof(out_rule->match)) ||
        !read_text(request, "location", "", out_rule->location, sizeof(out_rule->location)))
        return "order, match and location are short texts";
    if (!read_integer(request, "count", -1, INT64_MAX, -1, &out_rule->count) ||
        !read_integer(request, "skip", 0, INT64_MAX, 0, &out_rule->skip) ||
        !read_integer(request, "delayMs", 0, FAULT_DELAY_MS_MAX, -1, &out_rule->delay_ms))
        return "count, skip and delayMs are integers";
    if (!(out_rule->probability >= 0 && out_rule->probability <= 1))
        return "probability is from 0 to 1";
    return NULL;
}

void control_add_fault(struct exchange *exchange)
{
    struct fault_rule rule = {0};
    json_t *request = read_json(exchange);
    const char *problem;

    if (request == NULL)
        return;
    problem = read_rule(request, &rule);
    if (problem != NULL)
        refuse(exchange, problem);
    else if (!fault_table_add(&exchange->sandbox->faults, &rule))
        refuse(exchange, "there are too many rules");
    else
        done(exchange);
    json_decref(request);
}

static void print_rule(struct json_out *json, const struct fault_rule *rule)
{
    json_out_begin(json, NULL, '{');
    json_out_text(json, "mode", rule->mode->name);
    json_out_text(json, "path", rule->path);
    json_out_text(json, "order", rule->order);
    json_out_text(json, "match", rule->match);
    json_out_number(json, "count", rule->count);
    json_out_number(json, "skip", rule->skip);
    json_out_number(json, "delayMs", rule->delay_ms);
    json_out_number(json, "fired", (int64_t)rule->fired);
    json_out_end(json, '}');
}

void control_list_faults(struct exchange *exchange)
{
    const struct fault_table *table = &exchange->sandbox->faults;
    const struct fault_mode *mode;
    struct json_out json;

    answer_body(&exchange->answer);
    json_out_init(&json, exchange->body);
    json_out_begin(&json, NULL, '{');
    json_out_begin(&json, "rules", '[');
    for (size_t i = 0; i < table->rule_count; i++)
        print_rule(&json, &table->rules[i]);
    json_out_end(&json, ']');
    json_out_begin(&json, "modes", '{');
    for (size_t i = 0; (mode = fault_mode_at(i)) != NULL; i++)
        json_out_text(&json, mode->name, mode->about);
    json_out_end(&json, '}');
    json_out_end(&json, '}');
}

/* With ?match=TEXT only the rules that match it. */
void control_clear_faults(struct exchange *exchange)
{
    const char *match = form_get(&exchange->form, "match");

    if (match == NULL) {
        fault_table_clear(&exchange->sandbox->faults);
    } else {
        fault_table_remove(&exchange->sandbox->faults, match);
        exchange_release_answers(exchange->sandbox, match);
    }
    done(exchange);
}

/* {"ignore": true} and {"expire": true}: providers whose keys are broken, or forgotten. */
void control_keys(struct exchange *exchange)
{
    json_t *request = read_json(exchange);
    const json_t *ignore = json_object_get(request, "ignore");

    if (request == NULL)
        return;
    if (ignore != NULL)
        exchange->sandbox->faults.ignores_keys = json_is_true(ignore);
    if (json_is_true(json_object_get(request, "expire")))
        key_table_expire(&exchange->sandbox->keys);
    done(exchange);
    json_decref(request);
}

/* ----------------------------------------------------------------------- things that happen there */

/* {"requestId": "..."}: the shipment is on its way and cannot be recalled. */
void control_ship(struct exchange *exchange)
{
    json_t *request = read_json(exchange);
    const char *id = json_string_value(json_object_get(request, "requestId"));
    struct shipment *shipment =
        id != NULL ? shipment_table_find(&exchange->sandbox->shipments, id) : NULL;

    if (request == NULL)
        return;
    if (shipment != NULL && shipment_leave(shipment))
        done(exchange);
    else
        refuse(exchange, "no live shipment of that requestId");
    json_decref(request);
}

/* {"id": "pi_...", "succeeds": true}, or the id of a refund: ends "processing" and "pending". */
void control_settle(struct exchange *exchange)
{
    json_t *request = read_json(exchange);
    const char *id = json_string_value(json_object_get(request, "id"));
    bool succeeds = !json_is_false(json_object_get(request, "succeeds"));

    if (request == NULL)
        return;
    if (id != NULL && settlement_now(exchange->sandbox, id, succeeds))
        done(exchange);
    else
        refuse(exchange, "nothing of that id is under way");
    json_decref(request);
}
