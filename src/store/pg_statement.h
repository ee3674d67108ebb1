/* The table of all SQL this service runs (migrations apart): name, text, parameters, lane.
 *
 * Every statement takes arrays with one element (or several) a request and returns rows whose first
 * column is `ord int4`, the request's place in the batch counted from 0. A test prepares each
 * against the migrated schema. */
#pragma once

#include "store/pg_array.h"

#include <stdbool.h>

/* Connections are parted in lanes, so that a commit never waits behind a stock lock, and a read
 * behind neither. */
enum pg_lane {
    PG_LANE_READ,
    PG_LANE_STOCK,
    PG_LANE_WRITE,
    PG_LANE_COUNT
};

struct pg_statement {
    const char *name; /* also its prepared name and its label in the metrics; NULL ends the table */
    enum pg_lane lane;
    bool is_repeatable; /* may be sent again after a lost connection */
    const char *sql;
    enum pg_type types[PG_PARAMS_MAX + 1]; /* ends with PG_END */
};

enum pg_statement_id {
    PG_PRODUCTS_GET,
    PG_PRODUCTS_LIST,
    PG_PRODUCT_CREATE,
    PG_PRODUCT_UPDATE,
    PG_PRODUCT_DELETE,
    PG_STOCK_ADJUST,
    PG_ORDERS_CREATE,
    PG_ORDERS_GET,
    PG_ORDERS_GET_NEWER,
    PG_ORDERS_LIST,
    PG_ORDERS_CANCEL,
    PG_SAGA_CLAIM,
    PG_SAGA_ADVANCE,
    PG_SAGA_RELEASE, /* an advance that gives stock back: same function, stock lane */
    PG_SAGA_RENEW,
    PG_SAGA_TAKE_DUE,
    PG_SAGA_GIVE_BACK,
    PG_KEYS_REMOVE,
    PG_EVENTS_LOOK, /* in the lane of reads, though now and then it draws a transaction id */
    PG_EVENTS_PAGE,
    PG_OPERATOR_LIST,
    PG_OPERATOR_SHOW,
    PG_OPERATOR_MEND,
    PG_ORDERS_SAMPLE,
    PG_RECONCILE_TAKE,
    PG_RECONCILE_COMPARE,
    PG_RECONCILE_ORDERS,
    PG_RECONCILE_FINISH,
    PG_STATEMENT_COUNT
};

extern const struct pg_statement pg_statements[PG_STATEMENT_COUNT + 1];
