/* What counts as UTF-8, and where it may be cut. */
#include "base/text.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"

/* clang-format off */
static const struct {
    const char *bytes;
    size_t len;
    bool valid;
} utf8_cases[] = {
    {"",                  0, true},
    {"plain",             5, true},
    {"\xc2\x80",          2, true},   /* first of two bytes */
    {"\xdf\xbf",          2, true},   /* last of two bytes */
    {"\xe0\xa0\x80",      3, true},
    {"\xed\x9f\xbf",      3, true},   /* just below the surrogates */
    {"\xee\x80\x80",      3, true},   /* just above them */
    {"\xf0\x90\x80\x80",  4, true},
    {"\xf4\x8f\xbf\xbf",  4, true},   /* U+10FFFF */
    {"\0",                1, true},   /* NUL is a character; who forbids it looks for it */
    {"\x80",              1, false},  /* continuation without a start */
    {"\xc0\x80",          2, false},  /* overlong NUL */
    {"\xc1\xbf",          2, false},  /* overlong */
    {"\xe0\x9f\xbf",      3, false},  /* overlong */
    {"\xf0\x8f\xbf\xbf",  4, false},  /* overlong */
    {"\xed\xa0\x80",      3, false},  /* surrogate */
    {"\xed\xbf\xbf",      3, false},  /* surrogate */
    {"\xf4\x90\x80\x80",  4, false},  /* beyond U+10FFFF */
    {"\xf5\x80\x80\x80",  4, false},
    {"\xff",              1, false},
    {"\xc3",              1, false},  /* cut */
    {"\xe2\x82",          2, false},  /* cut */
    {"\xf0\x9f\x98",      3, false},  /* cut */
    {"\xc3(",             2, false},
    {"a\xe2(\xa1",        4, false},
    {"\xe2\x82(",         3, false},
    {"\xf0\x9f(\x80",     4, false},
    {"\xf0\x9f\x98(",     4, false},
    {"\xf0\x9f\x98\xc0",  4, false},
};
/* clang-format on */

static void utf8_is_told_from_other_bytes(void **state)
{
    for (size_t i = 0; i < COUNT_OF(utf8_cases); i++)
        assert_int_equal(text_is_utf8(utf8_cases[i].bytes, utf8_cases[i].len), utf8_cases[i].valid);
}

static void characters_are_counted_not_bytes(void **state)
{
    assert_int_equal(text_char_count(""), 0);
    assert_int_equal(text_char_count("abc"), 3);
    assert_int_equal(text_char_count("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"), 3);
}

static void visible_ascii_has_neither_spaces_nor_more_than_allowed(void **state)
{
    assert_true(text_is_visible_ascii("a", 1));
    assert_true(text_is_visible_ascii("!~", 2));
    assert_false(text_is_visible_ascii("!~x", 2));
    assert_false(text_is_visible_ascii("", 5));
    assert_false(text_is_visible_ascii("a b", 5));
    assert_false(text_is_visible_ascii("a\x7f", 5));
    assert_false(text_is_visible_ascii("\xc3\xbc", 5));
}

static void a_cut_leaves_characters_whole(void **state)
{
    static const char text[] = "a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80z";
    static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};

    for (size_t len = 0; len < COUNT_OF(expected); len++)
        assert_int_equal(text_cut(text, len), expected[len]);
}

static void hex_is_lower_case(void **state)
{
    char out[2 * 4 + 1];

    text_hex(out, (const unsigned char *)"\x00\x1f\xab\xff", 4);
    assert_string_equal(out, "001fabff");
}

static void a_hex_digit_has_its_value_in_either_case_and_nothing_else_has(void **state)
{
    static const char digits[] = "0123456789abcdef";

    for (int c = CHAR_MIN; c <= CHAR_MAX; c++) {
        const char *found =
            c == 0 ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);

        assert_int_equal(text_hex_value((char)c), found == NULL ? -1 : found - digits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_told_from_other_bytes),
        cmocka_unit_test(characters_are_counted_not_bytes),
        cmocka_unit_test(visible_ascii_has_neither_spaces_nor_more_than_allowed),
        cmocka_unit_test(a_cut_leaves_characters_whole),
        cmocka_unit_test(hex_is_lower_case),
        cmocka_unit_test(a_hex_digit_has_its_value_in_either_case_and_nothing_else_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
