/* A buffer grows up to its maximum, remembers a failure, and escapes what it is told to escape. */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct buf buf;
};
static struct fixture fixture;

static int setup(void **state)
{
    buf_init(&fixture.buf, 4096);
    *state = &fixture.buf;
    return 0;
}

static int teardown(void **state)
{
    buf_deinit(*state);
    return 0;
}

static void writes_follow_each_other_and_end_with_nul(void **state)
{
    struct buf *buf = *state;

    assert_true(buf_put(buf, "ab", 2));
    assert_true(buf_put_str(buf, "cd"));
    assert_true(buf_put_char(buf, 'e'));
    assert_true(buf_printf(buf, "%d%s", 12, "f"));
    assert_int_equal(buf->len, 8);
    assert_string_equal(buf->data, "abcde12f");
}

static void the_maximum_fits_and_one_byte_more_fails(void **state)
{
    char bytes[1001];
    struct buf buf;

    memset(bytes, 'x', sizeof(bytes));
    buf_init(&buf, 1000);
    assert_true(buf_put(&buf, bytes, 1000));
    assert_int_equal(buf.data[1000], '\0');
    assert_false(buf_put_char(&buf, 'x'));
    assert_int_equal(buf.len, 1000);
    buf_deinit(&buf);
    assert_false(buf_put(&buf, bytes, 1001));
    assert_int_equal(buf.len, 0);
    buf_deinit(&buf);
}

static void after_a_failure_nothing_is_written_until_cleared(void **state)
{
    struct buf buf;

    buf_init(&buf, 4);
    assert_false(buf_put_str(&buf, "too long"));
    assert_true(buf.failed);
    assert_false(buf_put_char(&buf, 'a'));
    assert_int_equal(buf.len, 0);
    buf_clear(&buf);
    assert_true(buf_put_str(&buf, "four"));
    assert_false(buf.failed);
    buf_deinit(&buf);
}

static void a_printf_that_does_not_fit_fails_whole(void **state)
{
    struct buf buf;

    buf_init(&buf, 5);
    assert_true(buf_printf(&buf, "%s", "12345"));
    buf_clear(&buf);
    assert_false(buf_printf(&buf, "%s", "123456"));
    assert_int_equal(buf.len, 0);
    buf_deinit(&buf);
}

static void reserved_bytes_are_part_of_the_content(void **state)
{
    struct buf *buf = *state;
    char *bytes = buf_reserve(buf, 3);

    memcpy(bytes, "xyz", 3);
    assert_string_equal(buf->data, "xyz");
    assert_null(buf_reserve(buf, 4096));
    assert_true(buf->failed);
}

static void integers_are_big_endian(void **state)
{
    struct buf *buf = *state;

    buf_put_u32(buf, 0x01020304);
    buf_put_u64(buf, 0x05060708090a0b0cU);
    assert_int_equal(buf->len, 12);
    for (int i = 0; i < 12; i++)
        assert_int_equal(buf->data[i], i + 1);
}

/* clang-format off */
static const struct {
    const char *text;
    size_t len;
    const char *json;
} json_cases[] = {
    {"plain",               5, "plain"},
    {"a\"b\\c",             5, "a\\\"b\\\\c"},
    {"\n\r\t",              3, "\\n\\r\\t"},
    {"\0\x1f",              2, "\\u0000\\u001f"},
    {"\x7f",                1, "\x7f"},
    {"Gr\xc3\xbc\xc3\x9f" "e", 7, "Gr\xc3\xbc\xc3\x9f" "e"},
    {"\xf0\x9f\x98\x80",    4, "\xf0\x9f\x98\x80"},
    {"a\xff" "b",           3, "a\xef\xbf\xbd" "b"},
    {"cut \xc3",            5, "cut \xef\xbf\xbd"},
    {"\xed\xa0\x80",        3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"",                    0, ""},
};
static const struct {
    const char *text, *form;
} form_cases[] = {
    {"metadata[order_id]", "metadata%5Border_id%5D"},
    {"a b+c&d=e",          "a+b%2Bc%26d%3De"},
    {"-._*~",              "-._*%7E"},
    {"\xc3\xbc",           "%C3%BC"},
    {"",                   ""},
};
/* clang-format on */

static void json_text_is_escaped_and_always_valid(void **state)
{
    struct buf *buf = *state;

    for (size_t i = 0; i < COUNT_OF(json_cases); i++) {
        buf_clear(buf);
        buf_put_char(buf, '^');
        assert_true(buf_put_json_text(buf, json_cases[i].text, json_cases[i].len));
        assert_string_equal(buf->data + 1, json_cases[i].json);
    }
}

static void form_text_is_percent_encoded(void **state)
{
    struct buf *buf = *state;

    for (size_t i = 0; i < COUNT_OF(form_cases); i++) {
        buf_clear(buf);
        buf_put_char(buf, '^');
        assert_true(buf_put_form_text(buf, form_cases[i].text));
        assert_string_equal(buf->data + 1, form_cases[i].form);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(writes_follow_each_other_and_end_with_nul),
        TEST(the_maximum_fits_and_one_byte_more_fails),
        TEST(after_a_failure_nothing_is_written_until_cleared),
        TEST(a_printf_that_does_not_fit_fails_whole),
        TEST(reserved_bytes_are_part_of_the_content),
        TEST(integers_are_big_endian),
        TEST(json_text_is_escaped_and_always_valid),
        TEST(form_text_is_percent_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
