/* Unary calls through a real door: limits, deadlines, refusals, draining, as clients see them. */
#include "grpc_door_fixture.h"

#include "base/limits.h"
#include "observe/metrics.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Unary calls */

static void a_call_reaches_its_service_function_and_its_reply_comes_back(void **state)
{
    struct client_call call;
    get(*state, &call, "p1");
    assert_product(&call, "p1");
    assert_int_equal(call.trailing.count, 0);
    client_call_deinit(&call);
}

static void an_error_arrives_with_code_message_and_details(void **state)
{
    struct client_call call;
    get(*state, &call, "missing");
    assert_failure(&call, REASON_PRODUCT_NOT_FOUND);
    assert_int_equal(grpc_slice_str_cmp(call.message, "no product 50 % \xc3\xa9"), 0);
    client_call_deinit(&call);
}

static void a_replayed_answer_says_so(void **state)
{
    struct client_call call;
    char *header, *trailer;

    get(*state, &call, "replayed");
    assert_product(&call, "replayed");
    header = client_metadata(&call.initial, "idempotent-replayed", NULL);
    trailer = client_metadata(&call.trailing, "idempotent-replayed", NULL);
    assert_string_equal(header, "true");
    assert_string_equal(trailer, "true");
    free(header);
    free(trailer);
    client_call_deinit(&call);
}

static void methods_that_are_not_there_are_unimplemented(void **state)
{
    static const char *const paths[] = {
        "/shop.v1.Catalog/NoSuchMethod",
        "/no.such.Service/Method",
        "/shop.v1.Inventory/Reserve",
    };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        expect_failure(*state, paths[i], "", 0, REASON_METHOD_NOT_FOUND);
    }
}

static void what_is_no_message_is_refused(void **state)
{
    static const struct {
        const char *what;
        uint8_t bytes[8];
        size_t size;
        enum reason reason;
    } cases[] = {
        {"truncated", {0x0a, 0x05, 'a'}, 3, REASON_MESSAGE_INVALID},
        {"field 0", {0x00, 0x01}, 2, REASON_MESSAGE_INVALID},
        {"not UTF-8", {0x0a, 0x01, 0xff}, 3, REASON_REQUEST_INVALID},
        {"NUL in text", {0x0a, 0x03, 'a', 0, 'b'}, 5, REASON_REQUEST_INVALID},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_failure(*state, GET_PRODUCT, cases[i].bytes, cases[i].size, cases[i].reason);
    }
}

/* A message of exactly `size` bytes: an id, then an unknown field that fills it up. */
static uint8_t *make_message(size_t size)
{
    uint8_t *bytes = calloc(1, size);
    const size_t rest = size - 4 - 4;

    assert_non_null(bytes);
    memcpy(bytes, "\x0a\x02p1", 4);
    bytes[4] = 0x7a; /* field 15, with a length in three bytes */
    bytes[5] = (uint8_t)(0x80 | (rest & 0x7f));
    bytes[6] = (uint8_t)(0x80 | ((rest >> 7) & 0x7f));
    bytes[7] = (uint8_t)(rest >> 14);
    return bytes;
}

static void a_message_may_have_256_KiB_and_no_byte_more(void **state)
{
    struct fixture *f = *state;
    struct client_call call;
    uint8_t *bytes = make_message(LIMIT_MESSAGE_SIZE);

    client_call_start(&call, &f->client, GET_PRODUCT, bytes, LIMIT_MESSAGE_SIZE, 0);
    client_call_wait(&call);
    assert_product(&call, "p1");
    client_call_deinit(&call);
    free(bytes);

    bytes = make_message(LIMIT_MESSAGE_SIZE + 1);
    expect_failure(f, GET_PRODUCT, bytes, LIMIT_MESSAGE_SIZE + 1, REASON_MESSAGE_TOO_LARGE);
    free(bytes);
}

static void a_message_beyond_gRPC_cores_own_limit_is_refused_and_the_connection_lives(void **state)
{
    struct fixture *f = *state;
    struct client_call call;
    uint8_t *bytes = make_message(2 * LIMIT_MESSAGE_SIZE + 1);

    client_call_start(&call, &f->client, GET_PRODUCT, bytes, 2 * LIMIT_MESSAGE_SIZE + 1, 0);
    client_call_wait(&call);
    assert_int_equal(call.code, GRPC_STATUS_RESOURCE_EXHAUSTED);
    client_call_deinit(&call);
    free(bytes);
    get(f, &call, "p1");
    assert_product(&call, "p1");
    client_call_deinit(&call);
}

static void compressed_requests_are_refused(void **state)
{
    struct fixture *f = *state;
    struct client_call call;
    uint8_t *bytes = make_message(1000);

    client_call_start_compressed(&call, &f->client, GET_PRODUCT, bytes, 1000);
    client_call_wait(&call);
    assert_int_equal(call.code, GRPC_STATUS_UNIMPLEMENTED);
    client_call_deinit(&call);
    free(bytes);
}

/* Limits */

static void calls_beyond_the_limit_are_refused_at_once_and_orders_are_not_counted(void **state)
{
    struct fixture *f = *state;
    const int64_t refused = metrics_get(METRIC_CALLS_REFUSED, 0);
    struct client_call held[CALLS_MAX], order, one_more;
    char *pushback;

    for (int i = 0; i < CALLS_MAX; i++) {
        start_get(f, &held[i], "hold", 0);
        sem_wait(&stub.arrived);
    }
    get(f, &one_more, "p1");
    assert_failure(&one_more, REASON_TOO_MANY_CALLS);
    pushback = client_metadata(&one_more.trailing, "grpc-retry-pushback-ms", NULL);
    assert_string_equal(pushback, "1000");
    free(pushback);
    client_call_deinit(&one_more);
    assert_int_equal(metrics_get(METRIC_CALLS_REFUSED, 0), refused + 1);

    client_call_start(&order, &f->client, PLACE_ORDER, "", 0, 0);
    sem_wait(&stub.arrived);
    release_held(f);
    client_call_wait(&order);
    assert_int_equal(order.code, GRPC_STATUS_OK);
    client_call_deinit(&order);
    for (int i = 0; i < CALLS_MAX; i++) {
        client_call_wait(&held[i]);
        assert_product(&held[i], "held");
        client_call_deinit(&held[i]);
    }
    get(f, &one_more, "p1");
    assert_product(&one_more, "p1");
    client_call_deinit(&one_more);
}

static void orders_beyond_their_limit_are_refused_and_reads_go_on(void **state)
{
    struct fixture *f = *state;
    struct client_call held[ORDERS_MAX], read;

    for (int i = 0; i < ORDERS_MAX; i++) {
        client_call_start(&held[i], &f->client, PLACE_ORDER, "", 0, 0);
        sem_wait(&stub.arrived);
    }
    expect_failure(f, PLACE_ORDER, "", 0, REASON_TOO_MANY_ORDERS);
    get(f, &read, "p1");
    assert_product(&read, "p1");
    client_call_deinit(&read);
    release_held(f);
    for (int i = 0; i < ORDERS_MAX; i++) {
        client_call_wait(&held[i]);
        assert_int_equal(held[i].code, GRPC_STATUS_OK);
        client_call_deinit(&held[i]);
    }
}

static void connections_beyond_the_limit_are_closed_at_once(void **state)
{
    struct fixture *f = *state;
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(grpc_door_port(f->door)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int peers[CONNECTIONS_MAX + 1];
    char byte;

    for (int i = 0; i <= CONNECTIONS_MAX; i++) {
        peers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(peers[i], (const struct sockaddr *)&address, sizeof(address)), 0);
        if (i < CONNECTIONS_MAX) {
            assert_int_equal(recv(peers[i], &byte, 1, 0), 1); /* the server's SETTINGS */
        }
    }
    assert_int_equal(recv(peers[CONNECTIONS_MAX], &byte, 1, 0), 0);
    for (int i = 0; i <= CONNECTIONS_MAX; i++) {
        close(peers[i]);
    }
}

/* Deadlines: only differences are looked at, so nothing depends on how fast the machine is */

static void the_answer_is_due_before_the_callers_deadline(void **state)
{
    struct fixture *f = *state;
    struct client_call call;

    start_get(f, &call, "p1", 0); /* none of his own: 30 s */
    client_call_wait(&call);
    assert_int_equal(stub.deadline_ms - stub.answer_by_ms, LIMIT_DEADLINE_MS_DEFAULT / 20);
    client_call_deinit(&call);

    start_get(f, &call, "p1", 3600 * 1000); /* cut to 60 s */
    client_call_wait(&call);
    assert_int_equal(stub.deadline_ms - stub.answer_by_ms, LIMIT_DEADLINE_MS / 20);
    client_call_deinit(&call);

    start_get(f, &call, "p1", 20 * 1000);
    client_call_wait(&call);
    assert_in_range(stub.deadline_ms - stub.answer_by_ms, 20, 1100); /* gRPC rounds up */
    client_call_deinit(&call);
}

static void a_deadline_that_has_passed_starts_nothing(void **state)
{
    struct fixture *f = *state;
    struct client_call call;

    stub.deadline_ms = -1;
    start_get(f, &call, "p1", -1000);
    client_call_wait(&call);
    assert_int_equal(call.code, GRPC_STATUS_DEADLINE_EXCEEDED);
    assert_int_equal(stub.deadline_ms, -1);
    client_call_deinit(&call);
}

static void a_caller_who_goes_away_does_no_harm(void **state)
{
    struct fixture *f = *state;
    struct client_call call;

    start_get(f, &call, "hold", 0);
    sem_wait(&stub.arrived);
    client_stream_cancel(&call);
    client_call_wait(&call);
    assert_int_equal(call.code, GRPC_STATUS_CANCELLED);
    client_call_deinit(&call);
    release_held(f); /* answers nobody */
    get(f, &call, "p1");
    assert_product(&call, "p1");
    client_call_deinit(&call);
}

static void many_calls_at_once_are_all_answered_by_all_workers(void **state)
{
    enum {
        ROUNDS = 100
    };
    struct fixture *f = *state;
    struct client_call calls[CALLS_MAX];

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CALLS_MAX; i++) {
            start_get(f, &calls[i], "p1", 0);
        }
        for (int i = 0; i < CALLS_MAX; i++) {
            client_call_wait(&calls[i]);
            assert_product(&calls[i], "p1");
            client_call_deinit(&calls[i]);
        }
    }
}

/* Draining */

static void when_the_time_to_drain_is_over_what_is_left_is_answered(void **state)
{
    struct fixture *f = *state;
    struct client_call held;

    start_get(f, &held, "hold", 0);
    sem_wait(&stub.arrived);
    on_loop(f->loops[0], drain_without_patience, f);
    client_call_wait(&held);
    assert_failure(&held, REASON_SHUTTING_DOWN);
    client_call_deinit(&held);
    sem_wait(&f->drained);
    release_held(f); /* late, and to nobody */
}

static void calls_the_service_never_ends_are_freed_with_the_door(void **state)
{
    struct fixture *f = *state;
    struct client_call held;

    start_get(f, &held, "hold", 0);
    sem_wait(&stub.arrived);
    on_loop(f->loops[0], drain_without_patience, f);
    client_call_wait(&held);
    client_call_deinit(&held);
    sem_wait(&f->drained);
}

static void an_idle_door_of_two_workers_drains_at_once(void **state)
{
    struct fixture *f = *state;
    on_loop(f->loops[0], drain, f);
    sem_wait(&f->drained);
}

static void a_taken_port_is_an_error_in_words(void **state)
{
    struct fixture *f = *state;
    struct grpc_server_worker worker = {f->loops[0], &f->service};
    struct grpc_server_config config = {.connections_max = 1, .limits = &f->limits};
    struct grpc_door *door = NULL;
    struct error err = {0};
    char address[32], expected[100];

    snprintf(address, sizeof(address), "127.0.0.1:%u", grpc_door_port(f->door));
    snprintf(expected, sizeof(expected), "GRPC_ADDR %s: address already in use", address);
    config.address = address;
    assert_int_not_equal(grpc_door_new(&config, &worker, 1, &door, &err), STATUS_OK);
    assert_null(door);
    assert_string_equal(err.message, expected);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_call_reaches_its_service_function_and_its_reply_comes_back),
        TEST(an_error_arrives_with_code_message_and_details),
        TEST(a_replayed_answer_says_so),
        TEST(methods_that_are_not_there_are_unimplemented),
        TEST(what_is_no_message_is_refused),
        TEST(a_message_may_have_256_KiB_and_no_byte_more),
        TEST(a_message_beyond_gRPC_cores_own_limit_is_refused_and_the_connection_lives),
        TEST(compressed_requests_are_refused),
        TEST(calls_beyond_the_limit_are_refused_at_once_and_orders_are_not_counted),
        TEST(orders_beyond_their_limit_are_refused_and_reads_go_on),
        TEST(connections_beyond_the_limit_are_closed_at_once),
        TEST(the_answer_is_due_before_the_callers_deadline),
        TEST(a_deadline_that_has_passed_starts_nothing),
        TEST(a_caller_who_goes_away_does_no_harm),
        cmocka_unit_test_setup_teardown(many_calls_at_once_are_all_answered_by_all_workers,
                                        setup_two_workers, teardown),
        TEST(when_the_time_to_drain_is_over_what_is_left_is_answered),
        TEST(calls_the_service_never_ends_are_freed_with_the_door),
        cmocka_unit_test_setup_teardown(an_idle_door_of_two_workers_drains_at_once,
                                        setup_two_workers, teardown),
        TEST(a_taken_port_is_an_error_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
