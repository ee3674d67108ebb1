/* Fields of a request from the variables of a path and the parameters of a query. */
#include "edge/transcode/field_text.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"
#include "every_kind.h"
#include "transcode_fixture.h"

static const char type[] = "test.v1.EveryKind";

/* A message, and its fields by text. */
struct request {
    struct field_text fields;
    struct error err;
    struct every_kind *message;
};

static void request_init(struct request *request, const struct fixture *fixture)
{
    ProtobufCMessage *message = arena_alloc(fixture->arena, every_kind_descriptor.sizeof_message);

    assert_non_null(message);
    protobuf_c_message_init(&every_kind_descriptor, message);
    request->err = (struct error){0};
    request->message = (struct every_kind *)(void *)message;
    field_text_init(&request->fields, fixture_shape(fixture, type), message, false, fixture->arena,
                    &request->err);
}

static enum status set(struct request *request, const char *path, const char *text)
{
    return field_set_text(&request->fields, path, strlen(path), text, strlen(text));
}

static void every_kind_of_field_has_a_text(void **state)
{
    static const struct {
        const char *path, *text, *out;
    } rows[] = {
        {"isOn", "true", "\"isOn\":true"},
        {"is_on", "false", "\"isOn\":false"},
        {"anInt32", "-5", "\"anInt32\":-5"},
        {"a_uint32", "4294967295", "\"aUint32\":4294967295"},
        {"anInt64", "9007199254740993", "\"anInt64\":\"9007199254740993\""},
        {"aUint64", "18446744073709551615", "\"aUint64\":\"18446744073709551615\""},
        {"aFloat", "0.5", "\"aFloat\":0.5"},
        {"aDouble", "NaN", "\"aDouble\":\"NaN\""},
        {"aText", "", "\"aText\":\"\""},
        {"aText", "a b", "\"aText\":\"a b\""},
        {"someBytes", "-_8", "\"someBytes\":\"+/8=\""},
        {"color", "RED", "\"color\":\"RED\""},
        {"color", "2", "\"color\":\"DEEP_BLUE\""},
        {"color", "7", "\"color\":7"},
        {"aTime", "2026-01-01T00:00:00Z", "\"aTime\":\"2026-01-01T00:00:00Z\""},
        {"aDuration", "1.5s", "\"aDuration\":\"1.500s\""},
        {"aMask", "name,createTime", "\"aMask\":\"name,createTime\""},
        {"aMask", "name,create_time", "\"aMask\":\"name,createTime\""},
        {"aMask", "*", "\"aMask\":\"*\""},
        {"inner.inner.anInt32", "3", "\"inner\":{\"isOn\":false,\"anInt32\":3,"},
        {"inner.many_texts", "x", "\"manyTexts\":[\"x\"]"},
        {"manyInt32", "1", "\"manyInt32\":[1]"},
        {"manyColors", "RED", "\"manyColors\":[\"RED\"]"},
        {"oneText", "", "\"oneText\":\"\""},
        {"oneInner.isOn", "true", "\"oneInner\":{\"isOn\":true"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct request request;
        request_init(&request, *state);
        if (set(&request, rows[i].path, rows[i].text) != STATUS_OK)
            fail_msg("%s=%s: %s", rows[i].path, rows[i].text, request.err.details->b);
        const char *out = fixture_write(*state, &request.message->base);
        if (out == NULL || strstr(out, rows[i].out) == NULL)
            fail_msg("%s=%s: %s", rows[i].path, rows[i].text, out);
    }
}

static void a_wrong_text_is_named_with_the_path_of_its_field(void **state)
{
    static const struct {
        const char *path, *text, *field, *problem;
    } rows[] = {
        {"isOn", "1", "is_on", "must be true or false"},
        {"isOn", "True", "is_on", "must be true or false"},
        {"isOn", "", "is_on", "must be true or false"},
        {"anInt32", "", "an_int32", "must be an integer"},
        {"anInt32", "x", "an_int32", "must be an integer"},
        {"anInt32", "2147483648", "an_int32", "is out of range"},
        {"aDouble", "x", "a_double", "must be a number"},
        {"color", "GREEN", "color", "must be a name or number of the enumeration"},
        {"color", "", "color", "must be a name or number of the enumeration"},
        {"aText", "\xff", "a_text", "is not valid UTF-8"},
        {"someBytes", "*", "some_bytes", "must be base64"},
        {"aTime", "now", "a_time",
         "must be a time of the years 1 to 9999, such as 2026-02-28T09:30:00Z"},
        {"inner.manyInt32", "x", "inner.many_int32", "must be an integer"},
        {"inner", "x", "inner", "cannot be given as one text"},
        {"any", "x", "any", "cannot be given as one text"},
        {"manyInner", "x", "many_inner", "cannot be given as one text"},
        {"manyTimes", "1970-01-01T00:00:00Z", "many_times", "cannot be given as one text"},
        {"counts", "x", "counts", "cannot be given as one text"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct request request;
        request_init(&request, *state);
        if (set(&request, rows[i].path, rows[i].text) != STATUS_INVALID_ARGUMENT)
            fail_msg("%s=%s is taken", rows[i].path, rows[i].text);
        if (violation_of(&request.err, rows[i].field) == NULL)
            fail_msg("%s=%s: %s", rows[i].path, rows[i].text, request.err.details->a);
        assert_string_equal(violation_of(&request.err, rows[i].field), rows[i].problem);
        assert_int_equal(request.err.reason, REASON_REQUEST_INVALID);
    }
}

static void a_path_that_leads_nowhere_is_named_as_it_was_written(void **state)
{
    static const char *const rows[] = {
        "",         "nobody",         "AnInt32",  "inner.",       ".inner",        "inner..isOn",
        "isOn.x",   "manyInner.isOn", "counts.a", "any.type_url", "aTime.seconds", "inner.nobody",
        "an_Int32",
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct request request;
        request_init(&request, *state);
        if (set(&request, rows[i], "1") != STATUS_INVALID_ARGUMENT)
            fail_msg("%s is taken", rows[i]);
        assert_int_equal(request.err.reason, REASON_FIELD_UNKNOWN);
        assert_non_null(violation_of(&request.err, rows[i]));
    }
}

static void a_path_that_leads_nowhere_is_passed_over_when_that_is_asked_for(void **state)
{
    struct request request;

    request_init(&request, *state);
    request.fields.reading.ignore_unknown = true;
    assert_int_equal(set(&request, "nobody", "1"), STATUS_OK);
    assert_int_equal(set(&request, "inner.nobody", "1"), STATUS_OK);
    assert_null(request.message->inner);
    assert_int_equal(set(&request, "isOn", "x"), STATUS_INVALID_ARGUMENT);
    assert_int_equal(request.err.field_count, 1);
}

/* An error is sent as a message, whose texts have to be UTF-8. */
static void a_path_that_is_no_text_is_not_repeated(void **state)
{
    struct request request;

    request_init(&request, *state);
    assert_int_equal(set(&request, "a\xff", "1"), STATUS_INVALID_ARGUMENT);
    assert_non_null(violation_of(&request.err, "?"));
}

static void a_field_may_be_given_once(void **state)
{
    struct request request;

    request_init(&request, *state);
    assert_int_equal(set(&request, "anInt32", "0"), STATUS_OK);
    assert_int_equal(set(&request, "inner.anInt32", "0"), STATUS_OK);
    assert_int_equal(set(&request, "an_int32", "0"), STATUS_INVALID_ARGUMENT);
    assert_string_equal(violation_of(&request.err, "an_int32"), "is given twice");
    assert_int_equal(set(&request, "inner.an_int32", "0"), STATUS_INVALID_ARGUMENT);
    assert_non_null(violation_of(&request.err, "inner.an_int32"));
    assert_int_equal(request.err.field_count, 2);
}

static void one_member_of_a_oneof_may_be_given(void **state)
{
    struct request request;

    request_init(&request, *state);
    assert_int_equal(set(&request, "oneText", "a"), STATUS_OK);
    assert_int_equal(set(&request, "oneInt64", "1"), STATUS_INVALID_ARGUMENT);
    assert_non_null(violation_of(&request.err, "one_int64"));
    assert_int_equal(set(&request, "oneInner.isOn", "true"), STATUS_INVALID_ARGUMENT);
    assert_string_equal(request.message->one_text, "a");
}

static void a_repeated_field_gets_a_value_each_time(void **state)
{
    enum {
        COUNT = 100
    };
    struct request request;

    request_init(&request, *state);
    for (int i = 0; i < COUNT; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        assert_int_equal(set(&request, i % 2 == 0 ? "manyInt64" : "many_int64", text), STATUS_OK);
        assert_int_equal(set(&request, "manyTexts", text), STATUS_OK);
    }
    assert_int_equal(request.message->n_many_int64, COUNT);
    assert_int_equal(request.message->n_many_texts, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(request.message->many_int64[i], i);
    assert_string_equal(request.message->many_texts[99], "99");
}

static void values_are_added_to_those_that_are_there(void **state)
{
    int32_t *list = arena_array(((const struct fixture *)*state)->arena, 3, sizeof(int32_t));
    struct request request;

    request_init(&request, *state);
    request.message->many_int32 = list;
    request.message->n_many_int32 = 3;
    assert_int_equal(set(&request, "manyInt32", "4"), STATUS_OK);
    assert_int_equal(request.message->n_many_int32, 4);
    assert_int_equal(request.message->many_int32[3], 4);
}

static void unknown_and_wrong_ones_are_gathered(void **state)
{
    struct request request;

    request_init(&request, *state);
    assert_int_equal(set(&request, "nobody", "1"), STATUS_INVALID_ARGUMENT);
    assert_int_equal(set(&request, "isOn", "true"), STATUS_OK);
    assert_int_equal(set(&request, "anInt32", "x"), STATUS_INVALID_ARGUMENT);
    assert_int_equal(request.err.reason, REASON_REQUEST_INVALID);
    assert_int_equal(request.err.field_count, 2);
}

static void a_path_has_8_parts_at_most(void **state)
{
    struct request request;

    request_init(&request, *state);
    assert_int_equal(set(&request, "inner.inner.inner.inner.inner.inner.inner.isOn", "true"),
                     STATUS_OK);
    assert_int_equal(set(&request, "inner.inner.inner.inner.inner.inner.inner.inner.isOn", "true"),
                     STATUS_INVALID_ARGUMENT);
}

static void a_request_has_256_parameters_at_most(void **state)
{
    struct request request;

    request_init(&request, *state);
    for (unsigned i = 0; i < FIELD_TEXT_COUNT_MAX; i++)
        assert_int_equal(set(&request, "manyInt32", "1"), STATUS_OK);
    assert_int_equal(set(&request, "manyInt32", "1"), STATUS_INVALID_ARGUMENT);
    assert_int_equal(request.message->n_many_int32, FIELD_TEXT_COUNT_MAX);
}

static void a_full_arena_is_an_error(void **state)
{
    static const char *const paths[] = {"inner.aText", "manyTexts", "someBytes", "aTime", "aMask"};
    static const char *const texts[] = {"x", "x", "AAAA", "1970-01-01T00:00:00Z", "a"};
    const struct fixture *fixture = *state;
    bool has_succeeded = false;
    unsigned failed_count = 0;

    for (size_t size = 16; !has_succeeded; size += 16) {
        struct arena *arena = arena_new(size);
        struct request request;
        request_init(&request, fixture);
        request.fields.reading.arena = arena;
        has_succeeded = true;
        for (size_t i = 0; i < COUNT_OF(paths) && has_succeeded; i++)
            has_succeeded = set(&request, paths[i], texts[i]) == STATUS_OK;
        if (!has_succeeded)
            assert_int_equal(request.err.reason, REASON_OUT_OF_MEMORY);
        failed_count += !has_succeeded;
        arena_free(arena);
    }
    assert_true(failed_count > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_field_has_a_text),
        cmocka_unit_test(a_wrong_text_is_named_with_the_path_of_its_field),
        cmocka_unit_test(a_path_that_leads_nowhere_is_named_as_it_was_written),
        cmocka_unit_test(a_path_that_leads_nowhere_is_passed_over_when_that_is_asked_for),
        cmocka_unit_test(a_path_that_is_no_text_is_not_repeated),
        cmocka_unit_test(a_field_may_be_given_once),
        cmocka_unit_test(one_member_of_a_oneof_may_be_given),
        cmocka_unit_test(a_repeated_field_gets_a_value_each_time),
        cmocka_unit_test(values_are_added_to_those_that_are_there),
        cmocka_unit_test(unknown_and_wrong_ones_are_gathered),
        cmocka_unit_test(a_path_has_8_parts_at_most),
        cmocka_unit_test(a_request_has_256_parameters_at_most),
        cmocka_unit_test(a_full_arena_is_an_error),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
