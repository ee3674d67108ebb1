/* A real door with a real gRPC client, over stub service functions.
 *
 * The stub's functions stand in for the whole service library; so this is a header, and not one of the
 * helpers that are linked into every integration test. A product id says what becomes of a call: "hold"
 * keeps it until release_held(), "missing" fails, "replayed" and others answer. The stub of a stream
 * counts: each message asked for has the next revision. */
#pragma once

#include "edge/grpc/grpc_server.h"

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "grpc_client.h"
#include "observe/log.h"
#include "shop/v1/catalog.pb-c.h"
#include "shop/v1/orders.pb-c.h"

#include <grpc/slice.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    CALLS_MAX = 3,
    ORDERS_MAX = 2,
    WATCHERS_MAX = 2,
    CONNECTIONS_MAX = 4,
    WORKERS_MAX = 2
};

#define GET_PRODUCT "/shop.v1.Catalog/GetProduct"
#define PLACE_ORDER "/shop.v1.Orders/PlaceOrder"
#define WATCH_ORDER "/shop.v1.Orders/WatchOrder"

/* The service: all on the loops of the workers */

static struct {
    pthread_mutex_t mutex;
    struct call *held[16];
    unsigned held_count;
    sem_t arrived;                     /* posted for each call that is held */
    int64_t deadline_ms, answer_by_ms; /* of the last call */
} stub = {.mutex = PTHREAD_MUTEX_INITIALIZER};

UNUSED static void hold(struct call *call)
{
    pthread_mutex_lock(&stub.mutex);
    stub.held[stub.held_count++] = call;
    pthread_mutex_unlock(&stub.mutex);
    sem_post(&stub.arrived);
}

UNUSED static void answer_product(struct call *call, const char *id)
{
    Shop__V1__Product *product = ARENA_NEW(call->arena, Shop__V1__Product);

    shop__v1__product__init(product);
    product->id = arena_strdup(call->arena, id);
    call->reply = &product->base;
    call_finish(call);
}

void catalog_get_product(struct service *service, struct call *call)
{
    const char *id = ((const Shop__V1__GetProductRequest *)call->request)->id;

    stub.deadline_ms = call->deadline_ms;
    stub.answer_by_ms = call->answer_by_ms;
    if (strcmp(id, "hold") == 0) {
        hold(call);
        return;
    }
    if (strcmp(id, "missing") == 0) {
        error_setf(&call->err, REASON_PRODUCT_NOT_FOUND, "no product 50 %% \xc3\xa9");
        error_add_resource(&call->err, call->arena, "shop.v1.Product", id);
        call_fail(call);
        return;
    }
    call->replayed = strcmp(id, "replayed") == 0;
    answer_product(call, id);
}

void orders_place_order(struct service *service, struct call *call)
{
    hold(call);
}

#define NOT_CALLED(name)                                  \
    void name(struct service *service, struct call *call) \
    {                                                     \
        error_set(&call->err, REASON_INTERNAL);           \
        call_fail(call);                                  \
    }
NOT_CALLED(catalog_batch_get_products)
NOT_CALLED(catalog_list_products)
NOT_CALLED(catalog_create_product)
NOT_CALLED(catalog_update_product)
NOT_CALLED(catalog_delete_product)
NOT_CALLED(catalog_adjust_stock)
NOT_CALLED(orders_create_order)
NOT_CALLED(orders_get_order)
NOT_CALLED(orders_list_orders)
NOT_CALLED(orders_process_order)
NOT_CALLED(orders_cancel_order)

/* A stream: "missing" ends when it is opened, "three" after its third message, "late" with an error
 * instead of it, "silent" never answers. */
static struct {
    atomic_uint open_count, next_count;
} stub_streams;

UNUSED static void stub_stream_next(struct stream *stream)
{
    const char *id = ((const Shop__V1__WatchOrderRequest *)stream->request)->id;
    int64_t *revision = stream->state;
    Shop__V1__Order order;

    atomic_fetch_add(&stub_streams.next_count, 1);
    if (strcmp(id, "silent") == 0) {
        return;
    }
    if (strcmp(id, "late") == 0 && *revision == 2) {
        error_set(&stream->err, REASON_STORE_UNAVAILABLE);
        error_add_metadata(&stream->err, stream->arena, "orderId", id);
        atomic_fetch_sub(&stub_streams.open_count, 1);
        stream->on_end(stream);
        return;
    }
    shop__v1__order__init(&order);
    order.revision = ++*revision;
    stream->on_message(stream, &order.base);
    if (strcmp(id, "three") == 0 && *revision == 3) {
        atomic_fetch_sub(&stub_streams.open_count, 1);
        stream->on_end(stream);
    }
}

UNUSED static void stub_stream_stop(struct stream *stream)
{
    atomic_fetch_sub(&stub_streams.open_count, 1);
}

void orders_watch_order(struct service *service, struct stream *stream)
{
    static const struct stream_method_ops ops = {stub_stream_next, stub_stream_stop};
    const char *id = ((const Shop__V1__WatchOrderRequest *)stream->request)->id;

    assert_string_equal(stream->caller, "");
    if (strcmp(id, "missing") == 0) {
        error_set(&stream->err, REASON_ORDER_NOT_FOUND);
        stream->on_end(stream);
        return;
    }
    stream->ops = &ops;
    stream->state = ARENA_NEW(stream->arena, int64_t);
    atomic_fetch_add(&stub_streams.open_count, 1);
}

/* The fixture: loops in threads, told by letters what to do */

struct job {
    struct letter letter;
    void (*run)(void *arg);
    void *arg;
    sem_t done;
};

struct fixture {
    struct loop *loops[WORKERS_MAX];
    pthread_t threads[WORKERS_MAX];
    unsigned worker_count;
    struct service service; /* never looked at by the stub */
    struct door_limits limits;
    struct grpc_door *door;
    struct grpc_client client;
    sem_t drained;
};

UNUSED static void open_job(struct letter *letter)
{
    struct job *job = CONTAINER_OF(letter, struct job, letter);
    job->run(job->arg);
    sem_post(&job->done);
}

/* Runs a function on a loop, and waits for it. */
UNUSED static void on_loop(struct loop *loop, void (*run)(void *arg), void *arg)
{
    struct job job = {.letter = {.open = open_job}, .run = run, .arg = arg};
    sem_init(&job.done, 0, 0);
    mailbox_put(loop_mailbox(loop), &job.letter);
    sem_wait(&job.done);
    sem_destroy(&job.done);
}

UNUSED static void answer_held(void *arg)
{
    for (unsigned i = 0; i < stub.held_count; i++) {
        struct call *call = stub.held[i];
        if (call->request->descriptor == &shop__v1__get_product_request__descriptor) {
            answer_product(call, "held");
        } else {
            Shop__V1__OrderConfirmation *reply =
                ARENA_NEW(call->arena, Shop__V1__OrderConfirmation);
            shop__v1__order_confirmation__init(reply);
            call->reply = &reply->base;
            call_finish(call);
        }
    }
    stub.held_count = 0;
}

UNUSED static void release_held(struct fixture *f)
{
    on_loop(f->loops[0], answer_held, NULL); /* tests that hold calls have one worker */
}

UNUSED static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

UNUSED static void start_door(struct fixture *f, unsigned worker_count)
{
    const struct grpc_server_config config = {
        .address = "127.0.0.1:0",
        .connections_max = CONNECTIONS_MAX,
        .limits = &f->limits,
        .memory_max = 64 * 1024 * 1024,
    };
    struct grpc_server_worker workers[WORKERS_MAX];
    struct error err = {0};

    f->limits.calls.max = CALLS_MAX;
    f->limits.orders.max = ORDERS_MAX;
    f->limits.watchers.max = WATCHERS_MAX;
    f->worker_count = worker_count;
    for (unsigned i = 0; i < worker_count; i++) {
        f->loops[i] = loop_new();
        assert_non_null(f->loops[i]);
        workers[i] = (struct grpc_server_worker){f->loops[i], &f->service};
    }
    assert_int_equal(grpc_door_new(&config, workers, worker_count, &f->door, &err), STATUS_OK);
    assert_true(grpc_door_port(f->door) > 0);
    grpc_door_start(f->door);
    for (unsigned i = 0; i < worker_count; i++) {
        assert_int_equal(pthread_create(&f->threads[i], NULL, run_loop, f->loops[i]), 0);
    }
    grpc_client_init(&f->client, grpc_door_port(f->door));
}

UNUSED static void serve(void *arg)
{
    grpc_door_set_serving(arg, true);
}

UNUSED static void stop_serving(void *arg)
{
    grpc_door_set_serving(arg, false);
}

UNUSED static int setup_with(void **state, unsigned worker_count)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    log_configure(LOG_ERROR, LOG_JSON, 2);
    stub.held_count = 0;
    sem_init(&stub.arrived, 0, 0);
    sem_init(&f->drained, 0, 0);
    start_door(f, worker_count);
    on_loop(f->loops[0], serve, f->door);
    *state = f;
    return 0;
}

UNUSED static int setup(void **state)
{
    return setup_with(state, 1);
}

UNUSED static int setup_two_workers(void **state)
{
    return setup_with(state, 2);
}

UNUSED static int teardown(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < f->worker_count; i++) {
        loop_stop(f->loops[i]);
        pthread_join(f->threads[i], NULL);
    }
    grpc_door_free(f->door);
    for (unsigned i = 0; i < f->worker_count; i++) {
        loop_free(f->loops[i]);
    }
    grpc_client_deinit(&f->client);
    sem_destroy(&f->drained);
    sem_destroy(&stub.arrived);
    test_free(f);
    return 0;
}

/* Vocabulary */

UNUSED static void start_get(struct fixture *f, struct client_call *call, const char *id,
                             int64_t timeout_ms)
{
    uint8_t bytes[64] = {0x0a, (uint8_t)strlen(id)};
    memcpy(bytes + 2, id, strlen(id));
    client_call_start(call, &f->client, GET_PRODUCT, bytes, 2 + strlen(id), timeout_ms);
}

UNUSED static void get(struct fixture *f, struct client_call *call, const char *id)
{
    start_get(f, call, id, 0);
    client_call_wait(call);
}

UNUSED static void assert_product(const struct client_call *call, const char *id)
{
    Shop__V1__Product *product;

    assert_int_equal(call->code, GRPC_STATUS_OK);
    product = (Shop__V1__Product *)client_call_unpack(call, &shop__v1__product__descriptor);
    assert_non_null(product);
    assert_string_equal(product->id, id);
    shop__v1__product__free_unpacked(product, NULL);
}

UNUSED static Google__Rpc__ErrorInfo *error_info(const Google__Rpc__Status *status)
{
    for (size_t i = 0; i < status->n_details; i++) {
        if (strcmp(status->details[i]->type_url, "type.googleapis.com/google.rpc.ErrorInfo") == 0) {
            return google__rpc__error_info__unpack(NULL, status->details[i]->value.len,
                                                   status->details[i]->value.data);
        }
    }
    return NULL;
}

UNUSED static void assert_failure(const struct client_call *call, enum reason reason)
{
    size_t size = 0;
    char *packed = client_metadata(&call->trailing, "grpc-status-details-bin", &size);
    Google__Rpc__Status *status;
    Google__Rpc__ErrorInfo *info;

    assert_int_equal((int)call->code, (int)reason_status(reason));
    assert_null(call->in);
    assert_non_null(packed);
    status = google__rpc__status__unpack(NULL, size, (const uint8_t *)packed);
    assert_non_null(status);
    info = error_info(status);
    assert_non_null(info);
    assert_string_equal(info->reason, reason_name(reason));
    assert_string_equal(info->domain, "orders.shop.v1");
    google__rpc__error_info__free_unpacked(info, NULL);
    google__rpc__status__free_unpacked(status, NULL);
    free(packed);
}

UNUSED static void expect_failure(struct fixture *f, const char *path, const void *data,
                                  size_t size, enum reason reason)
{
    struct client_call call;
    client_call_start(&call, &f->client, path, data, size, 0);
    client_call_wait(&call);
    assert_failure(&call, reason);
    client_call_deinit(&call);
}

/* Draining */

UNUSED static void on_drained(void *arg)
{
    struct fixture *f = arg;
    sem_post(&f->drained);
}

UNUSED static void drain(void *arg)
{
    struct fixture *f = arg;
    grpc_door_drain(f->door, 60 * 1000, on_drained, f);
}

UNUSED static void drain_without_patience(void *arg)
{
    struct fixture *f = arg;
    grpc_door_drain(f->door, 0, on_drained, f);
}
