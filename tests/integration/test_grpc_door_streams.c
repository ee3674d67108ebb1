/* Streams through a real door: health, reflection and the streaming methods, as clients see them. */
#include "grpc_door_fixture.h"

#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"

#include <stdio.h>
#include <time.h>

#define CHECK "/grpc.health.v1.Health/Check"
#define LIST "/grpc.health.v1.Health/List"
#define WATCH "/grpc.health.v1.Health/Watch"
#define REFLECTION "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
#define REFLECTION_ALPHA "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

#define HEALTH(name) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name

/* Health */

static void start_watch(struct fixture *f, struct client_call *call, const char *service)
{
    Grpc__Health__V1__HealthCheckRequest request;
    char name[64];

    grpc__health__v1__health_check_request__init(&request);
    snprintf(name, sizeof(name), "%s", service);
    request.service = name;
    client_stream_start(call, &f->client, WATCH);
    client_stream_send(call, &request.base);
}

static void assert_health(const struct client_call *call, int expected)
{
    Grpc__Health__V1__HealthCheckResponse *reply =
        (Grpc__Health__V1__HealthCheckResponse *)client_call_unpack(
            call, &grpc__health__v1__health_check_response__descriptor);
    assert_non_null(reply);
    assert_int_equal((int)reply->status, expected);
    grpc__health__v1__health_check_response__free_unpacked(reply, NULL);
}

static void check(struct fixture *f, const char *service, int expected)
{
    uint8_t bytes[64] = {0x0a, (uint8_t)strlen(service)};
    struct client_call call;

    memcpy(bytes + 2, service, strlen(service));
    client_call_start(&call, &f->client, CHECK, bytes, 2 + strlen(service), 0);
    client_call_wait(&call);
    assert_int_equal(call.code, GRPC_STATUS_OK);
    assert_health(&call, expected);
    client_call_deinit(&call);
}

static void check_tells_of_every_service_and_liveness_serves_to_the_end(void **state)
{
    static const char *const services[] = {"", "shop.v1.Catalog", "shop.v1.Orders",
                                           "shop.v1.OrderEvents"};
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT_OF(services); i++) {
        check(f, services[i], HEALTH(SERVING));
    }
    on_loop(f->loops[0], stop_serving, f->door);
    for (size_t i = 0; i < COUNT_OF(services); i++) {
        check(f, services[i], HEALTH(NOT_SERVING));
    }
    check(f, "liveness", HEALTH(SERVING));
    expect_failure(f, CHECK, "\x0a\x01x", 3, REASON_SERVICE_UNKNOWN);
}

static void list_tells_of_all_services_at_once(void **state)
{
    struct fixture *f = *state;
    Grpc__Health__V1__HealthListResponse *reply;
    struct client_call call;

    client_call_start(&call, &f->client, LIST, "", 0, 0);
    client_call_wait(&call);
    reply = (Grpc__Health__V1__HealthListResponse *)client_call_unpack(
        &call, &grpc__health__v1__health_list_response__descriptor);
    assert_non_null(reply);
    assert_int_equal(reply->n_statuses, 5);
    for (size_t i = 0; i < reply->n_statuses; i++) {
        assert_int_equal((int)reply->statuses[i]->value->status, (int)HEALTH(SERVING));
    }
    grpc__health__v1__health_list_response__free_unpacked(reply, NULL);
    client_call_deinit(&call);
}

static void watch_tells_the_state_and_every_change_once(void **state)
{
    struct fixture *f = *state;
    struct client_call call;

    start_watch(f, &call, "");
    assert_true(client_stream_receive(&call));
    assert_health(&call, HEALTH(SERVING));
    on_loop(f->loops[0], serve, f->door); /* no change, no message */
    on_loop(f->loops[0], stop_serving, f->door);
    assert_true(client_stream_receive(&call));
    assert_health(&call, HEALTH(NOT_SERVING));
    on_loop(f->loops[0], serve, f->door);
    assert_true(client_stream_receive(&call));
    assert_health(&call, HEALTH(SERVING));
    client_stream_cancel(&call);
    client_stream_end(&call);
    client_call_deinit(&call);
}

static void watch_of_an_unknown_service_says_so_and_stays_open(void **state)
{
    struct fixture *f = *state;
    struct client_call call;

    start_watch(f, &call, "no.such.Service");
    assert_true(client_stream_receive(&call));
    assert_health(&call, HEALTH(SERVICE_UNKNOWN));
    on_loop(f->loops[0], stop_serving, f->door);
    client_stream_cancel(&call);
    client_stream_end(&call);
    assert_int_equal(call.code, GRPC_STATUS_CANCELLED);
    client_call_deinit(&call);
}

static void watchers_beyond_the_limit_are_refused_and_one_who_leaves_makes_room(void **state)
{
    struct fixture *f = *state;
    struct client_call calls[WATCHERS_MAX], one_more;
    bool let_in = false;

    for (int i = 0; i < WATCHERS_MAX; i++) {
        start_watch(f, &calls[i], "");
        assert_true(client_stream_receive(&calls[i]));
    }
    start_watch(f, &one_more, "");
    assert_false(client_stream_receive(&one_more));
    client_stream_end(&one_more);
    assert_failure(&one_more, REASON_TOO_MANY_WATCHERS);
    client_call_deinit(&one_more);

    client_stream_cancel(&calls[0]);
    client_stream_end(&calls[0]);
    client_call_deinit(&calls[0]);
    while (!let_in) { /* until the server has noticed */
        start_watch(f, &calls[0], "");
        let_in = client_stream_receive(&calls[0]);
        if (!let_in) {
            client_stream_end(&calls[0]);
            client_call_deinit(&calls[0]);
        }
    }
    for (int i = 0; i < WATCHERS_MAX; i++) {
        client_stream_cancel(&calls[i]);
        client_stream_end(&calls[i]);
        client_call_deinit(&calls[i]);
    }
}

/* Methods that stream */

static void start_order(struct fixture *f, struct client_call *call, const char *id)
{
    Shop__V1__WatchOrderRequest request;
    char text[64];

    shop__v1__watch_order_request__init(&request);
    snprintf(text, sizeof(text), "%s", id);
    request.id = text;
    client_stream_start(call, &f->client, WATCH_ORDER);
    client_stream_send(call, &request.base);
}

static void expect_revision(struct client_call *call, int64_t revision)
{
    Shop__V1__Order *order;

    assert_true(client_stream_receive(call));
    order = (Shop__V1__Order *)client_call_unpack(call, &shop__v1__order__descriptor);
    assert_non_null(order);
    assert_int_equal(order->revision, revision);
    shop__v1__order__free_unpacked(order, NULL);
}

static void expect_end(struct client_call *call, enum reason reason)
{
    assert_false(client_stream_receive(call));
    client_stream_end(call);
    assert_failure(call, reason);
    client_call_deinit(call);
}

/* Until the service has been told that the caller has gone. */
static void wait_for_open(unsigned count)
{
    const struct timespec pause = {.tv_nsec = 1000 * 1000};

    while (atomic_load(&stub_streams.open_count) != count) {
        nanosleep(&pause, NULL);
    }
}

static void a_streaming_method_sends_until_its_end(void **state)
{
    struct client_call call;

    start_order(*state, &call, "three");
    client_stream_half_close(&call);
    for (int64_t revision = 1; revision <= 3; revision++) {
        expect_revision(&call, revision);
    }
    assert_false(client_stream_receive(&call));
    client_stream_end(&call);
    assert_int_equal(call.code, GRPC_STATUS_OK);
    client_call_deinit(&call);
    wait_for_open(0);
}

static void a_stream_ends_with_the_error_of_its_method(void **state)
{
    struct client_call call;

    start_order(*state, &call, "missing");
    expect_end(&call, REASON_ORDER_NOT_FOUND);
    start_order(*state, &call, "late");
    expect_revision(&call, 1);
    expect_revision(&call, 2);
    expect_end(&call, REASON_STORE_UNAVAILABLE);
    wait_for_open(0);
}

static void a_request_that_is_none_or_two_ends_the_stream(void **state)
{
    struct fixture *f = *state;
    Shop__V1__WatchOrderRequest request;
    static char bad[] = "\xff";
    struct client_call call;

    client_stream_start(&call, &f->client, WATCH_ORDER);
    client_stream_half_close(&call);
    expect_end(&call, REASON_MESSAGE_INVALID);
    start_order(f, &call, bad);
    expect_end(&call, REASON_REQUEST_INVALID);
    start_order(f, &call, "silent");
    shop__v1__watch_order_request__init(&request);
    client_stream_send(&call, &request.base);
    expect_end(&call, REASON_MESSAGE_INVALID);
    wait_for_open(0);
}

static void a_caller_who_leaves_is_made_known_to_the_method_and_makes_room(void **state)
{
    struct fixture *f = *state;
    struct client_call calls[WATCHERS_MAX], one_more;

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < WATCHERS_MAX; i++) {
            start_order(f, &calls[i], "silent");
        }
        wait_for_open(WATCHERS_MAX);
        start_order(f, &one_more, "silent");
        expect_end(&one_more, REASON_TOO_MANY_WATCHERS);
        for (int i = 0; i < WATCHERS_MAX; i++) {
            client_stream_cancel(&calls[i]);
            client_stream_end(&calls[i]);
            client_call_deinit(&calls[i]);
        }
        wait_for_open(0);
    }
}

static void a_reader_who_does_not_read_is_asked_for_no_more_than_fits(void **state)
{
    struct fixture *f = *state;
    unsigned count, before = atomic_load(&stub_streams.next_count);
    struct client_call call, other;

    /* Empty messages of a few bytes: what fits are some thousands. */
    start_order(f, &call, "endless");
    wait_for_open(1);
    do {
        count = atomic_load(&stub_streams.next_count);
        get(f, &other, "p1"); /* others are served, and time passes */
        client_call_deinit(&other);
    } while (count == before || atomic_load(&stub_streams.next_count) != count);
    client_stream_cancel(&call);
    client_stream_end(&call);
    client_call_deinit(&call);
    wait_for_open(0);
}

/* Reflection */

typedef Grpc__Reflection__V1__ServerReflectionRequest question;
typedef Grpc__Reflection__V1__ServerReflectionResponse answer;

#define ASK(name) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##name
#define TOLD(name) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##name

static answer *ask(struct client_call *call, const question *request)
{
    answer *reply;

    client_stream_send(call, &request->base);
    assert_true(client_stream_receive(call));
    reply = (answer *)client_call_unpack(
        call, &grpc__reflection__v1__server_reflection_response__descriptor);
    assert_non_null(reply);
    assert_string_equal(reply->valid_host, request->host);
    assert_non_null(reply->original_request);
    assert_int_equal((int)reply->original_request->message_request_case,
                     (int)request->message_request_case);
    return reply;
}

static void free_answer(answer *reply)
{
    grpc__reflection__v1__server_reflection_response__free_unpacked(reply, NULL);
}

static question make_question(void)
{
    static char host[] = "here";
    question request;
    grpc__reflection__v1__server_reflection_request__init(&request);
    request.host = host;
    return request;
}

static void reflect(struct fixture *f, const char *path)
{
    static char orders[] = "shop.v1.Orders", nothing[] = "no.such.Symbol", star[] = "*";
    struct client_call call;
    question request = make_question();
    answer *reply;

    client_stream_start(&call, &f->client, path);
    request.message_request_case = ASK(LIST_SERVICES);
    request.list_services = star;
    reply = ask(&call, &request);
    assert_int_equal((int)reply->message_response_case, (int)TOLD(LIST_SERVICES_RESPONSE));
    assert_int_equal(reply->list_services_response->n_service, 6);
    free_answer(reply);

    request.message_request_case = ASK(FILE_CONTAINING_SYMBOL);
    request.file_containing_symbol = orders;
    reply = ask(&call, &request);
    assert_int_equal((int)reply->message_response_case, (int)TOLD(FILE_DESCRIPTOR_RESPONSE));
    /* orders.proto and all it needs, down to descriptor.proto */
    assert_true(reply->file_descriptor_response->n_file_descriptor_proto >= 6);
    free_answer(reply);

    request.file_containing_symbol = nothing;
    reply = ask(&call, &request);
    assert_int_equal((int)reply->message_response_case, (int)TOLD(ERROR_RESPONSE));
    assert_int_equal(reply->error_response->error_code, STATUS_NOT_FOUND);
    free_answer(reply);

    client_stream_half_close(&call);
    assert_false(client_stream_receive(&call));
    client_stream_end(&call);
    assert_int_equal(call.code, GRPC_STATUS_OK);
    client_call_deinit(&call);
}

static void reflection_answers_many_questions_on_one_stream_in_both_versions(void **state)
{
    reflect(*state, REFLECTION);
    reflect(*state, REFLECTION_ALPHA);
}

static void reflection_knows_extensions_and_files(void **state)
{
    static char options[] = "google.protobuf.MethodOptions", file[] = "shop/v1/catalog.proto";
    struct fixture *f = *state;
    struct client_call call;
    Grpc__Reflection__V1__ExtensionRequest extension;
    question request = make_question();
    answer *reply;

    client_stream_start(&call, &f->client, REFLECTION);
    request.message_request_case = ASK(FILE_CONTAINING_EXTENSION);
    request.file_containing_extension = &extension;
    grpc__reflection__v1__extension_request__init(&extension);
    extension.containing_type = options;
    extension.extension_number = 72295728;
    reply = ask(&call, &request);
    assert_int_equal((int)reply->message_response_case, (int)TOLD(FILE_DESCRIPTOR_RESPONSE));
    free_answer(reply);

    extension.extension_number = 1;
    reply = ask(&call, &request);
    assert_int_equal((int)reply->message_response_case, (int)TOLD(ERROR_RESPONSE));
    free_answer(reply);

    request.message_request_case = ASK(ALL_EXTENSION_NUMBERS_OF_TYPE);
    request.all_extension_numbers_of_type = options;
    reply = ask(&call, &request);
    assert_int_equal((int)reply->message_response_case, (int)TOLD(ALL_EXTENSION_NUMBERS_RESPONSE));
    assert_int_equal(reply->all_extension_numbers_response->n_extension_number, 1);
    free_answer(reply);

    request.message_request_case = ASK(FILE_BY_FILENAME);
    request.file_by_filename = file;
    reply = ask(&call, &request);
    assert_int_equal((int)reply->message_response_case, (int)TOLD(FILE_DESCRIPTOR_RESPONSE));
    free_answer(reply);
    client_stream_cancel(&call);
    client_stream_end(&call);
    client_call_deinit(&call);
}

static void what_reflection_does_not_know_is_told_and_the_stream_goes_on(void **state)
{
    static char nothing[] = "no.such.Message", orders[] = "shop.v1.Orders";
    struct fixture *f = *state;
    struct client_call call;
    question request = make_question();
    const struct {
        Grpc__Reflection__V1__ServerReflectionRequest__MessageRequestCase asked;
        char *name;
        enum status status;
    } cases[] = {
        {ASK(FILE_BY_FILENAME), nothing, STATUS_NOT_FOUND},
        {ASK(ALL_EXTENSION_NUMBERS_OF_TYPE), nothing, STATUS_NOT_FOUND},
        {ASK(ALL_EXTENSION_NUMBERS_OF_TYPE), orders, STATUS_NOT_FOUND}, /* a service */
        {ASK(_NOT_SET), NULL, STATUS_INVALID_ARGUMENT},
    };

    client_stream_start(&call, &f->client, REFLECTION);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        request.message_request_case = cases[i].asked;
        request.file_by_filename = cases[i].name; /* all members of the union are texts here */
        answer *reply = ask(&call, &request);
        assert_int_equal((int)reply->message_response_case, (int)TOLD(ERROR_RESPONSE));
        assert_int_equal(reply->error_response->error_code, cases[i].status);
        free_answer(reply);
    }
    client_stream_cancel(&call);
    client_stream_end(&call);
    client_call_deinit(&call);
}

static void a_malformed_question_ends_the_stream(void **state)
{
    static char bad[] = "\xff";
    struct fixture *f = *state;
    struct client_call call;
    question request = make_question();

    client_stream_start(&call, &f->client, REFLECTION);
    request.message_request_case = ASK(LIST_SERVICES);
    request.list_services = bad;
    client_stream_send(&call, &request.base);
    assert_false(client_stream_receive(&call));
    client_stream_end(&call);
    assert_failure(&call, REASON_REQUEST_INVALID);
    client_call_deinit(&call);
}

/* Draining */

static void while_it_drains_calls_in_flight_finish_and_watchers_are_told(void **state)
{
    struct fixture *f = *state;
    struct client_call held, watch, order, late;

    start_watch(f, &watch, "");
    assert_true(client_stream_receive(&watch));
    start_order(f, &order, "silent");
    wait_for_open(1);
    start_get(f, &held, "hold", 0);
    sem_wait(&stub.arrived);
    on_loop(f->loops[0], drain, f);

    assert_true(client_stream_receive(&watch));
    assert_health(&watch, HEALTH(NOT_SERVING));
    assert_false(client_stream_receive(&watch));
    client_stream_end(&watch);
    assert_failure(&watch, REASON_SHUTTING_DOWN);
    client_call_deinit(&watch);
    expect_end(&order, REASON_SHUTTING_DOWN);
    wait_for_open(0);

    get(f, &late, "p1"); /* a new call: on a new connection, which nobody accepts */
    assert_int_equal(late.code, GRPC_STATUS_UNAVAILABLE);
    client_call_deinit(&late);

    assert_int_equal(sem_trywait(&f->drained), -1);
    release_held(f);
    client_call_wait(&held);
    assert_product(&held, "held");
    client_call_deinit(&held);
    sem_wait(&f->drained);
}

static void while_it_drains_who_asks_reflection_is_told(void **state)
{
    struct fixture *f = *state;
    struct client_call call;
    question request = make_question();

    client_stream_start(&call, &f->client, REFLECTION);
    free_answer(ask(&call, &request));
    on_loop(f->loops[0], drain, f);
    expect_end(&call, REASON_SHUTTING_DOWN);
    sem_wait(&f->drained);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(check_tells_of_every_service_and_liveness_serves_to_the_end),
        TEST(list_tells_of_all_services_at_once),
        TEST(watch_tells_the_state_and_every_change_once),
        TEST(watch_of_an_unknown_service_says_so_and_stays_open),
        TEST(watchers_beyond_the_limit_are_refused_and_one_who_leaves_makes_room),
        TEST(a_streaming_method_sends_until_its_end),
        TEST(a_stream_ends_with_the_error_of_its_method),
        TEST(a_request_that_is_none_or_two_ends_the_stream),
        TEST(a_caller_who_leaves_is_made_known_to_the_method_and_makes_room),
        TEST(a_reader_who_does_not_read_is_asked_for_no_more_than_fits),
        TEST(reflection_answers_many_questions_on_one_stream_in_both_versions),
        TEST(reflection_knows_extensions_and_files),
        TEST(what_reflection_does_not_know_is_told_and_the_stream_goes_on),
        TEST(a_malformed_question_ends_the_stream),
        TEST(while_it_drains_calls_in_flight_finish_and_watchers_are_told),
        TEST(while_it_drains_who_asks_reflection_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
