/* How exchanges end: answered, not reached, unknown; and that every one ends once. */
#include "client/http_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "canned_server.h"

#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void); /* its header is not everywhere */
#else
#include <malloc.h>
#endif

enum {
    CONNECTIONS = 2,
    MANY = 40,
    LONG_MS = 20000, /* far longer than anything takes */
    SHORT_MS = 500,  /* but time to connect and send, on a busy machine, too */
};

static struct loop *loop;
static struct canned_server *server;
static struct http_client *client;
static struct arena *arena;
static unsigned pending_count, stop_at_count;
static struct http_exchange exchanges[MANY];

static int setup(void **state)
{
    loop = loop_new();
    arena = arena_new(1024 * 1024);
    client = http_client_new(loop, CONNECTIONS);
    server = canned_server_new(loop);
    pending_count = 0;
    stop_at_count = 0;
    return 0;
}

static int teardown(void **state)
{
    http_client_free(client);
    canned_server_free(server);
    arena_free(arena);
    loop_free(loop);
    return 0;
}

static void exchange_done(struct http_exchange *exchange)
{
    assert_true(pending_count > 0);
    assert_ptr_equal(exchange->adapter[1], exchange); /* once each */
    exchange->adapter[1] = NULL;
    if (--pending_count == stop_at_count)
        loop_stop(loop);
}

static void start(struct http_exchange *exchange)
{
    exchange->adapter[1] = exchange;
    exchange->arena = arena;
    exchange->done = exchange_done;
    pending_count++;
    http_client_start(client, exchange);
    assert_ptr_equal(exchange->adapter[1], exchange); /* not from inside start */
}

static struct http_exchange run(struct http_exchange exchange)
{
    start(&exchange);
    loop_run(loop);
    return exchange;
}

static struct http_exchange get(int32_t timeout_ms)
{
    return (struct http_exchange){
        .method = "GET", .url = canned_server_url(server), .timeout_ms = timeout_ms};
}

static void a_get_brings_status_and_body(void **state)
{
    struct http_exchange exchange = run(get(LONG_MS));

    assert_int_equal(exchange.result, HTTP_ANSWERED);
    assert_int_equal(exchange.status, 200);
    assert_string_equal(exchange.answer, "{}");
    assert_int_equal(exchange.answer_size, 2);
    assert_int_equal(exchange.begun_count, 1);
    assert_true(exchange.duration_us > 0);
    assert_int_equal(exchange.retry_after_ms, 0);
    assert_string_equal(canned_server_request_line(server), "GET /");
}

static void a_post_sends_body_and_headers_and_expects_no_permission(void **state)
{
    static const char *const headers[] = {"X-Test: yes", "Content-Type: text/plain", NULL};
    static char
        body[5000]; /* curl would ask for permission with a body of 1 MiB, once with 1 KiB */
    struct http_exchange exchange = get(LONG_MS);

    memset(body, 'b', sizeof(body) - 1);
    exchange.method = "POST";
    exchange.body = body;
    exchange.body_size = sizeof(body) - 1;
    exchange.headers = headers;
    exchange = run(exchange);
    assert_int_equal(exchange.status, 200);
    assert_string_equal(canned_server_request_line(server), "POST /");
    assert_string_equal(canned_server_request_body(server), body);
    assert_string_equal(canned_server_request_header(server, "X-Test"), "yes");
    assert_string_equal(canned_server_request_header(server, "Content-Type"), "text/plain");
    assert_null(canned_server_request_header(server, "Expect"));
}

static void nothing_of_one_exchange_is_left_in_the_next(void **state)
{
    static const char *const headers[] = {"Authorization: Bearer secret", NULL};
    struct http_exchange exchange = get(LONG_MS);

    exchange.method = "POST";
    exchange.body = "body";
    exchange.body_size = 4;
    exchange.headers = headers;
    run(exchange);
    run(get(LONG_MS));
    assert_string_equal(canned_server_request_line(server), "GET /");
    assert_null(canned_server_request_header(server, "Authorization"));
    assert_string_equal(canned_server_request_body(server), "");
    exchange.body = NULL;
    exchange.headers = NULL;
    run(exchange);
    assert_string_equal(canned_server_request_line(server), "POST /");
    assert_string_equal(canned_server_request_body(server), "");
}

static void an_error_status_is_an_answer_and_may_say_when_to_come_again(void **state)
{
    struct http_exchange exchange;

    canned_server_answer(server, 429, "{}");
    canned_server_header(server, "Retry-After", "7");
    exchange = run(get(LONG_MS));
    assert_int_equal(exchange.result, HTTP_ANSWERED);
    assert_int_equal(exchange.status, 429);
    assert_int_equal(exchange.retry_after_ms, 7000);
}

static void a_redirect_is_not_followed(void **state)
{
    struct http_exchange exchange;

    canned_server_answer(server, 302, "");
    canned_server_header(server, "Location", canned_server_url(server));
    exchange = run(get(LONG_MS));
    assert_int_equal(exchange.status, 302);
    assert_int_equal(canned_server_request_count(server), 1);
}

static void other_protocols_are_not_spoken(void **state)
{
    struct http_exchange exchange = get(LONG_MS);

    exchange.url = "file:///etc/hostname";
    exchange = run(exchange);
    assert_int_equal(exchange.result, HTTP_NOT_REACHED);
    assert_non_null(exchange.problem);
}

static void where_nobody_listens_nothing_is_reached(void **state)
{
    char url[64];
    struct http_exchange exchange = get(LONG_MS);
    struct canned_server *gone = canned_server_new(loop);

    snprintf(url, sizeof(url), "%s", canned_server_url(gone));
    canned_server_free(gone);
    exchange.url = url;
    exchange = run(exchange);
    assert_int_equal(exchange.result, HTTP_NOT_REACHED);
    assert_int_equal(exchange.begun_count, 0);
}

static void a_name_that_does_not_resolve_is_not_reached(void **state)
{
    struct http_exchange exchange = get(LONG_MS);

    exchange.url = "http://name.invalid/";
    exchange = run(exchange);
    assert_int_equal(exchange.result, HTTP_NOT_REACHED);
}

static void an_answer_that_does_not_come_in_time_leaves_the_fate_unknown(void **state)
{
    struct http_exchange exchange;

    canned_server_mode(server, CANNED_SILENCE);
    exchange = run(get(SHORT_MS));
    assert_int_equal(exchange.result, HTTP_UNKNOWN);
    assert_int_equal(exchange.begun_count, 1);
    assert_non_null(exchange.problem);
}

static void a_connection_closed_without_an_answer_leaves_the_fate_unknown(void **state)
{
    struct http_exchange exchange;

    canned_server_mode(server, CANNED_CLOSE);
    exchange = run(get(LONG_MS));
    assert_int_equal(exchange.result, HTTP_UNKNOWN);
    assert_int_equal(exchange.begun_count, 1);
}

/* The trap: curl sends again by itself when a connection it had kept dies. */
static void a_request_sent_again_on_a_new_connection_is_counted_twice(void **state)
{
    struct http_exchange exchange;

    run(get(LONG_MS)); /* leaves a connection behind */
    canned_server_mode(server, CANNED_CLOSE_ONCE);
    exchange = run(get(LONG_MS));
    assert_int_equal(exchange.result, HTTP_ANSWERED);
    assert_int_equal(exchange.begun_count, 2);
    assert_int_equal(canned_server_request_count(server), 3);
}

/* The same trap at its worst: the first copy arrived, and of the second curl says "could not connect". */
static void a_request_that_arrived_and_could_not_be_sent_again_is_of_unknown_fate(void **state)
{
    struct http_exchange exchange;

    run(get(LONG_MS)); /* leaves a connection behind */
    canned_server_mode(server, CANNED_DIE);
    exchange = run(get(LONG_MS));
    assert_int_equal(exchange.result, HTTP_UNKNOWN);
    assert_true(exchange.begun_count >= 1);
    assert_int_equal(canned_server_request_count(server), 2);
    exchange = run(get(LONG_MS)); /* nobody is there: that one is not reached */
    assert_int_equal(exchange.result, HTTP_NOT_REACHED);
    assert_int_equal(exchange.begun_count, 0);
}

static void an_answer_may_be_as_large_as_the_limit_and_no_larger(void **state)
{
    static char body[LIMIT_ANSWER_SIZE + 2];
    struct http_exchange exchange;

    memset(body, 'x', LIMIT_ANSWER_SIZE);
    canned_server_answer(server, 200, body);
    exchange = run(get(LONG_MS));
    assert_int_equal(exchange.result, HTTP_ANSWERED);
    assert_int_equal(exchange.answer_size, LIMIT_ANSWER_SIZE);
    body[LIMIT_ANSWER_SIZE] = 'x';
    exchange = run(get(LONG_MS));
    assert_int_equal(exchange.result, HTTP_UNKNOWN);
}

static void an_answer_that_does_not_fit_the_arena_is_no_answer(void **state)
{
    static char body[4096];
    struct http_exchange exchange = get(LONG_MS);
    struct arena *small = arena_new(1024);

    memset(body, 'x', sizeof(body) - 1);
    canned_server_answer(server, 200, body);
    start(&exchange);
    exchange.arena = small;
    loop_run(loop);
    assert_int_equal(exchange.result, HTTP_UNKNOWN);
    arena_free(small);
}

static size_t allocated_bytes(void)
{
#ifdef __SANITIZE_ADDRESS__
    return __sanitizer_get_current_allocated_bytes();
#else
    return mallinfo2().uordblks;
#endif
}

/* As lists of payments are, every few minutes; what was used for one exchange is used again for others. */
static void the_memory_of_a_large_answer_is_not_kept(void **state)
{
    static char body[LIMIT_ANSWER_SIZE * 3 / 4];
    struct http_exchange exchange = get(LONG_MS);
    struct arena *own = arena_new(2 * LIMIT_ANSWER_SIZE);
    size_t before;

    run(get(LONG_MS)); /* what is kept in any case is there now */
    before = allocated_bytes();
    memset(body, 'x', sizeof(body) - 1);
    canned_server_answer(server, 200, body);
    start(&exchange);
    exchange.arena = own;
    loop_run(loop);
    assert_int_equal(exchange.result, HTTP_ANSWERED);
    arena_free(own);
    assert_in_range(allocated_bytes(), 0, before + sizeof(body) / 2);
}

static void more_exchanges_than_connections_wait_and_all_are_answered(void **state)
{
    for (int i = 0; i < MANY; i++) {
        exchanges[i] = get(LONG_MS);
        start(&exchanges[i]);
    }
    loop_run(loop);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(exchanges[i].result, HTTP_ANSWERED);
    assert_int_equal(canned_server_request_count(server), MANY);
}

/* Whoever is done began before all who came later: of those before it only the ones at work are left. */
static void done_in_turn(struct http_exchange *exchange)
{
    unsigned left_count = 0;

    for (struct http_exchange *earlier = exchanges; earlier < exchange; earlier++)
        left_count += earlier->adapter[1] != NULL;
    assert_true(left_count < CONNECTIONS);
    exchange_done(exchange);
}

static void first_come_first_served(void **state)
{
    for (int i = 0; i < MANY; i++) {
        exchanges[i] = get(LONG_MS);
        start(&exchanges[i]);
        exchanges[i].done = done_in_turn;
    }
    loop_run(loop);
}

static void look_whether_all_connections_are_held(struct clock_timer *timer)
{
    if (canned_server_held_count(server) == CONNECTIONS)
        loop_stop(loop);
    else
        clock_timer_start(loop_clock(loop), timer, 1);
}

static void hold_all_connections(void)
{
    struct clock_timer timer = {.on_time = look_whether_all_connections_are_held};

    canned_server_mode(server, CANNED_SILENCE);
    for (int i = 0; i < CONNECTIONS; i++) {
        exchanges[i] = get(LONG_MS);
        start(&exchanges[i]);
    }
    clock_timer_start(loop_clock(loop), &timer, 0);
    loop_run(loop);
}

static int64_t now_ms(void)
{
    return clock_now_ms(loop_clock(loop));
}

static void an_exchange_has_its_whole_time_once_its_turn_has_come(void **state)
{
    int64_t start_ms = now_ms();

    canned_server_mode(server, CANNED_SILENCE);
    for (int i = 0; i < CONNECTIONS; i++) {
        exchanges[i] = get(SHORT_MS);
        start(&exchanges[i]);
    }
    exchanges[CONNECTIONS] = get(2 * SHORT_MS);
    start(&exchanges[CONNECTIONS]);
    loop_run(loop);
    assert_int_equal(exchanges[CONNECTIONS].result, HTTP_UNKNOWN);
    assert_int_equal(exchanges[CONNECTIONS].begun_count, 1);
    assert_true(now_ms() - start_ms >= 3 * SHORT_MS);
}

static void one_that_waits_all_its_time_is_not_reached(void **state)
{
    hold_all_connections();
    stop_at_count = CONNECTIONS;
    for (int i = CONNECTIONS; i < CONNECTIONS + 3; i++) {
        exchanges[i] = get(SHORT_MS);
        start(&exchanges[i]);
    }
    loop_run(loop);
    for (int i = CONNECTIONS; i < CONNECTIONS + 3; i++) {
        assert_int_equal(exchanges[i].result, HTTP_NOT_REACHED);
        assert_true(exchanges[i].was_crowded_out);
    }
    assert_int_equal(canned_server_held_count(server), CONNECTIONS);
}

static void one_may_wait_for_its_turn_less_long_than_it_may_take(void **state)
{
    hold_all_connections();
    stop_at_count = CONNECTIONS;
    exchanges[CONNECTIONS] = get(LONG_MS);
    exchanges[CONNECTIONS].turn_ms = 1;
    start(&exchanges[CONNECTIONS]);
    loop_run(loop);
    assert_int_equal(exchanges[CONNECTIONS].result, HTTP_NOT_REACHED);
    assert_true(exchanges[CONNECTIONS].was_crowded_out);
}

static void one_more_than_may_wait_is_crowded_out_at_once(void **state)
{
    struct http_exchange *waiting = calloc(LIMIT_ORDERS + 1, sizeof(*waiting));
    struct http_exchange *last = &waiting[LIMIT_ORDERS];

    hold_all_connections();
    stop_at_count = CONNECTIONS + LIMIT_ORDERS;
    for (int i = 0; i <= LIMIT_ORDERS; i++) {
        waiting[i] = get(LONG_MS);
        start(&waiting[i]);
    }
    loop_run(loop);
    assert_null(last->adapter[1]); /* it is the one that is done */
    assert_int_equal(last->result, HTTP_NOT_REACHED);
    assert_true(last->was_crowded_out);
    stop_at_count = 0;
    http_client_free(client);
    client = NULL;
    assert_int_equal(pending_count, 0);
    free(waiting);
}

/* As an order that is tried again as soon as it hears that a try has failed. */
static void done_and_started_again(struct http_exchange *exchange)
{
    exchange_done(exchange);
    start(exchange);
}

static void one_started_while_the_client_closes_is_not_reached(void **state)
{
    hold_all_connections();
    exchanges[0].done = done_and_started_again;
    http_client_free(client);
    client = NULL;
    assert_int_equal(pending_count, 0);
    assert_int_equal(exchanges[0].result, HTTP_NOT_REACHED);
    assert_int_equal(exchanges[1].result, HTTP_UNKNOWN);
}

static void closing_the_client_ends_what_is_in_flight(void **state)
{
    hold_all_connections();
    exchanges[CONNECTIONS] = get(LONG_MS);
    start(&exchanges[CONNECTIONS]);
    http_client_free(client);
    client = NULL;
    assert_int_equal(pending_count, 0);
    for (int i = 0; i < CONNECTIONS; i++)
        assert_int_equal(exchanges[i].result, HTTP_UNKNOWN);
    assert_int_equal(exchanges[CONNECTIONS].result, HTTP_NOT_REACHED); /* it waited */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_get_brings_status_and_body),
        TEST(a_post_sends_body_and_headers_and_expects_no_permission),
        TEST(nothing_of_one_exchange_is_left_in_the_next),
        TEST(an_error_status_is_an_answer_and_may_say_when_to_come_again),
        TEST(a_redirect_is_not_followed),
        TEST(other_protocols_are_not_spoken),
        TEST(where_nobody_listens_nothing_is_reached),
        TEST(a_name_that_does_not_resolve_is_not_reached),
        TEST(an_answer_that_does_not_come_in_time_leaves_the_fate_unknown),
        TEST(a_connection_closed_without_an_answer_leaves_the_fate_unknown),
        TEST(a_request_sent_again_on_a_new_connection_is_counted_twice),
        TEST(a_request_that_arrived_and_could_not_be_sent_again_is_of_unknown_fate),
        TEST(an_answer_may_be_as_large_as_the_limit_and_no_larger),
        TEST(an_answer_that_does_not_fit_the_arena_is_no_answer),
        TEST(the_memory_of_a_large_answer_is_not_kept),
        TEST(more_exchanges_than_connections_wait_and_all_are_answered),
        TEST(first_come_first_served),
        TEST(an_exchange_has_its_whole_time_once_its_turn_has_come),
        TEST(one_that_waits_all_its_time_is_not_reached),
        TEST(one_may_wait_for_its_turn_less_long_than_it_may_take),
        TEST(one_more_than_may_wait_is_crowded_out_at_once),
        TEST(one_started_while_the_client_closes_is_not_reached),
        TEST(closing_the_client_ends_what_is_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
