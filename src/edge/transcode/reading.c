/* Violations and their paths. Not for deciding what is wrong. */
#include "edge/transcode/reading.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static void append(char *out, const char *text, size_t text_len)
{
    const size_t len = strlen(out), room = PLACE_PATH_SIZE - 1 - len;
    const size_t take = text_len <= room ? text_len : text_cut(text, room);

    memcpy(out + len, text, take);
    out[len + take] = '\0';
}

void place_write(const struct place *place, char out[PLACE_PATH_SIZE])
{
    char index[24];

    if (place == NULL) {
        out[0] = '\0';
        return;
    }
    place_write(place->parent, out);
    if (place->name == NULL) {
        append(out, index, (size_t)snprintf(index, sizeof(index), "[%zu]", place->index));
        return;
    }
    if (out[0] != '\0')
        append(out, ".", 1);
    append(out, place->name, place->name_len);
}

static void add_violation(struct reading *reading, const struct place *place,
                          const char *description)
{
    char path[PLACE_PATH_SIZE];

    reading->has_failed = true;
    place_write(place, path);
    error_add_field(reading->err, reading->arena, path, "%s", description);
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

void reading_fail(struct reading *reading, const struct place *place, const char *description)
{
    if (reading->err->reason == REASON_FIELD_UNKNOWN)
        change_reason(reading->err, REASON_REQUEST_INVALID);
    add_violation(reading, place, description);
}

void reading_fail_unknown(struct reading *reading, const struct place *place, const char *type_name)
{
    char description[128];

    if (!error_is_set(reading->err))
        error_set(reading->err, REASON_FIELD_UNKNOWN);
    snprintf(description, sizeof(description), "is no field of %s", type_name);
    add_violation(reading, place, description);
}

const char *reading_full(struct reading *reading)
{
    reading->is_full = true;
    return reason_text(REASON_OUT_OF_MEMORY);
}

enum status reading_end(struct reading *reading)
{
    if (reading->is_full)
        return error_set(reading->err, REASON_OUT_OF_MEMORY);
    return reading->has_failed ? reading->err->status : STATUS_OK;
}
