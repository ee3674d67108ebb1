/* Fuzz target: what a connection reads, head and chunked body. It may come in pieces of any size: what is
 * read must not depend on where it is cut.
 *
 * The first byte of the input is the size of the pieces. */
#include "edge/http/http_head.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "edge/http/http_chunked.h"

enum {
    BODY_SIZE_MAX = 1024, /* so that the limit is met often */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t head_size_in_pieces(const char *bytes, size_t size, size_t piece)
{
    size_t seen = 0;

    while (seen < size) {
        const size_t there = size - seen > piece ? seen + piece : size;
        const size_t head_size = http_head_size(bytes, there, seen);
        if (head_size > 0)
            return head_size;
        seen = there;
    }
    return 0;
}

static void check_field(const struct http_field *field)
{
    assert(field->name[0] != '\0');
    for (const char *c = field->name; *c != '\0'; c++)
        assert((unsigned char)*c > ' ' && *c != ':' && !isupper((unsigned char)*c));
    for (const char *c = field->value; *c != '\0'; c++)
        assert(*c != '\r' && *c != '\n');
}

static void check_head(const struct http_head *head)
{
    size_t host_count = 0;

    assert(head->path[0] == '/' || head->method == REQUEST_OPTIONS);
    assert(strpbrk(head->path, " ?#\r\n") == NULL);
    assert(!head->is_chunked || head->content_length < 0);
    assert(head->field_count <= HTTP_FIELDS_MAX);
    for (uint32_t i = 0; i < head->field_count; i++) {
        check_field(&head->fields[i]);
        host_count += strcmp(head->fields[i].name, "host") == 0;
    }
    assert(host_count == 1 || (head->is_1_0 && host_count == 0));
}

static void read_head(const char *bytes, size_t size)
{
    struct arena *arena = arena_new(LIMIT_ARENA_SIZE);
    struct http_head head = {0};
    const char *why = NULL;

    assert(arena != NULL);
    if (http_head_read(bytes, size, arena, &head, &why) == HTTP_HEAD_OK) {
        check_head(&head);
        assert(http_head_may_go_on(bytes, size, 0)); /* nothing good was refused early */
    } else {
        assert(why != NULL);
    }
    arena_free(arena);
}

/* Returns how many bytes were taken. */
static size_t read_chunked(const char *bytes, size_t size, size_t piece,
                           struct http_chunked *chunked, struct buf *body)
{
    size_t used = 0;

    *chunked = (struct http_chunked){0};
    buf_init(body, BODY_SIZE_MAX + 1);
    while (used < size && chunked->state < HTTP_CHUNKED_DONE) {
        const size_t end = size - used > piece ? used + piece : size;
        const size_t taken = http_chunked_read(chunked, bytes + used, end - used, body);
        assert(taken <= end - used);
        assert(taken == end - used || chunked->state >= HTTP_CHUNKED_DONE);
        used += taken;
    }
    return used;
}

static void check_chunked(const char *bytes, size_t size, size_t piece)
{
    struct http_chunked whole, cut;
    struct buf whole_body, cut_body;
    const size_t whole_used = read_chunked(bytes, size, size, &whole, &whole_body);
    const size_t cut_used = read_chunked(bytes, size, piece, &cut, &cut_body);

    assert(whole.state == cut.state);
    if (whole.state <= HTTP_CHUNKED_DONE) {
        assert(whole_used == cut_used && whole_body.len == cut_body.len);
        assert(whole_body.len == 0 || memcmp(whole_body.data, cut_body.data, whole_body.len) == 0);
    }
    buf_deinit(&whole_body);
    buf_deinit(&cut_body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const char *bytes = (const char *)data + 1;
    const size_t piece = 1 + (size_t)data[0] % 64;
    const size_t head_size = http_head_size(bytes, --size, 0);

    assert(head_size <= size);
    assert(head_size_in_pieces(bytes, size, piece) == head_size);
    if (head_size > 0) {
        read_head(bytes, head_size);
    } else {
        (void)http_head_check_size(bytes, size);
    }
    if (head_size < size)
        check_chunked(bytes + head_size, size - head_size, piece);
    return 0;
}
