/* Fingerprints of requests. Not for deciding what a repeated key means, which is the store's. */
#include "service/fingerprint.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

static const ProtobufCFieldDescriptor *request_id_field(const ProtobufCMessage *request)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(request->descriptor, "request_id");

    assert(field != NULL);
    assert(field->type == PROTOBUF_C_TYPE_STRING);
    return field;
}

/* The request without its request_id: a shallow copy, in which one pointer is another. */
static ProtobufCMessage *copy_without(const ProtobufCMessage *request, unsigned offset,
                                      struct arena *arena)
{
    const char *empty = protobuf_c_empty_string;
    char *copy = arena_memdup(arena, request, request->descriptor->sizeof_message);

    if (copy != NULL)
        memcpy(copy + offset, &empty, sizeof(empty));
    return (ProtobufCMessage *)(void *)copy;
}

static bool fingerprint(const ProtobufCMessage *message, struct arena *arena,
                        uint8_t hash[IDEMPOTENCY_HASH_SIZE])
{
    uint8_t *bytes = arena_alloc(arena, protobuf_c_message_get_packed_size(message));
    unsigned hash_size = 0;
    size_t size;

    if (bytes == NULL)
        return false;
    size = protobuf_c_message_pack(message, bytes);
    if (EVP_Digest(bytes, size, hash, &hash_size, EVP_sha256(), NULL) != 1)
        return false;
    assert(hash_size == IDEMPOTENCY_HASH_SIZE);
    return true;
}

bool idempotency_of_call(const struct call *call, const char *method,
                         struct idempotency *out_idempotency)
{
    unsigned offset = request_id_field(call->request)->offset;
    struct idempotency idempotency = {.caller = call->caller, .method = method};
    ProtobufCMessage *copy;

    memcpy(&idempotency.request_id, (const char *)call->request + offset,
           sizeof(idempotency.request_id));
    if (idempotency_is_set(&idempotency)) {
        copy = copy_without(call->request, offset, call->arena);
        if (copy == NULL || !fingerprint(copy, call->arena, idempotency.hash))
            return false;
    }
    *out_idempotency = idempotency;
    return true;
}
