/* Timestamps and durations as proto3 JSON writes them. */
#pragma once

#include "base/macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMESTAMP_SECONDS_MIN INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define TIMESTAMP_SECONDS_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define DURATION_SECONDS_MAX INT64_C(315576000000)  /* 10,000 years, either sign */

enum {
    TIMESTAMP_TEXT_SIZE = sizeof("9999-12-31T23:59:59.999999999Z"),
    DURATION_TEXT_SIZE = sizeof("-315576000000.999999999s"),
};

/* RFC 3339: "2026-02-28T09:30:00.5+01:00", any offset, up to nine digits behind the point, T and Z in
 * upper case, no leap second. False also for moments before year 1 or after 9999, in UTC. */
bool timestamp_parse(const char *text, size_t len, int64_t *out_seconds, int32_t *out_nanos)
    NODISCARD;
/* With Z and 0, 3, 6 or 9 digits. Returns the length; 0 when it is out of range. */
size_t timestamp_format(int64_t seconds, int32_t nanos, char out[TIMESTAMP_TEXT_SIZE]);

/* "1.5s", "-0.000001s": the s is needed. Both parts get the sign. */
bool duration_parse(const char *text, size_t len, int64_t *out_seconds, int32_t *out_nanos)
    NODISCARD;
size_t duration_format(int64_t seconds, int32_t nanos, char out[DURATION_TEXT_SIZE]);
