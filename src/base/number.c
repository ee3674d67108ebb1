/* Decimal numbers with and without units. Not for floating point: there is none in the service. */
#include "base/number.h"

#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}, {"d", 86400000LL}, {NULL, 0},
};

/* Reads the digits at `text`, at least one; returns what follows them, NULL on none or overflow.
 * Counts downwards, since the smallest number has no positive twin. */
static const char *parse_negated(const char *text, int64_t *out_negated)
{
    const char *digit = text;
    int64_t value = 0;

    for (; *digit >= '0' && *digit <= '9'; digit++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, *digit - '0', &value))
            return NULL;
    }
    if (digit == text)
        return NULL;
    *out_negated = value;
    return digit;
}

bool number_parse(const char *text, int64_t min, int64_t max, int64_t *out_value)
{
    bool negative = *text == '-';
    int64_t value;
    const char *end = parse_negated(text + negative, &value);

    if (end == NULL || *end != '\0')
        return false;
    if (!negative && __builtin_sub_overflow((int64_t)0, value, &value))
        return false;
    if (value < min || value > max)
        return false;
    *out_value = value;
    return true;
}

static bool parse_with_unit(const char *text, int64_t *out_value)
{
    int64_t value;
    const char *end = parse_negated(text, &value);

    if (end == NULL || __builtin_sub_overflow((int64_t)0, value, &value))
        return false;
    for (const struct unit *unit = duration_units; unit->name != NULL; unit++) {
        if (strcmp(end, unit->name) == 0)
            return !__builtin_mul_overflow(value, unit->factor, out_value);
    }
    return false;
}

bool number_parse_duration(const char *text, int64_t *out_ms)
{
    int64_t value;

    if (number_parse(text, 0, 0, &value)) {
        *out_ms = 0;
        return true;
    }
    if (!parse_with_unit(text, &value))
        return false;
    *out_ms = value;
    return true;
}

size_t number_print_unsigned(uint64_t value, char out[NUMBER_TEXT_SIZE])
{
    char text[NUMBER_TEXT_SIZE];
    size_t at = sizeof(text) - 1, len;

    text[at] = '\0';
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    len = sizeof(text) - 1 - at;
    memcpy(out, text + at, len + 1);
    return len;
}

size_t number_print(int64_t value, char out[NUMBER_TEXT_SIZE])
{
    char digits[NUMBER_TEXT_SIZE];
    size_t len;

    if (value >= 0)
        return number_print_unsigned((uint64_t)value, out);
    len = number_print_unsigned(0 - (uint64_t)value, digits);
    out[0] = '-';
    memcpy(out + 1, digits, len + 1);
    return len + 1;
}
