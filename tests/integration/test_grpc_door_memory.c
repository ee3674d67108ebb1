/* Memory runs out, once or for a while, anywhere in a call through a real door: it ends as it should or with OUT_OF_MEMORY,
 * and the door goes on. */
#include "grpc_door_fixture.h"

#include "fake/failing_heap.h"
#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"

#include <stdio.h>

#define HEALTH_CHECK "/grpc.health.v1.Health/Check"
#define HEALTH_LIST "/grpc.health.v1.Health/List"
#define HEALTH_WATCH "/grpc.health.v1.Health/Watch"
#define REFLECTION "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

/* A call with the bytes of its request, and how it ends when there is memory. */
struct scene {
    const char *path, *bytes;
    unsigned message_count; /* of a stream */
    grpc_status_code code;
    struct fixture *fixture;
};

/* ---- On the loop of the door ---- */

static void begin(void *arg)
{
    failing_heap_begin();
}

static void end(void *arg)
{
    failing_heap_end();
}

/* ---- Unary calls ---- */

static void check_code(const struct scene *scene, const struct client_call *call)
{
    if (!failing_heap_has_failed() || call->code != GRPC_STATUS_RESOURCE_EXHAUSTED) {
        assert_int_equal((int)call->code, (int)scene->code);
    }
}

static void call_once(void *context)
{
    const struct scene *scene = context;
    struct fixture *f = scene->fixture;
    struct client_call call;

    on_loop(f->loops[0], begin, NULL);
    client_call_start(&call, &f->client, scene->path, scene->bytes, strlen(scene->bytes), 0);
    client_call_wait(&call);
    on_loop(f->loops[0], end, NULL);
    check_code(scene, &call);
    assert_int_equal(call.in != NULL, call.code == GRPC_STATUS_OK);
    client_call_deinit(&call);
    get(f, &call, "p1");
    assert_product(&call, "p1");
    client_call_deinit(&call);
}

static void every_unary_call_is_answered_wherever_memory_runs_out(void **state)
{
    struct scene scenes[] = {
        {.path = GET_PRODUCT, .bytes = "\x0a\x02p1"},
        {.path = GET_PRODUCT, .bytes = "\x0a\x08replayed"},
        {.path = GET_PRODUCT, .bytes = "\x0a\x07missing", .code = GRPC_STATUS_NOT_FOUND},
        {.path = GET_PRODUCT, .bytes = "\x0a\x01\xff", .code = GRPC_STATUS_INVALID_ARGUMENT},
        {.path = GET_PRODUCT, .bytes = "\x0a", .code = GRPC_STATUS_INVALID_ARGUMENT},
        {.path = "/shop.v1.Catalog/Nothing", .bytes = "", .code = GRPC_STATUS_UNIMPLEMENTED},
        {.path = HEALTH_CHECK, .bytes = "\x0a\x08liveness"},
        {.path = HEALTH_CHECK, .bytes = "\x0a\x01x", .code = GRPC_STATUS_NOT_FOUND},
        {.path = HEALTH_LIST, .bytes = ""},
    };

    for (size_t i = 0; i < COUNT_OF(scenes); i++) {
        scenes[i].fixture = *state;
        failing_heap_each(call_once, &scenes[i]);
        failing_heap_from_each(call_once, &scenes[i]);
    }
}

/* ---- Streams ---- */

static ProtobufCMessage *message_of(const struct scene *scene)
{
    const ProtobufCMessageDescriptor *descriptor =
        strcmp(scene->path, WATCH_ORDER) == 0 ? &shop__v1__watch_order_request__descriptor
        : strcmp(scene->path, HEALTH_WATCH) == 0
            ? &grpc__health__v1__health_check_request__descriptor
            : &grpc__reflection__v1__server_reflection_request__descriptor;

    return protobuf_c_message_unpack(descriptor, NULL, strlen(scene->bytes),
                                     (const uint8_t *)scene->bytes);
}

/* Reads what comes, and leaves once it has all there is. */
static void stream_once(void *context)
{
    const struct scene *scene = context;
    struct fixture *f = scene->fixture;
    ProtobufCMessage *request = message_of(scene);
    struct client_call call;
    unsigned count = 0;

    assert_non_null(request);
    on_loop(f->loops[0], begin, NULL);
    client_stream_start(&call, &f->client, scene->path);
    client_stream_send(&call, request);
    while (count < scene->message_count && client_stream_receive(&call)) {
        count++;
    }
    client_stream_half_close(&call);
    if (scene->code == GRPC_STATUS_CANCELLED && count == scene->message_count) {
        client_stream_cancel(&call);
    }
    client_stream_end(&call);
    on_loop(f->loops[0], end, NULL);
    check_code(scene, &call);
    if (!failing_heap_has_failed()) {
        assert_int_equal(count, scene->message_count);
    }
    client_call_deinit(&call);
    protobuf_c_message_free_unpacked(request, NULL);
}

static void stream_all(struct fixture *f, struct scene *scenes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        scenes[i].fixture = f;
        failing_heap_each(stream_once, &scenes[i]);
        failing_heap_from_each(stream_once, &scenes[i]);
    }
}

static void every_stream_of_a_method_ends_wherever_memory_runs_out(void **state)
{
    struct scene scenes[] = {
        {WATCH_ORDER, "\x0a\x05three", 3, GRPC_STATUS_OK, NULL},
        {WATCH_ORDER, "\x0a\x04late", 2, GRPC_STATUS_UNAVAILABLE, NULL},
        {WATCH_ORDER, "\x0a\x07missing", 0, GRPC_STATUS_NOT_FOUND, NULL},
        {WATCH_ORDER, "\x0a\x01x", 1, GRPC_STATUS_CANCELLED, NULL},
        {HEALTH_WATCH, "\x0a\x08liveness", 1, GRPC_STATUS_CANCELLED, NULL},
    };

    stream_all(*state, scenes, COUNT_OF(scenes));
}

static void reflection_answers_or_ends_wherever_memory_runs_out(void **state)
{
    struct scene scenes[] = {
        {REFLECTION, "\x3a\x01x", 1, GRPC_STATUS_OK, NULL}, /* list_services */
        {REFLECTION, "\x22\x0dshop.v1.Order", 1, GRPC_STATUS_OK, NULL},
        {REFLECTION, "\x22\x01x", 1, GRPC_STATUS_OK, NULL},
        {REFLECTION, "\x0a\x01x", 1, GRPC_STATUS_OK, NULL}, /* asks for nothing */
    };

    stream_all(*state, scenes, COUNT_OF(scenes));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_unary_call_is_answered_wherever_memory_runs_out),
        TEST(every_stream_of_a_method_ends_wherever_memory_runs_out),
        TEST(reflection_answers_or_ends_wherever_memory_runs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
