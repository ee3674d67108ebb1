/* Building errors: status, reason, message and details. Turning them into google.rpc.Status is the
 * edges' work. */
#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Descriptions of a field are cut here, since 50 of them must fit an answer. */
enum {
    DESCRIPTION_SIZE = 300
};

/* What was printed into a text of fixed size may have been cut in the middle of a character, and
 * arguments from outside may not be UTF-8 at all. */
static void make_valid(char *text)
{
    size_t len = text_cut(text, strlen(text));

    text[len] = '\0';
    for (size_t i = 0; i < len;) {
        size_t step = text_utf8_len(text + i, len - i);
        if (step == 0)
            text[i] = '?';
        i += step == 0 ? 1 : step;
    }
}

enum status error_set(struct error *err, enum reason reason)
{
    return error_setf(err, reason, "%s", reason_text(reason));
}

enum status error_setf(struct error *err, enum reason reason, const char *format, ...)
{
    char message[ERROR_MESSAGE_SIZE];
    va_list args;

    assert(reason != REASON_NONE);
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args); /* may print the old message */
    va_end(args);
    make_valid(message);
    *err = (struct error){.status = reason_status(reason), .reason = reason};
    memcpy(err->message, message, sizeof(message));
    return err->status;
}

enum status error_wrap(struct error *err, const char *format, ...)
{
    char message[ERROR_MESSAGE_SIZE];
    va_list args;
    size_t len, rest_len;

    assert(error_is_set(err));
    va_start(args, format);
    vsnprintf(message, sizeof(message) - 2, format, args); /* 2: the ": " that follows */
    va_end(args);
    len = strlen(message);
    message[len++] = ':';
    message[len++] = ' ';
    rest_len = MIN_OF(strlen(err->message), sizeof(message) - len - 1);
    memcpy(message + len, err->message, rest_len);
    message[len + rest_len] = '\0';
    make_valid(message);
    memcpy(err->message, message, sizeof(message));
    return err->status;
}

/* ---- Details ----------------------------------------------------------------------------- */

/* Texts of details may be from outside, like the message. */
static bool copy_text(struct arena *arena, const char *text, const char **out_copy)
{
    char *copy = arena_strdup(arena, text);

    if (copy != NULL)
        make_valid(copy);
    *out_copy = copy;
    return text == NULL || copy != NULL;
}

static void error_add(struct error *err, struct arena *arena, struct error_detail source)
{
    struct error_detail *detail = ARENA_NEW(arena, struct error_detail);
    struct error_detail **end = &err->details;

    if (detail == NULL)
        return;
    detail->kind = source.kind;
    if (!copy_text(arena, source.a, &detail->a) || !copy_text(arena, source.b, &detail->b) ||
        !copy_text(arena, source.c, &detail->c))
        return;
    while (*end != NULL)
        end = &(*end)->next;
    *end = detail;
}

void error_add_metadata(struct error *err, struct arena *arena, const char *key, const char *value)
{
    error_add(err, arena, (struct error_detail){.kind = DETAIL_METADATA, .a = key, .b = value});
}

void error_add_precondition(struct error *err, struct arena *arena, const char *type,
                            const char *subject, const char *description)
{
    error_add(err, arena,
              (struct error_detail){
                  .kind = DETAIL_PRECONDITION, .a = type, .b = subject, .c = description});
}

void error_add_resource(struct error *err, struct arena *arena, const char *type, const char *name)
{
    error_add(err, arena, (struct error_detail){.kind = DETAIL_RESOURCE, .a = type, .b = name});
}

/* Gives the error another reason, but keeps what was gathered. */
static void change_reason(struct error *err, enum reason reason)
{
    struct error changed = {0};

    error_set(&changed, reason);
    changed.details = err->details;
    changed.field_count = err->field_count;
    *err = changed;
}

static void add_field(struct error *err, struct arena *arena, const char *field,
                      const char *description)
{
    if (err->field_count++ >= ERROR_FIELDS_MAX)
        return;
    error_add(err, arena,
              (struct error_detail){.kind = DETAIL_FIELD, .a = field, .b = description});
}

void error_add_field(struct error *err, struct arena *arena, const char *field,
                     const char *description_format, ...)
{
    char description[DESCRIPTION_SIZE];
    va_list args;

    if (!error_is_set(err))
        error_set(err, REASON_REQUEST_INVALID);
    else if (err->reason == REASON_FIELD_UNKNOWN)
        change_reason(err, REASON_REQUEST_INVALID);
    va_start(args, description_format);
    vsnprintf(description, sizeof(description), description_format, args);
    va_end(args);
    add_field(err, arena, field, description);
}

void error_add_unknown_field(struct error *err, struct arena *arena, const char *field,
                             const char *description)
{
    if (!error_is_set(err))
        error_set(err, REASON_FIELD_UNKNOWN);
    add_field(err, arena, field, description);
}
