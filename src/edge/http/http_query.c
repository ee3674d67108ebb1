/* Splitting a query. What the keys mean is not known here. */
#include "edge/http/http_query.h"

#include "edge/transcode/percent.h"

#include <string.h>

static const char *decode(struct http_query *query, const char *text, size_t len,
                          struct arena *arena, size_t *out_len)
{
    char *copy = arena_alloc(arena, len + 1);

    *out_len = 0;
    if (copy == NULL) {
        query->is_full = true;
        return "";
    }
    if (!percent_decode(text, len, PERCENT_FORM, copy, out_len)) {
        query->is_invalid = true;
        return "";
    }
    copy[*out_len] = '\0';
    return copy;
}

static void read_pair(struct http_query *query, const char *pair, size_t len, struct arena *arena)
{
    const char *equals = memchr(pair, '=', len);
    size_t key_len = equals == NULL ? len : (size_t)(equals - pair);

    query->key = decode(query, pair, key_len, arena, &query->key_len);
    query->value = "";
    query->value_len = 0;
    if (equals != NULL)
        query->value = decode(query, equals + 1, len - key_len - 1, arena, &query->value_len);
}

bool http_query_next(struct http_query *query, struct arena *arena)
{
    while (query->left != NULL && !query->is_invalid && !query->is_full) {
        const char *pair = query->left;
        size_t len = strcspn(pair, "&");

        query->left = pair[len] == '&' ? pair + len + 1 : NULL;
        if (len == 0)
            continue;
        read_pair(query, pair, len, arena);
        return !query->is_invalid && !query->is_full;
    }
    return false;
}
