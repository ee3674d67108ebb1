/* UTF-8 and ASCII checks, and hex. Nothing here allocates or depends on a locale. */
#include "base/text.h"

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The length a character starting with `lead` claims to have; 0 for a byte that starts none. */
static size_t claimed_len(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef)
        return 3;
    if (lead >= 0xf0 && lead <= 0xf4)
        return 4;
    return 0;
}

/* Overlong forms, surrogates and numbers beyond U+10FFFF show in the second byte. */
static bool is_second_byte(unsigned char lead, unsigned char second)
{
    unsigned char min = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char max = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;

    return second >= min && second <= max;
}

size_t text_utf8_len(const char *text, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t need = len == 0 ? 0 : claimed_len(bytes[0]);

    if (need == 0 || need > len)
        return 0;
    if (need >= 2 && !is_second_byte(bytes[0], bytes[1]))
        return 0;
    for (size_t i = 2; i < need; i++) {
        if (!is_continuation(bytes[i]))
            return 0;
    }
    return need;
}

bool text_is_utf8(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t step = text_utf8_len(text + i, len - i);
        if (step == 0)
            return false;
        i += step;
    }
    return true;
}

size_t text_char_count(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++) {
        if (!is_continuation((unsigned char)*text))
            count++;
    }
    return count;
}

bool text_is_visible_ascii(const char *text, size_t len_max)
{
    size_t len = 0;

    for (; text[len] != '\0'; len++) {
        if (len == len_max || text[len] < 0x21 || text[len] > 0x7e)
            return false;
    }
    return len > 0;
}

size_t text_cut(const char *text, size_t len)
{
    /* Only the bytes before `len` are looked at: there may be none behind. */
    size_t start = len;

    while (start > 0 && len - start < 4) {
        start--;
        if (!is_continuation((unsigned char)text[start]))
            return start + claimed_len((unsigned char)text[start]) <= len ? len : start;
    }
    return len;
}

int text_hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

void text_hex(char *out, const unsigned char *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        *out++ = digits[data[i] >> 4];
        *out++ = digits[data[i] & 15];
    }
    *out = '\0';
}
