/* The table of routes: everything the sandbox answers. */
#pragma once

#include "sandbox/exchange.h"

#include <stddef.h>

/* The route of a method and path, with its {id} decoded into `out_id`; NULL when there is none. */
const struct route *route_find(int method, const char *path, char *out_id, size_t id_size);

/* payment_api.c */
exchange_act_fn payment_api_open, payment_api_list, payment_api_look, payment_api_confirm,
    payment_api_cancel, payment_api_refund, payment_api_list_refunds, payment_api_note;
/* shipping_api.c */
exchange_act_fn shipping_api_create, shipping_api_cancel, shipping_api_note;
/* ledger.c */
exchange_act_fn ledger_show, ledger_reset;
/* control_api.c */
exchange_act_fn control_health, control_latency, control_add_fault, control_list_faults,
    control_clear_faults, control_keys, control_ship, control_settle;
