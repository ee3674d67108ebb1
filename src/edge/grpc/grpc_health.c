/* The health service. Whether the process can serve is decided in app/; here it is only told. */
#include "edge/grpc/grpc_health.h"

#include "base/limits.h"

#include <stdio.h>
#include <string.h>

#include "grpc/health/v1/health.pb-c.h"

typedef Grpc__Health__V1__HealthCheckRequest check_request;
typedef Grpc__Health__V1__HealthCheckResponse check_response;
typedef Grpc__Health__V1__HealthListResponse list_response;
typedef Grpc__Health__V1__HealthListResponse__StatusesEntry list_entry;

#define STATUS_OF(name) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name

static const char *const services[] = {"", "shop.v1.Catalog", "shop.v1.Orders",
                                       "shop.v1.OrderEvents", "liveness"};
enum {
    SERVICE_NONE = -1,
    SERVICE_COUNT = COUNT_OF(services),
    SERVICE_LIVENESS = SERVICE_COUNT - 1
};

const struct method health_check_method = {
    .service = "grpc.health.v1.Health",
    .name = "Check",
    .path = "/grpc.health.v1.Health/Check",
    .request = &grpc__health__v1__health_check_request__descriptor,
    .reply = &grpc__health__v1__health_check_response__descriptor,
    .kind = METHOD_READ,
    .slot_count = 4,
};
const struct method health_list_method = {
    .service = "grpc.health.v1.Health",
    .name = "List",
    .path = "/grpc.health.v1.Health/List",
    .request = &grpc__health__v1__health_list_request__descriptor,
    .reply = &grpc__health__v1__health_list_response__descriptor,
    .kind = METHOD_READ,
    .slot_count = 1,
};
const struct method health_watch_method = {
    .service = "grpc.health.v1.Health",
    .name = "Watch",
    .path = "/grpc.health.v1.Health/Watch",
    .request = &grpc__health__v1__health_check_request__descriptor,
    .reply = &grpc__health__v1__health_check_response__descriptor,
    .kind = METHOD_READ,
    .slot_count = 2,
};

static int find_service(const char *name)
{
    for (int i = 0; i < SERVICE_COUNT; i++) {
        if (strcmp(services[i], name) == 0) {
            return i;
        }
    }
    return SERVICE_NONE;
}

static int status_of(const struct grpc_worker *worker, int service)
{
    if (service == SERVICE_NONE) {
        return STATUS_OF(SERVICE_UNKNOWN);
    }
    if (service == SERVICE_LIVENESS || atomic_load(&worker->shared->is_serving)) {
        return STATUS_OF(SERVING);
    }
    return STATUS_OF(NOT_SERVING);
}

/* Check and List */

void health_check(struct grpc_worker *worker, struct call *call)
{
    const check_request *request = (const check_request *)call->request;
    const int service = find_service(request->service);
    check_response *reply;

    if (service == SERVICE_NONE) {
        error_set(&call->err, REASON_SERVICE_UNKNOWN);
        error_add_resource(&call->err, call->arena, "grpc.health.v1.Service", request->service);
        call_fail(call);
        return;
    }
    reply = ARENA_NEW(call->arena, check_response);
    if (reply == NULL) {
        error_set(&call->err, REASON_OUT_OF_MEMORY);
        call_fail(call);
        return;
    }
    grpc__health__v1__health_check_response__init(reply);
    reply->status =
        (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status_of(worker, service);
    call->reply = &reply->base;
    call_finish(call);
}

struct list_reply {
    list_response base;
    list_entry *pointers[SERVICE_COUNT];
    list_entry entries[SERVICE_COUNT];
    check_response values[SERVICE_COUNT];
    char keys[SERVICE_COUNT][32];
};

static void fill_list(struct list_reply *reply, const struct grpc_worker *worker)
{
    grpc__health__v1__health_list_response__init(&reply->base);
    reply->base.statuses = reply->pointers;
    reply->base.n_statuses = SERVICE_COUNT;
    for (int i = 0; i < SERVICE_COUNT; i++) {
        grpc__health__v1__health_list_response__statuses_entry__init(&reply->entries[i]);
        grpc__health__v1__health_check_response__init(&reply->values[i]);
        reply->values[i].status =
            (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status_of(worker, i);
        snprintf(reply->keys[i], sizeof(reply->keys[i]), "%s", services[i]);
        reply->entries[i].key = reply->keys[i];
        reply->entries[i].value = &reply->values[i];
        reply->pointers[i] = &reply->entries[i];
    }
}

void health_list(struct grpc_worker *worker, struct call *call)
{
    struct list_reply *reply = ARENA_NEW(call->arena, struct list_reply);
    if (reply == NULL) {
        error_set(&call->err, REASON_OUT_OF_MEMORY);
        call_fail(call);
        return;
    }
    fill_list(reply, worker);
    call->reply = &reply->base.base;
    call_finish(call);
}

/* Watch: an unknown service is told so and the stream stays open, as the protocol wants it */

static void tell(struct stream_call *stream)
{
    const int status = status_of(stream->worker, stream->service_index);
    check_response reply;

    if (stream->is_sending || stream->sent_status == status) {
        return;
    }
    grpc__health__v1__health_check_response__init(&reply);
    reply.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status;
    stream->sent_status = status;
    stream_call_send(stream, &reply.base);
}

static bool was_told(const struct stream_call *stream)
{
    return stream->sent_status != STATUS_OF(UNKNOWN);
}

static void watch_message(struct stream_call *stream, const ProtobufCMessage *message)
{
    stream->service_index = find_service(((const check_request *)message)->service);
    tell(stream);
}

static void watch_drain(struct stream_call *stream)
{
    if (was_told(stream)) {
        tell(stream); /* NOT_SERVING, unless it was told already */
    }
    stream_call_fail(stream, REASON_SHUTTING_DOWN);
}

const struct stream_ops health_watch_ops = {
    .takes_one = true,
    .on_message = watch_message,
    .on_sent = tell, /* what changed while it was sending */
    .on_drain = watch_drain,
};

void health_tell_watchers(struct grpc_worker *worker)
{
    struct stream_call *stream, *next;

    for (stream = LIST_FIRST(&worker->streams); stream != NULL; stream = next) {
        next = LIST_NEXT(stream, entry);
        if (stream->ops == &health_watch_ops && was_told(stream) && !stream->finish_pending) {
            tell(stream);
        }
    }
}
