/* Differences by their names. */
#include "domain/difference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_difference_is_found_again_by_its_name(void **state)
{
    for (int kind = 0; kind < DIFFERENCE_KIND_COUNT; kind++) {
        const char *name = difference_kind_name((enum difference_kind)kind);

        assert_non_null(name);
        assert_int_equal(difference_kind_parse(name), kind);
    }
    assert_string_equal(difference_kind_name(DIFFERENCE_NO_ORDER), "NO_ORDER");
    assert_int_equal(difference_kind_parse("STRANGE"), DIFFERENCE_KIND_COUNT);
    assert_int_equal(difference_kind_parse(""), DIFFERENCE_KIND_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_difference_is_found_again_by_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
