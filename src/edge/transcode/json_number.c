/* Finding numbers in JSON text. What they are worth is scalar_text's. */
#include "edge/transcode/json_number.h"

#include "edge/transcode/scalar_text.h"

#include <assert.h>
#include <string.h>

enum {
    INTEGER_LEN_MAX = 18 /* with a sign; as long a one fits into 64 bits */
};

static bool is_number_char(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* Whether the parser might make another number of it. What is no number is for the parser to refuse. */
static bool is_inexact(const char *text, size_t len)
{
    bool is_integer = memchr(text, '.', len) == NULL && memchr(text, 'e', len) == NULL &&
                      memchr(text, 'E', len) == NULL;

    return (!is_integer || len > INTEGER_LEN_MAX) && scalar_is_number(text, len);
}

/* Behind the string that begins here. */
static size_t string_size(const char *text, size_t size)
{
    size_t at = 1;

    while (at < size && text[at] != '"')
        at += text[at] == '\\' ? 2 : 1;
    return at < size ? at + 1 : size;
}

/* The next such number from `*at` on; `*at` is then behind it. */
static bool next_number(const char *text, size_t size, size_t *at, struct json_number *out)
{
    while (*at < size) {
        size_t len = 0;

        if (text[*at] == '"') {
            *at += string_size(text + *at, size - *at);
            continue;
        }
        while (*at + len < size && is_number_char(text[*at + len]))
            len++;
        *out = (struct json_number){text + *at, len};
        *at += len > 0 ? len : 1;
        if (len > 0 && is_inexact(out->text, len))
            return true;
    }
    return false;
}

static size_t count_numbers(const char *text, size_t size)
{
    struct json_number number;
    size_t at = 0, count = 0;

    while (next_number(text, size, &at, &number))
        count++;
    return count;
}

bool json_numbers_take(const char **text, size_t size, struct arena *arena,
                       struct json_numbers *out)
{
    static const char zero[] = "0.0"; /* as short as one that is taken can be */
    size_t count = count_numbers(*text, size), at = 0;
    struct json_number number;
    char *copy;

    *out = (struct json_numbers){0};
    if (count == 0)
        return true;
    out->items = arena_array(arena, count, sizeof(*out->items));
    copy = arena_memdup(arena, *text, size);
    if (out->items == NULL || copy == NULL)
        return false;
    while (next_number(*text, size, &at, &number)) {
        char *hole = copy + (number.text - *text);

        assert(number.len >= sizeof(zero) - 1);
        memset(hole, ' ', number.len);
        memcpy(hole, zero, sizeof(zero) - 1);
        out->items[out->count++] = number;
    }
    *text = copy;
    return true;
}

/* Members and elements in the order of the text, which jansson keeps. */
static void put_from(json_t *json, size_t *next)
{
    const char *key;
    json_t *child;
    size_t index;

    if (json_is_real(json))
        json_real_set(json, (double)(*next)++);
    json_array_foreach(json, index, child) put_from(child, next);
    json_object_foreach(json, key, child) put_from(child, next);
}

void json_numbers_put(const struct json_numbers *numbers, json_t *json)
{
    size_t next = 0;

    if (numbers->count > 0)
        put_from(json, &next);
    assert(next == numbers->count);
}

const struct json_number *json_numbers_of(const struct json_numbers *numbers, const json_t *real)
{
    size_t index = (size_t)json_real_value(real);

    assert(index < numbers->count);
    return &numbers->items[index];
}
