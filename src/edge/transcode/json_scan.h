/* A first look at JSON text, before anything is allocated for it: is it text at all, how deep, how
 * many values. And how to tell where in it something is wrong. */
#pragma once

#include "base/error.h"
#include "base/macros.h"

#include <stddef.h>

enum {
    JSON_SIZE_MAX = 256 * 1024,
    JSON_DEPTH_MAX = 64,
    /* Members and elements of all objects and lists, each costs the parser about 100 bytes: as many
     * as a message on the wire may have fields (MESSAGE_FIELDS_MAX). */
    JSON_VALUES_MAX = 16 * 1024,
};

/* MESSAGE_TOO_LARGE beyond JSON_SIZE_MAX; JSON_INVALID for a byte that is no UTF-8 or is NUL, for what
 * is too deep and for too many values. All else is for the parser. */
enum status json_scan(const char *text, size_t size, struct error *err) NODISCARD;

/* JSON_INVALID: "line 3, column 7: `what`", where `offset` bytes of the text come before the place. */
enum status json_invalid(struct error *err, const char *text, size_t size, size_t offset,
                         const char *what);
