/* The gateway over services with stores in memory: what time, limits, slow clients and the end do to calls and
 * watches. What is answered to what stands in tests/client/test_http.py. */
#include "edge/http/http_conn.h"
#include "edge/http/http_gateway.h"
#include "fake/fake_clock.h"
#include "fake/fake_order_store.h"
#include "fake/fake_random.h"
#include "observe/log.h"
#include "service/order_watch.h"

#include <errno.h>
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
    CLIENTS_MAX = 3,
    RECEIVED_SIZE = 256 * 1024,
    TURNS = 4,
    PASS_MS = 200, /* a watch looks so often */
    HEARTBEAT_MS = 15000,
};

/* One connection: our end, and what came. */
struct client {
    int fd;
    char received[RECEIVED_SIZE];
    size_t size;
    bool is_at_end;
};

struct fixture {
    struct fake_clock clock; /* of services and gateway; connections keep real time */
    struct fake_random random;
    struct fake_catalog_store catalog;
    struct fake_order_store orders;
    struct service service;
    struct door_limits limits;
    struct http_site *site;
    struct http_gateway *gateway;
    struct loop *loop;
    struct clock_timer turn;
    struct http_conns conns;
    struct client clients[CLIENTS_MAX];
};

/* ---- Fixture ------------------------------------------------------------------------------------ */

static void put_products(struct fixture *fixture)
{
    static const struct product tea = {.id = "tea",
                                       .name = "Green tea",
                                       .category = "shop",
                                       .price = {250, "EUR"},
                                       .available = 10};

    fake_catalog_store_put(&fixture->catalog, &tea);
}

static void make_service(struct fixture *fixture)
{
    fake_clock_init(&fixture->clock);
    fake_random_init(&fixture->random, 1);
    fake_catalog_store_init(&fixture->catalog, &fixture->clock.base);
    fake_order_store_init(&fixture->orders, &fixture->catalog, &fixture->clock.base);
    fixture->service = (struct service){
        .catalog_store = &fixture->catalog.base,
        .order_store = &fixture->orders.base,
        .order_watches = order_watches_new(&fixture->orders.base, &fixture->clock.base),
        .clock = &fixture->clock.base,
        .random = &fixture->random.base,
        .page_key_set = true,
    };
    assert_non_null(fixture->service.order_watches);
    put_products(fixture);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct http_site_config config = {.origins = ""};
    struct error err = {0};

    assert_non_null(fixture);
    make_service(fixture);
    fixture->limits = (struct door_limits){{.max = 10}, {.max = 10}, {.max = 10}};
    config.limits = &fixture->limits;
    fixture->site = http_site_new(&config, &err);
    assert_non_null(fixture->site);
    fixture->gateway = http_gateway_new(fixture->site, &fixture->clock.base, &fixture->service);
    fixture->loop = loop_new();
    assert_non_null(fixture->gateway);
    assert_non_null(fixture->loop);
    fixture->conns = (struct http_conns){.loop = fixture->loop,
                                         .clock = loop_clock(fixture->loop),
                                         .handle = http_gateway_handle,
                                         .handle_arg = fixture->gateway};
    assert_true(http_conns_init(&fixture->conns));
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        fixture->clients[i].fd = -1;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    http_conns_deinit(&fixture->conns);
    http_gateway_free(fixture->gateway);
    assert_int_equal(fixture->limits.calls.count, 0);
    assert_int_equal(fixture->limits.orders.count, 0);
    assert_int_equal(fixture->limits.watchers.count, 0);
    fake_clock_advance(&fixture->clock, 1); /* looks of watches that have gone */
    http_site_free(fixture->site);
    order_watches_free(fixture->service.order_watches);
    fake_order_store_deinit(&fixture->orders);
    fake_catalog_store_deinit(&fixture->catalog);
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (fixture->clients[i].fd >= 0)
            close(fixture->clients[i].fd);
    }
    loop_free(fixture->loop);
    free(fixture);
    return 0;
}

static void on_turn(struct clock_timer *timer)
{
    loop_stop(CONTAINER_OF(timer, struct fixture, turn)->loop);
}

/* Lets the connections work. */
static void turn(struct fixture *fixture)
{
    for (int i = 0; i < TURNS; i++) {
        fixture->turn.on_time = on_turn;
        clock_timer_start(loop_clock(fixture->loop), &fixture->turn, 1);
        loop_run(fixture->loop);
    }
}

static void receive(struct client *client)
{
    ssize_t size;

    while (client->fd >= 0 && !client->is_at_end) {
        size = recv(client->fd, client->received + client->size, RECEIVED_SIZE - 1 - client->size,
                    MSG_DONTWAIT);
        if (size < 0 && errno == EAGAIN)
            break;
        client->is_at_end = size <= 0;
        client->size += size > 0 ? (size_t)size : 0;
    }
    client->received[client->size] = '\0';
}

/* Lets time pass for the services, and everybody work and read. */
static void pass(struct fixture *fixture, int64_t ms)
{
    turn(fixture);
    fake_clock_advance(&fixture->clock, ms);
    turn(fixture);
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        receive(&fixture->clients[i]);
}

static struct client *open_client(struct fixture *fixture, size_t index)
{
    struct client *client = &fixture->clients[index];
    int fds[2], small = 4096;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    assert_true(http_conn_open(&fixture->conns, fds[1]));
    client->fd = fds[0];
    return client;
}

static void send_text(const struct client *client, const char *text)
{
    assert_int_equal(send(client->fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void hang_up(struct fixture *fixture, struct client *client)
{
    close(client->fd);
    client->fd = -1;
    turn(fixture);
}

static void forget(struct client *client)
{
    client->size = 0;
    client->received[0] = '\0';
}

#define GET(path, fields) "GET " path " HTTP/1.1\r\nHost: shop\r\n" fields "\r\n"
#define EVENTS "Accept: text/event-stream\r\n"
#define TEA GET("/v1/products/tea", "")

static void assert_status(const struct client *client, int status)
{
    char expected[16];

    snprintf(expected, sizeof(expected), "HTTP/1.1 %d ", status);
    if (strncmp(client->received, expected, strlen(expected)) != 0)
        fail_msg("%d expected, not: %s", status, client->received);
}

static unsigned count_of(const struct client *client, const char *text)
{
    unsigned count = 0;

    for (const char *at = client->received; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

/* ---- Calls -------------------------------------------------------------------------------------- */

static void a_call_is_answered_when_the_service_ends_it(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = open_client(fixture, 0);

    send_text(client, TEA);
    turn(fixture);
    receive(client);
    assert_int_equal(client->size, 0);
    assert_int_equal(fixture->limits.calls.count, 1);
    pass(fixture, 1);
    assert_status(client, 200);
    assert_non_null(strstr(client->received, "\r\n\r\n{\"id\":\"tea\",\"name\":\"Green tea\","));
    assert_int_equal(fixture->limits.calls.count, 0);
}

static void a_call_whose_client_has_gone_keeps_its_place_until_it_ends(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = open_client(fixture, 0);

    send_text(client, TEA);
    turn(fixture);
    hang_up(fixture, client);
    assert_int_equal(fixture->limits.calls.count, 1);
    pass(fixture, 1);
    assert_int_equal(fixture->limits.calls.count, 0);
    assert_int_equal(fixture->conns.count, 0);
}

static void beyond_the_limit_calls_are_refused_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct client *one = open_client(fixture, 0), *two = open_client(fixture, 1);

    fixture->limits.calls.max = 1;
    send_text(one, TEA);
    send_text(two, TEA);
    turn(fixture);
    receive(one);
    receive(two);
    assert_int_equal((one->size > 0) + (two->size > 0), 1);
    assert_status(one->size > 0 ? one : two, 429);
    assert_int_equal(count_of(one, "TOO_MANY_CALLS") + count_of(two, "TOO_MANY_CALLS"), 1);
    assert_int_equal(count_of(one, "retry-after: 1\r\n") + count_of(two, "retry-after: 1\r\n"), 1);
    pass(fixture, 1);
}

static void calls_that_wait_for_an_order_have_a_limit_of_their_own(void **state)
{
    struct fixture *fixture = *state;
    struct client *client = open_client(fixture, 0);

    fixture->limits.orders.max = 0;
    send_text(client,
              "POST /v1/orders/x:process HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n");
    pass(fixture, 1);
    assert_status(client, 429);
    assert_non_null(strstr(client->received, "TOO_MANY_ORDERS"));
    forget(client);
    fixture->limits.calls.max = 0;
    send_text(client, TEA);
    pass(fixture, 1);
    assert_non_null(strstr(client->received, "TOO_MANY_CALLS"));
}

static void a_call_that_never_ends_goes_with_the_gateway(void **state)
{
    struct fixture *fixture = *state;

    fixture->catalog.completion.hold = true;
    send_text(open_client(fixture, 0), TEA);
    pass(fixture, 1);
    assert_int_equal(fixture->limits.calls.count, 1);
    /* teardown finds nothing left of it */
}

/* ---- Watches ------------------------------------------------------------------------------------ */

/* An order of one tea; its path. */
static struct order *make_order(struct fixture *fixture)
{
    static const char body[] =
        "{\"customerId\":\"ada\",\"lines\":[{\"productId\":\"tea\",\"quantity\":1}],\"shipTo\":"
        "{\"recipient\":\"A\",\"addressLines\":[\"1\"],\"regionCode\":\"GB\"}}";
    struct client *client = open_client(fixture, CLIENTS_MAX - 1);
    char text[512];

    snprintf(text, sizeof(text),
             "POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    send_text(client, text);
    pass(fixture, 1);
    assert_status(client, 200);
    hang_up(fixture, client);
    forget(client);
    assert_int_equal(fixture->orders.count, 1);
    return fixture->orders.rows[0];
}

static void watch(struct fixture *fixture, const struct order *order, struct client *client,
                  const char *query, const char *fields)
{
    char text[512], id[UUID_TEXT_SIZE];

    uuid_format(&order->id, id);
    snprintf(text, sizeof(text), "GET /v1/orders/%s:watch%s HTTP/1.1\r\nHost: shop\r\n%s\r\n", id,
             query, fields);
    send_text(client, text);
    pass(fixture, 1);
    pass(fixture, 1);
}

static void change(struct fixture *fixture, struct order *order, enum order_state state)
{
    order->state = state;
    order->revision++;
    service_order_changed(&fixture->service, &order->id);
}

static void a_silent_event_stream_says_that_it_is_still_there(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = make_order(fixture);
    struct client *client = open_client(fixture, 0);

    watch(fixture, order, client, "", EVENTS);
    assert_int_equal(count_of(client, "id: 1\ndata: {"), 1);
    assert_int_equal(count_of(client, ": still there\n\n"), 0);
    pass(fixture, HEARTBEAT_MS);
    pass(fixture, HEARTBEAT_MS);
    assert_int_equal(count_of(client, ": still there\n\n"), 2);
    change(fixture, order, ORDER_FULFILLED);
    pass(fixture, 1);
    pass(fixture, 1);
    assert_int_equal(count_of(client, "id: 2\ndata: {"), 1);
    assert_non_null(strstr(client->received, "event: end\ndata:\n\n\r\n0\r\n\r\n"));
    assert_int_equal(fixture->limits.watchers.count, 0);
}

static void a_stream_without_news_begins_all_the_same(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = make_order(fixture);
    struct client *client = open_client(fixture, 0);

    watch(fixture, order, client, "?afterRevision=1", "");
    assert_int_equal(client->size, 0);
    pass(fixture, HEARTBEAT_MS);
    assert_status(client, 200);
    change(fixture, order, ORDER_CANCELLED);
    pass(fixture, 1);
    pass(fixture, 1);
    assert_int_equal(count_of(client, "\"state\":\"CANCELLED\""), 1);
    assert_non_null(strstr(client->received, "0\r\n\r\n"));
}

static void who_says_he_has_seen_what_is_to_come_misses_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = make_order(fixture);
    struct client *client = open_client(fixture, 0);

    watch(fixture, order, client, "", EVENTS "Last-Event-ID: 9999\r\n");
    assert_status(client, 200);
    assert_int_equal(count_of(client, "data: {"), 0);
    change(fixture, order, ORDER_CANCELLED);
    pass(fixture, 1);
    pass(fixture, 1);
    assert_int_equal(count_of(client, "id: 2\ndata: {"), 1);
    assert_int_equal(count_of(client, "event: end\n"), 1);
    forget(client);
    watch(fixture, order, client, "", EVENTS "Last-Event-ID: 9999\r\n");
    assert_status(client, 204);
}

static void ask_for_head_of_watch(struct fixture *fixture, const struct order *order,
                                  const struct client *client, const char *fields)
{
    char text[512], id[UUID_TEXT_SIZE];

    uuid_format(&order->id, id);
    snprintf(text, sizeof(text), "HEAD /v1/orders/%s:watch HTTP/1.1\r\nHost: shop\r\n%s\r\n", id,
             fields);
    send_text(client, text);
    pass(fixture, 1);
    pass(fixture, 1);
}

static void assert_head_of_stream(const struct client *client)
{
    assert_status(client, 200);
    assert_int_equal(count_of(client, "transfer-encoding: chunked\r\n"), 1);
    assert_int_equal(count_of(client, "cache-control: no-store\r\n"), 1);
    assert_int_equal(count_of(client, "content-length"), 0);
    assert_string_equal(client->received + client->size - 4, "\r\n\r\n");
}

static void head_of_a_watch_is_that_of_the_stream(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = make_order(fixture);
    struct client *client = open_client(fixture, 0);

    ask_for_head_of_watch(fixture, order, client, "");
    assert_head_of_stream(client);
    assert_int_equal(fixture->limits.watchers.count, 0);
    forget(client);
    send_text(client, TEA); /* the connection goes on */
    pass(fixture, 1);
    assert_status(client, 200);
}

static void head_of_a_watch_is_that_of_the_stream_also_of_an_order_at_rest(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = make_order(fixture);
    struct client *client = open_client(fixture, 0);

    change(fixture, order, ORDER_CANCELLED);
    ask_for_head_of_watch(fixture, order, client, "");
    assert_head_of_stream(client);
    forget(client);
    ask_for_head_of_watch(fixture, order, client, EVENTS "Last-Event-ID: 1\r\n");
    assert_head_of_stream(client);
    forget(client);
    ask_for_head_of_watch(fixture, order, client, EVENTS "Last-Event-ID: 2\r\n");
    assert_status(client, 204); /* it has seen the last */
    assert_int_equal(fixture->limits.watchers.count, 0);
}

static void a_watch_ends_when_the_time_its_client_gave_is_over(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = make_order(fixture);
    struct client *streaming = open_client(fixture, 0), *waiting = open_client(fixture, 1);
    struct client *late = open_client(fixture, 2);

    watch(fixture, order, streaming, "", "Grpc-Timeout: 300m\r\n");
    watch(fixture, order, waiting, "?afterRevision=1", "Grpc-Timeout: 300m\r\n");
    pass(fixture, 290);
    assert_int_equal(fixture->limits.watchers.count, 2);
    pass(fixture, 10);
    pass(fixture, 1);
    assert_int_equal(count_of(streaming, ",{\"error\":{\"code\":504,"), 1);
    assert_non_null(strstr(streaming->received, "]\r\n0\r\n\r\n"));
    assert_status(waiting, 504);
    watch(fixture, order, late, "", "Grpc-Timeout: 0S\r\n");
    assert_status(late, 504);
    assert_int_equal(count_of(late, "DEADLINE_EXCEEDED"), 2);
    assert_int_equal(fixture->limits.watchers.count, 0);
}

static void a_watcher_that_has_gone_leaves_nothing_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = make_order(fixture);
    struct client *streaming = open_client(fixture, 0), *waiting = open_client(fixture, 1);

    watch(fixture, order, streaming, "", EVENTS);
    watch(fixture, order, waiting, "?afterRevision=1", "");
    assert_int_equal(order_watches_count(fixture->service.order_watches), 2);
    assert_int_equal(fixture->limits.watchers.count, 2);
    hang_up(fixture, streaming);
    hang_up(fixture, waiting);
    assert_int_equal(order_watches_count(fixture->service.order_watches), 0);
    assert_int_equal(fixture->limits.watchers.count, 0);
}

static void a_watcher_that_has_gone_behind_a_pile_of_requests_leaves_nothing(void **state)
{
    static const char more[] = GET("/healthz", "");
    char text[700 * (sizeof(more) - 1) + 1];
    struct fixture *fixture = *state;
    struct order *order = make_order(fixture);
    struct client *streaming = open_client(fixture, 0), *waiting = open_client(fixture, 1);

    watch(fixture, order, streaming, "", "");
    watch(fixture, order, waiting, "?afterRevision=1", "");
    for (size_t i = 0; i < 700; i++)
        memcpy(text + i * (sizeof(more) - 1), more, sizeof(more));
    send_text(streaming, text);
    send_text(waiting, text);
    turn(fixture);
    hang_up(fixture, streaming);
    hang_up(fixture, waiting);
    assert_int_equal(order_watches_count(fixture->service.order_watches), 0);
    assert_int_equal(fixture->limits.watchers.count, 0);
    assert_int_equal(fixture->conns.count, 0);
}

static void a_slow_reader_gets_the_newest_and_nothing_is_kept_for_him(void **state)
{
    enum {
        CHANGES = 50,
        READS = 25 /* more than what the socket holds needs */
    };
    struct fixture *fixture = *state;
    struct order *order = make_order(fixture);
    struct client *client = open_client(fixture, 0);
    int fd = client->fd;

    watch(fixture, order, client, "", EVENTS);
    client->fd = -1; /* he reads no more */
    for (int i = 0; i < CHANGES; i++) {
        change(fixture, order, ORDER_CHARGING);
        fake_clock_advance(&fixture->clock, PASS_MS);
        turn(fixture);
    }
    client->fd = fd;
    for (int i = 0; i < READS; i++)
        pass(fixture, 1);
    assert_true(count_of(client, "data: ") < CHANGES / 2);
    assert_int_equal(count_of(client, "id: 51\ndata: {"), 1);
}

static void watches_end_when_the_gateway_drains(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = make_order(fixture);
    struct client *streaming = open_client(fixture, 0), *waiting = open_client(fixture, 1);

    watch(fixture, order, streaming, "", "");
    watch(fixture, order, waiting, "?afterRevision=1", "");
    http_gateway_drain(fixture->gateway);
    pass(fixture, 1);
    pass(fixture, 1);
    assert_status(streaming, 200);
    assert_int_equal(count_of(streaming, ",{\"error\":{\"code\":503,"), 1);
    assert_non_null(strstr(streaming->received, "]\r\n0\r\n\r\n"));
    assert_status(waiting, 503);
    forget(waiting);
    watch(fixture, order, waiting, "", "");
    assert_status(waiting, 503);
    assert_int_equal(count_of(waiting, "SHUTTING_DOWN"), 1);
    forget(waiting);
    send_text(waiting, TEA);
    pass(fixture, 1);
    assert_status(waiting, 200); /* calls go on */
}

static void a_store_that_fails_is_a_status_before_the_first_message(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = make_order(fixture);
    struct client *client = open_client(fixture, 0);

    error_set(&fixture->orders.completion.fail_next, REASON_STORE_UNAVAILABLE);
    watch(fixture, order, client, "", EVENTS);
    assert_status(client, 503);
    assert_int_equal(count_of(client, "STORE_UNAVAILABLE"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_is_answered_when_the_service_ends_it),
        TEST(a_call_whose_client_has_gone_keeps_its_place_until_it_ends),
        TEST(beyond_the_limit_calls_are_refused_at_once),
        TEST(calls_that_wait_for_an_order_have_a_limit_of_their_own),
        TEST(a_call_that_never_ends_goes_with_the_gateway),
        TEST(a_silent_event_stream_says_that_it_is_still_there),
        TEST(a_stream_without_news_begins_all_the_same),
        TEST(who_says_he_has_seen_what_is_to_come_misses_nothing),
        TEST(head_of_a_watch_is_that_of_the_stream),
        TEST(head_of_a_watch_is_that_of_the_stream_also_of_an_order_at_rest),
        TEST(a_watch_ends_when_the_time_its_client_gave_is_over),
        TEST(a_watcher_that_has_gone_leaves_nothing_at_once),
        TEST(a_watcher_that_has_gone_behind_a_pile_of_requests_leaves_nothing),
        TEST(a_slow_reader_gets_the_newest_and_nothing_is_kept_for_him),
        TEST(watches_end_when_the_gateway_drains),
        TEST(a_store_that_fails_is_a_status_before_the_first_message),
    };

    log_configure(LOG_ERROR, LOG_JSON, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
