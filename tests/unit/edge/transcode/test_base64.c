/* base64 in both alphabets. */
#include "edge/transcode/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void vectors_of_rfc_4648_go_both_ways(void **state)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t bytes[BASE64_DECODED_SIZE(8)];
        size_t size;
        struct buf buf;
        buf_init(&buf, 64);
        buf_put_str(&buf, "");
        assert_true(base64_put(&buf, (const uint8_t *)rows[i][0], strlen(rows[i][0])));
        assert_string_equal(buf.data, rows[i][1]);
        assert_true(base64_decode(buf.data, buf.len, bytes, &size));
        assert_int_equal(size, strlen(rows[i][0]));
        assert_memory_equal(bytes, rows[i][0], size);
        buf_deinit(&buf);
    }
}

static void both_alphabets_and_no_padding_are_read(void **state)
{
    static const char *const rows[] = {"+/+/", "-_-_", "+_-/"};
    uint8_t bytes[BASE64_DECODED_SIZE(4)];
    size_t size;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(base64_decode(rows[i], 4, bytes, &size));
        assert_memory_equal(bytes, "\xfb\xff\xbf", 3);
    }
    assert_true(base64_decode("Zg", 2, bytes, &size));
    assert_int_equal(size, 1);
    assert_true(base64_decode("Zm8", 3, bytes, &size));
    assert_int_equal(size, 2);
}

static void anything_else_is_refused(void **state)
{
    static const char *const rows[] = {"Z",     "Zg=",   "Zg===", "Z===",     "=",
                                       "====",  "Zm9v=", "Zm8==", "Zg==Zg==", "Zm 8",
                                       "Zm8\n", "Zm8*",  "Zh==",  "Zm9="};
    uint8_t bytes[BASE64_DECODED_SIZE(16)];
    size_t size;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (base64_decode(rows[i], strlen(rows[i]), bytes, &size))
            fail_msg("%s is taken", rows[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_rfc_4648_go_both_ways),
        cmocka_unit_test(both_alphabets_and_no_padding_are_read),
        cmocka_unit_test(anything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
