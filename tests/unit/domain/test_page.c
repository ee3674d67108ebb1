#include "domain/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "fake/failing_openssl.h"

static const uint8_t key[PAGE_KEY_SIZE] = {1, 2, 3};
static const uint8_t other_key[PAGE_KEY_SIZE] = {1, 2, 4};

static int setup(void **state)
{
    *state = arena_new(64 * 1024);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

/* The position, or NULL when the token is not one of ours. */
static const char *read_token(const uint8_t with_key[PAGE_KEY_SIZE], const char *purpose,
                              const char *filter, const char *token, struct arena *arena)
{
    const char *position;
    enum reason bad = page_token_read(with_key, purpose, filter, token, arena, &position);

    if (bad == REASON_NONE)
        return position;
    if (failing_heap_has_failed())
        assert_int_equal(bad, REASON_OUT_OF_MEMORY);
    else
        assert_int_equal(bad, REASON_PAGE_TOKEN_INVALID);
    return NULL;
}

static void a_token_gives_its_position_back(void **state)
{
    static const char *const positions[] = {
        "", "a", "ab", "abc", "abcd", "tea-250", "0190b0f0-0000-7000-8000-000000000001"};
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT_OF(positions); i++) {
        char *token = page_token_make(key, "products", "tea", positions[i], arena);
        assert_non_null(token);
        assert_null(strstr(token, positions[6]));
        assert_string_equal(read_token(key, "products", "tea", token, arena), positions[i]);
    }
}

static void a_token_is_url_safe(void **state)
{
    struct arena *arena = *state;

    for (char c = 'a'; c <= 'z'; c++) {
        const char position[] = {c, '\0'};
        char *token = page_token_make(key, "products", "", position, arena);
        assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789-_"),
                         strlen(token));
    }
}

static void a_token_is_worthless_for_another_list(void **state)
{
    struct arena *arena = *state;
    char *token = page_token_make(key, "products", "tea", "a", arena);

    assert_null(read_token(key, "products", "coffee", token, arena));
    assert_null(read_token(key, "products", "", token, arena));
    assert_null(read_token(key, "orders", "tea", token, arena));
    assert_null(read_token(key, "product", "stea", token, arena));
    assert_null(read_token(other_key, "products", "tea", token, arena));
}

static void every_changed_character_of_a_token_is_noticed(void **state)
{
    struct arena *arena = *state;
    char *token = page_token_make(key, "products", "tea", "green-250", arena);

    for (size_t i = 0; token[i] != '\0'; i++) {
        char was = token[i];
        token[i] = was == 'A' ? 'B' : 'A';
        assert_null(read_token(key, "products", "tea", token, arena));
        token[i] = '\0';
        assert_null(read_token(key, "products", "tea", token, arena));
        token[i] = was;
    }
    assert_non_null(read_token(key, "products", "tea", token, arena));
}

static void what_is_no_token_is_refused(void **state)
{
    static const char *const texts[] = {"", "A", "AA", "AAAA", "====", "a b", "\303\244", "AQ=="};
    struct arena *arena = *state;

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_null(read_token(key, "products", "", texts[i], arena));
}

static void the_longest_position_fits_a_token_and_longer_tokens_are_refused(void **state)
{
    struct arena *arena = *state;
    char position[LIMIT_PAGE_TOKEN_SIZE / 2 + 1], text[LIMIT_PAGE_TOKEN_SIZE + 2];
    char *token;

    memset(position, 'p', sizeof(position));
    position[sizeof(position) - 1] = '\0';
    token = page_token_make(key, "products", "", position, arena);
    assert_true(strlen(token) <= LIMIT_PAGE_TOKEN_SIZE);
    assert_string_equal(read_token(key, "products", "", token, arena), position);

    memset(text, 'A', sizeof(text));
    text[LIMIT_PAGE_TOKEN_SIZE + 1] = '\0';
    assert_null(read_token(key, "products", "", text, arena));
    text[LIMIT_PAGE_TOKEN_SIZE] = '\0';
    assert_null(read_token(key, "products", "", text, arena));
}

/* OpenSSL's memory runs out as well. */
static void make_and_read(void *context)
{
    struct arena *arena = arena_new(64 * 1024);
    const char *token, *position;

    assert_non_null(arena);
    failing_heap_begin();
    token = page_token_make(key, "products", "tea", "tea-250", arena);
    position = read_token(key, "products", "tea", context, arena);
    failing_heap_end();
    if (token != NULL)
        assert_string_equal(token, context);
    if (position != NULL)
        assert_string_equal(position, "tea-250");
    if (!failing_heap_has_failed()) {
        assert_non_null(token);
        assert_non_null(position);
    }
    arena_free(arena);
}

static void a_token_is_right_or_none_wherever_memory_runs_out(void **state)
{
    failing_heap_each(make_and_read, page_token_make(key, "products", "tea", "tea-250", *state));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_gives_its_position_back),
        cmocka_unit_test(a_token_is_url_safe),
        cmocka_unit_test(a_token_is_worthless_for_another_list),
        cmocka_unit_test(every_changed_character_of_a_token_is_noticed),
        cmocka_unit_test(what_is_no_token_is_refused),
        cmocka_unit_test(the_longest_position_fits_a_token_and_longer_tokens_are_refused),
        cmocka_unit_test(a_token_is_right_or_none_wherever_memory_runs_out),
    };

    if (!failing_openssl_install())
        return 1;
    return cmocka_run_group_tests(tests, setup, teardown);
}
