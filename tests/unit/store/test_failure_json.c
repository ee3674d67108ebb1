/* A failure as it is stored: what was written is read again, and what nobody wrote stops no order. */
#include "store/failure_json.h"

#include "fake/failing_heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
    ARENA_SIZE = 64 * 1024
};

static struct failure_metadata metadata[] = {{"declineCode", "insufficient_funds"},
                                             {"said", "\"no\"\n\\ \x01 \xe2\x82\xac"}};
static struct short_line short_lines[] = {
    {.product_id = "tea", .requested = 3, .available = 1},
    {.product_id = "a \"cup\"", .requested = -1, .available = INT64_MAX},
};

static void write_text(const struct failure *failure, struct buf *text)
{
    buf_init(text, FAILURE_JSON_SIZE_MAX);
    failure_json_write(failure, text);
    assert_false(text->failed);
}

static void assert_same_text(const char *read, const char *written)
{
    if (written == NULL) {
        assert_null(read);
    } else {
        assert_string_equal(read, written);
    }
}

static void what_was_written_is_read_again(void **state)
{
    static const struct failure failures[] = {
        {.reason = REASON_PAYMENT_UNAVAILABLE},
        {.reason = REASON_FULFILLMENT_REJECTED, .message = "no \"such\" street"},
        {.reason = REASON_PAYMENT_DECLINED, .metadata = metadata, .metadata_count = 2},
        {.reason = REASON_OUT_OF_STOCK, .short_lines = short_lines, .short_line_count = 2},
        {.reason = REASON_OUT_OF_STOCK,
         .message = "",
         .metadata = metadata,
         .metadata_count = 1,
         .short_lines = short_lines,
         .short_line_count = 1},
    };

    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        const struct failure *written = &failures[i];
        struct arena *arena = arena_new(ARENA_SIZE);
        struct failure read;
        struct buf text;

        write_text(written, &text);
        assert_true(failure_json_read(text.data, arena, &read));
        assert_int_equal(read.reason, written->reason);
        assert_same_text(read.message, written->message);
        assert_int_equal(read.metadata_count, written->metadata_count);
        for (uint32_t k = 0; k < read.metadata_count; k++) {
            assert_string_equal(read.metadata[k].key, metadata[k].key);
            assert_string_equal(read.metadata[k].value, metadata[k].value);
        }
        assert_int_equal(read.short_line_count, written->short_line_count);
        for (uint32_t k = 0; k < read.short_line_count; k++) {
            assert_string_equal(read.short_lines[k].product_id, short_lines[k].product_id);
            assert_int_equal(read.short_lines[k].requested, short_lines[k].requested);
            assert_int_equal(read.short_lines[k].available, short_lines[k].available);
        }
        buf_deinit(&text);
        arena_free(arena);
    }
}

static void nothing_stored_is_no_failure(void **state)
{
    static const char *const texts[] = {NULL, ""};
    struct failure failure = {.reason = REASON_INTERNAL};

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_true(failure_json_read(texts[i], NULL, &failure));
        assert_int_equal(failure.reason, REASON_NONE);
    }
}

static void what_nobody_wrote_is_an_internal_failure_of_an_order_that_can_be_read(void **state)
{
    static const char *const texts[] = {
        "oops",
        "[]",
        "{}",
        "{\"reason\":7}",
        "{\"reason\":\"OF_TOMORROW\",\"message\":7}",
        "{\"reason\":\"INTERNAL\",\"metadata\":{\"k\":7},\"short\":[7,{\"product\":null}]}",
        "{\"reason\":\"INTERNAL\",\"metadata\":[],\"short\":{}}",
    };
    struct arena *arena = arena_new(ARENA_SIZE);

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct failure failure;
        assert_true(failure_json_read(texts[i], arena, &failure));
        assert_int_equal(failure.reason, REASON_INTERNAL);
        assert_null(failure.message);
        assert_int_equal(failure.metadata_count, 0);
        assert_int_equal(failure.short_line_count, 0);
    }
    arena_free(arena);
}

static void read_with_little_memory(void *context)
{
    struct arena *arena = arena_new(ARENA_SIZE);
    struct failure failure = {.reason = REASON_NONE};
    bool is_read;

    failing_heap_begin();
    is_read = failure_json_read(context, arena, &failure);
    failing_heap_end();
    assert_int_equal(is_read, !failing_heap_has_failed());
    assert_int_equal(failure.reason, is_read ? REASON_OUT_OF_STOCK : REASON_NONE);
    arena_free(arena);
}

static void a_failure_is_read_whole_or_not_at_all(void **state)
{
    const struct failure written = {
        .reason = REASON_OUT_OF_STOCK,
        .message = "none left",
        .metadata = metadata,
        .metadata_count = 2,
        .short_lines = short_lines,
        .short_line_count = 2,
    };
    struct buf text;

    write_text(&written, &text);
    failing_heap_each(read_with_little_memory, text.data);
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_again),
        cmocka_unit_test(nothing_stored_is_no_failure),
        cmocka_unit_test(what_nobody_wrote_is_an_internal_failure_of_an_order_that_can_be_read),
        cmocka_unit_test(a_failure_is_read_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
