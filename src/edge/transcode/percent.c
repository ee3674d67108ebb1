/* Decodes escapes once, and never twice. Not for splitting: that comes before. */
#include "edge/transcode/percent.h"

#include "base/text.h"

#include <string.h>

/* The byte behind "%xx"; -1 when it is none. */
static int escape_value(const char *text, size_t len)
{
    const int high = len < 3 ? -1 : text_hex_value(text[1]);
    const int low = len < 3 ? -1 : text_hex_value(text[2]);

    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool percent_decode(const char *text, size_t len, enum percent_mode mode, char *out,
                    size_t *out_len)
{
    size_t count = 0;

    if (memchr(text, '%', len) == NULL &&
        (mode != PERCENT_FORM || memchr(text, '+', len) == NULL)) {
        memmove(out, text, len); /* as it mostly is */
        *out_len = len;
        return true;
    }
    for (size_t i = 0; i < len;) {
        int byte = (unsigned char)text[i];
        size_t step = 1;
        if (byte == '%') {
            byte = escape_value(text + i, len - i);
            step = 3;
        } else if (byte == '+' && mode == PERCENT_FORM) {
            byte = ' ';
        }
        if (byte < 0)
            return false;
        if (byte == '/' && step == 3 && mode == PERCENT_KEEP_SLASH) {
            byte = '%';
            step = 1;
        }
        out[count++] = (char)(unsigned char)byte;
        i += step;
    }
    *out_len = count;
    return true;
}
