/* What is gathered while a request is read from text: values in the arena of the call, violations in
 * its error. Everything is read to the end, so that one answer names all that is wrong.
 *
 * Paths are spelled as the validators and the other door spell them, by the names of the protos
 * ("lines[2].product_id"); only a field nobody knows is named as the caller wrote it. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/macros.h"

#include <stdbool.h>
#include <stddef.h>

struct json_numbers;

enum {
    PLACE_PATH_SIZE = 256 /* longer paths are cut: they have keys of the caller in them */
};

struct reading {
    struct arena *arena;
    struct error *err;   /* zeroed, or with violations of other parts of the same request */
    bool ignore_unknown; /* a client that is newer than the server may ask for it */
    const struct json_numbers *numbers; /* of JSON; else NULL */
    bool has_failed;
    bool is_full; /* the arena is: the answer is OUT_OF_MEMORY, whatever else was wrong */
};

/* Where a value stands: a chain from the request down. A place without a name is an element. */
struct place {
    const struct place *parent; /* NULL: the request itself */
    const char *name;
    size_t name_len;
    size_t index;
};

/* Notes what is wrong with the value at `place`: REQUEST_INVALID with one more violation. */
void reading_fail(struct reading *reading, const struct place *place, const char *description);
/* Notes that there is no such field. While that is all that is wrong the reason is FIELD_UNKNOWN. */
void reading_fail_unknown(struct reading *reading, const struct place *place,
                          const char *type_name);
/* What was read, in one word: OK, or the status in the error. */
enum status reading_end(struct reading *reading) NODISCARD;

/* An allocation that failed: the text the caller fails with. */
const char *reading_full(struct reading *reading);

/* "lines[2].product_id", cut at a character. */
void place_write(const struct place *place, char out[PLACE_PATH_SIZE]);
