/* Numbers are read whole or not at all. */
#include "base/number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

static void durations_carry_their_unit(void **state)
{
    for (size_t i = 0; i < COUNT_OF(duration_cases); i++) {
        int64_t value = -1;

        assert_int_equal(number_parse_duration(duration_cases[i].text, &value),
                         duration_cases[i].value >= 0);
        assert_true(value == duration_cases[i].value);
    }
}

static void a_number_is_printed_with_all_its_digits(void **state)
{
    char largest[NUMBER_TEXT_SIZE];
    static const int64_t values[] = {0, 7, -7, 10, 1234567890, INT64_MAX, INT64_MIN};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char text[NUMBER_TEXT_SIZE], expected[32];

        snprintf(expected, sizeof(expected), "%lld", (long long)values[i]);
        assert_int_equal(number_print(values[i], text), strlen(expected));
        assert_string_equal(text, expected);
    }
    assert_int_equal(number_print_unsigned(UINT64_MAX, largest), 20);
    assert_string_equal(largest, "18446744073709551615");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_read_within_their_range),
        cmocka_unit_test(durations_carry_their_unit),
        cmocka_unit_test(a_number_is_printed_with_all_its_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
