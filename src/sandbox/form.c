/* Form reading. Pure functions over bytes, no I/O. */
#include "sandbox/form.h"

#include "base/text.h"

#include <jansson.h>
#include <string.h>

/* Plain ASCII, nearly everything that comes, is known without building a string. */
static bool form_is_utf8(const char *text, size_t len)
{
    json_t *string;
    size_t ascii = 0;

    while (ascii < len && (unsigned char)text[ascii] < 0x80)
        ascii++;
    if (ascii == len)
        return true;
    string = json_stringn(text, len);
    json_decref(string);
    return string != NULL;
}

bool form_decode(char *text, bool plus_is_space)
{
    char *out = text;
    const char *in = text;

    for (; *in != '\0'; in++) {
        char c = *in;
        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            int high = text_hex_value(in[1]);
            int low = high < 0 ? -1 : text_hex_value(in[2]);
            if (low < 0 || (high == 0 && low == 0))
                return false;
            c = (char)(unsigned char)(high * 16 + low);
            in += 2;
        }
        *out++ = c;
    }
    *out = '\0';
    return form_is_utf8(text, (size_t)(out - text));
}

static bool form_add(struct form *form, char *pair)
{
    char *equals = strchr(pair, '=');
    char *value = pair + strlen(pair);

    if (form->field_count == FORM_FIELD_COUNT_MAX)
        return false;
    if (equals != NULL) {
        *equals = '\0';
        value = equals + 1;
    }
    if (!form_decode(pair, true) || (equals != NULL && !form_decode(value, true)))
        return false;
    form->fields[form->field_count].name = pair;
    form->fields[form->field_count].value = equals != NULL ? value : "";
    form->field_count++;
    return true;
}

bool form_parse(struct form *form, char *text)
{
    char *pair = text;

    form->field_count = 0;
    while (pair != NULL) {
        char *next = strchr(pair, '&');
        if (next != NULL)
            *next++ = '\0';
        if (*pair != '\0' && !form_add(form, pair)) {
            form->field_count = 0;
            return false;
        }
        pair = next;
    }
    return true;
}

const char *form_get(const struct form *form, const char *name)
{
    for (size_t i = form->field_count; i > 0; i--) {
        if (strcmp(form->fields[i - 1].name, name) == 0)
            return form->fields[i - 1].value;
    }
    return NULL;
}

static uint64_t form_hash_text(uint64_t hash, const char *text)
{
    do {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    } while (*text++ != '\0');
    return hash;
}

uint64_t form_hash(const struct form *form)
{
    uint64_t sum = form->field_count;

    /* FNV-1a of each pair, added up: the order in which a client writes its fields means nothing. */
    for (size_t i = 0; i < form->field_count; i++) {
        uint64_t hash = form_hash_text(UINT64_C(0xcbf29ce484222325), form->fields[i].name);
        sum += form_hash_text(hash, form->fields[i].value);
    }
    return sum;
}
