#include "transcode_fixture.h"

#include "google/api/http.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"
#include "edge/method.h"
#include "edge/transcode/message_to_json.h"
#include "every_kind.h"

enum {
    ROOTS_MAX = 64
};

static const ProtobufCMessageDescriptor *const other_roots[] = {
    &every_kind_descriptor,
    &google__rpc__error_info__descriptor,
    &google__rpc__retry_info__descriptor,
    &google__rpc__bad_request__descriptor,
    &google__rpc__precondition_failure__descriptor,
    &google__rpc__resource_info__descriptor,
    &google__rpc__status__descriptor,
    &grpc__health__v1__health_check_response__descriptor,
    &google__api__http_rule__descriptor,
    &google__protobuf__uninterpreted_option__descriptor,
};

int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    const ProtobufCMessageDescriptor *roots[ROOTS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < method_count; i++) {
        roots[count++] = method_table[i].request;
        roots[count++] = method_table[i].reply;
    }
    for (size_t i = 0; i < COUNT_OF(other_roots); i++)
        roots[count++] = other_roots[i];
    fixture->arena = arena_new(LIMIT_ARENA_SIZE);
    fixture->shapes = message_shapes_new(roots, count);
    *state = fixture;
    return fixture->arena == NULL || fixture->shapes == NULL ? -1 : 0;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;

    message_shapes_free(fixture->shapes);
    arena_free(fixture->arena);
    free(fixture);
    return 0;
}

const struct message_shape *fixture_shape(const struct fixture *fixture, const char *type)
{
    const struct message_shape *shape =
        message_shapes_find_name(fixture->shapes, type, strlen(type));

    assert_non_null(shape);
    return shape;
}

enum status fixture_read(const struct fixture *fixture, const char *type, const char *json,
                         struct json_message *out, struct error *err)
{
    const struct json_text text = {.text = json, .size = strlen(json), .prefix = ""};

    *err = (struct error){0};
    return json_to_message(fixture_shape(fixture, type), &text, fixture->arena, out, err);
}

const char *fixture_write(const struct fixture *fixture, const ProtobufCMessage *message)
{
    const struct message_shape *shape = message_shapes_find(fixture->shapes, message->descriptor);
    char *copy = NULL;
    struct buf buf;

    buf_init(&buf, LIMIT_REPLY_SIZE);
    if (message_to_json(shape, message, fixture->arena, &buf))
        copy = arena_strdup(fixture->arena, buf.data);
    buf_deinit(&buf);
    return copy;
}

const char *fixture_round(const struct fixture *fixture, const char *type, const char *json,
                          struct error *err)
{
    struct json_message message;

    if (fixture_read(fixture, type, json, &message, err) != STATUS_OK)
        return NULL;
    return fixture_write(fixture, message.message);
}

const char *violation_of(const struct error *err, const char *field)
{
    for (const struct error_detail *detail = err->details; detail != NULL; detail = detail->next) {
        if (detail->kind == DETAIL_FIELD && strcmp(detail->a, field) == 0)
            return detail->b;
    }
    return NULL;
}
