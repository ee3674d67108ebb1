/* Requests for an order, valid until a test makes them wrong. */
#pragma once

#include "base/limits.h"
#include "service_fixture.h"

enum {
    LINES_MAX = LIMIT_LINES_PER_ORDER + 1
};

/* What an order is made of, for CreateOrder and PlaceOrder alike. */
struct parts {
    Shop__V1__OrderLine line_rows[LINES_MAX];
    Shop__V1__OrderLine *lines[LINES_MAX];
    char *address_lines[LIMIT_ADDRESS_LINES + 1];
    Shop__V1__Address ship_to;
    Shop__V1__CreateOrderRequest create;
    Shop__V1__PlaceOrderRequest place;
};

/* A valid order of `line_count` lines, each of one tea. */
void parts_init(struct parts *parts, size_t line_count);
