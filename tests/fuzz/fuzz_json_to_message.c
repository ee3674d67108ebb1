/* Fuzz target: JSON to a message. What is read must come back: written as JSON and read again it is the
 * same message, byte for byte.
 *
 * The first byte of the input chooses the type and whether unknown fields are passed over. */
#include "edge/transcode/json_to_message.h"

#include "google/protobuf/descriptor.pb-c.h"
#include "google/rpc/status.pb-c.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "edge/method.h"
#include "edge/transcode/message_to_json.h"

enum {
    ROOTS_MAX = 64,
    JSON_OUT_MAX = 16 * 1024 * 1024,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *roots[ROOTS_MAX];
static size_t root_count;
static struct message_shapes *shapes;

static void init(void)
{
    for (size_t i = 0; i < method_count; i++) {
        roots[root_count++] = method_table[i].request;
        roots[root_count++] = method_table[i].reply;
    }
    roots[root_count++] = &google__rpc__status__descriptor;
    roots[root_count++] = &google__protobuf__file_descriptor_proto__descriptor;
    shapes = message_shapes_new(roots, root_count);
    assert(shapes != NULL);
}

static void pack(const ProtobufCMessage *message, struct buf *out)
{
    char *bytes;

    buf_init(out, JSON_OUT_MAX);
    bytes = buf_reserve(out, protobuf_c_message_get_packed_size(message));
    assert(bytes != NULL);
    protobuf_c_message_pack(message, (uint8_t *)bytes);
}

static void check_way_back(const struct message_shape *shape, const ProtobufCMessage *message,
                           struct arena *arena)
{
    struct json_message back;
    struct buf json, first, second;
    struct error err = {0};
    enum status status;

    buf_init(&json, JSON_OUT_MAX);
    assert(message_to_json(shape, message, arena, &json));
    const struct json_text text = {.text = json.data, .size = json.len, .prefix = ""};
    status = json_to_message(shape, &text, arena, &back, &err);
    /* Defaults are written out, so the text may have become longer or fuller than is allowed. */
    if (status == STATUS_OK) {
        pack(message, &first);
        pack(back.message, &second);
        assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
        buf_deinit(&first);
        buf_deinit(&second);
    } else {
        assert(err.field_count == 0);
    }
    buf_deinit(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(LIMIT_ARENA_SIZE);
    struct json_message message;
    struct error err = {0};

    if (shapes == NULL)
        init();
    assert(arena != NULL);
    if (size > 0) {
        const struct message_shape *shape =
            message_shapes_find(shapes, roots[(data[0] & 0x7f) % root_count]);
        const struct json_text text = {.text = (const char *)data + 1,
                                       .size = size - 1,
                                       .prefix = "",
                                       .ignore_unknown = data[0] >= 0x80};
        if (json_to_message(shape, &text, arena, &message, &err) == STATUS_OK)
            check_way_back(shape, message.message, arena);
        else
            assert(error_is_set(&err));
    }
    arena_free(arena);
    return 0;
}
