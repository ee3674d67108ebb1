/* One function a view. Numbers and texts are printed as they came; what is missing is a dash. */
#include "ctl/ctl_view.h"

#include "ctl/ctl_table.h"

#include <string.h>

enum {
    TEXT_SIZE = 512
};

/* ------------------------------------------------------------------------------------- values */

static const json_t *member(const json_t *object, const char *name)
{
    return json_object_get(object, name);
}

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(member(object, name));
    return value == NULL || *value == '\0' ? "-" : value;
}

static long long integer(const json_t *object, const char *name)
{
    return json_integer_value(member(object, name));
}

static void print_age(char *out, size_t size, long long seconds)
{
    static const struct {
        long long seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}};

    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (seconds >= units[i].seconds) {
            snprintf(out, size, "%lld%c", seconds / units[i].seconds, units[i].unit);
            return;
        }
    }
    snprintf(out, size, "%llds", seconds);
}

/* "STUCK in REFUNDING" */
static void print_state(char *out, size_t size, const json_t *order)
{
    const bool is_stuck = json_is_string(member(order, "stuckState"));

    snprintf(out, size, "%s%s%s%s", text(order, "state"), is_stuck ? " in " : "",
             is_stuck ? text(order, "stuckState") : "",
             json_is_true(member(order, "cancelWished")) ? ", to be cancelled" : "");
}

static bool finish(struct ctl_table *table, FILE *out)
{
    const bool is_well = table != NULL && ctl_table_print(table, out);
    ctl_table_free(table);
    return is_well;
}

/* ------------------------------------------------------------------------------------- orders */

static bool print_orders(const json_t *answer, FILE *out)
{
    static const char *const titles[] = {
        "ID", "AGE", "STATE", "ATTEMPT", "TOTAL (MINOR)", "PAYMENT", "REASON", "CUSTOMER", NULL};
    struct ctl_table *table = ctl_table_new(titles);
    const json_t *order;
    size_t i;

    json_array_foreach(member(answer, "orders"), i, order)
    {
        char age[TEXT_SIZE], state[TEXT_SIZE];
        if (table == NULL) {
            break;
        }
        print_age(age, sizeof(age), integer(order, "ageSeconds"));
        print_state(state, sizeof(state), order);
        ctl_table_row(table);
        ctl_table_cell(table, "%s", text(order, "id"));
        ctl_table_cell(table, "%s", age);
        ctl_table_cell(table, "%s", state);
        ctl_table_cell(table, "%lld", integer(order, "attempt"));
        ctl_table_cell(table, "%s %s", text(order, "totalMinor"), text(order, "currencyCode"));
        ctl_table_cell(table, "%s", text(order, "paymentId"));
        ctl_table_cell(table, "%s", text(order, "reason"));
        ctl_table_cell(table, "%s", text(order, "customerId"));
    }
    if (!finish(table, out)) {
        return false;
    }
    if (json_is_string(member(answer, "nextBefore"))) {
        fprintf(out, "\nthere are more: --before %s\n", text(answer, "nextBefore"));
    }
    return true;
}

/* ---------------------------------------------------------------------------------- one order */

static bool print_head(const json_t *answer, FILE *out)
{
    static const char *const titles[] = {"ORDER", "", NULL};
    const json_t *order = member(answer, "order");
    struct ctl_table *table = ctl_table_new(titles);
    char state[TEXT_SIZE];
    /* clang-format off */
    const struct {
        const char *title, *value;
    } rows[] = {
        {"id", text(order, "id")},
        {"state", state},
        {"reason", text(order, "reason")},
        {"customer", text(order, "customerId")},
        {"created", text(order, "createTime")},
        {"changed", text(order, "updateTime")},
        {"lease until", text(answer, "leaseUntil")},
        {"payment", text(order, "paymentId")},
        {"shipment", text(order, "shipmentId")},
    };
    /* clang-format on */

    print_state(state, sizeof(state), order);
    for (size_t i = 0; table != NULL && i < COUNT_OF(rows); i++) {
        ctl_table_row(table);
        ctl_table_cell(table, "%s", rows[i].title);
        ctl_table_cell(table, "%s", rows[i].value);
    }
    if (table != NULL) {
        ctl_table_row(table);
        ctl_table_cell(table, "total");
        ctl_table_cell(table, "%s %s, in minor units", text(order, "totalMinor"),
                       text(order, "currencyCode"));
    }
    return finish(table, out);
}

static bool print_attempts(const json_t *answer, FILE *out)
{
    static const char *const titles[] = {"ATTEMPT", "OUTCOME",  "BEGUN",  "UNDONE SINCE",
                                         "PAYMENT", "SHIPMENT", "REASON", NULL};
    struct ctl_table *table = ctl_table_new(titles);
    const json_t *attempt;
    size_t i;

    json_array_foreach(member(answer, "attempts"), i, attempt)
    {
        if (table == NULL) {
            break;
        }
        ctl_table_row(table);
        ctl_table_cell(table, "%lld", integer(attempt, "attempt"));
        ctl_table_cell(table, "%s", text(attempt, "outcome"));
        ctl_table_cell(table, "%s", text(attempt, "beginTime"));
        ctl_table_cell(table, "%s", text(attempt, "undoSince"));
        ctl_table_cell(table, "%s", text(attempt, "paymentId"));
        ctl_table_cell(table, "%s", text(attempt, "shipmentId"));
        ctl_table_cell(table, "%s", text(member(attempt, "failure"), "reason"));
    }
    return finish(table, out);
}

static void add_steps(struct ctl_table *table, const json_t *attempt)
{
    const json_t *step;
    size_t i;

    json_array_foreach(member(attempt, "steps"), i, step)
    {
        ctl_table_row(table);
        ctl_table_cell(table, "%lld", integer(attempt, "attempt"));
        ctl_table_cell(table, "%s", text(step, "kind"));
        ctl_table_cell(table, "%s", text(step, "outcome"));
        ctl_table_cell(table, "%lld", integer(step, "tries"));
        ctl_table_cell(table, "%s", text(step, "startTime"));
        ctl_table_cell(table, "%s", text(step, "endTime"));
        ctl_table_cell(table, "%s", text(step, "externalId"));
    }
}

static bool print_steps(const json_t *answer, FILE *out)
{
    static const char *const titles[] = {"ATTEMPT", "STEP",  "OUTCOME",     "TRIES",
                                         "BEGUN",   "ENDED", "EXTERNAL ID", NULL};
    struct ctl_table *table = ctl_table_new(titles);
    const json_t *attempt;
    size_t i;

    json_array_foreach(member(answer, "attempts"), i, attempt)
    {
        if (table != NULL) {
            add_steps(table, attempt);
        }
    }
    return finish(table, out);
}

static bool print_events(const json_t *answer, FILE *out)
{
    static const char *const titles[] = {"REVISION", "TIME",    "ATTEMPT", "STATE",
                                         "STEP",     "OUTCOME", "TRIES",   "REASON",
                                         "OPERATOR", "BECAUSE", NULL};
    struct ctl_table *table = ctl_table_new(titles);
    const json_t *event;
    size_t i;

    json_array_foreach(member(answer, "events"), i, event)
    {
        if (table == NULL) {
            break;
        }
        ctl_table_row(table);
        ctl_table_cell(table, "%lld", integer(event, "revision"));
        ctl_table_cell(table, "%s", text(event, "time"));
        ctl_table_cell(table, "%lld", integer(event, "attempt"));
        ctl_table_cell(table, "%s", text(event, "state"));
        ctl_table_cell(table, "%s", text(event, "step"));
        ctl_table_cell(table, "%s", text(event, "outcome"));
        ctl_table_cell(table, "%lld", integer(event, "tries"));
        ctl_table_cell(table, "%s", text(member(event, "failure"), "reason"));
        ctl_table_cell(table, "%s", text(event, "operator"));
        ctl_table_cell(table, "%s", text(event, "operatorReason"));
    }
    return finish(table, out);
}

static bool print_order(const json_t *answer, FILE *out)
{
    bool is_well = print_head(answer, out);

    fputc('\n', out);
    is_well = print_attempts(answer, out) && is_well;
    fputc('\n', out);
    is_well = print_steps(answer, out) && is_well;
    fputc('\n', out);
    return print_events(answer, out) && is_well;
}

static bool print_change(const json_t *answer, FILE *out)
{
    fprintf(out, "order %s is %s now, revision %lld\n", text(answer, "id"), text(answer, "state"),
            integer(answer, "revision"));
    return true;
}

/* ------------------------------------------------------------------------------------ batches */

static bool print_recovery(const json_t *answer, FILE *out)
{
    const bool is_paused = json_is_true(member(answer, "recoveryPaused"));
    fprintf(out, "recovery %s\n", is_paused ? "is PAUSED: no order is taken over here" : "runs");
    return true;
}

static void add_lane(struct ctl_table *table, const json_t *worker, const char *name)
{
    const json_t *lane = member(member(worker, "connections"), name);
    ctl_table_cell(table, "%lld/%lld", integer(lane, "ready"), integer(lane, "count"));
}

static bool print_workers(const json_t *answer, FILE *out)
{
    static const char *const titles[] = {"WORKER", "ORDERS",  "READ",        "STOCK",
                                         "WRITE",  "PAYMENT", "FULFILLMENT", NULL};
    struct ctl_table *table = ctl_table_new(titles);
    const json_t *worker;
    size_t i;

    json_array_foreach(member(answer, "workers"), i, worker)
    {
        if (table == NULL) {
            break;
        }
        ctl_table_row(table);
        ctl_table_cell(table, "%zu", i);
        ctl_table_cell(table, "%lld", integer(worker, "ordersInFlight"));
        add_lane(table, worker, "read");
        add_lane(table, worker, "stock");
        add_lane(table, worker, "write");
        ctl_table_cell(table, "%s", text(member(worker, "breakers"), "payment"));
        ctl_table_cell(table, "%s", text(member(worker, "breakers"), "fulfillment"));
    }
    return finish(table, out);
}

/* Those that were used. */
static bool print_statements(const json_t *answer, FILE *out)
{
    static const char *const titles[] = {"STATEMENT", "LANE",       "WAITING",
                                         "IN FLIGHT", "LAST BATCH", NULL};
    struct ctl_table *table = ctl_table_new(titles);
    const json_t *row;
    size_t i;

    json_array_foreach(member(answer, "statements"), i, row)
    {
        if (table == NULL || (integer(row, "lastBatch") == 0 && integer(row, "waiting") == 0)) {
            continue;
        }
        ctl_table_row(table);
        ctl_table_cell(table, "%s", text(row, "statement"));
        ctl_table_cell(table, "%s", text(row, "lane"));
        ctl_table_cell(table, "%lld", integer(row, "waiting"));
        ctl_table_cell(table, "%lld", integer(row, "inFlight"));
        ctl_table_cell(table, "%lld of %lld", integer(row, "lastBatch"),
                       integer(answer, "batchMax"));
    }
    return finish(table, out);
}

static bool print_batches(const json_t *answer, FILE *out)
{
    bool is_well = print_recovery(answer, out);

    fputc('\n', out);
    is_well = print_workers(answer, out) && is_well;
    fputc('\n', out);
    return print_statements(answer, out) && is_well;
}

/* ------------------------------------------------------------------------------------ all */

bool ctl_view_print(enum ctl_view view, const json_t *answer, FILE *out)
{
    static bool (*const views[])(const json_t *answer, FILE *out) = {
        [CTL_VIEW_ORDERS] = print_orders,     [CTL_VIEW_ORDER] = print_order,
        [CTL_VIEW_CHANGE] = print_change,     [CTL_VIEW_BATCHES] = print_batches,
        [CTL_VIEW_RECOVERY] = print_recovery,
    };

    return json_is_object(answer) && views[view](answer, out);
}

void ctl_view_print_error(const json_t *answer, long status, FILE *out)
{
    const json_t *error = member(answer, "error"), *detail, *violation;
    size_t i, k;

    if (!json_is_object(error)) {
        fprintf(out, "orderctl: the answer was %ld, and not one of orderd\n", status);
        return;
    }
    fprintf(out, "orderctl: %s\n", text(error, "message"));
    json_array_foreach(member(error, "details"), i, detail)
    {
        if (json_is_string(member(detail, "reason"))) {
            fprintf(out, "  %s\n", text(detail, "reason"));
        }
        json_array_foreach(member(detail, "fieldViolations"), k, violation)
        {
            fprintf(out, "  %s: %s\n", text(violation, "field"), text(violation, "description"));
        }
    }
}
