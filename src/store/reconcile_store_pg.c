/* Reconciliation over PostgreSQL. What differs is decided in sql/0010_reconciliation.sql. */
#include "store/store_pg.h"

#include <assert.h>

static struct pg_pool *pool_of(struct reconcile_store *base)
{
    return CONTAINER_OF(base, struct reconcile_store_pg, base)->pool;
}

/* ---- take ---- */

static void take_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    pg_put_int8(params, 0, CONTAINER_OF(call, struct reconcile_take, call)->every_ms);
}

static void take_row(struct store_call *call, const struct pg_row *row)
{
    struct reconcile_take *take = CONTAINER_OF(call, struct reconcile_take, call);

    take->taken = pg_get_bool(row, 1);
    take->now_s = pg_get_int8(row, 2);
}

static const struct pg_batch_codec take_codec = {PG_RECONCILE_TAKE, take_encode, take_row, NULL};

static void store_take(struct reconcile_store *store, struct reconcile_take *take)
{
    take->taken = false;
    pg_batch_start(pool_of(store), &take_codec, &take->call);
}

/* ---- compare ---- */

static void compare_encode(struct store_call *call, uint32_t ord, struct pg_params *params)
{
    const struct reconcile_compare *compare = CONTAINER_OF(call, struct reconcile_compare, call);

    for (uint32_t i = 0; i < compare->count; i++) {
        const struct payment_listed *payment = &compare->payments[i];
        pg_put_int4(params, 0, (int32_t)ord);
        pg_put_int4(params, 1, (int32_t)i);
        pg_put_text(params, 2, payment->id);
        pg_put_uuid(params, 3, &payment->order_id);
        pg_put_int8(params, 4, payment->amount.minor);
        pg_put_text(params, 5, payment->amount.currency);
        pg_put_int8(params, 6, payment->received);
        pg_put_int8(params, 7, payment->refunded);
        pg_put_int8(params, 8, compare->settled_ms);
    }
}

/* Columns: ord, place, kind. */
static void compare_row(struct store_call *call, const struct pg_row *row)
{
    struct reconcile_compare *compare = CONTAINER_OF(call, struct reconcile_compare, call);
    const uint32_t place = (uint32_t)pg_get_int4(row, 1);
    const char *kind = pg_get_text(row, 2, call->arena);

    assert(place < compare->count && compare->difference_count < compare->count);
    if (compare->differences == NULL)
        compare->differences =
            arena_array(call->arena, compare->count, sizeof(*compare->differences));
    if (compare->differences == NULL || kind == NULL) {
        error_set(&call->err, REASON_OUT_OF_MEMORY);
        return;
    }
    compare->differences[compare->difference_count++] = (struct difference){
        .kind = difference_kind_parse(kind),
        .order_id = compare->payments[place].order_id,
        .payment_id = compare->payments[place].id,
    };
}

static const struct pg_batch_codec compare_codec = {PG_RECONCILE_COMPARE, compare_encode,
                                                    compare_row, NULL};

static void store_compare(struct reconcile_store *store, struct reconcile_compare *compare)
{
    assert(compare->count > 0);
    compare->differences = NULL;
    compare->difference_count = 0;
    pg_batch_start(pool_of(store), &compare_codec, &compare->call);
}

/* ---- orders ---- */

static void orders_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct reconcile_orders *orders = CONTAINER_OF(call, struct reconcile_orders, call);

    pg_put_uuid(params, 0, &orders->after_id);
    pg_put_int8(params, 1, orders->since_s);
    pg_put_int8(params, 2, orders->settled_ms);
    pg_put_int4(params, 3, (int32_t)orders->limit);
}

/* Columns: ord, order_id, payment_id. */
static void orders_row(struct store_call *call, const struct pg_row *row)
{
    struct reconcile_orders *orders = CONTAINER_OF(call, struct reconcile_orders, call);
    const char *payment_id = pg_get_text(row, 2, call->arena);

    assert(orders->count < orders->limit);
    if (orders->orders == NULL)
        orders->orders = arena_array(call->arena, orders->limit, sizeof(*orders->orders));
    if (orders->orders == NULL || (payment_id == NULL && !pg_is_null(row, 2))) {
        error_set(&call->err, REASON_OUT_OF_MEMORY);
        return;
    }
    orders->orders[orders->count++] =
        (struct reconcile_order){.id = pg_get_uuid(row, 1), .payment_id = payment_id};
}

static const struct pg_batch_codec orders_codec = {PG_RECONCILE_ORDERS, orders_encode, orders_row,
                                                   NULL};

static void store_orders(struct reconcile_store *store, struct reconcile_orders *orders)
{
    assert(orders->limit > 0);
    orders->orders = NULL;
    orders->count = 0;
    pg_batch_start(pool_of(store), &orders_codec, &orders->call);
}

/* ---- finish ---- */

static void finish_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct reconcile_finish *finish = CONTAINER_OF(call, struct reconcile_finish, call);

    for (unsigned kind = 0; kind < DIFFERENCE_KIND_COUNT; kind++)
        pg_put_int8(params, kind, finish->counts[kind]);
}

static void finish_row(struct store_call *call UNUSED, const struct pg_row *row UNUSED)
{
    /* It is written down: that is all. */
}

static const struct pg_batch_codec finish_codec = {PG_RECONCILE_FINISH, finish_encode, finish_row,
                                                   NULL};

static void store_finish(struct reconcile_store *store, struct reconcile_finish *finish)
{
    pg_batch_start(pool_of(store), &finish_codec, &finish->call);
}

/* ---- The store ---- */

static const struct reconcile_store_ops ops = {
    .take = store_take,
    .compare = store_compare,
    .orders = store_orders,
    .finish = store_finish,
};

void reconcile_store_pg_init(struct reconcile_store_pg *store, struct pg_pool *pool)
{
    *store = (struct reconcile_store_pg){.base.ops = &ops, .pool = pool};
}
