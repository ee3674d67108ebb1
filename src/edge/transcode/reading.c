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

void reading_fail(struct reading *reading, const struct place *place, const char *description)
{
    char path[PLACE_PATH_SIZE];

    reading->has_failed = true;
    place_write(place, path);
    error_add_field(reading->err, reading->arena, path, "%s", description);
}

void reading_fail_unknown(struct reading *reading, const struct place *place, const char *type_name)
{
    char path[PLACE_PATH_SIZE], description[128];

    reading->has_failed = true;
    place_write(place, path);
    snprintf(description, sizeof(description), "is no field of %s", type_name);
    error_add_unknown_field(reading->err, reading->arena, path, description);
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
