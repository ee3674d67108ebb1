/* Answers as text. */
#include "ctl/ctl_view.h"

#include "ctl/ctl_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
        TEST(what_is_missing_is_a_dash),
        TEST(an_answer_that_is_no_object_cannot_be_read),
        TEST(an_error_is_told_with_its_reason_and_fields),
        TEST(an_error_of_somebody_else_is_told_by_its_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
