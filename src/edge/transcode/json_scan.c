/* Walks JSON text byte by byte. Not a parser: it knows strings, brackets and commas. */
#include "edge/transcode/json_scan.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/text.h"

_Static_assert((int)JSON_SIZE_MAX == (int)LIMIT_MESSAGE_SIZE, "both doors take as much");

enum status json_invalid(struct error *err, const char *text, size_t size, size_t offset,
                         const char *what)
{
    size_t line = 1, column = 1;

    for (size_t i = 0; i < offset && i < size; i++) {
        if (text[i] == '\n') {
            line++;
            column = 1;
        } else {
            column += ((unsigned char)text[i] & 0xc0) != 0x80; /* characters, not bytes */
        }
    }
    return error_setf(err, REASON_JSON_INVALID, "line %zu, column %zu: %s", line, column, what);
}

struct scan {
    bool in_string, is_escaped;
    uint32_t depth, value_count;
};

/* A byte outside of strings. NULL, or what is wrong. */
static const char *scan_outside(struct scan *scan, char c)
{
    if (c == '"')
        scan->in_string = true;
    if (c == '{' || c == '[')
        scan->depth++;
    if ((c == '}' || c == ']') && scan->depth > 0)
        scan->depth--;
    if (c == ',' || c == '{' || c == '[')
        scan->value_count++;
    if (scan->depth > JSON_DEPTH_MAX)
        return "objects and lists are nested too deeply";
    if (scan->value_count > JSON_VALUES_MAX)
        return "there are too many values";
    return NULL;
}

static void scan_inside(struct scan *scan, char c)
{
    if (scan->is_escaped)
        scan->is_escaped = false;
    else if (c == '\\')
        scan->is_escaped = true;
    else if (c == '"')
        scan->in_string = false;
}

enum status json_scan(const char *text, size_t size, struct error *err)
{
    struct scan scan = {0};

    if (size > JSON_SIZE_MAX)
        return error_set(err, REASON_MESSAGE_TOO_LARGE);
    for (size_t i = 0, step; i < size; i += step) {
        const char *problem = NULL;
        step = text[i] > 0 ? 1 : text_utf8_len(text + i, size - i);
        if (step == 0)
            problem = "this is not UTF-8";
        else if (text[i] == '\0')
            problem = "a NUL byte";
        else if (scan.in_string)
            scan_inside(&scan, text[i]);
        else
            problem = scan_outside(&scan, text[i]);
        if (problem != NULL)
            return json_invalid(err, text, size, i, problem);
    }
    return STATUS_OK;
}
