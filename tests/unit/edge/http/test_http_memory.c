/* Memory runs out once, anywhere between the bytes of a request and those of its answer: the client gets
 * an answer that agrees with itself, or loses the connection, and the next one is served. */
#include "edge/http/http_conn.h"
#include "edge/http/http_gateway.h"
#include "fake/failing_heap.h"
#include "fake/fake_clock.h"
#include "fake/fake_event_store.h"
#include "fake/fake_order_store.h"
#include "fake/fake_random.h"
#include "observe/log.h"
#include "service/event_feed.h"
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
    RECEIVED_SIZE = 512 * 1024,
    TURNS = 3,
    PASS_MS = 200,
};

struct fixture {
    struct fake_clock clock; /* of services and gateway; connections keep real time */
    struct fake_random random;
    struct fake_catalog_store catalog;
    struct fake_order_store orders;
    struct fake_event_store events;
    struct service service;
    struct door_limits limits;
    struct http_site *site;
    struct http_gateway *gateway;
    struct loop *loop;
    struct clock_timer turn;
    struct http_conns conns;
    char order_id[UUID_TEXT_SIZE];
    char received[RECEIVED_SIZE];
};

/* ---- Fixture ------------------------------------------------------------------------------------ */

static void make_service(struct fixture *fixture)
{
    static const struct product tea = {.id = "tea",
                                       .name = "Green tea",
                                       .category = "shop",
                                       .price = {250, "EUR"},
                                       .available = 10};

    fake_clock_init(&fixture->clock);
    fake_random_init(&fixture->random, 1);
    fake_catalog_store_init(&fixture->catalog, &fixture->clock.base);
    fake_order_store_init(&fixture->orders, &fixture->catalog, &fixture->clock.base);
    fake_event_store_init(&fixture->events, &fixture->clock.base);
    fake_event_store_append(&fixture->events, "");
    fake_event_store_append(&fixture->events, "");
    fixture->service = (struct service){
        .catalog_store = &fixture->catalog.base,
        .order_store = &fixture->orders.base,
        .order_watches = order_watches_new(&fixture->orders.base, &fixture->clock.base),
        .event_feed = event_feed_new(&fixture->events.base, &fixture->clock.base),
        .clock = &fixture->clock.base,
        .random = &fixture->random.base,
        .page_key_set = true,
    };
    assert_non_null(fixture->service.order_watches);
    assert_non_null(fixture->service.event_feed);
    fake_catalog_store_put(&fixture->catalog, &tea);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct http_site_config config = {.origins = "https://shop.example"};
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
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    http_conns_deinit(&fixture->conns);
    http_gateway_free(fixture->gateway);
    fake_clock_advance(&fixture->clock, 1); /* looks of watches that have gone */
    http_site_free(fixture->site);
    order_watches_free(fixture->service.order_watches);
    event_feed_free(fixture->service.event_feed);
    fake_order_store_deinit(&fixture->orders);
    fake_catalog_store_deinit(&fixture->catalog);
    loop_free(fixture->loop);
    free(fixture);
    return 0;
}

static void on_turn(struct clock_timer *timer)
{
    loop_stop(CONTAINER_OF(timer, struct fixture, turn)->loop);
}

static void turn(struct fixture *fixture)
{
    for (int i = 0; i < TURNS; i++) {
        fixture->turn.on_time = on_turn;
        clock_timer_start(loop_clock(fixture->loop), &fixture->turn, 1);
        loop_run(fixture->loop);
    }
}

/* ---- Exchanges ------------------------------------------------------------------------------------ */

/* What has come so far; false when the connection is at its end. */
static bool receive(struct fixture *fixture, int fd, size_t *size)
{
    ssize_t got;

    do {
        assert_true(*size < RECEIVED_SIZE - 1);
        got = recv(fd, fixture->received + *size, RECEIVED_SIZE - 1 - *size, MSG_DONTWAIT);
        *size += got > 0 ? (size_t)got : 0;
        fixture->received[*size] = '\0';
    } while (got > 0);
    return got < 0 && errno == EAGAIN;
}

/* Sends a request and stays until it is answered, for two looks of a watch, or cut off. */
static void exchange(struct fixture *fixture, const char *text)
{
    int fds[2];
    size_t size = 0;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    if (http_conn_open(&fixture->conns, fds[1]))
        assert_int_equal(send(fds[0], text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    for (int i = 0; i < 2; i++) {
        turn(fixture);
        fake_clock_advance(&fixture->clock, PASS_MS);
        turn(fixture);
        if (!receive(fixture, fds[0], &size))
            break;
    }
    close(fds[0]);
    turn(fixture);
}

static long status_of(const char *received)
{
    static const char line[] = "HTTP/1.1 ";

    return strncmp(received, line, strlen(line)) == 0 ? strtol(received + strlen(line), NULL, 10)
                                                      : 0;
}

/* The code in an error's body is the status, unless it came later. */
static void assert_agrees_with_itself(const char *received)
{
    static const char key[] = "{\"error\":{\"code\":";
    const char *code = strstr(received, key);

    if (code != NULL && strtol(code + strlen(key), NULL, 10) != status_of(received) &&
        strstr(received, "\"reason\":\"OUT_OF_MEMORY\"") == NULL)
        fail_msg("the status is not that of the body: %s", received);
}

/* A stream as one JSON array begins as one, whatever comes in it. */
static void assert_begins_well(const char *received)
{
    const char *body = strstr(received, "\r\n\r\n");
    const char *chunk = body == NULL ? NULL : strstr(body + 4, "\r\n");

    if (strstr(received, "content-type: application/json\r\n") == NULL ||
        strstr(received, "transfer-encoding: chunked") == NULL || chunk == NULL ||
        strncmp(body + 4, "0\r\n", 3) == 0)
        return;
    if (chunk[2] != '[')
        fail_msg("an array expected, not: %s", received);
}

/* A request, and how it is answered when there is memory. */
struct scene {
    struct fixture *fixture;
    const char *request;
    int status;
    int other_status; /* as good, when something that is only of use has no memory */
    const char *contains;
    const char *last_words; /* of a stream; NULL: it has none */
};

/* A stream that has ended with its last chunk has told all, or why not, and has said its last words. */
static void assert_ends_well(const struct scene *scene)
{
    static const char last_chunk[] = "\r\n0\r\n\r\n";
    const char *received = scene->fixture->received;
    size_t size = strlen(received);
    bool has_failed = strstr(received, "OUT_OF_MEMORY") != NULL;

    if (strstr(received, "transfer-encoding: chunked") == NULL || size < strlen(last_chunk) ||
        strcmp(received + size - strlen(last_chunk), last_chunk) != 0)
        return;
    if (strstr(received, scene->contains) == NULL && !has_failed)
        fail_msg("'%s' or an error expected, not: %s", scene->contains, received);
    if (scene->last_words != NULL && strstr(received, scene->last_words) == NULL &&
        strstr(received, "event: error") == NULL)
        fail_msg("'%s' expected at the end, not: %s", scene->last_words, received);
}

static void ask(void *context)
{
    const struct scene *scene = context;
    struct fixture *fixture = scene->fixture;
    long status;

    failing_heap_begin();
    exchange(fixture, scene->request);
    failing_heap_end();
    status = status_of(fixture->received);
    assert_int_equal(fixture->limits.calls.count, 0);
    assert_int_equal(fixture->limits.orders.count, 0);
    assert_agrees_with_itself(fixture->received);
    assert_begins_well(fixture->received);
    assert_ends_well(scene);
    if (strstr(fixture->received, "event: end") != NULL) /* then all was told */
        assert_non_null(strstr(fixture->received, scene->contains));
    if (failing_heap_has_failed() && status != scene->status) {
        if (status != 0 && status != 429 && status != scene->other_status)
            fail_msg("%d or 429 expected, not: %s", scene->status, fixture->received);
        return;
    }
    if (status != scene->status)
        fail_msg("%d expected, not: %s", scene->status, fixture->received);
    if (!failing_heap_has_failed() && strstr(fixture->received, scene->contains) == NULL)
        fail_msg("'%s' expected, not: %s", scene->contains, fixture->received);
}

static void ask_all(struct fixture *fixture, struct scene *scenes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        scenes[i].fixture = fixture;
        failing_heap_each(ask, &scenes[i]);
    }
}

#define GET(path, fields) "GET " path " HTTP/1.1\r\nHost: shop\r\n" fields "\r\n"
#define SEND(method, path, size, body)                                    \
    method " " path " HTTP/1.1\r\nHost: shop\r\nIdempotency-Key: key\r\n" \
           "Content-Type: application/json\r\nContent-Length: " size "\r\n\r\n" body

static void requests_are_answered_wherever_memory_runs_out(void **state)
{
    static const char order[] =
        "{\"customerId\":\"ada\",\"lines\":[{\"productId\":\"tea\",\"quantity\":2}],"
        "\"shipTo\":{\"recipient\":\"Ada\",\"addressLines\":[\"12 St James Square\"],"
        "\"regionCode\":\"GB\"}}";
    char create[600], chunked[600];
    struct scene scenes[] = {
        {.request = GET("/v1/products/tea", ""), .status = 200, .contains = "Green tea"},
        {.request = GET("/v1/products/coffee", ""), .status = 404, .contains = "PRODUCT_NOT_FOUND"},
        {.request = GET("/v1/products/tea", "If-None-Match: *\r\n"),
         .status = 304,
         .other_status = 200,
         .contains = ""},
        {.request = GET("/v1/products?pageSize=1&category=shop", ""),
         .status = 200,
         .contains = "Green tea"},
        {.request = GET("/v1/products?nothing=1", ""), .status = 400, .contains = "FIELD_UNKNOWN"},
        {.request = GET("/v1/nothing/%74ea", ""), .status = 404, .contains = "error"},
        {.request = GET("/openapi.json", "Accept-Encoding: gzip\r\n"),
         .status = 200,
         .contains = ""},
        {.request = SEND("DELETE", "/v1/products", "0", ""), .status = 405, .contains = "error"},
        {.request =
             "OPTIONS /v1/products HTTP/1.1\r\nHost: shop\r\nOrigin: https://shop.example\r\n"
             "Access-Control-Request-Method: POST\r\n\r\n",
         .status = 204,
         .contains = "allow"},
        {.request = SEND("POST", "/v1/products/tea:adjustStock", "11", "{\"delta\":1}"),
         .status = 200,
         .contains = "Green tea"},
        {.request = SEND("PATCH", "/v1/products/tea", "20", "{\"name\":\"Green tea\"} "),
         .status = 200,
         .contains = "Green tea"},
        {.request = SEND("POST", "/v1/orders", "9", "{\"lines\":["),
         .status = 400,
         .contains = "error"},
        {.request = create, .status = 200, .contains = "PENDING"},
        {.request = chunked, .status = 200, .contains = "PENDING"},
    };

    snprintf(create, sizeof(create),
             "POST /v1/orders HTTP/1.1\r\nHost: shop\r\nIdempotency-Key: first\r\n"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(order), order);
    snprintf(chunked, sizeof(chunked),
             "POST /v1/orders HTTP/1.1\r\nHost: shop\r\nIdempotency-Key: second\r\n"
             "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n%s"
             "\r\n0\r\n\r\n",
             strlen(order), order);
    ask_all(*state, scenes, COUNT_OF(scenes));
}

static void make_order(struct fixture *fixture)
{
    static const char body[] =
        "{\"customerId\":\"ada\",\"lines\":[{\"productId\":\"tea\",\"quantity\":2}],"
        "\"shipTo\":{\"recipient\":\"Ada\",\"addressLines\":[\"12 St James Square\"],"
        "\"regionCode\":\"GB\"}}";
    char text[600];
    const char *id;

    snprintf(text, sizeof(text),
             "POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    exchange(fixture, text);
    id = strstr(fixture->received, "{\"id\":\"");
    assert_non_null(id);
    snprintf(fixture->order_id, sizeof(fixture->order_id), "%s", id + strlen("{\"id\":\""));
}

/* An order at rest: the watch tells its state and ends. */
static void watches_are_answered_wherever_memory_runs_out(void **state)
{
    static const struct {
        const char *type, *last_words;
    } forms[] = {
        {"text/event-stream", "event: end"},
        {"application/x-ndjson", NULL},
        {"application/json", "]\r\n0\r\n\r\n"},
    };
    struct fixture *fixture = *state;
    struct order *order;
    struct uuid id;

    make_order(fixture);
    assert_true(uuid_parse(fixture->order_id, &id));
    order = fake_order_store_find(&fixture->orders, &id);
    order->state = ORDER_CANCELLED;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        char text[200];
        struct scene scene = {.fixture = fixture,
                              .request = text,
                              .status = 200,
                              .contains = "CANCELLED",
                              .last_words = forms[i].last_words};

        snprintf(text, sizeof(text),
                 "GET /v1/orders/%s:watch HTTP/1.1\r\nHost: shop\r\nAccept: %s\r\n\r\n",
                 fixture->order_id, forms[i].type);
        failing_heap_each(ask, &scene);
        failing_heap_from_each(ask, &scene); /* then the last words may find none either */
        assert_int_equal(fixture->limits.watchers.count, 0);
    }
}

/* The client leaves in the end: neither of them ends by itself. */
static void streams_are_begun_or_refused_wherever_memory_runs_out(void **state)
{
    struct fixture *fixture = *state;
    char watch[200];
    struct scene scenes[] = {
        {.request = watch, .status = 200, .contains = "PENDING"},
        {.request = GET("/v1/events", "Accept: text/event-stream\r\n"),
         .status = 200,
         .contains = "orderId"},
        {.request = GET("/v1/events?afterPosition=1", "Accept: application/x-ndjson\r\n"),
         .status = 200,
         .contains = "orderId"},
    };

    make_order(fixture);
    snprintf(watch, sizeof(watch),
             "GET /v1/orders/%s:watch HTTP/1.1\r\nHost: shop\r\nAccept: text/event-stream\r\n\r\n",
             fixture->order_id);
    ask_all(fixture, scenes, COUNT_OF(scenes));
    assert_int_equal(fixture->limits.watchers.count, 0);
    assert_int_equal(event_feed_count(fixture->service.event_feed), 0);
    assert_int_equal(order_watches_count(fixture->service.order_watches), 0);
}

/* ---- What a door is made of ------------------------------------------------------------------------- */

static void make_gateway(void *context)
{
    struct fixture *fixture = context;
    struct http_conns conns = {.loop = fixture->loop, .clock = loop_clock(fixture->loop)};
    struct http_gateway *gateway;
    bool has_conns;

    failing_heap_begin();
    gateway = http_gateway_new(fixture->site, &fixture->clock.base, &fixture->service);
    has_conns = http_conns_init(&conns);
    failing_heap_end();
    assert_int_equal(gateway == NULL || !has_conns, failing_heap_has_failed());
    http_gateway_free(gateway);
    if (has_conns)
        http_conns_deinit(&conns);
}

static void a_gateway_is_whole_or_none(void **state)
{
    failing_heap_each(make_gateway, *state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(requests_are_answered_wherever_memory_runs_out),
        TEST(watches_are_answered_wherever_memory_runs_out),
        TEST(streams_are_begun_or_refused_wherever_memory_runs_out),
        TEST(a_gateway_is_whole_or_none),
    };

    log_configure(LOG_ERROR, LOG_JSON, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
