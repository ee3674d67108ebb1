/* Connections over a pair of sockets, with a handler and a clock of the test's own. */
#include "edge/http/http_conn.h"

#include "fake/fake_clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    REQUESTS_MAX = 64,
    RECEIVED_SIZE = 256 * 1024,
    TURNS = 10, /* of the loop, each a millisecond: more than anything here needs */
};

struct fixture {
    struct fake_clock clock; /* of the connections */
    struct loop *loop;
    struct clock_timer turn;
    struct http_conns conns;
    int fd; /* the client's end */
    /* What the handler has seen. */
    unsigned request_count;
    struct http_request *requests[REQUESTS_MAX];
    char paths[REQUESTS_MAX][32];
    char body[512];
    size_t body_size;
    int refused_status;
    bool replies_at_once;
    unsigned gone_count, ready_count, closed_count;
    char received[RECEIVED_SIZE];
    size_t received_size;
    bool is_at_end;
};

static void reply_text(struct http_request *request, int status, const char *text)
{
    http_reply(request, &(struct http_reply){.status = status,
                                             .content_type = "text/plain",
                                             .body = text,
                                             .body_size = strlen(text)});
}

static void on_gone(struct http_request *request)
{
    struct fixture *fixture = request->handler;
    fixture->gone_count++;
}

static void handle(void *arg, struct http_request *request)
{
    struct fixture *fixture = arg;
    unsigned index = fixture->request_count++;

    assert_true(index < REQUESTS_MAX);
    fixture->requests[index] = request;
    fixture->refused_status = request->refused_status;
    request->handler = fixture;
    if (request->refused_status != 0) {
        reply_text(request, request->refused_status, request->refused_why);
        return;
    }
    snprintf(fixture->paths[index], sizeof(fixture->paths[index]), "%s", request->path);
    snprintf(fixture->body, sizeof(fixture->body), "%s", request->body);
    fixture->body_size = request->body_size;
    if (fixture->replies_at_once)
        reply_text(request, 200, request->path);
}

static void on_closed(void *arg)
{
    struct fixture *fixture = arg;
    fixture->closed_count++;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    int fds[2];

    assert_non_null(fixture);
    fixture->loop = loop_new();
    assert_non_null(fixture->loop);
    fake_clock_init(&fixture->clock);
    fixture->conns = (struct http_conns){.loop = fixture->loop,
                                         .clock = &fixture->clock.base,
                                         .handle = handle,
                                         .handle_arg = fixture,
                                         .on_closed = on_closed,
                                         .arg = fixture};
    assert_true(http_conns_init(&fixture->conns));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    fixture->fd = fds[0];
    assert_true(http_conn_open(&fixture->conns, fds[1]));
    fixture->replies_at_once = true;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    http_conns_deinit(&fixture->conns);
    if (fixture->fd >= 0)
        close(fixture->fd);
    loop_free(fixture->loop);
    free(fixture);
    return 0;
}

static void on_turn(struct clock_timer *timer)
{
    loop_stop(CONTAINER_OF(timer, struct fixture, turn)->loop);
}

/* Lets the loop work for a millisecond; no time passes for the connections. */
static void turn(struct fixture *fixture)
{
    fixture->turn.on_time = on_turn;
    clock_timer_start(loop_clock(fixture->loop), &fixture->turn, 1);
    loop_run(fixture->loop);
    fake_clock_advance(&fixture->clock, 0);
}

/* Lets the loop work, and takes what it sends. */
static void run(struct fixture *fixture)
{
    for (int i = 0; i < TURNS; i++) {
        ssize_t size;

        turn(fixture);
        if (fixture->fd < 0)
            continue;
        size = recv(fixture->fd, fixture->received + fixture->received_size,
                    RECEIVED_SIZE - 1 - fixture->received_size, MSG_DONTWAIT);
        if (size > 0)
            fixture->received_size += (size_t)size;
        else if (size == 0 || errno == ECONNRESET)
            fixture->is_at_end = true;
    }
    fixture->received[fixture->received_size] = '\0';
}

static void send_bytes(struct fixture *fixture, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fixture->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent > 0) {
            bytes += sent;
            size -= (size_t)sent;
        } else if (errno != EAGAIN) {
            return; /* closed by the other side */
        }
        if (size > 0)
            run(fixture);
    }
}

static void send_text(struct fixture *fixture, const char *text)
{
    send_bytes(fixture, text, strlen(text));
    run(fixture);
}

static void hang_up(struct fixture *fixture)
{
    close(fixture->fd);
    fixture->fd = -1;
    run(fixture);
}

static unsigned count_of(const struct fixture *fixture, const char *text)
{
    unsigned count = 0;

    for (const char *at = fixture->received; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: shop\r\n\r\n"
#define POST(fields) "POST /p HTTP/1.1\r\nHost: shop\r\n" fields "\r\n"

/* ---- Requests ----------------------------------------------------------------------------------- */

static void a_request_is_replied_and_the_connection_kept(void **state)
{
    struct fixture *fixture = *state;

    send_text(fixture, GET("/a"));
    assert_memory_equal(fixture->received, "HTTP/1.1 200 OK\r\ndate: ", 23);
    assert_non_null(strstr(fixture->received, "content-type: text/plain\r\n"));
    assert_non_null(strstr(fixture->received, "content-length: 2\r\n"));
    assert_null(strstr(fixture->received, "connection: close"));
    send_text(fixture, GET("/b"));
    assert_int_equal(fixture->request_count, 2);
    assert_false(fixture->is_at_end);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    static const char text[] = POST("Content-Length: 5\r\n") "hello" POST(
        "Transfer-Encoding: chunked\r\n") "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n" GET("/end");
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        send_bytes(fixture, text + i, 1);
        turn(fixture);
        if (fixture->request_count == 1 || fixture->request_count == 2)
            assert_string_equal(fixture->body, "hello");
    }
    run(fixture);
    assert_int_equal(fixture->request_count, 3);
    assert_string_equal(fixture->paths[2], "/end");
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct http_request *first;

    fixture->replies_at_once = false;
    send_text(fixture, GET("/1") POST("Content-Length: 1\r\n") "x" GET("/3"));
    assert_int_equal(fixture->request_count, 1); /* one at a time */
    first = fixture->requests[0];
    fixture->replies_at_once = true;
    reply_text(first, 200, "first");
    run(fixture);
    assert_int_equal(fixture->request_count, 3);
    assert_string_equal(fixture->paths[2], "/3");
    assert_int_equal(count_of(fixture, "HTTP/1.1 200 OK"), 3);
    assert_true(strstr(fixture->received, "\nfirst") < strstr(fixture->received, "\n/p"));
    assert_true(strstr(fixture->received, "\n/p") < strstr(fixture->received, "\n/3"));
}

static void a_long_pipeline_is_worked_off(void **state)
{
    struct fixture *fixture = *state;
    char text[REQUESTS_MAX * 64] = "";

    for (unsigned i = 0; i < REQUESTS_MAX; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), GET("/%u"), i);
    send_text(fixture, text);
    assert_int_equal(fixture->request_count, REQUESTS_MAX);
    assert_string_equal(fixture->paths[REQUESTS_MAX - 1], "/63");
}

static void head_gets_no_body_but_its_length(void **state)
{
    struct fixture *fixture = *state;

    send_text(fixture, "HEAD /abc HTTP/1.1\r\nHost: shop\r\n\r\n");
    assert_non_null(strstr(fixture->received, "content-length: 4\r\n"));
    assert_string_equal(fixture->received + fixture->received_size - 4, "\r\n\r\n");
}

/* Up to 4 KiB it is sent with its head as one part, beyond as another. */
static void a_reply_of_any_size_arrives_whole(void **state)
{
    static const size_t sizes[] = {0, 1, 4096, 4097, 100000};
    static char body[100001];
    struct fixture *fixture = *state;

    fixture->replies_at_once = false;
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        const char *start;

        for (size_t at = 0; at < sizes[i]; at++)
            body[at] = (char)('a' + (at + i) % 26);
        body[sizes[i]] = '\0';
        fixture->received_size = 0;
        send_text(fixture, GET("/size"));
        reply_text(fixture->requests[i], 200, body);
        run(fixture);
        start = strstr(fixture->received, "\r\n\r\n");
        assert_non_null(start);
        assert_string_equal(start + 4, body);
    }
}

static void a_body_that_is_expected_is_asked_for(void **state)
{
    struct fixture *fixture = *state;

    send_text(fixture, POST("Content-Length: 5\r\nExpect: 100-continue\r\n"));
    assert_string_equal(fixture->received, "HTTP/1.1 100 Continue\r\n\r\n");
    send_text(fixture, "hello");
    assert_int_equal(fixture->body_size, 5);
}

static void a_client_that_asks_for_it_is_hung_up_on(void **state)
{
    struct fixture *fixture = *state;

    send_text(fixture, "GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n" GET("/more"));
    assert_non_null(strstr(fixture->received, "connection: close\r\n"));
    assert_int_equal(fixture->request_count, 1);
    assert_true(fixture->is_at_end);
}

/* ---- Refusals ----------------------------------------------------------------------------------- */

static void what_cannot_be_read_is_refused_and_the_connection_closed(void **state)
{
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        {"nonsense\r\n\r\n", 400},
        {"GET /healthz HTTP/1.1\nHost: x\n\n", 400}, /* no end will ever come */
        {"\x16\x03\x01\x02\x01\x01\xfc\x03\x03", 400},
        {"nonsense\n", 400},
        {"\r\r", 400},
        {"\r\n\n", 400},
        {GET("/") "\x16\x03\x01\r\n\r\n", 400},
        {POST("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400},
        {POST("Transfer-Encoding: chunked\r\n") "x\r\n", 400},
        {POST("Content-Length: 262145\r\n"), 413},
        {POST("Content-Length: 9223372036854775807\r\n"), 413},
        {"GET / HTTP/1.1\r\nHost: shop\r\nExpect: wonders\r\n\r\n", 417},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture *fixture;

        teardown(state);
        setup(state);
        fixture = *state;
        send_text(fixture, rows[i].text);
        assert_int_equal(fixture->refused_status, rows[i].status);
        assert_non_null(strstr(fixture->received, "connection: close\r\n"));
        assert_true(fixture->is_at_end);
        send_text(fixture, GET("/smuggled"));
        assert_int_equal(count_of(fixture, "smuggled"), 0);
    }
}

static void a_head_method_that_is_refused_gets_no_body(void **state)
{
    static char long_target[12 * 1024] = "HEAD /";
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        {"HEAD / HTTP/1.1\r\n\r\n", 400},
        {"HEAD / HTTP/1.1\n", 400},
        {"HEAD / HTTP/1.1\r\nHost: shop\r\nExpect: wonders\r\n\r\n", 417},
        {"HEAD / HTTP/1.1\r\nHost: shop\r\nContent-Length: 262145\r\n\r\n", 413},
        {long_target, 414},
    };

    memset(long_target + 6, 'a', sizeof(long_target) - 7);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture *fixture;
        const char *end;

        teardown(state);
        setup(state);
        fixture = *state;
        send_text(fixture, rows[i].text);
        assert_int_equal(fixture->refused_status, rows[i].status);
        end = strstr(fixture->received, "\r\n\r\n");
        assert_non_null(end);
        assert_string_equal(end, "\r\n\r\n");
    }
}

static void an_empty_line_before_a_request_is_forgiven(void **state)
{
    static const char *const pieces[] = {"\r\n", GET("/1"), "\r", "\n" GET("/2"), "\r\n" GET("/3")};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(pieces); i++)
        send_text(fixture, pieces[i]);
    assert_int_equal(fixture->request_count, 3);
    assert_int_equal(count_of(fixture, "HTTP/1.1 200 OK"), 3);
}

static void a_head_without_end_is_refused_at_its_limit(void **state)
{
    static char text[64 * 1024];
    struct fixture *fixture = *state;

    memset(text, 'a', sizeof(text));
    memcpy(text, "GET /", 5);
    send_bytes(fixture, text, sizeof(text));
    run(fixture);
    assert_int_equal(fixture->refused_status, 414);
    assert_true(fixture->is_at_end);

    teardown(state);
    setup(state);
    fixture = *state;
    memcpy(text, "GET / HTTP/1.1\r\nHost: shop\r\nX:", 30);
    send_bytes(fixture, text, sizeof(text));
    run(fixture);
    assert_int_equal(fixture->refused_status, 431);
}

static void a_body_has_256_kilobytes_at_most(void **state)
{
    static char body[HTTP_BODY_SIZE_MAX + 16];

    memset(body, 'b', sizeof(body));
    for (int over = 0; over <= 1; over++) {
        struct fixture *fixture;
        char text[128];

        teardown(state);
        setup(state);
        fixture = *state;
        snprintf(text, sizeof(text), POST("Content-Length: %d\r\n"), HTTP_BODY_SIZE_MAX + over);
        send_text(fixture, text);
        send_bytes(fixture, body, HTTP_BODY_SIZE_MAX);
        run(fixture);
        assert_int_equal(fixture->refused_status, over ? 413 : 0);
        assert_int_equal(fixture->request_count, 1);
        if (!over)
            assert_int_equal(fixture->body_size, HTTP_BODY_SIZE_MAX);
    }
}

/* ---- Clients that go ---------------------------------------------------------------------------- */

static void a_client_that_goes_while_nothing_is_asked_is_forgotten(void **state)
{
    struct fixture *fixture = *state;

    send_text(fixture, "GET / HT");
    hang_up(fixture);
    assert_int_equal(fixture->closed_count, 1);
    assert_int_equal(fixture->conns.count, 0);
    assert_int_equal(fixture->request_count, 0);
}

static void a_handler_that_minds_is_told_that_its_client_has_gone(void **state)
{
    struct fixture *fixture = *state;

    fixture->replies_at_once = false;
    send_text(fixture, GET("/"));
    fixture->requests[0]->on_gone = on_gone;
    hang_up(fixture);
    assert_int_equal(fixture->gone_count, 1);
    assert_int_equal(fixture->conns.count, 0);
}

static void a_handler_that_does_not_mind_replies_to_nobody(void **state)
{
    struct fixture *fixture = *state;

    fixture->replies_at_once = false;
    send_text(fixture, GET("/"));
    hang_up(fixture);
    assert_int_equal(fixture->request_count, 1);
    reply_text(fixture->requests[0], 200, "nobody"); /* and nothing leaks */
    assert_int_equal(fixture->conns.count, 0);

    teardown(state);
    setup(state);
    fixture = *state;
    fixture->replies_at_once = false;
    send_text(fixture, GET("/"));
    http_conns_close_all(&fixture->conns);
    assert_int_equal(fixture->conns.count, 0);
    reply_text(fixture->requests[0], 200, "nobody");
}

static void stop_sending(struct fixture *fixture)
{
    assert_int_equal(shutdown(fixture->fd, SHUT_WR), 0);
    run(fixture);
}

static void who_sends_no_more_still_gets_his_replies(void **state)
{
    struct fixture *fixture = *state;
    char text[REQUESTS_MAX * 64] = "";

    fixture->replies_at_once = false;
    send_text(fixture, GET("/1"));
    for (unsigned i = 2; i <= REQUESTS_MAX; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), GET("/%u"), i);
    send_text(fixture, text);
    stop_sending(fixture);
    assert_int_equal(fixture->conns.count, 1);
    fixture->replies_at_once = true;
    reply_text(fixture->requests[0], 200, "first");
    run(fixture);
    assert_int_equal(count_of(fixture, "HTTP/1.1 200 OK"), REQUESTS_MAX);
    assert_string_equal(fixture->paths[REQUESTS_MAX - 1], "/64");
    assert_true(fixture->is_at_end);
    assert_int_equal(fixture->conns.count, 0);
}

static void half_a_request_of_one_who_sends_no_more_is_none(void **state)
{
    static const char *const rests[] = {"", "GET / HT", POST("Content-Length: 2\r\n") "1"};

    for (size_t i = 0; i < COUNT_OF(rests); i++) {
        struct fixture *fixture;

        teardown(state);
        setup(state);
        fixture = *state;
        fixture->replies_at_once = false;
        send_text(fixture, GET("/1"));
        send_text(fixture, rests[i]);
        stop_sending(fixture);
        reply_text(fixture->requests[0], 200, "first");
        run(fixture);
        assert_int_equal(count_of(fixture, "HTTP/1.1 "), 1);
        assert_int_equal(fixture->request_count, 1);
        assert_int_equal(fixture->conns.count, 0);
    }
}

static void handle_and_mind(void *arg, struct http_request *request)
{
    handle(arg, request);
    if (strcmp(request->path, "/stream") == 0)
        request->on_gone = on_gone;
}

static void a_stream_asked_for_by_one_who_sends_no_more_ends_at_once(void **state)
{
    struct fixture *fixture = *state;

    fixture->conns.handle = handle_and_mind;
    fixture->replies_at_once = false;
    send_text(fixture, GET("/1"));
    send_text(fixture, GET("/stream") GET("/3"));
    stop_sending(fixture);
    assert_int_equal(fixture->gone_count, 0);
    reply_text(fixture->requests[0], 200, "first");
    run(fixture);
    assert_int_equal(count_of(fixture, "first"), 1);
    assert_int_equal(fixture->request_count, 2);
    assert_int_equal(fixture->gone_count, 1);
    assert_int_equal(fixture->conns.count, 0);
}

/* As much as makes the connection read no more. */
static void send_many(struct fixture *fixture)
{
    static const char more[] = GET("/more");
    char text[1000 * (sizeof(more) - 1) + 1];

    for (size_t i = 0; i < 1000; i++)
        memcpy(text + i * (sizeof(more) - 1), more, sizeof(more));
    send_text(fixture, text);
}

static void what_is_piled_up_behind_a_call_waits(void **state)
{
    struct fixture *fixture = *state;

    fixture->replies_at_once = false;
    send_text(fixture, GET("/1"));
    send_many(fixture);
    assert_int_equal(fixture->request_count, 1);
    assert_int_equal(fixture->conns.count, 1);
    hang_up(fixture);
    reply_text(fixture->requests[0], 200, "first");
    assert_int_equal(fixture->conns.count, 0);
}

static void what_is_piled_up_behind_a_stream_ends_it(void **state)
{
    struct fixture *fixture = *state;

    fixture->conns.handle = handle_and_mind;
    fixture->replies_at_once = false;
    send_text(fixture, GET("/stream"));
    send_many(fixture);
    assert_int_equal(fixture->gone_count, 1);
    assert_int_equal(fixture->conns.count, 0);
}

/* ---- Streams ------------------------------------------------------------------------------------ */

static void on_ready(struct http_request *request)
{
    struct fixture *fixture = request->handler;

    fixture->ready_count++;
    if (fixture->ready_count <= 2)
        http_stream_write(request, "piece", 5);
    else
        http_stream_end(request);
}

static void begin_stream(struct fixture *fixture, const char *request)
{
    fixture->replies_at_once = false;
    send_text(fixture, request);
    fixture->requests[0]->on_gone = on_gone;
    http_stream_begin(fixture->requests[0],
                      &(struct http_reply){.status = 200, .content_type = "text/plain"}, on_ready);
    assert_int_equal(fixture->ready_count, 0); /* not from inside */
}

static void a_stream_comes_in_pieces_and_the_connection_goes_on(void **state)
{
    struct fixture *fixture = *state;

    begin_stream(fixture, GET("/") GET("/next"));
    fixture->replies_at_once = true;
    run(fixture);
    assert_non_null(strstr(fixture->received, "transfer-encoding: chunked\r\n"));
    assert_non_null(
        strstr(fixture->received, "\r\n\r\n5\r\npiece\r\n5\r\npiece\r\n0\r\n\r\nHTTP/1.1"));
    assert_int_equal(fixture->request_count, 2);
}

static void on_ready_cut(struct http_request *request)
{
    struct fixture *fixture = request->handler;

    if (fixture->ready_count++ == 0)
        http_stream_write(request, "piece", 5);
    else
        http_stream_cut(request);
}

static void a_stream_that_is_cut_has_no_last_chunk(void **state)
{
    struct fixture *fixture = *state;

    fixture->replies_at_once = false;
    send_text(fixture, GET("/") GET("/next"));
    http_stream_begin(fixture->requests[0], &(struct http_reply){.status = 200}, on_ready_cut);
    run(fixture);
    assert_true(fixture->is_at_end);
    assert_string_equal(strstr(fixture->received, "\r\n\r\n"), "\r\n\r\n5\r\npiece\r\n");
    assert_int_equal(fixture->request_count, 1);
    assert_int_equal(fixture->closed_count, 1);
}

/* Two ends of a connection over TCP, which can be reset. */
static void connect_over_tcp(int fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *any = (struct sockaddr *)&address;
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, any, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, any, &size), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fds[0], any, size), 0);
    fds[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fds[1] >= 0);
    close(listener);
}

static void a_cut_stream_of_an_old_client_ends_with_a_reset(void **state)
{
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    struct fixture *fixture = *state;
    char received[1024];
    ssize_t size;
    int fds[2];

    fixture->replies_at_once = false;
    connect_over_tcp(fds);
    assert_true(http_conn_open(&fixture->conns, fds[1]));
    assert_int_equal(send(fds[0], request, sizeof(request) - 1, 0), sizeof(request) - 1);
    for (int i = 0; i < TURNS && fixture->request_count == 0; i++)
        turn(fixture);
    http_stream_begin(fixture->requests[0], &(struct http_reply){.status = 200}, on_ready_cut);
    for (int i = 0; i < TURNS && fixture->closed_count == 0; i++)
        turn(fixture);
    do
        size = recv(fds[0], received, sizeof(received), 0);
    while (size > 0);
    assert_int_equal(size, -1);
    assert_int_equal(errno, ECONNRESET);
    close(fds[0]);
}

static void the_stream_of_an_old_client_ends_with_its_connection(void **state)
{
    struct fixture *fixture = *state;

    begin_stream(fixture, "GET / HTTP/1.0\r\n\r\n");
    run(fixture);
    assert_null(strstr(fixture->received, "chunked"));
    assert_non_null(strstr(fixture->received, "\r\n\r\npiecepiece"));
    assert_true(fixture->is_at_end);
}

static void on_ready_flood(struct http_request *request)
{
    static char piece[64 * 1024];
    struct fixture *fixture = request->handler;

    fixture->ready_count++;
    memset(piece, 'p', sizeof(piece));
    http_stream_write(request, piece, sizeof(piece));
}

static void a_slow_reader_holds_up_its_stream_and_nothing_is_piled_up(void **state)
{
    struct fixture *fixture = *state;
    unsigned ready_count;

    fixture->replies_at_once = false;
    send_text(fixture, GET("/"));
    fixture->requests[0]->on_gone = on_gone;
    http_stream_begin(fixture->requests[0],
                      &(struct http_reply){.status = 200, .content_type = "text/plain"},
                      on_ready_flood);
    for (int i = 0; i < TURNS; i++)
        turn(fixture);
    ready_count = fixture->ready_count;
    assert_in_range(ready_count, 1, 20); /* what the sockets hold */
    for (int i = 0; i < TURNS; i++)
        turn(fixture);
    assert_int_equal(fixture->ready_count, ready_count);
    hang_up(fixture);
    assert_int_equal(fixture->gone_count, 1);
}

/* ---- Time --------------------------------------------------------------------------------------- */

static void pass(struct fixture *fixture, int64_t ms)
{
    fake_clock_advance(&fixture->clock, ms);
    run(fixture);
}

/* To the millisecond. */
static void assert_ends_after(struct fixture *fixture, int64_t ms)
{
    pass(fixture, ms - 1);
    assert_int_equal(fixture->closed_count, 0);
    pass(fixture, 1);
    assert_int_equal(fixture->closed_count, 1);
    assert_true(fixture->is_at_end);
}

static void an_idle_connection_has_a_minute(void **state)
{
    struct fixture *fixture = *state;

    pass(fixture, 30000);
    send_text(fixture, GET("/a")); /* and from here on again */
    assert_ends_after(fixture, 60000);
}

static void a_head_has_10_seconds_however_it_trickles(void **state)
{
    struct fixture *fixture = *state;

    send_text(fixture, "GET / HTTP/1.1\r\nX: ");
    for (int i = 0; i < 9; i++) {
        pass(fixture, 1000);
        send_text(fixture, "x");
    }
    assert_ends_after(fixture, 1000);
    assert_int_equal(fixture->request_count, 0);
}

static void a_body_has_30_seconds_however_it_trickles(void **state)
{
    static const char *const fields[] = {POST("Content-Length: 100\r\n"),
                                         POST("Transfer-Encoding: chunked\r\n") "64\r\n"};

    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        struct fixture *fixture;

        teardown(state);
        setup(state);
        fixture = *state;
        send_text(fixture, fields[i]);
        for (int second = 0; second < 29; second++) {
            pass(fixture, 1000);
            send_text(fixture, "x");
        }
        assert_ends_after(fixture, 1000);
        assert_int_equal(fixture->request_count, 0);
    }
}

/* A head and a body have 40 seconds together; then the request is the handler's, as long as it likes. */
static void a_request_that_is_worked_on_has_no_limit_here(void **state)
{
    struct fixture *fixture = *state;

    fixture->replies_at_once = false;
    send_text(fixture, GET("/a"));
    pass(fixture, 24 * 3600 * 1000);
    assert_int_equal(fixture->closed_count, 0);
    reply_text(fixture->requests[0], 200, "late");
    run(fixture);
    assert_int_equal(count_of(fixture, "late"), 1);
}

/* More than the sockets hold. */
static void reply_much(struct fixture *fixture)
{
    static char body[RECEIVED_SIZE * 64];

    fixture->replies_at_once = false;
    send_text(fixture, GET("/much"));
    memset(body, 'm', sizeof(body) - 1);
    reply_text(fixture->requests[0], 200, body);
}

static void a_reply_of_which_nothing_is_taken_is_given_up(void **state)
{
    struct fixture *fixture = *state;
    int fd = fixture->fd;

    reply_much(fixture);
    fixture->fd = -1; /* he does not read */
    pass(fixture, 14999);
    assert_int_equal(fixture->closed_count, 0);
    pass(fixture, 1);
    assert_int_equal(fixture->closed_count, 1);
    fixture->fd = fd;
}

/* Takes what the sockets hold, so that a little more can be sent. */
static void sip(struct fixture *fixture)
{
    static char bytes[64 * 1024];

    assert_true(recv(fixture->fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0);
    while (recv(fixture->fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    for (int i = 0; i < TURNS; i++)
        turn(fixture);
}

static void a_reply_that_is_sipped_has_five_minutes(void **state)
{
    struct fixture *fixture = *state;

    reply_much(fixture);
    for (int i = 0; i < 29; i++) {
        fake_clock_advance(&fixture->clock, 10000);
        sip(fixture);
        assert_int_equal(fixture->closed_count, 0);
    }
    fake_clock_advance(&fixture->clock, 9999);
    assert_int_equal(fixture->closed_count, 0);
    fake_clock_advance(&fixture->clock, 1);
    assert_int_equal(fixture->closed_count, 1);
}

static void a_stream_that_is_not_read_has_30_seconds(void **state)
{
    struct fixture *fixture = *state;
    int fd = fixture->fd;

    fixture->replies_at_once = false;
    send_text(fixture, GET("/"));
    fixture->requests[0]->on_gone = on_gone;
    fixture->fd = -1;
    http_stream_begin(fixture->requests[0], &(struct http_reply){.status = 200}, on_ready_flood);
    run(fixture);
    pass(fixture, 29999);
    assert_int_equal(fixture->closed_count, 0);
    pass(fixture, 1);
    assert_int_equal(fixture->closed_count, 1);
    assert_int_equal(fixture->gone_count, 1);
    fixture->fd = fd;
}

static void on_ready_silent(struct http_request *request)
{
    struct fixture *fixture = request->handler;

    fixture->ready_count++;
}

static void a_stream_with_nothing_to_send_may_be_silent(void **state)
{
    struct fixture *fixture = *state;

    fixture->replies_at_once = false;
    send_text(fixture, GET("/"));
    fixture->requests[0]->on_gone = on_gone;
    http_stream_begin(fixture->requests[0], &(struct http_reply){.status = 200}, on_ready_silent);
    run(fixture);
    assert_int_equal(fixture->ready_count, 1);
    pass(fixture, 3600 * 1000);
    assert_int_equal(fixture->closed_count, 0);
    http_stream_write(fixture->requests[0], "at last", 7);
    run(fixture);
    assert_int_equal(count_of(fixture, "at last"), 1);
}

static void what_comes_after_the_last_reply_is_read_while_it_comes(void **state)
{
    static char body[1024];
    struct fixture *fixture = *state;

    memset(body, 'b', sizeof(body));
    send_text(fixture, POST("Content-Length: 262145\r\n"));
    assert_int_equal(count_of(fixture, "HTTP/1.1 413 "), 1);
    assert_true(fixture->is_at_end);
    for (int i = 0; i < 6; i++) {
        pass(fixture, 4999);
        assert_int_equal(fixture->closed_count, 0);
        send_bytes(fixture, body, sizeof(body));
        run(fixture);
    }
    assert_ends_after(fixture, 30000 - 6 * 4999);
}

static void who_is_silent_after_the_last_reply_has_5_seconds(void **state)
{
    struct fixture *fixture = *state;

    send_text(fixture, "GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");
    assert_true(fixture->is_at_end);
    assert_ends_after(fixture, 5000);
}

/* ---- The end ------------------------------------------------------------------------------------ */

static void draining_closes_what_is_idle_and_lets_replies_finish(void **state)
{
    struct fixture *fixture = *state;

    fixture->replies_at_once = false;
    send_text(fixture, GET("/"));
    http_conns_drain(&fixture->conns);
    run(fixture);
    assert_int_equal(fixture->conns.count, 1);
    reply_text(fixture->requests[0], 200, "last");
    run(fixture);
    assert_non_null(strstr(fixture->received, "connection: close\r\n"));
    assert_true(fixture->is_at_end);

    teardown(state);
    setup(state);
    fixture = *state;
    http_conns_drain(&fixture->conns);
    run(fixture);
    assert_int_equal(fixture->conns.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_replied_and_the_connection_kept),
        TEST(a_request_may_come_byte_by_byte),
        TEST(pipelined_requests_are_answered_in_order),
        TEST(a_long_pipeline_is_worked_off),
        TEST(head_gets_no_body_but_its_length),
        TEST(a_reply_of_any_size_arrives_whole),
        TEST(a_body_that_is_expected_is_asked_for),
        TEST(a_client_that_asks_for_it_is_hung_up_on),
        TEST(what_cannot_be_read_is_refused_and_the_connection_closed),
        TEST(a_head_method_that_is_refused_gets_no_body),
        TEST(an_empty_line_before_a_request_is_forgiven),
        TEST(a_head_without_end_is_refused_at_its_limit),
        TEST(a_body_has_256_kilobytes_at_most),
        TEST(a_client_that_goes_while_nothing_is_asked_is_forgotten),
        TEST(a_handler_that_minds_is_told_that_its_client_has_gone),
        TEST(a_handler_that_does_not_mind_replies_to_nobody),
        TEST(who_sends_no_more_still_gets_his_replies),
        TEST(half_a_request_of_one_who_sends_no_more_is_none),
        TEST(a_stream_asked_for_by_one_who_sends_no_more_ends_at_once),
        TEST(what_is_piled_up_behind_a_call_waits),
        TEST(what_is_piled_up_behind_a_stream_ends_it),
        TEST(a_stream_comes_in_pieces_and_the_connection_goes_on),
        TEST(a_stream_that_is_cut_has_no_last_chunk),
        TEST(a_cut_stream_of_an_old_client_ends_with_a_reset),
        TEST(the_stream_of_an_old_client_ends_with_its_connection),
        TEST(a_slow_reader_holds_up_its_stream_and_nothing_is_piled_up),
        TEST(an_idle_connection_has_a_minute),
        TEST(a_head_has_10_seconds_however_it_trickles),
        TEST(a_body_has_30_seconds_however_it_trickles),
        TEST(a_request_that_is_worked_on_has_no_limit_here),
        TEST(a_reply_of_which_nothing_is_taken_is_given_up),
        TEST(a_reply_that_is_sipped_has_five_minutes),
        TEST(a_stream_that_is_not_read_has_30_seconds),
        TEST(a_stream_with_nothing_to_send_may_be_silent),
        TEST(what_comes_after_the_last_reply_is_read_while_it_comes),
        TEST(who_is_silent_after_the_last_reply_has_5_seconds),
        TEST(draining_closes_what_is_idle_and_lets_replies_finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
