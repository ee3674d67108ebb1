/* The reflection service: one answer a request, in the same order. Names are looked up in
 * reflection_index. */
#include "edge/grpc/grpc_reflection.h"

#include "edge/grpc/reflection_index.h"

#include <string.h>

#include "grpc/reflection/v1/reflection.pb-c.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest request_t;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_t;
typedef Grpc__Reflection__V1__FileDescriptorResponse files_t;
typedef Grpc__Reflection__V1__ExtensionNumberResponse numbers_t;
typedef Grpc__Reflection__V1__ListServiceResponse services_t;
typedef Grpc__Reflection__V1__ServiceResponse service_t;
typedef Grpc__Reflection__V1__ErrorResponse failure_t;

#define REQUEST(name) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##name
#define RESPONSE(name) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##name

const struct method reflection_v1_method = {
    .service = "grpc.reflection.v1.ServerReflection",
    .name = "ServerReflectionInfo",
    .path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    .request = &grpc__reflection__v1__server_reflection_request__descriptor,
    .reply = &grpc__reflection__v1__server_reflection_response__descriptor,
    .kind = METHOD_READ,
    .slot_count = 2,
};
const struct method reflection_v1alpha_method = {
    .service = "grpc.reflection.v1alpha.ServerReflection",
    .name = "ServerReflectionInfo",
    .path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    .request = &grpc__reflection__v1__server_reflection_request__descriptor,
    .reply = &grpc__reflection__v1__server_reflection_response__descriptor,
    .kind = METHOD_READ,
    .slot_count = 2,
};

/* What this server serves, sorted. shop.v1.Inventory and Fulfillment are in the descriptors too, but
 * are spoken to others, not served. */
static const char *const services[] = {
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "shop.v1.Catalog",
    "shop.v1.OrderEvents",
    "shop.v1.Orders",
};

enum {
    EXTENSION_NUMBERS_MAX = 64
};

/* Everything an answer consists of; in the arena of its request. */
struct answer {
    response_t response;
    union {
        files_t files;
        numbers_t numbers;
        services_t services;
        failure_t failure;
    } body;
    service_t service_rows[COUNT_OF(services)];
    service_t *service_pointers[COUNT_OF(services)];
    int32_t extension_numbers[EXTENSION_NUMBERS_MAX];
};

static void answer_failure(struct answer *answer, enum status status, const char *text)
{
    failure_t *failure = &answer->body.failure;

    grpc__reflection__v1__error_response__init(failure);
    failure->error_code = (int32_t)status;
    failure->error_message = (char *)(uintptr_t)text; /* only packed */
    answer->response.message_response_case = RESPONSE(ERROR_RESPONSE);
    answer->response.error_response = failure;
}

/* The file first, then everything it needs, each once. `seen` has a place a file of the set. */
static void add_file(files_t *files, const struct reflection_file *file, bool *seen)
{
    if (seen[file->index]) {
        return;
    }
    seen[file->index] = true;
    files->file_descriptor_proto[files->n_file_descriptor_proto++] = (ProtobufCBinaryData){
        .len = file->size, .data = (uint8_t *)(uintptr_t)file->data /* only packed */};
    for (unsigned i = 0; i < file->dependency_count; i++) {
        add_file(files, file->dependencies[i], seen);
    }
}

static void answer_file(struct stream_call *stream, struct answer *answer,
                        const struct reflection_file *file, const char *missing_text)
{
    const unsigned count = reflection_file_count(stream->worker->shared->reflection);
    files_t *files = &answer->body.files;
    bool *seen = arena_array(stream->arena, count, sizeof(*seen));

    if (file == NULL) {
        answer_failure(answer, STATUS_NOT_FOUND, missing_text);
        return;
    }
    grpc__reflection__v1__file_descriptor_response__init(files);
    files->file_descriptor_proto =
        arena_array(stream->arena, count, sizeof(*files->file_descriptor_proto));
    if (seen == NULL || files->file_descriptor_proto == NULL) {
        answer_failure(answer, STATUS_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    add_file(files, file, seen);
    answer->response.message_response_case = RESPONSE(FILE_DESCRIPTOR_RESPONSE);
    answer->response.file_descriptor_response = files;
}

static void answer_services(struct answer *answer)
{
    services_t *list = &answer->body.services;

    grpc__reflection__v1__list_service_response__init(list);
    for (size_t i = 0; i < COUNT_OF(services); i++) {
        grpc__reflection__v1__service_response__init(&answer->service_rows[i]);
        answer->service_rows[i].name = (char *)(uintptr_t)services[i]; /* only packed */
        answer->service_pointers[i] = &answer->service_rows[i];
    }
    list->n_service = COUNT_OF(services);
    list->service = answer->service_pointers;
    answer->response.message_response_case = RESPONSE(LIST_SERVICES_RESPONSE);
    answer->response.list_services_response = list;
}

static void answer_extension_numbers(const struct reflection_index *index, struct answer *answer,
                                     char *type)
{
    numbers_t *numbers = &answer->body.numbers;

    if (!reflection_has_message(index, type)) {
        answer_failure(answer, STATUS_NOT_FOUND, "there is no such message type");
        return;
    }
    grpc__reflection__v1__extension_number_response__init(numbers);
    numbers->base_type_name = type;
    numbers->extension_number = answer->extension_numbers;
    numbers->n_extension_number = MIN_OF(
        reflection_extension_numbers(index, type, answer->extension_numbers, EXTENSION_NUMBERS_MAX),
        (size_t)EXTENSION_NUMBERS_MAX);
    answer->response.message_response_case = RESPONSE(ALL_EXTENSION_NUMBERS_RESPONSE);
    answer->response.all_extension_numbers_response = numbers;
}

static void fill(struct stream_call *stream, const request_t *request, struct answer *answer)
{
    const struct reflection_index *index = stream->worker->shared->reflection;
    const Grpc__Reflection__V1__ExtensionRequest *extension;

    switch ((int)request->message_request_case) {
    case REQUEST(FILE_BY_FILENAME):
        answer_file(stream, answer, reflection_file_named(index, request->file_by_filename),
                    "there is no such file");
        break;
    case REQUEST(FILE_CONTAINING_SYMBOL):
        answer_file(stream, answer,
                    reflection_file_of_symbol(index, request->file_containing_symbol),
                    "there is no such symbol");
        break;
    case REQUEST(FILE_CONTAINING_EXTENSION):
        extension = request->file_containing_extension;
        answer_file(stream, answer,
                    reflection_file_of_extension(index, extension->containing_type,
                                                 extension->extension_number),
                    "there is no such extension");
        break;
    case REQUEST(ALL_EXTENSION_NUMBERS_OF_TYPE):
        answer_extension_numbers(index, answer, request->all_extension_numbers_of_type);
        break;
    case REQUEST(LIST_SERVICES):
        answer_services(answer);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST__NOT_SET:
    default: /* protobuf-c gives the enum a value of its own besides */
        answer_failure(answer, STATUS_INVALID_ARGUMENT, "the request asks for nothing");
        break;
    }
}

static void reflection_message(struct stream_call *stream, const ProtobufCMessage *message)
{
    request_t *request = (request_t *)(uintptr_t)message; /* echoed, only packed */
    struct answer *answer = ARENA_NEW(stream->arena, struct answer);

    if (answer == NULL) {
        stream_call_fail(stream, REASON_OUT_OF_MEMORY);
        return;
    }
    grpc__reflection__v1__server_reflection_response__init(&answer->response);
    answer->response.valid_host = request->host;
    answer->response.original_request = request;
    fill(stream, request, answer);
    stream_call_send(stream, &answer->response.base);
}

static void reflection_drain(struct stream_call *stream)
{
    stream_call_fail(stream, REASON_SHUTTING_DOWN);
}

const struct stream_ops reflection_ops = {
    .on_message = reflection_message,
    .on_end = stream_call_finish,
    .on_sent = stream_call_read, /* the next request is read when this one is answered */
    .on_drain = reflection_drain,
};
