/* The catalogue over PostgreSQL: each operation as parameters and rows of its statement. Not for
 * deciding anything: the statement decides, in sql/0002_catalog.sql. */
#include "base/limits.h"
#include "store/pg_key.h"
#include "store/store_pg.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Columns of a write: ord, result, replayed, then the product. */
enum {
    RESULT = 1,
    REPLAYED = 2,
    WRITTEN_PRODUCT = 3
};

static struct catalog_store_pg *store_of(struct catalog_store *base)
{
    return CONTAINER_OF(base, struct catalog_store_pg, base);
}

static void fail(struct store_call *call, enum reason reason)
{
    error_set(&call->err, reason);
}

/* ---- A product ---- */

enum product_column {
    ID,
    NAME,
    DESCRIPTION,
    CATEGORY,
    PRICE_MINOR,
    CURRENCY,
    AVAILABLE,
    VERSION,
    CREATE_TIME,
    UPDATE_TIME
};

/* NULL when the arena is full. */
static struct product *product_read(const struct pg_row *row, int first, struct arena *arena)
{
    struct product *product = ARENA_NEW(arena, struct product);
    const char *currency = pg_get_text(row, first + CURRENCY, arena);

    if (product == NULL || currency == NULL)
        return NULL;
    *product = (struct product){
        .id = pg_get_text(row, first + ID, arena),
        .name = pg_get_text(row, first + NAME, arena),
        .description = pg_get_text(row, first + DESCRIPTION, arena),
        .category = pg_get_text(row, first + CATEGORY, arena),
        .price.minor = pg_get_int8(row, first + PRICE_MINOR),
        .available = pg_get_int8(row, first + AVAILABLE),
        .version = pg_get_int8(row, first + VERSION),
        .create_time_us = pg_get_time_us(row, first + CREATE_TIME),
        .update_time_us = pg_get_time_us(row, first + UPDATE_TIME),
    };
    assert(strlen(currency) == CURRENCY_SIZE - 1);
    memcpy(product->price.currency, currency, CURRENCY_SIZE);
    if (product->id == NULL || product->name == NULL || product->description == NULL ||
        product->category == NULL)
        return NULL;
    return product;
}

static void fail_not_found(struct store_call *call, const char *id)
{
    fail(call, REASON_PRODUCT_NOT_FOUND);
    error_add_resource(&call->err, call->arena, "shop.v1.Product", id);
}

/* NOT_FOUND is not among them, since it also says which product. */
static const struct refusal_row {
    const char *result;
    enum reason reason;
} refusals[] = {
    {"EXISTS", REASON_PRODUCT_ALREADY_EXISTS}, {"ETAG_MISMATCH", REASON_ETAG_MISMATCH},
    {"KEY_REUSED", REASON_REQUEST_ID_REUSED},  {"BELOW_ZERO", REASON_STOCK_BELOW_ZERO},
    {"OVERFLOW", REASON_STOCK_OVERFLOW},
};

static enum reason reason_of_refusal(const char *result)
{
    size_t i = 0;
    while (strcmp(refusals[i].result, result) != 0) {
        i++;
        assert(i < COUNT_OF(refusals)); /* the functions of 0002_catalog.sql give no other */
    }
    return refusals[i].reason;
}

/* Whether it was carried out; else the call has its error. */
static bool check_result(struct store_call *call, const struct pg_row *row, const char *id)
{
    const char *result = pg_get_text(row, RESULT, call->arena);

    if (result == NULL) {
        fail(call, REASON_OUT_OF_MEMORY);
        call->maybe_done = true;
        return false;
    }
    if (strcmp(result, "OK") == 0)
        return true;
    if (strcmp(result, "NOT_FOUND") == 0) {
        fail_not_found(call, id);
        return false;
    }
    fail(call, reason_of_refusal(result));
    return false;
}

/* The product of a write that was carried out, or repeated on one that was deleted since. */
static struct product *written_product(struct store_call *call, const struct pg_row *row,
                                       const char *id)
{
    if (!check_result(call, row, id))
        return NULL;
    if (pg_is_null(row, WRITTEN_PRODUCT + ID)) {
        fail_not_found(call, id);
        return NULL;
    }
    struct product *product = product_read(row, WRITTEN_PRODUCT, call->arena);
    if (product == NULL) {
        fail(call, REASON_OUT_OF_MEMORY);
        call->maybe_done = true;
    }
    return product;
}

/* ---- get ---- */

static void get_encode(struct store_call *call, uint32_t ord, struct pg_params *params)
{
    const struct catalog_get *get = CONTAINER_OF(call, struct catalog_get, call);

    for (uint32_t i = 0; i < get->count; i++) {
        pg_put_int4(params, 0, (int32_t)ord);
        pg_put_int4(params, 1, (int32_t)i);
        pg_put_text(params, 2, get->ids[i]);
    }
}

static void get_prepare(struct catalog_get *get)
{
    if (get->products == NULL)
        get->products = ARENA_POINTERS(get->call.arena, get->count);
    if (get->products == NULL)
        fail(&get->call, REASON_OUT_OF_MEMORY);
}

static void get_row(struct store_call *call, const struct pg_row *row)
{
    struct catalog_get *get = CONTAINER_OF(call, struct catalog_get, call);
    uint32_t place = (uint32_t)pg_get_int4(row, 1);

    assert(place < get->count);
    get_prepare(get);
    if (get->products == NULL)
        return;
    get->products[place] = product_read(row, 2, call->arena);
    if (get->products[place] == NULL)
        fail(call, REASON_OUT_OF_MEMORY);
}

static void get_end(struct store_call *call)
{
    get_prepare(CONTAINER_OF(call, struct catalog_get, call));
}

static const struct pg_batch_codec get_codec = {PG_PRODUCTS_GET, get_encode, get_row, get_end};

static void store_get(struct catalog_store *store, struct catalog_get *get)
{
    get->products = NULL;
    pg_batch_start(store_of(store)->pool, &get_codec, &get->call);
}

/* ---- list ---- */

static void list_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct catalog_list *list = CONTAINER_OF(call, struct catalog_list, call);

    pg_put_text(params, 0, list->category);
    pg_put_text(params, 1, list->after_id);
    pg_put_int4(params, 2, (int32_t)list->offset);
    pg_put_int4(params, 3, (int32_t)list->limit);
}

static void list_row(struct store_call *call, const struct pg_row *row)
{
    struct catalog_list *list = CONTAINER_OF(call, struct catalog_list, call);

    if (list->count == list->limit) {
        list->has_more = true;
        return;
    }
    if (list->products == NULL)
        list->products = ARENA_POINTERS(call->arena, list->limit);
    struct product *product = list->products == NULL ? NULL : product_read(row, 1, call->arena);
    if (product == NULL) {
        fail(call, REASON_OUT_OF_MEMORY);
        return;
    }
    list->products[list->count++] = product;
}

static const struct pg_batch_codec list_codec = {PG_PRODUCTS_LIST, list_encode, list_row, NULL};

static void store_list(struct catalog_store *store, struct catalog_list *list)
{
    assert(list->limit > 0 && list->offset <= LIMIT_PAGE_OFFSET);
    list->products = NULL;
    list->count = 0;
    list->has_more = false;
    pg_batch_start(store_of(store)->pool, &list_codec, &list->call);
}

/* ---- create ---- */

static void create_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct catalog_create *create = CONTAINER_OF(call, struct catalog_create, call);
    const struct product *product = create->product;

    pg_put_text(params, 0, product->id);
    pg_put_text(params, 1, product->name);
    pg_put_text(params, 2, product->description);
    pg_put_text(params, 3, product->category);
    pg_put_int8(params, 4, product->price.minor);
    pg_put_text(params, 5, product->price.currency);
    pg_put_int8(params, 6, create->initial_stock);
    pg_put_uuid(params, 7, &create->identity);
    pg_put_key(params, 8, create->idempotency);
}

static void create_row(struct store_call *call, const struct pg_row *row)
{
    struct catalog_create *create = CONTAINER_OF(call, struct catalog_create, call);

    create->created = written_product(call, row, create->product->id);
    create->replayed = create->created != NULL && pg_get_bool(row, REPLAYED);
}

static const struct pg_batch_codec create_codec = {PG_PRODUCT_CREATE, create_encode, create_row,
                                                   NULL};

static void store_create(struct catalog_store *store, struct catalog_create *create)
{
    random_fill(store_of(store)->random, create->identity.bytes, sizeof(create->identity.bytes));
    pg_batch_start(store_of(store)->pool, &create_codec, &create->call);
}

/* ---- update ---- */

/* Fields that the mask does not name may be unset. */
static const char *text_or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

static void update_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct catalog_update *update = CONTAINER_OF(call, struct catalog_update, call);
    const struct product *product = update->product;

    pg_put_text(params, 0, product->id);
    pg_put_int4(params, 1, (int32_t)update->mask);
    pg_put_text(params, 2, text_or_empty(product->name));
    pg_put_text(params, 3, text_or_empty(product->description));
    pg_put_text(params, 4, text_or_empty(product->category));
    pg_put_int8(params, 5, product->price.minor);
    pg_put_text(params, 6, product->price.currency);
    pg_put_int8(params, 7, update->version_expected);
}

static void update_row(struct store_call *call, const struct pg_row *row)
{
    struct catalog_update *update = CONTAINER_OF(call, struct catalog_update, call);

    update->updated = written_product(call, row, update->product->id);
}

static const struct pg_batch_codec update_codec = {PG_PRODUCT_UPDATE, update_encode, update_row,
                                                   NULL};

static void store_update(struct catalog_store *store, struct catalog_update *update)
{
    assert((update->mask & ~(uint32_t)PRODUCT_FIELDS_ALL) == 0);
    pg_batch_start(store_of(store)->pool, &update_codec, &update->call);
}

/* ---- remove ---- */

static void remove_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct catalog_delete *remove = CONTAINER_OF(call, struct catalog_delete, call);

    pg_put_text(params, 0, remove->id);
    pg_put_int8(params, 1, remove->version_expected);
}

static void remove_row(struct store_call *call, const struct pg_row *row)
{
    const struct catalog_delete *remove = CONTAINER_OF(call, struct catalog_delete, call);

    (void)check_result(call, row, remove->id);
}

static const struct pg_batch_codec remove_codec = {PG_PRODUCT_DELETE, remove_encode, remove_row,
                                                   NULL};

static void store_remove(struct catalog_store *store, struct catalog_delete *remove)
{
    pg_batch_start(store_of(store)->pool, &remove_codec, &remove->call);
}

/* ---- adjust ---- */

static void adjust_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct catalog_adjust *adjust = CONTAINER_OF(call, struct catalog_adjust, call);

    pg_put_text(params, 0, adjust->id);
    pg_put_int8(params, 1, adjust->delta);
    pg_put_uuid(params, 2, &adjust->identity);
    pg_put_key(params, 3, adjust->idempotency);
}

/* How much there is, beside how much was asked for. Nothing when the product was deleted between
 * the decision and the reading of the row. */
static void add_stock(struct store_call *call, const struct pg_row *row, int64_t delta)
{
    char text[32];

    if (pg_is_null(row, WRITTEN_PRODUCT + AVAILABLE))
        return;
    snprintf(text, sizeof(text), "%lld", (long long)pg_get_int8(row, WRITTEN_PRODUCT + AVAILABLE));
    error_add_metadata(&call->err, call->arena, "available", text);
    snprintf(text, sizeof(text), "%lld", (long long)delta);
    error_add_metadata(&call->err, call->arena, "delta", text);
}

static void adjust_row(struct store_call *call, const struct pg_row *row)
{
    struct catalog_adjust *adjust = CONTAINER_OF(call, struct catalog_adjust, call);

    adjust->adjusted = written_product(call, row, adjust->id);
    adjust->replayed = adjust->adjusted != NULL && pg_get_bool(row, REPLAYED);
    if (call->err.reason == REASON_STOCK_BELOW_ZERO || call->err.reason == REASON_STOCK_OVERFLOW)
        add_stock(call, row, adjust->delta);
}

static const struct pg_batch_codec adjust_codec = {PG_STOCK_ADJUST, adjust_encode, adjust_row,
                                                   NULL};

static void store_adjust(struct catalog_store *store, struct catalog_adjust *adjust)
{
    random_fill(store_of(store)->random, adjust->identity.bytes, sizeof(adjust->identity.bytes));
    pg_batch_start(store_of(store)->pool, &adjust_codec, &adjust->call);
}

/* ---- The store ---- */

static const struct catalog_store_ops ops = {
    .get = store_get,
    .list = store_list,
    .create = store_create,
    .update = store_update,
    .remove = store_remove,
    .adjust = store_adjust,
};

void catalog_store_pg_init(struct catalog_store_pg *store, struct pg_pool *pool,
                           struct random_source *random)
{
    *store = (struct catalog_store_pg){.base.ops = &ops, .pool = pool, .random = random};
}
