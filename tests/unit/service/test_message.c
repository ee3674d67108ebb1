/* The walk over wire bytes, and unpacking into an arena. */
#include "service/message.h"

#include "google/protobuf/descriptor.pb-c.h"
#include "google/type/money.pb-c.h"
#include "shop/v1/catalog.pb-c.h"
#include "shop/v1/orders.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"

#define BYTES(literal) (literal), sizeof(literal) - 1

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

static const char *violation(const struct error *err, const char *field)
{
    for (const struct error_detail *detail = err->details; detail != NULL; detail = detail->next) {
        if (detail->kind == DETAIL_FIELD && strcmp(detail->a, field) == 0)
            return detail->b;
    }
    return NULL;
}

static void a_packed_message_comes_back(void **state)
{
    static const char bytes[] = "\x0a\x03"
                                "ada"
                                "\x12\x07\x0a\x03"
                                "tea"
                                "\x10\x02\x22\x03"
                                "key";
    ProtobufCMessage *message = NULL;
    const Shop__V1__CreateOrderRequest *request;
    struct error err = {0};

    assert_int_equal(call_unpack(&shop__v1__create_order_request__descriptor, BYTES(bytes), *state,
                                 &message, &err),
                     STATUS_OK);
    request = (const Shop__V1__CreateOrderRequest *)(void *)message;
    assert_string_equal(request->customer_id, "ada");
    assert_int_equal(request->n_lines, 1);
    assert_string_equal(request->lines[0]->product_id, "tea");
    assert_int_equal(request->lines[0]->quantity, 2);
    assert_string_equal(request->request_id, "key");
}

static void no_bytes_are_an_empty_message(void **state)
{
    ProtobufCMessage *message = NULL;
    struct error err = {0};

    assert_int_equal(
        call_unpack(&shop__v1__get_order_request__descriptor, NULL, 0, *state, &message, &err),
        STATUS_OK);
    assert_string_equal(((Shop__V1__GetOrderRequest *)(void *)message)->id, "");
}

static void a_string_that_is_not_text_is_named_with_its_path(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *field, *text;
    } rows[] = {
        {BYTES("\x0a\x02\xc3\x28"), "customer_id", "is not valid UTF-8"},
        {BYTES("\x0a\x03"
               "a\0b"),
         "customer_id", "must not contain a NUL character"},
        {BYTES("\x0a\x01\0"), "customer_id", "must not contain a NUL character"},
        {BYTES("\x0a\x03\xed\xa0\x80"), "customer_id", "is not valid UTF-8"}, /* a surrogate */
        {BYTES("\x0a\x02\xc0\x80"), "customer_id", "is not valid UTF-8"},     /* overlong */
        {BYTES("\x12\x00\x12\x00\x12\x03\x0a\x01\xff"), "lines[2].product_id",
         "is not valid UTF-8"},
        {BYTES("\x1a\x05\x12\x00\x12\x01\xff"), "ship_to.address_lines[1]", "is not valid UTF-8"},
        {BYTES("\x12\x05\x22\x03\x0a\x01\xff"), "lines[0].unit_price.currency_code",
         "is not valid UTF-8"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ProtobufCMessage *message = NULL;
        struct error err = {0};
        assert_int_equal(call_unpack(&shop__v1__create_order_request__descriptor, rows[i].bytes,
                                     rows[i].size, *state, &message, &err),
                         STATUS_INVALID_ARGUMENT);
        assert_int_equal(err.reason, REASON_REQUEST_INVALID);
        assert_non_null(violation(&err, rows[i].field));
        assert_string_equal(violation(&err, rows[i].field), rows[i].text);
        assert_null(message);
    }
}

static void all_bad_strings_are_named_at_once(void **state)
{
    struct error err = {0};

    assert_int_equal(message_check(&shop__v1__create_order_request__descriptor,
                                   BYTES("\x0a\x01\xff\x22\x01\0"), *state, &err),
                     STATUS_INVALID_ARGUMENT);
    assert_int_equal(err.field_count, 2);
    assert_non_null(violation(&err, "request_id"));
}

/* A message whose third field holds another of its kind, and so on, so many times. */
static size_t put_nested(char *bytes, size_t size, unsigned depth)
{
    size_t at = size;

    for (; depth > 0; depth--) {
        const size_t len = size - at;
        assert_true(len < 0x80 && at >= 2);
        bytes[--at] = (char)len;
        bytes[--at] = '\x1a';
    }
    memmove(bytes, bytes + at, size - at);
    return size - at;
}

static void messages_are_read_only_so_deep_in_one_another(void **state)
{
    char bytes[100];

    for (unsigned depth = 1; depth <= MESSAGE_DEPTH_MAX + 2; depth++) {
        const size_t size = put_nested(bytes, sizeof(bytes), depth);
        ProtobufCMessage *message = NULL;
        struct error err = {0};
        const bool is_read = depth <= MESSAGE_DEPTH_MAX;

        assert_int_equal(call_unpack(&google__protobuf__descriptor_proto__descriptor, bytes, size,
                                     *state, &message, &err),
                         is_read ? STATUS_OK : STATUS_INVALID_ARGUMENT);
        assert_int_equal(err.reason, is_read ? REASON_NONE : REASON_MESSAGE_INVALID);
    }
}

static void what_is_no_message_is_refused(void **state)
{
    /* clang-format off */
    static const struct {
        const char *bytes;
        size_t size;
    } rows[] = {
        {BYTES("\x0a")},                                     /* a length is missing */
        {BYTES("\x0a\x05""abc")},                            /* cut */
        {BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")}, /* a length of 2^64 - 1 */
        {BYTES("\x00\x00")},                                 /* field 0 */
        {BYTES("\x08\x01")},                                 /* a string as a number */
        {BYTES("\x0d\x01\x02\x03\x04")},                     /* a string as fixed32 */
        {BYTES("\x10\x01")},                                 /* a message as a number */
        {BYTES("\x12\x02\x12\x00")},                         /* a number as bytes, inside */
        {BYTES("\x12\x03\x0a\x05z")},                        /* cut inside a line */
        {BYTES("\x0b\x0c")},                                 /* a group */
        {BYTES("\x0e")},                                     /* wire type 6 */
        {BYTES("\x78\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")}, /* a number of 11 bytes */
        {BYTES("\xff\xff\xff\xff\xff\xff\x01")},             /* a tag of 7 bytes */
        {BYTES("\x79\x01\x02")},                             /* fixed64, cut */
    };
    /* clang-format on */

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ProtobufCMessage *message = NULL;
        struct error err = {0};
        enum status status = call_unpack(&shop__v1__create_order_request__descriptor, rows[i].bytes,
                                         rows[i].size, *state, &message, &err);
        assert_int_equal(status, STATUS_INVALID_ARGUMENT);
        assert_int_equal(err.reason, REASON_MESSAGE_INVALID);
    }
}

static void unknown_fields_of_every_wire_type_are_passed_over(void **state)
{
    static const char bytes[] = "\x78\x01"                             /* number */
                                "\x79\x01\x02\x03\x04\x05\x06\x07\x08" /* fixed64 */
                                "\x7a\x02\xff\x00"                     /* bytes, not text */
                                "\x7d\x01\x02\x03\x04";                /* fixed32 */
    ProtobufCMessage *message = NULL;
    struct error err = {0};

    assert_int_equal(
        call_unpack(&shop__v1__get_order_request__descriptor, BYTES(bytes), *state, &message, &err),
        STATUS_OK);
    assert_int_equal(message->n_unknown_fields, 4);
}

/* `count` empty order lines. */
static enum status unpack_lines(size_t count, struct arena *arena, struct error *err)
{
    ProtobufCMessage *message;
    char *bytes = malloc(2 * count);
    enum status status;

    assert_non_null(bytes);
    for (size_t i = 0; i < count; i++)
        memcpy(bytes + 2 * i, "\x12\x00", 2);
    status = call_unpack(&shop__v1__create_order_request__descriptor, bytes, 2 * count, arena,
                         &message, err);
    free(bytes);
    return status;
}

static void a_message_of_16384_fields_fits_the_arena_and_one_more_is_refused(void **state)
{
    struct error err = {0};

    assert_int_equal(unpack_lines(MESSAGE_FIELDS_MAX, *state, &err), STATUS_OK);
    assert_int_equal(unpack_lines(MESSAGE_FIELDS_MAX + 1, *state, &err), STATUS_INVALID_ARGUMENT);
    assert_int_equal(err.reason, REASON_MESSAGE_INVALID);
}

/* One field of 256 KiB: the size that counts is that of the message. */
static void a_message_of_256_kib_is_read_and_a_larger_one_is_refused(void **state)
{
    struct arena *arena = arena_new(LIMIT_ARENA_SIZE);
    size_t text_len = LIMIT_MESSAGE_SIZE - 4;
    char *bytes = malloc(LIMIT_MESSAGE_SIZE + 1);
    ProtobufCMessage *message;
    struct error err = {0};

    assert_non_null(bytes);
    memset(bytes, 'a', LIMIT_MESSAGE_SIZE + 1);
    bytes[0] = 0x0a;
    bytes[1] = (char)((text_len & 0x7f) | 0x80);
    bytes[2] = (char)((text_len >> 7 & 0x7f) | 0x80);
    bytes[3] = (char)(text_len >> 14);
    assert_int_equal(call_unpack(&shop__v1__get_order_request__descriptor, bytes,
                                 LIMIT_MESSAGE_SIZE, arena, &message, &err),
                     STATUS_OK);
    assert_int_equal(call_unpack(&shop__v1__get_order_request__descriptor, bytes,
                                 LIMIT_MESSAGE_SIZE + 1, arena, &message, &err),
                     STATUS_RESOURCE_EXHAUSTED);
    assert_int_equal(err.reason, REASON_MESSAGE_TOO_LARGE);
    free(bytes);
    arena_free(arena);
}

static void what_does_not_fit_the_arena_is_out_of_memory(void **state)
{
    struct arena *small = arena_new(64);
    ProtobufCMessage *message;
    struct error err = {0};

    assert_non_null(small);
    assert_int_equal(call_unpack(&shop__v1__create_order_request__descriptor,
                                 BYTES("\x12\x00\x12\x00"), small, &message, &err),
                     STATUS_RESOURCE_EXHAUSTED);
    assert_int_equal(err.reason, REASON_OUT_OF_MEMORY);
    arena_free(small);
}

/* Whatever the bytes are: an answer, and no more memory than the arena has. */
static void bytes_of_chance_never_break_the_reader(void **state)
{
    uint32_t seed = 1;

    for (unsigned round = 0; round < 20000; round++) {
        uint8_t bytes[64];
        struct arena *arena = arena_new(64 * 1024);
        ProtobufCMessage *message = NULL;
        struct error err = {0};
        for (size_t i = 0; i < sizeof(bytes); i++) {
            seed = seed * 1664525 + 1013904223;
            /* Small bytes make tags and lengths that mean something. */
            bytes[i] = (uint8_t)(seed >> 24) & (i % 3 == 0 ? 0xff : 0x1f);
        }
        if (call_unpack(&shop__v1__create_order_request__descriptor, bytes, round % 64, arena,
                        &message, &err) == STATUS_OK)
            assert_non_null(message);
        else
            assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packed_message_comes_back),
        cmocka_unit_test(no_bytes_are_an_empty_message),
        cmocka_unit_test(a_string_that_is_not_text_is_named_with_its_path),
        cmocka_unit_test(all_bad_strings_are_named_at_once),
        cmocka_unit_test(messages_are_read_only_so_deep_in_one_another),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(unknown_fields_of_every_wire_type_are_passed_over),
        cmocka_unit_test(a_message_of_16384_fields_fits_the_arena_and_one_more_is_refused),
        cmocka_unit_test(a_message_of_256_kib_is_read_and_a_larger_one_is_refused),
        cmocka_unit_test(what_does_not_fit_the_arena_is_out_of_memory),
        cmocka_unit_test(bytes_of_chance_never_break_the_reader),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
