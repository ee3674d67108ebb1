/* Heads of requests: what is read, and the many ways in which one is refused. */
#include "edge/http/http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define END "\r\n\r\n"
#define HOST "\r\nHost: shop"

static struct arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(1024 * 1024);
    return arena == NULL;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* Reads a copy of exactly that size, so that the sanitizer sees every byte read behind it. */
static enum http_head_result read_bytes(const char *text, size_t size, struct http_head *head)
{
    char *copy = malloc(size);
    const char *why = NULL;
    enum http_head_result result;

    assert_non_null(copy);
    memcpy(copy, text, size);
    result = http_head_read(copy, size, arena, head, &why);
    free(copy);
    if (result != HTTP_HEAD_OK)
        assert_non_null(why);
    return result;
}

static enum http_head_result read_text(const char *text, struct http_head *head)
{
    return read_bytes(text, strlen(text), head);
}

static void a_head_is_taken_apart(void **state)
{
    struct http_head head;

    (void)state;
    assert_int_equal(read_text("GET /v1/products/p%2F1?page_size=2&a=%3F HTTP/1.1" HOST
                               "\r\nX-Name:  a value \t\r\nEMPTY:" END,
                               &head),
                     HTTP_HEAD_OK);
    assert_int_equal(head.method, REQUEST_GET);
    assert_false(head.is_head);
    assert_string_equal(head.path, "/v1/products/p%2F1");
    assert_string_equal(head.query, "page_size=2&a=%3F");
    assert_int_equal(head.field_count, 3);
    assert_string_equal(head.fields[1].name, "x-name");
    assert_string_equal(head.fields[1].value, "a value");
    assert_string_equal(head.fields[2].name, "empty");
    assert_string_equal(head.fields[2].value, "");
    assert_int_equal(head.content_length, -1);
    assert_false(head.is_chunked);
    assert_true(head.keep_alive);
}

static void methods_are_known_by_their_exact_names(void **state)
{
    static const struct {
        const char *name;
        enum request_method method;
        bool is_head;
    } rows[] = {
        {"GET", REQUEST_GET, false},         {"HEAD", REQUEST_GET, true},
        {"POST", REQUEST_POST, false},       {"PUT", REQUEST_PUT, false},
        {"PATCH", REQUEST_PATCH, false},     {"DELETE", REQUEST_DELETE, false},
        {"OPTIONS", REQUEST_OPTIONS, false}, {"get", REQUEST_OTHER, false},
        {"TRACE", REQUEST_OTHER, false},     {"CONNECT", REQUEST_OTHER, false},
        {"FOO", REQUEST_OTHER, false},       {"GETS", REQUEST_OTHER, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[100];
        struct http_head head;

        snprintf(text, sizeof(text), "%s / HTTP/1.1" HOST END, rows[i].name);
        assert_int_equal(read_text(text, &head), HTTP_HEAD_OK);
        assert_int_equal(head.method, rows[i].method);
        assert_int_equal(head.is_head, rows[i].is_head);
    }
}

static void targets_of_all_forms_give_a_path(void **state)
{
    static const struct {
        const char *target, *path, *query;
    } rows[] = {
        {"/", "/", NULL},
        {"/a?", "/a", ""},
        {"/a?b?c", "/a", "b?c"},
        {"http://shop:8080/v1/orders?x=1", "/v1/orders", "x=1"},
        {"http://shop", "/", NULL},
        {"HTTPS://shop?x", "/", "x"},
        {"//double//slash", "//double//slash", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[200];
        struct http_head head;

        snprintf(text, sizeof(text), "GET %s HTTP/1.1" HOST END, rows[i].target);
        assert_int_equal(read_text(text, &head), HTTP_HEAD_OK);
        assert_string_equal(head.path, rows[i].path);
        if (rows[i].query == NULL)
            assert_null(head.query);
        else
            assert_string_equal(head.query, rows[i].query);
    }
}

static void how_the_body_is_framed_is_known(void **state)
{
    struct http_head head;

    (void)state;
    assert_int_equal(read_text("POST / HTTP/1.1" HOST "\r\nContent-Length: 12" END, &head), 0);
    assert_int_equal(head.content_length, 12);
    assert_int_equal(read_text("POST / HTTP/1.1" HOST "\r\nTransfer-Encoding: Chunked" END, &head),
                     0);
    assert_true(head.is_chunked);
    assert_int_equal(read_text("POST / HTTP/1.1" HOST "\r\nContent-Length: 1\r\n"
                               "Expect: 100-Continue" END,
                               &head),
                     0);
    assert_true(head.expects_continue);
    assert_int_equal(read_text("GET / HTTP/1.1" HOST "\r\nConnection: close" END, &head), 0);
    assert_false(head.keep_alive);
    assert_int_equal(read_text("GET / HTTP/1.0" END, &head), 0);
    assert_true(head.is_1_0);
    assert_false(head.keep_alive);
}

static void a_host_is_a_name_or_an_address_with_a_port_or_not(void **state)
{
    static const char *const hosts[] = {
        "shop",     "shop:8080",  "shop:",           "127.0.0.1:80", "[::1]",
        "[::1]:80", "a_b.-x.org", "%41!$&'()*+,;=~", "[::1.2.3.4]"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        char text[200];
        struct http_head head;

        snprintf(text, sizeof(text), "GET http://%s/a HTTP/1.1\r\nHost: %s" END, hosts[i],
                 hosts[i]);
        if (read_text(text, &head) != HTTP_HEAD_OK)
            fail_msg("refused: %s", text);
        assert_string_equal(head.path, "/a");
    }
}

/* The shapes in which requests are smuggled, and others that no honest client sends. */
static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* Byte for byte what RFC 9110 and RFC 3986 allow in a name, a target, a value and a host. */
static void every_byte_is_allowed_where_it_may_stand_and_nowhere_else(void **state)
{
    static const char alphanumeric[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    (void)state;
    for (int i = 0; i < 256; i++) {
        const char c = (char)i;
        const bool is_letter = is_one_of(c, alphanumeric);
        const bool is_visible = i > 0x20 && i < 0x7f;
        const struct {
            const char *before, *behind;
            bool is_allowed;
        } places[] = {
            {"GET / HTTP/1.1" HOST "\r\nX", "Y: y" END,
             is_letter || is_one_of(c, "!#$%&'*+-.^_`|~:")}, /* ':' ends it */
            {"GET /a", "b HTTP/1.1" HOST END, is_visible && c != '#'},
            {"GET / HTTP/1.1" HOST "\r\nX: a", "b" END, i == '\t' || (i >= 0x20 && i != 0x7f)},
            {"GET / HTTP/1.1\r\nHost: a", "b" END, is_letter || is_one_of(c, "-._~%!$&'()*+,;=")},
            {"GET / HTTP/1.1\r\nHost: a:8", "0" END, is_one_of(c, "0123456789")},
        };

        arena_free(arena);
        arena = arena_new(1024 * 1024);
        for (size_t place = 0; place < COUNT_OF(places); place++) {
            char text[100];
            struct http_head head;
            const int size = snprintf(text, sizeof(text), "%s%c%s", places[place].before, c,
                                      places[place].behind);

            if ((read_bytes(text, (size_t)size, &head) == HTTP_HEAD_OK) != places[place].is_allowed)
                fail_msg("byte %d in: %s", i, places[place].before);
        }
    }
}

static void what_is_not_exact_is_refused(void **state)
{
    static const char *const texts[] = {
        /* the first line */
        "GET /" END,
        "GET  / HTTP/1.1" HOST END,
        "GET / HTTP/1.1 " HOST END,
        "GET / HTTP/2.0" HOST END,
        "GET / HTTP/1.2" HOST END,
        "GET / http/1.1" HOST END,
        " GET / HTTP/1.1" HOST END,
        "G(T / HTTP/1.1" HOST END,
        "GET /a\tb HTTP/1.1" HOST END,
        "GET /\x80 HTTP/1.1" HOST END,
        "GET /\x01 HTTP/1.1" HOST END,
        "GET / HTTP/1.1\nHost: shop" END,
        "GET nothing HTTP/1.1" HOST END,
        "GET * HTTP/1.1" HOST END,
        "BREW * HTTP/1.1" HOST END,
        "GET /a#b HTTP/1.1" HOST END,
        "CONNECT shop:443 HTTP/1.1" HOST END,
        "OPTIONS *x HTTP/1.1" HOST END,
        /* the fields */
        "GET / HTTP/1.1" HOST "\nX: y" END,
        "GET / HTTP/1.1" HOST "\r\n folded: y" END,
        "GET / HTTP/1.1" HOST "\r\nX: y\r\n\tfolded" END,
        "GET / HTTP/1.1" HOST "\r\nX : y" END,
        "GET / HTTP/1.1" HOST "\r\n: y" END,
        "GET / HTTP/1.1" HOST "\r\nno colon" END,
        "GET / HTTP/1.1" HOST "\r\nX: a\rb" END,
        "GET / HTTP/1.1" HOST "\r\nX: a\x7f" END,
        "GET / HTTP/1.1" HOST "\r\nX\x80: a" END,
        /* whose it is */
        "GET / HTTP/1.1\r\nX: y" END,
        "GET / HTTP/1.1" HOST HOST END,
        "GET / HTTP/1.0" HOST HOST END,
        "GET / HTTP/1.1\r\nHost:" END,
        "GET / HTTP/1.1\r\nHost: a b" END,
        "GET / HTTP/1.1\r\nHost: a@b" END,
        "GET / HTTP/1.1\r\nHost: a/c" END,
        "GET / HTTP/1.1\r\nHost: a,b" HOST END,
        "GET / HTTP/1.1\r\nHost: :80" END,
        "GET / HTTP/1.1\r\nHost: a:b" END,
        "GET / HTTP/1.1\r\nHost: a:80:80" END,
        "GET / HTTP/1.1\r\nHost: a\x80" END,
        "GET / HTTP/1.1\r\nHost: [::1" END,
        "GET / HTTP/1.1\r\nHost: [::1]80" END,
        "GET / HTTP/1.1\r\nHost: [shop]" END,
        "GET http:/// HTTP/1.1" HOST END,
        "GET http://?a HTTP/1.1" HOST END,
        "GET http://ada@shop/ HTTP/1.1" HOST END,
        /* where the body ends */
        "POST / HTTP/1.1" HOST "\r\nContent-Length: 3\r\nContent-Length: 3" END,
        "POST / HTTP/1.1" HOST "\r\nContent-Length: 3, 3" END,
        "POST / HTTP/1.1" HOST "\r\nContent-Length: +3" END,
        "POST / HTTP/1.1" HOST "\r\nContent-Length: -3" END,
        "POST / HTTP/1.1" HOST "\r\nContent-Length: 0x3" END,
        "POST / HTTP/1.1" HOST "\r\nContent-Length:" END,
        "POST / HTTP/1.1" HOST "\r\nContent-Length: 99999999999999999999" END,
        "POST / HTTP/1.1" HOST "\r\nContent-Length : 3" END,
        "POST / HTTP/1.1" HOST "\r\nContent-Length: 3\r\nTransfer-Encoding: chunked" END,
        "POST / HTTP/1.1" HOST "\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked" END,
        "POST / HTTP/1.1" HOST "\r\nTransfer-Encoding: gzip, chunked" END,
        "POST / HTTP/1.1" HOST "\r\nTransfer-Encoding: identity" END,
        "POST / HTTP/1.1" HOST "\r\nTransfer-Encoding: xchunked" END,
        "POST / HTTP/1.0" HOST "\r\nTransfer-Encoding: chunked" END,
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct http_head head;

        if (read_text(texts[i], &head) != HTTP_HEAD_INVALID)
            fail_msg("accepted: %s", texts[i]);
    }
}

static void a_nul_is_refused_wherever_it_stands(void **state)
{
    static const char text[] = "GET /a HTTP/1.1\r\nHost: shop\r\nX-Name: value\r\n\r\n";

    (void)state;
    for (size_t i = 0; i < sizeof(text) - 1 - 4; i++) {
        char copy[sizeof(text)];
        struct http_head head;

        memcpy(copy, text, sizeof(text));
        copy[i] = '\0';
        assert_int_equal(read_bytes(copy, sizeof(text) - 1, &head), HTTP_HEAD_INVALID);
    }
}

static void only_one_expectation_can_be_met(void **state)
{
    struct http_head head;

    (void)state;
    assert_int_equal(read_text("GET / HTTP/1.1" HOST "\r\nExpect: wonders" END, &head),
                     HTTP_HEAD_EXPECTS_UNKNOWN);
}

/* "GET /aaa… HTTP/1.1" with a target of that size. */
static char *with_target(size_t target_size, size_t *out_size)
{
    static const char end[] = " HTTP/1.1" HOST END;
    char *text = malloc(4 + target_size + sizeof(end));

    assert_non_null(text);
    memcpy(text, "GET /", 5);
    memset(text + 5, 'a', target_size - 1);
    memcpy(text + 4 + target_size, end, sizeof(end));
    *out_size = 4 + target_size + sizeof(end) - 1;
    return text;
}

static void a_target_has_eight_kilobytes_at_most(void **state)
{
    (void)state;
    for (int over = 0; over <= 1; over++) {
        size_t size;
        char *text = with_target(HTTP_URL_SIZE_MAX + (size_t)over, &size);
        struct http_head head;

        assert_int_equal(read_bytes(text, size, &head),
                         over ? HTTP_HEAD_URL_TOO_LONG : HTTP_HEAD_OK);
        assert_int_equal(http_head_check_size(text, HTTP_URL_SIZE_MAX), HTTP_HEAD_OK);
        free(text);
    }
}

static void header_fields_have_eight_kilobytes_at_most(void **state)
{
    static const char first[] = "GET / HTTP/1.1\r\n", fixed[] = "Host: shop\r\nX: ";

    (void)state;
    for (int over = 0; over <= 1; over++) {
        /* with the CR LF of the last field, without the empty line */
        size_t value_size = HTTP_FIELDS_SIZE_MAX - (sizeof(fixed) - 1) - 2 + (size_t)over;
        size_t size = sizeof(first) - 1 + sizeof(fixed) - 1 + value_size + 4;
        char *text = malloc(size + 1);
        struct http_head head;
        int n;

        assert_non_null(text);
        n = snprintf(text, size + 1, "%s%s", first, fixed);
        memset(text + n, 'v', value_size);
        memcpy(text + (size_t)n + value_size, END, sizeof(END));
        assert_int_equal(read_bytes(text, size, &head), over ? HTTP_HEAD_TOO_LARGE : HTTP_HEAD_OK);
        /* Before its end is there it is refused as soon as it cannot become right any more. */
        assert_int_equal(http_head_check_size(text, size - 2), HTTP_HEAD_OK);
        assert_int_equal(http_head_check_size(text, size),
                         over ? HTTP_HEAD_TOO_LARGE : HTTP_HEAD_OK);
        free(text);
    }
}

static void there_are_a_hundred_fields_at_most(void **state)
{
    (void)state;
    for (unsigned over = 0; over <= 1; over++) {
        char text[4096] = "GET / HTTP/1.1" HOST;
        size_t size = strlen(text);
        struct http_head head;

        for (unsigned i = 1; i < HTTP_FIELDS_MAX + over; i++)
            size += (size_t)snprintf(text + size, sizeof(text) - size, "\r\nX%u: y", i);
        snprintf(text + size, sizeof(text) - size, END);
        assert_int_equal(read_text(text, &head), over ? HTTP_HEAD_TOO_LARGE : HTTP_HEAD_OK);
    }
}

static void the_end_of_a_head_is_found_however_it_is_cut(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: shop\r\n\r\nGET";
    const size_t end = sizeof(text) - 1 - 3;

    (void)state;
    for (size_t seen = 0; seen < end; seen++) {
        assert_int_equal(http_head_size(text, seen, 0), 0);
        assert_int_equal(http_head_size(text, sizeof(text) - 1, seen), end);
    }
}

static void a_first_line_without_end_is_refused_when_it_is_too_long(void **state)
{
    static char text[2 * HTTP_URL_SIZE_MAX];

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(http_head_check_size(text, HTTP_URL_SIZE_MAX), HTTP_HEAD_OK);
    assert_int_equal(http_head_check_size(text, sizeof(text)), HTTP_HEAD_URL_TOO_LONG);
}

static void what_cannot_become_a_head_is_known_before_its_end(void **state)
{
    static const char good[] = "GET /\x80 HTTP/1.1\r\nX: \t\xff\r\nY: z\r\n\r";
    static const char *const bad[] = {
        "GET / HTTP/1.1\nHost", "\n",        "GET / HTTP/1.1\r\nA: b\rc", "\r\r",
        "\x16\x03\x01",         "GET /\x7f", "GET / HTTP/1.1\r\n\n"};

    (void)state;
    for (size_t seen = 0; seen < sizeof(good); seen++)
        assert_true(http_head_may_go_on(good, sizeof(good) - 1, seen));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        size_t size = strlen(bad[i]), at = 0;

        assert_false(http_head_may_go_on(bad[i], size, 0));
        while (at < size && http_head_may_go_on(bad[i], at + 1, at)) /* byte by byte too */
            at++;
        assert_true(at < size);
    }
    assert_false(http_head_may_go_on("GET\0", 4, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_head_is_taken_apart),
        TEST(methods_are_known_by_their_exact_names),
        TEST(targets_of_all_forms_give_a_path),
        TEST(how_the_body_is_framed_is_known),
        TEST(a_host_is_a_name_or_an_address_with_a_port_or_not),
        TEST(every_byte_is_allowed_where_it_may_stand_and_nowhere_else),
        TEST(what_is_not_exact_is_refused),
        TEST(a_nul_is_refused_wherever_it_stands),
        TEST(only_one_expectation_can_be_met),
        TEST(a_target_has_eight_kilobytes_at_most),
        TEST(header_fields_have_eight_kilobytes_at_most),
        TEST(there_are_a_hundred_fields_at_most),
        TEST(the_end_of_a_head_is_found_however_it_is_cut),
        TEST(a_first_line_without_end_is_refused_when_it_is_too_long),
        TEST(what_cannot_become_a_head_is_known_before_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
