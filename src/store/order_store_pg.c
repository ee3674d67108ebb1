/* Orders over PostgreSQL, as the service sees them. Not for the order flow, which is saga_store_pg's,
 * and not for deciding anything: the statements decide, in sql/0003_orders.sql. */
#include "base/limits.h"
#include "store/order_row.h"
#include "store/pg_key.h"
#include "store/store_pg.h"

#include <assert.h>
#include <string.h>

/* Columns of a write: ord, result, replayed, missing, then the order and its events. Of a read: ord,
 * then the same. */
enum {
    RESULT = 1,
    REPLAYED = 2,
    MISSING = 3,
    WRITTEN_ORDER = 4,
    READ_ORDER = 1
};

static struct order_store_pg *store_of(struct order_store *base)
{
    return CONTAINER_OF(base, struct order_store_pg, base);
}

/* The order of a row, with its events; NULL and OUT_OF_MEMORY when the arena is full. */
static struct order *order_read(struct store_call *call, const struct pg_row *row, int first)
{
    struct order *order = ARENA_NEW(call->arena, struct order);

    if (order == NULL || !order_row_read(row, first, call->arena, order) ||
        !order_row_read_events(row, first + ORDER_COLUMN_COUNT, call->arena, order)) {
        error_set(&call->err, REASON_OUT_OF_MEMORY);
        return NULL;
    }
    return order;
}

static void fail_not_found(struct store_call *call, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];

    uuid_format(id, text);
    error_set(&call->err, REASON_ORDER_NOT_FOUND);
    error_add_resource(&call->err, call->arena, "shop.v1.Order", text);
}

/* ---- Results of writes ---- */

static const struct result_row {
    const char *result;
    enum reason reason; /* REASON_NONE: it was carried out */
} results[] = {
    {"OK", REASON_NONE},
    {"NOT_FOUND", REASON_ORDER_NOT_FOUND},
    {"KEY_REUSED", REASON_REQUEST_ID_REUSED},
    {"STATE_INVALID", REASON_ORDER_STATE_INVALID},
    {"PRODUCT_NOT_FOUND", REASON_PRODUCT_NOT_FOUND},
    {"CURRENCY_MIXED", REASON_CURRENCY_MIXED},
    {"OVERFLOW", REASON_MONEY_OVERFLOW},
    {"ZERO", REASON_ORDER_TOTAL_ZERO},
};

static enum reason reason_of_result(const char *result)
{
    size_t i = 0;
    while (strcmp(results[i].result, result) != 0) {
        i++;
        assert(i < COUNT_OF(results));
    }
    return results[i].reason;
}

static void add_missing_products(struct store_call *call, const struct pg_row *row)
{
    uint32_t count;
    const char **ids = pg_get_text_array(row, MISSING, call->arena, &count);

    if (ids == NULL || count == 0)
        return; /* the error says enough without its details */
    error_add_metadata(&call->err, call->arena, "productId", ids[0]);
    for (uint32_t i = 0; i < count; i++)
        error_add_resource(&call->err, call->arena, "shop.v1.Product", ids[i]);
}

/* The order of a write that was carried out; else NULL and the error. What was written stays
 * written when there is no memory to tell it. */
static struct order *written_order(struct store_call *call, const struct pg_row *row,
                                   const struct uuid *id)
{
    const char *result = pg_get_text(row, RESULT, call->arena);
    struct order *order = NULL;

    if (result == NULL) {
        call->maybe_done = true;
        error_set(&call->err, REASON_OUT_OF_MEMORY);
        return NULL;
    }
    enum reason reason = reason_of_result(result);
    if (reason == REASON_NONE && pg_is_null(row, WRITTEN_ORDER)) {
        /* Its key was removed for its age between being met and being read: nothing was done. */
        error_set(&call->err, REASON_STORE_UNAVAILABLE);
    } else if (reason == REASON_NONE) {
        order = order_read(call, row, WRITTEN_ORDER);
        call->maybe_done = order == NULL;
    } else if (reason == REASON_ORDER_NOT_FOUND) {
        fail_not_found(call, id);
    } else {
        error_set(&call->err, reason);
        if (reason == REASON_PRODUCT_NOT_FOUND)
            add_missing_products(call, row);
    }
    return order;
}

/* ---- create ---- */

static void create_encode_lists(const struct order *order, uint32_t ord, struct pg_params *params)
{
    for (uint32_t i = 0; i < order->line_count; i++) {
        pg_put_int4(params, 11, (int32_t)ord);
        pg_put_text(params, 12, order->lines[i].product_id);
        pg_put_int4(params, 13, order->lines[i].quantity);
    }
    for (uint32_t i = 0; i < order->ship_to.line_count; i++) {
        pg_put_int4(params, 14, (int32_t)ord);
        pg_put_text(params, 15, order->ship_to.lines[i]);
    }
}

static void create_encode(struct store_call *call, uint32_t ord, struct pg_params *params)
{
    const struct order_create *create = CONTAINER_OF(call, struct order_create, call);
    const struct order *order = create->order;

    pg_put_uuid(params, 0, &order->id);
    pg_put_text(params, 1, order->caller);
    pg_put_text(params, 2, order->customer_id);
    pg_put_text(params, 3, order->ship_to.recipient);
    pg_put_text(params, 4, order->ship_to.postal_code);
    pg_put_text(params, 5, order->ship_to.locality);
    pg_put_text(params, 6, order->ship_to.administrative_area);
    pg_put_text(params, 7, order->ship_to.region_code);
    pg_put_key_of_caller(params, 8, create->idempotency);
    create_encode_lists(order, ord, params);
    pg_put_bool(params, 16, create->only_replay);
}

static void create_row(struct store_call *call, const struct pg_row *row)
{
    struct order_create *create = CONTAINER_OF(call, struct order_create, call);

    create->created = written_order(call, row, &create->order->id);
    create->replayed = create->created != NULL && pg_get_bool(row, REPLAYED);
}

static const struct pg_batch_codec create_codec = {PG_ORDERS_CREATE, create_encode, create_row,
                                                   NULL};

static void store_create(struct order_store *store, struct order_create *create)
{
    /* The statement counts on at least one of each to know whose the next one is. */
    assert(create->order->line_count > 0 && create->order->ship_to.line_count > 0);
    assert(!uuid_is_zero(&create->order->id));
    pg_batch_start(store_of(store)->pool, &create_codec, &create->call);
}

/* ---- get ---- */

static void get_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct order_get *get = CONTAINER_OF(call, struct order_get, call);

    pg_put_uuid(params, 0, &get->id);
    pg_put_text(params, 1, get->caller);
}

static void get_row(struct store_call *call, const struct pg_row *row)
{
    CONTAINER_OF(call, struct order_get, call)->order = order_read(call, row, READ_ORDER);
}

static void get_end(struct store_call *call)
{
    const struct order_get *get = CONTAINER_OF(call, struct order_get, call);

    if (get->order == NULL)
        fail_not_found(call, &get->id);
}

static const struct pg_batch_codec get_codec = {PG_ORDERS_GET, get_encode, get_row, get_end};

static void get_newer_encode(struct store_call *call, uint32_t ord, struct pg_params *params)
{
    get_encode(call, ord, params);
    pg_put_int8(params, 2, CONTAINER_OF(call, struct order_get, call)->after_revision);
}

static void get_newer_row(struct store_call *call, const struct pg_row *row)
{
    if (pg_is_null(row, READ_ORDER))
        CONTAINER_OF(call, struct order_get, call)->unchanged = true;
    else
        get_row(call, row);
}

static void get_newer_end(struct store_call *call)
{
    if (!CONTAINER_OF(call, struct order_get, call)->unchanged)
        get_end(call);
}

static const struct pg_batch_codec get_newer_codec = {PG_ORDERS_GET_NEWER, get_newer_encode,
                                                      get_newer_row, get_newer_end};

static void store_get(struct order_store *store, struct order_get *get)
{
    get->order = NULL;
    get->unchanged = false;
    pg_batch_start(store_of(store)->pool, get->after_revision > 0 ? &get_newer_codec : &get_codec,
                   &get->call);
}

/* ---- list ---- */

/* A hundred of the largest orders do not fit an arena. The page then ends early, as its reply, which
 * is smaller still, would have; the other half is for making the reply. */
enum {
    LIST_ARENA_SIZE = LIMIT_ARENA_SIZE / 2
};

static void list_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct order_list *list = CONTAINER_OF(call, struct order_list, call);
    struct uuid before = list->before_id;

    if (uuid_is_zero(&before))
        memset(before.bytes, 0xff, sizeof(before.bytes)); /* behind every id there is */
    pg_put_text(params, 0, list->caller);
    pg_put_text(params, 1, list->customer_id);
    pg_put_text(params, 2,
                list->state == ORDER_STATE_UNSPECIFIED ? "" : order_state_name(list->state));
    pg_put_uuid(params, 3, &before);
    pg_put_int4(params, 4, (int32_t)list->limit);
}

static void list_row(struct store_call *call, const struct pg_row *row)
{
    struct order_list *list = CONTAINER_OF(call, struct order_list, call);

    if (list->count == list->limit ||
        (list->count > 0 && arena_used(call->arena) > LIST_ARENA_SIZE)) {
        list->has_more = true;
        return;
    }
    if (list->orders == NULL)
        list->orders = ARENA_POINTERS(call->arena, list->limit);
    if (list->orders == NULL) {
        error_set(&call->err, REASON_OUT_OF_MEMORY);
        return;
    }
    struct order *order = order_read(call, row, READ_ORDER);
    if (order != NULL)
        list->orders[list->count++] = order;
}

static const struct pg_batch_codec list_codec = {PG_ORDERS_LIST, list_encode, list_row, NULL};

static void store_list(struct order_store *store, struct order_list *list)
{
    assert(list->limit > 0);
    list->orders = NULL;
    list->count = 0;
    list->has_more = false;
    pg_batch_start(store_of(store)->pool, &list_codec, &list->call);
}

/* ---- wish_cancel ---- */

static void cancel_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct order_cancel *cancel = CONTAINER_OF(call, struct order_cancel, call);

    pg_put_uuid(params, 0, &cancel->id);
    pg_put_text(params, 1, cancel->caller);
    pg_put_key_of_caller(params, 2, cancel->idempotency);
}

static void cancel_row(struct store_call *call, const struct pg_row *row)
{
    struct order_cancel *cancel = CONTAINER_OF(call, struct order_cancel, call);

    cancel->order = written_order(call, row, &cancel->id);
    cancel->replayed = cancel->order != NULL && pg_get_bool(row, REPLAYED);
}

static const struct pg_batch_codec cancel_codec = {PG_ORDERS_CANCEL, cancel_encode, cancel_row,
                                                   NULL};

static void store_cancel(struct order_store *store, struct order_cancel *cancel)
{
    pg_batch_start(store_of(store)->pool, &cancel_codec, &cancel->call);
}

/* ---- The store ---- */

static const struct order_store_ops ops = {
    .create = store_create,
    .get = store_get,
    .list = store_list,
    .wish_cancel = store_cancel,
};

void order_store_pg_init(struct order_store_pg *store, struct pg_pool *pool)
{
    *store = (struct order_store_pg){.base.ops = &ops, .pool = pool};
}
