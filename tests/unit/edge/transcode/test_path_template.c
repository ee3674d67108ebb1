/* The grammar of google.api.http templates, and what they match. */
#include "edge/transcode/path_template.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"

static int setup(void **state)
{
    *state = arena_new(LIMIT_ARENA_SIZE);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static const struct path_template *compile(struct arena *arena, const char *text)
{
    const struct path_template *result = NULL;
    struct error err = {0};

    if (path_template_compile(text, arena, &result, &err) != STATUS_OK)
        fail_msg("%s: %s", text, err.message);
    return result;
}

/* "id=7 name=a/b" of a path that matches, "-" of one that does not, "!" and the path of the field when
 * it has a variable that is no text, "!" when the path cannot be read. */
static const char *match(struct arena *arena, const char *template_text, const char *path_text,
                         size_t path_len)
{
    const struct path_template *path_template = compile(arena, template_text);
    const char *result = "";
    struct error err = {0};
    struct path path;

    if (path_split(path_text, path_len, arena, &path, &err) != STATUS_OK)
        return "!";
    if (!path_template_match(path_template, &path))
        return "-";
    for (size_t i = 0; i < path_template->variable_count; i++) {
        const char *text;
        size_t len;
        if (path_template_capture(path_template, i, &path, arena, &text, &len, &err) != STATUS_OK)
            return arena_printf(arena, "!%s", err.details->a);
        assert_int_equal(strlen(text), len);
        result = arena_printf(arena, "%s%s%s=%s", result, i == 0 ? "" : " ",
                              path_template->variables[i].field_path, text);
    }
    return result;
}

static void templates_match_what_the_rules_say(void **state)
{
    static const struct {
        const char *path_template, *path, *result;
    } rows[] = {
        /* Literals and single segments. */
        {"/v1/products", "/v1/products", ""},
        {"/v1/products", "/v1/products/", "-"},
        {"/v1/products", "/v1//products", "-"},
        {"/v1/products", "//v1/products", "-"},
        {"/v1/products", "/v1/Products", "-"},
        {"/v1/products", "/v1/products/tea", "-"},
        {"/v1/products", "/v1", "-"},
        {"/v1/products", "/v1/products:batchGet", "-"},
        {"/v1/products", "/v1/%70roducts", ""}, /* compared after decoding */
        {"/v1/%70roducts", "/v1/products", ""},
        {"/v1/products", "/v1%2Fproducts", "-"}, /* split before decoding */
        {"/v1/products", "/v1/x/../products", "-"},
        {"/v1/*/x", "/v1/a/x", ""},
        {"/v1/*/x", "/v1//x", "-"},
        {"/v1/*/x", "/v1/a/b/x", "-"},
        {"/v1/**", "/v1", ""},
        {"/v1/**", "/v1/a", ""},
        {"/v1/**", "/v1/a/b/c", ""},
        {"/v1/**", "/v1/a//c", "-"},
        {"/v1/**", "/v1/", "-"},
        {"/v1/**", "/v2/a", "-"},
        {"/**", "/a", ""},
        {"/{path=**}", "/a/b", "path=a/b"},
        /* One segment in a variable: decoded wholly. */
        {"/v1/orders/{id}", "/v1/orders/7", "id=7"},
        {"/v1/orders/{id}", "/v1/orders/a%20b%2Fc", "id=a b/c"},
        {"/v1/orders/{id}", "/v1/orders/a+b", "id=a+b"},
        {"/v1/orders/{id}", "/v1/orders/%c3%bc", "id=\xc3\xbc"},
        {"/v1/orders/{id}", "/v1/orders/%2525", "id=%25"}, /* once */
        {"/v1/orders/{id}", "/v1/orders/..", "id=.."},
        {"/v1/orders/{id}", "/v1/orders/%2e%2e%2fproducts", "id=../products"},
        {"/v1/orders/{id}", "/v1/orders/", "-"},
        {"/v1/orders/{id}", "/v1/orders/a/b", "-"},
        {"/v1/orders/{id=*}", "/v1/orders/a%2Fb", "id=a/b"},
        {"/v1/products/{product.id}", "/v1/products/tea", "product.id=tea"},
        {"/{a}/{b_2.c}", "/1/2", "a=1 b_2.c=2"},
        /* Several: %2F stays, else it would look like a slash. */
        {"/v1/{name=shelves/*}", "/v1/shelves/a%2Fb%20c", "name=shelves/a%2Fb c"},
        {"/v1/{name=shelves/*}", "/v1/shelves/a%2fb", "name=shelves/a%2fb"},
        {"/v1/{name=shelves/*}", "/v1/books/a", "-"},
        {"/v1/{name=shelves/*}/books/{id}", "/v1/shelves/1/books/2", "name=shelves/1 id=2"},
        {"/v1/{name=**}", "/v1", "name="},
        {"/v1/{name=**}", "/v1/a%2Fb", "name=a%2Fb"},
        {"/v1/{name=a/**}", "/v1/a", "name=a"},
        {"/v1/{name=a/**}", "/v1/a/b/c", "name=a/b/c"},
        {"/v1/{a.b=x/*}/{c=**}", "/v1/x/1/2/3", "a.b=x/1 c=2/3"},
        /* Verbs. */
        {"/v1/products:batchGet", "/v1/products:batchGet", ""},
        {"/v1/products:batchGet", "/v1/products", "-"},
        {"/v1/products:batchGet", "/v1/products:batchget", "-"},
        {"/v1/products:batchGet", "/v1/products:batch%47et", ""},
        {"/v1/products:batchGet", "/v1/products%3AbatchGet", "-"},
        {"/v1/products:batchGet", "/v1/products:batchGet/", "-"},
        {"/v1/orders/{id}:process", "/v1/orders/7:process", "id=7"},
        {"/v1/orders/{id}:process", "/v1/orders/7:cancel", "-"},
        {"/v1/orders/{id}:process", "/v1/orders/:process", "-"},
        {"/v1/orders/{id}:process", "/v1/orders/7:process:process", "id=7:process"},
        {"/v1/orders/{id}:process", "/v1/orders/a:b:process", "id=a:b"},
        {"/v1/orders/{id}:process", "/v1/orders/7:process:x", "-"},
        {"/v1/{name=**}:copy", "/v1/a/b:copy", "name=a/b"},
        {"/v1/{name=**}:copy", "/v1:copy", "name="},
        {"/v1/{name=**}:copy", "/v1/a:copy/b", "-"},
        {"/v1/{name=shelves/*}:copy", "/v1/shelves/1:copy", "name=shelves/1"},
        /* Without a verb in the template a ':' belongs to the id. */
        {"/v1/orders/{id}", "/v1/orders/a:b", "id=a:b"},
        {"/v1/orders/{id}", "/v1/orders/7:process", "id=7:process"},
        {"/v1/orders/{id}", "/v1/orders/:", "id=:"},
        {"/v1/{name=**}", "/v1/a/b:c", "name=a/b:c"},
        /* Broken escapes, and text that is none. */
        {"/v1/orders/{id}", "/v1/orders/%zz", "!"},
        {"/v1/orders/{id}", "/v1/orders/%", "!"},
        {"/v1/orders/{id}", "/v1/orders/%2", "!"},
        {"/v1/orders/{id}", "/v1/%zz/7", "!"},
        {"/v1/orders/{id}:process", "/v1/orders/7:proc%zz", "!"},
        {"/v1/orders/{id}", "/v1/orders/%00", "!id"},
        {"/v1/orders/{id}", "/v1/orders/a%00b", "!id"},
        {"/v1/orders/{id}", "/v1/orders/%c0%af", "!id"}, /* an overlong slash */
        {"/v1/orders/{id}", "/v1/orders/%ff", "!id"},
        {"/v1/orders/{id}", "/v1/orders/\xff", "!id"},
        {"/v1/{name=a/*}", "/v1/a/%ed%a0%80", "!name"},
        {"/v1/orders", "/v1/orders%00", "-"},
        {"/v1/orders", "v1/orders", "!"},
        {"/v1/orders", "", "!"},
        {"/v1/orders", "/", "-"},
        {"/v1/orders", "//", "-"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *result =
            match(*state, rows[i].path_template, rows[i].path, strlen(rows[i].path));
        if (strcmp(result, rows[i].result) != 0)
            fail_msg("%s against %s: %s, expected %s", rows[i].path, rows[i].path_template, result,
                     rows[i].result);
    }
}

static void a_nul_in_a_path_is_not_its_end(void **state)
{
    assert_string_equal(match(*state, "/v1/orders", "/v1/orders\0/x", 13), "-");
    assert_string_equal(match(*state, "/v1/orders/{id}", "/v1/orders/7\0", 13), "!id");
}

static void templates_that_are_none_are_refused(void **state)
{
    static const struct {
        const char *text;
        unsigned column;
    } rows[] = {
        {"", 1},
        {"v1", 1},
        {"/", 2},
        {"/v1/", 5},
        {"//v1", 2},
        {"/v1/{", 6},
        {"/v1/{}", 6},
        {"/v1/{id", 8},
        {"/v1/{1}", 6},
        {"/v1/{a.}", 8},
        {"/v1/{a..b}", 8},
        {"/v1/{.a}", 6},
        {"/v1/{id=}", 9},
        {"/v1/{id=a/}", 11},
        {"/v1/{id={x}}", 9},
        {"/v1/**/x", 9},
        {"/v1/***", 7},
        {"/v1/{a=**}/x", 13},
        {"/v1/{a=**/x}", 12},
        {"/v1:", 5},
        {"/v1:a:b", 6},
        {"/v1:a/b", 6},
        {"/v1:{a}", 5},
        {"/v1}", 4},
        {"/v1/{a}b", 8},
        {"/v1/a{b}", 6},
        {"/v1/a*", 6},
        {"/v1/*a", 6},
        {"/v1/%zz", 8},
        {"/v1/{a}/{a}", 12},
        {"/v1?x=1", 4},
        {"/v1/a b", 6},
        {"/v1/\xc3\xbc", 5},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct path_template *result;
        struct error err = {0};
        char place[64];
        if (path_template_compile(rows[i].text, *state, &result, &err) != STATUS_INTERNAL)
            fail_msg("%s is taken", rows[i].text);
        snprintf(place, sizeof(place), "path template, column %u: ", rows[i].column);
        if (strncmp(err.message, place, strlen(place)) != 0)
            fail_msg("%s: %s, expected column %u", rows[i].text, err.message, rows[i].column);
    }
}

/* "/x0/x1/x2" or "/{x0}/{x1}/{x2}" */
static enum status compile_many(struct arena *arena, bool as_variables, unsigned count)
{
    const struct path_template *result;
    struct error err = {0};
    const char *text = "";

    for (unsigned i = 0; i < count; i++)
        text = arena_printf(arena, as_variables ? "%s/{x%u}" : "%s/x%u", text, i);
    return path_template_compile(text, arena, &result, &err);
}

static void a_template_has_16_segments_and_4_variables_at_most(void **state)
{
    assert_int_equal(compile_many(*state, false, PATH_TEMPLATE_SEGMENTS_MAX), STATUS_OK);
    assert_int_equal(compile_many(*state, false, PATH_TEMPLATE_SEGMENTS_MAX + 1), STATUS_INTERNAL);
    assert_int_equal(compile_many(*state, true, PATH_TEMPLATE_VARIABLES_MAX), STATUS_OK);
    assert_int_equal(compile_many(*state, true, PATH_TEMPLATE_VARIABLES_MAX + 1), STATUS_INTERNAL);
}

static void a_path_has_8_kib_at_most(void **state)
{
    char *text = arena_alloc(*state, PATH_LEN_MAX + 1);
    struct error err = {0};
    struct path path;

    assert_non_null(text);
    memset(text, '/', PATH_LEN_MAX + 1);
    assert_int_equal(path_split(text, PATH_LEN_MAX, *state, &path, &err), STATUS_OK);
    assert_int_equal(path.count, PATH_LEN_MAX);
    assert_int_equal(path_split(text, PATH_LEN_MAX + 1, *state, &path, &err),
                     STATUS_INVALID_ARGUMENT);
}

static void a_full_arena_is_an_error(void **state)
{
    const struct path_template *path_template = compile(*state, "/v1/{name=**}:copy");
    const struct path_template *other;
    static const char text[] = "/v1/a/b%20c:copy";
    enum status status = STATUS_RESOURCE_EXHAUSTED;
    unsigned failed_count = 0;

    for (size_t size = 16; status != STATUS_OK; size += 16) {
        struct arena *arena = arena_new(size);
        struct error err = {0};
        struct path path;
        const char *name;
        size_t len;
        status = path_template_compile("/v1/{name=**}:copy", arena, &other, &err);
        if (status == STATUS_OK)
            status = path_split(text, sizeof(text) - 1, arena, &path, &err);
        if (status == STATUS_OK)
            status = path_template_capture(path_template, 0, &path, arena, &name, &len, &err);
        if (status != STATUS_OK)
            assert_int_equal(err.reason, REASON_OUT_OF_MEMORY);
        failed_count += status != STATUS_OK;
        arena_free(arena);
    }
    assert_true(failed_count > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_match_what_the_rules_say),
        cmocka_unit_test(a_nul_in_a_path_is_not_its_end),
        cmocka_unit_test(templates_that_are_none_are_refused),
        cmocka_unit_test(a_template_has_16_segments_and_4_variables_at_most),
        cmocka_unit_test(a_path_has_8_kib_at_most),
        cmocka_unit_test(a_full_arena_is_an_error),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
