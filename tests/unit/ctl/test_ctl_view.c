/* Answers as text. */
#include "ctl/ctl_view.h"

#include "ctl/ctl_table.h"

#include "fake/failing_heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* clang-format off */
#define ORDER \
    "{\"order\":{\"id\":\"o1\",\"state\":\"REFUNDING\",\"cancelWished\":true,\"totalMinor\":\"6600\"," \
    "\"reason\":\"FULFILLMENT_REJECTED\",\"currencyCode\":\"JPY\",\"customerId\":\"ada\"," \
    "\"createTime\":\"10:00\",\"updateTime\":\"10:01\",\"paymentId\":\"pi_1\"}," \
    "\"leaseUntil\":\"10:02\"," \
    "\"attempts\":[{\"attempt\":1,\"beginTime\":\"10:00\",\"undoSince\":\"10:01\",\"paymentId\":\"pi_1\"," \
    "\"failure\":{\"reason\":\"FULFILLMENT_REJECTED\"},\"steps\":[" \
    "{\"kind\":\"CHARGE\",\"outcome\":\"DONE\",\"tries\":2,\"startTime\":\"10:00\",\"endTime\":\"10:01\"," \
    "\"externalId\":\"pi_1\"}," \
    "{\"kind\":\"REFUND\",\"outcome\":\"RUNNING\",\"startTime\":\"10:01\",\"externalId\":\"pi_1\"}]}]," \
    "\"events\":[{\"revision\":4,\"time\":\"10:01\",\"attempt\":1,\"state\":\"REFUNDING\"," \
    "\"step\":\"REFUND\",\"outcome\":\"UNKNOWN\",\"tries\":3,\"operator\":\"ada\"," \
    "\"operatorReason\":\"it is back\",\"failure\":{\"reason\":\"FULFILLMENT_REJECTED\"}}]}"
#define BATCHES \
    "{\"recoveryPaused\":true,\"batchMax\":128,\"workers\":[{\"ordersInFlight\":7,\"connections\":{" \
    "\"read\":{\"ready\":1,\"count\":2},\"stock\":{\"ready\":0,\"count\":1}," \
    "\"write\":{\"ready\":2,\"count\":2}}," \
    "\"breakers\":{\"payment\":\"OPEN\",\"fulfillment\":\"CLOSED\"}}],\"statements\":[" \
    "{\"statement\":\"saga_claim\",\"lane\":\"stock\",\"waiting\":0,\"inFlight\":1,\"lastBatch\":9}," \
    "{\"statement\":\"waits\",\"lane\":\"read\",\"waiting\":3,\"inFlight\":0,\"lastBatch\":0}," \
    "{\"statement\":\"idle\",\"lane\":\"read\",\"waiting\":0,\"inFlight\":0,\"lastBatch\":0}]}"
/* clang-format on */

struct output {
    char *text;
    size_t size;
    FILE *file;
};

static int setup(void **state)
{
    struct output *output = test_calloc(1, sizeof(*output));
    output->file = open_memstream(&output->text, &output->size);
    *state = output;
    return output->file == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    struct output *output = *state;
    fclose(output->file);
    free(output->text);
    test_free(output);
    return 0;
}

static const char *printed(struct output *output)
{
    fflush(output->file);
    return output->text;
}

static bool print(struct output *output, enum ctl_view view, const char *json)
{
    json_t *answer = json_loads(json, 0, NULL);
    bool is_well = ctl_view_print(view, answer, output->file);
    json_decref(answer);
    return is_well;
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    static const char *const titles[] = {"A", "LONGER", "END", NULL};
    struct output *output = *state;
    struct ctl_table *table = ctl_table_new(titles);

    ctl_table_row(table);
    ctl_table_cell(table, "%s", "d\xc3\xbcnn");
    ctl_table_cell(table, "%d", 1);
    ctl_table_cell(table, "x");
    ctl_table_cell(table, "too much");
    ctl_table_row(table);
    ctl_table_cell(table, "b");
    assert_true(ctl_table_print(table, output->file));
    ctl_table_free(table);
    assert_string_equal(printed(output), "A     LONGER  END\n"
                                         "d\xc3\xbcnn  1       x\n"
                                         "b             \n");
}

static void what_others_wrote_does_not_reach_the_terminal_as_commands(void **state)
{
    static const char *const titles[] = {"A", NULL};
    struct output *output = *state;
    struct ctl_table *table = ctl_table_new(titles);

    ctl_table_row(table);
    ctl_table_cell(table, "a\x1b[2Jb\nc");
    assert_true(ctl_table_print(table, output->file));
    ctl_table_free(table);
    assert_string_equal(printed(output), "A\na?[2Jb?c\n");
}

static void orders_are_rows(void **state)
{
    struct output *output = *state;

    assert_true(
        print(output, CTL_VIEW_ORDERS,
              "{\"orders\":[{\"id\":\"o1\",\"state\":\"STUCK\",\"stuckState\":\"REFUNDING\","
              "\"attempt\":2,\"totalMinor\":\"6600\",\"currencyCode\":\"JPY\","
              "\"ageSeconds\":7300,\"paymentId\":null,\"reason\":\"PAYMENT_DECLINED\","
              "\"customerId\":\"ada\"}],\"nextBefore\":\"o1\"}"));
    assert_non_null(strstr(printed(output), "o1  2h   STUCK in REFUNDING  2        6600 JPY"));
    assert_non_null(strstr(printed(output), "-        PAYMENT_DECLINED  ada"));
    assert_non_null(strstr(printed(output), "there are more: --before o1"));
}

static void an_age_is_told_in_its_largest_unit(void **state)
{
    static const struct {
        const char *seconds, *row;
    } cases[] = {
        {"0", "o1  0s   PENDING"},      {"59", "o1  59s  PENDING"},   {"60", "o1  1m   PENDING"},
        {"3599", "o1  59m  PENDING"},   {"3600", "o1  1h   PENDING"}, {"86399", "o1  23h  PENDING"},
        {"604800", "o1  7d   PENDING"},
    };
    struct output *output = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char json[100];
        snprintf(json, sizeof(json),
                 "{\"orders\":[{\"id\":\"o1\",\"state\":\"PENDING\",\"ageSeconds\":%s}]}",
                 cases[i].seconds);
        assert_true(print(output, CTL_VIEW_ORDERS, json));
        assert_non_null(strstr(printed(output), cases[i].row));
    }
}

static void an_order_is_shown_with_its_attempts_steps_and_events(void **state)
{
    struct output *output = *state;

    assert_true(print(output, CTL_VIEW_ORDER, ORDER));
    assert_string_equal(
        printed(output),
        "ORDER        \n"
        "id           o1\n"
        "state        REFUNDING, to be cancelled\n"
        "reason       FULFILLMENT_REJECTED\n"
        "customer     ada\n"
        "created      10:00\n"
        "changed      10:01\n"
        "lease until  10:02\n"
        "payment      pi_1\n"
        "shipment     -\n"
        "total        6600 JPY, in minor units\n"
        "\n"
        "ATTEMPT  OUTCOME  BEGUN  UNDONE SINCE  PAYMENT  SHIPMENT  REASON\n"
        "1        -        10:00  10:01         pi_1     -         FULFILLMENT_REJECTED\n"
        "\n"
        "ATTEMPT  STEP    OUTCOME  TRIES  BEGUN  ENDED  EXTERNAL ID\n"
        "1        CHARGE  DONE     2      10:00  10:01  pi_1\n"
        "1        REFUND  RUNNING  0      10:01  -      pi_1\n"
        "\n"
        "REVISION  TIME   ATTEMPT  STATE      STEP    OUTCOME  TRIES  REASON                "
        "OPERATOR"
        "  BECAUSE\n"
        "4         10:01  1        REFUNDING  REFUND  UNKNOWN  3      FULFILLMENT_REJECTED  ada"
        "       it is back\n");
}

static void what_a_process_is_doing_is_told_of_what_is_used(void **state)
{
    struct output *output = *state;

    assert_true(print(output, CTL_VIEW_BATCHES, BATCHES));
    assert_string_equal(printed(output),
                        "recovery is PAUSED: no order is taken over here\n"
                        "\n"
                        "WORKER  ORDERS  READ  STOCK  WRITE  PAYMENT  FULFILLMENT\n"
                        "0       7       1/2   0/1    2/2    OPEN     CLOSED\n"
                        "\n"
                        "STATEMENT   LANE   WAITING  IN FLIGHT  LAST BATCH\n"
                        "saga_claim  stock  0        1          9 of 128\n"
                        "waits       read   3        0          0 of 128\n");
}

static void a_change_is_told_as_what_the_order_is_now(void **state)
{
    struct output *output = *state;

    assert_true(
        print(output, CTL_VIEW_CHANGE, "{\"id\":\"o1\",\"state\":\"REFUNDING\",\"revision\":8}"));
    assert_string_equal(printed(output), "order o1 is REFUNDING now, revision 8\n");
}

struct short_of_memory {
    enum ctl_view view;
    const char *json;
};

static void print_with_little_memory(void *context)
{
    const struct short_of_memory *what = context;
    json_t *answer = json_loads(what->json, 0, NULL);
    FILE *nowhere = fopen("/dev/null", "w");
    bool is_well;

    assert_non_null(nowhere);
    failing_heap_begin();
    is_well = ctl_view_print(what->view, answer, nowhere);
    failing_heap_end();
    assert_int_equal(is_well, !failing_heap_has_failed());
    fclose(nowhere);
    json_decref(answer);
}

static void what_memory_was_too_short_for_is_never_told_as_the_whole(void **state)
{
    struct short_of_memory views[] = {
        {CTL_VIEW_ORDERS, "{\"orders\":[{\"id\":\"o1\"},{\"id\":\"o2\"}],\"nextBefore\":\"o2\"}"},
        {CTL_VIEW_ORDER, ORDER},
        {CTL_VIEW_BATCHES, BATCHES},
    };

    for (size_t i = 0; i < COUNT_OF(views); i++) {
        failing_heap_each(print_with_little_memory, &views[i]);
    }
}

static void what_is_missing_is_a_dash(void **state)
{
    struct output *output = *state;

    assert_true(print(output, CTL_VIEW_ORDER, "{}"));
    assert_true(print(output, CTL_VIEW_BATCHES, "{}"));
    assert_non_null(strstr(printed(output), "id           -"));
    assert_non_null(strstr(printed(output), "recovery runs"));
}

static void an_answer_that_is_no_object_cannot_be_read(void **state)
{
    struct output *output = *state;

    assert_false(print(output, CTL_VIEW_ORDERS, "[]"));
    assert_false(print(output, CTL_VIEW_ORDERS, "oops"));
}

static void an_error_is_told_with_its_reason_and_fields(void **state)
{
    struct output *output = *state;
    json_t *answer = json_loads(
        "{\"error\":{\"message\":\"the request has invalid fields\",\"details\":["
        "{\"reason\":\"REQUEST_INVALID\"},"
        "{\"fieldViolations\":[{\"field\":\"reason\",\"description\":\"must be given\"}]}]}}",
        0, NULL);

    ctl_view_print_error(answer, 400, output->file);
    json_decref(answer);
    assert_string_equal(printed(output), "orderctl: the request has invalid fields\n"
                                         "  REQUEST_INVALID\n"
                                         "  reason: must be given\n");
}

static void an_error_of_somebody_else_is_told_by_its_status(void **state)
{
    struct output *output = *state;

    ctl_view_print_error(NULL, 502, output->file);
    assert_string_equal(printed(output), "orderctl: the answer was 502, and not one of orderd\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(columns_are_as_wide_as_their_widest_cell),
        TEST(what_others_wrote_does_not_reach_the_terminal_as_commands),
        TEST(orders_are_rows),
        TEST(an_age_is_told_in_its_largest_unit),
        TEST(an_order_is_shown_with_its_attempts_steps_and_events),
        TEST(what_a_process_is_doing_is_told_of_what_is_used),
        TEST(a_change_is_told_as_what_the_order_is_now),
        cmocka_unit_test(what_memory_was_too_short_for_is_never_told_as_the_whole),
        TEST(what_is_missing_is_a_dash),
        TEST(an_answer_that_is_no_object_cannot_be_read),
        TEST(an_error_is_told_with_its_reason_and_fields),
        TEST(an_error_of_somebody_else_is_told_by_its_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
