/* The calls that can be made: path, and the message of the n-th one, written by hand in protobuf's
 * wire format so that the generator costs little beside what it measures. */
#pragma once

#include "die.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    REQUEST_SIZE_MAX = 512,
    REQUEST_LINES_MAX = 3
};

struct request_plan {
    unsigned product_count; /* ids are p-000001 to this one */
    const char *product;    /* hot-order: the one product of all orders */
    const char *category;   /* list-products */
    const char *run;        /* makes request ids differ from those of other runs */
    uint64_t random;        /* state of the generator, never 0 */
    uint64_t serial;        /* counts the calls */
};

/* Appends to `out` at `at`, returns the new end. Texts are shorter than 128 bytes. */
static inline size_t request_put(uint8_t *out, size_t at, unsigned field, const void *bytes,
                                 size_t len)
{
    out[at++] = (uint8_t)(field << 3 | 2);
    out[at++] = (uint8_t)len;
    memcpy(out + at, bytes, len);
    return at + len;
}

static inline size_t request_put_text(uint8_t *out, size_t at, unsigned field, const char *text)
{
    return request_put(out, at, field, text, strlen(text));
}

static inline size_t request_put_small(uint8_t *out, size_t at, unsigned field, uint8_t number)
{
    out[at++] = (uint8_t)(field << 3);
    out[at++] = number; /* below 128 */
    return at;
}

static inline uint32_t request_random(struct request_plan *plan, uint32_t below)
{
    plan->random ^= plan->random << 13;
    plan->random ^= plan->random >> 7;
    plan->random ^= plan->random << 17;
    return (uint32_t)((plan->random >> 32) * below >> 32);
}

static inline size_t request_put_product(struct request_plan *plan, uint8_t *out, size_t at)
{
    char id[24];
    snprintf(id, sizeof(id), "p-%06u", 1 + request_random(plan, plan->product_count));
    return request_put_text(out, at, 1, id);
}

static inline size_t request_get_product(struct request_plan *plan, uint8_t *out)
{
    return request_put_product(plan, out, 0);
}

static inline size_t request_list_products(struct request_plan *plan, uint8_t *out)
{
    size_t at = request_put_small(out, 0, 1, 20);
    return plan->category[0] == '\0' ? at : request_put_text(out, at, 3, plan->category);
}

static inline size_t request_health(struct request_plan *plan, uint8_t *out)
{
    (void)plan;
    (void)out;
    return 0;
}

static inline size_t request_put_line(struct request_plan *plan, uint8_t *out, size_t at,
                                      const char *product)
{
    uint8_t line[80];
    size_t len = product != NULL ? request_put_text(line, 0, 1, product)
                                 : request_put_product(plan, line, 0);
    len = request_put_small(line, len, 2, 1);
    return request_put(out, at, 2, line, len);
}

static inline size_t request_put_rest_of_order(struct request_plan *plan, uint8_t *out, size_t at,
                                               const char *card)
{
    uint8_t address[96];
    size_t len = request_put_text(address, 0, 1, "Ada Lovelace");
    len = request_put_text(address, len, 2, "12 St James's Square");
    len = request_put_text(address, len, 3, "SW1Y 4JH");
    len = request_put_text(address, len, 4, "London");
    len = request_put_text(address, len, 6, "GB");
    at = request_put(out, at, 3, address, len);
    at = request_put_text(out, at, 4, card);
    char request_id[64];
    snprintf(request_id, sizeof(request_id), "%.40s-%llu", plan->run,
             (unsigned long long)plan->serial++);
    return request_put_text(out, at, 5, request_id);
}

static inline size_t request_order(struct request_plan *plan, uint8_t *out, const char *card)
{
    char customer[32];
    snprintf(customer, sizeof(customer), "customer-%u", request_random(plan, 100000));
    size_t at = request_put_text(out, 0, 1, customer);
    uint32_t line_count = 1 + request_random(plan, REQUEST_LINES_MAX);
    for (uint32_t i = 0; i < line_count; i++) {
        at = request_put_line(plan, out, at, NULL);
    }
    return request_put_rest_of_order(plan, out, at, card);
}

static inline size_t request_place_order(struct request_plan *plan, uint8_t *out)
{
    return request_order(plan, out, "pm_card_visa");
}

static inline size_t request_declined_order(struct request_plan *plan, uint8_t *out)
{
    return request_order(plan, out, "pm_card_chargeDeclined");
}

/* As one of one hot product, but of any of them. */
static inline size_t request_line_order(struct request_plan *plan, uint8_t *out)
{
    size_t at = request_put_text(out, 0, 1, "customer-line");
    at = request_put_line(plan, out, at, NULL);
    return request_put_rest_of_order(plan, out, at, "pm_card_visa");
}

static inline size_t request_hot_order(struct request_plan *plan, uint8_t *out)
{
    size_t at = request_put_text(out, 0, 1, "customer-hot");
    at = request_put_line(plan, out, at, plan->product);
    return request_put_rest_of_order(plan, out, at, "pm_card_visa");
}

struct request_mode {
    const char *name, *path;
    size_t (*make)(struct request_plan *plan, uint8_t *out); /* at most REQUEST_SIZE_MAX bytes */
};

/* clang-format off */
static const struct request_mode request_modes[] = {
    {"get-product",     "/shop.v1.Catalog/GetProduct",    request_get_product},
    {"list-products",   "/shop.v1.Catalog/ListProducts",  request_list_products},
    {"place-order",     "/shop.v1.Orders/PlaceOrder",     request_place_order},
    {"declined-order",  "/shop.v1.Orders/PlaceOrder",     request_declined_order},
    {"line-order",      "/shop.v1.Orders/PlaceOrder",     request_line_order},
    {"hot-order",       "/shop.v1.Orders/PlaceOrder",     request_hot_order},
    {"health-check",    "/grpc.health.v1.Health/Check",   request_health},
};
/* clang-format on */

static inline const struct request_mode *request_mode_find(const char *name)
{
    for (size_t i = 0; i < sizeof(request_modes) / sizeof(request_modes[0]); i++) {
        if (strcmp(request_modes[i].name, name) == 0) {
            return &request_modes[i];
        }
    }
    die("there is no mode %s", name);
}
