/* Checks of text that came from outside. Pure functions over bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Well-formed UTF-8 (no overlong forms, surrogates or beyond U+10FFFF). */
bool text_is_utf8(const char *text, size_t len);
/* Bytes of the well-formed character at the start of `text`; 0 when there is none. */
size_t text_utf8_len(const char *text, size_t len);
/* Characters (code points) of well-formed UTF-8. */
size_t text_char_count(const char *text);
/* 1 to len_max visible ASCII characters (0x21 to 0x7e). */
bool text_is_visible_ascii(const char *text, size_t len_max);
/* The largest n <= len that does not cut a character in two. */
size_t text_cut(const char *text, size_t len);
/* lowercase hex of `size` bytes into out[2 * size + 1]. */
void text_hex(char *out, const unsigned char *data, size_t size);
/* Of a hexadecimal digit in either case; -1 when it is none. */
int text_hex_value(char c);
