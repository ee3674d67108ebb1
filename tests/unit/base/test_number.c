/* Numbers are read whole or not at all. */
#include "base/number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* clang-format off */
static const struct {
    const char *text;
    int64_t min, max;
    bool valid;
    int64_t value;
} integer_cases[] = {
    {"0",                    0, 10,               true,  0},
    {"10",                   0, 10,               true,  10},
    {"11",                   0, 10,               false, 0},
    {"-1",                   0, 10,               false, 0},
    {"-1",                   -1, 10,              true,  -1},
    {"-2",                   -1, 10,              false, 0},
    {"007",                  0, 10,               true,  7},
    {"",                     0, 10,               false, 0},
    {"-",                    -9, 9,               false, 0},
    {"+1",                   0, 10,               false, 0},
    {" 1",                   0, 10,               false, 0},
    {"1 ",                   0, 10,               false, 0},
    {"1x",                   0, 10,               false, 0},
    {"0x1",                  0, 10,               false, 0},
    {"9223372036854775807",  INT64_MIN, INT64_MAX, true,  INT64_MAX},
    {"9223372036854775808",  INT64_MIN, INT64_MAX, false, 0},
    {"-9223372036854775808", INT64_MIN, INT64_MAX, true,  INT64_MIN},
    {"-9223372036854775809", INT64_MIN, INT64_MAX, false, 0},
};
struct unit_case {
    const char *text;
    int64_t value; /* -1: not valid */
};
static const struct unit_case duration_cases[] = {
    {"250ms", 250}, {"5s", 5000}, {"15m", 900000}, {"24h", 86400000}, {"7d", 604800000},
    {"0", 0}, {"0s", 0}, {"5", -1}, {"", -1}, {"s", -1}, {"-5s", -1}, {"5 s", -1}, {"5S", -1},
    {"1.5s", -1}, {"5sec", -1}, {"106751991167d", 9223372036828800000}, {"106751991168d", -1},
};
static const struct unit_case size_cases[] = {
    {"512", 512}, {"64KiB", 65536}, {"2MiB", 2097152}, {"1GiB", 1073741824}, {"0", 0},
    {"64KB", -1}, {"64k", -1}, {"", -1}, {"KiB", -1}, {"-1", -1}, {"8589934591GiB", 9223372035781033984},
    {"8589934592GiB", -1},
};
/* clang-format on */

static void integers_are_read_within_their_range(void **state)
{
    for (size_t i = 0; i < COUNT_OF(integer_cases); i++) {
        int64_t value = 0;
        bool valid =
            number_parse(integer_cases[i].text, integer_cases[i].min, integer_cases[i].max, &value);

        assert_int_equal(valid, integer_cases[i].valid);
        assert_true(value == integer_cases[i].value);
    }
}

static void check(const struct unit_case *cases, size_t count,
                  bool (*parse)(const char *text, int64_t *out_value))
{
    for (size_t i = 0; i < count; i++) {
        int64_t value = -1;

        assert_int_equal(parse(cases[i].text, &value), cases[i].value >= 0);
        assert_true(value == cases[i].value);
    }
}

static void durations_carry_their_unit(void **state)
{
    check(duration_cases, COUNT_OF(duration_cases), number_parse_duration);
}

static void sizes_may_carry_a_binary_unit(void **state)
{
    check(size_cases, COUNT_OF(size_cases), number_parse_size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_read_within_their_range),
        cmocka_unit_test(durations_carry_their_unit),
        cmocka_unit_test(sizes_may_carry_a_binary_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
