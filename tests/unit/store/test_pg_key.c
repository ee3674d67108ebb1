/* Idempotency keys as parameters: one that is not set is the same as none. */
#include "store/pg_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const enum pg_type types[] = {PG_TEXT, PG_TEXT, PG_TEXT, PG_BYTEA, PG_END};

/* What is put for two keys is the same, byte by byte. */
static void assert_same(const struct idempotency *a, const struct idempotency *b)
{
    struct pg_params first, second;

    pg_params_init(&first, types);
    pg_params_init(&second, types);
    pg_put_key(&first, 0, a);
    pg_put_key(&second, 0, b);
    for (uint32_t i = 0; i < first.count; i++) {
        assert_int_equal(first.list[i].bytes.len, second.list[i].bytes.len);
        assert_memory_equal(first.list[i].bytes.data, second.list[i].bytes.data,
                            first.list[i].bytes.len);
    }
    pg_params_deinit(&first);
    pg_params_deinit(&second);
}

static void a_key_without_a_request_id_is_none(void **state)
{
    static const struct idempotency none = {.caller = "", .method = "", .request_id = ""};
    static const struct idempotency unset = {
        .caller = "shop", .method = "CreateOrder", .request_id = "", .hash = {1}};
    static const struct idempotency absent = {
        .caller = "shop", .method = "CreateOrder", .request_id = NULL, .hash = {1}};

    assert_same(NULL, &none);
    assert_same(&unset, &none);
    assert_same(&absent, &none);
}

static void a_key_is_put_with_its_caller_method_and_hash(void **state)
{
    static const struct idempotency key = {
        .caller = "shop", .method = "CreateOrder", .request_id = "first", .hash = {1, 2}};
    static const char *const texts[] = {"shop", "CreateOrder", "first"};
    struct pg_params params;

    pg_params_init(&params, types);
    pg_put_key(&params, 0, &key);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        const struct buf *bytes = &params.list[i].bytes;
        size_t len = strlen(texts[i]);

        assert_memory_equal(bytes->data + bytes->len - len, texts[i], len);
    }
    assert_memory_equal(params.list[3].bytes.data + params.list[3].bytes.len - sizeof(key.hash),
                        key.hash, sizeof(key.hash));
    pg_params_deinit(&params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_without_a_request_id_is_none),
        cmocka_unit_test(a_key_is_put_with_its_caller_method_and_hash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
