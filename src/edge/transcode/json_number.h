/* Numbers of JSON as they are written, kept beside the parser's tree.
 *
 * jansson makes a double of a number with a point or an exponent, and of an integer beyond 64 bits; that may
 * be another number than the one that was sent. So these are taken out of the text before it is parsed,
 * json_numbers_take(), each leaving a 0.0 of its size; in the tree json_numbers_put() then makes each
 * real the index of its text. Places of errors stay what they were. */
#pragma once

#include "base/arena.h"
#include "base/macros.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct json_number {
    const char *text; /* in the grammar of JSON */
    size_t len;
};

struct json_numbers {
    struct json_number *items;
    size_t count;
};

/* `*text` becomes a copy in the arena when there are any; it has passed json_scan(). False: the arena is
 * full. */
bool json_numbers_take(const char **text, size_t size, struct arena *arena,
                       struct json_numbers *out) NODISCARD;
/* `json` is what was parsed of that text, without duplicate keys. */
void json_numbers_put(const struct json_numbers *numbers, json_t *json);
/* The text of a real of that tree. */
const struct json_number *json_numbers_of(const struct json_numbers *numbers, const json_t *real);
