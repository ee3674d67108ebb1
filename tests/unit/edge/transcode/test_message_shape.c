/* The table of types against its outside twin, the embedded descriptor set. */
#include "edge/transcode/message_shape.h"

#include "descriptor_set.h"
#include "google/protobuf/descriptor.pb-c.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "edge/transcode/json_name.h"
#include "every_kind.h"
#include "transcode_fixture.h"

typedef Google__Protobuf__FileDescriptorSet set_t;
typedef Google__Protobuf__DescriptorProto type_t;

static unsigned compare_type(const struct fixture *fixture, const char *prefix, const type_t *type)
{
    const struct message_shape *shape;
    char name[200];
    unsigned count = 0;

    snprintf(name, sizeof(name), "%s.%s", prefix, type->name);
    shape = message_shapes_find_name(fixture->shapes, name, strlen(name));
    for (size_t i = 0; shape != NULL && i < type->n_field; i++, count++) {
        const char *json_name = type->field[i]->json_name;
        const struct field_shape *field = message_shape_field(shape, json_name, strlen(json_name));
        assert_non_null(field);
        assert_string_equal(field->field->name, type->field[i]->name);
        assert_ptr_equal(
            message_shape_field(shape, type->field[i]->name, strlen(type->field[i]->name)), field);
        assert_int_equal(field->json_name_len, strlen(json_name));
    }
    for (size_t i = 0; i < type->n_nested_type; i++) {
        const type_t *nested = type->nested_type[i];
        char nested_name[300];
        count += compare_type(fixture, name, nested);
        snprintf(nested_name, sizeof(nested_name), "%s.%s", name, nested->name);
        if (nested->options == NULL || !nested->options->map_entry || shape == NULL)
            continue;
        /* Whoever holds it is a map. */
        for (size_t j = 0; j < shape->field_count; j++) {
            const struct field_shape *field = &shape->fields[j];
            if (field->message != NULL &&
                strcmp(field->message->descriptor->name, nested_name) == 0)
                assert_true(field->is_map);
        }
    }
    return count;
}

static void names_are_those_protoc_gives(void **state)
{
    set_t *set =
        google__protobuf__file_descriptor_set__unpack(NULL, descriptor_set_size, descriptor_set);
    unsigned count = 0;

    assert_non_null(set);
    for (size_t i = 0; i < set->n_file; i++) {
        for (size_t j = 0; j < set->file[i]->n_message_type; j++)
            count += compare_type(*state, set->file[i]->package, set->file[i]->message_type[j]);
    }
    google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
    assert_true(count > 100);
}

static void maps_are_told_from_lists_of_messages(void **state)
{
    const struct message_shape *info = fixture_shape(*state, "google.rpc.ErrorInfo");
    const struct message_shape *order = fixture_shape(*state, "shop.v1.Order");
    const struct message_shape *every = fixture_shape(*state, "test.v1.EveryKind");

    assert_true(message_shape_field(info, "metadata", 8)->is_map);
    assert_false(message_shape_field(order, "lines", 5)->is_map);
    assert_true(message_shape_field(order, "lines", 5)->is_repeated);
    assert_true(message_shape_field(every, "byName", 6)->is_map);
    assert_false(message_shape_field(every, "manyInner", 9)->is_map);
}

/* Its fields are called key and value, but protoc did not make it up for this field. */
static void a_list_of_pairs_is_no_map(void **state)
{
    const struct message_shape *every = fixture_shape(*state, "test.v1.EveryKind");
    const struct field_shape *counts = message_shape_field(every, "counts", 6);
    ProtobufCFieldDescriptor pairs = *counts->field;
    ProtobufCMessageDescriptor holder = every_kind_descriptor;
    const ProtobufCMessageDescriptor *root = &holder;
    struct message_shapes *shapes;

    pairs.name = "pairs";
    holder.n_fields = 1;
    holder.fields = &pairs;
    shapes = message_shapes_new(&root, 1);
    assert_non_null(shapes);
    assert_true(counts->is_map);
    assert_false(message_shapes_find(shapes, root)->fields[0].is_map);
    message_shapes_free(shapes);
}

static void types_may_hold_each_other(void **state)
{
    const struct message_shape *every = fixture_shape(*state, "test.v1.EveryKind");

    assert_ptr_equal(message_shape_field(every, "inner", 5)->message, every);
    assert_ptr_equal(message_shapes_find(every->shapes, &every_kind_descriptor), every);
}

static void names_are_compared_whole(void **state)
{
    const struct message_shape *every = fixture_shape(*state, "test.v1.EveryKind");
    const struct fixture *fixture = *state;

    assert_null(message_shape_field(every, "isO", 3));
    assert_null(message_shape_field(every, "isOnn", 5));
    assert_null(message_shape_field(every, "IsOn", 4));
    assert_null(message_shape_field(every, "", 0));
    assert_non_null(message_shape_field(every, "isOnn", 4));
    assert_null(message_shapes_find_name(fixture->shapes, "test.v1.EveryKin", 16));
    assert_null(message_shapes_find_name(fixture->shapes, "EveryKind", 9));
}

static void names_are_spelled_as_protoc_does(void **state)
{
    static const char *const rows[][2] = {
        {"name", "name"}, {"create_time", "createTime"},
        {"a_1", "a1"},    {"_a", "A"},
        {"a__b", "aB"},   {"a_", "a"},
        {"aB_c", "aBC"},  {"x_y_z", "xYZ"},
        {"", ""},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[32];
        const size_t len = json_name_from_proto(rows[i][0], strlen(rows[i][0]), out);
        assert_int_equal(len, strlen(rows[i][1]));
        assert_memory_equal(out, rows[i][1], len);
    }
}

static void paths_of_masks_are_spelled_back(void **state)
{
    static const char *const rows[][2] = {
        {"name", "name"},
        {"createTime", "create_time"},
        {"price.currencyCode", "price.currency_code"},
        {"a1", "a1"},
        {"create_time", "create_time"},
        {"a-b", ""},
        {"a b", ""},
        {"", ""},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[64];
        const size_t len = json_name_to_proto(rows[i][0], strlen(rows[i][0]), out);
        assert_int_equal(len, strlen(rows[i][1]));
        assert_memory_equal(out, rows[i][1], len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_protoc_gives),
        cmocka_unit_test(maps_are_told_from_lists_of_messages),
        cmocka_unit_test(a_list_of_pairs_is_no_map),
        cmocka_unit_test(types_may_hold_each_other),
        cmocka_unit_test(names_are_compared_whole),
        cmocka_unit_test(names_are_spelled_as_protoc_does),
        cmocka_unit_test(paths_of_masks_are_spelled_back),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
