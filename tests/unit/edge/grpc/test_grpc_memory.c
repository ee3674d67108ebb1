/* Memory runs out once where requests are read, errors are told and names are noted: an error, or a shorter
 * answer, never a wrong one. */
#include "edge/grpc/grpc_codec.h"
#include "edge/grpc/grpc_status.h"
#include "edge/grpc/reflection_index.h"

#include "base/limits.h"
#include "fake/failing_heap.h"
#include "shop/v1/catalog.pb-c.h"
#include "shop/v1/orders.pb-c.h"

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/slice.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- Requests ---- */

struct scene {
    const ProtobufCMessageDescriptor *descriptor;
    const char *bytes;
    size_t size;
    bool is_cut; /* it comes in two slices */
    enum reason reason;
};

static grpc_byte_buffer *buffer_of(const struct scene *scene)
{
    const size_t first = scene->is_cut ? scene->size / 2 : scene->size;
    grpc_slice slices[] = {
        grpc_slice_from_copied_buffer(scene->bytes, first),
        grpc_slice_from_copied_buffer(scene->bytes + first, scene->size - first)};
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(slices, scene->is_cut ? 2 : 1);

    for (size_t i = 0; i < COUNT_OF(slices); i++) {
        grpc_slice_unref(slices[i]);
    }
    return buffer;
}

static void unpack(void *context)
{
    const struct scene *scene = context;
    struct arena *arena = arena_new(LIMIT_ARENA_SIZE);
    grpc_byte_buffer *buffer = buffer_of(scene);
    ProtobufCMessage *message = NULL;
    struct error err = {0};
    enum status status;

    failing_heap_begin();
    status = grpc_codec_unpack(buffer, scene->descriptor, arena, &message, &err);
    failing_heap_end();
    assert_int_equal((int)status, (int)err.status);
    if (!failing_heap_has_failed() || err.reason != REASON_OUT_OF_MEMORY) {
        assert_string_equal(reason_key(err.reason), reason_key(scene->reason));
    }
    assert_int_equal(message != NULL, err.reason == REASON_NONE);
    grpc_byte_buffer_destroy(buffer);
    arena_free(arena);
}

static void a_request_is_read_or_has_no_memory(void **state)
{
    static const char get[] = "\x0a\x03tea";
    static const char bad_get[] = "\x0a\x03t\xff\x61";
    /* customer_id, two lines of product_id and quantity, an unknown field */
    static const char create[] = "\x0a\x03"
                                 "ada\x12\x07\x0a\x03tea\x10\x02\x12\x07\x0a\x03"
                                 "cup\x10\x01\xfa\x01\x02xy";
    const struct scene scenes[] = {
        {&shop__v1__get_product_request__descriptor, get, sizeof(get) - 1, false, REASON_NONE},
        {&shop__v1__get_product_request__descriptor, get, sizeof(get) - 1, true, REASON_NONE},
        {&shop__v1__get_product_request__descriptor, bad_get, sizeof(bad_get) - 1, true,
         REASON_REQUEST_INVALID},
        {&shop__v1__create_order_request__descriptor, create, sizeof(create) - 1, true,
         REASON_NONE},
    };

    for (size_t i = 0; i < COUNT_OF(scenes); i++) {
        struct scene scene = scenes[i];
        failing_heap_each(unpack, &scene);
    }
}

/* ---- Errors ---- */

static void tell(void *context)
{
    struct arena *arena = arena_new(LIMIT_ARENA_SIZE);
    struct grpc_trailers trailers;
    struct error err = {0};

    (void)context;
    failing_heap_begin();
    error_set(&err, REASON_STORE_UNAVAILABLE);
    error_add_metadata(&err, arena, "orderId", "1");
    error_add_resource(&err, arena, "shop.v1.Order", "1");
    error_add_field(&err, arena, "lines[0]", "must be so");
    grpc_trailers_init(&trailers, &err, false, arena);
    failing_heap_end();
    assert_int_equal((int)trailers.code, GRPC_STATUS_UNAVAILABLE);
    assert_int_equal(grpc_slice_str_cmp(trailers.message, err.message), 0);
    /* The details may be missing; when to come again may not. */
    assert_true(trailers.count == 2 || (failing_heap_has_failed() && trailers.count == 1));
    assert_int_equal(
        grpc_slice_str_cmp(trailers.metadata[trailers.count - 1].key, "grpc-retry-pushback-ms"), 0);
    grpc_trailers_deinit(&trailers);
    arena_free(arena);
}

static void an_error_is_told_without_its_details_at_worst(void **state)
{
    failing_heap_each(tell, NULL);
}

/* ---- Reflection ---- */

/* One file: a message with a field, an extension of it, an enum. */
static const uint8_t small_set[] = "\x0a\x25"
                                   "\x0a\x01"
                                   "f\x12\x01p"
                                   "\x22\x08\x0a\x01M\x12\x03\x0a\x01"
                                   "a"
                                   "\x3a\x0b\x0a\x01"
                                   "x\x12\x04.p.M\x18\x07"
                                   "\x2a\x06\x0a\x01"
                                   "E\x0a\x01"
                                   "E";

static void index_set(void *context)
{
    struct reflection_index *index;

    (void)context;
    failing_heap_begin();
    index = reflection_index_new(small_set, sizeof(small_set) - 1);
    failing_heap_end();
    assert_int_equal(index == NULL, failing_heap_has_failed());
    if (index != NULL) {
        assert_true(reflection_has_message(index, "p.M"));
    }
    reflection_index_free(index);
}

static void an_index_is_whole_or_none(void **state)
{
    failing_heap_each(index_set, NULL);
}

static int setup(void **state)
{
    grpc_init();
    return 0;
}

static int teardown(void **state)
{
    grpc_shutdown();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_read_or_has_no_memory),
        cmocka_unit_test(an_error_is_told_without_its_details_at_worst),
        cmocka_unit_test(an_index_is_whole_or_none),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
