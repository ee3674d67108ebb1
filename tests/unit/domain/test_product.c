#include "domain/product.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/macros.h"

static void an_id_begins_with_a_letter_or_digit(void **state)
{
    static const char *const valid[] = {"a", "7", "tea.green-250_g", "0-", "a..b", "z9"};
    static const char *const invalid[] = {"",    "-a",  ".a",       "_a",  "A",  "aB", "a b",
                                          "a/b", "a:b", "\303\244", "a\n", "a%", "a~"};

    for (size_t i = 0; i < COUNT_OF(valid); i++)
        assert_true(id_is_valid(valid[i]));
    for (size_t i = 0; i < COUNT_OF(invalid); i++)
        assert_false(id_is_valid(invalid[i]));
}

static void an_id_of_63_characters_is_valid_and_one_of_64_is_not(void **state)
{
    char id[LIMIT_ID_LEN + 2];

    memset(id, 'a', sizeof(id));
    id[LIMIT_ID_LEN] = '\0';
    assert_true(id_is_valid(id));
    id[LIMIT_ID_LEN] = 'a';
    id[LIMIT_ID_LEN + 1] = '\0';
    assert_false(id_is_valid(id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_begins_with_a_letter_or_digit),
        cmocka_unit_test(an_id_of_63_characters_is_valid_and_one_of_64_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
