/* google.rpc.Status of an error, within its size. */
#include "service/error_details.h"

#include "google/rpc/error_details.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/text.h"

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

/* ---- Looking into a Status ----------------------------------------------------------------- */

static void *arena_give(void *data, size_t size)
{
    return arena_alloc(data, size);
}

static void arena_keep(void *data, void *memory)
{
}

/* The detail of a type, unpacked; NULL when there is none. */
static void *detail(const Google__Rpc__Status *status, const ProtobufCMessageDescriptor *descriptor,
                    struct arena *arena)
{
    ProtobufCAllocator allocator = {arena_give, arena_keep, arena};

    for (size_t i = 0; i < status->n_details; i++) {
        const Google__Protobuf__Any *any = status->details[i];
        if (strcmp(strrchr(any->type_url, '/') + 1, descriptor->name) == 0)
            return protobuf_c_message_unpack(descriptor, &allocator, any->value.len,
                                             any->value.data);
    }
    return NULL;
}

#define DETAIL(status, type, arena) detail((status), &google__rpc__##type##__descriptor, (arena))

/* ---- Which details ------------------------------------------------------------------------- */

static void every_reason_has_one_error_info_and_advice_on_retrying(void **state)
{
    for (unsigned i = 1; i < REASON_COUNT; i++) {
        enum retry_policy policy = reason_retry((enum reason)i);
        const Google__Rpc__ErrorInfo *info;
        const Google__Rpc__RetryInfo *retry;
        Google__Rpc__Status *status;
        struct error err = {0};
        bool is_present;
        int32_t pushback_ms;

        error_set(&err, (enum reason)i);
        status = error_to_status(&err, *state);
        assert_int_equal(status->code, reason_status((enum reason)i));
        assert_string_equal(status->message, reason_text((enum reason)i));
        assert_string_equal(status->details[0]->type_url,
                            "type.googleapis.com/google.rpc.ErrorInfo");
        info = DETAIL(status, error_info, *state);
        assert_string_equal(info->reason, reason_name((enum reason)i));
        assert_string_equal(info->domain, "orders.shop.v1");
        retry = DETAIL(status, retry_info, *state);
        assert_int_equal(retry != NULL, policy == RETRY_AFTER);
        assert_int_equal(status->n_details,
                         1 + (policy == RETRY_AFTER) + (err.status == STATUS_INVALID_ARGUMENT));

        pushback_ms = error_retry_pushback_ms(&err, &is_present);
        assert_int_equal(is_present, policy != RETRY_SILENT);
        if (policy == RETRY_AFTER)
            assert_int_equal(pushback_ms, retry->retry_delay->seconds * 1000);
        else
            assert_int_equal(pushback_ms, -1);
    }
}

static void the_delay_of_an_error_is_told_in_both_places(void **state)
{
    struct error err = {0};
    const Google__Rpc__RetryInfo *retry;
    bool is_present;

    error_set(&err, REASON_STORE_OVERLOADED);
    err.retry_delay_ms = 2500;
    retry = DETAIL(error_to_status(&err, *state), retry_info, *state);
    assert_int_equal(retry->retry_delay->seconds, 2);
    assert_int_equal(retry->retry_delay->nanos, 500000000);
    assert_int_equal(error_retry_pushback_ms(&err, &is_present), 2500);
}

static void an_invalid_argument_names_a_field_whatever_its_reason(void **state)
{
    static const struct {
        enum reason reason;
        const char *field;
    } rows[] = {
        {REASON_REQUEST_ID_REUSED, "request_id"},
        {REASON_PAGE_TOKEN_INVALID, "page_token"},
        {REASON_CURRENCY_MIXED, "lines"},
        {REASON_ORDER_TOTAL_ZERO, "lines"},
        {REASON_MESSAGE_INVALID, ""},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const Google__Rpc__BadRequest *request;
        struct error err = {0};

        error_set(&err, rows[i].reason);
        request = DETAIL(error_to_status(&err, *state), bad_request, *state);
        assert_non_null(request);
        assert_int_equal(request->n_field_violations, 1);
        assert_string_equal(request->field_violations[0]->field, rows[i].field);
        assert_string_equal(request->field_violations[0]->description, reason_text(rows[i].reason));
    }
}

static void violations_preconditions_resources_and_metadata_are_carried(void **state)
{
    struct error err = {0};
    Google__Rpc__Status *status;
    const Google__Rpc__ErrorInfo *info;
    const Google__Rpc__BadRequest *request;
    const Google__Rpc__PreconditionFailure *failure;
    const Google__Rpc__ResourceInfo *resource;

    error_add_field(&err, *state, "lines[2].quantity", "must be from 1 to %d", 10000);
    error_add_metadata(&err, *state, "orderId", "7");
    error_add_metadata(&err, *state, "limit", "10000");
    error_add_precondition(&err, *state, "STOCK", "products/tea", "3 requested, 1 available");
    error_add_resource(&err, *state, "shop.v1.Product", "tea");
    error_add_resource(&err, *state, "shop.v1.Product", "cup");
    error_add_resource(&err, *state, "shop.v1.Product", "mug");
    status = error_to_status(&err, *state);
    assert_int_equal(status->n_details, 4);

    info = DETAIL(status, error_info, *state);
    assert_int_equal(info->n_metadata, 2);
    assert_string_equal(info->metadata[1]->key, "limit");
    assert_string_equal(info->metadata[1]->value, "10000");
    request = DETAIL(status, bad_request, *state);
    assert_int_equal(request->n_field_violations, 1);
    assert_string_equal(request->field_violations[0]->field, "lines[2].quantity");
    assert_string_equal(request->field_violations[0]->description, "must be from 1 to 10000");
    failure = DETAIL(status, precondition_failure, *state);
    assert_string_equal(failure->violations[0]->type, "STOCK");
    assert_string_equal(failure->violations[0]->subject, "products/tea");
    resource = DETAIL(status, resource_info, *state);
    assert_string_equal(resource->resource_type, "shop.v1.Product");
    assert_string_equal(resource->resource_name, "tea");
    assert_string_equal(resource->description, "also cup, mug");
}

/* ---- Within its size ----------------------------------------------------------------------- */

static void add_violations(struct error *err, unsigned count, struct arena *arena)
{
    for (unsigned i = 0; i < count; i++) {
        char field[32];
        snprintf(field, sizeof(field), "lines[%u].product_id", i);
        error_add_field(err, arena, field,
                        "must be 1 to 63 characters of a-z, 0-9, '-', '_' and '.', a letter or "
                        "digit first");
    }
}

static void violations_beyond_50_are_counted_in_the_last_entry(void **state)
{
    struct error err = {0};
    const Google__Rpc__BadRequest *request;

    for (unsigned i = 0; i < ERROR_FIELDS_MAX + 7; i++)
        error_add_field(&err, *state, "f", "x");
    request = DETAIL(error_to_status(&err, *state), bad_request, *state);
    assert_int_equal(request->n_field_violations, ERROR_FIELDS_MAX + 1);
    assert_string_equal(request->field_violations[ERROR_FIELDS_MAX]->description, "7 more");
}

static void what_does_not_fit_is_counted_too(void **state)
{
    struct error err = {0};
    Google__Rpc__Status *status;
    const Google__Rpc__BadRequest *request;
    unsigned more;

    add_violations(&err, 200, *state);
    status = error_to_status(&err, *state);
    assert_true(google__rpc__status__get_packed_size(status) <= ERROR_STATUS_SIZE_MAX);
    request = DETAIL(status, bad_request, *state);
    assert_true(request->n_field_violations > 10);
    assert_int_equal(sscanf(request->field_violations[request->n_field_violations - 1]->description,
                            "%u more", &more),
                     1);
    assert_int_equal(request->n_field_violations - 1 + more, 200);
}

/* The worst error there can be, in ever less room. */
static void however_little_room_there_is_the_reason_is_kept(void **state)
{
    char long_text[5000];
    struct error err = {0};
    uint8_t *bytes;
    size_t size, last_size = SIZE_MAX;

    for (size_t i = 0; i + 1 < sizeof(long_text); i += 2)
        memcpy(long_text + i, "\303\244", 2);
    long_text[sizeof(long_text) - 2] = '\0';
    add_violations(&err, 60, *state);
    for (unsigned i = 0; i < 100; i++) {
        error_add_metadata(&err, *state, "key", long_text);
        error_add_precondition(&err, *state, "STOCK", long_text, long_text);
        error_add_resource(&err, *state, "shop.v1.Product", long_text);
    }
    for (size_t size_max = 8192; size_max >= 256; size_max /= 2) {
        struct arena *arena = arena_new(LIMIT_ARENA_SIZE);
        ProtobufCAllocator allocator = {arena_give, arena_keep, arena};
        const Google__Rpc__ErrorInfo *info;
        Google__Rpc__Status *status;
        assert_non_null(arena);
        size = error_pack_status(&err, size_max, arena, &bytes);
        assert_in_range(size, 1, MIN_OF(size_max, (size_t)ERROR_STATUS_SIZE_MAX));
        assert_true(size <= last_size);
        last_size = size;
        status = google__rpc__status__unpack(&allocator, size, bytes);
        assert_non_null(status);
        assert_string_equal(status->message, reason_text(REASON_REQUEST_INVALID));
        info = DETAIL(status, error_info, arena);
        assert_string_equal(info->reason, "REQUEST_INVALID");
        for (size_t i = 0; i < info->n_metadata; i++)
            assert_true(text_is_utf8(info->metadata[i]->value, strlen(info->metadata[i]->value)));
        arena_free(arena);
    }
    assert_int_equal(error_pack_status(&err, 20, *state, &bytes), 0);
}

static void a_packed_status_leaves_room_in_the_trailers(void **state)
{
    /* Base64, and the message percent-encoded at its worst. */
    assert_true((ERROR_STATUS_SIZE_MAX + 2) / 3 * 4 + 3 * ERROR_MESSAGE_SIZE <
                LIMIT_ERROR_TRAILER_SIZE);
}

static void a_full_arena_gives_no_status_instead_of_half_of_one(void **state)
{
    struct error err = {0};
    bool has_fitted = false;

    add_violations(&err, 3, *state);
    error_add_metadata(&err, *state, "k", "v");
    error_add_precondition(&err, *state, "STOCK", "s", "d");
    error_add_resource(&err, *state, "t", "n");
    for (size_t size = 0; size < 16 * 1024; size += 16) {
        struct arena *small = arena_new(size);
        Google__Rpc__Status *status;
        assert_non_null(small);
        status = error_to_status(&err, small);
        if (status != NULL)
            assert_int_equal(status->n_details, 4);
        assert_true(status != NULL || !has_fitted);
        has_fitted = status != NULL;
        arena_free(small);
    }
    assert_true(has_fitted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_one_error_info_and_advice_on_retrying),
        cmocka_unit_test(the_delay_of_an_error_is_told_in_both_places),
        cmocka_unit_test(an_invalid_argument_names_a_field_whatever_its_reason),
        cmocka_unit_test(violations_preconditions_resources_and_metadata_are_carried),
        cmocka_unit_test(violations_beyond_50_are_counted_in_the_last_entry),
        cmocka_unit_test(what_does_not_fit_is_counted_too),
        cmocka_unit_test(however_little_room_there_is_the_reason_is_kept),
        cmocka_unit_test(a_packed_status_leaves_room_in_the_trailers),
        cmocka_unit_test(a_full_arena_gives_no_status_instead_of_half_of_one),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
