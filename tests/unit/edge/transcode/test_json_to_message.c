/* Reading proto3 JSON: every form a value may have, and everything that is refused. */
#include "edge/transcode/json_to_message.h"

#include "shop/v1/catalog.pb-c.h"
#include "shop/v1/orders.pb-c.h"

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
#include "edge/transcode/json_name.h"
#include "edge/transcode/json_scan.h"
#include "every_kind.h"
#include "transcode_fixture.h"

static const char type[] = "test.v1.EveryKind";

/* ---- What is taken ------------------------------------------------------------------------------- */

static void every_form_of_a_value_is_taken(void **state)
{
    static const struct {
        const char *in, *out; /* members */
    } rows[] = {
        /* Both spellings of a name. */
        {"\"anInt32\": 1", "\"anInt32\":1,"},
        {"\"an_int32\": 1", "\"anInt32\":1,"},
        {"\"a\\u006eInt32\": 1", "\"anInt32\":1,"},
        /* 32-bit integers: a number, however it is written, or a string. */
        {"\"anInt32\": 1.0", "\"anInt32\":1,"},
        {"\"anInt32\": 1e2", "\"anInt32\":100,"},
        {"\"anInt32\": 12.5e1", "\"anInt32\":125,"},
        {"\"anInt32\": \"-12\"", "\"anInt32\":-12,"},
        {"\"anInt32\": \"1.0\"", "\"anInt32\":1,"},
        {"\"anInt32\": \"1e5\"", "\"anInt32\":100000,"},
        {"\"anInt32\": -0", "\"anInt32\":0,"},
        {"\"anInt32\": -0.0", "\"anInt32\":0,"},
        {"\"anInt32\": 2147483647", "\"anInt32\":2147483647,"},
        {"\"anInt32\": -2147483648", "\"anInt32\":-2147483648,"},
        {"\"anInt32\": 2147483647.0", "\"anInt32\":2147483647,"},
        {"\"anInt32\": -2147483648.0", "\"anInt32\":-2147483648,"},
        {"\"aUint32\": 4294967295", "\"aUint32\":4294967295,"},
        {"\"aUint32\": \"4294967295\"", "\"aUint32\":4294967295,"},
        /* 64-bit integers are exact whichever way they come. */
        {"\"anInt64\": 9007199254740993", "\"anInt64\":\"9007199254740993\""},
        {"\"anInt64\": \"9007199254740993\"", "\"anInt64\":\"9007199254740993\""},
        {"\"anInt64\": 9223372036854775807", "\"anInt64\":\"9223372036854775807\""},
        {"\"anInt64\": -9223372036854775808", "\"anInt64\":\"-9223372036854775808\""},
        {"\"anInt64\": \"9223372036854775807\"", "\"anInt64\":\"9223372036854775807\""},
        {"\"anInt64\": \"-9223372036854775808\"", "\"anInt64\":\"-9223372036854775808\""},
        {"\"anInt64\": \"9.223372036854775807e18\"", "\"anInt64\":\"9223372036854775807\""},
        {"\"anInt64\": 9007199254740992.0", "\"anInt64\":\"9007199254740992\""},
        {"\"anInt64\": 9007199254740993.0", "\"anInt64\":\"9007199254740993\""},
        {"\"anInt64\": -9.007199254740993e15", "\"anInt64\":\"-9007199254740993\""},
        {"\"anInt64\": 9.223372036854775807e18", "\"anInt64\":\"9223372036854775807\""},
        {"\"anInt64\": -9223372036854775808.0", "\"anInt64\":\"-9223372036854775808\""},
        {"\"aText\": \"\\\\\\\"1.5\", \"anInt64\": 3.0, \"manyInt32\": [1.0, 2, 20e-1]",
         "\"manyInt32\":[1,2,2]"},
        {"\"aUint64\": 18446744073709551615", "\"aUint64\":\"18446744073709551615\""},
        {"\"anInt64\": 1e15", "\"anInt64\":\"1000000000000000\""},
        {"\"aUint64\": \"18446744073709551615\"", "\"aUint64\":\"18446744073709551615\""},
        {"\"aUint64\": 9223372036854775807", "\"aUint64\":\"9223372036854775807\""},
        /* Reals. */
        {"\"aDouble\": 1", "\"aDouble\":1,"},
        {"\"aDouble\": 0.1", "\"aDouble\":0.1,"},
        {"\"aDouble\": 1.7976931348623157e+308", "\"aDouble\":1.7976931348623157e+308,"},
        {"\"aDouble\": 12345678901234567890", "\"aDouble\":1.2345678901234567e+19,"},
        {"\"aDouble\": \"NaN\"", "\"aDouble\":\"NaN\""},
        {"\"aDouble\": \"Infinity\"", "\"aDouble\":\"Infinity\""},
        {"\"aDouble\": \"-Infinity\"", "\"aDouble\":\"-Infinity\""},
        {"\"aDouble\": \"-2.5e3\"", "\"aDouble\":-2500,"},
        {"\"aFloat\": 0.1", "\"aFloat\":0.1,"},
        {"\"aFloat\": 3.4028235e+38", "\"aFloat\":3.4028235e+38,"},
        {"\"aFloat\": \"NaN\"", "\"aFloat\":\"NaN\""},
        {"\"isOn\": true", "\"isOn\":true,"},
        {"\"isOn\": false", "\"isOn\":false,"},
        /* Enums by name or number, also one that is not known yet. */
        {"\"color\": \"DEEP_BLUE\"", "\"color\":\"DEEP_BLUE\""},
        {"\"color\": 2", "\"color\":\"DEEP_BLUE\""},
        {"\"color\": -1.0", "\"color\":\"NEGATIVE\""},
        {"\"color\": 77", "\"color\":77,"},
        /* Texts. */
        {"\"aText\": \"\\u00fc\\uD83D\\uDE00\\n\"", "\"aText\":\"\xc3\xbc\xf0\x9f\x98\x80\\n\""},
        {"\"aText\": \"\xc3\xbc\"", "\"aText\":\"\xc3\xbc\""},
        {"\"aText\": \"\"", "\"aText\":\"\""},
        /* Bytes: both alphabets, with padding or not. */
        {"\"someBytes\": \"-_8=\"", "\"someBytes\":\"+/8=\""},
        {"\"someBytes\": \"+/8\"", "\"someBytes\":\"+/8=\""},
        {"\"someBytes\": \"\"", "\"someBytes\":\"\""},
        /* Special forms. */
        {"\"aTime\": \"2026-02-28T09:30:00.5+01:00\"", "\"aTime\":\"2026-02-28T08:30:00.500Z\""},
        {"\"aDuration\": \"-1.5s\"", "\"aDuration\":\"-1.500s\""},
        {"\"aMask\": \"name,createTime,price.units\"", "\"aMask\":\"name,createTime,price.units\""},
        {"\"aMask\": \"\"", "\"aMask\":\"\""},
        {"\"aMask\": \"*\"", "\"aMask\":\"*\""},
        {"\"empty\": {}", "\"empty\":{}"},
        {"\"any\": {}", "\"any\":{}"},
        {"\"any\": {\"units\": \"3\", \"@type\": \"type.googleapis.com/google.type.Money\"}",
         "\"any\":{\"@type\":\"type.googleapis.com/google.type.Money\",\"currencyCode\":\"\","
         "\"units\":\"3\",\"nanos\":0}"},
        {"\"any\": {\"@type\": \"a/google.protobuf.Duration\", \"value\": \"1s\"}",
         "\"any\":{\"@type\":\"a/google.protobuf.Duration\",\"value\":\"1s\"}"},
        {"\"any\": {\"@type\": \"a/google.protobuf.Any\", \"value\": "
         "{\"@type\": \"a/google.protobuf.Timestamp\", \"value\": \"1970-01-01T00:00:00Z\"}}",
         "\"value\":{\"@type\":\"a/"
         "google.protobuf.Timestamp\",\"value\":\"1970-01-01T00:00:00Z\"}"},
        {"\"any\": {\"@type\": \"a/google.protobuf.Empty\"}",
         "\"any\":{\"@type\":\"a/google.protobuf.Empty\"}"},
        /* Lists and maps. */
        {"\"manyInt32\": [1, \"2\", 3.0]", "\"manyInt32\":[1,2,3]"},
        {"\"manyInt64\": [1]", "\"manyInt64\":[\"1\"]"},
        {"\"manyTexts\": [\"a\", \"\"]", "\"manyTexts\":[\"a\",\"\"]"},
        {"\"manyColors\": [\"RED\", 2]", "\"manyColors\":[\"RED\",\"DEEP_BLUE\"]"},
        {"\"manyBools\": [true, false]", "\"manyBools\":[true,false]"},
        {"\"manyBytes\": [\"AA\"]", "\"manyBytes\":[\"AA==\"]"},
        {"\"manyTimes\": [\"1970-01-01T00:00:00Z\"]", "\"manyTimes\":[\"1970-01-01T00:00:00Z\"]"},
        {"\"manyInt32\": []", "\"manyInt32\":[]"},
        {"\"counts\": {\"a.b\": 1, \"\": \"2\"}", "\"counts\":{\"a.b\":\"1\",\"\":\"2\"}"},
        {"\"by_name\": {\"x\": {\"isOn\": true}}", "\"byName\":{\"x\":{\"isOn\":true,"},
        /* null is as if the field were not there. */
        {"\"anInt32\": null, \"manyInt32\": null, \"inner\": null, \"oneText\": null",
         "\"anInt32\":0,"},
        /* Members of a oneof. */
        {"\"oneText\": \"\"", "\"oneText\":\"\""},
        {"\"oneInt64\": 0", "\"oneInt64\":\"0\""},
        {"\"oneText\": null, \"oneInner\": {}", "\"oneInner\":{"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error err;
        char json[512];
        snprintf(json, sizeof(json), "{%s}", rows[i].in);
        const char *out = fixture_round(*state, type, json, &err);
        if (out == NULL || strstr(out, rows[i].out) == NULL)
            fail_msg("%s: %s (%s)", json, out == NULL ? err.message : out,
                     err.details == NULL ? "" : err.details->b);
    }
}

static void white_space_may_stand_around_everything(void **state)
{
    struct json_message message;
    struct error err;

    assert_int_equal(fixture_read(*state, type, " \t\r\n{ \"isOn\" :\n true }\n ", &message, &err),
                     STATUS_OK);
    assert_true(((struct every_kind *)(void *)message.message)->is_on);
}

/* ---- What is refused ----------------------------------------------------------------------------- */

static void a_wrong_value_is_named_with_its_path(void **state)
{
    static const char integer[] = "must be an integer", range[] = "is out of range";
    static const struct {
        const char *in, *field, *text;
    } rows[] = {
        {"\"anInt32\": 1.5", "an_int32", integer},
        {"\"anInt32\": 2147483648", "an_int32", range},
        {"\"anInt32\": -2147483649", "an_int32", range},
        {"\"anInt32\": 2147483648.0", "an_int32", range},
        {"\"anInt32\": \"\"", "an_int32", integer},
        {"\"anInt32\": \" 1\"", "an_int32", integer},
        {"\"anInt32\": \"1 \"", "an_int32", integer},
        {"\"anInt32\": \"+1\"", "an_int32", integer},
        {"\"anInt32\": \"01\"", "an_int32", integer},
        {"\"anInt32\": \"0x1\"", "an_int32", integer},
        {"\"anInt32\": \"1.\"", "an_int32", integer},
        {"\"anInt32\": \"1e\"", "an_int32", integer},
        {"\"anInt32\": \"-\"", "an_int32", integer},
        {"\"anInt32\": \"1\\u00002\"", "an_int32", integer},
        {"\"anInt32\": \"1e-1\"", "an_int32", integer},
        {"\"anInt32\": \"1e999999999999\"", "an_int32", range},
        {"\"anInt32\": true", "an_int32", integer},
        {"\"anInt32\": [1]", "an_int32", integer},
        {"\"anInt32\": {}", "an_int32", integer},
        {"\"aUint32\": -1", "a_uint32", range},
        {"\"aUint32\": 4294967296", "a_uint32", range},
        {"\"anInt64\": \"9223372036854775808\"", "an_int64", range},
        {"\"anInt64\": \"-9223372036854775809\"", "an_int64", range},
        {"\"anInt64\": 0.5", "an_int64", integer},
        {"\"anInt64\": 9223372036854775808", "an_int64", range},
        {"\"anInt64\": 9223372036854775808.0", "an_int64", range},
        {"\"anInt64\": -9223372036854775809", "an_int64", range},
        {"\"anInt64\": 0.99999999999999999999", "an_int64", integer},
        {"\"anInt32\": 2.00000000000000001", "an_int32", integer},
        {"\"manyInt32\": [1.0, 2.5]", "many_int32[1]", integer},
        {"\"aText\": 1.5", "a_text", "must be a string"},
        {"\"anInt64\": 1e300", "an_int64", range},
        {"\"anInt64\": 1e400", "an_int64", range},
        {"\"aUint64\": 18446744073709551616", "a_uint64", range},
        {"\"aDouble\": 1e400", "a_double", range},
        {"\"aDouble\": -1e400", "a_double", range},
        {"\"color\": 1e400", "color", range},
        {"\"aUint64\": \"18446744073709551616\"", "a_uint64", range},
        {"\"aUint64\": -1", "a_uint64", range},
        {"\"aDouble\": \"1e400\"", "a_double", range},
        {"\"aDouble\": \"nan\"", "a_double", "must be a number"},
        {"\"aDouble\": \"inf\"", "a_double", "must be a number"},
        {"\"aDouble\": \"\"", "a_double", "must be a number"},
        {"\"aDouble\": false", "a_double", "must be a number"},
        {"\"aFloat\": 3.5e38", "a_float", range},
        {"\"isOn\": \"true\"", "is_on", "must be true or false"},
        {"\"isOn\": 1", "is_on", "must be true or false"},
        {"\"color\": \"GREEN\"", "color", "must be a name or number of the enumeration"},
        {"\"color\": \"red\"", "color", "must be a name or number of the enumeration"},
        {"\"color\": \"RED\\u0000\"", "color", "must be a name or number of the enumeration"},
        {"\"color\": \"1\"", "color", "must be a name or number of the enumeration"},
        {"\"color\": true", "color", "must be a name or number of the enumeration"},
        {"\"color\": 1.5", "color", integer},
        {"\"color\": 2147483648", "color", range},
        {"\"aText\": 1", "a_text", "must be a string"},
        {"\"aText\": \"a\\u0000b\"", "a_text", "must not contain a NUL character"},
        {"\"someBytes\": \"A\"", "some_bytes", "must be base64"},
        {"\"someBytes\": \"AA=\"", "some_bytes", "must be base64"},
        {"\"someBytes\": 1", "some_bytes", "must be a string"},
        {"\"inner\": []", "inner", "must be an object"},
        {"\"inner\": \"\"", "inner", "must be an object"},
        {"\"aTime\": 1", "a_time", "must be a string"},
        {"\"aTime\": {\"seconds\": 1}", "a_time", "must be a string"},
        {"\"aTime\": \"10000-01-01T00:00:00Z\"", "a_time",
         "must be a time of the years 1 to 9999, such as 2026-02-28T09:30:00Z"},
        {"\"aDuration\": \"1\"", "a_duration",
         "must be a duration of at most 10,000 years, such as 1.5s"},
        {"\"aMask\": {\"paths\": [\"a\"]}", "a_mask", "must be a string"},
        {"\"aMask\": \"a,,b\"", "a_mask",
         "must be paths of fields with commas between them, such as name,createTime"},
        {"\"aMask\": \"a_b\"", "a_mask",
         "must be paths of fields with commas between them, such as name,createTime"},
        {"\"manyInt32\": 1", "many_int32", "must be a list"},
        {"\"manyInt32\": {\"0\": 1}", "many_int32", "must be a list"},
        {"\"manyInt32\": [1, 2.5]", "many_int32[1]", integer},
        {"\"manyInt32\": [1, null]", "many_int32[1]", "must not be null"},
        {"\"manyInner\": [{}, {\"inner\": {\"manyTexts\": [\"\", 1]}}]",
         "many_inner[1].inner.many_texts[1]", "must be a string"},
        {"\"manyInner\": [null]", "many_inner[0]", "must not be null"},
        {"\"counts\": [1]", "counts", "must be an object"},
        {"\"counts\": {\"a\": null}", "counts.a", "must not be null"},
        {"\"counts\": {\"a\": true}", "counts.a", integer},
        {"\"byName\": {\"a\": {\"anInt32\": \"x\"}}", "by_name.a.an_int32", integer},
        {"\"oneText\": \"a\", \"oneInt64\": 1", "one_int64",
         "excludes another field that is given too"},
        {"\"anInt32\": 1, \"an_int32\": 1", "an_int32", "is given twice, in both spellings"},
        {"\"anInt32\": null, \"an_int32\": 1", "an_int32", "is given twice, in both spellings"},
        {"\"any\": {\"units\": 1}", "any.@type", "must be the URL of a known type"},
        {"\"any\": {\"@type\": \"a/no.such.Type\"}", "any.@type",
         "must be the URL of a known type"},
        {"\"any\": {\"@type\": \"google.type.Money\"}", "any.@type",
         "must be the URL of a known type"},
        {"\"any\": {\"@type\": 1}", "any.@type", "must be the URL of a known type"},
        {"\"any\": {\"@type\": \"a/google.type.Money\", \"nanos\": \"x\"}", "any.nanos", integer},
        {"\"any\": {\"@type\": \"a/google.protobuf.Duration\"}", "any.value", "must be a string"},
        {"\"any\": {\"@type\": \"a/google.protobuf.Duration\", \"value\": 1}", "any.value",
         "must be a string"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json_message message;
        struct error err;
        char json[512];
        snprintf(json, sizeof(json), "{%s}", rows[i].in);
        if (fixture_read(*state, type, json, &message, &err) != STATUS_INVALID_ARGUMENT)
            fail_msg("%s is taken", json);
        if (violation_of(&err, rows[i].field) == NULL)
            fail_msg("%s: %s", json, err.details == NULL ? err.message : err.details->a);
        assert_string_equal(violation_of(&err, rows[i].field), rows[i].text);
        assert_int_equal(err.reason, REASON_REQUEST_INVALID);
        assert_int_equal(err.field_count, 1);
    }
}

#define TEXT(literal) literal, sizeof(literal) - 1

static void text_that_is_no_json_is_told_by_line_and_column(void **state)
{
    static const struct {
        const char *json;
        size_t size;
        const char *place;
    } rows[] = {
        {TEXT(""), "line 1, column 1: "},
        {TEXT("  "), "line 1, column 3: "},
        {TEXT("{"), "line 1, column 2: "},
        {TEXT("{}x"), "line 1, column "},
        {TEXT("{} {}"), "line 1, column "},
        {TEXT("{}\0"), "line 1, column 3: a NUL byte"},
        {TEXT("\xef\xbb\xbf{}"), "line 1, column "},
        {TEXT("{\"isOn\": true,}"), "line 1, column "},
        {TEXT("{\"isOn\":\n\n  tru}"), "line 3, column "},
        {TEXT("{'isOn': true}"), "line 1, column "},
        {TEXT("{isOn: true}"), "line 1, column "},
        {TEXT("{\"isOn\": true} // x"), "line 1, column "},
        {TEXT("{\"aDouble\": NaN}"), "line 1, column "},
        {TEXT("{\"aDouble\": 1.}"), "line 1, column "},
        {TEXT("{\"aDouble\": 1.5-2}"), "line 1, column "},
        {TEXT("{\"aDouble\": 1.5 2.5}"), "line 1, column "},
        {TEXT("{\"aDouble\": 1.5,\n\"isOn\": tru}"), "line 2, column "},
        {TEXT("{1.5: 1.5}"), "line 1, column "},
        {TEXT("{\"aDouble\": .5}"), "line 1, column "},
        {TEXT("{\"anInt32\": 01}"), "line 1, column "},
        {TEXT("{\"anInt32\": +1}"), "line 1, column "},
        {TEXT("{\"anInt32\": 0x1}"), "line 1, column "},
        {TEXT("{\"isOn\": true, \"isOn\": true}"), "line 1, column "},
        {TEXT("{\"inner\": {\"isOn\": true, \"isOn\": true}}"), "line 1, column "},
        {TEXT("{\"nobody\": {\"a\": 1, \"a\": 1}}"), "line 1, column "},
        {TEXT("{\"aText\": \"\\uD83D\"}"), "line 1, column "},
        {TEXT("{\"aText\": \"\\uDE00\"}"), "line 1, column "},
        {TEXT("{\"aText\": \"\\uD83D\\u0041\"}"), "line 1, column "},
        {TEXT("{\"\\uD83D\": 1}"), "line 1, column "},
        {TEXT("{\"a\\u0000\": 1}"), "line 1, column "},
        {TEXT("{\"aText\": \"\\x41\"}"), "line 1, column "},
        {TEXT("{\"aText\": \"a\nb\"}"), "line 1, column "},
        {TEXT("{\"aText\": \"a\0b\"}"), "line 1, column 13: a NUL byte"},
        {TEXT("{\"aText\": \"\xc3\x28\"}"), "line 1, column 12: this is not UTF-8"},
        {TEXT("{\"aText\": \"\xc0\x80\"}"), "line 1, column 12: this is not UTF-8"},
        {TEXT("{\"aText\": \"\xed\xa0\x80\"}"), "line 1, column 12: this is not UTF-8"},
        {TEXT("{\"\xff\": 1}"), "line 1, column 3: this is not UTF-8"},
        {TEXT("{\"aText\": \"\xc3\xbc\xff\"}"), "line 1, column 13: this is not UTF-8"},
        {TEXT("{\"aText\": \"abc"), "line 1, column "},
        {TEXT("{\"aText\": \"abc\\"), "line 1, column "},
        {TEXT("{]"), "line 1, column "},
    };
    const struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct json_text text = {.text = rows[i].json, .size = rows[i].size, .prefix = ""};
        struct json_message message;
        struct error err = {0};
        if (json_to_message(fixture_shape(fixture, type), &text, fixture->arena, &message, &err) !=
            STATUS_INVALID_ARGUMENT)
            fail_msg("%s is taken", rows[i].json);
        if (strncmp(err.message, rows[i].place, strlen(rows[i].place)) != 0)
            fail_msg("%s: %s", rows[i].json, err.message);
        assert_int_equal(err.reason, REASON_JSON_INVALID);
        assert_null(err.details);
    }
}

/* It may be a card number. */
static void what_the_caller_wrote_is_not_repeated(void **state)
{
    struct json_message message;
    struct error err;

    assert_int_not_equal(
        fixture_read(*state, type, "{\"aText\": 4242424242424242 4242}", &message, &err),
        STATUS_OK);
    assert_null(strstr(err.message, "4242"));
    assert_int_not_equal(fixture_read(*state, type, "{\"4242\": 1, \"4242\": 1}", &message, &err),
                         STATUS_OK);
    assert_null(strstr(err.message, "4242"));
}

static void the_outermost_value_is_an_object(void **state)
{
    static const char *const rows[] = {"[]", "1", "null", "\"\"", "true"};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json_message message;
        struct error err;
        assert_int_equal(fixture_read(*state, type, rows[i], &message, &err),
                         STATUS_INVALID_ARGUMENT);
        assert_string_equal(err.message, "line 1, column 1: an object is expected");
    }
}

/* ---- Unknown fields ------------------------------------------------------------------------------ */

static void unknown_fields_are_named_as_they_were_written(void **state)
{
    struct json_message message;
    struct error err;

    assert_int_equal(fixture_read(*state, type,
                                  "{\"newField\": 1, \"inner\": {\"AnInt32\": 1}, \"\": 0}",
                                  &message, &err),
                     STATUS_INVALID_ARGUMENT);
    assert_int_equal(err.field_count, 3);
    assert_string_equal(violation_of(&err, "newField"), "is no field of test.v1.EveryKind");
    assert_non_null(violation_of(&err, "inner.AnInt32"));
    assert_non_null(violation_of(&err, ""));
    assert_int_equal(err.reason, REASON_FIELD_UNKNOWN);
}

static void an_unknown_field_among_other_faults_does_not_give_the_reason(void **state)
{
    static const char *const rows[] = {"{\"newField\": 1, \"isOn\": 1}",
                                       "{\"isOn\": 1, \"newField\": 1}"};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json_message message;
        struct error err;
        assert_int_equal(fixture_read(*state, type, rows[i], &message, &err),
                         STATUS_INVALID_ARGUMENT);
        assert_int_equal(err.reason, REASON_REQUEST_INVALID);
        assert_string_equal(err.message, reason_text(REASON_REQUEST_INVALID));
        assert_non_null(violation_of(&err, "newField"));
        assert_non_null(violation_of(&err, "is_on"));
    }
}

static void unknown_fields_are_passed_over_when_that_is_asked_for(void **state)
{
    static const char json[] =
        "{\"newField\": {\"a\": [1e300, null]}, \"inner\": {\"x\": 1}, \"isOn\": true,"
        " \"any\": {\"@type\": \"a/google.protobuf.Duration\", \"value\": \"1s\", \"y\": 1}}";
    const struct json_text text = {
        .text = json, .size = sizeof(json) - 1, .prefix = "", .ignore_unknown = true};
    const struct json_text wrong = {.text = "{\"color\": \"NEW\", \"x\": 1}",
                                    .size = sizeof("{\"color\": \"NEW\", \"x\": 1}") - 1,
                                    .prefix = "",
                                    .ignore_unknown = true};
    const struct fixture *fixture = *state;
    struct json_message message;
    struct error err = {0};

    assert_int_equal(
        json_to_message(fixture_shape(fixture, type), &text, fixture->arena, &message, &err),
        STATUS_OK);
    assert_true(((struct every_kind *)(void *)message.message)->is_on);
    assert_int_equal(
        json_to_message(fixture_shape(fixture, type), &wrong, fixture->arena, &message, &err),
        STATUS_INVALID_ARGUMENT);
    assert_int_equal(err.field_count, 1);
    assert_non_null(violation_of(&err, "color"));
}

/* ---- Of a whole request -------------------------------------------------------------------------- */

static void all_violations_are_gathered(void **state)
{
    struct json_message message;
    struct error err;

    assert_int_equal(
        fixture_read(
            *state, "shop.v1.CreateOrderRequest",
            "{\"customerId\": 7, \"lines\": [{\"productId\": \"tea\", \"quantity\": \"x\"},"
            " {\"quantity\": 1.5}], \"shipTo\": {\"addressLines\": [\"a\", null]}}",
            &message, &err),
        STATUS_INVALID_ARGUMENT);
    assert_int_equal(err.field_count, 4);
    assert_non_null(violation_of(&err, "customer_id"));
    assert_non_null(violation_of(&err, "lines[0].quantity"));
    assert_non_null(violation_of(&err, "lines[1].quantity"));
    assert_non_null(violation_of(&err, "ship_to.address_lines[1]"));
}

static void more_violations_than_fit_are_counted(void **state)
{
    enum {
        COUNT = ERROR_FIELDS_MAX + 9
    };
    const struct fixture *fixture = *state;
    struct json_message message;
    struct error err;
    struct buf json;
    unsigned kept = 0;

    buf_init(&json, JSON_SIZE_MAX);
    buf_put_str(&json, "{\"manyInt32\": [null");
    for (unsigned i = 1; i < COUNT; i++)
        buf_put_str(&json, ",null");
    buf_put_str(&json, "]}");
    assert_int_equal(fixture_read(fixture, type, json.data, &message, &err),
                     STATUS_INVALID_ARGUMENT);
    for (const struct error_detail *detail = err.details; detail != NULL; detail = detail->next)
        kept++;
    assert_int_equal(kept, ERROR_FIELDS_MAX);
    assert_int_equal(err.field_count, COUNT);
    buf_deinit(&json);
}

static void violations_of_other_parts_of_the_request_stay(void **state)
{
    const struct fixture *fixture = *state;
    const struct json_text text = {.text = "{\"name\": 1}", .size = 11, .prefix = "product"};
    const struct json_text fine = {.text = "{}", .size = 2, .prefix = "product"};
    struct json_message message;
    struct error err = {0};

    error_add_field(&err, fixture->arena, "update_mask", "is wrong");
    assert_int_equal(json_to_message(fixture_shape(fixture, "shop.v1.Product"), &fine,
                                     fixture->arena, &message, &err),
                     STATUS_OK);
    assert_int_equal(json_to_message(fixture_shape(fixture, "shop.v1.Product"), &text,
                                     fixture->arena, &message, &err),
                     STATUS_INVALID_ARGUMENT);
    assert_int_equal(err.field_count, 2);
    assert_non_null(violation_of(&err, "update_mask"));
    assert_non_null(violation_of(&err, "product.name"));
}

/* A mask for PATCH is made of them. */
static void the_fields_that_were_there_are_told_and_those_that_were_null(void **state)
{
    struct json_message message;
    struct error err;

    assert_int_equal(fixture_read(*state, "shop.v1.Product",
                                  "{\"name\": \"Tea\", \"description\": null, \"price\": {}}",
                                  &message, &err),
                     STATUS_OK);
    assert_int_equal(message.present, 1 << 1 | 1 << 2 | 1 << 4);
    assert_int_equal(message.null, 1 << 2);
    assert_string_equal(((Shop__V1__Product *)(void *)message.message)->description, "");
}

/* ---- Limits -------------------------------------------------------------------------------------- */

static enum status read_nested(const struct fixture *fixture, unsigned depth, struct error *err)
{
    struct json_message message;
    enum status status;
    struct buf json;

    buf_init(&json, JSON_SIZE_MAX);
    for (unsigned i = 1; i < depth; i++)
        buf_put_str(&json, "{\"inner\":");
    buf_put_str(&json, "{}");
    for (unsigned i = 1; i < depth; i++)
        buf_put_char(&json, '}');
    status = fixture_read(fixture, type, json.data, &message, err);
    buf_deinit(&json);
    return status;
}

static void objects_may_be_nested_64_deep(void **state)
{
    struct error err;

    assert_int_equal(read_nested(*state, JSON_DEPTH_MAX, &err), STATUS_OK);
    assert_int_equal(read_nested(*state, JSON_DEPTH_MAX + 1, &err), STATUS_INVALID_ARGUMENT);
    assert_string_equal(err.message, "line 1, column 577: objects and lists are nested too deeply");
}

/* A list of `count` zeros. */
static enum status read_many(const struct fixture *fixture, unsigned count, struct error *err)
{
    struct json_message message;
    enum status status;
    struct buf json;

    buf_init(&json, JSON_SIZE_MAX);
    buf_put_str(&json, "{\"manyInt32\":[0");
    for (unsigned i = 1; i < count; i++)
        buf_put_str(&json, ",0");
    buf_put_str(&json, "]}");
    status = fixture_read(fixture, type, json.data, &message, err);
    buf_deinit(&json);
    return status;
}

static void values_are_counted(void **state)
{
    struct error err;

    /* One for the object, one for each element. */
    assert_int_equal(read_many(*state, JSON_VALUES_MAX - 1, &err), STATUS_OK);
    assert_int_equal(read_many(*state, JSON_VALUES_MAX, &err), STATUS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "there are too many values"));
}

static enum status read_long(const struct fixture *fixture, size_t size, struct error *err)
{
    char *json = malloc(size);
    const struct json_text text = {.text = json, .size = size, .prefix = ""};
    struct json_message message;
    enum status status;

    assert_non_null(json);
    memset(json, 'x', size);
    memcpy(json, "{\"aText\":\"", 10);
    memcpy(json + size - 2, "\"}", 2);
    *err = (struct error){0};
    status = json_to_message(fixture_shape(fixture, type), &text, fixture->arena, &message, err);
    free(json);
    return status;
}

static void the_text_may_have_256_kib(void **state)
{
    struct error err;

    assert_int_equal(read_long(*state, JSON_SIZE_MAX, &err), STATUS_OK);
    assert_int_equal(read_long(*state, JSON_SIZE_MAX + 1, &err), STATUS_RESOURCE_EXHAUSTED);
    assert_int_equal(err.reason, REASON_MESSAGE_TOO_LARGE);
}

/* `len` letters as a mask. */
static const char *read_mask(const struct fixture *fixture, size_t len, struct error *err)
{
    char path[MASK_PATH_LEN_MAX + 2], json[MASK_PATH_LEN_MAX + 32];

    memset(path, 'a', len);
    path[len] = '\0';
    snprintf(json, sizeof(json), "{\"aMask\": \"%s\"}", path);
    return fixture_round(fixture, type, json, err);
}

static void a_path_of_a_mask_has_256_characters_at_most(void **state)
{
    struct error err;

    assert_non_null(read_mask(*state, MASK_PATH_LEN_MAX, &err));
    assert_null(read_mask(*state, MASK_PATH_LEN_MAX + 1, &err));
    assert_non_null(violation_of(&err, "a_mask"));
}

static void a_full_arena_is_an_error_wherever_it_happens(void **state)
{
    static const char json[] =
        "{\"aText\": \"some text\", \"manyTexts\": [\"a\", \"b\"], \"counts\": {\"a\": 1},"
        " \"someBytes\": \"AAAA\", \"aTime\": \"1970-01-01T00:00:00Z\", \"aMask\": \"a,b\","
        " \"aDouble\": \"1\", \"byName\": {\"a\": {}}, \"inner\": {\"isOn\": true},"
        " \"any\": {\"@type\": \"a/google.type.Money\", \"units\": 3}}";
    const struct fixture *fixture = *state;
    const struct json_text text = {.text = json, .size = sizeof(json) - 1, .prefix = ""};
    enum status status = STATUS_RESOURCE_EXHAUSTED;
    unsigned failed_count = 0;

    for (size_t size = 16; status != STATUS_OK; size += 16) {
        struct arena *arena = arena_new(size);
        struct json_message message;
        struct error err = {0};
        status = json_to_message(fixture_shape(fixture, type), &text, arena, &message, &err);
        arena_free(arena);
        failed_count += status != STATUS_OK;
        if (status != STATUS_OK)
            assert_int_equal(err.reason, REASON_OUT_OF_MEMORY);
        assert_true(size < 64 * 1024);
    }
    assert_true(failed_count > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_a_value_is_taken),
        cmocka_unit_test(white_space_may_stand_around_everything),
        cmocka_unit_test(a_wrong_value_is_named_with_its_path),
        cmocka_unit_test(text_that_is_no_json_is_told_by_line_and_column),
        cmocka_unit_test(what_the_caller_wrote_is_not_repeated),
        cmocka_unit_test(the_outermost_value_is_an_object),
        cmocka_unit_test(unknown_fields_are_named_as_they_were_written),
        cmocka_unit_test(an_unknown_field_among_other_faults_does_not_give_the_reason),
        cmocka_unit_test(unknown_fields_are_passed_over_when_that_is_asked_for),
        cmocka_unit_test(all_violations_are_gathered),
        cmocka_unit_test(more_violations_than_fit_are_counted),
        cmocka_unit_test(violations_of_other_parts_of_the_request_stay),
        cmocka_unit_test(the_fields_that_were_there_are_told_and_those_that_were_null),
        cmocka_unit_test(objects_may_be_nested_64_deep),
        cmocka_unit_test(values_are_counted),
        cmocka_unit_test(the_text_may_have_256_kib),
        cmocka_unit_test(a_path_of_a_mask_has_256_characters_at_most),
        cmocka_unit_test(a_full_arena_is_an_error_wherever_it_happens),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
