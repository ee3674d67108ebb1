/* The two spellings of a field: product_id in the protos, productId in JSON. */
#pragma once

#include "base/macros.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    MASK_PATH_LEN_MAX = 256 /* of a path of a field mask, in the spelling of the protos */
};

/* The JSON name of a field, as protoc derives it: an underscore goes, the letter behind it becomes
 * upper case. Writes at most `len` bytes, without a NUL, and returns their number. */
size_t json_name_from_proto(const char *name, size_t len, char *out);

/* The way back, for a path of a field mask: createTime -> create_time. Writes at most 2 * `len` bytes.
 * Returns their number; a path with anything but letters, digits, '_' and '.' gives 0. Underscores are
 * copied as they are. */
size_t json_name_to_proto(const char *path, size_t len, char *out) NODISCARD;
