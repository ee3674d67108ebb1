#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "domain/order.h"
#include "fake/failing_heap.h"

static const struct uuid order_id = {{1, 2, 3}};

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

static const char *metadata(const struct error *err, const char *key)
{
    for (const struct error_detail *detail = err->details; detail != NULL; detail = detail->next) {
        if (detail->kind == DETAIL_METADATA && strcmp(detail->a, key) == 0)
            return detail->b;
    }
    return NULL;
}

static void a_failure_is_answered_with_its_reason_metadata_and_order(void **state)
{
    struct failure_metadata declined[] = {{"declineCode", "insufficient_funds"}};
    struct failure failure = {
        .reason = REASON_PAYMENT_DECLINED, .metadata = declined, .metadata_count = 1};
    struct error err = {0};

    failure_to_error(&failure, &order_id, *state, &err);
    assert_int_equal(err.status, STATUS_FAILED_PRECONDITION);
    assert_int_equal(err.reason, REASON_PAYMENT_DECLINED);
    assert_string_equal(err.message, reason_text(REASON_PAYMENT_DECLINED));
    assert_string_equal(metadata(&err, "declineCode"), "insufficient_funds");
    assert_string_equal(metadata(&err, "orderId"), "01020300-0000-0000-0000-000000000000");
}

static void every_short_line_is_a_precondition(void **state)
{
    struct short_line lines[] = {{"tea", 3, 1}, {"cup", 2, 0}};
    struct failure failure = {.reason = REASON_OUT_OF_STOCK,
                              .message = "not enough tea",
                              .short_lines = lines,
                              .short_line_count = 2};
    struct error err = {0};
    const struct error_detail *detail;

    failure_to_error(&failure, &order_id, *state, &err);
    assert_string_equal(err.message, "not enough tea");
    detail = err.details->next;
    assert_int_equal(detail->kind, DETAIL_PRECONDITION);
    assert_string_equal(detail->a, "STOCK");
    assert_string_equal(detail->b, "products/tea");
    assert_string_equal(detail->c, "3 requested, 1 available");
    assert_string_equal(detail->next->b, "products/cup");
}

static void a_condition_that_failed_names_the_order_unless_it_names_stock(void **state)
{
    static const struct {
        enum reason reason;
        uint32_t short_line_count;
        const char *type, *subject;
    } rows[] = {
        {REASON_PAYMENT_DECLINED, 0, "PAYMENT_DECLINED", "01020300-0000-0000-0000-000000000000"},
        {REASON_ORDER_PRODUCT_NOT_FOUND, 0, "PRODUCT_NOT_FOUND",
         "01020300-0000-0000-0000-000000000000"},
        {REASON_OUT_OF_STOCK, 1, "STOCK", "products/tea"},
        {REASON_PAYMENT_UNAVAILABLE, 0, NULL, NULL},
    };
    struct short_line lines[] = {{"tea", 3, 1}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct failure failure = {.reason = rows[i].reason,
                                  .short_lines = lines,
                                  .short_line_count = rows[i].short_line_count};
        struct error err = {0};
        const struct error_detail *detail;

        failure_to_error(&failure, &order_id, *state, &err);
        detail = err.details->next; /* behind the order's id */
        if (rows[i].type == NULL) {
            assert_null(detail);
            continue;
        }
        assert_int_equal(detail->kind, DETAIL_PRECONDITION);
        assert_string_equal(detail->a, rows[i].type);
        assert_string_equal(detail->b, rows[i].subject);
        assert_null(detail->next);
    }
}

static void a_failure_survives_the_way_to_an_error_and_back(void **state)
{
    struct failure_metadata entries[] = {{"a", "1"}, {"b", "2"}};
    struct short_line lines[] = {{"tea", 3, 1}, {"cup", -1, -1}};
    struct failure failure = {.reason = REASON_OUT_OF_STOCK,
                              .metadata = entries,
                              .metadata_count = 2,
                              .short_lines = lines,
                              .short_line_count = 2};
    struct failure again;
    struct error err = {0};

    failure_to_error(&failure, &order_id, *state, &err);
    failure_from_error(&err, *state, &again);
    assert_int_equal(again.reason, REASON_OUT_OF_STOCK);
    assert_string_equal(again.message, reason_text(REASON_OUT_OF_STOCK));
    assert_int_equal(again.metadata_count, 2);
    assert_string_equal(again.metadata[1].key, "b");
    assert_string_equal(again.metadata[1].value, "2");
    assert_int_equal(again.short_line_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_string_equal(again.short_lines[i].product_id, lines[i].product_id);
        assert_int_equal(again.short_lines[i].requested, lines[i].requested);
        assert_int_equal(again.short_lines[i].available, lines[i].available);
    }
}

static void a_failure_that_does_not_fit_the_arena_keeps_its_reason(void **state)
{
    struct arena *small = arena_new(16);
    struct failure failure;
    struct error err = {0};

    assert_non_null(small);
    error_set(&err, REASON_PAYMENT_DECLINED);
    error_add_metadata(&err, *state, "declineCode", "a code that is longer than the arena");
    failure_from_error(&err, small, &failure);
    assert_int_equal(failure.reason, REASON_PAYMENT_DECLINED);
    assert_int_equal(failure.metadata_count, 0);
    arena_free(small);
}

static void stock_without_its_prefix_is_read_as_it_stands(void **state)
{
    struct failure failure;
    struct error err = {0};

    error_set(&err, REASON_OUT_OF_STOCK);
    error_add_precondition(&err, *state, "STOCK", "tea", "not enough units in stock");
    failure_from_error(&err, *state, &failure);
    assert_int_equal(failure.short_line_count, 1);
    assert_string_equal(failure.short_lines[0].product_id, "tea");
}

/* There and back; what there is no memory for is left out whole, the reason never. */
static void go_there_and_back(void *context)
{
    struct failure_metadata entry = {"a", "1"};
    struct short_line line = {"tea", 3, 1};
    struct failure failure = {.reason = REASON_OUT_OF_STOCK,
                              .metadata = &entry,
                              .metadata_count = 1,
                              .short_lines = &line,
                              .short_line_count = 1};
    struct failure again;
    struct error err = {0};

    failing_heap_begin();
    failure_to_error(&failure, &order_id, context, &err);
    failure_from_error(&err, context, &again);
    failing_heap_end();
    assert_int_equal(again.reason, REASON_OUT_OF_STOCK);
    if (!failing_heap_has_failed()) {
        assert_int_equal(again.metadata_count, 1);
        assert_int_equal(again.short_line_count, 1);
    }
    for (uint32_t i = 0; i < again.metadata_count; i++)
        assert_string_equal(again.metadata[i].value, "1");
    for (uint32_t i = 0; i < again.short_line_count; i++)
        assert_string_equal(again.short_lines[i].product_id, "tea");
}

static void a_failure_keeps_its_reason_wherever_memory_runs_out(void **state)
{
    failing_heap_each(go_there_and_back, *state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_answered_with_its_reason_metadata_and_order),
        cmocka_unit_test(every_short_line_is_a_precondition),
        cmocka_unit_test(a_condition_that_failed_names_the_order_unless_it_names_stock),
        cmocka_unit_test(a_failure_survives_the_way_to_an_error_and_back),
        cmocka_unit_test(a_failure_that_does_not_fit_the_arena_keeps_its_reason),
        cmocka_unit_test(stock_without_its_prefix_is_read_as_it_stands),
        cmocka_unit_test(a_failure_keeps_its_reason_wherever_memory_runs_out),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
