/* One request to an admin port, and what may come back. The port is a thread that answers once. */
#include "ctl/ctl_request.h"

#include "fake/failing_heap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    TEXT_SIZE = 1024,
    ANSWER_SIZE = 64,
};

struct port {
    int listener;
    char url[64];
    pthread_t thread;
    const char *answer, *end_of_request;
    char request[TEXT_SIZE];
};

static int setup(void **state)
{
    struct port *port = test_calloc(1, sizeof(*port));
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    port->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(port->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(port->listener, 1), 0);
    assert_int_equal(getsockname(port->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(port->url, sizeof(port->url), "http://127.0.0.1:%u", ntohs(address.sin_port));
    *state = port;
    return 0;
}

static int teardown(void **state)
{
    struct port *port = *state;

    close(port->listener);
    test_free(port);
    return 0;
}

/* Reads the request, answers, closes. */
static void *answer_once(void *arg)
{
    struct port *port = arg;
    const int fd = accept4(port->listener, NULL, NULL, SOCK_CLOEXEC);
    size_t used = 0;
    ssize_t count;

    while (strstr(port->request, port->end_of_request) == NULL) {
        count = read(fd, port->request + used, sizeof(port->request) - 1 - used);
        if (count <= 0) {
            break;
        }
        used += (size_t)count;
    }
    (void)!write(fd, port->answer, strlen(port->answer));
    close(fd);
    return NULL;
}

/* `answer` NULL: nobody takes the request. The status, or 0. */
static long send_command(struct port *port, const char *const *args, const char *answer,
                         struct buf *body, char *problem)
{
    struct ctl_options options;
    struct ctl_request request;
    char *argv[8] = {(char[]){"orderctl"}};
    int argc = 1;
    long status;

    for (; args[argc - 1] != NULL; argc++) {
        argv[argc] = (char *)(uintptr_t)args[argc - 1];
    }
    buf_init(body, ANSWER_SIZE);
    assert_true(ctl_options_read(&options, argc, argv, port->url, "me", problem, TEXT_SIZE));
    assert_true(ctl_request_init(&request, &options));
    port->answer = answer;
    port->end_of_request = request.body == NULL ? "\r\n\r\n" : request.body;
    if (answer != NULL) {
        assert_int_equal(pthread_create(&port->thread, NULL, answer_once, port), 0);
    }
    status = ctl_request_send(&request, &options, body, problem, TEXT_SIZE);
    if (answer != NULL) {
        pthread_join(port->thread, NULL);
    }
    ctl_request_deinit(&request);
    return status;
}
#define SEND(port, answer, body, problem, ...) \
    send_command(port, (const char *const[]){__VA_ARGS__, NULL}, answer, body, problem)

static void a_change_is_a_post_of_json(void **state)
{
    struct port *port = *state;
    struct buf body;
    char problem[TEXT_SIZE] = "";

    assert_int_equal(SEND(port, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", &body, problem,
                          "retry", "o1", "--reason", "why"),
                     200);
    assert_memory_equal(port->request, "POST /debug/orders/o1:retry HTTP/1.1\r\n", 38);
    assert_non_null(strstr(port->request, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(port->request, "\r\n\r\n{\"reason\":\"why\",\"operator\":\"me\"}"));
    assert_string_equal(body.data, "{}");
    assert_string_equal(problem, "");
    buf_deinit(&body);
}

static void a_refusal_is_an_answer(void **state)
{
    struct port *port = *state;
    struct buf body;
    char problem[TEXT_SIZE] = "";

    assert_int_equal(SEND(port, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", &body,
                          problem, "show", "o1"),
                     404);
    assert_memory_equal(port->request, "GET /debug/orders/o1 HTTP/1.1\r\n", 31);
    assert_null(strstr(port->request, "\r\nContent-Type: "));
    assert_int_equal(body.len, 0);
    buf_deinit(&body);
}

static void an_answer_that_does_not_come_is_told_with_the_place(void **state)
{
    static const struct {
        const char *answer, *problem;
    } cases[] = {
        {"", "Server returned nothing"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "Transferred a partial file"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n"
         "0123456789012345678901234567890123456789012345678901234567890123x",
         "the answer is too large"},
    };
    struct port *port = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char problem[TEXT_SIZE] = "", expected[TEXT_SIZE];
        struct buf body;
        memset(port->request, 0, sizeof(port->request));
        snprintf(expected, sizeof(expected), "%s: %s", port->url, cases[i].problem);
        assert_int_equal(SEND(port, cases[i].answer, &body, problem, "batches"), 0);
        assert_memory_equal(problem, expected, strlen(expected));
        buf_deinit(&body);
    }
}

static void only_a_port_of_http_is_asked(void **state)
{
    struct port *port = *state;
    struct buf body;
    char problem[TEXT_SIZE] = "";

    assert_int_equal(SEND(port, NULL, &body, problem, "--admin", "file:///etc/hostname", "orders"),
                     0);
    assert_memory_equal(problem, "file:///etc/hostname: ", 22);
    assert_int_equal(body.len, 0);
    buf_deinit(&body);
}

static void make_request(void *context)
{
    const struct ctl_options *options = context;
    struct ctl_request request;
    bool is_made;

    failing_heap_begin();
    is_made = ctl_request_init(&request, options);
    failing_heap_end();
    assert_int_equal(is_made, !failing_heap_has_failed());
    ctl_request_deinit(&request);
}

static void a_request_is_never_cut(void **state)
{
    char *argv[] = {(char[]){"orderctl"}, (char[]){"show"}, (char[]){"o1"}, (char[]){"--admin"},
                    (char[]){"http://x"}};
    char long_id[9000] = "";
    struct ctl_options options;
    struct ctl_request request;
    char problem[TEXT_SIZE];

    assert_true(ctl_options_read(&options, 5, argv, "", "", problem, sizeof(problem)));
    failing_heap_each(make_request, &options);

    memset(long_id, 'x', sizeof(long_id) - 1);
    options.id = long_id;
    assert_false(ctl_request_init(&request, &options));
    ctl_request_deinit(&request);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_change_is_a_post_of_json),
        TEST(a_refusal_is_an_answer),
        TEST(an_answer_that_does_not_come_is_told_with_the_place),
        TEST(only_a_port_of_http_is_asked),
        cmocka_unit_test(a_request_is_never_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
