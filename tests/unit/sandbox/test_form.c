/* A form is taken apart completely or not at all, and its fingerprint does not see the order. */
#include "sandbox/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"

#include <stdio.h>

static bool parse(struct form *form, char *text, size_t size, const char *from)
{
    (void)snprintf(text, size, "%s", from);
    return form_parse(form, text);
}

static void fields_are_decoded(void **state)
{
    char text[200];
    struct form form;

    assert_true(parse(&form, text, sizeof(text), "a=1&metadata%5Bo%5D=x+y%2B%c3%a9&&flag&a=2"));
    assert_int_equal(form.field_count, 4);
    assert_string_equal(form_get(&form, "metadata[o]"), "x y+\xc3\xa9");
    assert_string_equal(form_get(&form, "flag"), "");
    assert_string_equal(form_get(&form, "a"), "2");
    assert_null(form_get(&form, "b"));
}

static void unreadable_text_leaves_an_empty_form(void **state)
{
    static const char *const texts[] = {"a=%",   "a=%4",      "a=%zz",
                                        "%00=a", "b=1&a=%c3", "a=%ed%a0%80"};
    char text[200];
    struct form form;

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_false(parse(&form, text, sizeof(text), texts[i]));
        assert_int_equal(form.field_count, 0);
    }
}

static void one_field_too_many_is_refused(void **state)
{
    char text[3 * FORM_FIELD_COUNT_MAX + 4] = "";
    struct form form;

    for (size_t i = 0; i < FORM_FIELD_COUNT_MAX; i++)
        memcpy(text + 3 * i, "a=&", 4);
    assert_true(form_parse(&form, text));
    assert_int_equal(form.field_count, FORM_FIELD_COUNT_MAX);
    for (size_t i = 0; i <= FORM_FIELD_COUNT_MAX; i++)
        memcpy(text + 3 * i, "a=&", 4);
    assert_false(form_parse(&form, text));
}

static void the_fingerprint_sees_fields_but_not_their_order(void **state)
{
    static const struct {
        const char *one, *other;
        bool is_equal;
    } cases[] = {
        {"a=1&b=2", "b=2&a=1", true},
        {"a=1&b=2", "a=2&b=1", false},
        {"a=1", "a=1&b=", false},
        {"ab=c", "a=bc", false},
        {"", "", true},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char texts[2][64];
        struct form forms[2];
        assert_true(parse(&forms[0], texts[0], sizeof(texts[0]), cases[i].one));
        assert_true(parse(&forms[1], texts[1], sizeof(texts[1]), cases[i].other));
        assert_int_equal(form_hash(&forms[0]) == form_hash(&forms[1]), cases[i].is_equal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_decoded),
        cmocka_unit_test(unreadable_text_leaves_an_empty_form),
        cmocka_unit_test(one_field_too_many_is_refused),
        cmocka_unit_test(the_fingerprint_sees_fields_but_not_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
