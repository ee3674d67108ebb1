/* Checks of single fields. Not for whole requests: those are catalog_validate and order_validate. */
#include "service/validate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/number.h"
#include "base/text.h"
#include "domain/product.h"

enum {
    FIELD_PATH_SIZE = 128, /* the longest is "ship_to.administrative_area" */
    DESCRIPTION_SIZE = 200,
    CARD_NUMBER_LEN_MIN = 12,
    CARD_NUMBER_LEN_MAX = 19,
};

void validation_fail(const struct validation *validation, const char *field, const char *format,
                     ...)
{
    const char *prefix = validation->prefix;
    char path[FIELD_PATH_SIZE], description[DESCRIPTION_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(description, sizeof(description), format, args);
    va_end(args);
    snprintf(path, sizeof(path), "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", field);
    error_add_field(validation->err, validation->arena, path, "%s", description);
}

/* ---- Texts --------------------------------------------------------------------------------- */

void validate_required(const struct validation *validation, const char *field, const char *value)
{
    if (value[0] == '\0')
        validation_fail(validation, field, "is required");
}

void validate_id(const struct validation *validation, const char *field, const char *value)
{
    validate_required(validation, field, value);
    validate_optional_id(validation, field, value);
}

void validate_optional_id(const struct validation *validation, const char *field, const char *value)
{
    if (value[0] == '\0' || id_is_valid(value))
        return;
    validation_fail(validation, field,
                    "must be 1 to %d characters of a-z, 0-9, '-', '_' and '.', "
                    "a letter or digit first",
                    LIMIT_ID_LEN);
}

void validate_text(const struct validation *validation, const char *field, const char *value,
                   size_t char_max)
{
    validate_required(validation, field, value);
    validate_optional_text(validation, field, value, char_max);
}

void validate_optional_text(const struct validation *validation, const char *field,
                            const char *value, size_t char_max)
{
    size_t char_count = text_char_count(value);

    if (char_count > char_max)
        validation_fail(validation, field, "has %zu characters, at most %zu are allowed",
                        char_count, char_max);
}

void validate_request_id(const struct validation *validation, const char *value)
{
    if (value[0] != '\0' && !text_is_visible_ascii(value, LIMIT_REQUEST_ID_LEN))
        validation_fail(validation, "request_id", "must be 1 to %d visible ASCII characters",
                        LIMIT_REQUEST_ID_LEN);
}

/* Also as people write it, in groups. */
static bool looks_like_card_number(const char *value)
{
    size_t digit_count = 0;

    for (; *value != '\0'; value++) {
        if (*value >= '0' && *value <= '9')
            digit_count++;
        else if (*value != '-')
            return false;
    }
    return digit_count >= CARD_NUMBER_LEN_MIN && digit_count <= CARD_NUMBER_LEN_MAX;
}

void validate_payment_method(const struct validation *validation, const char *value)
{
    static const char field[] = "payment_method";

    if (value[0] == '\0')
        validation_fail(validation, field, "is required");
    else if (!text_is_visible_ascii(value, LIMIT_PAYMENT_METHOD_LEN))
        validation_fail(validation, field, "must be 1 to %d visible ASCII characters",
                        LIMIT_PAYMENT_METHOD_LEN);
    else if (looks_like_card_number(value))
        validation_fail(validation, field, "must be a token of the provider, not a card number");
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

void validate_region_code(const struct validation *validation, const char *field, const char *value)
{
    if (value[0] == '\0')
        validation_fail(validation, field, "is required");
    else if (!is_upper(value[0]) || !is_upper(value[1]) || value[2] != '\0')
        validation_fail(validation, field,
                        "must be two upper-case letters (ISO 3166-1), such as DE");
}

/* ---- Numbers ------------------------------------------------------------------------------- */

static void explain_money(const struct validation *money, const Google__Type__Money *value,
                          enum money_problem problem)
{
    switch (problem) {
    case MONEY_OK:
        break;
    case MONEY_CURRENCY_UNKNOWN:
        validation_fail(money, "currency_code", "%s",
                        value->currency_code[0] == '\0'
                            ? "is required"
                            : "is no active ISO 4217 code in upper case, such as EUR");
        break;
    case MONEY_NANOS_INVALID:
        validation_fail(money, "nanos",
                        "must be from -999999999 to 999999999 and of the same sign as units");
        break;
    case MONEY_TOO_PRECISE:
        validation_fail(money, "nanos", "is finer than %s has: at most %d digits after the point",
                        value->currency_code, currency_exponent(value->currency_code));
        break;
    case MONEY_TOO_LARGE:
        validation_fail(money, "units", "is too large");
        break;
    }
}

void validate_price(const struct validation *validation, const char *field,
                    const Google__Type__Money *value, struct money *out_money)
{
    const char *dot = validation->prefix[0] == '\0' ? "" : ".";
    char prefix[FIELD_PATH_SIZE];
    struct validation inside = *validation;
    struct money money;
    enum money_problem problem;

    if (value == NULL) {
        validation_fail(validation, field, "is required");
        return;
    }
    snprintf(prefix, sizeof(prefix), "%s%s%s", validation->prefix, dot, field);
    inside.prefix = prefix;
    problem = money_from_units(value->currency_code, value->units, value->nanos, &money);
    explain_money(&inside, value, problem);
    if (problem != MONEY_OK)
        return;
    if (money.minor < 0)
        validation_fail(&inside, value->units < 0 ? "units" : "nanos", "must not be negative");
    else
        *out_money = money;
}

void validate_page_size(const struct validation *validation, const char *field, int32_t value,
                        uint32_t *out_limit)
{
    if (value < 0)
        validation_fail(validation, field, "must not be negative");
    else if (value == 0)
        *out_limit = LIMIT_PAGE_SIZE_DEFAULT;
    else
        *out_limit = MIN_OF((uint32_t)value, LIMIT_PAGE_SIZE);
}

bool etag_parse(const char *etag, int64_t *out_version)
{
    size_t digit_count = strspn(etag, "0123456789");

    /* One version has one text: no sign, no leading zero. */
    return etag[digit_count] == '\0' && etag[0] != '0' &&
           number_parse(etag, 1, INT64_MAX, out_version);
}
