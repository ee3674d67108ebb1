/* Between snake_case and lowerCamelCase. Not for finding fields, which is message_shape's. */
#include "edge/transcode/json_name.h"

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

size_t json_name_from_proto(const char *name, size_t len, char *out)
{
    bool is_next_upper = false;
    size_t count = 0;

    for (size_t i = 0; i < len; i++) {
        if (name[i] == '_') {
            is_next_upper = true;
            continue;
        }
        out[count++] = is_next_upper && is_lower(name[i]) ? (char)(name[i] - 'a' + 'A') : name[i];
        is_next_upper = false;
    }
    return count;
}

size_t json_name_to_proto(const char *path, size_t len, char *out)
{
    size_t count = 0;

    for (size_t i = 0; i < len; i++) {
        char c = path[i];
        if (is_upper(c)) {
            out[count++] = '_';
            out[count++] = (char)(c - 'A' + 'a');
        } else if (is_lower(c) || is_digit(c) || c == '_' || c == '.') {
            out[count++] = c;
        } else {
            return 0;
        }
    }
    return count;
}
