/* base64 (RFC 4648), both alphabets. */
#pragma once

#include "base/buf.h"
#include "base/macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room enough for what `len` characters decode to. */
#define BASE64_DECODED_SIZE(len) ((len) / 4 * 3 + 3)

/* Standard or URL-safe alphabet, padded or not. False for anything else, also for bits that are left
 * over and not 0: one text for one value. */
bool base64_decode(const char *text, size_t len, uint8_t *out, size_t *out_size) NODISCARD;
/* Standard alphabet with padding. */
bool base64_put(struct buf *buf, const uint8_t *bytes, size_t size);
