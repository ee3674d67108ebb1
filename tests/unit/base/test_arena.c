/* What an arena hands out is aligned, apart, whole until the end, and never more than its maximum. */
#include "base/arena.h"

#include "fake/failing_heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

enum {
    SIZE_MAX_OF_TESTS = 1024 * 1024
};

static int setup(void **state)
{
    *state = arena_new(SIZE_MAX_OF_TESTS);
    return *state == NULL;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static void memory_is_aligned_for_any_type(void **state)
{
    for (size_t size = 0; size < 100; size++) {
        void *memory = arena_alloc(*state, size);

        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
    }
}

/* Sizes from bytes to more than the largest block, so that blocks of all kinds are in use. */
static void pieces_of_all_sizes_do_not_touch_each_other(void **state)
{
    static const size_t sizes[] = {1, 16, 4000, 5000, 100, 9000, 30000, 1, 300000, 17, 280000, 8};
    unsigned char *pieces[COUNT_OF(sizes)];

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        pieces[i] = arena_alloc(*state, sizes[i]);
        assert_non_null(pieces[i]);
        memset(pieces[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(pieces[i][k], i + 1);
    }
}

static void the_maximum_can_be_used_and_not_a_byte_more(void **state)
{
    struct arena *arena = arena_new(1024);

    assert_non_null(arena_alloc(arena, 1024));
    assert_int_equal(arena_used(arena), 1024);
    assert_null(arena_alloc(arena, 1));
    arena_free(arena);

    arena = arena_new(1024);
    assert_null(arena_alloc(arena, 1025));
    assert_non_null(arena_alloc(arena, 1024)); /* a refusal leaves the arena as it was */
    arena_free(arena);
}

static void arrays_are_zeroed_and_refuse_to_overflow(void **state)
{
    unsigned char *memory = arena_array(*state, 100, 7);

    for (int i = 0; i < 700; i++)
        assert_int_equal(memory[i], 0);
    assert_null(arena_array(*state, SIZE_MAX / 2, 3));
    assert_null(arena_alloc(*state, SIZE_MAX));
    assert_null(arena_alloc(*state, SIZE_MAX - 8));
}

static void texts_are_copied_with_their_end(void **state)
{
    char source[] = "an order";
    char *copy = arena_strdup(*state, source);
    char *part = arena_strndup(*state, source, 2);
    char *printed = arena_printf(*state, "%s %d", source, 7);

    source[0] = 'X';
    assert_string_equal(copy, "an order");
    assert_string_equal(part, "an");
    assert_string_equal(printed, "an order 7");
    assert_memory_equal(arena_memdup(*state, "\0\1\2", 3), "\0\1\2", 3);
    assert_null(arena_strdup(*state, NULL));
}

static void texts_that_do_not_fit_give_null(void **state)
{
    struct arena *arena = arena_new(16);

    assert_null(arena_strdup(arena, "sixteen and more"));
    assert_null(arena_printf(arena, "%0100d", 1));
    assert_non_null(arena_strdup(arena, "fifteen letters"));
    arena_free(arena);
}

static void a_block_used_before_is_zeroed_again(void **state)
{
    for (int round = 0; round < 3; round++) {
        struct arena *arena = arena_new(4096);
        unsigned char *memory = arena_alloc_zero(arena, 2000);

        for (int i = 0; i < 2000; i++)
            assert_int_equal(memory[i], 0);
        memset(memory, 0xff, 2000);
        arena_free(arena);
    }
}

/* A call's arena may be made on one thread and freed on another; the leak checker sees the rest. */
static void *free_on_this_thread(void *arenas)
{
    struct arena **end = arenas;

    for (; *end != NULL; end++)
        arena_free(*end);
    return NULL;
}

static void arenas_may_be_freed_on_another_thread_that_ends(void **state)
{
    struct arena *arenas[300 + 1] = {NULL}; /* more than a thread keeps */
    pthread_t thread;

    for (int i = 0; i < 300; i++)
        arenas[i] = arena_new(4096);
    assert_int_equal(pthread_create(&thread, NULL, free_on_this_thread, arenas), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void freeing_nothing_is_allowed(void **state)
{
    arena_free(NULL);
}

/* The functions as objects of src/ have them, over a malloc that fails. */
struct arena *__real_arena_new(size_t size_max);
void *__real_arena_alloc(struct arena *arena, size_t size);

static void fill(void *context)
{
    struct arena *others[300]; /* more than a thread keeps, so the next one asks malloc */
    struct arena *arena;
    void *large = NULL;

    for (size_t i = 0; i < COUNT_OF(others); i++)
        others[i] = arena_new(SIZE_MAX_OF_TESTS);
    failing_heap_begin();
    arena = __real_arena_new(SIZE_MAX_OF_TESTS);
    if (arena != NULL)
        large = __real_arena_alloc(arena, 8192);
    failing_heap_end();
    assert_int_equal(large == NULL, failing_heap_has_failed());
    arena_free(arena);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        arena_free(others[i]);
}

static void an_arena_without_memory_says_so(void **state)
{
    failing_heap_each(fill, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(memory_is_aligned_for_any_type),
        TEST(pieces_of_all_sizes_do_not_touch_each_other),
        TEST(the_maximum_can_be_used_and_not_a_byte_more),
        TEST(arrays_are_zeroed_and_refuse_to_overflow),
        TEST(texts_are_copied_with_their_end),
        TEST(texts_that_do_not_fit_give_null),
        TEST(a_block_used_before_is_zeroed_again),
        TEST(arenas_may_be_freed_on_another_thread_that_ends),
        TEST(freeing_nothing_is_allowed),
        cmocka_unit_test(an_arena_without_memory_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
