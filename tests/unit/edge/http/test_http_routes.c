/* Paths to methods, by the rules of the protos. */
#include "edge/http/http_routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct message_shapes *shapes;
static struct http_routes *routes;
static struct arena *arena;

static int setup(void **state)
{
    const ProtobufCMessageDescriptor *roots[2 * 64];
    struct error err = {0};

    (void)state;
    assert_true(method_count <= 64);
    for (size_t i = 0; i < method_count; i++) {
        roots[2 * i] = method_table[i].request;
        roots[2 * i + 1] = method_table[i].reply;
    }
    shapes = message_shapes_new(roots, 2 * method_count);
    assert_non_null(shapes);
    routes = http_routes_new(shapes, &err);
    assert_non_null(routes);
    arena = arena_new(1024 * 1024);
    return arena == NULL;
}

static int teardown(void **state)
{
    (void)state;
    http_routes_free(routes);
    message_shapes_free(shapes);
    arena_free(arena);
    return 0;
}

static void every_method_has_a_route(void **state)
{
    size_t count;
    const struct http_route *all = http_routes_all(routes, &count);

    (void)state;
    for (size_t m = 0; m < method_count; m++) {
        size_t found = 0;

        for (size_t i = 0; i < count; i++)
            found += all[i].method == &method_table[m];
        assert_true(found >= 1);
    }
}

static void a_path_and_a_verb_lead_to_a_method(void **state)
{
    static const struct {
        enum request_method verb;
        const char *path, *method;
    } rows[] = {
        {REQUEST_GET, "/v1/products/tea", "GetProduct"},
        {REQUEST_GET, "/v1/products", "ListProducts"},
        {REQUEST_GET, "/v1/products:batchGet", "BatchGetProducts"},
        {REQUEST_GET, "/products", "ListProducts"},
        {REQUEST_GET, "/products/tea", "GetProduct"},
        {REQUEST_POST, "/v1/products", "CreateProduct"},
        {REQUEST_PATCH, "/v1/products/tea", "UpdateProduct"},
        {REQUEST_DELETE, "/v1/products/tea", "DeleteProduct"},
        {REQUEST_POST, "/v1/products/tea:adjustStock", "AdjustStock"},
        {REQUEST_POST, "/v1/orders", "CreateOrder"},
        {REQUEST_POST, "/v1/orders:place", "PlaceOrder"},
        {REQUEST_GET, "/v1/orders/1", "GetOrder"},
        {REQUEST_POST, "/v1/orders/1:process", "ProcessOrder"},
        {REQUEST_POST, "/v1/orders/1:cancel", "CancelOrder"},
        {REQUEST_GET, "/v1/orders/1:watch", "WatchOrder"},
        {REQUEST_GET, "/v1/orders/a:b", "GetOrder"},   /* no verb of ours */
        {REQUEST_GET, "/v1/%6Frders/1", "GetOrder"},   /* literals are compared decoded */
        {REQUEST_GET, "/v1/orders/a%2Fb", "GetOrder"}, /* no separator */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_match match;
        struct error err = {0};

        if (http_routes_find(routes, rows[i].verb, rows[i].path, arena, &match, &err) !=
            HTTP_ROUTE_FOUND)
            fail_msg("no route for %s", rows[i].path);
        assert_string_equal(match.route->method->name, rows[i].method);
    }
}

static void a_known_path_says_what_may_be_done_with_it(void **state)
{
    static const struct {
        enum request_method verb;
        const char *path, *allow;
    } rows[] = {
        {REQUEST_PUT, "/v1/products/tea", "GET, HEAD, PATCH, DELETE, OPTIONS"},
        {REQUEST_GET, "/v1/orders/1:process", "POST, OPTIONS"},
        {REQUEST_OPTIONS, "/v1/orders", "GET, HEAD, POST, OPTIONS"},
        {REQUEST_OTHER, "/v1/orders/1", "GET, HEAD, OPTIONS"},
        {REQUEST_DELETE, "/v1/products:batchGet", "GET, HEAD, OPTIONS"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_match match;
        struct error err = {0};

        assert_int_equal(http_routes_find(routes, rows[i].verb, rows[i].path, arena, &match, &err),
                         HTTP_ROUTE_OTHER_METHOD);
        assert_string_equal(match.allow, rows[i].allow);
    }
}

static void other_paths_are_unknown(void **state)
{
    static const char *const paths[] = {
        "/v1",
        "/v1/",
        "/v1/orders/",
        "/v1//orders",
        "/v2/orders",
        "/v1/orders/1/2",
        "/v1/Orders",
        "/v1/orders:nope",
        "/v1/products/x/../y",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct http_match match;
        struct error err = {0};

        if (http_routes_find(routes, REQUEST_GET, paths[i], arena, &match, &err) !=
            HTTP_ROUTE_UNKNOWN)
            fail_msg("a route for %s", paths[i]);
    }
}

static void a_path_with_a_broken_escape_is_invalid(void **state)
{
    struct http_match match;
    struct error err = {0};

    (void)state;
    assert_int_equal(http_routes_find(routes, REQUEST_GET, "/v1/orders/%zz", arena, &match, &err),
                     HTTP_ROUTE_INVALID);
    assert_true(error_is_set(&err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_has_a_route),
        cmocka_unit_test(a_path_and_a_verb_lead_to_a_method),
        cmocka_unit_test(a_known_path_says_what_may_be_done_with_it),
        cmocka_unit_test(other_paths_are_unknown),
        cmocka_unit_test(a_path_with_a_broken_escape_is_invalid),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
