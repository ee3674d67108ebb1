/* Numbers from text, with units, and nothing silently cut. */
#pragma once

#include "base/macros.h"

#include <stdbool.h>
#include <stdint.h>

/* The whole text as a decimal integer within [min, max]. */
bool number_parse(const char *text, int64_t min, int64_t max, int64_t *out_value) NODISCARD;
/* "250ms", "5s", "15m", "24h", "7d"; a bare number only when it is 0. Milliseconds. */
bool number_parse_duration(const char *text, int64_t *out_ms) NODISCARD;
