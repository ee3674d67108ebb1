/* Fuzz target: the check of bytes of the wire, and unpacking them. What passes the check can be unpacked,
 * and packed again it passes the check again. What does not pass says why.
 *
 * The first byte of the input chooses the type. */
#include "service/message.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "edge/method.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const ProtobufCMessageDescriptor *descriptor,
                        const ProtobufCMessage *message, struct arena *arena)
{
    const size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(size + 1);
    struct error err = {0};

    assert(bytes != NULL);
    assert(protobuf_c_message_pack(message, bytes) == size);
    assert(message_check(descriptor, bytes, size, arena, &err) == STATUS_OK);
    free(bytes);
}

static void try(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data, size_t size,
                struct arena *arena)
{
    ProtobufCMessage *message = NULL;
    struct error err = {0}, again = {0};

    if (message_check(descriptor, data, size, arena, &err) != STATUS_OK) {
        assert(error_is_set(&err));
        assert(call_unpack(descriptor, data, size, arena, &message, &again) != STATUS_OK);
        assert(again.reason == err.reason || again.reason == REASON_OUT_OF_MEMORY);
        return;
    }
    if (call_unpack(descriptor, data, size, arena, &message, &again) == STATUS_OK)
        check_again(descriptor, message, arena);
    else
        assert(again.reason == REASON_OUT_OF_MEMORY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(LIMIT_ARENA_SIZE);

    assert(arena != NULL);
    if (size > 0)
        try(method_table[data[0] % method_count].request, data + 1, size - 1, arena);
    arena_free(arena);
    return 0;
}
