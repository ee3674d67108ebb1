/* base64 in both directions. OpenSSL's skips white space and knows one alphabet only. */
#include "edge/transcode/base64.h"

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}

bool base64_decode(const char *text, size_t len, uint8_t *out, size_t *out_size)
{
    uint32_t bits = 0;
    unsigned bit_count = 0;
    size_t size = 0;

    if (len > 0 && len % 4 == 0 && text[len - 1] == '=') {
        len--;
        len -= text[len - 1] == '=';
    }
    if (len % 4 == 1)
        return false;
    for (size_t i = 0; i < len; i++) {
        const int value = digit_value(text[i]);
        if (value < 0)
            return false;
        bits = (bits << 6 | (uint32_t)value) & 0xffff;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            out[size++] = (uint8_t)(bits >> bit_count);
        }
    }
    *out_size = size;
    return (bits & ((1U << bit_count) - 1)) == 0;
}

bool base64_put(struct buf *buf, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < size; i += 3) {
        const size_t left = size - i;
        const uint32_t bits = (uint32_t)bytes[i] << 16 |
                              (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                              (left > 2 ? (uint32_t)bytes[i + 2] : 0);
        const char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                              left > 1 ? digits[bits >> 6 & 63] : '=',
                              left > 2 ? digits[bits & 63] : '='};
        buf_put(buf, four, sizeof(four));
    }
    return !buf->failed;
}
