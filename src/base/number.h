/* Numbers from text, with units, and nothing silently cut; and as text. */
#pragma once

#include "base/macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NUMBER_TEXT_SIZE = 21, /* of the smallest int64_t and the largest uint64_t, with a NUL */
};

/* The whole text as a decimal integer within [min, max]. */
bool number_parse(const char *text, int64_t min, int64_t max, int64_t *out_value) NODISCARD;
/* "250ms", "5s", "15m", "24h", "7d"; a bare number only when it is 0. Milliseconds. */
bool number_parse_duration(const char *text, int64_t *out_ms) NODISCARD;
/* Writes the decimal text and a NUL behind it; returns its length. */
size_t number_print(int64_t value, char out[NUMBER_TEXT_SIZE]);
size_t number_print_unsigned(uint64_t value, char out[NUMBER_TEXT_SIZE]);
