/* The admin port over a real socket: which page answers what. */
#include "edge/http/http_admin.h"

#include "base/macros.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    BODY_SIZE_MAX = 8 * 1024
};

struct fixture {
    struct loop *loop;
    struct http_admin *admin;
    pthread_t thread;
    atomic_bool is_ready;
    char answer[64 * 1024];
};

static bool is_ready(void *arg, const char **out_why)
{
    struct fixture *f = arg;
    *out_why = f->is_ready ? NULL : "the database cannot be reached";
    return f->is_ready;
}

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    const struct http_admin_config config = {
        .address = "127.0.0.1:0", .is_ready = is_ready, .arg = f};
    struct error err = {0};

    f->loop = loop_new();
    assert_non_null(f->loop);
    assert_int_equal(http_admin_new(f->loop, &config, &f->admin, &err), STATUS_OK);
    assert_int_equal(pthread_create(&f->thread, NULL, run_loop, f->loop), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    loop_stop(f->loop);
    pthread_join(f->thread, NULL);
    http_admin_free(f->admin);
    loop_free(f->loop);
    test_free(f);
    return 0;
}

/* Sends a request on a connection of its own, with so many bytes of body (of one that is too large only
 * the announcement); the answer is in f->answer, to the end. */
static const char *ask_with_body(struct fixture *f, const char *method, const char *path,
                                 size_t body_size)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(http_admin_port(f->admin)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char request[256 + BODY_SIZE_MAX];
    size_t len = 0;
    ssize_t got;
    int size;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    size = snprintf(request, sizeof(request),
                    "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                    method, path, body_size);
    if (body_size <= BODY_SIZE_MAX) {
        memset(request + size, 'b', body_size);
        size += (int)body_size;
    }
    assert_int_equal(write(fd, request, (size_t)size), size);
    while ((got = read(fd, f->answer + len, sizeof(f->answer) - 1 - len)) > 0) {
        len += (size_t)got;
    }
    f->answer[len] = '\0';
    close(fd);
    return f->answer;
}

static const char *ask(struct fixture *f, const char *method, const char *path)
{
    return ask_with_body(f, method, path, 0);
}

static void each_page_answers_get_and_head_and_nothing_else(void **state)
{
    static const struct {
        const char *method, *path, *status_line;
    } cases[] = {
        {"GET", "/livez", "HTTP/1.1 200 "},    {"HEAD", "/livez", "HTTP/1.1 200 "},
        {"GET", "/metrics", "HTTP/1.1 200 "},  {"GET", "/readyz?verbose", "HTTP/1.1 503 "},
        {"POST", "/livez", "HTTP/1.1 405 "},   {"DELETE", "/metrics", "HTTP/1.1 405 "},
        {"GET", "/", "HTTP/1.1 404 "},         {"GET", "/livez/", "HTTP/1.1 404 "},
        {"POST", "/no-such", "HTTP/1.1 404 "},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *answer = ask(*state, cases[i].method, cases[i].path);
        if (strncmp(answer, cases[i].status_line, strlen(cases[i].status_line)) != 0) {
            print_error("%s %s: %.20s\n", cases[i].method, cases[i].path, answer);
        }
        assert_memory_equal(answer, cases[i].status_line, strlen(cases[i].status_line));
    }
}

static void livez_says_ok(void **state)
{
    assert_non_null(strstr(ask(*state, "GET", "/livez"), "\r\n\r\nok\n"));
}

static void head_has_no_body(void **state)
{
    const char *answer = ask(*state, "HEAD", "/livez");
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
}

static void readyz_tells_why_not_and_follows_the_state(void **state)
{
    struct fixture *f = *state;

    assert_non_null(strstr(ask(f, "GET", "/readyz"), "\r\n\r\nthe database cannot be reached\n"));
    f->is_ready = true;
    assert_memory_equal(ask(f, "GET", "/readyz"), "HTTP/1.1 200 ", 13);
}

static void metrics_are_in_text_format_of_prometheus(void **state)
{
    const char *answer = ask(*state, "GET", "/metrics");
    assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4"));
    assert_non_null(strstr(answer, "# TYPE grpc_connections gauge\n"));
}

static void a_body_does_not_change_what_is_said_about_the_method(void **state)
{
    assert_memory_equal(ask_with_body(*state, "POST", "/livez", 1), "HTTP/1.1 405 ", 13);
    assert_memory_equal(ask_with_body(*state, "POST", "/livez", BODY_SIZE_MAX), "HTTP/1.1 405 ",
                        13);
    assert_memory_equal(ask_with_body(*state, "PUT", "/no-such", 1), "HTTP/1.1 404 ", 13);
    assert_memory_equal(ask_with_body(*state, "POST", "/livez", BODY_SIZE_MAX + 1), "HTTP/1.1 413 ",
                        13);
}

static void another_method_is_told_which_are_allowed(void **state)
{
    assert_non_null(strstr(ask(*state, "POST", "/readyz"), "Allow: GET, HEAD\r\n"));
}

static void a_taken_port_is_an_error_in_words(void **state)
{
    struct fixture *f = *state;
    struct http_admin *second = NULL;
    struct error err = {0};
    char address[32], expected[100];

    snprintf(address, sizeof(address), "127.0.0.1:%u", http_admin_port(f->admin));
    snprintf(expected, sizeof(expected), "ADMIN_ADDR %s: address already in use", address);
    const struct http_admin_config config = {.address = address, .is_ready = is_ready, .arg = f};
    assert_int_not_equal(http_admin_new(f->loop, &config, &second, &err), STATUS_OK);
    assert_null(second);
    assert_string_equal(err.message, expected);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_page_answers_get_and_head_and_nothing_else),
        TEST(livez_says_ok),
        TEST(head_has_no_body),
        TEST(readyz_tells_why_not_and_follows_the_state),
        TEST(metrics_are_in_text_format_of_prometheus),
        TEST(a_body_does_not_change_what_is_said_about_the_method),
        TEST(another_method_is_told_which_are_allowed),
        TEST(a_taken_port_is_an_error_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
