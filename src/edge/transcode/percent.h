/* Percent-encoding (RFC 3986), decoding only. */
#pragma once

#include "base/macros.h"

#include <stdbool.h>
#include <stddef.h>

enum percent_mode {
    PERCENT_ALL,        /* one segment of a path */
    PERCENT_KEEP_SLASH, /* several segments: %2F stays, as it is no separator */
    PERCENT_FORM,       /* keys and values of a query: '+' is a space */
};

/* Decodes `len` characters into `out`, which has room for as many and may be `text` itself. False when
 * a '%' is not followed by two hexadecimal digits. Says nothing about what the bytes are. */
bool percent_decode(const char *text, size_t len, enum percent_mode mode, char *out,
                    size_t *out_len) NODISCARD;
