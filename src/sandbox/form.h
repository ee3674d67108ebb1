/* Reads application/x-www-form-urlencoded text: bodies of the payment API, and query strings.
 *
 * Invariant: names and values are UTF-8 without NUL, decoded in place; they live as long as the text
 * that was parsed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 50 metadata pairs are the provider's limit; the rest is for its own parameters. */
#define FORM_FIELD_COUNT_MAX 80

struct form_field {
    const char *name;
    const char *value;
};
struct form {
    size_t field_count;
    struct form_field fields[FORM_FIELD_COUNT_MAX];
};

/* Takes `text` apart, writing into it. False, and an empty form, when a percent code is broken or
 * stands for NUL, the text is not UTF-8, or there are too many fields. */
bool form_parse(struct form *form, char *text);

/* Decodes %XX in place, and '+' where `plus_is_space`. False as above. */
bool form_decode(char *text, bool plus_is_space);

/* The value of the last field of that name, or NULL. */
const char *form_get(const struct form *form, const char *name);

/* A fingerprint that is equal for equal fields in any order. */
uint64_t form_hash(const struct form *form);
