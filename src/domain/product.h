/* A product of the catalogue, and what a valid one is. Values only, no I/O. */
#pragma once

#include "domain/money.h"

#include <stdbool.h>
#include <stdint.h>

struct product {
    const char *id;
    const char *name;
    const char *description; /* "" when there is none */
    const char *category;    /* "" when there is none */
    struct money price;
    int64_t available;
    int64_t version;        /* of what its owner sets; the etag is this number as text */
    int64_t create_time_us; /* since 1970 */
    int64_t update_time_us;
};

/* Bits of struct product_change.mask: the fields an update may name. */
enum product_field {
    PRODUCT_NAME = 1 << 0,
    PRODUCT_DESCRIPTION = 1 << 1,
    PRODUCT_CATEGORY = 1 << 2,
    PRODUCT_PRICE = 1 << 3,
    PRODUCT_FIELDS_ALL = 15,
};

/* 1 to 63 of a-z 0-9 - _ . with a letter or digit first: product, category and customer ids. */
bool id_is_valid(const char *id);
