/* UUIDv7: sorted by time, written one way. */
#include "base/uuid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t ones[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t zeros[8];

static void version_7_holds_time_version_and_variant(void **state)
{
    char text[UUID_TEXT_SIZE];
    struct uuid uuid = uuid_v7(0x017f22e279b0 * 1000, zeros);

    uuid_format(&uuid, text);
    assert_string_equal(text, "017f22e2-79b0-7000-8000-000000000000");
    uuid = uuid_v7(0x017f22e279b0 * 1000 + 999, ones);
    uuid_format(&uuid, text);
    assert_string_equal(text, "017f22e2-79b0-7ffb-bfff-ffffffffffff"); /* 0.999 of 4,096 */
}

static void later_ids_sort_behind_earlier_ones(void **state)
{
    struct uuid early = uuid_v7(1700000000000000, ones), late = uuid_v7(1700000000000001, zeros);

    assert_true(uuid_compare(&early, &late) < 0);
    assert_true(uuid_compare(&late, &early) > 0);
    assert_int_equal(uuid_compare(&late, &late), 0);
    assert_true(uuid_equal(&late, &late));
    assert_false(uuid_equal(&late, &early));
}

static void text_leads_back_to_the_same_id(void **state)
{
    char text[UUID_TEXT_SIZE];
    struct uuid uuid = uuid_v7(1700000000000000, ones), read;

    uuid_format(&uuid, text);
    assert_true(uuid_parse(text, &read));
    assert_true(uuid_equal(&uuid, &read));
    assert_true(uuid_parse("017F22E2-79B0-7FFF-BFFF-FFFFFFFFFFFF", &read));
}

static void other_texts_are_not_ids(void **state)
{
    static const char *const texts[] = {
        "",
        "017f22e2-79b0-7000-8000-00000000000",   /* short */
        "017f22e2-79b0-7000-8000-0000000000000", /* long */
        "017f22e279b070008000000000000000",
        "{17f22e2-79b0-7000-8000-000000000000}",
        "017f22e2-79b0-7000-8000-00000000000g",
        "017f22e2-79b0-7000-80000-00000000000",
        "017f22e2x79b0-7000-8000-000000000000",
    };
    struct uuid uuid;

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_false(uuid_parse(texts[i], &uuid));
}

static void only_the_zero_id_is_zero(void **state)
{
    struct uuid zero = {{0}}, other = {{0}};

    other.bytes[15] = 1;
    assert_true(uuid_is_zero(&zero));
    assert_false(uuid_is_zero(&other));
}

static void a_bucket_is_told_by_the_last_bytes(void **state)
{
    struct uuid a = {{0}}, b = {{0}};

    assert_int_equal(uuid_bucket(&a, 1), 0);
    a.bytes[0] = 1; /* times make no difference */
    assert_int_equal(uuid_bucket(&a, 1024), uuid_bucket(&b, 1024));
    for (int i = 12; i < 16; i++)
        b.bytes[i] = 0xff;
    assert_int_equal(uuid_bucket(&b, 1024), 1023);
    assert_int_equal(uuid_bucket(&b, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_7_holds_time_version_and_variant),
        cmocka_unit_test(later_ids_sort_behind_earlier_ones),
        cmocka_unit_test(text_leads_back_to_the_same_id),
        cmocka_unit_test(other_texts_are_not_ids),
        cmocka_unit_test(only_the_zero_id_is_zero),
        cmocka_unit_test(a_bucket_is_told_by_the_last_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
