/* The codes have gRPC's numbers and names, and one HTTP status each. */
#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"

/* clang-format off */
static const struct {
    int number;
    const char *name;
    int http;
} cases[] = { /* api.md */
    { 0, "OK",                  200}, { 1, "CANCELLED",          499},
    { 2, "UNKNOWN",             500}, { 3, "INVALID_ARGUMENT",   400},
    { 4, "DEADLINE_EXCEEDED",   504}, { 5, "NOT_FOUND",          404},
    { 6, "ALREADY_EXISTS",      409}, { 7, "PERMISSION_DENIED",  403},
    { 8, "RESOURCE_EXHAUSTED",  429}, { 9, "FAILED_PRECONDITION", 400},
    {10, "ABORTED",             409}, {11, "OUT_OF_RANGE",       400},
    {12, "UNIMPLEMENTED",       501}, {13, "INTERNAL",           500},
    {14, "UNAVAILABLE",         503}, {15, "DATA_LOSS",          500},
    {16, "UNAUTHENTICATED",     401},
};
/* clang-format on */

static void every_code_has_its_name_and_http_status(void **state)
{
    assert_int_equal(COUNT_OF(cases), STATUS_COUNT);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_string_equal(status_name((enum status)cases[i].number), cases[i].name);
        assert_int_equal(status_http((enum status)cases[i].number), cases[i].http);
    }
}

static void a_number_that_is_no_code_reads_as_unknown(void **state)
{
    assert_string_equal(status_name(STATUS_COUNT), "UNKNOWN");
    assert_int_equal(status_http(STATUS_COUNT), 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_name_and_http_status),
        cmocka_unit_test(a_number_that_is_no_code_reads_as_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
