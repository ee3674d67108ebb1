/* Fuzz target: a template and a path to match, with a newline between them. What matches has texts for
 * all of its variables, or says which one is no text. */
#include "edge/transcode/path_template.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void capture_all(const struct path_template *path_template, const struct path *path,
                        struct arena *arena)
{
    for (size_t i = 0; i < path_template->variable_count; i++) {
        struct error err = {0};
        const char *text;
        size_t len;
        if (path_template_capture(path_template, i, path, arena, &text, &len, &err) == STATUS_OK) {
            assert(strlen(text) == len);
            assert(text_is_utf8(text, len));
            assert(len > 0 || path_template->variables[i].is_multi);
        } else {
            assert(err.field_count == 1);
        }
    }
}

static void try(const char *template_text, const char *path_text, size_t path_len,
                struct arena *arena)
{
    const struct path_template *path_template;
    struct error err = {0};
    struct path path;

    if (path_template_compile(template_text, arena, &path_template, &err) != STATUS_OK) {
        assert(err.status == STATUS_INTERNAL);
        return;
    }
    assert(path_template->segment_count > 0);
    if (path_split(path_text, path_len, arena, &path, &err) != STATUS_OK)
        return;
    if (path_template_match(path_template, &path))
        capture_all(path_template, &path, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(LIMIT_ARENA_SIZE);
    const uint8_t *newline = size == 0 ? NULL : memchr(data, '\n', size);

    assert(arena != NULL);
    if (newline != NULL) {
        const size_t len = (size_t)(newline - data);
        char *template_text = arena_strndup(arena, (const char *)data, len);
        assert(template_text != NULL);
        try(template_text, (const char *)newline + 1, size - len - 1, arena);
    }
    arena_free(arena);
    return 0;
}
