/* Fingerprints of requests. */
#include "service/fingerprint.h"

#include "fake/failing_openssl.h"
#include "shop/v1/catalog.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(literal) ((char *)(uintptr_t)(literal))

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

static struct idempotency key_of(const char *id, int64_t delta, const char *request_id,
                                 struct arena *arena)
{
    Shop__V1__AdjustStockRequest request;
    struct call call = {.arena = arena, .request = &request.base, .caller = "shop-a"};
    struct idempotency key;

    shop__v1__adjust_stock_request__init(&request);
    request.id = TEXT(id);
    request.delta = delta;
    request.request_id = TEXT(request_id);
    assert_true(idempotency_of_call(&call, "AdjustStock", &key));
    assert_string_equal(request.request_id, request_id);
    return key;
}

static void a_key_names_caller_method_and_request_id(void **state)
{
    struct idempotency key = key_of("tea", 1, "key", *state);

    assert_true(idempotency_is_set(&key));
    assert_string_equal(key.caller, "shop-a");
    assert_string_equal(key.method, "AdjustStock");
    assert_string_equal(key.request_id, "key");
}

static void a_call_without_a_request_id_has_no_key(void **state)
{
    struct idempotency key = key_of("tea", 1, "", *state);

    assert_false(idempotency_is_set(&key));
}

static void the_hash_is_of_everything_but_the_request_id(void **state)
{
    struct idempotency key = key_of("tea", 1, "key", *state);
    struct idempotency other = key_of("tea", 1, "other-key", *state);

    assert_memory_equal(key.hash, other.hash, IDEMPOTENCY_HASH_SIZE);
    other = key_of("tea", 2, "key", *state);
    assert_memory_not_equal(key.hash, other.hash, IDEMPOTENCY_HASH_SIZE);
    other = key_of("cup", 1, "key", *state);
    assert_memory_not_equal(key.hash, other.hash, IDEMPOTENCY_HASH_SIZE);
}

/* A hash is compared with one made by an older version of the program: it must not change. */
static void the_hash_is_the_sha_256_of_the_packed_request(void **state)
{
    static const uint8_t expected[] = {0xd7, 0x85, 0x83, 0xce, 0x1a, 0x25, 0xa4, 0x6b,
                                       0x38, 0xb4, 0x47, 0x20, 0x2e, 0x6d, 0x08, 0x2e,
                                       0x17, 0xee, 0xe4, 0xdf, 0x95, 0xa7, 0x81, 0x92,
                                       0xd1, 0xcd, 0xe2, 0x1a, 0xad, 0xdb, 0xfb, 0xf0};
    struct idempotency key = key_of("tea", 1, "key", *state);

    assert_memory_equal(key.hash, expected, IDEMPOTENCY_HASH_SIZE);
}

static void a_request_that_cannot_be_packed_again_has_no_fingerprint(void **state)
{
    struct arena *small = arena_new(0);
    Shop__V1__AdjustStockRequest request;
    struct call call = {.arena = small, .request = &request.base, .caller = ""};
    struct idempotency key;

    assert_non_null(small);
    shop__v1__adjust_stock_request__init(&request);
    assert_true(idempotency_of_call(&call, "AdjustStock", &key));
    request.request_id = TEXT("key");
    assert_false(idempotency_of_call(&call, "AdjustStock", &key));
    arena_free(small);
}

static void take_fingerprint(void *context)
{
    const struct idempotency *expected = context;
    struct arena *arena = arena_new(64 * 1024);
    Shop__V1__AdjustStockRequest request;
    struct call call = {.arena = arena, .request = &request.base, .caller = ""};
    struct idempotency key;
    bool is_taken;

    assert_non_null(arena);
    shop__v1__adjust_stock_request__init(&request);
    request.id = TEXT("tea");
    request.delta = 1;
    request.request_id = TEXT("key");
    failing_heap_begin();
    is_taken = idempotency_of_call(&call, "AdjustStock", &key);
    failing_heap_end();
    if (is_taken)
        assert_memory_equal(key.hash, expected->hash, IDEMPOTENCY_HASH_SIZE);
    else
        assert_true(failing_heap_has_failed());
    arena_free(arena);
}

static void a_fingerprint_is_right_or_none_wherever_memory_runs_out(void **state)
{
    struct idempotency expected = key_of("tea", 1, "key", *state);

    failing_heap_each(take_fingerprint, &expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_names_caller_method_and_request_id),
        cmocka_unit_test(a_call_without_a_request_id_has_no_key),
        cmocka_unit_test(the_hash_is_of_everything_but_the_request_id),
        cmocka_unit_test(the_hash_is_the_sha_256_of_the_packed_request),
        cmocka_unit_test(a_request_that_cannot_be_packed_again_has_no_fingerprint),
        cmocka_unit_test(a_fingerprint_is_right_or_none_wherever_memory_runs_out),
    };

    if (!failing_openssl_install())
        return 1;
    return cmocka_run_group_tests(tests, setup, teardown);
}
