/* Requests of shop.v1.Catalog, checked whole and turned into values of the domain.
 *
 * Each function answers REQUEST_INVALID with all violations at once, or one of the reasons named; the
 * values borrow the texts of the request. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/macros.h"
#include "domain/product.h"

#include "shop/v1/catalog.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

/* Which page a list is asked for: behind the token (or the first), or by number. */
struct page_request {
    uint32_t limit;
    uint32_t offset;   /* of a numbered page */
    const char *token; /* "" for the first page */
    bool is_numbered;
};

enum status validate_get_product(const Shop__V1__GetProductRequest *request, struct arena *arena,
                                 struct error *err) NODISCARD;
enum status validate_batch_get_products(const Shop__V1__BatchGetProductsRequest *request,
                                        struct arena *arena, struct error *err) NODISCARD;
/* Also PAGE_OUT_OF_RANGE. */
enum status validate_list_products(const Shop__V1__ListProductsRequest *request,
                                   struct arena *arena, struct page_request *out_page,
                                   struct error *err) NODISCARD;
enum status validate_create_product(const Shop__V1__CreateProductRequest *request,
                                    struct arena *arena, struct product *out_product,
                                    struct error *err) NODISCARD;
/* *out_mask: of enum product_field. An absent or empty update_mask means all populated fields, "*" all
 * fields. */
enum status validate_update_product(const Shop__V1__UpdateProductRequest *request,
                                    struct arena *arena, struct product *out_product,
                                    uint32_t *out_mask, struct error *err) NODISCARD;
enum status validate_delete_product(const Shop__V1__DeleteProductRequest *request,
                                    struct arena *arena, struct error *err) NODISCARD;
enum status validate_adjust_stock(const Shop__V1__AdjustStockRequest *request, struct arena *arena,
                                  struct error *err) NODISCARD;
