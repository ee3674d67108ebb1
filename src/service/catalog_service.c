/* shop.v1.Catalog: each method checks its request, asks the store once, and presents what it says.
 * Not for SQL, and not for how a message came in. */
#include <string.h>

#include "base/limits.h"
#include "service/answer.h"
#include "service/catalog_validate.h"
#include "service/fingerprint.h"
#include "service/present.h"
#include "service/service.h"
#include "service/validate.h"

static const char PAGE_PURPOSE[] = "products";

static void answer_product(struct call *call, const struct product *product)
{
    Shop__V1__Product *reply = present_product(product, call->arena);

    answer_reply(call, reply == NULL ? NULL : &reply->base);
}

static void answer_product_error(const struct service *service, struct call *call,
                                 struct store_call *store_call, const char *id, enum repeat repeat)
{
    error_name_product(&store_call->err, call->arena, id);
    answer_store_error(service, call, store_call, repeat);
}

/* ---- GetProduct ---------------------------------------------------------------------------- */

struct get_product {
    struct call *call;
    struct service *service;
    const char *id;
    struct catalog_get get;
};

static void catalog_get_product_read(struct store_call *store_call);

void catalog_get_product(struct service *service, struct call *call)
{
    const Shop__V1__GetProductRequest *request =
        (const Shop__V1__GetProductRequest *)(const void *)call->request;
    struct get_product *state = ANSWER_STATE(call, struct get_product);

    if (state == NULL)
        return;
    if (validate_get_product(request, call->arena, &call->err) != STATUS_OK) {
        call_fail(call);
        return;
    }
    *state = (struct get_product){.call = call, .service = service, .id = request->id};
    state->get = (struct catalog_get){
        .call = answer_store_call(call, catalog_get_product_read), .ids = &state->id, .count = 1};
    service->catalog_store->ops->get(service->catalog_store, &state->get);
}

static void catalog_get_product_read(struct store_call *store_call)
{
    struct get_product *state = CONTAINER_OF(store_call, struct get_product, get.call);
    struct call *call = state->call;

    if (!error_is_set(&store_call->err) && state->get.products[0] == NULL)
        error_setf(&store_call->err, REASON_PRODUCT_NOT_FOUND, "there is no product %s", state->id);
    if (error_is_set(&store_call->err))
        answer_product_error(state->service, call, store_call, state->id, REPEAT_SAFE);
    else
        answer_product(call, state->get.products[0]);
}

/* ---- BatchGetProducts ---------------------------------------------------------------------- */

struct batch_get_products {
    struct call *call;
    struct service *service;
    struct catalog_get get;
};

static void catalog_batch_get_products_read(struct store_call *store_call);

void catalog_batch_get_products(struct service *service, struct call *call)
{
    const Shop__V1__BatchGetProductsRequest *request =
        (const Shop__V1__BatchGetProductsRequest *)(const void *)call->request;
    struct batch_get_products *state = ANSWER_STATE(call, struct batch_get_products);

    if (state == NULL)
        return;
    if (validate_batch_get_products(request, call->arena, &call->err) != STATUS_OK) {
        call_fail(call);
        return;
    }
    *state = (struct batch_get_products){.call = call, .service = service};
    state->get = (struct catalog_get){
        .call = answer_store_call(call, catalog_batch_get_products_read),
        .ids = (const char *const *)request->ids,
        .count = (uint32_t)request->n_ids,
    };
    service->catalog_store->ops->get(service->catalog_store, &state->get);
}

/* All that are missing are named, not only the first. */
static void note_missing(struct error *err, struct arena *arena, const char *id)
{
    if (!error_is_set(err))
        error_setf(err, REASON_PRODUCT_NOT_FOUND, "there is no product %s", id);
    error_add_resource(err, arena, "shop.v1.Product", id);
    error_name(err, arena, "productId", id);
}

static void catalog_batch_get_products_read(struct store_call *store_call)
{
    struct batch_get_products *state =
        CONTAINER_OF(store_call, struct batch_get_products, get.call);
    struct call *call = state->call;
    Shop__V1__BatchGetProductsResponse *reply;
    struct error missing = {0};

    if (error_is_set(&store_call->err)) {
        answer_store_error(state->service, call, store_call, REPEAT_SAFE);
        return;
    }
    reply = ARENA_NEW(call->arena, Shop__V1__BatchGetProductsResponse);
    if (reply != NULL) {
        shop__v1__batch_get_products_response__init(reply);
        reply->products = ARENA_POINTERS(call->arena, state->get.count);
    }
    if (reply == NULL || reply->products == NULL) {
        answer_reason(call, REASON_OUT_OF_MEMORY);
        return;
    }
    for (uint32_t i = 0; i < state->get.count; i++) {
        Shop__V1__Product *product;
        if (state->get.products[i] == NULL) {
            note_missing(&missing, call->arena, state->get.ids[i]);
            continue;
        }
        product = present_product(state->get.products[i], call->arena);
        if (product == NULL) {
            answer_reason(call, REASON_OUT_OF_MEMORY);
            return;
        }
        reply->products[reply->n_products++] = product;
    }
    if (error_is_set(&missing))
        answer_error(call, &missing);
    else
        answer_reply(call, &reply->base);
}

/* ---- ListProducts -------------------------------------------------------------------------- */

struct list_products {
    struct call *call;
    struct service *service;
    struct page_request page;
    struct catalog_list list;
};

static void catalog_list_products_read(struct store_call *store_call);

/* The position in the token; "" for the first page. */
static enum reason read_position(const struct list_products *state, const char *category,
                                 const char **out_after_id)
{
    const char *token = state->page.token;

    *out_after_id = "";
    if (token[0] == '\0')
        return REASON_NONE;
    return page_token_read(state->service->page_key, PAGE_PURPOSE, category, token,
                           state->call->arena, out_after_id);
}

void catalog_list_products(struct service *service, struct call *call)
{
    const Shop__V1__ListProductsRequest *request =
        (const Shop__V1__ListProductsRequest *)(const void *)call->request;
    struct list_products *state = ANSWER_STATE(call, struct list_products);
    const char *after_id;
    enum reason bad;

    if (state == NULL)
        return;
    *state = (struct list_products){.call = call, .service = service};
    if (validate_list_products(request, call->arena, &state->page, &call->err) != STATUS_OK) {
        call_fail(call);
        return;
    }
    if (!service->page_key_set) {
        answer_reason(call, REASON_STORE_UNAVAILABLE);
        return;
    }
    bad = read_position(state, request->category, &after_id);
    if (bad != REASON_NONE) {
        answer_reason(call, bad);
        return;
    }
    state->list = (struct catalog_list){
        .call = answer_store_call(call, catalog_list_products_read),
        .category = request->category,
        .after_id = after_id,
        .offset = state->page.offset,
        .limit = state->page.limit,
    };
    service->catalog_store->ops->list(service->catalog_store, &state->list);
}

/* Presents products until the page is full. A page behind a token may end before the limit, since the
 * next one begins where it ended; one by number may not, or its rest would stand on no page (100
 * products of the largest size are 1.7 MB, which clients accept). False when the arena is full. */
static bool present_page(const struct list_products *state, Shop__V1__ListProductsResponse *reply)
{
    size_t size = 0;

    for (uint32_t i = 0; i < state->list.count; i++) {
        Shop__V1__Product *product = present_product(state->list.products[i], state->call->arena);
        if (product == NULL)
            return false;
        size += shop__v1__product__get_packed_size(product);
        if (size > LIMIT_REPLY_SIZE && i > 0 && !state->page.is_numbered)
            return true;
        reply->products[reply->n_products++] = product;
    }
    return true;
}

static Shop__V1__ListProductsResponse *present_list(const struct list_products *state)
{
    struct arena *arena = state->call->arena;
    Shop__V1__ListProductsResponse *reply = ARENA_NEW(arena, Shop__V1__ListProductsResponse);

    if (reply == NULL)
        return NULL;
    shop__v1__list_products_response__init(reply);
    reply->products = ARENA_POINTERS(arena, state->list.count);
    if (reply->products == NULL || !present_page(state, reply))
        return NULL;
    if (reply->n_products > 0 && (state->list.has_more || reply->n_products < state->list.count)) {
        const struct product *last = state->list.products[reply->n_products - 1];
        reply->next_page_token = page_token_make(state->service->page_key, PAGE_PURPOSE,
                                                 state->list.category, last->id, arena);
        if (reply->next_page_token == NULL)
            return NULL;
    }
    return reply;
}

static void catalog_list_products_read(struct store_call *store_call)
{
    struct list_products *state = CONTAINER_OF(store_call, struct list_products, list.call);
    Shop__V1__ListProductsResponse *reply;

    if (error_is_set(&store_call->err)) {
        answer_store_error(state->service, state->call, store_call, REPEAT_SAFE);
        return;
    }
    reply = present_list(state);
    answer_reply(state->call, reply == NULL ? NULL : &reply->base);
}

/* ---- CreateProduct ------------------------------------------------------------------------- */

struct create_product {
    struct call *call;
    struct service *service;
    struct product product;
    struct idempotency idempotency;
    struct catalog_create create;
};

static void catalog_create_product_written(struct store_call *store_call);

void catalog_create_product(struct service *service, struct call *call)
{
    const Shop__V1__CreateProductRequest *request =
        (const Shop__V1__CreateProductRequest *)(const void *)call->request;
    struct create_product *state = ANSWER_STATE(call, struct create_product);

    if (state == NULL)
        return;
    *state = (struct create_product){.call = call, .service = service};
    if (validate_create_product(request, call->arena, &state->product, &call->err) != STATUS_OK) {
        call_fail(call);
        return;
    }
    if (!idempotency_of_call(call, "CreateProduct", &state->idempotency)) {
        answer_reason(call, REASON_OUT_OF_MEMORY);
        return;
    }
    state->create = (struct catalog_create){
        .call = answer_store_call(call, catalog_create_product_written),
        .product = &state->product,
        .initial_stock = request->initial_stock,
        .idempotency = &state->idempotency,
    };
    service->catalog_store->ops->create(service->catalog_store, &state->create);
}

static void catalog_create_product_written(struct store_call *store_call)
{
    struct create_product *state = CONTAINER_OF(store_call, struct create_product, create.call);

    /* Without a key a repeat is still safe: the id is taken. */
    if (error_is_set(&store_call->err)) {
        answer_product_error(state->service, state->call, store_call, state->product.id,
                             REPEAT_SAFE);
        return;
    }
    state->call->replayed = state->create.replayed;
    answer_product(state->call, state->create.created);
}

/* ---- UpdateProduct ------------------------------------------------------------------------- */

struct update_product {
    struct call *call;
    struct service *service;
    struct product product;
    struct catalog_update update;
};

static void catalog_update_product_written(struct store_call *store_call);

/* The version a caller expects; 0 for any. False: no object ever had this etag, so it has another. */
static bool version_of_etag(const char *etag, int64_t *out_version)
{
    if (etag[0] != '\0')
        return etag_parse(etag, out_version);
    *out_version = 0;
    return true;
}

static void fail_etag(struct call *call, const char *product_id)
{
    error_set(&call->err, REASON_ETAG_MISMATCH);
    error_name_product(&call->err, call->arena, product_id);
    call_fail(call);
}

void catalog_update_product(struct service *service, struct call *call)
{
    const Shop__V1__UpdateProductRequest *request =
        (const Shop__V1__UpdateProductRequest *)(const void *)call->request;
    struct update_product *state = ANSWER_STATE(call, struct update_product);
    uint32_t mask;
    int64_t version;

    if (state == NULL)
        return;
    *state = (struct update_product){.call = call, .service = service};
    if (validate_update_product(request, call->arena, &state->product, &mask, &call->err) !=
        STATUS_OK) {
        call_fail(call);
        return;
    }
    if (!version_of_etag(request->product->etag, &version)) {
        fail_etag(call, request->product->id);
        return;
    }
    state->update = (struct catalog_update){
        .call = answer_store_call(call, catalog_update_product_written),
        .product = &state->product,
        .mask = mask,
        .version_expected = version,
    };
    service->catalog_store->ops->update(service->catalog_store, &state->update);
}

static void catalog_update_product_written(struct store_call *store_call)
{
    struct update_product *state = CONTAINER_OF(store_call, struct update_product, update.call);

    if (error_is_set(&store_call->err))
        answer_product_error(state->service, state->call, store_call, state->product.id,
                             REPEAT_SAFE);
    else
        answer_product(state->call, state->update.updated);
}

/* ---- DeleteProduct ------------------------------------------------------------------------- */

struct delete_product {
    struct call *call;
    struct service *service;
    struct catalog_delete remove;
};

static void catalog_delete_product_written(struct store_call *store_call);

void catalog_delete_product(struct service *service, struct call *call)
{
    const Shop__V1__DeleteProductRequest *request =
        (const Shop__V1__DeleteProductRequest *)(const void *)call->request;
    struct delete_product *state = ANSWER_STATE(call, struct delete_product);
    int64_t version;

    if (state == NULL)
        return;
    if (validate_delete_product(request, call->arena, &call->err) != STATUS_OK) {
        call_fail(call);
        return;
    }
    if (!version_of_etag(request->etag, &version)) {
        fail_etag(call, request->id);
        return;
    }
    *state = (struct delete_product){.call = call, .service = service};
    state->remove = (struct catalog_delete){
        .call = answer_store_call(call, catalog_delete_product_written),
        .id = request->id,
        .version_expected = version,
    };
    service->catalog_store->ops->remove(service->catalog_store, &state->remove);
}

static void catalog_delete_product_written(struct store_call *store_call)
{
    struct delete_product *state = CONTAINER_OF(store_call, struct delete_product, remove.call);
    Google__Protobuf__Empty *reply;

    if (error_is_set(&store_call->err)) {
        answer_product_error(state->service, state->call, store_call, state->remove.id,
                             REPEAT_SAFE);
        return;
    }
    reply = ARENA_NEW(state->call->arena, Google__Protobuf__Empty);
    if (reply != NULL)
        google__protobuf__empty__init(reply);
    answer_reply(state->call, reply == NULL ? NULL : &reply->base);
}

/* ---- AdjustStock --------------------------------------------------------------------------- */

struct adjust_stock {
    struct call *call;
    struct service *service;
    struct idempotency idempotency;
    struct catalog_adjust adjust;
};

static void catalog_adjust_stock_written(struct store_call *store_call);

void catalog_adjust_stock(struct service *service, struct call *call)
{
    const Shop__V1__AdjustStockRequest *request =
        (const Shop__V1__AdjustStockRequest *)(const void *)call->request;
    struct adjust_stock *state = ANSWER_STATE(call, struct adjust_stock);

    if (state == NULL)
        return;
    *state = (struct adjust_stock){.call = call, .service = service};
    if (validate_adjust_stock(request, call->arena, &call->err) != STATUS_OK) {
        call_fail(call);
        return;
    }
    if (!idempotency_of_call(call, "AdjustStock", &state->idempotency)) {
        answer_reason(call, REASON_OUT_OF_MEMORY);
        return;
    }
    state->adjust = (struct catalog_adjust){
        .call = answer_store_call(call, catalog_adjust_stock_written),
        .id = request->id,
        .delta = request->delta,
        .idempotency = &state->idempotency,
    };
    service->catalog_store->ops->adjust(service->catalog_store, &state->adjust);
}

static void catalog_adjust_stock_written(struct store_call *store_call)
{
    struct adjust_stock *state = CONTAINER_OF(store_call, struct adjust_stock, adjust.call);
    bool has_key = idempotency_is_set(&state->idempotency);

    if (error_is_set(&store_call->err)) {
        answer_product_error(state->service, state->call, store_call, state->adjust.id,
                             has_key ? REPEAT_SAFE : REPEAT_UNSAFE);
        return;
    }
    state->call->replayed = state->adjust.replayed;
    answer_product(state->call, state->adjust.adjusted);
}
