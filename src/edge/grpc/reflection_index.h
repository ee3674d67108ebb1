/* Where each symbol of the embedded descriptor set is defined. Made once at start, then read by all
 * workers. Codec: bytes in, values out, no I/O. */
#pragma once

#include "base/macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reflection_file {
    const char *name;    /* "shop/v1/orders.proto" */
    const uint8_t *data; /* a serialized google.protobuf.FileDescriptorProto */
    size_t size;
    unsigned index; /* in the set */
    unsigned dependency_count;
    const struct reflection_file **dependencies; /* those it imports itself */
};

struct reflection_index;

/* `set` is a serialized google.protobuf.FileDescriptorSet, every file after its imports; it must outlive
 * the index. NULL: it is malformed, or out of memory. */
struct reflection_index *reflection_index_new(const uint8_t *set, size_t size) NODISCARD;
void reflection_index_free(struct reflection_index *index);

unsigned reflection_file_count(const struct reflection_index *index);

/* NULL when there is none. A symbol is the full name of a message, field, oneof, enum, enum value,
 * service, method or extension, nested ones too, without a leading dot. */
const struct reflection_file *reflection_file_named(const struct reflection_index *index,
                                                    const char *name);
const struct reflection_file *reflection_file_of_symbol(const struct reflection_index *index,
                                                        const char *symbol);
const struct reflection_file *reflection_file_of_extension(const struct reflection_index *index,
                                                           const char *extendee, int32_t number);

bool reflection_has_message(const struct reflection_index *index, const char *name);
/* The numbers of the extensions of a message, at most `max`; returns how many there are. */
size_t reflection_extension_numbers(const struct reflection_index *index, const char *extendee,
                                    int32_t *out_numbers, size_t max);
