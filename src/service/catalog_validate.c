/* Requests of the catalogue, checked whole. Not for what only the stored product tells (versions,
 * ids taken). */
#include "service/catalog_validate.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "service/validate.h"

enum {
    INDEXED_FIELD_SIZE = 48
};

/* ---- Reading ------------------------------------------------------------------------------- */

enum status validate_get_product(const Shop__V1__GetProductRequest *request, struct arena *arena,
                                 struct error *err)
{
    struct validation validation = {.arena = arena, .err = err, .prefix = ""};

    validate_id(&validation, "id", request->id);
    return err->status;
}

static bool is_repeated(char *const *ids, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(ids[i], ids[index]) == 0)
            return true;
    }
    return false;
}

enum status validate_batch_get_products(const Shop__V1__BatchGetProductsRequest *request,
                                        struct arena *arena, struct error *err)
{
    struct validation validation = {.arena = arena, .err = err, .prefix = ""};
    size_t count = MIN_OF(request->n_ids, (size_t)LIMIT_IDS_PER_BATCH);

    if (request->n_ids == 0)
        validation_fail(&validation, "ids", "is required");
    if (request->n_ids > LIMIT_IDS_PER_BATCH)
        validation_fail(&validation, "ids", "has %zu entries, at most %d are allowed",
                        request->n_ids, LIMIT_IDS_PER_BATCH);
    for (size_t i = 0; i < count; i++) {
        char field[INDEXED_FIELD_SIZE];
        snprintf(field, sizeof(field), "ids[%zu]", i);
        validate_id(&validation, field, request->ids[i]);
        if (request->ids[i][0] != '\0' && is_repeated(request->ids, i))
            validation_fail(&validation, field, "stands in the list twice");
    }
    return err->status;
}

/* ---- Pages --------------------------------------------------------------------------------- */

static enum status page_by_number(const Shop__V1__ListProductsRequest *request,
                                  const struct validation *validation,
                                  struct page_request *out_page, struct error *err)
{
    struct page_request page = {.token = "", .is_numbered = true};
    int64_t offset;

    if (request->page < 0)
        validation_fail(validation, "page", "must not be negative");
    validate_page_size(validation, "per_page", request->per_page, &page.limit);
    if (request->page_size != 0)
        validation_fail(validation, "page_size", "cannot be combined with page and per_page");
    if (request->page_token[0] != '\0')
        validation_fail(validation, "page_token", "cannot be combined with page and per_page");
    if (error_is_set(err))
        return err->status;
    offset = ((int64_t)MAX_OF(request->page, 1) - 1) * page.limit;
    if (offset > LIMIT_PAGE_OFFSET)
        return error_set(err, REASON_PAGE_OUT_OF_RANGE);
    page.offset = (uint32_t)offset;
    *out_page = page;
    return STATUS_OK;
}

enum status validate_list_products(const Shop__V1__ListProductsRequest *request,
                                   struct arena *arena, struct page_request *out_page,
                                   struct error *err)
{
    struct validation validation = {.arena = arena, .err = err, .prefix = ""};
    struct page_request page = {.token = request->page_token};

    validate_optional_id(&validation, "category", request->category);
    if (request->page != 0 || request->per_page != 0)
        return page_by_number(request, &validation, out_page, err);
    validate_page_size(&validation, "page_size", request->page_size, &page.limit);
    if (!error_is_set(err))
        *out_page = page;
    return err->status;
}

/* ---- Writing ------------------------------------------------------------------------------- */

/* The fields an owner sets, with the check of each. A field that is not in the mask is not looked at. */
static void validate_product_fields(const struct validation *validation,
                                    const Shop__V1__Product *source, uint32_t mask,
                                    struct product *product)
{
    if (mask & PRODUCT_NAME)
        validate_text(validation, "name", source->name, LIMIT_NAME_CHARS);
    if (mask & PRODUCT_DESCRIPTION)
        validate_optional_text(validation, "description", source->description,
                               LIMIT_DESCRIPTION_CHARS);
    if (mask & PRODUCT_CATEGORY)
        validate_optional_id(validation, "category", source->category);
    if (mask & PRODUCT_PRICE)
        validate_price(validation, "price", source->price, &product->price);
    product->id = source->id;
    product->name = source->name;
    product->description = source->description;
    product->category = source->category;
}

enum status validate_create_product(const Shop__V1__CreateProductRequest *request,
                                    struct arena *arena, struct product *out_product,
                                    struct error *err)
{
    struct validation validation = {.arena = arena, .err = err, .prefix = ""};
    struct validation inside = {.arena = arena, .err = err, .prefix = "product"};
    struct product product = {0};

    if (request->product == NULL) {
        validation_fail(&validation, "product", "is required");
    } else {
        validate_id(&inside, "id", request->product->id);
        validate_product_fields(&inside, request->product, PRODUCT_FIELDS_ALL, &product);
    }
    validate_request_id(&validation, request->request_id);
    if (request->initial_stock < 0)
        validation_fail(&validation, "initial_stock", "must not be negative");
    if (!error_is_set(err))
        *out_product = product;
    return err->status;
}

/* What a mask may name, and why not. */
static const struct mask_row {
    const char *path;
    uint32_t field;
    const char *refusal;
} mask_rows[] = {
    {"name", PRODUCT_NAME, NULL},
    {"description", PRODUCT_DESCRIPTION, NULL},
    {"category", PRODUCT_CATEGORY, NULL},
    {"price", PRODUCT_PRICE, NULL},
    {"id", 0, "names the product and cannot be changed"},
    {"etag", 0, "follows from the other fields and cannot be set"},
    {"available", 0, "is changed by AdjustStock only"},
    {"create_time", 0, "is set by the service"},
    {"update_time", 0, "is set by the service"},
};

static const struct mask_row *mask_row_find(const char *path)
{
    for (size_t i = 0; i < COUNT_OF(mask_rows); i++) {
        if (strcmp(mask_rows[i].path, path) == 0)
            return &mask_rows[i];
    }
    return NULL;
}

static uint32_t mask_of_path(const struct validation *validation, size_t index, const char *path)
{
    const struct mask_row *row = mask_row_find(path);
    char field[INDEXED_FIELD_SIZE];

    snprintf(field, sizeof(field), "update_mask.paths[%zu]", index);
    if (row == NULL)
        validation_fail(validation, field,
                        "\"%.*s\" is no field of a product (paths are one level deep)",
                        LIMIT_ID_LEN, path);
    else if (row->refusal != NULL)
        validation_fail(validation, field, "%s %s", row->path, row->refusal);
    return row == NULL ? 0 : row->field;
}

static uint32_t mask_of_populated(const Shop__V1__Product *product)
{
    uint32_t mask = 0;

    mask |= product->name[0] != '\0' ? PRODUCT_NAME : 0;
    mask |= product->description[0] != '\0' ? PRODUCT_DESCRIPTION : 0;
    mask |= product->category[0] != '\0' ? PRODUCT_CATEGORY : 0;
    mask |= product->price != NULL ? PRODUCT_PRICE : 0;
    return mask;
}

static uint32_t validate_mask(const struct validation *validation,
                              const Google__Protobuf__FieldMask *paths,
                              const Shop__V1__Product *product)
{
    uint32_t mask = 0;

    if (paths == NULL || paths->n_paths == 0)
        return mask_of_populated(product);
    if (paths->n_paths == 1 && strcmp(paths->paths[0], "*") == 0)
        return PRODUCT_FIELDS_ALL;
    for (size_t i = 0; i < paths->n_paths; i++)
        mask |= mask_of_path(validation, i, paths->paths[i]);
    return mask;
}

enum status validate_update_product(const Shop__V1__UpdateProductRequest *request,
                                    struct arena *arena, struct product *out_product,
                                    uint32_t *out_mask, struct error *err)
{
    struct validation validation = {.arena = arena, .err = err, .prefix = ""};
    struct validation inside = {.arena = arena, .err = err, .prefix = "product"};
    struct product product = {0};
    uint32_t mask;

    if (request->product == NULL) {
        validation_fail(&validation, "product", "is required");
        return err->status;
    }
    validate_id(&inside, "id", request->product->id);
    mask = validate_mask(&validation, request->update_mask, request->product);
    validate_product_fields(&inside, request->product, mask, &product);
    if (!error_is_set(err)) {
        *out_product = product;
        *out_mask = mask;
    }
    return err->status;
}

enum status validate_delete_product(const Shop__V1__DeleteProductRequest *request,
                                    struct arena *arena, struct error *err)
{
    struct validation validation = {.arena = arena, .err = err, .prefix = ""};

    validate_id(&validation, "id", request->id);
    return err->status;
}

enum status validate_adjust_stock(const Shop__V1__AdjustStockRequest *request, struct arena *arena,
                                  struct error *err)
{
    struct validation validation = {.arena = arena, .err = err, .prefix = ""};

    validate_id(&validation, "id", request->id);
    if (request->delta == 0)
        validation_fail(&validation, "delta", "must not be 0");
    validate_request_id(&validation, request->request_id);
    return err->status;
}
