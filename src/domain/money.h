/* Money as integers: minor units (cents, yen, fils) of one currency. Never floating point.
 * The exponent (digits of the minor unit) is that of ISO 4217. */
#pragma once

#include "base/macros.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CURRENCY_SIZE = 4
};

struct money {
    int64_t minor;
    char currency[CURRENCY_SIZE]; /* "EUR", NUL-terminated */
};

enum money_problem {
    MONEY_OK,
    MONEY_CURRENCY_UNKNOWN, /* not an active ISO 4217 code in upper case */
    MONEY_NANOS_INVALID,    /* outside +-999,999,999, or of another sign than units */
    MONEY_TOO_PRECISE, /* finer than the currency's minor unit: half a cent, a tenth of a yen */
    MONEY_TOO_LARGE,   /* does not fit 64 bits of minor units */
};

/* Digits behind the point: 2 for USD, 0 for JPY, 3 for BHD; -1 for an unknown currency. */
int currency_exponent(const char *currency);

/* From google.type.Money's three fields. */
enum money_problem money_from_units(const char *currency, int64_t units, int32_t nanos,
                                    struct money *out_money) NODISCARD;
/* Back to units and nanos; the currency must be known. */
void money_to_units(const struct money *money, int64_t *out_units, int32_t *out_nanos);
