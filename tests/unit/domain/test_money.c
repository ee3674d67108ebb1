#include "domain/money.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_currency_has_the_exponent_of_iso_4217(void **state)
{
    static const struct {
        const char *code;
        int exponent;
    } rows[] = {
        {"EUR", 2}, {"USD", 2}, {"GBP", 2}, {"CHF", 2}, {"JPY", 0}, {"KRW", 0}, {"ISK", 0},
        {"BHD", 3}, {"KWD", 3}, {"TND", 3}, {"CLF", 4}, {"UYW", 4}, {"AED", 2}, {"ZWG", 2},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(currency_exponent(rows[i].code), rows[i].exponent);
}

static void what_is_no_active_currency_is_unknown(void **state)
{
    static const char *const codes[] = {"",    "E",   "EU",  "EURO", "eur", "XXX",
                                        "XAU", "XTS", "DEM", "HRK",  "AAA", "ZZZ"};

    for (size_t i = 0; i < COUNT_OF(codes); i++)
        assert_int_equal(currency_exponent(codes[i]), -1);
}

static void units_and_nanos_become_minor_units(void **state)
{
    static const struct {
        const char *currency;
        int64_t units;
        int32_t nanos;
        enum money_problem problem;
        int64_t minor;
    } rows[] = {
        {"EUR", 12, 340000000, MONEY_OK, 1234},
        {"EUR", 0, 10000000, MONEY_OK, 1},
        {"EUR", -1, -500000000, MONEY_OK, -150},
        {"EUR", 0, -10000000, MONEY_OK, -1},
        {"JPY", 500, 0, MONEY_OK, 500},
        {"BHD", 1, 234000000, MONEY_OK, 1234},
        {"CLF", 0, 100000, MONEY_OK, 1},
        {"EUR", 0, 5000000, MONEY_TOO_PRECISE, 0},
        {"EUR", 0, 1, MONEY_TOO_PRECISE, 0},
        {"JPY", 1, 100000000, MONEY_TOO_PRECISE, 0},
        {"EUR", 1, -10000000, MONEY_NANOS_INVALID, 0},
        {"EUR", -1, 10000000, MONEY_NANOS_INVALID, 0},
        {"JPY", 0, 1000000000, MONEY_NANOS_INVALID, 0},
        {"JPY", 0, -1000000000, MONEY_NANOS_INVALID, 0},
        {"EUR", 0, INT32_MIN, MONEY_NANOS_INVALID, 0},
        {"XXX", 1, 0, MONEY_CURRENCY_UNKNOWN, 0},
        {"", 1, 0, MONEY_CURRENCY_UNKNOWN, 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct money money = {0};
        assert_int_equal(money_from_units(rows[i].currency, rows[i].units, rows[i].nanos, &money),
                         rows[i].problem);
        assert_int_equal(money.minor, rows[i].minor);
        if (rows[i].problem == MONEY_OK)
            assert_string_equal(money.currency, rows[i].currency);
    }
}

static void the_largest_amounts_fit_and_the_next_do_not(void **state)
{
    struct money money;

    assert_int_equal(money_from_units("JPY", INT64_MAX, 0, &money), MONEY_OK);
    assert_int_equal(money_from_units("JPY", INT64_MIN, 0, &money), MONEY_OK);
    assert_int_equal(money_from_units("EUR", INT64_MAX / 100, 70000000, &money), MONEY_OK);
    assert_int_equal(money.minor, INT64_MAX);
    assert_int_equal(money_from_units("EUR", INT64_MAX / 100, 80000000, &money), MONEY_TOO_LARGE);
    assert_int_equal(money_from_units("EUR", INT64_MAX / 100 + 1, 0, &money), MONEY_TOO_LARGE);
    assert_int_equal(money_from_units("BHD", INT64_MIN, 0, &money), MONEY_TOO_LARGE);
}

static void minor_units_come_back_as_they_were_written(void **state)
{
    static const struct {
        struct money money;
        int64_t units;
        int32_t nanos;
    } rows[] = {
        {{1234, "EUR"}, 12, 340000000},
        {{-1, "EUR"}, 0, -10000000},
        {{7, "JPY"}, 7, 0},
        {{1, "BHD"}, 0, 1000000},
        {{INT64_MIN, "EUR"}, INT64_MIN / 100, -80000000},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct money again;
        int64_t units;
        int32_t nanos;
        money_to_units(&rows[i].money, &units, &nanos);
        assert_int_equal(units, rows[i].units);
        assert_int_equal(nanos, rows[i].nanos);
        assert_int_equal(money_from_units(rows[i].money.currency, units, nanos, &again), MONEY_OK);
        assert_int_equal(again.minor, rows[i].money.minor);
        assert_string_equal(again.currency, rows[i].money.currency);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_currency_has_the_exponent_of_iso_4217),
        cmocka_unit_test(what_is_no_active_currency_is_unknown),
        cmocka_unit_test(units_and_nanos_become_minor_units),
        cmocka_unit_test(the_largest_amounts_fit_and_the_next_do_not),
        cmocka_unit_test(minor_units_come_back_as_they_were_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
