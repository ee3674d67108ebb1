/* A catalogue in memory: what the SQL of the real one does, in loops over an array. */
#include "fake/fake_catalog_store.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct fake_catalog_store *fake_of(struct catalog_store *store)
{
    return CONTAINER_OF(store, struct fake_catalog_store, base);
}

/* ---- Rows ---------------------------------------------------------------------------------- */

static struct fake_product *row_find(struct fake_catalog_store *fake, const char *id)
{
    for (uint32_t i = 0; i < fake->count; i++) {
        if (strcmp(fake->rows[i].product.id, id) == 0)
            return &fake->rows[i];
    }
    return NULL;
}

struct product *fake_catalog_store_find(struct fake_catalog_store *store, const char *id)
{
    struct fake_product *row = row_find(store, id);

    return row == NULL || row->is_deleted ? NULL : &row->product;
}

static const char *copy_text(struct arena *arena, const char *text)
{
    const char *copy = arena_strdup(arena, text == NULL ? "" : text);

    assert(copy != NULL);
    return copy;
}

static struct product *copy_product(const struct product *product, struct arena *arena)
{
    struct product *copy = arena_memdup(arena, product, sizeof(*product));

    assert(copy != NULL);
    copy->id = copy_text(arena, product->id);
    copy->name = copy_text(arena, product->name);
    copy->description = copy_text(arena, product->description);
    copy->category = copy_text(arena, product->category);
    return copy;
}

void fake_catalog_store_put(struct fake_catalog_store *store, const struct product *product)
{
    struct fake_product *row = &store->rows[store->count];

    assert(store->count < FAKE_PRODUCTS_MAX);
    assert(row_find(store, product->id) == NULL);
    store->count++;
    *row = (struct fake_product){.product = *copy_product(product, store->arena)};
    if (row->product.version == 0)
        row->product.version = 1;
    if (row->product.create_time_us == 0) {
        row->product.create_time_us = clock_unix_us(store->completion.clock);
        row->product.update_time_us = row->product.create_time_us;
    }
}

/* ---- Operations ---------------------------------------------------------------------------- */

static void fake_get(struct catalog_store *store, struct catalog_get *get)
{
    struct fake_catalog_store *fake = fake_of(store);

    if (!fake_completion_begin(&fake->completion, &get->call))
        return;
    get->products = arena_array(get->call.arena, get->count, sizeof(*get->products));
    assert(get->products != NULL);
    for (uint32_t i = 0; i < get->count; i++) {
        const struct product *product = fake_catalog_store_find(fake, get->ids[i]);
        if (product != NULL)
            get->products[i] = copy_product(product, get->call.arena);
    }
    fake_completion_end(&fake->completion, &get->call);
}

/* The product with the smallest id behind `after_id`; NULL when there is none. */
static const struct product *next_product(const struct fake_catalog_store *fake,
                                          const char *category, const char *after_id)
{
    const struct product *next = NULL;

    for (uint32_t i = 0; i < fake->count; i++) {
        const struct product *product = &fake->rows[i].product;
        if (fake->rows[i].is_deleted || strcmp(product->id, after_id) <= 0)
            continue;
        if (category[0] != '\0' && strcmp(product->category, category) != 0)
            continue;
        if (next == NULL || strcmp(product->id, next->id) < 0)
            next = product;
    }
    return next;
}

static void fake_list(struct catalog_store *store, struct catalog_list *list)
{
    struct fake_catalog_store *fake = fake_of(store);
    const char *after_id = list->after_id;
    const struct product *product;

    if (!fake_completion_begin(&fake->completion, &list->call))
        return;
    list->products = arena_array(list->call.arena, list->limit, sizeof(*list->products));
    assert(list->products != NULL);
    list->count = 0;
    for (uint32_t i = 0; (product = next_product(fake, list->category, after_id)) != NULL; i++) {
        after_id = product->id;
        if (i < list->offset)
            continue;
        if (list->count == list->limit)
            break;
        list->products[list->count++] = copy_product(product, list->call.arena);
    }
    list->has_more = product != NULL;
    fake_completion_end(&fake->completion, &list->call);
}

static void fake_create(struct catalog_store *store, struct catalog_create *create)
{
    struct fake_catalog_store *fake = fake_of(store);
    enum fake_key_result known;
    struct product product = *create->product;
    uint32_t object = fake->count;

    if (!fake_completion_begin(&fake->completion, &create->call))
        return;
    known = fake_keys_find(&fake->keys, create->idempotency, &object);
    if (known == FAKE_KEY_REUSED) {
        error_set(&create->call.err, REASON_REQUEST_ID_REUSED);
    } else if (known == FAKE_KEY_REPEATED) {
        create->replayed = true;
        if (fake->rows[object].is_deleted)
            error_set(&create->call.err, REASON_PRODUCT_NOT_FOUND);
    } else if (row_find(fake, product.id) != NULL) {
        error_set(&create->call.err, REASON_PRODUCT_ALREADY_EXISTS);
    } else {
        product.available = create->initial_stock;
        fake_catalog_store_put(fake, &product);
        fake_keys_add(&fake->keys, create->idempotency, object);
    }
    if (!error_is_set(&create->call.err))
        create->created = copy_product(&fake->rows[object].product, create->call.arena);
    fake_completion_end(&fake->completion, &create->call);
}

/* The product to be changed, or NULL with the error set. */
static struct product *find_version(struct fake_catalog_store *fake, const char *id,
                                    int64_t version_expected, struct error *err)
{
    struct product *product = fake_catalog_store_find(fake, id);

    if (product == NULL) {
        error_set(err, REASON_PRODUCT_NOT_FOUND);
    } else if (version_expected != 0 && version_expected != product->version) {
        error_set(err, REASON_ETAG_MISMATCH);
        return NULL;
    }
    return product;
}

static void fake_update(struct catalog_store *store, struct catalog_update *update)
{
    struct fake_catalog_store *fake = fake_of(store);
    const struct product *source = update->product;
    struct product *product;

    if (!fake_completion_begin(&fake->completion, &update->call))
        return;
    product = find_version(fake, source->id, update->version_expected, &update->call.err);
    if (product != NULL) {
        if (update->mask & PRODUCT_NAME)
            product->name = copy_text(fake->arena, source->name);
        if (update->mask & PRODUCT_DESCRIPTION)
            product->description = copy_text(fake->arena, source->description);
        if (update->mask & PRODUCT_CATEGORY)
            product->category = copy_text(fake->arena, source->category);
        if (update->mask & PRODUCT_PRICE)
            product->price = source->price;
        if (update->mask != 0)
            product->version++;
        update->updated = copy_product(product, update->call.arena);
    }
    fake_completion_end(&fake->completion, &update->call);
}

static void fake_remove(struct catalog_store *store, struct catalog_delete *remove)
{
    struct fake_catalog_store *fake = fake_of(store);

    if (!fake_completion_begin(&fake->completion, &remove->call))
        return;
    if (find_version(fake, remove->id, remove->version_expected, &remove->call.err) != NULL)
        row_find(fake, remove->id)->is_deleted = true;
    fake_completion_end(&fake->completion, &remove->call);
}

static void refuse_below_zero(struct catalog_adjust *adjust, int64_t available)
{
    char text[24];

    error_set(&adjust->call.err, REASON_STOCK_BELOW_ZERO);
    snprintf(text, sizeof(text), "%" PRId64, available);
    error_add_metadata(&adjust->call.err, adjust->call.arena, "available", text);
    snprintf(text, sizeof(text), "%" PRId64, adjust->delta);
    error_add_metadata(&adjust->call.err, adjust->call.arena, "delta", text);
}

static void adjust_stock(struct fake_catalog_store *fake, struct catalog_adjust *adjust)
{
    struct fake_product *row = row_find(fake, adjust->id);
    int64_t available;

    if (row == NULL || row->is_deleted) {
        error_set(&adjust->call.err, REASON_PRODUCT_NOT_FOUND);
    } else if (__builtin_add_overflow(row->product.available, adjust->delta, &available)) {
        error_set(&adjust->call.err, REASON_STOCK_OVERFLOW);
    } else if (available < 0) {
        refuse_below_zero(adjust, row->product.available);
    } else {
        row->product.available = available;
        fake_keys_add(&fake->keys, adjust->idempotency, (uint32_t)(row - fake->rows));
        adjust->adjusted = copy_product(&row->product, adjust->call.arena);
    }
}

static void fake_adjust(struct catalog_store *store, struct catalog_adjust *adjust)
{
    struct fake_catalog_store *fake = fake_of(store);
    uint32_t object = 0;

    if (!fake_completion_begin(&fake->completion, &adjust->call))
        return;
    switch (fake_keys_find(&fake->keys, adjust->idempotency, &object)) {
    case FAKE_KEY_NEW:
        adjust_stock(fake, adjust);
        break;
    case FAKE_KEY_REPEATED:
        adjust->replayed = true;
        adjust->adjusted = copy_product(&fake->rows[object].product, adjust->call.arena);
        break;
    case FAKE_KEY_REUSED:
        error_set(&adjust->call.err, REASON_REQUEST_ID_REUSED);
        break;
    }
    fake_completion_end(&fake->completion, &adjust->call);
}

/* ---- Life cycle ---------------------------------------------------------------------------- */

void fake_catalog_store_init(struct fake_catalog_store *store, struct clock *clock)
{
    static const struct catalog_store_ops ops = {.get = fake_get,
                                                 .list = fake_list,
                                                 .create = fake_create,
                                                 .update = fake_update,
                                                 .remove = fake_remove,
                                                 .adjust = fake_adjust};

    *store = (struct fake_catalog_store){.base.ops = &ops};
    store->arena = arena_new(16 * 1024 * 1024);
    assert(store->arena != NULL);
    fake_completion_init(&store->completion, clock);
}

void fake_catalog_store_deinit(struct fake_catalog_store *store)
{
    arena_free(store->arena);
    store->arena = NULL;
}
