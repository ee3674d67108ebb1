/* Dates by arithmetic: nothing here knows the time, a time zone or a locale. */
#include "edge/transcode/time_text.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    NANOS_PER_SECOND = 1000 * 1000 * 1000,
    SECONDS_PER_DAY = 24 * 60 * 60,
    DAYS_PER_ERA = 146097, /* 400 years */
    DAYS_TO_1970 = 719468, /* from 0000-03-01, the start of an era */
};

/* Text not read yet. */
struct cursor {
    const char *at, *end;
};

static bool take_char(struct cursor *cursor, char c)
{
    if (cursor->at == cursor->end || *cursor->at != c)
        return false;
    cursor->at++;
    return true;
}

static bool is_digit(const struct cursor *cursor)
{
    return cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9';
}

/* Exactly `count` digits, as a number within [min, max]. */
static bool take_number(struct cursor *cursor, unsigned count, int min, int max, int *out_number)
{
    int number = 0;

    for (unsigned i = 0; i < count; i++) {
        if (!is_digit(cursor))
            return false;
        number = number * 10 + (*cursor->at++ - '0');
    }
    *out_number = number;
    return number >= min && number <= max;
}

/* ".5" as 500000000; nothing as 0. */
static bool take_fraction(struct cursor *cursor, int32_t *out_nanos)
{
    int32_t nanos = 0, unit = NANOS_PER_SECOND / 10;

    *out_nanos = 0;
    if (!take_char(cursor, '.'))
        return true;
    if (!is_digit(cursor))
        return false;
    for (; is_digit(cursor); unit /= 10) {
        if (unit == 0)
            return false;
        nanos += unit * (*cursor->at++ - '0');
    }
    *out_nanos = nanos;
    return true;
}

/* ---- The calendar: years begin in March, so that the leap day is the last one ------------------ */

struct date {
    int year, month, day;
};

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && is_leap);
}

static int64_t days_from_date(struct date date)
{
    const int64_t year = date.year - (date.month <= 2); /* never negative: 1 at least, or 0 */
    const int64_t era = year / 400, year_of_era = year % 400;
    const int64_t month = (date.month + 9) % 12; /* 0: March */
    const int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;

    return era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
           day_of_year - DAYS_TO_1970;
}

static struct date date_from_days(int64_t days)
{
    const int64_t shifted = days + DAYS_TO_1970; /* positive from year 1 on */
    const int64_t era = shifted / DAYS_PER_ERA, day_of_era = shifted % DAYS_PER_ERA;
    const int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t month = (5 * day_of_year + 2) / 153;
    struct date date;

    date.day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    date.month = (int)(month < 10 ? month + 3 : month - 9);
    date.year = (int)(era * 400 + year_of_era + (date.month <= 2));
    return date;
}

/* ---- Timestamps -------------------------------------------------------------------------------- */

static bool take_date(struct cursor *cursor, struct date *out_date)
{
    return take_number(cursor, 4, 1, 9999, &out_date->year) && take_char(cursor, '-') &&
           take_number(cursor, 2, 1, 12, &out_date->month) && take_char(cursor, '-') &&
           take_number(cursor, 2, 1, days_in_month(out_date->year, out_date->month),
                       &out_date->day);
}

static bool take_offset(struct cursor *cursor, int *out_seconds)
{
    int sign, hours, minutes;

    *out_seconds = 0;
    if (take_char(cursor, 'Z'))
        return true;
    sign = take_char(cursor, '-') ? -1 : 1;
    if (sign > 0 && !take_char(cursor, '+'))
        return false;
    if (!take_number(cursor, 2, 0, 23, &hours) || !take_char(cursor, ':') ||
        !take_number(cursor, 2, 0, 59, &minutes))
        return false;
    *out_seconds = sign * (hours * 60 + minutes) * 60;
    return true;
}

bool timestamp_parse(const char *text, size_t len, int64_t *out_seconds, int32_t *out_nanos)
{
    struct cursor cursor = {.at = text, .end = text + len};
    struct date date;
    int hour, minute, second, offset;

    if (!take_date(&cursor, &date) || !take_char(&cursor, 'T') ||
        !take_number(&cursor, 2, 0, 23, &hour) || !take_char(&cursor, ':') ||
        !take_number(&cursor, 2, 0, 59, &minute) || !take_char(&cursor, ':') ||
        !take_number(&cursor, 2, 0, 59, &second) || !take_fraction(&cursor, out_nanos) ||
        !take_offset(&cursor, &offset) || cursor.at != cursor.end)
        return false;
    *out_seconds = days_from_date(date) * SECONDS_PER_DAY + (hour * 60 + minute) * 60 + second;
    *out_seconds -= offset;
    return *out_seconds >= TIMESTAMP_SECONDS_MIN && *out_seconds <= TIMESTAMP_SECONDS_MAX;
}

/* Writes the last `count` digits of a number; returns the place behind them. */
static char *put_digits(char *out, int number, int count)
{
    for (int i = count; i-- > 0; number /= 10)
        out[i] = (char)('0' + number % 10);
    return out + count;
}

static char *put_number(char *out, int number, int count, char behind)
{
    out = put_digits(out, number, count);
    *out = behind;
    return out + 1;
}

/* Half a second as ".500": 0, 3, 6 or 9 digits. */
static char *put_fraction(char *out, int32_t nanos)
{
    if (nanos == 0)
        return out;
    *out++ = '.';
    if (nanos % 1000000 == 0)
        return put_digits(out, nanos / 1000000, 3);
    if (nanos % 1000 == 0)
        return put_digits(out, nanos / 1000, 6);
    return put_digits(out, nanos, 9);
}

size_t timestamp_format(int64_t seconds, int32_t nanos, char out[TIMESTAMP_TEXT_SIZE])
{
    struct date date;
    int second_of_day;
    char *at = out;

    if (seconds < TIMESTAMP_SECONDS_MIN || seconds > TIMESTAMP_SECONDS_MAX || nanos < 0 ||
        nanos >= NANOS_PER_SECOND)
        return 0;
    /* Counted from year 1, nothing is negative and division rounds down. */
    second_of_day = (int)((seconds - TIMESTAMP_SECONDS_MIN) % SECONDS_PER_DAY);
    date = date_from_days((seconds - second_of_day) / SECONDS_PER_DAY);
    at = put_number(at, date.year, 4, '-');
    at = put_number(at, date.month, 2, '-');
    at = put_number(at, date.day, 2, 'T');
    at = put_number(at, second_of_day / 3600, 2, ':');
    at = put_number(at, second_of_day / 60 % 60, 2, ':');
    at = put_digits(at, second_of_day % 60, 2);
    at = put_fraction(at, nanos);
    *at++ = 'Z';
    *at = '\0';
    return (size_t)(at - out);
}

/* ---- Durations --------------------------------------------------------------------------------- */

bool duration_parse(const char *text, size_t len, int64_t *out_seconds, int32_t *out_nanos)
{
    struct cursor cursor = {.at = text, .end = text + len};
    const bool is_negative = take_char(&cursor, '-');
    int64_t seconds = 0;
    int32_t nanos;

    if (!is_digit(&cursor))
        return false;
    for (; is_digit(&cursor); cursor.at++) {
        seconds = seconds * 10 + (*cursor.at - '0');
        if (seconds > DURATION_SECONDS_MAX)
            return false;
    }
    if (!take_fraction(&cursor, &nanos) || !take_char(&cursor, 's') || cursor.at != cursor.end)
        return false;
    *out_seconds = is_negative ? -seconds : seconds;
    *out_nanos = is_negative ? -nanos : nanos;
    return true;
}

size_t duration_format(int64_t seconds, int32_t nanos, char out[DURATION_TEXT_SIZE])
{
    const bool is_negative = seconds < 0 || nanos < 0;
    char *at = out;

    if (seconds < -DURATION_SECONDS_MAX || seconds > DURATION_SECONDS_MAX ||
        nanos <= -NANOS_PER_SECOND || nanos >= NANOS_PER_SECOND ||
        (is_negative && (seconds > 0 || nanos > 0)))
        return 0;
    at += snprintf(out, DURATION_TEXT_SIZE, "%s%" PRId64, is_negative ? "-" : "",
                   is_negative ? -seconds : seconds);
    at = put_fraction(at, is_negative ? -nanos : nanos);
    *at++ = 's';
    *at = '\0';
    return (size_t)(at - out);
}
