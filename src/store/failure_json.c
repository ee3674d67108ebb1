/* Writes and reads the stored form of a failure. Not for what callers are told: that is
 * failure_to_error in domain/. */
#include "store/failure_json.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

static void put_text(struct buf *buf, const char *text)
{
    buf_put_char(buf, '"');
    buf_put_json_text(buf, text, strlen(text));
    buf_put_char(buf, '"');
}

static void put_member(struct buf *buf, const char *name, const char *text)
{
    put_text(buf, name);
    buf_put_char(buf, ':');
    put_text(buf, text);
}

static void put_metadata(struct buf *buf, const struct failure *failure)
{
    buf_put_str(buf, ",\"metadata\":{");
    for (uint32_t i = 0; i < failure->metadata_count; i++) {
        if (i > 0)
            buf_put_char(buf, ',');
        put_member(buf, failure->metadata[i].key, failure->metadata[i].value);
    }
    buf_put_char(buf, '}');
}

static void put_short_lines(struct buf *buf, const struct failure *failure)
{
    buf_put_str(buf, ",\"short\":[");
    for (uint32_t i = 0; i < failure->short_line_count; i++) {
        const struct short_line *line = &failure->short_lines[i];
        buf_put_str(buf, i > 0 ? ",{" : "{");
        put_member(buf, "product", line->product_id);
        buf_printf(buf, ",\"requested\":%lld,\"available\":%lld}", (long long)line->requested,
                   (long long)line->available);
    }
    buf_put_char(buf, ']');
}

void failure_json_write(const struct failure *failure, struct buf *buf)
{
    assert(failure->reason != REASON_NONE);
    buf_put_char(buf, '{');
    put_member(buf, "reason", reason_key(failure->reason));
    if (failure->message != NULL) {
        buf_put_char(buf, ',');
        put_member(buf, "message", failure->message);
    }
    if (failure->metadata_count > 0)
        put_metadata(buf, failure);
    if (failure->short_line_count > 0)
        put_short_lines(buf, failure);
    buf_put_char(buf, '}');
}

static bool read_metadata(json_t *metadata, struct arena *arena, struct failure *failure)
{
    const char *key;
    json_t *value;
    size_t count = json_object_size(metadata);

    if (count == 0)
        return true;
    failure->metadata = arena_array(arena, count, sizeof(*failure->metadata));
    if (failure->metadata == NULL)
        return false;
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            continue;
        struct failure_metadata *entry = &failure->metadata[failure->metadata_count++];
        entry->key = arena_strdup(arena, key);
        entry->value = arena_strdup(arena, json_string_value(value));
        if (entry->key == NULL || entry->value == NULL)
            return false;
    }
    return true;
}

static bool read_short_lines(const json_t *lines, struct arena *arena, struct failure *failure)
{
    size_t count = json_array_size(lines);

    if (count == 0)
        return true;
    failure->short_lines = arena_array(arena, count, sizeof(*failure->short_lines));
    if (failure->short_lines == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *line = json_array_get(lines, i);
        const char *product_id = json_string_value(json_object_get(line, "product"));
        if (product_id == NULL)
            continue;
        struct short_line *entry = &failure->short_lines[failure->short_line_count++];
        entry->product_id = arena_strdup(arena, product_id);
        entry->requested = json_integer_value(json_object_get(line, "requested"));
        entry->available = json_integer_value(json_object_get(line, "available"));
        if (entry->product_id == NULL)
            return false;
    }
    return true;
}

static bool read_object(const json_t *object, struct arena *arena, struct failure *failure)
{
    const char *reason = json_string_value(json_object_get(object, "reason"));
    const char *message = json_string_value(json_object_get(object, "message"));

    failure->reason = reason == NULL ? REASON_NONE : reason_from_key(reason);
    if (failure->reason == REASON_NONE)
        failure->reason = REASON_INTERNAL;
    failure->message = arena_strdup(arena, message);
    if (message != NULL && failure->message == NULL)
        return false;
    return read_metadata(json_object_get(object, "metadata"), arena, failure) &&
           read_short_lines(json_object_get(object, "short"), arena, failure);
}

bool failure_json_read(const char *json, struct arena *arena, struct failure *out_failure)
{
    struct failure failure = {0};

    if (json == NULL || json[0] == '\0') {
        *out_failure = failure;
        return true;
    }
    json_t *object = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    bool has_room = read_object(object, arena, &failure);
    json_decref(object);
    if (has_room)
        *out_failure = failure;
    return has_room;
}
