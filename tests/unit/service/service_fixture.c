/* A service over fakes. */
#include "service_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"

int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    if (fixture == NULL)
        return -1;
    fake_clock_init(&fixture->clock);
    fake_random_init(&fixture->random, 1);
    fake_catalog_store_init(&fixture->catalog, &fixture->clock.base);
    fake_order_store_init(&fixture->orders, &fixture->catalog, &fixture->clock.base);
    fake_saga_driver_init(&fixture->driver, &fixture->clock.base);
    fixture->service = (struct service){
        .catalog_store = &fixture->catalog.base,
        .order_store = &fixture->orders.base,
        .saga_driver = &fixture->driver,
        .clock = &fixture->clock.base,
        .random = &fixture->random.base,
        .page_key = {1, 2, 3},
        .page_key_set = true,
    };
    fixture->call = (struct call){.arena = arena_new(LIMIT_ARENA_SIZE), .caller = ""};
    *state = fixture;
    return fixture->call.arena == NULL ? -1 : 0;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;

    arena_free(fixture->call.arena);
    fake_order_store_deinit(&fixture->orders);
    fake_catalog_store_deinit(&fixture->catalog);
    free(fixture);
    return 0;
}

void fixture_put_products(struct fixture *fixture)
{
    static const struct product products[] = {
        {.id = "tea", .name = "Green tea", .category = "shop", .price = {250, "EUR"}},
        {.id = "cup", .name = "Tea cup", .category = "shop", .price = {1000, "EUR"}},
        {.id = "sake", .name = "Sake", .category = "shop", .price = {500, "JPY"}},
    };

    for (size_t i = 0; i < COUNT_OF(products); i++) {
        struct product product = products[i];
        product.available = 10;
        fake_catalog_store_put(&fixture->catalog, &product);
    }
}

static void on_done(struct call *call)
{
    struct fixture *fixture = CONTAINER_OF(call, struct fixture, call);

    fixture->done_count++;
}

void fixture_run(struct fixture *fixture, service_fn *method, const ProtobufCMessage *request)
{
    struct call *call = &fixture->call;
    int64_t deadline_ms = call->deadline_ms;

    fixture->done_count = 0;
    *call = (struct call){
        .arena = call->arena, .caller = call->caller, .request = request, .done = on_done};
    call->deadline_ms = deadline_ms != 0 ? deadline_ms : fixture->clock.now_ms + 10000;
    call->answer_by_ms = call->deadline_ms - 50;
    method(&fixture->service, call);
    fake_clock_advance(&fixture->clock, 1);
    assert_int_equal(fixture->done_count, 1);
    call->deadline_ms = 0;
    if (error_is_set(&call->err))
        assert_null(call->reply);
}

const void *fixture_reply(struct fixture *fixture, service_fn *method,
                          const ProtobufCMessage *request)
{
    fixture_run(fixture, method, request);
    if (error_is_set(&fixture->call.err)) {
        print_error("%s\n", fixture->call.err.message);
        for (struct error_detail *detail = fixture->call.err.details; detail; detail = detail->next)
            print_error("  %s: %s\n", detail->a, detail->b);
    }
    assert_int_equal(fixture->call.err.status, STATUS_OK);
    assert_non_null(fixture->call.reply);
    return fixture->call.reply;
}

void fixture_refuses(struct fixture *fixture, service_fn *method, const ProtobufCMessage *request,
                     enum reason reason)
{
    fixture_run(fixture, method, request);
    assert_string_equal(reason_key(fixture->call.err.reason), reason_key(reason));
    assert_int_equal(fixture->call.err.status, reason_status(reason));
}

/* ---- Looking at errors --------------------------------------------------------------------- */

static const char *find(const struct fixture *fixture, enum error_detail_kind kind, const char *a)
{
    const struct error_detail *detail = fixture->call.err.details;

    for (; detail != NULL; detail = detail->next) {
        if (detail->kind == kind && strcmp(detail->a, a) == 0)
            return detail->b;
    }
    return NULL;
}

const char *fixture_metadata(const struct fixture *fixture, const char *key)
{
    return find(fixture, DETAIL_METADATA, key);
}

const char *fixture_violation(const struct fixture *fixture, const char *field)
{
    return find(fixture, DETAIL_FIELD, field);
}

bool fixture_names_resource(const struct fixture *fixture, const char *type, const char *name)
{
    const struct error_detail *detail = fixture->call.err.details;

    for (; detail != NULL; detail = detail->next) {
        if (detail->kind == DETAIL_RESOURCE && strcmp(detail->a, type) == 0 &&
            strcmp(detail->b, name) == 0)
            return true;
    }
    return false;
}
