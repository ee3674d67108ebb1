/* Writing canonical JSON, and every message of the interface there and back. */
#include "edge/transcode/message_to_json.h"

#include "google/protobuf/descriptor.pb-c.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "shop/v1/catalog.pb-c.h"
#include "shop/v1/orders.pb-c.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/limits.h"
#include "edge/method.h"
#include "edge/transcode/field_value.h"
#include "every_kind.h"
#include "service/error_details.h"
#include "transcode_fixture.h"

static struct every_kind *new_message(const struct fixture *fixture)
{
    return (struct every_kind *)(void *)field_message_new(
        fixture_shape(fixture, "test.v1.EveryKind"), fixture->arena);
}

static void scalars_and_empty_lists_are_written_and_unset_messages_are_not(void **state)
{
    assert_string_equal(
        fixture_write(*state, &new_message(*state)->base),
        "{\"isOn\":false,\"anInt32\":0,\"aUint32\":0,\"anInt64\":\"0\",\"aUint64\":\"0\","
        "\"aFloat\":0,\"aDouble\":0,\"aText\":\"\",\"someBytes\":\"\","
        "\"color\":\"COLOR_UNSPECIFIED\",\"manyInt32\":[],\"manyInt64\":[],\"manyTexts\":[],"
        "\"manyColors\":[],\"manyInner\":[],\"counts\":{},\"byName\":{},\"manyBools\":[],"
        "\"manyBytes\":[],\"manyTimes\":[]}");
}

static void an_optional_scalar_is_written_when_it_was_set(void **state)
{
    const struct fixture *fixture = *state;
    Google__Protobuf__UninterpretedOption option;

    google__protobuf__uninterpreted_option__init(&option);
    assert_string_equal(fixture_write(fixture, &option.base), "{\"name\":[]}");
    option.has_double_value = 1;
    option.has_positive_int_value = 1;
    option.positive_int_value = UINT64_MAX;
    option.has_negative_int_value = 1;
    option.negative_int_value = INT64_MIN;
    option.aggregate_value = arena_strdup(fixture->arena, "");
    assert_string_equal(fixture_write(fixture, &option.base),
                        "{\"name\":[],\"positiveIntValue\":\"18446744073709551615\","
                        "\"negativeIntValue\":\"-9223372036854775808\",\"doubleValue\":0,"
                        "\"aggregateValue\":\"\"}");
}

static void numbers_are_written_whole_at_their_ends(void **state)
{
    struct every_kind *message = new_message(*state);
    const char *json;

    message->an_int32 = INT32_MIN;
    message->a_uint32 = UINT32_MAX;
    message->an_int64 = INT64_MAX;
    message->a_float = FLT_MAX;
    message->a_double = DBL_MIN;
    message->color = 1000;
    json = fixture_write(*state, &message->base);
    assert_non_null(strstr(json, "\"anInt32\":-2147483648,\"aUint32\":4294967295,"
                                 "\"anInt64\":\"9223372036854775807\",\"aUint64\":\"0\","
                                 "\"aFloat\":3.4028235e+38,\"aDouble\":2.2250738585072014e-308,"));
    assert_non_null(strstr(json, "\"color\":1000,"));
}

static void reals_read_back_as_they_were(void **state)
{
    static const double rows[] = {
        0.1, 1.0 / 3, 5e-324, 1e21, 123456789012345680.0, -0.0, 1e-7, DBL_MAX, 9007199254740993.0};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct every_kind *message = new_message(*state);
        struct json_message back;
        struct error err;
        message->a_double = rows[i];
        message->a_float = (float)(i + 1) / 3.0f;
        assert_int_equal(fixture_read(*state, "test.v1.EveryKind",
                                      fixture_write(*state, &message->base), &back, &err),
                         STATUS_OK);
        assert_memory_equal(&((struct every_kind *)(void *)back.message)->a_double, &rows[i],
                            i == 5 ? 0 : sizeof(double)); /* "-0" is read as the integer 0 */
        assert_memory_equal(&((struct every_kind *)(void *)back.message)->a_float,
                            &message->a_float, sizeof(float));
    }
}

static void what_has_no_number_has_a_name(void **state)
{
    struct every_kind *message = new_message(*state);

    message->a_double = -(double)INFINITY;
    message->a_float = NAN;
    assert_non_null(strstr(fixture_write(*state, &message->base),
                           "\"aFloat\":\"NaN\",\"aDouble\":\"-Infinity\""));
}

static void text_is_escaped(void **state)
{
    struct every_kind *message = new_message(*state);
    char text[] = "\"\\\b\x1f\x7f/<\xc3\xbc\xff";

    message->a_text = text;
    assert_non_null(strstr(fixture_write(*state, &message->base),
                           "\"aText\":\"\\\"\\\\\\u0008\\u001f\x7f/<\xc3\xbc\xef\xbf\xbd\""));
}

/* Texts are looked at eight bytes at a time: what needs an escape is found wherever it stands. */
static void every_byte_is_escaped_wherever_it_stands(void **state)
{
    static const char letters[] = "abcdefghijklmnopqrstu";
    const struct fixture *fixture = *state;

    for (int c = 1; c < 256; c++) {
        struct arena *arena = arena_new(LIMIT_ARENA_SIZE);
        const struct fixture other = {.arena = arena, .shapes = fixture->shapes};
        for (size_t at = 0; at < sizeof(letters) - 1; at++) {
            struct every_kind *message = new_message(&other);
            struct json_message back;
            struct error err;
            char text[sizeof(letters)];
            memcpy(text, letters, sizeof(text));
            text[at] = (char)c;
            message->a_text = text;
            assert_int_equal(fixture_read(&other, "test.v1.EveryKind",
                                          fixture_write(&other, &message->base), &back, &err),
                             STATUS_OK);
            if (c < 0x80)
                assert_string_equal(((struct every_kind *)(void *)back.message)->a_text, text);
            else
                assert_int_equal(strlen(((struct every_kind *)(void *)back.message)->a_text),
                                 sizeof(letters) + 1); /* U+FFFD has three bytes */
        }
        arena_free(arena);
    }
}

static void the_member_of_a_oneof_that_is_set_is_written(void **state)
{
    struct every_kind *message = new_message(*state);

    message->choice_case = 26;
    assert_non_null(
        strstr(fixture_write(*state, &message->base), "\"byName\":{},\"oneInt64\":\"0\","));
    message->choice_case = 25;
    message->one_inner = new_message(*state);
    assert_non_null(
        strstr(fixture_write(*state, &message->base), "\"byName\":{},\"oneInner\":{\"isOn\""));
}

static void what_json_cannot_say_is_an_error(void **state)
{
    static char bad_paths[][12] = {"aB", "a__b", "a_1", "a_", ""};
    struct every_kind *message = new_message(*state);
    Google__Protobuf__Timestamp timestamp;
    Google__Protobuf__FieldMask mask;

    google__protobuf__timestamp__init(&timestamp);
    message->a_time = &timestamp;
    assert_non_null(fixture_write(*state, &message->base));
    timestamp.seconds = INT64_MAX;
    assert_null(fixture_write(*state, &message->base));
    message->a_time = NULL;
    google__protobuf__field_mask__init(&mask);
    message->a_mask = &mask;
    mask.n_paths = 1;
    for (size_t i = 0; i < COUNT_OF(bad_paths); i++) {
        char *path = bad_paths[i];
        mask.paths = &path;
        if (fixture_write(*state, &message->base) != NULL)
            fail_msg("%s is written", path);
    }
}

static void a_full_buffer_is_an_error(void **state)
{
    const struct fixture *fixture = *state;
    const struct every_kind *message = new_message(fixture);
    const size_t len = strlen(fixture_write(fixture, &message->base));

    for (size_t max = len - 1; max <= len; max++) {
        struct buf buf;
        buf_init(&buf, max);
        assert_int_equal(message_to_json(fixture_shape(fixture, "test.v1.EveryKind"),
                                         &message->base, fixture->arena, &buf),
                         max == len);
        buf_deinit(&buf);
    }
}

/* ---- Any: the details of errors ------------------------------------------------------------------ */

static void details_of_an_error_are_written_as_what_they_are(void **state)
{
    const struct fixture *fixture = *state;
    struct error err = {0};
    const char *json;

    error_set(&err, REASON_ORDER_NOT_FOUND);
    error_add_metadata(&err, fixture->arena, "order_id", "7");
    error_add_resource(&err, fixture->arena, "shop.v1.Order", "7");
    json = fixture_write(fixture, &error_to_status(&err, fixture->arena)->base);
    assert_string_equal(
        json,
        "{\"code\":5,\"message\":\"there is no such order\",\"details\":["
        "{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"ORDER_NOT_FOUND\","
        "\"domain\":\"orders.shop.v1\",\"metadata\":{\"order_id\":\"7\"}},"
        "{\"@type\":\"type.googleapis.com/google.rpc.ResourceInfo\",\"resourceType\":"
        "\"shop.v1.Order\",\"resourceName\":\"7\",\"owner\":\"\",\"description\":\"\"}]}");
}

static void an_any_of_an_unknown_type_is_not_lost(void **state)
{
    uint8_t bytes[] = {0xff, 0xee};
    static char urls[][48] = {"a/no.such.Type", "a/google.rpc.ErrorInfo", "plain", "\"/"};
    static const char *const quoted[] = {"a/no.such.Type", "a/google.rpc.ErrorInfo", "plain",
                                         "\\\"/"};
    struct every_kind *message = new_message(*state);
    Google__Protobuf__Any any;

    google__protobuf__any__init(&any);
    message->any = &any;
    assert_non_null(strstr(fixture_write(*state, &message->base), "\"any\":{},"));
    any.value = (ProtobufCBinaryData){.len = sizeof(bytes), .data = bytes};
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        char expected[128];
        any.type_url = urls[i];
        snprintf(expected, sizeof(expected), "\"any\":{\"@type\":\"%s\",\"value\":\"/+4=\"},",
                 quoted[i]);
        assert_non_null(strstr(fixture_write(*state, &message->base), expected));
    }
}

/* An Any of an Any of an Any… */
static void anys_in_one_another_end_as_bytes(void **state)
{
    const struct fixture *fixture = *state;
    char url[] = "a/google.protobuf.Any";
    Google__Protobuf__Any any;
    const char *json;
    size_t count = 0;

    google__protobuf__any__init(&any);
    any.type_url = url;
    for (unsigned i = 0; i < 20; i++) {
        const size_t size = google__protobuf__any__get_packed_size(&any);
        uint8_t *bytes = arena_alloc(fixture->arena, size);
        google__protobuf__any__pack(&any, bytes);
        any.value = (ProtobufCBinaryData){.len = size, .data = bytes};
    }
    json = fixture_write(fixture, &any.base);
    for (const char *at = json; (at = strstr(at, "@type")) != NULL; at++)
        count++;
    assert_int_equal(count, 9);
}

/* ---- There and back ------------------------------------------------------------------------------ */

struct filler {
    const struct fixture *fixture;
    unsigned number;
};

static void fill(struct filler *filler, const struct message_shape *shape,
                 ProtobufCMessage *message, unsigned depth);

/* Some value, another one each time. */
static union field_value some_value(struct filler *filler, const struct field_shape *field,
                                    unsigned depth)
{
    const unsigned number = ++filler->number;
    union field_value value = {0};

    switch (field->kind) {
    case FIELD_BOOL:
        value.boolean = number % 2;
        break;
    case FIELD_INT32:
    case FIELD_UINT32:
        value.i32 = (int32_t)number;
        break;
    case FIELD_ENUM:
        value.i32 = (int32_t)(number % 4);
        break;
    case FIELD_INT64:
    case FIELD_UINT64:
        value.i64 = INT64_MAX - number;
        break;
    case FIELD_FLOAT:
        value.f32 = (float)number / 3.0f;
        break;
    case FIELD_DOUBLE:
        value.f64 = number / 3.0;
        break;
    case FIELD_STRING:
        value.string = arena_printf(filler->fixture->arena, "text \"%u\" \xc3\xbc", number);
        break;
    case FIELD_BYTES:
        value.bytes.data = arena_memdup(filler->fixture->arena, &number, sizeof(number));
        value.bytes.len = 1 + number % sizeof(number);
        break;
    case FIELD_MESSAGE:
        value.message = field_message_new(field->message, filler->fixture->arena);
        fill(filler, field->message, value.message, depth + 1);
        break;
    }
    return value;
}

static void fill_any(struct filler *filler, ProtobufCMessage *message)
{
    Google__Protobuf__Any *any = (void *)message;
    Google__Rpc__ErrorInfo info;
    uint8_t *bytes;

    google__rpc__error_info__init(&info);
    info.reason = arena_printf(filler->fixture->arena, "REASON_%u", filler->number);
    bytes = arena_alloc(filler->fixture->arena, google__rpc__error_info__get_packed_size(&info));
    any->value.len = google__rpc__error_info__pack(&info, bytes);
    any->value.data = bytes;
    any->type_url =
        arena_strdup(filler->fixture->arena, "type.googleapis.com/google.rpc.ErrorInfo");
}

/* Sets every field, lists get two values; of a oneof the last one. */
static void fill(struct filler *filler, const struct message_shape *shape,
                 ProtobufCMessage *message, unsigned depth)
{
    if (shape->form == FORM_ANY) {
        fill_any(filler, message);
        return;
    }
    if (shape->form == FORM_FIELD_MASK)
        return; /* its paths are no free text */
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct field_shape *field = &shape->fields[i];
        const size_t size = field_value_size(field->kind);
        char *items = arena_array(filler->fixture->arena, 2, size);
        union field_value value;
        /* An entry of a map has a message in it, which must not be missing. */
        if (field->kind == FIELD_MESSAGE && depth >= (field->is_map ? 2 : 3))
            continue;
        value = some_value(filler, field, depth);
        if (shape->form != FORM_FIELDS && field->kind == FIELD_INT64)
            value.i64 = 1700000000 + filler->number;
        if (!field->is_repeated) {
            field_set(message, field, &value);
            continue;
        }
        memcpy(items, &value, size);
        value = some_value(filler, field, depth);
        memcpy(items + size, &value, size);
        field_list_set(message, field, items, 2);
    }
}

static void round_trip(const struct fixture *fixture, const struct message_shape *shape)
{
    struct filler filler = {.fixture = fixture};
    ProtobufCMessage *message = field_message_new(shape, fixture->arena);
    const char *json, *again;
    struct json_message back;
    struct error err = {0};
    size_t size;
    uint8_t *bytes;

    fill(&filler, shape, message, 0);
    json = fixture_write(fixture, message);
    if (json == NULL)
        fail_msg("%s is not written", shape->descriptor->name);
    if (fixture_read(fixture, shape->descriptor->name, json, &back, &err) != STATUS_OK)
        fail_msg("%s: %s: %s %s", shape->descriptor->name, json,
                 err.details == NULL ? err.message : err.details->a,
                 err.details == NULL ? "" : err.details->b);
    again = fixture_write(fixture, back.message);
    assert_string_equal(json, again);
    size = protobuf_c_message_get_packed_size(message);
    assert_int_equal(protobuf_c_message_get_packed_size(back.message), size);
    bytes = arena_alloc(fixture->arena, 2 * size);
    protobuf_c_message_pack(message, bytes);
    protobuf_c_message_pack(back.message, bytes + size);
    assert_memory_equal(bytes, bytes + size, size);
}

static void every_message_of_every_method_comes_back(void **state)
{
    const struct fixture *fixture = *state;

    for (size_t i = 0; i < method_count; i++) {
        round_trip(fixture, message_shapes_find(fixture->shapes, method_table[i].request));
        round_trip(fixture, message_shapes_find(fixture->shapes, method_table[i].reply));
    }
    round_trip(fixture, fixture_shape(fixture, "google.rpc.Status"));
    round_trip(fixture, fixture_shape(fixture, "google.rpc.BadRequest"));
    round_trip(fixture, fixture_shape(fixture, "google.rpc.RetryInfo"));
}

static void a_message_with_every_kind_of_field_comes_back(void **state)
{
    round_trip(*state, fixture_shape(*state, "test.v1.EveryKind"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_and_empty_lists_are_written_and_unset_messages_are_not),
        cmocka_unit_test(an_optional_scalar_is_written_when_it_was_set),
        cmocka_unit_test(numbers_are_written_whole_at_their_ends),
        cmocka_unit_test(reals_read_back_as_they_were),
        cmocka_unit_test(what_has_no_number_has_a_name),
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(every_byte_is_escaped_wherever_it_stands),
        cmocka_unit_test(the_member_of_a_oneof_that_is_set_is_written),
        cmocka_unit_test(what_json_cannot_say_is_an_error),
        cmocka_unit_test(a_full_buffer_is_an_error),
        cmocka_unit_test(details_of_an_error_are_written_as_what_they_are),
        cmocka_unit_test(an_any_of_an_unknown_type_is_not_lost),
        cmocka_unit_test(anys_in_one_another_end_as_bytes),
        cmocka_unit_test(every_message_of_every_method_comes_back),
        cmocka_unit_test(a_message_with_every_kind_of_field_comes_back),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
