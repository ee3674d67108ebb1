/* JSON, written without building a tree: an answer to a payment call is about twenty such values and
 * is printed for every request. Not for reading, and it does not check that brackets match. */
#include "sandbox/json_out.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>

void json_out_init(struct json_out *json, struct evbuffer *buffer)
{
    json->buffer = buffer;
    json->needs_comma = false;
}

static void json_out_bytes(struct json_out *json, const char *bytes, size_t size)
{
    (void)evbuffer_add(json->buffer, bytes, size);
}

static void json_out_name(struct json_out *json, const char *name)
{
    if (json->needs_comma)
        json_out_bytes(json, ",", 1);
    json->needs_comma = true;
    if (name == NULL)
        return;
    json_out_bytes(json, "\"", 1);
    json_out_bytes(json, name, strlen(name));
    json_out_bytes(json, "\":", 2);
}

void json_out_begin(struct json_out *json, const char *name, char bracket)
{
    json_out_name(json, name);
    json_out_bytes(json, &bracket, 1);
    json->needs_comma = false;
}

void json_out_end(struct json_out *json, char bracket)
{
    json_out_bytes(json, &bracket, 1);
    json->needs_comma = true;
}

static bool json_out_needs_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
}

static void json_out_escaped(struct json_out *json, const char *text)
{
    char escape[8];
    size_t plain = 0;

    while (*text != '\0') {
        while (text[plain] != '\0' && !json_out_needs_escape((unsigned char)text[plain]))
            plain++;
        json_out_bytes(json, text, plain);
        text += plain;
        plain = 0;
        if (*text == '\0')
            return;
        (void)snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)(unsigned char)*text);
        json_out_bytes(json, escape, 6);
        text++;
    }
}

void json_out_text(struct json_out *json, const char *name, const char *text)
{
    if (text == NULL) {
        json_out_raw(json, name, "null");
        return;
    }
    json_out_name(json, name);
    json_out_bytes(json, "\"", 1);
    json_out_escaped(json, text);
    json_out_bytes(json, "\"", 1);
}

void json_out_number(struct json_out *json, const char *name, int64_t number)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%lld", (long long)number);

    json_out_name(json, name);
    json_out_bytes(json, digits, (size_t)len);
}

void json_out_bool(struct json_out *json, const char *name, bool value)
{
    json_out_raw(json, name, value ? "true" : "false");
}

void json_out_raw(struct json_out *json, const char *name, const char *raw)
{
    json_out_name(json, name);
    json_out_bytes(json, raw, strlen(raw));
}
