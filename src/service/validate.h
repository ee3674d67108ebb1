/* Checks of single fields of a request. Each notes what is wrong and goes on, so that an answer names
 * all violations at once, by the names and paths of the protos ("lines[2].quantity").
 *
 * Texts have passed message_check() (or the JSON reader): valid UTF-8 without NUL. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/macros.h"
#include "domain/money.h"

#include "google/type/money.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where violations go. */
struct validation {
    struct arena *arena;
    struct error *err;  /* zeroed before the first check; set when any check failed */
    const char *prefix; /* path of the message the fields are in; "" for the request itself */
};

void validation_fail(const struct validation *validation, const char *field, const char *format,
                     ...) PRINTF_LIKE(3, 4);

/* An id of a product, category or customer; the optional one may be empty. */
void validate_id(const struct validation *validation, const char *field, const char *value);
void validate_optional_id(const struct validation *validation, const char *field,
                          const char *value);
void validate_required(const struct validation *validation, const char *field, const char *value);
/* Required, at most `char_max` characters; the optional one may be empty. */
void validate_text(const struct validation *validation, const char *field, const char *value,
                   size_t char_max);
void validate_optional_text(const struct validation *validation, const char *field,
                            const char *value, size_t char_max);
/* 1 to 255 visible ASCII characters; empty means there is none. */
void validate_request_id(const struct validation *validation, const char *value);
/* A provider's token, and nothing that looks like a card number. Never repeated in an answer. */
void validate_payment_method(const struct validation *validation, const char *value);
/* Two upper-case letters. */
void validate_region_code(const struct validation *validation, const char *field,
                          const char *value);
/* Required, not negative. *out_money is set when it is right. */
void validate_price(const struct validation *validation, const char *field,
                    const Google__Type__Money *value, struct money *out_money);
/* *out_limit: 20 for 0, at most 100. */
void validate_page_size(const struct validation *validation, const char *field, int32_t value,
                        uint32_t *out_limit);

/* The number in an etag: decimal, as we write it. False for any other text. */
bool etag_parse(const char *etag, int64_t *out_version) NODISCARD;
