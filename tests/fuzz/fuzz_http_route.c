/* Fuzz target: from a path and a query to a message. What is bound can be packed and passes the check of
 * the wire; what is not says why, and a path another method takes says which.
 *
 * The first byte of the input chooses the verb. */
#include "edge/http/http_binding.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "service/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct message_shapes *shapes;
static struct http_routes *routes;

static void init(void)
{
    const ProtobufCMessageDescriptor *roots[64];
    struct error err = {0};
    size_t count = 0;

    for (size_t i = 0; i < method_count; i++) {
        roots[count++] = method_table[i].request;
        roots[count++] = method_table[i].reply;
    }
    shapes = message_shapes_new(roots, count);
    assert(shapes != NULL);
    routes = http_routes_new(shapes, &err);
    assert(routes != NULL);
}

static void check_message(const struct http_route *route, const ProtobufCMessage *message,
                          struct arena *arena)
{
    const size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(size + 1);
    struct error err = {0};

    assert(bytes != NULL);
    assert(protobuf_c_message_pack(message, bytes) == size);
    assert(message_check(route->method->request, bytes, size, arena, &err) == STATUS_OK);
    free(bytes);
}

static void bind(struct http_request *request, const struct http_match *match)
{
    struct http_exchange exchange = {.request = request, .route = match->route};
    ProtobufCMessage *message = NULL;
    struct error err = {0};

    if (http_bind(&exchange, match, &message, &err) == STATUS_OK)
        check_message(match->route, message, request->arena);
    else
        assert(error_is_set(&err));
}

static void find(struct http_request *request)
{
    struct http_match match = {0};
    struct error err = {0};

    switch (
        http_routes_find(routes, request->method, request->path, request->arena, &match, &err)) {
    case HTTP_ROUTE_FOUND:
        bind(request, &match);
        break;
    case HTTP_ROUTE_OTHER_METHOD:
        assert(match.allow != NULL && match.allow[0] != '\0');
        break;
    case HTTP_ROUTE_UNKNOWN:
        assert(!error_is_set(&err));
        break;
    case HTTP_ROUTE_INVALID:
        assert(error_is_set(&err));
        break;
    }
}

/* What the head lets through: visible ASCII. */
static bool is_target(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~' || *c == '#')
            return false;
    }
    return text[0] == '/';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(LIMIT_ARENA_SIZE);
    char *target;

    if (shapes == NULL)
        init();
    assert(arena != NULL);
    target = size == 0 ? NULL : arena_strndup(arena, (const char *)data + 1, size - 1);
    if (target != NULL && is_target(target)) {
        struct http_request request = {.arena = arena,
                                       .method = (enum request_method)(data[0] % REQUEST_OTHER),
                                       .path = target,
                                       .body = ""};
        char *mark = strchr(target, '?');
        if (mark != NULL) {
            *mark = '\0';
            request.query = mark + 1;
        }
        find(&request);
    }
    arena_free(arena);
    return 0;
}
