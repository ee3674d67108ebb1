/* Which SQLSTATE invites a retry, and which ends the connection. */
#include "store/pg_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

/* clang-format off */
static const struct {
    const char *sqlstate;
    enum reason reason;
    bool closes;
} cases[] = {
    { NULL,    REASON_STORE_UNAVAILABLE, true },
    { "40001", REASON_STORE_UNAVAILABLE, false },
    { "40P01", REASON_STORE_UNAVAILABLE, false },
    { "55P03", REASON_STORE_UNAVAILABLE, false },
    { "57014", REASON_STORE_UNAVAILABLE, false },
    { "53300", REASON_STORE_UNAVAILABLE, false },
    { "53200", REASON_STORE_UNAVAILABLE, false },
    { "53100", REASON_STORE_UNAVAILABLE, false },
    { "57P01", REASON_STORE_UNAVAILABLE, true },
    { "57P02", REASON_STORE_UNAVAILABLE, true },
    { "57P03", REASON_STORE_UNAVAILABLE, true },
    { "57P05", REASON_STORE_UNAVAILABLE, true },
    { "25P03", REASON_STORE_UNAVAILABLE, true },
    { "25006", REASON_STORE_UNAVAILABLE, true },
    { "26000", REASON_STORE_UNAVAILABLE, true },
    { "08000", REASON_STORE_UNAVAILABLE, true },
    { "08006", REASON_STORE_UNAVAILABLE, true },
    { "08P01", REASON_STORE_UNAVAILABLE, true },
    { "22012", REASON_INTERNAL,          false },
    { "23505", REASON_INTERNAL,          false },
    { "42P01", REASON_INTERNAL,          false },
    { "XX000", REASON_INTERNAL,          false },
    { "P0001", REASON_INTERNAL,          false },
    { "40002", REASON_INTERNAL,          false },
    { "",      REASON_INTERNAL,          false },
};
/* clang-format on */

static void each_sqlstate_has_its_reason(void **state)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err = {0};
        assert_int_equal(pg_error_set(&err, cases[i].sqlstate), reason_status(cases[i].reason));
        assert_int_equal(err.reason, cases[i].reason);
        assert_true(strlen(err.message) > 0);
        assert_int_equal(pg_error_closes(cases[i].sqlstate), cases[i].closes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_sqlstate_has_its_reason)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
