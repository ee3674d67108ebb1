/* The table of methods against its outside twin, the embedded descriptor set. */
#include "edge/method.h"

#include "descriptor_set.h"
#include "google/protobuf/descriptor.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef Google__Protobuf__FileDescriptorSet set_t;
typedef Google__Protobuf__FileDescriptorProto file_t;
typedef Google__Protobuf__ServiceDescriptorProto service_t;
typedef Google__Protobuf__MethodDescriptorProto method_t;

static int setup(void **state)
{
    *state =
        google__protobuf__file_descriptor_set__unpack(NULL, descriptor_set_size, descriptor_set);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    google__protobuf__file_descriptor_set__free_unpacked(*state, NULL);
    return 0;
}

/* Compares one service's methods with the rows from `row` on; returns the row after the last. */
static size_t compare_service(const file_t *file, const service_t *service, size_t row)
{
    char name[200];

    for (size_t i = 0; i < service->n_method; i++, row++) {
        const method_t *method = service->method[i];
        assert_true(row < method_count);
        const struct method *mine = &method_table[row];
        snprintf(name, sizeof(name), "%s.%s", file->package, service->name);
        assert_string_equal(mine->service, name);
        assert_string_equal(mine->name, method->name);
        snprintf(name, sizeof(name), "/%s.%s/%s", file->package, service->name, method->name);
        assert_string_equal(mine->path, name);
        /* Types are written with a leading dot. */
        assert_string_equal(mine->request->name, method->input_type + 1);
        assert_string_equal(mine->reply->name, method->output_type + 1);
    }
    return row;
}

static void every_method_that_is_served_has_its_row_in_order(void **state)
{
    const set_t *set = *state;
    size_t row = 0;

    for (size_t i = 0; i < set->n_file; i++) {
        for (size_t j = 0; j < set->file[i]->n_service; j++) {
            const service_t *service = set->file[i]->service[j];
            if (strcmp(set->file[i]->package, "shop.v1") == 0 &&
                (strcmp(service->name, "Catalog") == 0 || strcmp(service->name, "Orders") == 0 ||
                 strcmp(service->name, "OrderEvents") == 0)) {
                row = compare_service(set->file[i], service, row);
            }
        }
    }
    assert_int_equal(row, method_count);
}

static void methods_without_side_effects_are_reads(void **state)
{
    const set_t *set = *state;

    for (size_t row = 0; row < method_count; row++) {
        for (size_t i = 0; i < set->n_file; i++) {
            for (size_t j = 0; j < set->file[i]->n_service; j++) {
                const service_t *service = set->file[i]->service[j];
                for (size_t k = 0; k < service->n_method; k++) {
                    const method_t *method = service->method[k];
                    const bool is_free =
                        method->options != NULL &&
                        method->options->idempotency_level ==
                            GOOGLE__PROTOBUF__METHOD_OPTIONS__IDEMPOTENCY_LEVEL__NO_SIDE_EFFECTS;
                    if (strstr(method_table[row].service, service->name) != NULL &&
                        strcmp(method_table[row].name, method->name) == 0 && is_free) {
                        assert_int_equal(method_table[row].kind, METHOD_READ);
                    }
                }
            }
        }
    }
}

static void slots_of_all_methods_together_stay_below_three_hundred(void **state)
{
    unsigned count = 0;

    for (size_t i = 0; i < method_count; i++) {
        assert_in_range(method_table[i].slot_count, 1, 64);
        count += method_table[i].slot_count;
    }
    assert_in_range(count, 1, 299);
}

static void only_waiting_for_an_order_counts_as_an_order(void **state)
{
    for (size_t i = 0; i < method_count; i++) {
        const char *name = method_table[i].name;
        const bool waits = strcmp(name, "ProcessOrder") == 0 || strcmp(name, "PlaceOrder") == 0;
        assert_int_equal(method_table[i].kind == METHOD_ORDER, waits);
    }
}

static void a_method_has_a_function_of_the_kind_its_proto_says(void **state)
{
    const set_t *set = *state;
    size_t row = 0;

    for (size_t i = 0; i < set->n_file; i++) {
        for (size_t j = 0; j < set->file[i]->n_service; j++) {
            const service_t *service = set->file[i]->service[j];
            for (size_t k = 0; k < service->n_method && row < method_count; k++) {
                const method_t *method = service->method[k];
                if (strstr(method_table[row].service, service->name) == NULL ||
                    strcmp(method_table[row].name, method->name) != 0) {
                    continue;
                }
                assert_int_equal(method_table[row].open != NULL, method->server_streaming);
                assert_int_equal(method_table[row].run != NULL, !method->server_streaming);
                row++;
            }
        }
    }
    assert_int_equal(row, method_count);
}

static bool has_int64(const ProtobufCMessageDescriptor *message, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message, name);
    return field != NULL && field->type == PROTOBUF_C_TYPE_INT64;
}

static void a_stream_resumes_by_a_field_of_its_replies(void **state)
{
    char name[64];

    for (size_t i = 0; i < method_count; i++) {
        const struct method *method = &method_table[i];
        assert_int_equal(method->resume_field != NULL, method->open != NULL);
        if (method->open == NULL)
            continue;
        snprintf(name, sizeof(name), "after_%s", method->resume_field);
        assert_true(has_int64(method->reply, method->resume_field));
        assert_true(has_int64(method->request, name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_method_that_is_served_has_its_row_in_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(methods_without_side_effects_are_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(a_method_has_a_function_of_the_kind_its_proto_says, setup,
                                        teardown),
        cmocka_unit_test(a_stream_resumes_by_a_field_of_its_replies),
        cmocka_unit_test(slots_of_all_methods_together_stay_below_three_hundred),
        cmocka_unit_test(only_waiting_for_an_order_counts_as_an_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
