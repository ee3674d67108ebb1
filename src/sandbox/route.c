/* Which request is whose. Not here: query strings and bodies. */
#include "sandbox/route.h"

#include "base/macros.h"

#include <event2/http.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct route routes[] = {
    { "open",         "payments", EVHTTP_REQ_POST, "/v1/payment_intents",              payment_api_open, payment_api_note },
    { "list",         "payments", EVHTTP_REQ_GET,  "/v1/payment_intents",              payment_api_list, payment_api_note },
    { "look",         "payments", EVHTTP_REQ_GET,  "/v1/payment_intents/{id}",         payment_api_look, payment_api_note },
    { "confirm",      "payments", EVHTTP_REQ_POST, "/v1/payment_intents/{id}/confirm", payment_api_confirm, payment_api_note },
    { "cancel",       "payments", EVHTTP_REQ_POST, "/v1/payment_intents/{id}/cancel",  payment_api_cancel, payment_api_note },
    { "refund",       "payments", EVHTTP_REQ_POST, "/v1/refunds",                      payment_api_refund, payment_api_note },
    { "look_refunds", "payments", EVHTTP_REQ_GET,  "/v1/refunds",                      payment_api_list_refunds, payment_api_note },
    { "ship",         "shipping", EVHTTP_REQ_POST, "/v1/shipments",                    shipping_api_create, shipping_api_note },
    { "recall",       "shipping", EVHTTP_REQ_POST, "/v1/shipments/{id}:cancel",        shipping_api_cancel, shipping_api_note },
    { "healthz",      NULL, EVHTTP_REQ_GET,    "/healthz",         control_health, NULL },
    { "ledger",       NULL, EVHTTP_REQ_GET,    "/ledger",          ledger_show, NULL },
    { "reset",        NULL, EVHTTP_REQ_POST,   "/ledger/reset",    ledger_reset, NULL },
    { "latency",      NULL, EVHTTP_REQ_POST,   "/control/latency", control_latency, NULL },
    { "faults",       NULL, EVHTTP_REQ_POST,   "/control/faults",  control_add_fault, NULL },
    { "faults",       NULL, EVHTTP_REQ_GET,    "/control/faults",  control_list_faults, NULL },
    { "faults",       NULL, EVHTTP_REQ_DELETE, "/control/faults",  control_clear_faults, NULL },
    { "keys",         NULL, EVHTTP_REQ_POST,   "/control/keys",    control_keys, NULL },
    { "left",         NULL, EVHTTP_REQ_POST,   "/control/ship",    control_ship, NULL },
    { "settle",       NULL, EVHTTP_REQ_POST,   "/control/settle",  control_settle, NULL },
};
/* clang-format on */

/* Matches `path` against a pattern with at most one {id}, which ends where the rest begins. */
static bool pattern_fits(const char *pattern, const char *path, char *out_id, size_t id_size)
{
    const char *hole = strstr(pattern, "{id}");
    size_t head_len = hole != NULL ? (size_t)(hole - pattern) : strlen(pattern);
    size_t path_len = strlen(path);
    const char *tail = hole != NULL ? hole + strlen("{id}") : "";
    size_t tail_len = strlen(tail);
    size_t id_len;

    out_id[0] = '\0';
    if (strncmp(pattern, path, head_len) != 0 || path_len < head_len + tail_len)
        return false;
    id_len = path_len - head_len - tail_len;
    if (hole == NULL)
        return id_len == 0;
    if (id_len == 0 || id_len >= id_size || memchr(path + head_len, '/', id_len) != NULL ||
        strcmp(path + path_len - tail_len, tail) != 0)
        return false;
    (void)snprintf(out_id, id_size, "%.*s", (int)id_len, path + head_len);
    return form_decode(out_id, false);
}

const struct route *route_find(int method, const char *path, char *out_id, size_t id_size)
{
    for (size_t i = 0; path != NULL && i < COUNT_OF(routes); i++) {
        if (routes[i].method == method && pattern_fits(routes[i].pattern, path, out_id, id_size))
            return &routes[i];
    }
    return NULL;
}
