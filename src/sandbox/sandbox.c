/* Building, forgetting and tearing down the state. */
#include "sandbox/sandbox.h"

static void sandbox_init_ledger(struct sandbox *sandbox)
{
    order_index_init(&sandbox->orders);
    payment_table_init(&sandbox->payments, sandbox->count_max, &sandbox->ids, &sandbox->orders);
    shipment_table_init(&sandbox->shipments, sandbox->count_max, &sandbox->ids, &sandbox->orders);
    key_table_init(&sandbox->keys, 4 * sandbox->count_max);
}

static void sandbox_deinit_ledger(struct sandbox *sandbox)
{
    settlement_free_all(sandbox);
    key_table_deinit(&sandbox->keys);
    payment_table_deinit(&sandbox->payments);
    shipment_table_deinit(&sandbox->shipments);
    order_index_deinit(&sandbox->orders);
}

int sandbox_init(struct sandbox *sandbox)
{
    LIST_INIT(&sandbox->exchanges);
    LIST_INIT(&sandbox->settlements);
    ident_source_init(&sandbox->ids);
    fault_table_init(&sandbox->faults, sandbox->seed);
    sandbox_init_ledger(sandbox);
    return call_log_init(&sandbox->calls);
}

void sandbox_deinit(struct sandbox *sandbox)
{
    sandbox_deinit_ledger(sandbox);
    call_log_deinit(&sandbox->calls);
}

void sandbox_reset(struct sandbox *sandbox)
{
    sandbox_deinit_ledger(sandbox);
    sandbox_init_ledger(sandbox);
    call_log_reset(&sandbox->calls);
}
