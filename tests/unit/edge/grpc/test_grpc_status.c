/* How errors look in gRPC's trailers. */
#include "edge/grpc/grpc_status.h"

#include "base/limits.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

#include <grpc/grpc.h>
#include <grpc/slice.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct arena *arena;
    struct error err;
    struct grpc_trailers trailers;
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    f->arena = arena_new(LIMIT_ARENA_SIZE);
    *state = f;
    return f->arena == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    grpc_trailers_deinit(&f->trailers);
    arena_free(f->arena);
    test_free(f);
    return 0;
}

static const grpc_slice *find(const struct fixture *f, const char *key)
{
    for (size_t i = 0; i < f->trailers.count; i++) {
        if (grpc_slice_str_cmp(f->trailers.metadata[i].key, key) == 0) {
            return &f->trailers.metadata[i].value;
        }
    }
    return NULL;
}

static void assert_value(const struct fixture *f, const char *key, const char *value)
{
    const grpc_slice *found = find(f, key);
    if (value == NULL) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_int_equal(grpc_slice_str_cmp(*found, value), 0);
}

static void a_good_end_has_no_message_and_no_trailers(void **state)
{
    struct fixture *f = *state;

    grpc_trailers_init(&f->trailers, &f->err, false, f->arena);
    assert_int_equal(f->trailers.code, GRPC_STATUS_OK);
    assert_int_equal(GRPC_SLICE_LENGTH(f->trailers.message), 0);
    assert_int_equal(f->trailers.count, 0);
}

static void every_reason_has_its_code_and_exactly_one_error_info(void **state)
{
    struct fixture *f = *state;

    for (int reason = REASON_NONE + 1; reason < REASON_COUNT; reason++) {
        memset(&f->err, 0, sizeof(f->err));
        error_set(&f->err, (enum reason)reason);
        grpc_trailers_init(&f->trailers, &f->err, false, f->arena);
        assert_int_equal((int)f->trailers.code, (int)reason_status((enum reason)reason));

        const grpc_slice *details = find(f, "grpc-status-details-bin");
        assert_non_null(details);
        Google__Rpc__Status *status = google__rpc__status__unpack(NULL, GRPC_SLICE_LENGTH(*details),
                                                                  GRPC_SLICE_START_PTR(*details));
        assert_non_null(status);
        assert_int_equal(status->code, (int)reason_status((enum reason)reason));
        int info_count = 0;
        for (size_t i = 0; i < status->n_details; i++) {
            info_count += strstr(status->details[i]->type_url, "google.rpc.ErrorInfo") != NULL;
        }
        assert_int_equal(info_count, 1);
        google__rpc__status__free_unpacked(status, NULL);
        grpc_trailers_deinit(&f->trailers);
    }
}

static void the_pushback_follows_the_policy_of_the_reason(void **state)
{
    static const struct {
        enum reason reason;
        int32_t delay_ms;
        const char *pushback;
    } cases[] = {
        {REASON_TOO_MANY_CALLS, 0, "1000"},        {REASON_STORE_UNAVAILABLE, 250, "250"},
        {REASON_PAYMENT_OUTCOME_UNKNOWN, 0, "-1"}, {REASON_ORDER_NOT_FOUND, 0, NULL},
        {REASON_ETAG_MISMATCH, 0, NULL},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        memset(&f->err, 0, sizeof(f->err));
        error_set(&f->err, cases[i].reason);
        f->err.retry_delay_ms = cases[i].delay_ms;
        grpc_trailers_init(&f->trailers, &f->err, false, f->arena);
        assert_value(f, "grpc-retry-pushback-ms", cases[i].pushback);
        grpc_trailers_deinit(&f->trailers);
    }
}

static void a_repeated_answer_says_so_good_or_bad(void **state)
{
    struct fixture *f = *state;

    grpc_trailers_init(&f->trailers, &f->err, true, f->arena);
    assert_value(f, "idempotent-replayed", "true");
    grpc_trailers_deinit(&f->trailers);
    error_set(&f->err, REASON_PAYMENT_DECLINED);
    grpc_trailers_init(&f->trailers, &f->err, true, f->arena);
    assert_value(f, "idempotent-replayed", "true");
}

static void the_largest_error_stays_within_the_limit_of_trailers(void **state)
{
    struct fixture *f = *state;
    size_t size = 0;

    for (int i = 0; i < 200; i++) {
        error_add_field(&f->err, f->arena, "lines[99].some_field_with_a_long_name",
                        "must be something that takes many words to say, number %d", i);
    }
    grpc_trailers_init(&f->trailers, &f->err, true, f->arena);
    for (size_t i = 0; i < f->trailers.count; i++) {
        /* In base64, as binary metadata is sent. */
        size += GRPC_SLICE_LENGTH(f->trailers.metadata[i].key) +
                (GRPC_SLICE_LENGTH(f->trailers.metadata[i].value) + 2) / 3 * 4;
    }
    size += 3 * GRPC_SLICE_LENGTH(f->trailers.message); /* all percent-encoded */
    assert_in_range(size, 1, LIMIT_ERROR_TRAILER_SIZE);
}

static void without_memory_the_error_itself_is_still_told(void **state)
{
    struct fixture *f = *state;

    error_set(&f->err, REASON_OUT_OF_MEMORY);
    grpc_trailers_init(&f->trailers, &f->err, false, NULL);
    assert_int_equal(f->trailers.code, GRPC_STATUS_RESOURCE_EXHAUSTED);
    assert_null(find(f, "grpc-status-details-bin"));
    assert_value(f, "grpc-retry-pushback-ms", "1000");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_good_end_has_no_message_and_no_trailers),
        TEST(every_reason_has_its_code_and_exactly_one_error_info),
        TEST(the_pushback_follows_the_policy_of_the_reason),
        TEST(a_repeated_answer_says_so_good_or_bad),
        TEST(the_largest_error_stays_within_the_limit_of_trailers),
        TEST(without_memory_the_error_itself_is_still_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
