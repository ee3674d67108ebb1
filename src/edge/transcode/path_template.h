/* Paths of google.api.http rules: the whole grammar of google/api/http.proto.
 *
 *   Template = "/" Segments [ ":" LITERAL ]
 *   Segments = Segment { "/" Segment }
 *   Segment  = "*" | "**" | LITERAL | "{" FieldPath [ "=" Segments ] "}"
 *
 * A template is compiled once and only read afterwards. A path is split once and then tried against
 * templates; which of several that match wins is the router's business.
 *
 * The path is split first and decoded then, so %2F is never a separator. "*" stands for one segment,
 * "**" for all that are left, none included, and only at the end. An empty segment ("//", a slash at
 * the end) matches nothing. Only a template with a verb looks for one, behind the last ':' as it was
 * sent: an id may contain ':'. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/macros.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    PATH_LEN_MAX = 8 * 1024, /* as a URL */
    PATH_TEMPLATE_SEGMENTS_MAX = 16,
    PATH_TEMPLATE_VARIABLES_MAX = 4,
};

/* ---- Templates --------------------------------------------------------------------------------- */

enum path_segment_kind {
    SEGMENT_LITERAL,
    SEGMENT_ANY,  /* * */
    SEGMENT_REST, /* ** */
};

struct path_segment {
    enum path_segment_kind kind;
    const char *literal; /* decoded */
    size_t len;
};

struct path_variable {
    const char *field_path;
    size_t first, end; /* its segments: [first, end) */
    bool is_multi;     /* more than one, or **: then %2F stays as it is */
};

struct path_template {
    struct path_segment segments[PATH_TEMPLATE_SEGMENTS_MAX];
    struct path_variable variables[PATH_TEMPLATE_VARIABLES_MAX];
    size_t segment_count, variable_count;
    const char *verb; /* decoded; NULL: none */
    size_t verb_len;
};

/* The template is in the arena. INTERNAL, with the place in the message, for anything that the grammar
 * or the limits do not allow: templates are ours. */
enum status path_template_compile(const char *text, struct arena *arena,
                                  const struct path_template **out, struct error *err) NODISCARD;

/* ---- Paths ------------------------------------------------------------------------------------- */

/* One segment of a path, as it was sent and decoded. */
struct path_piece {
    const char *raw, *text;
    size_t raw_len, len;
};

struct path {
    const struct path_piece *pieces;
    size_t count;
    /* The last piece again, cut at its last ':'; `has_verb` is false when there is none. */
    struct path_piece last, verb;
    bool has_verb;
};

/* Splits and decodes the path of a request, without its query. REQUEST_INVALID when it is longer than
 * PATH_LEN_MAX, does not begin with '/', or has a '%' that is no escape; OUT_OF_MEMORY. */
enum status path_split(const char *text, size_t len, struct arena *arena, struct path *out,
                       struct error *err) NODISCARD;

bool path_template_match(const struct path_template *path_template, const struct path *path);

/* The decoded text of a variable of a template that matched, in the arena. REQUEST_INVALID naming the
 * field when it is not UTF-8 or holds a NUL; OUT_OF_MEMORY. */
enum status path_template_capture(const struct path_template *path_template, size_t variable_index,
                                  const struct path *path, struct arena *arena,
                                  const char **out_text, size_t *out_len, struct error *err)
    NODISCARD;
