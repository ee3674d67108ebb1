/* What must be reached, as tables, and the counts beside them. */
#include "sim_coverage.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Edges of the table of states ------------------------------------------------------------- */

#define EDGE(from, to)           \
    {                            \
        ORDER_##from, ORDER_##to \
    }
static const struct {
    enum order_state from, to;
} edge_rows[] = {
    EDGE(STATE_UNSPECIFIED, PENDING),
    EDGE(PENDING, RESERVING),
    EDGE(PENDING, CHARGING),
    EDGE(PENDING, FAILED),
    EDGE(PENDING, CANCELLED),
    EDGE(RESERVING, CHARGING),
    EDGE(RESERVING, RELEASING),
    EDGE(RESERVING, FAILED),
    EDGE(RESERVING, CANCELLED),
    EDGE(CHARGING, CHARGING),
    EDGE(CHARGING, FULFILLING),
    EDGE(CHARGING, REFUNDING),
    EDGE(CHARGING, RELEASING),
    EDGE(CHARGING, FAILED),
    EDGE(CHARGING, CANCELLED),
    EDGE(FULFILLING, FULFILLED),
    EDGE(FULFILLING, RECALLING),
    EDGE(FULFILLING, REFUNDING),
    EDGE(RECALLING, FULFILLED),
    EDGE(RECALLING, REFUNDING),
    EDGE(RECALLING, STUCK),
    EDGE(REFUNDING, RELEASING),
    EDGE(REFUNDING, FAILED),
    EDGE(REFUNDING, CANCELLED),
    EDGE(REFUNDING, STUCK),
    EDGE(RELEASING, FAILED),
    EDGE(RELEASING, CANCELLED),
    EDGE(RELEASING, STUCK),
    EDGE(FAILED, RESERVING),
    EDGE(FAILED, CHARGING),
    EDGE(FAILED, FAILED),
    EDGE(FAILED, CANCELLED),
};
#undef EDGE

/* ---- Crash points: those of src/saga and src/service, and those of messages -------------------- */

#define STATEMENT(name) name ".before", name ".acted", name ".after"
#define CALL(name) name ".before", name ".middle", name ".acted", name ".answered"
#define ADVANCE(from, to) "advance." from "-" to ".before", "advance." from "-" to ".after"
static const char *const point_names[] = {
    STATEMENT("create"),
    STATEMENT("wish"),
    STATEMENT("claim"),
    STATEMENT("renew"),
    STATEMENT("take_due"),
    STATEMENT("give_back"),
    "get.acted",
    "advance.acted",
    ADVANCE("RESERVING", "CHARGING"),
    ADVANCE("RESERVING", "RELEASING"),
    ADVANCE("RESERVING", "FAILED"),
    ADVANCE("RESERVING", "CANCELLED"),
    ADVANCE("CHARGING", "CHARGING"),
    ADVANCE("CHARGING", "FULFILLING"),
    ADVANCE("CHARGING", "REFUNDING"),
    ADVANCE("CHARGING", "RELEASING"),
    ADVANCE("CHARGING", "FAILED"),
    ADVANCE("CHARGING", "CANCELLED"),
    ADVANCE("FULFILLING", "FULFILLED"),
    ADVANCE("FULFILLING", "RECALLING"),
    ADVANCE("FULFILLING", "REFUNDING"),
    ADVANCE("RECALLING", "FULFILLED"),
    ADVANCE("RECALLING", "REFUNDING"),
    ADVANCE("RECALLING", "STUCK"),
    ADVANCE("REFUNDING", "RELEASING"),
    ADVANCE("REFUNDING", "FAILED"),
    ADVANCE("REFUNDING", "CANCELLED"),
    ADVANCE("REFUNDING", "STUCK"),
    ADVANCE("RELEASING", "FAILED"),
    ADVANCE("RELEASING", "CANCELLED"),
    ADVANCE("RELEASING", "STUCK"),
    CALL("open"),
    CALL("confirm"),
    CALL("look"),
    CALL("cancel"),
    CALL("refund"),
    CALL("look_refunds"),
    CALL("ship"),
    CALL("recall"),
    CALL("reserve"),
    CALL("release"),
};
#undef STATEMENT
#undef CALL
#undef ADVANCE

_Static_assert(COUNT_OF(point_names) <= SIM_POINTS_MAX, "room for every point");

const char *sim_point_like(const char *part, uint32_t number)
{
    const char *like[COUNT_OF(point_names)];
    uint32_t count = 0;

    for (size_t i = 0; i < COUNT_OF(point_names); i++) {
        if (strcasestr(point_names[i], part) != NULL)
            like[count++] = point_names[i];
    }
    assert(count > 0);
    return like[number % count];
}

void sim_cover_point(struct sim_coverage *coverage, const char *name)
{
    for (size_t i = 0; i < COUNT_OF(point_names); i++) {
        if (strcmp(point_names[i], name) == 0) {
            coverage->points[i]++;
            return;
        }
    }
    printf("the crash point %s is not in the table of sim_coverage.c\n", name);
    abort();
}

/* ---- Answers of ProcessOrder and PlaceOrder: the rows of saga.md -------------------------------- */

/* By which methods a row must be reached; the others reach it when chance wants. */
#define PROCESS (1U << SIM_METHOD_PROCESS)
#define PLACE (1U << SIM_METHOD_PLACE)
#define BOTH (PROCESS | PLACE)

/* clang-format off */
static const struct answer_row {
    const char *step, *what;
    enum reason reason;
    const char *variant; /* NULL: any */
    unsigned methods;
} answer_rows[] = {
    { "find",    "no such order",                    REASON_ORDER_NOT_FOUND,            NULL,          PROCESS },
    { "",        "fulfilled",                        REASON_NONE,                       "now",         BOTH },
    { "find",    "already FULFILLED",                REASON_NONE,                       "again",       BOTH },
    { "find",    "CANCELLED",                        REASON_ORDER_STATE_INVALID,        "CANCELLED",   BOTH },
    { "find",    "STUCK",                            REASON_ORDER_STATE_INVALID,        "STUCK",       PROCESS },
    { "find",    "another call drives it",           REASON_ORDER_IN_PROGRESS,          NULL,          PROCESS },
    { "find",    "product deleted since",            REASON_ORDER_PRODUCT_NOT_FOUND,    NULL,          PROCESS },
    { "reserve", "short",                            REASON_OUT_OF_STOCK,               NULL,          BOTH },
    { "reserve", "not reached, or given up",         REASON_INVENTORY_UNAVAILABLE,      NULL,          BOTH },
    { "reserve", "claim surely not sent",            REASON_STORE_UNAVAILABLE,          NULL,          BOTH },
    { "reserve", "claim of unknown fate",            REASON_RESERVATION_OUTCOME_UNKNOWN, NULL,         BOTH },
    { "reserve", "401, 403, 404",                    REASON_INVENTORY_MISCONFIGURED,    NULL,          BOTH },
    { "fulfil",  "401, 403, 404",                    REASON_FULFILLMENT_MISCONFIGURED,  NULL,          BOTH },
    { "charge",  "declined",                         REASON_PAYMENT_DECLINED,           NULL,          BOTH },
    { "charge",  "customer would have to act",       REASON_PAYMENT_ACTION_REQUIRED,    NULL,          BOTH },
    { "charge",  "refused for our fault",            REASON_PAYMENT_MISCONFIGURED,      NULL,          BOTH },
    { "charge",  "answer contradicts",               REASON_PAYMENT_ANSWER_INVALID,     NULL,          BOTH },
    { "charge",  "payment method",                   REASON_PAYMENT_METHOD_INVALID,     NULL,          BOTH },
    { "charge",  "not reached, or given up",         REASON_PAYMENT_UNAVAILABLE,        NULL,          BOTH },
    { "charge",  "fate unknown",                     REASON_PAYMENT_OUTCOME_UNKNOWN,    NULL,          BOTH },
    { "fulfil",  "breaker open before the charge",   REASON_FULFILLMENT_UNAVAILABLE,    "not charged", BOTH },
    { "fulfil",  "refused",                          REASON_FULFILLMENT_REJECTED,       NULL,          BOTH },
    { "fulfil",  "not reached, or fate unknown",     REASON_FULFILLMENT_PENDING,        NULL,          BOTH },
    { "fulfil",  "given up after FULFILL_TIME",      REASON_FULFILLMENT_UNAVAILABLE,    "charged",     BOTH },
    { "any",     "cancelled meanwhile",              REASON_ORDER_CANCELLED,            NULL,          BOTH },
    { "any",     "less than 1 s, before the claim",  REASON_DEADLINE_TOO_SHORT,         "not claimed", BOTH },
    { "any",     "less than 1 s, after the claim",   REASON_DEADLINE_TOO_SHORT,         "claimed",     BOTH },
    { "find",    "20 attempts used",                 REASON_ATTEMPTS_EXHAUSTED,         NULL,          PROCESS },
    { "any",     "key with another payload",         REASON_REQUEST_ID_REUSED,          NULL,          BOTH },
    { "any",     "more than 100 waiting",            REASON_REQUEST_IN_PROGRESS,        NULL,          PROCESS },
    { "any",     "too many orders under way",        REASON_TOO_MANY_ORDERS,            NULL,          BOTH },
    { "any",     "shutting down",                    REASON_SHUTTING_DOWN,              NULL,          PROCESS },
    { "any",     "too many wait for the database",   REASON_STORE_OVERLOADED,           NULL,          BOTH },
    { "any",     "refused by the database",          REASON_INTERNAL,                   NULL,          BOTH },
};
/* clang-format on */
#undef BOTH

_Static_assert(COUNT_OF(answer_rows) <= SIM_ANSWERS_MAX, "room for every row");

void sim_cover_answer(struct sim_coverage *coverage, enum sim_method method, enum reason reason,
                      const char *variant)
{
    coverage->reasons[reason]++;
    for (size_t i = 0; i < COUNT_OF(answer_rows); i++) {
        const struct answer_row *row = &answer_rows[i];

        if (row->reason == reason && (row->variant == NULL || strcmp(row->variant, variant) == 0))
            coverage->answers[i][method]++;
    }
}

/* ---- Classes of SQLSTATE ------------------------------------------------------------------------ */

static const char *const sql_classes[] = {"08", "21", "22", "23", "25", "26", "28", "3D", "40",
                                          "42", "53", "54", "55", "57", "58", "P0", "XX"};

_Static_assert(COUNT_OF(sql_classes) <= SIM_SQL_CLASSES_MAX, "room for every class");

void sim_cover_sqlstate(struct sim_coverage *coverage, enum sim_op op, const char *sqlstate)
{
    for (size_t i = 0; i < COUNT_OF(sql_classes); i++) {
        if (strncmp(sql_classes[i], sqlstate, 2) == 0)
            coverage->sql_classes[i][op]++;
    }
}

/* ---- Adding up ---------------------------------------------------------------------------------- */

void sim_coverage_add(struct sim_coverage *to, const struct sim_coverage *from)
{
    uint64_t *sum = (uint64_t *)(void *)to;
    const uint64_t *term = (const uint64_t *)(const void *)from;

    _Static_assert(sizeof(*to) % sizeof(*sum) == 0, "nothing but numbers of 64 bits");
    for (size_t i = 0; i < sizeof(*to) / sizeof(*sum); i++)
        sum[i] += term[i];
}

/* ---- Printing ----------------------------------------------------------------------------------- */

static unsigned missed(uint64_t count, bool is_wanted)
{
    return count == 0 && is_wanted;
}

static const char *mark(unsigned is_missed)
{
    return is_missed ? "  <-- not reached" : "";
}

static unsigned print_edges(const struct sim_coverage *coverage)
{
    unsigned missing = 0;

    puts("\nedges of the table of states");
    for (size_t i = 0; i < COUNT_OF(edge_rows); i++) {
        uint64_t count = coverage->edges[edge_rows[i].from][edge_rows[i].to];
        unsigned is_missed = missed(count, true);

        missing += is_missed;
        printf("  %-11s > %-11s %10" PRIu64 "%s\n",
               edge_rows[i].from == ORDER_STATE_UNSPECIFIED ? ""
                                                            : order_state_name(edge_rows[i].from),
               order_state_name(edge_rows[i].to), count, mark(is_missed));
    }
    return missing;
}

static unsigned print_points(const struct sim_coverage *coverage)
{
    unsigned missing = 0;

    puts("\ncrash points: a worker died there so often");
    for (size_t i = 0; i < COUNT_OF(point_names); i++) {
        unsigned is_missed = missed(coverage->points[i], true);

        missing += is_missed;
        printf("  %-40s %8" PRIu64 "%s\n", point_names[i], coverage->points[i], mark(is_missed));
    }
    return missing;
}

static unsigned print_answers(const struct sim_coverage *coverage)
{
    unsigned missing = 0;

    printf("\n%-62s %12s %11s\n", "answers", "ProcessOrder", "PlaceOrder");
    for (size_t i = 0; i < COUNT_OF(answer_rows); i++) {
        const struct answer_row *row = &answer_rows[i];
        const uint64_t *counts = coverage->answers[i];
        unsigned is_missed = missed(counts[SIM_METHOD_PROCESS], row->methods & PROCESS) |
                             missed(counts[SIM_METHOD_PLACE], row->methods & PLACE);

        missing += is_missed;
        printf("  %-8s %-34s %-17.17s %11" PRIu64 " %11" PRIu64 "%s\n", row->step, row->what,
               row->reason == REASON_NONE ? "OK" : reason_name(row->reason),
               counts[SIM_METHOD_PROCESS], counts[SIM_METHOD_PLACE], mark(is_missed));
    }
    return missing;
}

static unsigned print_fates(const struct sim_coverage *coverage)
{
    unsigned missing = 0;

    printf("\n%-13s", "fates");
    for (int kind = 0; kind < SIM_FATE_COUNT; kind++)
        printf(" %9.9s", sim_fate_name((enum sim_fate_kind)kind));
    putchar('\n');
    for (int op = 0; op < SIM_OP_COUNT; op++) {
        printf("  %-11s", sim_op_name((enum sim_op)op));
        for (int kind = 0; kind < SIM_FATE_COUNT; kind++)
            printf(" %9" PRIu64, coverage->fates[op][kind]);
        putchar('\n');
    }
    for (size_t i = 0; i < COUNT_OF(sql_classes); i++) {
        uint64_t count = 0;

        for (int op = 0; op < SIM_STORE_OPS; op++)
            count += coverage->sql_classes[i][op];
        missing += missed(count, true);
        printf("%sSQLSTATE %s... %8" PRIu64 "%s", i % 4 == 0 ? "\n  " : "   ", sql_classes[i],
               count, mark(missed(count, true)));
    }
    putchar('\n');
    return missing;
}

unsigned sim_coverage_print(const struct sim_coverage *coverage)
{
    unsigned missing = print_edges(coverage);

    missing += print_points(coverage);
    missing += print_answers(coverage);
    missing += print_fates(coverage);
    printf("\n%" PRIu64 " orders in %" PRIu64 " worlds: %" PRIu64 " calls, %" PRIu64
           " events, %" PRIu64 " orders taken over, %" PRId64 " hours of virtual time\n",
           coverage->orders, coverage->worlds, coverage->calls, coverage->events,
           coverage->takeovers, coverage->virtual_ms / 1000 / 3600);
    return missing;
}
