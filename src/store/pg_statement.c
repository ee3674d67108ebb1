/* All SQL of the service in one table (the functions it calls are in sql/). Not for migrations, and
 * not for building SQL at run time: there is none. */
#include "store/pg_statement.h"

#include "store/order_row.h"

#define PRODUCT_COLUMNS                                                                        \
    "id, name, description, category, price_minor, currency, available, version, create_time," \
    " update_time"

/* The key of a request: caller, method, request_id, hash. */
#define KEY_TYPES PG_TEXT, PG_TEXT, PG_TEXT, PG_BYTEA

/* id, generation, from, cancel_seen, to, step, outcome, tries, external_id, payment_id, shipment_id,
 * failure, invites_retry, clear_failure, return_stock, fulfill_ms, counts, lease_ms, token */
#define ADVANCE_TYPES                                                                         \
    PG_UUID, PG_INT8, PG_TEXT, PG_BOOL, PG_TEXT, PG_TEXT, PG_TEXT, PG_INT4, PG_TEXT, PG_TEXT, \
        PG_TEXT, PG_TEXT, PG_BOOL, PG_BOOL, PG_BOOL, PG_INT8, PG_BOOL, PG_INT8, PG_UUID
#define ADVANCE_SQL                                                                               \
    "SELECT ord, result, cancel_wished, revision, update_time"                                    \
    " FROM advance_orders($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16," \
    " $17, $18, $19)"

/* A page is cut out of each branch before anything is joined; only one branch of a request runs. */
#define PRODUCTS_PAGE(condition)                                                              \
    "(SELECT p.id FROM product p WHERE " condition " AND NOT p.deleted AND p.id > q.after_id" \
    " ORDER BY p.id OFFSET q.skip LIMIT q.size + 1)"
#define ORDERS_PAGE(condition)                                                               \
    "(SELECT o.id FROM orders o WHERE " condition " AND o.caller = q.by AND o.id < q.before" \
    " AND (q.in_state = '' OR o.state = q.in_state) ORDER BY o.id DESC LIMIT q.size + 1)"

/* clang-format off */
const struct pg_statement pg_statements[PG_STATEMENT_COUNT + 1] = {
    /* ord, place, id: several a request. */
    [PG_PRODUCTS_GET] = {"products_get", PG_LANE_READ, true,
        "SELECT q.ord, q.place, " PRODUCT_COLUMNS
        " FROM unnest($1, $2, $3) AS q (ord, place, product_id)"
        " JOIN product_row v ON v.id = q.product_id WHERE NOT v.deleted",
        {PG_INT4, PG_INT4, PG_TEXT, PG_END}},

    [PG_PRODUCTS_LIST] = {"products_list", PG_LANE_READ, true,
        "SELECT (q.place - 1)::int4, " PRODUCT_COLUMNS
        " FROM unnest($1, $2, $3, $4) WITH ORDINALITY"
        " AS q (page_category, after_id, skip, size, place)"
        " CROSS JOIN LATERAL ("
        PRODUCTS_PAGE("q.page_category = ''")
        " UNION ALL "
        PRODUCTS_PAGE("q.page_category <> '' AND p.category = q.page_category")
        ") AS page (product_id)"
        " JOIN product_row v ON v.id = page.product_id"
        " ORDER BY q.place, v.id",
        {PG_TEXT, PG_TEXT, PG_INT4, PG_INT4, PG_END}},

    [PG_PRODUCT_CREATE] = {"product_create", PG_LANE_STOCK, true,
        "SELECT ord, result, replayed, " PRODUCT_COLUMNS
        " FROM create_products($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        {PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_INT8, PG_TEXT, PG_INT8, PG_UUID, KEY_TYPES, PG_END}},

    /* Not repeatable: with an etag, the second time would find its own change. */
    [PG_PRODUCT_UPDATE] = {"product_update", PG_LANE_STOCK, false,
        "SELECT ord, result, replayed, " PRODUCT_COLUMNS
        " FROM update_products($1, $2, $3, $4, $5, $6, $7, $8)",
        {PG_TEXT, PG_INT4, PG_TEXT, PG_TEXT, PG_TEXT, PG_INT8, PG_TEXT, PG_INT8, PG_END}},

    [PG_PRODUCT_DELETE] = {"product_delete", PG_LANE_STOCK, false,
        "SELECT ord, result FROM delete_products($1, $2)",
        {PG_TEXT, PG_INT8, PG_END}},

    [PG_STOCK_ADJUST] = {"stock_adjust", PG_LANE_STOCK, true,
        "SELECT ord, result, replayed, " PRODUCT_COLUMNS
        " FROM adjust_stock($1, $2, $3, $4, $5, $6, $7)",
        {PG_TEXT, PG_INT8, PG_UUID, KEY_TYPES, PG_END}},

    /* $12 to $14: ord, product and quantity of each line; $15 and $16: ord and each address line;
     * $17: only_replay. */
    [PG_ORDERS_CREATE] = {"orders_create", PG_LANE_WRITE, true,
        "SELECT ord, result, replayed, missing, " ORDER_COLUMNS ", " EVENT_COLUMNS
        " FROM create_orders($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,"
        " $17)",
        {PG_UUID, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT,
         PG_TEXT, PG_TEXT, PG_BYTEA, PG_INT4, PG_TEXT, PG_INT4, PG_INT4, PG_TEXT, PG_BOOL, PG_END}},

    [PG_ORDERS_GET] = {"orders_get", PG_LANE_READ, true,
        "SELECT (q.place - 1)::int4, " ORDER_COLUMNS ", " EVENT_COLUMNS
        " FROM unnest($1, $2) WITH ORDINALITY AS q (order_id, order_caller, place)"
        " JOIN order_full o ON o.id = q.order_id AND o.caller = q.order_caller",
        {PG_UUID, PG_TEXT, PG_END}},

    /* An order that is not newer is told by a row of NULLs, for which only its head is read: a join by
     * NULL looks nothing up. */
    [PG_ORDERS_GET_NEWER] = {"orders_get_newer", PG_LANE_READ, true,
        "SELECT (q.place - 1)::int4, " ORDER_COLUMNS ", " EVENT_COLUMNS
        " FROM unnest($1, $2, $3) WITH ORDINALITY AS q (order_id, order_caller, seen, place)"
        " JOIN (SELECT id AS stored_id, caller AS stored_caller, revision AS stored_revision"
        "       FROM orders) s ON s.stored_id = q.order_id AND s.stored_caller = q.order_caller"
        " LEFT JOIN order_full o"
        " ON o.id = CASE WHEN s.stored_revision > q.seen THEN s.stored_id END",
        {PG_UUID, PG_TEXT, PG_INT8, PG_END}},

    [PG_ORDERS_LIST] = {"orders_list", PG_LANE_READ, true,
        "SELECT (q.place - 1)::int4, " ORDER_COLUMNS ", " EVENT_COLUMNS
        " FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY"
        " AS q (by, customer, in_state, before, size, place)"
        " CROSS JOIN LATERAL ("
        ORDERS_PAGE("q.customer = ''")
        " UNION ALL "
        ORDERS_PAGE("q.customer <> '' AND o.customer_id = q.customer")
        ") AS page (order_id)"
        " JOIN order_full v ON v.id = page.order_id"
        " ORDER BY q.place, v.id DESC",
        {PG_TEXT, PG_TEXT, PG_TEXT, PG_UUID, PG_INT4, PG_END}},

    [PG_ORDERS_CANCEL] = {"orders_cancel", PG_LANE_WRITE, true,
        "SELECT ord, result, replayed, missing, " ORDER_COLUMNS ", " EVENT_COLUMNS
        " FROM wish_cancel($1, $2, $3, $4, $5)",
        {PG_UUID, KEY_TYPES, PG_END}},

    /* id, caller of the order, payment_method, method, request_id, hash, token, lease_ms,
     * forward_ms, remote, may_start */
    [PG_SAGA_CLAIM] = {"saga_claim", PG_LANE_STOCK, true,
        "SELECT ord, result, " ORDER_COLUMNS ", " RECORD_COLUMNS
        " FROM claim_and_reserve($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        {PG_UUID, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_BYTEA, PG_UUID, PG_INT8, PG_INT8, PG_BOOL,
         PG_BOOL, PG_END}},

    [PG_SAGA_ADVANCE] = {"saga_advance", PG_LANE_WRITE, true, ADVANCE_SQL, {ADVANCE_TYPES, PG_END}},
    [PG_SAGA_RELEASE] = {"saga_release", PG_LANE_STOCK, true, ADVANCE_SQL, {ADVANCE_TYPES, PG_END}},

    [PG_SAGA_RENEW] = {"saga_renew", PG_LANE_WRITE, true,
        "SELECT ord, result, cancel_wished FROM renew_leases($1, $2, $3)",
        {PG_UUID, PG_INT8, PG_INT8, PG_END}},

    [PG_SAGA_TAKE_DUE] = {"saga_take_due", PG_LANE_WRITE, true,
        "SELECT ord, result, " ORDER_COLUMNS ", " RECORD_COLUMNS " FROM take_due($1, $2)",
        {PG_INT4, PG_INT8, PG_END}},

    [PG_SAGA_GIVE_BACK] = {"saga_give_back", PG_LANE_WRITE, true,
        "SELECT ord FROM give_back($1, $2)",
        {PG_UUID, PG_INT8, PG_END}},

    /* limit, age_ms */
    [PG_KEYS_REMOVE] = {"keys_remove", PG_LANE_WRITE, true,
        "SELECT ord, removed FROM remove_old_keys($1, $2)",
        {PG_INT4, PG_INT8, PG_END}},

    /* complete, pending, fence */
    [PG_EVENTS_LOOK] = {"events_look", PG_LANE_READ, true,
        "SELECT ord, complete, pending, fence, newest FROM event_horizon($1, $2, $3)",
        {PG_INT8, PG_INT8, PG_INT8, PG_END}},

    /* Of an event of another caller only the position is told. */
    [PG_EVENTS_PAGE] = {"events_page", PG_LANE_READ, true,
        "SELECT (q.place - 1)::int4, e.position, o.id, " FEED_COLUMNS
        " FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS q (by, after, until, size, place)"
        " CROSS JOIN LATERAL (SELECT * FROM order_event v"
        "   WHERE v.position > q.after AND v.position <= q.until ORDER BY v.position LIMIT q.size) e"
        " LEFT JOIN orders o ON o.id = e.order_id AND o.caller = q.by"
        " ORDER BY q.place, e.position",
        {PG_TEXT, PG_INT8, PG_INT8, PG_INT4, PG_END}},

    /* state, older_ms, before, limit */
    [PG_OPERATOR_LIST] = {"operator_list", PG_LANE_READ, true,
        "SELECT ord, id, body FROM find_orders($1, $2, $3, $4)",
        {PG_TEXT, PG_INT8, PG_UUID, PG_INT4, PG_END}},

    [PG_OPERATOR_SHOW] = {"operator_show", PG_LANE_READ, true,
        "SELECT (q.place - 1)::int4, order_json(o)::text"
        " FROM unnest($1) WITH ORDINALITY AS q (order_id, place) JOIN orders o ON o.id = q.order_id",
        {PG_UUID, PG_END}},

    /* id, to, who, why. Not repeatable: the second time the order is not stuck any more. */
    [PG_OPERATOR_MEND] = {"operator_mend", PG_LANE_STOCK, false,
        "SELECT ord, result, state, revision FROM mend_orders($1, $2, $3, $4)",
        {PG_UUID, PG_TEXT, PG_TEXT, PG_TEXT, PG_END}},

    /* All figures but ord are int8; sample_pg knows their order. */
    [PG_ORDERS_SAMPLE] = {"orders_sample", PG_LANE_READ, true,
        "SELECT ord, stuck, undoing, oldest_ms, coalesce(extract(epoch FROM done_time), 0)::int8,"
        " no_order, not_written_down, kept, amount, not_paid, missing"
        " FROM sample_orders($1), reconciliation",
        {PG_INT4, PG_END}},

    [PG_RECONCILE_TAKE] = {"reconcile_take", PG_LANE_WRITE, true,
        "SELECT ord, taken, now_s FROM take_reconciliation($1)",
        {PG_INT8, PG_END}},

    /* ord, place, payment_id, order_id, amount, currency, received, refunded, settled_ms: several a
     * request. */
    [PG_RECONCILE_COMPARE] = {"reconcile_compare", PG_LANE_READ, true,
        "SELECT ord, place, kind FROM compare_payments($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        {PG_INT4, PG_INT4, PG_TEXT, PG_UUID, PG_INT8, PG_TEXT, PG_INT8, PG_INT8, PG_INT8, PG_END}},

    /* after, since_s, settled_ms, limit */
    [PG_RECONCILE_ORDERS] = {"reconcile_orders", PG_LANE_READ, true,
        "SELECT ord, order_id, payment_id FROM fulfilled_payments($1, $2, $3, $4)",
        {PG_UUID, PG_INT8, PG_INT8, PG_INT4, PG_END}},

    [PG_RECONCILE_FINISH] = {"reconcile_finish", PG_LANE_WRITE, true,
        "SELECT ord FROM finish_reconciliation($1, $2, $3, $4, $5, $6)",
        {PG_INT8, PG_INT8, PG_INT8, PG_INT8, PG_INT8, PG_INT8, PG_END}},

    [PG_STATEMENT_COUNT] = {.name = NULL},
};
/* clang-format on */
