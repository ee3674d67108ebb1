/* Walks the wire bytes of the descriptor set and notes every name in it.
 *
 * The walk is driven by a table: for each kind of descriptor, which of its fields hold descriptors of
 * which kind. Nothing is unpacked; names and files point into the set or the index's arena. */
#include "edge/grpc/reflection_index.h"

#include "base/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    INDEX_SIZE_MAX = 4 * 1024 * 1024,
    FILES_MAX = 256,
    DEPTH_MAX = 16, /* messages in one another */
};

enum kind {
    KIND_MESSAGE,
    KIND_FIELD,
    KIND_ONEOF,
    KIND_ENUM,
    KIND_VALUE,
    KIND_SERVICE,
    KIND_METHOD,
    KIND_EXTENSION,
    KIND_FILE
};

/* Field `number` of a descriptor of kind `in` holds descriptors of kind `kind`. `is_sibling`: their
 * names are in the scope around `in`, as enum values are in C++ and so in protobuf. */
static const struct child_rule {
    enum kind in;
    uint32_t number;
    enum kind kind;
    bool is_sibling;
} child_rules[] = {
    {KIND_FILE, 4, KIND_MESSAGE, false},   {KIND_FILE, 5, KIND_ENUM, false},
    {KIND_FILE, 6, KIND_SERVICE, false},   {KIND_FILE, 7, KIND_EXTENSION, false},
    {KIND_MESSAGE, 2, KIND_FIELD, false},  {KIND_MESSAGE, 3, KIND_MESSAGE, false},
    {KIND_MESSAGE, 4, KIND_ENUM, false},   {KIND_MESSAGE, 6, KIND_EXTENSION, false},
    {KIND_MESSAGE, 8, KIND_ONEOF, false},  {KIND_ENUM, 2, KIND_VALUE, true},
    {KIND_SERVICE, 2, KIND_METHOD, false},
};

enum {
    FIELD_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_DEPENDENCY = 3,
    FIELD_EXTENDEE = 2,
    FIELD_NUMBER = 3
};

struct symbol {
    const char *name;
    const struct reflection_file *file;
    enum kind kind;
    const char *extendee; /* of an extension */
    int32_t number;
    struct symbol *next;
};

struct reflection_index {
    struct arena *arena;
    unsigned file_count;
    struct reflection_file files[FILES_MAX];
    struct symbol *list;           /* while it is being made */
    const struct symbol **symbols; /* sorted by name */
    size_t symbol_count;
    bool failed;
};

/* Wire format */

struct wire {
    const uint8_t *at, *end;
    bool failed;
};
struct wire_field {
    uint32_t number;
    uint64_t varint;     /* of a varint field, else 0 */
    const uint8_t *data; /* of a field with a length, else NULL */
    size_t size;
};

static uint64_t wire_varint(struct wire *wire)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && wire->at < wire->end; shift += 7) {
        const uint8_t byte = *wire->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    wire->failed = true;
    return 0;
}

static void wire_skip(struct wire *wire, size_t size)
{
    if (size > (size_t)(wire->end - wire->at)) {
        wire->failed = true;
        return;
    }
    wire->at += size;
}

/* false at the end, or when the bytes make no sense (wire->failed). */
static bool wire_next(struct wire *wire, struct wire_field *field)
{
    uint64_t tag;

    if (wire->failed || wire->at == wire->end) {
        return false;
    }
    memset(field, 0, sizeof(*field));
    tag = wire_varint(wire);
    field->number = (uint32_t)(tag >> 3);
    switch (tag & 7) {
    case 0:
        field->varint = wire_varint(wire);
        break;
    case 1:
        wire_skip(wire, 8);
        break;
    case 2:
        field->size = (size_t)wire_varint(wire);
        field->data = wire->at;
        wire_skip(wire, field->size);
        break;
    case 5:
        wire_skip(wire, 4);
        break;
    default: /* groups are not used by descriptors */
        wire->failed = true;
        break;
    }
    return !wire->failed;
}

static struct wire wire_of(const uint8_t *data, size_t size)
{
    return (struct wire){.at = data, .end = data + size};
}

/* The last value of a field, as protobuf has it; data NULL and varint 0 when it is not there. */
static struct wire_field find_field(const uint8_t *data, size_t size, uint32_t number)
{
    struct wire wire = wire_of(data, size);
    struct wire_field field, found = {.number = number};

    while (wire_next(&wire, &field)) {
        if (field.number == number) {
            found = field;
        }
    }
    return found;
}

/* Making */

static const char *copy_text(struct reflection_index *index, const struct wire_field *field)
{
    const char *text = field->data == NULL
                           ? ""
                           : arena_strndup(index->arena, (const char *)field->data, field->size);
    if (text == NULL) {
        index->failed = true;
        return "";
    }
    return text;
}

static const char *join_name(struct reflection_index *index, const char *scope, const char *name)
{
    const char *full = scope[0] == '\0' ? name : arena_printf(index->arena, "%s.%s", scope, name);
    if (full == NULL) {
        index->failed = true;
        return "";
    }
    return full;
}

static struct symbol *add_symbol(struct reflection_index *index, const struct reflection_file *file,
                                 enum kind kind, const char *name)
{
    struct symbol *symbol = ARENA_NEW(index->arena, struct symbol);
    if (symbol == NULL) {
        index->failed = true;
        return NULL;
    }
    symbol->name = name;
    symbol->file = file;
    symbol->kind = kind;
    symbol->next = index->list;
    index->list = symbol;
    index->symbol_count++;
    return symbol;
}

static const char *without_dot(const char *name)
{
    return name[0] == '.' ? name + 1 : name;
}

struct walk {
    struct reflection_index *index;
    const struct reflection_file *file;
    unsigned depth;
};

static void walk_children(struct walk *walk, enum kind in, const char *scope,
                          const struct wire_field *body, const char *outer_scope);

static void note(struct walk *walk, enum kind kind, const char *scope,
                 const struct wire_field *body)
{
    const struct wire_field name = find_field(body->data, body->size, FIELD_NAME);
    const char *full = join_name(walk->index, scope, copy_text(walk->index, &name));
    struct symbol *symbol = add_symbol(walk->index, walk->file, kind, full);

    if (symbol != NULL && kind == KIND_EXTENSION) {
        const struct wire_field extendee = find_field(body->data, body->size, FIELD_EXTENDEE);
        symbol->extendee = without_dot(copy_text(walk->index, &extendee));
        symbol->number = (int32_t)find_field(body->data, body->size, FIELD_NUMBER).varint;
    }
    walk_children(walk, kind, full, body, scope);
}

static const struct child_rule *find_rule(enum kind in, const struct wire_field *field)
{
    for (size_t i = 0; i < COUNT_OF(child_rules); i++) {
        if (child_rules[i].in == in && child_rules[i].number == field->number &&
            field->data != NULL) {
            return &child_rules[i];
        }
    }
    return NULL;
}

/* `scope` is the name of the descriptor itself, `outer_scope` that of the one around it. */
static void walk_children(struct walk *walk, enum kind in, const char *scope,
                          const struct wire_field *body, const char *outer_scope)
{
    struct wire wire = wire_of(body->data, body->size);
    struct wire_field field;

    if (++walk->depth > DEPTH_MAX) {
        walk->index->failed = true;
        return;
    }
    while (wire_next(&wire, &field)) {
        const struct child_rule *rule = find_rule(in, &field);
        if (rule != NULL) {
            note(walk, rule->kind, rule->is_sibling ? outer_scope : scope, &field);
        }
    }
    walk->index->failed |= wire.failed;
    walk->depth--;
}

static void link_dependencies(struct reflection_index *index, struct reflection_file *file)
{
    struct wire wire = wire_of(file->data, file->size);
    struct wire_field field;

    file->dependencies =
        arena_array(index->arena, index->file_count, sizeof(const struct reflection_file *));
    if (file->dependencies == NULL) {
        index->failed = true;
        return;
    }
    while (wire_next(&wire, &field)) {
        if (field.number == FILE_DEPENDENCY && field.data != NULL) {
            const struct reflection_file *found =
                reflection_file_named(index, copy_text(index, &field));
            index->failed |= found == NULL || file->dependency_count == index->file_count;
            if (!index->failed) {
                file->dependencies[file->dependency_count++] = found;
            }
        }
    }
    index->failed |= wire.failed;
}

static void add_file(struct reflection_index *index, const struct wire_field *field)
{
    struct reflection_file *file = &index->files[index->file_count];
    const struct wire_field name = find_field(field->data, field->size, FIELD_NAME);
    const struct wire_field package = find_field(field->data, field->size, FILE_PACKAGE);
    struct walk walk = {.index = index, .file = file};

    file->index = index->file_count++;
    file->data = field->data;
    file->size = field->size;
    file->name = copy_text(index, &name);
    walk_children(&walk, KIND_FILE, copy_text(index, &package), field, "");
    link_dependencies(index, file);
}

static int compare_symbols(const void *a, const void *b)
{
    const struct symbol *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

static void sort_symbols(struct reflection_index *index)
{
    size_t i = 0;

    index->symbols = arena_array(index->arena, index->symbol_count, sizeof(const struct symbol *));
    if (index->symbols == NULL) {
        index->failed = true;
        return;
    }
    for (const struct symbol *symbol = index->list; symbol != NULL; symbol = symbol->next) {
        index->symbols[i++] = symbol;
    }
    qsort((void *)index->symbols, index->symbol_count, sizeof(const struct symbol *),
          compare_symbols);
}

struct reflection_index *reflection_index_new(const uint8_t *set, size_t size)
{
    struct reflection_index *index = calloc(1, sizeof(*index));
    struct wire wire = wire_of(set, size);
    struct wire_field field;

    if (index == NULL) {
        return NULL;
    }
    index->arena = arena_new(INDEX_SIZE_MAX);
    index->failed = index->arena == NULL;
    while (!index->failed && wire_next(&wire, &field)) {
        index->failed |= field.number != 1 || field.data == NULL || index->file_count == FILES_MAX;
        if (!index->failed) {
            add_file(index, &field);
        }
    }
    if (!index->failed) {
        sort_symbols(index);
    }
    if (index->failed || wire.failed) {
        reflection_index_free(index);
        return NULL;
    }
    return index;
}

void reflection_index_free(struct reflection_index *index)
{
    if (index != NULL) {
        arena_free(index->arena);
        free(index);
    }
}

/* Asking */

unsigned reflection_file_count(const struct reflection_index *index)
{
    return index->file_count;
}

const struct reflection_file *reflection_file_named(const struct reflection_index *index,
                                                    const char *name)
{
    for (unsigned i = 0; i < index->file_count; i++) {
        if (strcmp(index->files[i].name, name) == 0) {
            return &index->files[i];
        }
    }
    return NULL;
}

static const struct symbol *find_symbol(const struct reflection_index *index, const char *name)
{
    const struct symbol key = {.name = name};
    const struct symbol *key_pointer = &key;
    const struct symbol **found =
        bsearch((const void *)&key_pointer, (const void *)index->symbols, index->symbol_count,
                sizeof(const struct symbol *), compare_symbols);
    return found == NULL ? NULL : *found;
}

const struct reflection_file *reflection_file_of_symbol(const struct reflection_index *index,
                                                        const char *symbol)
{
    const struct symbol *found = find_symbol(index, symbol);
    return found == NULL ? NULL : found->file;
}

bool reflection_has_message(const struct reflection_index *index, const char *name)
{
    const struct symbol *found = find_symbol(index, name);
    return found != NULL && found->kind == KIND_MESSAGE;
}

static bool extends(const struct symbol *symbol, const char *extendee)
{
    return symbol->kind == KIND_EXTENSION && strcmp(symbol->extendee, extendee) == 0;
}

const struct reflection_file *reflection_file_of_extension(const struct reflection_index *index,
                                                           const char *extendee, int32_t number)
{
    for (size_t i = 0; i < index->symbol_count; i++) {
        if (extends(index->symbols[i], extendee) && index->symbols[i]->number == number) {
            return index->symbols[i]->file;
        }
    }
    return NULL;
}

size_t reflection_extension_numbers(const struct reflection_index *index, const char *extendee,
                                    int32_t *out_numbers, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < index->symbol_count; i++) {
        if (extends(index->symbols[i], extendee)) {
            if (count < max) {
                out_numbers[count] = index->symbols[i]->number;
            }
            count++;
        }
    }
    return count;
}
