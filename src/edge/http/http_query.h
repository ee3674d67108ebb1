/* The query of a URL, pair by pair, decoded. */
#pragma once

#include "base/arena.h"
#include "base/macros.h"

#include <stdbool.h>
#include <stddef.h>

struct http_query {
    const char *left;  /* what is still to be read; NULL: nothing. Set it to begin. */
    bool is_invalid;   /* a '%' was no escape: reading has ended */
    bool is_full;      /* so was the arena */
    const char *key;   /* decoded, and ended by a NUL; it may hold another */
    const char *value; /* "" without a '=' */
    size_t key_len, value_len;
};

/* The next pair, with its texts in the arena. Empty pairs ("a=1&&b=2") are passed over. */
bool http_query_next(struct http_query *query, struct arena *arena) NODISCARD;
