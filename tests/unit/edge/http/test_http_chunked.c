/* Chunked bodies, cut anywhere. */
#include "edge/http/http_chunked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Reads the text in pieces of that size; the body is left in `body`. */
static enum http_chunked_state read_pieces(const char *text, size_t piece, struct buf *body,
                                           size_t *out_taken)
{
    struct http_chunked chunked = {.state = HTTP_CHUNKED_SIZE};
    size_t size = strlen(text), at = 0;

    while (at < size && chunked.state < HTTP_CHUNKED_DONE)
        at += http_chunked_read(&chunked, text + at, MIN_OF(piece, size - at), body);
    *out_taken = at;
    return chunked.state;
}

static void a_body_is_put_together_however_it_is_cut(void **state)
{
    static const char text[] = "5\r\nhello\r\n1\r\n \r\n00B\r\nworld\r\n0\r\nm\r\n0\r\n\r\nGET";

    (void)state;
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        struct buf body;
        size_t taken;

        buf_init(&body, 100);
        assert_int_equal(read_pieces(text, piece, &body, &taken), HTTP_CHUNKED_DONE);
        assert_string_equal(body.data, "hello world\r\n0\r\nm");
        assert_int_equal(taken, strlen(text) - strlen("GET"));
        buf_deinit(&body);
    }
}

static void an_empty_body_is_one_chunk_of_nothing(void **state)
{
    struct buf body;
    size_t taken;

    (void)state;
    buf_init(&body, 100);
    assert_int_equal(read_pieces("0\r\n\r\n", 100, &body, &taken), HTTP_CHUNKED_DONE);
    assert_int_equal(body.len, 0);
    buf_deinit(&body);
}

static void inexact_framing_is_refused(void **state)
{
    static const char *const texts[] = {
        "\r\n",
        "x\r\n",
        " 5\r\nhello\r\n",
        "5 \r\nhello\r\n",
        "5\nhello\r\n",
        "5\r\rhello\r\n",
        "5;name=value\r\nhello\r\n",
        "0x5\r\nhello\r\n",
        "-5\r\nhello\r\n",
        "5\r\nhelloX\r\n",
        "5\r\nhello\n",
        "5\r\nhello\rX",
        "0\r\nTrailer: x\r\n\r\n",
        "0\r\nX\n",
        "0\r\n\rX",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct buf body;
        size_t taken;

        buf_init(&body, 100);
        if (read_pieces(texts[i], 1, &body, &taken) != HTTP_CHUNKED_INVALID)
            fail_msg("accepted: %s", texts[i]);
        buf_deinit(&body);
    }
}

static void a_body_has_the_size_of_its_buffer_at_most(void **state)
{
    struct buf body;
    size_t taken;

    (void)state;
    buf_init(&body, 10);
    assert_int_equal(read_pieces("a\r\n0123456789\r\n0\r\n\r\n", 3, &body, &taken),
                     HTTP_CHUNKED_DONE);
    buf_clear(&body);
    assert_int_equal(read_pieces("a\r\n0123456789\r\n1\r\nX\r\n", 3, &body, &taken),
                     HTTP_CHUNKED_TOO_LARGE);
    buf_clear(&body);
    assert_int_equal(read_pieces("0000005\r\nhello\r\n", 3, &body, &taken), HTTP_CHUNKED_TOO_LARGE);
    buf_deinit(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_put_together_however_it_is_cut),
        cmocka_unit_test(an_empty_body_is_one_chunk_of_nothing),
        cmocka_unit_test(inexact_framing_is_refused),
        cmocka_unit_test(a_body_has_the_size_of_its_buffer_at_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
