/* Chance from the kernel: every byte is filled, and nothing comes twice. */
#include "runtime/random_system.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = random_system_new();
    return *state == NULL;
}

static int teardown(void **state)
{
    random_system_free(*state);
    return 0;
}

static void ids_in_a_row_differ(void **state)
{
    unsigned char ids[200][16];

    for (int i = 0; i < 200; i++)
        random_fill(*state, ids[i], sizeof(ids[i]));
    for (int i = 0; i < 200; i++) {
        for (int k = i + 1; k < 200; k++)
            assert_memory_not_equal(ids[i], ids[k], sizeof(ids[i]));
    }
}

/* A byte that no one of 64 fills changed is not being filled: the odds against are 2^-512. */
static void every_byte_of_a_large_request_is_filled(void **state)
{
    unsigned char changed[1000] = {0}, data[1000];

    for (int round = 0; round < 64; round++) {
        memset(data, 0, sizeof(data));
        random_fill(*state, data, sizeof(data));
        for (size_t i = 0; i < sizeof(data); i++)
            changed[i] |= data[i];
    }
    for (size_t i = 0; i < sizeof(changed); i++)
        assert_int_not_equal(changed[i], 0);
}

static void numbers_stay_below_their_bound(void **state)
{
    assert_int_equal(random_below(*state, 1), 0);
    for (int i = 0; i < 1000; i++)
        assert_true(random_below(*state, 7) < 7);
}

static void freeing_nothing_is_allowed(void **state)
{
    random_system_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(ids_in_a_row_differ),
        TEST(every_byte_of_a_large_request_is_filled),
        TEST(numbers_stay_below_their_bound),
        TEST(freeing_nothing_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
