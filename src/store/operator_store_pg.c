/* Orders over PostgreSQL, as the person on call sees them. What is shown and what may be mended is
 * decided in sql/0009_oncall.sql. */
#include "store/store_pg.h"

#include <assert.h>
#include <string.h>

static struct pg_pool *pool_of(struct operator_store *base)
{
    return CONTAINER_OF(base, struct operator_store_pg, base)->pool;
}

/* ---- list ---- */

/* Columns: ord, id, body. */
enum {
    LIST_ID = 1,
    LIST_BODY = 2
};

static void list_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct operator_list *list = CONTAINER_OF(call, struct operator_list, call);
    struct uuid before = list->before_id;

    if (uuid_is_zero(&before))
        memset(before.bytes, 0xff, sizeof(before.bytes)); /* behind every id there is */
    pg_put_text(params, 0,
                list->state == ORDER_STATE_UNSPECIFIED ? "" : order_state_name(list->state));
    pg_put_int8(params, 1, list->older_ms);
    pg_put_uuid(params, 2, &before);
    pg_put_int4(params, 3, (int32_t)list->limit);
}

static void list_row(struct store_call *call, const struct pg_row *row)
{
    struct operator_list *list = CONTAINER_OF(call, struct operator_list, call);

    if (list->count == list->limit) {
        list->has_more = true;
        return;
    }
    if (list->orders == NULL)
        list->orders = ARENA_POINTERS(call->arena, list->limit);
    const char *body = list->orders == NULL ? NULL : pg_get_text(row, LIST_BODY, call->arena);
    if (body == NULL) {
        error_set(&call->err, REASON_OUT_OF_MEMORY);
        return;
    }
    list->orders[list->count++] = body;
    list->last_id = pg_get_uuid(row, LIST_ID);
}

static const struct pg_batch_codec list_codec = {PG_OPERATOR_LIST, list_encode, list_row, NULL};

static void store_list(struct operator_store *store, struct operator_list *list)
{
    assert(list->limit > 0);
    list->orders = NULL;
    list->count = 0;
    list->has_more = false;
    pg_batch_start(pool_of(store), &list_codec, &list->call);
}

/* ---- show ---- */

static void show_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    pg_put_uuid(params, 0, &CONTAINER_OF(call, struct operator_show, call)->id);
}

static void show_row(struct store_call *call, const struct pg_row *row)
{
    struct operator_show *show = CONTAINER_OF(call, struct operator_show, call);

    show->order = pg_get_text(row, 1, call->arena);
    if (show->order == NULL)
        error_set(&call->err, REASON_OUT_OF_MEMORY);
}

static void show_end(struct store_call *call)
{
    if (CONTAINER_OF(call, struct operator_show, call)->order == NULL)
        error_set(&call->err, REASON_ORDER_NOT_FOUND);
}

static const struct pg_batch_codec show_codec = {PG_OPERATOR_SHOW, show_encode, show_row, show_end};

static void store_show(struct operator_store *store, struct operator_show *show)
{
    show->order = NULL;
    pg_batch_start(pool_of(store), &show_codec, &show->call);
}

/* ---- mend ---- */

/* Columns: ord, result, state, revision. */
enum {
    MEND_RESULT = 1,
    MEND_STATE = 2,
    MEND_REVISION = 3
};

static void mend_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct operator_mend *mend = CONTAINER_OF(call, struct operator_mend, call);

    pg_put_uuid(params, 0, &mend->id);
    pg_put_text(params, 1, mend->to == ORDER_STATE_UNSPECIFIED ? "" : order_state_name(mend->to));
    pg_put_text(params, 2, mend->who);
    pg_put_text(params, 3, mend->why);
}

/* Why it was not mended; the function gives no other results. */
static void mend_refused(struct operator_mend *mend, const char *result)
{
    struct error *err = &mend->call.err;

    if (strcmp(result, "NOT_FOUND") == 0) {
        error_set(err, REASON_ORDER_NOT_FOUND);
        return;
    }
    if (strcmp(result, "CANCEL_WISHED") == 0)
        error_setf(err, REASON_ORDER_STATE_INVALID,
                   "the order is to be cancelled, so it can end CANCELLED only");
    else
        error_setf(err, REASON_ORDER_STATE_INVALID, "only an order that is STUCK can be mended");
    error_add_metadata(err, mend->call.arena, "state", order_state_name(mend->state));
}

static void mend_row(struct store_call *call, const struct pg_row *row)
{
    struct operator_mend *mend = CONTAINER_OF(call, struct operator_mend, call);
    const char *result = pg_get_text(row, MEND_RESULT, call->arena);
    const char *state = pg_get_text(row, MEND_STATE, call->arena);

    if (result == NULL || (state == NULL && !pg_is_null(row, MEND_STATE))) {
        error_set(&call->err, REASON_OUT_OF_MEMORY);
        call->maybe_done = true;
        return;
    }
    mend->state = state == NULL ? ORDER_STATE_UNSPECIFIED : order_state_parse(state);
    if (strcmp(result, "DONE") == 0)
        mend->revision = pg_get_int8(row, MEND_REVISION);
    else
        mend_refused(mend, result);
}

static const struct pg_batch_codec mend_codec = {PG_OPERATOR_MEND, mend_encode, mend_row, NULL};

static void store_mend(struct operator_store *store, struct operator_mend *mend)
{
    assert(mend->to == ORDER_STATE_UNSPECIFIED || mend->to == ORDER_FAILED ||
           mend->to == ORDER_CANCELLED);
    assert(mend->who != NULL && mend->why != NULL);
    pg_batch_start(pool_of(store), &mend_codec, &mend->call);
}

/* ---- The store ---- */

static const struct operator_store_ops ops = {
    .list = store_list,
    .show = store_show,
    .mend = store_mend,
};

void operator_store_pg_init(struct operator_store_pg *store, struct pg_pool *pool)
{
    *store = (struct operator_store_pg){.base.ops = &ops, .pool = pool};
}
