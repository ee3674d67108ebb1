/* Timestamps and durations, both ways. */
#include "edge/transcode/time_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"

static void timestamps_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
        int32_t nanos;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0, 0},
        {"1970-01-01T00:00:00+00:00", 0, 0},
        {"1970-01-01T00:00:00-00:00", 0, 0},
        {"1969-12-31T23:59:59.999999999Z", -1, 999999999},
        {"2026-02-28T09:30:00.5+01:00", 1772267400, 500000000},
        {"2026-02-28T08:30:00.000000001Z", 1772267400, 1},
        {"2026-02-27T09:00:00-23:30", 1772267400, 0},
        {"2024-02-29T00:00:00Z", 1709164800, 0},
        {"2000-02-29T12:00:00Z", 951825600, 0},
        {"0001-01-01T00:00:00Z", TIMESTAMP_SECONDS_MIN, 0},
        {"0001-01-01T01:00:00+01:00", TIMESTAMP_SECONDS_MIN, 0},
        {"9999-12-31T23:59:59.999999999Z", TIMESTAMP_SECONDS_MAX, 999999999},
        {"9999-12-31T22:59:59-01:00", TIMESTAMP_SECONDS_MAX, 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t seconds;
        int32_t nanos;
        if (!timestamp_parse(rows[i].text, strlen(rows[i].text), &seconds, &nanos))
            fail_msg("%s is refused", rows[i].text);
        assert_int_equal(seconds, rows[i].seconds);
        assert_int_equal(nanos, rows[i].nanos);
    }
}

static void what_is_no_timestamp_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "2026",
        "2026-02-28",
        "2026-02-28T09:30:00",
        "2026-02-28T09:30Z",
        "2026-02-28t09:30:00Z",
        "2026-02-28T09:30:00z",
        "2026-02-28 09:30:00Z",
        "2026-02-29T09:30:00Z",
        "2100-02-29T09:30:00Z",
        "1900-02-29T09:30:00Z",
        "2026-04-31T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-06-30T23:59:60Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00,5Z",
        "2026-01-01T00:00:00.1234567890Z",
        "2026-01-01T00:00:00+1:00",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+00:60",
        "2026-01-01T00:00:00 Z",
        "2026-01-01T00:00:00Zx",
        " 2026-01-01T00:00:00Z",
        "+2026-01-01T00:00:00Z",
        "26-01-01T00:00:00Z",
        "0000-12-31T23:59:59Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "10000-01-01T00:00:00Z",
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t seconds;
        int32_t nanos;
        if (timestamp_parse(rows[i], strlen(rows[i]), &seconds, &nanos))
            fail_msg("%s is taken", rows[i]);
    }
}

static void timestamps_are_written_with_0_3_6_or_9_digits(void **state)
{
    static const struct {
        int64_t seconds;
        int32_t nanos;
        const char *text;
    } rows[] = {
        {0, 0, "1970-01-01T00:00:00Z"},
        {0, 500000000, "1970-01-01T00:00:00.500Z"},
        {0, 1000, "1970-01-01T00:00:00.000001Z"},
        {0, 1, "1970-01-01T00:00:00.000000001Z"},
        {0, 120000, "1970-01-01T00:00:00.000120Z"},
        {-1, 999999999, "1969-12-31T23:59:59.999999999Z"},
        {TIMESTAMP_SECONDS_MIN, 0, "0001-01-01T00:00:00Z"},
        {TIMESTAMP_SECONDS_MAX, 999999999, "9999-12-31T23:59:59.999999999Z"},
        {TIMESTAMP_SECONDS_MIN - 1, 0, ""},
        {TIMESTAMP_SECONDS_MAX + 1, 0, ""},
        {INT64_MAX, 0, ""},
        {INT64_MIN, 0, ""},
        {0, -1, ""},
        {0, 1000000000, ""},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[TIMESTAMP_TEXT_SIZE] = "";
        assert_int_equal(timestamp_format(rows[i].seconds, rows[i].nanos, text),
                         strlen(rows[i].text));
        assert_string_equal(text, rows[i].text);
    }
}

/* Every day of 10,000 years, and so every leap day. */
static void each_day_comes_back(void **state)
{
    char text[TIMESTAMP_TEXT_SIZE];
    int64_t seconds = 0;
    int32_t nanos;
    size_t len;

    for (int64_t day = TIMESTAMP_SECONDS_MIN; day <= TIMESTAMP_SECONDS_MAX; day += 86400) {
        len = timestamp_format(day + 3661, 0, text);
        assert_true(timestamp_parse(text, len, &seconds, &nanos));
        assert_true(seconds == day + 3661);
    }
    assert_string_equal(text, "9999-12-31T01:01:01Z");
}

static void durations_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
        int32_t nanos;
    } rows[] = {
        {"0s", 0, 0},
        {"1s", 1, 0},
        {"007s", 7, 0},
        {"1.5s", 1, 500000000},
        {"-1.5s", -1, -500000000},
        {"-0.5s", 0, -500000000},
        {"1.000000001s", 1, 1},
        {"315576000000s", DURATION_SECONDS_MAX, 0},
        {"-315576000000s", -DURATION_SECONDS_MAX, 0},
        {"315576000000.999999999s", DURATION_SECONDS_MAX, 999999999},
    };
    static const char *const wrong[] = {
        "",
        "1",
        "s",
        "1.s",
        ".5s",
        "1.5",
        "1.5S",
        "1 s",
        "+1s",
        "--1s",
        "1m",
        "1e3s",
        "-s",
        "1.0000000000s",
        "1s ",
        "1.-5s",
        "0x1s",
        "315576000001s",
        "-315576000001s",
        "NaNs",
        "99999999999999999999s",
    };
    int64_t seconds;
    int32_t nanos;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!duration_parse(rows[i].text, strlen(rows[i].text), &seconds, &nanos))
            fail_msg("%s is refused", rows[i].text);
        assert_int_equal(seconds, rows[i].seconds);
        assert_int_equal(nanos, rows[i].nanos);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        if (duration_parse(wrong[i], strlen(wrong[i]), &seconds, &nanos))
            fail_msg("%s is taken", wrong[i]);
    }
}

static void durations_are_written(void **state)
{
    static const struct {
        int64_t seconds;
        int32_t nanos;
        const char *text;
    } rows[] = {
        {0, 0, "0s"},
        {1, 500000000, "1.500s"},
        {-1, -500000000, "-1.500s"},
        {0, -1000, "-0.000001s"},
        {3, 1, "3.000000001s"},
        {DURATION_SECONDS_MAX, 999999999, "315576000000.999999999s"},
        {-DURATION_SECONDS_MAX, -999999999, "-315576000000.999999999s"},
        {DURATION_SECONDS_MAX + 1, 0, ""},
        {-DURATION_SECONDS_MAX - 1, 0, ""},
        {INT64_MIN, 0, ""},
        {1, -1, ""},
        {-1, 1, ""},
        {0, 1000000000, ""},
        {0, -1000000000, ""},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[DURATION_TEXT_SIZE] = "";
        assert_int_equal(duration_format(rows[i].seconds, rows[i].nanos, text),
                         strlen(rows[i].text));
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timestamps_are_read),
        cmocka_unit_test(what_is_no_timestamp_is_refused),
        cmocka_unit_test(timestamps_are_written_with_0_3_6_or_9_digits),
        cmocka_unit_test(each_day_comes_back),
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(durations_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
