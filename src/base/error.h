/* An error as a value: what a fallible function fills in, on failure only, as its last parameter.
 *
 * The status and the reason always agree (one code a reason, see reason.h). Details (metadata, field
 * violations, short lines, …) are a list in the call's arena; the edges turn them into
 * google.rpc.Status. When there is no room for a detail it is dropped, the error itself never.
 * No SQL, path, host name or secret in a message. */
#pragma once

#include "base/arena.h"
#include "base/macros.h"
#include "base/reason.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ERROR_MESSAGE_SIZE = 200,
    ERROR_FIELDS_MAX = 50
};

enum error_detail_kind {
    DETAIL_METADATA,     /* a = key, b = value                         ErrorInfo.metadata */
    DETAIL_FIELD,        /* a = field path, b = description            BadRequest */
    DETAIL_PRECONDITION, /* a = type, b = subject, c = description     PreconditionFailure */
    DETAIL_RESOURCE,     /* a = resource type, b = resource name       ResourceInfo */
};

struct error_detail {
    enum error_detail_kind kind;
    const char *a, *b, *c;
    struct error_detail *next;
};

struct error {
    enum status status;
    enum reason reason;
    char message[ERROR_MESSAGE_SIZE]; /* lower case, no full stop, valid UTF-8 */
    struct error_detail *details;     /* in the order they were added; in an arena */
    int32_t retry_delay_ms;           /* with RETRY_AFTER; 0: the edge's default (1,000) */
    uint32_t field_count;             /* violations added, also those beyond ERROR_FIELDS_MAX */
};

/* Sets status, reason and the reason's default text; empties the details. Returns the status, so
 * that failing is one line. */
enum status error_set(struct error *err, enum reason reason);
/* The same with a text of its own (cut at a character when too long). */
enum status error_setf(struct error *err, enum reason reason, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Prefixes the message on the way up: "order 7: …". Returns err->status. */
enum status error_wrap(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Add one detail; strings are copied into the arena. */
void error_add_metadata(struct error *err, struct arena *arena, const char *key, const char *value);
void error_add_precondition(struct error *err, struct arena *arena, const char *type,
                            const char *subject, const char *description);
void error_add_resource(struct error *err, struct arena *arena, const char *type, const char *name);

/* Notes a violation of `field` ("lines[2].quantity"); the first one turns `err` into
 * INVALID_ARGUMENT, REQUEST_INVALID. All violations of a request are gathered; beyond
 * ERROR_FIELDS_MAX they are only counted, and the edge's last entry says how many more. */
void error_add_field(struct error *err, struct arena *arena, const char *field,
                     const char *description_format, ...) PRINTF_LIKE(4, 5);
/* The same of a field that nobody knows. While that is all that is wrong, the reason is FIELD_UNKNOWN. */
void error_add_unknown_field(struct error *err, struct arena *arena, const char *field,
                             const char *description);

/* A zeroed error means "no error yet". */
static inline bool error_is_set(const struct error *err)
{
    return err->status != STATUS_OK;
}
