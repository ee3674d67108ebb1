/* What a client wants, by the fields that say it. */
#include "edge/http/http_accept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const offered[] = {"application/json", "text/event-stream",
                                      "application/x-ndjson"};

/* A request with up to two fields. */
static struct http_request request_with(struct http_field *fields, const char *name,
                                        const char *value, const char *other)
{
    fields[0] = (struct http_field){name, value};
    fields[1] = (struct http_field){name, other};
    return (struct http_request){.fields = fields,
                                 .field_count = value == NULL   ? 0
                                                : other == NULL ? 1
                                                                : 2};
}

static void the_form_that_is_wanted_most_is_chosen(void **state)
{
    static const struct {
        const char *accept, *other;
        int expected;
    } cases[] = {
        {NULL, NULL, 0},
        {"*/*", NULL, 0},
        {"text/event-stream", NULL, 1},
        {"application/x-ndjson", NULL, 2},
        {"TEXT/Event-Stream", NULL, 1},
        {"*/*, text/event-stream", NULL, 1},
        {"text/*", NULL, 1},
        {"application/*", NULL, 0},
        {"application/*;q=0.5, text/event-stream;q=0.4", NULL, 0},
        {"application/json;q=0.1, application/x-ndjson;q=0.9", NULL, 2},
        {"application/json;q=0, */*", NULL, 1},
        {"application/json ; version=1 ; Q=0.001", NULL, 0},
        {"text/html", "text/event-stream", 1},
        {"text/html, image/*", NULL, HTTP_ACCEPT_NONE},
        {"*/*;q=0", NULL, HTTP_ACCEPT_NONE},
        {"*/*;q=0.000", NULL, HTTP_ACCEPT_NONE},
        {"*/*;q=2", NULL, HTTP_ACCEPT_NONE},
        {"*/*;q=1.001", NULL, HTTP_ACCEPT_NONE},
        {"*/*;q=0.0001", NULL, HTTP_ACCEPT_NONE},
        {"*/*;q=", NULL, HTTP_ACCEPT_NONE},
        {"", NULL, HTTP_ACCEPT_NONE},
        {",,;,", NULL, HTTP_ACCEPT_NONE},
        {"application", NULL, HTTP_ACCEPT_NONE},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_field fields[2];
        struct http_request request =
            request_with(fields, "accept", cases[i].accept, cases[i].other);
        int chosen = http_accept_choose(&request, offered, COUNT_OF(offered));

        if (chosen != cases[i].expected)
            fail_msg("%s: %d instead of %d", cases[i].accept, chosen, cases[i].expected);
    }
}

static void gzip_is_for_those_who_ask(void **state)
{
    static const struct {
        const char *value;
        bool expected;
    } cases[] = {
        {NULL, false},       {"gzip", true},      {"br, gzip;q=0.1", true},
        {"*", true},         {"gzip;q=0", false}, {"*, gzip;q=0", false},
        {"identity", false}, {"*/*", false},      {"xgzip", false},
        {"", false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_field fields[2];
        struct http_request request = request_with(fields, "accept-encoding", cases[i].value, NULL);

        assert_int_equal(http_accept_gzip(&request), cases[i].expected);
    }
}

static void a_body_is_json_in_utf_8_once_and_plain(void **state)
{
    static const struct {
        const char *type, *other;
        bool expected;
    } cases[] = {
        {"application/json", NULL, true},
        {"Application/JSON ; Charset=\"utf-8\"", NULL, true},
        {"application/json;", NULL, true},
        {"application/json; charset=utf-16", NULL, false},
        {"application/json; charset=", NULL, false},
        {"application/json; charset=utf-8x", NULL, false},
        {"application/json; charset=utf", NULL, false},
        {"application/json; x=y; charset=latin1", NULL, false},
        {"application/json; version=2", NULL, true},
        {"application/json; x=y; charset=utf-8 ; z", NULL, true},
        {"application/json; charset=utf-8; charset=\"UTF-8\"", NULL, true},
        {"application/json;;", NULL, true},
        {"application/jso", NULL, false},
        {"application/json2", NULL, false},
        {"text/json", NULL, false},
        {"", NULL, false},
        {NULL, NULL, false},
        {"application/json", "application/json", false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_field fields[2];
        struct http_request request =
            request_with(fields, "content-type", cases[i].type, cases[i].other);

        if (http_accept_is_json(&request) != cases[i].expected)
            fail_msg("%s", cases[i].type);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_form_that_is_wanted_most_is_chosen),
        cmocka_unit_test(gzip_is_for_those_who_ask),
        cmocka_unit_test(a_body_is_json_in_utf_8_once_and_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
