/* Symbols of the embedded descriptor set are found, and malformed sets are refused. */
#include "edge/grpc/reflection_index.h"

#include "descriptor_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = reflection_index_new(descriptor_set, descriptor_set_size);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    reflection_index_free(*state);
    return 0;
}

static void symbols_of_every_kind_are_found_in_their_file(void **state)
{
    static const struct {
        const char *symbol, *file;
    } cases[] = {
        {"shop.v1.Orders", "shop/v1/orders.proto"},
        {"shop.v1.Orders.PlaceOrder", "shop/v1/orders.proto"},
        {"shop.v1.Order", "shop/v1/orders.proto"},
        {"shop.v1.Order.id", "shop/v1/orders.proto"},
        {"shop.v1.Order.State", "shop/v1/orders.proto"},
        {"shop.v1.Order.FULFILLED", "shop/v1/orders.proto"},
        {"shop.v1.Catalog", "shop/v1/catalog.proto"},
        {"shop.v1.Product", "shop/v1/catalog.proto"},
        {"google.type.Money", "google/type/money.proto"},
        {"google.api.http", "google/api/annotations.proto"},
        {"google.protobuf.Empty", "google/protobuf/empty.proto"},
        {"grpc.reflection.v1.ServerReflectionRequest.message_request",
         "grpc/reflection/v1/reflection.proto"},
        {"grpc.health.v1.HealthListResponse.StatusesEntry", "grpc/health/v1/health.proto"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct reflection_file *file = reflection_file_of_symbol(*state, cases[i].symbol);
        if (file == NULL) {
            print_error("%s is not found\n", cases[i].symbol);
        }
        assert_non_null(file);
        assert_string_equal(file->name, cases[i].file);
    }
}

static void what_is_not_there_is_not_found(void **state)
{
    static const char *const symbols[] = {
        "", "shop", "shop.v1", "shop.v1.Orde", "shop.v1.Orderx", ".shop.v1.Order",
    };
    for (size_t i = 0; i < COUNT_OF(symbols); i++) {
        assert_null(reflection_file_of_symbol(*state, symbols[i]));
    }
    assert_null(reflection_file_named(*state, "orders.proto"));
    assert_null(reflection_file_of_extension(*state, "google.protobuf.MethodOptions", 1));
    assert_null(reflection_file_of_extension(*state, "shop.v1.Order", 72295728));
    assert_false(reflection_has_message(*state, "shop.v1.Orders")); /* a service */
    assert_int_equal(reflection_extension_numbers(*state, "shop.v1.Order", NULL, 0), 0);
}

static void extensions_are_found_by_type_and_number(void **state)
{
    int32_t numbers[4] = {0};
    const struct reflection_file *file =
        reflection_file_of_extension(*state, "google.protobuf.MethodOptions", 72295728);

    assert_non_null(file);
    assert_string_equal(file->name, "google/api/annotations.proto");
    assert_int_equal(
        reflection_extension_numbers(*state, "google.protobuf.MethodOptions", numbers, 4), 1);
    assert_int_equal(numbers[0], 72295728);
}

static void a_file_knows_the_files_it_imports(void **state)
{
    const struct reflection_file *file = reflection_file_named(*state, "shop/v1/orders.proto");
    bool money = false;

    assert_non_null(file);
    for (unsigned i = 0; i < file->dependency_count; i++) {
        money |= strcmp(file->dependencies[i]->name, "google/type/money.proto") == 0;
        assert_true(file->dependencies[i]->index < file->index);
    }
    assert_true(money);
}

/* Each in memory of its own size, so that a read beyond the end is seen by the sanitizer. */
static void every_prefix_of_a_set_is_refused_or_indexed_without_harm(void **state)
{
    for (size_t size = 0; size < 2000; size += 7) {
        uint8_t *prefix = malloc(size + 1);
        assert_non_null(prefix);
        memcpy(prefix, descriptor_set, size);
        struct reflection_index *index = reflection_index_new(prefix, size);
        reflection_index_free(index);
        free(prefix);
    }
}

static void malformed_sets_are_refused(void **state)
{
    static const struct {
        const char *what;
        uint8_t bytes[16];
        size_t size;
    } cases[] = {
        {"a length beyond the end", {0x0a, 0x05, 0x00}, 3},
        {"a varint without end", {0x0a, 0xff, 0xff, 0xff}, 4},
        {"a group", {0x0b}, 1},
        {"another field than file", {0x12, 0x00}, 2},
        {"an import that is not there", {0x0a, 0x06, 0x0a, 0x01, 'a', 0x1a, 0x01, 'b'}, 8},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct reflection_index *index = reflection_index_new(cases[i].bytes, cases[i].size);
        if (index != NULL) {
            print_error("accepted: %s\n", cases[i].what);
        }
        assert_null(index);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(symbols_of_every_kind_are_found_in_their_file, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(extensions_are_found_by_type_and_number, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_knows_the_files_it_imports, setup, teardown),
        cmocka_unit_test(every_prefix_of_a_set_is_refused_or_indexed_without_harm),
        cmocka_unit_test(malformed_sets_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
