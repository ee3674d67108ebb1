/* Percent-decoding: once, and never half. */
#include "edge/transcode/percent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void escapes_are_decoded_as_the_place_asks(void **state)
{
    static const struct {
        const char *text;
        enum percent_mode mode;
        const char *result; /* NULL: refused */
    } rows[] = {
        {"", PERCENT_ALL, ""},
        {"abc", PERCENT_ALL, "abc"},
        {"a%20b", PERCENT_ALL, "a b"},
        {"%41%7a%C3%bc", PERCENT_ALL, "Az\xc3\xbc"},
        {"%2F%2f", PERCENT_ALL, "//"},
        {"%2525", PERCENT_ALL, "%25"},
        {"a+b", PERCENT_ALL, "a+b"},
        {"%2F%2f%20", PERCENT_KEEP_SLASH, "%2F%2f "},
        {"a/b", PERCENT_KEEP_SLASH, "a/b"},
        {"a+b%2Bc", PERCENT_FORM, "a b+c"},
        {"%2F", PERCENT_FORM, "/"},
        {"%", PERCENT_ALL, NULL},
        {"%4", PERCENT_ALL, NULL},
        {"a%", PERCENT_FORM, NULL},
        {"%zz", PERCENT_ALL, NULL},
        {"%4g", PERCENT_KEEP_SLASH, NULL},
        {"%g4", PERCENT_ALL, NULL},
        {"%%41", PERCENT_ALL, NULL},
        {"% 41", PERCENT_ALL, NULL},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[32];
        size_t len;
        const bool is_taken =
            percent_decode(rows[i].text, strlen(rows[i].text), rows[i].mode, out, &len);
        if (is_taken != (rows[i].result != NULL))
            fail_msg("%s is %s", rows[i].text, is_taken ? "taken" : "refused");
        if (is_taken) {
            out[len] = '\0';
            assert_string_equal(out, rows[i].result);
        }
    }
}

static void text_is_decoded_in_its_place(void **state)
{
    char text[] = "%61%62c";
    size_t len;

    assert_true(percent_decode(text, 7, PERCENT_ALL, text, &len));
    assert_int_equal(len, 3);
    assert_memory_equal(text, "abc", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_are_decoded_as_the_place_asks),
        cmocka_unit_test(text_is_decoded_in_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
