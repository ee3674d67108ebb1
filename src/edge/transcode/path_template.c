/* Compiles templates, splits paths, matches them. Not for choosing among routes, nor for queries. */
#include "edge/transcode/path_template.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"
#include "edge/transcode/percent.h"

/* ---- Templates --------------------------------------------------------------------------------- */

struct compiler {
    const char *text, *at;
    struct arena *arena;
    struct path_template *result;
    const char *problem; /* the first */
    bool is_full;
};

static bool compile_fail(struct compiler *compiler, const char *problem)
{
    if (compiler->problem == NULL)
        compiler->problem = problem;
    return false;
}

static bool compile_full(struct compiler *compiler)
{
    compiler->is_full = true;
    return compile_fail(compiler, "out of memory");
}

static bool take(struct compiler *compiler, char c)
{
    if (*compiler->at != c)
        return false;
    compiler->at++;
    return true;
}

/* Characters a path may have as they are (RFC 3986 pchar), but those that mean something here. */
static bool is_literal(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~!$&'()+,;@%", c) != NULL);
}

static bool compile_literal(struct compiler *compiler, const char **out_text, size_t *out_len)
{
    const char *start = compiler->at;
    char *copy;

    while (is_literal(*compiler->at))
        compiler->at++;
    if (compiler->at == start)
        return compile_fail(compiler, "a segment is expected");
    copy = arena_strndup(compiler->arena, start, (size_t)(compiler->at - start));
    if (copy == NULL)
        return compile_full(compiler);
    if (!percent_decode(copy, (size_t)(compiler->at - start), PERCENT_ALL, copy, out_len))
        return compile_fail(compiler, "bad percent-encoding");
    *out_text = copy;
    return true;
}

static struct path_segment *last_segment(struct compiler *compiler)
{
    struct path_template *result = compiler->result;

    return result->segment_count == 0 ? NULL : &result->segments[result->segment_count - 1];
}

static bool add_segment(struct compiler *compiler, struct path_segment segment)
{
    const struct path_segment *last = last_segment(compiler);

    if (last != NULL && last->kind == SEGMENT_REST)
        return compile_fail(compiler, "** must be the last segment");
    if (compiler->result->segment_count == PATH_TEMPLATE_SEGMENTS_MAX)
        return compile_fail(compiler, "too many segments");
    compiler->result->segments[compiler->result->segment_count++] = segment;
    return true;
}

/* "*", "**" or a literal. */
static bool compile_plain_segment(struct compiler *compiler)
{
    struct path_segment segment = {.kind = SEGMENT_LITERAL};

    if (take(compiler, '*'))
        segment.kind = take(compiler, '*') ? SEGMENT_REST : SEGMENT_ANY;
    else if (!compile_literal(compiler, &segment.literal, &segment.len))
        return false;
    return add_segment(compiler, segment);
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(char c)
{
    return is_name_start(c) || (c >= '0' && c <= '9');
}

/* "a.b_c" */
static bool compile_field_path(struct compiler *compiler, const char **out_path)
{
    const char *start = compiler->at;

    do {
        if (!is_name_start(*compiler->at))
            return compile_fail(compiler, "a field name is expected");
        while (is_name(*compiler->at))
            compiler->at++;
    } while (take(compiler, '.'));
    *out_path = arena_strndup(compiler->arena, start, (size_t)(compiler->at - start));
    return *out_path != NULL || compile_full(compiler);
}

static bool add_variable(struct compiler *compiler, struct path_variable variable)
{
    struct path_template *result = compiler->result;

    for (size_t i = 0; i < result->variable_count; i++) {
        if (strcmp(result->variables[i].field_path, variable.field_path) == 0)
            return compile_fail(compiler, "a field stands twice");
    }
    if (result->variable_count == PATH_TEMPLATE_VARIABLES_MAX)
        return compile_fail(compiler, "too many variables");
    result->variables[result->variable_count++] = variable;
    return true;
}

/* Behind the "{". */
static bool compile_variable(struct compiler *compiler)
{
    struct path_variable variable = {.first = compiler->result->segment_count};

    if (!compile_field_path(compiler, &variable.field_path))
        return false;
    if (take(compiler, '=')) {
        do {
            if (!compile_plain_segment(compiler))
                return false;
        } while (take(compiler, '/'));
    } else if (!add_segment(compiler, (struct path_segment){.kind = SEGMENT_ANY})) {
        return false;
    }
    if (!take(compiler, '}'))
        return compile_fail(compiler, "} is expected");
    variable.end = compiler->result->segment_count;
    variable.is_multi =
        variable.end - variable.first > 1 || last_segment(compiler)->kind == SEGMENT_REST;
    return add_variable(compiler, variable);
}

static bool compile(struct compiler *compiler)
{
    struct path_template *result = compiler->result;

    if (!take(compiler, '/'))
        return compile_fail(compiler, "/ is expected");
    do {
        if (take(compiler, '{') ? !compile_variable(compiler) : !compile_plain_segment(compiler))
            return false;
    } while (take(compiler, '/'));
    if (take(compiler, ':') && !compile_literal(compiler, &result->verb, &result->verb_len))
        return false;
    return *compiler->at == '\0' || compile_fail(compiler, "this is not expected");
}

enum status path_template_compile(const char *text, struct arena *arena,
                                  const struct path_template **out, struct error *err)
{
    struct compiler compiler = {.text = text, .at = text, .arena = arena};

    compiler.result = ARENA_NEW(arena, struct path_template);
    if (compiler.result == NULL)
        return error_set(err, REASON_OUT_OF_MEMORY);
    if (compile(&compiler)) {
        *out = compiler.result;
        return STATUS_OK;
    }
    if (compiler.is_full)
        return error_set(err, REASON_OUT_OF_MEMORY);
    return error_setf(err, REASON_INTERNAL, "path template, column %zu: %s",
                      (size_t)(compiler.at - text) + 1, compiler.problem);
}

/* ---- Paths ------------------------------------------------------------------------------------- */

/* Decodes raw..raw_len of a piece; `room` has space for it and is moved on. */
static bool decode_piece(struct path_piece *piece, char **room)
{
    piece->text = *room;
    if (!percent_decode(piece->raw, piece->raw_len, PERCENT_ALL, *room, &piece->len))
        return false;
    *room += piece->raw_len;
    return true;
}

/* "abc:cancel" as "abc" and "cancel". */
static bool split_verb(struct path *path, const struct path_piece *whole, char **room)
{
    const char *colon = whole->raw_len == 0 ? NULL : memrchr(whole->raw, ':', whole->raw_len);

    path->last = (struct path_piece){.raw = whole->raw, .raw_len = whole->raw_len};
    if (colon != NULL) {
        path->has_verb = true;
        path->last.raw_len = (size_t)(colon - whole->raw);
        path->verb.raw = colon + 1;
        path->verb.raw_len = whole->raw_len - path->last.raw_len - 1;
    }
    return decode_piece(&path->last, room) && (colon == NULL || decode_piece(&path->verb, room));
}

static bool split_pieces(const char *text, size_t len, struct path_piece *pieces, size_t count,
                         char **room)
{
    const char *end = text + len;

    for (size_t i = 0; i < count; i++) {
        const char *start = text + 1; /* behind the slash */
        text = start < end ? memchr(start, '/', (size_t)(end - start)) : NULL;
        text = text == NULL ? end : text;
        pieces[i] = (struct path_piece){.raw = start, .raw_len = (size_t)(text - start)};
        if (!decode_piece(&pieces[i], room))
            return false;
    }
    return true;
}

enum status path_split(const char *text, size_t len, struct arena *arena, struct path *out,
                       struct error *err)
{
    struct path path = {0};
    struct path_piece *pieces;
    char *room;

    if (len > PATH_LEN_MAX)
        return error_setf(err, REASON_REQUEST_INVALID, "the path is longer than %d bytes",
                          PATH_LEN_MAX);
    if (len == 0 || text[0] != '/')
        return error_setf(err, REASON_REQUEST_INVALID, "the path does not begin with a slash");
    for (size_t i = 0; i < len; i++)
        path.count += text[i] == '/';
    pieces = arena_array(arena, path.count, sizeof(*pieces));
    room = arena_alloc(arena, 2 * len); /* the last piece stands there twice */
    if (pieces == NULL || room == NULL)
        return error_set(err, REASON_OUT_OF_MEMORY);
    path.pieces = pieces;
    if (!split_pieces(text, len, pieces, path.count, &room) ||
        !split_verb(&path, &pieces[path.count - 1], &room))
        return error_setf(err, REASON_REQUEST_INVALID,
                          "a %% in the path is not followed by two hexadecimal digits");
    *out = path;
    return STATUS_OK;
}

/* ---- Matching ---------------------------------------------------------------------------------- */

/* A piece as the template sees it: without the verb, if the template has one. */
static const struct path_piece *piece_at(const struct path_template *path_template,
                                         const struct path *path, size_t index)
{
    const bool is_cut = path_template->verb != NULL && index == path->count - 1;

    return is_cut ? &path->last : &path->pieces[index];
}

static bool piece_is(const struct path_piece *piece, const char *text, size_t len)
{
    return piece->len == len && memcmp(piece->text, text, len) == 0;
}

static bool segment_matches(const struct path_segment *segment, const struct path_piece *piece)
{
    if (piece->len == 0)
        return false;
    return segment->kind != SEGMENT_LITERAL || piece_is(piece, segment->literal, segment->len);
}

bool path_template_match(const struct path_template *path_template, const struct path *path)
{
    const struct path_segment *last = &path_template->segments[path_template->segment_count - 1];
    const bool has_rest = last->kind == SEGMENT_REST;
    const size_t fixed_count = path_template->segment_count - has_rest;

    if (path->count < fixed_count || (path->count > fixed_count && !has_rest))
        return false;
    if (path_template->verb != NULL &&
        (!path->has_verb || !piece_is(&path->verb, path_template->verb, path_template->verb_len)))
        return false;
    for (size_t i = 0; i < path->count; i++) {
        const struct path_segment *segment = i < fixed_count ? &path_template->segments[i] : last;
        if (!segment_matches(segment, piece_at(path_template, path, i)))
            return false;
    }
    return true;
}

/* ---- Variables --------------------------------------------------------------------------------- */

/* What stands between the first and the last piece of a variable, as it was sent. */
static void raw_text(const struct path_template *path_template,
                     const struct path_variable *variable, const struct path *path,
                     const char **out_raw, size_t *out_len)
{
    const bool to_end = path_template->segments[variable->end - 1].kind == SEGMENT_REST;
    const size_t end = to_end ? path->count : variable->end;
    const struct path_piece *last;

    *out_raw = "";
    *out_len = 0;
    if (variable->first >= end) /* ** stands for nothing */
        return;
    last = piece_at(path_template, path, end - 1);
    *out_raw = path->pieces[variable->first].raw;
    *out_len = (size_t)(last->raw + last->raw_len - *out_raw);
}

enum status path_template_capture(const struct path_template *path_template, size_t variable_index,
                                  const struct path *path, struct arena *arena,
                                  const char **out_text, size_t *out_len, struct error *err)
{
    const struct path_variable *variable = &path_template->variables[variable_index];
    const char *raw;
    size_t raw_len, len = 0;
    bool is_decoded;
    char *text;

    assert(variable_index < path_template->variable_count);
    raw_text(path_template, variable, path, &raw, &raw_len);
    text = arena_alloc(arena, raw_len + 1);
    if (text == NULL)
        return error_set(err, REASON_OUT_OF_MEMORY);
    is_decoded = percent_decode(raw, raw_len, variable->is_multi ? PERCENT_KEEP_SLASH : PERCENT_ALL,
                                text, &len);
    assert(is_decoded); /* path_split has done it before */
    text[len] = '\0';
    if (memchr(text, '\0', len) != NULL || !text_is_utf8(text, len)) {
        error_add_field(err, arena, variable->field_path, "%s",
                        memchr(text, '\0', len) != NULL ? "must not contain a NUL character"
                                                        : "is not valid UTF-8");
        return err->status;
    }
    *out_text = text;
    *out_len = len;
    return STATUS_OK;
}
