/* Orders in memory: what the SQL of the real store does, in loops over an array. */
#include "fake/fake_order_store.h"

#include <assert.h>
#include <string.h>

static struct fake_order_store *fake_of(struct order_store *store)
{
    return CONTAINER_OF(store, struct fake_order_store, base);
}

/* ---- Rows ---------------------------------------------------------------------------------- */

struct order *fake_order_store_find(struct fake_order_store *store, const struct uuid *id)
{
    for (uint32_t i = 0; i < store->count; i++) {
        if (uuid_equal(&store->rows[i]->id, id))
            return store->rows[i];
    }
    return NULL;
}

static struct order *find_of_caller(struct fake_order_store *fake, const struct uuid *id,
                                    const char *caller)
{
    struct order *order = fake_order_store_find(fake, id);

    return order != NULL && strcmp(order->caller, caller) == 0 ? order : NULL;
}

static const char *copy_text(struct arena *arena, const char *text)
{
    const char *copy = arena_strdup(arena, text);

    assert(copy != NULL || text == NULL);
    return copy;
}

static struct address copy_address(const struct address *address, struct arena *arena)
{
    struct address copy = {
        .recipient = copy_text(arena, address->recipient),
        .line_count = address->line_count,
        .postal_code = copy_text(arena, address->postal_code),
        .locality = copy_text(arena, address->locality),
        .administrative_area = copy_text(arena, address->administrative_area),
        .region_code = copy_text(arena, address->region_code),
    };

    copy.lines = arena_array(arena, address->line_count, sizeof(*copy.lines));
    assert(copy.lines != NULL);
    for (uint32_t i = 0; i < address->line_count; i++)
        copy.lines[i] = copy_text(arena, address->lines[i]);
    return copy;
}

/* Events and failure are borrowed from the row: tests put constants there. */
static struct order *copy_order(const struct order *order, struct arena *arena)
{
    struct order *copy = arena_memdup(arena, order, sizeof(*order));

    assert(copy != NULL);
    copy->caller = copy_text(arena, order->caller);
    copy->customer_id = copy_text(arena, order->customer_id);
    copy->payment_id = copy_text(arena, order->payment_id);
    copy->shipment_id = copy_text(arena, order->shipment_id);
    copy->ship_to = copy_address(&order->ship_to, arena);
    copy->lines = arena_array(arena, order->line_count, sizeof(*copy->lines));
    assert(copy->lines != NULL);
    for (uint32_t i = 0; i < order->line_count; i++) {
        copy->lines[i] = order->lines[i];
        copy->lines[i].product_id = copy_text(arena, order->lines[i].product_id);
        copy->lines[i].name = copy_text(arena, order->lines[i].name);
    }
    return copy;
}

/* ---- Create -------------------------------------------------------------------------------- */

static void note_missing(struct order_create *create, const char *product_id)
{
    struct error *err = &create->call.err;

    if (!error_is_set(err)) {
        error_set(err, REASON_PRODUCT_NOT_FOUND);
        error_add_metadata(err, create->call.arena, "productId", product_id);
    }
    error_add_resource(err, create->call.arena, "shop.v1.Product", product_id);
}

static bool add_line(struct money *total, const struct order_line *line)
{
    int64_t price_minor;

    return !__builtin_mul_overflow(line->unit_price_minor, line->quantity, &price_minor) &&
           !__builtin_add_overflow(total->minor, price_minor, &total->minor);
}

/* Gives the lines their names and prices, and the order its total; or sets the error. */
static void price(struct fake_catalog_store *catalog, struct order *order,
                  struct order_create *create)
{
    struct error *err = &create->call.err;

    for (uint32_t i = 0; i < order->line_count; i++) {
        struct order_line *line = &order->lines[i];
        const struct product *product = fake_catalog_store_find(catalog, line->product_id);
        if (product == NULL) {
            note_missing(create, line->product_id);
            continue;
        }
        line->name = product->name;
        line->unit_price_minor = product->price.minor;
        if (order->total.currency[0] == '\0')
            memcpy(order->total.currency, product->price.currency, CURRENCY_SIZE);
        if (strcmp(order->total.currency, product->price.currency) != 0)
            error_set(err, REASON_CURRENCY_MIXED);
        else if (!add_line(&order->total, line))
            error_set(err, REASON_MONEY_OVERFLOW);
    }
    if (!error_is_set(err) && order->total.minor == 0)
        error_set(err, REASON_ORDER_TOTAL_ZERO);
}

static void create_new(struct fake_order_store *fake, struct order_create *create)
{
    struct order *order = copy_order(create->order, fake->arena);

    order->total = (struct money){0};
    price(fake->catalog, order, create);
    if (error_is_set(&create->call.err))
        return;
    order->state = ORDER_PENDING;
    order->revision = 1;
    order->create_time_us = clock_unix_us(fake->completion.clock);
    order->update_time_us = order->create_time_us;
    assert(fake->count < FAKE_ORDERS_MAX);
    fake_keys_add(&fake->keys, create->idempotency, fake->count);
    fake->rows[fake->count++] = order;
    create->created = copy_order(order, create->call.arena);
}

static void fake_create(struct order_store *store, struct order_create *create)
{
    struct fake_order_store *fake = fake_of(store);
    uint32_t object = 0;

    if (!fake_completion_begin(&fake->completion, &create->call))
        return;
    switch (fake_keys_find(&fake->keys, create->idempotency, &object)) {
    case FAKE_KEY_NEW:
        if (create->only_replay)
            error_set(&create->call.err, REASON_ORDER_NOT_FOUND);
        else
            create_new(fake, create);
        break;
    case FAKE_KEY_REPEATED:
        create->replayed = true;
        create->created = copy_order(fake->rows[object], create->call.arena);
        break;
    case FAKE_KEY_REUSED:
        error_set(&create->call.err, REASON_REQUEST_ID_REUSED);
        break;
    }
    fake_completion_end(&fake->completion, &create->call);
}

/* ---- Get, list ----------------------------------------------------------------------------- */

static void fake_get(struct order_store *store, struct order_get *get)
{
    struct fake_order_store *fake = fake_of(store);
    const struct order *order = find_of_caller(fake, &get->id, get->caller);

    get->order = NULL;
    get->unchanged = false;
    if (!fake_completion_begin(&fake->completion, &get->call))
        return;
    if (order == NULL)
        error_set(&get->call.err, REASON_ORDER_NOT_FOUND);
    else if (get->after_revision > 0 && order->revision <= get->after_revision)
        get->unchanged = true;
    else
        get->order = copy_order(order, get->call.arena);
    fake_completion_end(&fake->completion, &get->call);
}

static bool is_listed(const struct order *order, const struct order_list *list,
                      const struct uuid *before)
{
    if (!uuid_is_zero(before) && uuid_compare(&order->id, before) >= 0)
        return false;
    if (list->customer_id[0] != '\0' && strcmp(order->customer_id, list->customer_id) != 0)
        return false;
    if (list->state != ORDER_STATE_UNSPECIFIED && order->state != list->state)
        return false;
    return strcmp(order->caller, list->caller) == 0;
}

/* The newest order before `before`; NULL when there is none. */
static const struct order *next_order(const struct fake_order_store *fake,
                                      const struct order_list *list, const struct uuid *before)
{
    const struct order *next = NULL;

    for (uint32_t i = 0; i < fake->count; i++) {
        const struct order *order = fake->rows[i];
        if (is_listed(order, list, before) &&
            (next == NULL || uuid_compare(&order->id, &next->id) > 0))
            next = order;
    }
    return next;
}

static void fake_list(struct order_store *store, struct order_list *list)
{
    struct fake_order_store *fake = fake_of(store);
    struct uuid before = list->before_id;
    const struct order *order;

    if (!fake_completion_begin(&fake->completion, &list->call))
        return;
    list->orders = arena_array(list->call.arena, list->limit, sizeof(*list->orders));
    assert(list->orders != NULL);
    list->count = 0;
    while ((order = next_order(fake, list, &before)) != NULL && list->count < list->limit) {
        before = order->id;
        list->orders[list->count++] = copy_order(order, list->call.arena);
    }
    list->has_more = order != NULL;
    fake_completion_end(&fake->completion, &list->call);
}

/* ---- Cancel -------------------------------------------------------------------------------- */

/* The fate of orders that are worked on is their driver's, so a wish changes nothing of them here. */
static void wish(struct order *order, struct order_cancel *cancel)
{
    if (order->state == ORDER_FULFILLED) {
        error_set(&cancel->call.err, REASON_ORDER_STATE_INVALID);
    } else if (order->state == ORDER_PENDING || order->state == ORDER_FAILED) {
        order->state = ORDER_CANCELLED;
        order->revision++;
    }
}

static uint32_t place_of(const struct fake_order_store *fake, const struct order *order)
{
    uint32_t i = 0;

    while (fake->rows[i] != order)
        i++;
    return i;
}

static void cancel_found(struct fake_order_store *fake, struct order *order,
                         struct order_cancel *cancel)
{
    struct error *err = &cancel->call.err;
    uint32_t object = place_of(fake, order);

    switch (fake_keys_find(&fake->keys, cancel->idempotency, &object)) {
    case FAKE_KEY_NEW:
        wish(order, cancel);
        if (!error_is_set(err)) /* what changed nothing leaves no key */
            fake_keys_add(&fake->keys, cancel->idempotency, object);
        break;
    case FAKE_KEY_REPEATED:
        cancel->replayed = true;
        break;
    case FAKE_KEY_REUSED:
        error_set(err, REASON_REQUEST_ID_REUSED);
        break;
    }
    if (!error_is_set(err))
        cancel->order = copy_order(order, cancel->call.arena);
}

static void fake_wish_cancel(struct order_store *store, struct order_cancel *cancel)
{
    struct fake_order_store *fake = fake_of(store);
    struct order *order = find_of_caller(fake, &cancel->id, cancel->caller);

    if (!fake_completion_begin(&fake->completion, &cancel->call))
        return;
    if (order == NULL)
        error_set(&cancel->call.err, REASON_ORDER_NOT_FOUND);
    else
        cancel_found(fake, order, cancel);
    fake_completion_end(&fake->completion, &cancel->call);
}

/* ---- Life cycle ---------------------------------------------------------------------------- */

void fake_order_store_init(struct fake_order_store *store, struct fake_catalog_store *catalog,
                           struct clock *clock)
{
    static const struct order_store_ops ops = {
        .create = fake_create, .get = fake_get, .list = fake_list, .wish_cancel = fake_wish_cancel};

    *store = (struct fake_order_store){.base.ops = &ops, .catalog = catalog};
    store->arena = arena_new(64 * 1024 * 1024);
    assert(store->arena != NULL);
    fake_completion_init(&store->completion, clock);
}

void fake_order_store_deinit(struct fake_order_store *store)
{
    arena_free(store->arena);
    store->arena = NULL;
}
