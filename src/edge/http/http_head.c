/* Reading heads. Not for bodies (http_chunked), nor for what fields mean to a method (the gateway). */
#include "edge/http/http_head.h"

#include <assert.h>
#include <http_parser.h>
#include <string.h>
#include <strings.h>

/* ---- Where it ends ---------------------------------------------------------------------------- */

size_t http_head_size(const char *bytes, size_t size, size_t seen)
{
    const char *end = bytes + size, *lf = bytes + MIN_OF(seen, size);

    for (; (lf = memchr(lf, '\n', (size_t)(end - lf))) != NULL; lf++) {
        if (lf - bytes >= 3 && memcmp(lf - 3, "\r\n\r", 3) == 0)
            return (size_t)(lf - bytes) + 1;
    }
    return 0;
}

enum http_head_result http_head_check_size(const char *bytes, size_t size)
{
    const char *line_end = memchr(bytes, '\n', size);
    size_t line_size = line_end == NULL ? size : (size_t)(line_end - bytes) + 1;

    if (line_size > HTTP_METHOD_SIZE_MAX + 1 + HTTP_URL_SIZE_MAX + sizeof(" HTTP/1.1\r\n") - 1)
        return HTTP_HEAD_URL_TOO_LONG;
    return size - line_size > HTTP_FIELDS_SIZE_MAX + 2 ? HTTP_HEAD_TOO_LARGE : HTTP_HEAD_OK;
}

/* ---- Characters ------------------------------------------------------------------------------- */

/* Of a name (a token), of a target (visible; a fragment is the browser's own business, and is not sent), of a
 * value, of a registered name or an IPv4 address (RFC 3986), and digits. */
enum char_class {
    TOKEN = 1,
    TARGET = 2,
    VALUE = 4,
    HOST = 8,
    DIGIT = 16
};

/* clang-format off */
static const unsigned char classes[128] = {
     0,  0,  0,  0,  0,  0,  0,  0,  0,  4,  0,  0,  0,  0,  0,  0,
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
     4, 15,  6,  5, 15, 15, 15, 15, 14, 14, 15, 15, 14, 15, 15,  6,
    31, 31, 31, 31, 31, 31, 31, 31, 31, 31,  6, 14,  6, 14,  6,  6,
     6, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,  6,  6,  6,  7, 15,
     7, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,  6,  7,  6, 15,  0,
};
/* clang-format on */

static bool is_char(unsigned char c, enum char_class class)
{
    return c < sizeof(classes) ? (classes[c] & class) != 0 : class == VALUE;
}

static bool all_are(const char *text, size_t size, enum char_class class)
{
    for (size_t i = 0; i < size; i++) {
        if (!is_char((unsigned char)text[i], class))
            return false;
    }
    return true;
}

bool http_head_may_go_on(const char *bytes, size_t size, size_t seen)
{
    for (size_t i = seen; i < size; i++) {
        bool is_behind_cr = i > 0 && bytes[i - 1] == '\r';

        if ((bytes[i] == '\n') != is_behind_cr)
            return false;
        if (bytes[i] != '\n' && bytes[i] != '\r' && !is_char((unsigned char)bytes[i], VALUE))
            return false;
    }
    return true;
}

/* "shop", "shop:8080", "[::1]:8080"; no user before it. */
static bool is_host(const char *text, size_t size)
{
    const char *end = text + size, *port = memchr(text, ':', size);

    if (size > 0 && text[0] == '[') {
        const char *bracket = memchr(text, ']', size);
        if (bracket == NULL || text + 1 + strspn(text + 1, "0123456789abcdefABCDEF:.") != bracket)
            return false;
        port = bracket + 1;
    } else if (!all_are(text, port == NULL ? size : (size_t)(port - text), HOST)) {
        return false;
    }
    if (port == NULL || port == end)
        return size > 0;
    return port > text && *port == ':' && all_are(port + 1, (size_t)(end - port) - 1, DIGIT);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* ---- The first line --------------------------------------------------------------------------- */

/* What is being read: the text of a line, without its end. It is a copy, of which what is read becomes the
 * strings by putting NULs behind them. */
struct line {
    char *text;
    size_t size;
};

/* Takes the next line; false when one ends with a bare LF. A bare CR is no character of anything. */
static bool take_line(char **at, const char *end, struct line *out)
{
    char *lf = memchr(*at, '\n', (size_t)(end - *at));

    assert(lf != NULL); /* a head ends with one */
    if (lf == *at || lf[-1] != '\r')
        return false;
    *out = (struct line){*at, (size_t)(lf - 1 - *at)};
    *at = lf + 1;
    return true;
}

static const struct {
    const char *name;
    enum request_method method;
    bool is_head;
} methods[] = {
    {"GET", REQUEST_GET, false},         {"HEAD", REQUEST_GET, true},
    {"POST", REQUEST_POST, false},       {"PUT", REQUEST_PUT, false},
    {"PATCH", REQUEST_PATCH, false},     {"DELETE", REQUEST_DELETE, false},
    {"OPTIONS", REQUEST_OPTIONS, false},
};

static void set_method(struct http_head *head, const char *name, size_t size)
{
    head->method = REQUEST_OTHER;
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        if (strncmp(methods[i].name, name, size) == 0 && methods[i].name[size] == '\0') {
            head->method = methods[i].method;
            head->is_head = methods[i].is_head;
            return;
        }
    }
}

/* "/path?query"; of the absolute form what follows the host, and nothing when that is none. */
static void set_target(struct http_head *head, char *text)
{
    char *question;

    if (text[0] != '/' &&
        (strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0)) {
        size_t host_size;

        text = strstr(text, "://") + 3;
        host_size = strcspn(text, "/?");
        if (!is_host(text, host_size)) {
            head->path = "";
            return;
        }
        text += host_size;
    }
    question = strchr(text, '?');
    if (question != NULL) {
        *question = '\0';
        head->query = question + 1;
    }
    head->path = *text == '\0' ? "/" : text;
}

/* "*" is the path of OPTIONS only; where a tunnel is to lead to (CONNECT) is none. */
static bool path_fits(const struct http_head *head)
{
    return head->path[0] == '/' ||
           (head->method == REQUEST_OPTIONS && strcmp(head->path, "*") == 0);
}

static enum http_head_result read_first_line(struct http_head *head, const struct line *line,
                                             const char **out_why)
{
    const char *space = memchr(line->text, ' ', line->size);
    const char *end = line->text + line->size;
    char *target, *version;
    size_t method_size;

    *out_why = "the request line is not 'method target HTTP/1.1'";
    if (space == NULL || space == line->text)
        return HTTP_HEAD_INVALID;
    method_size = (size_t)(space - line->text);
    target = line->text + method_size + 1;
    version = memchr(target, ' ', (size_t)(end - target));
    if (version == NULL || method_size > HTTP_METHOD_SIZE_MAX ||
        !all_are(line->text, method_size, TOKEN))
        return HTTP_HEAD_INVALID;
    if (end - version != sizeof(" HTTP/1.1") - 1 || memcmp(version, " HTTP/1.", 8) != 0 ||
        (version[8] != '0' && version[8] != '1'))
        return HTTP_HEAD_INVALID;
    if ((size_t)(version - target) > HTTP_URL_SIZE_MAX)
        return HTTP_HEAD_URL_TOO_LONG;
    if (version == target || !all_are(target, (size_t)(version - target), TARGET))
        return HTTP_HEAD_INVALID;
    head->is_1_0 = version[8] == '0';
    set_method(head, line->text, method_size);
    *version = '\0';
    set_target(head, target);
    *out_why = "the target of the request is no path";
    return path_fits(head) ? HTTP_HEAD_OK : HTTP_HEAD_INVALID;
}

/* ---- The fields ------------------------------------------------------------------------------- */

static char *lower_case(char *text)
{
    for (char *c = text; *c != '\0'; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
    return text;
}

static enum http_head_result read_field(struct http_head *head, const struct line *line,
                                        const char **out_why)
{
    char *colon = memchr(line->text, ':', line->size);
    char *value, *end = line->text + line->size;

    *out_why = "a header line is not 'name: value'";
    if (colon == NULL || colon == line->text ||
        !all_are(line->text, (size_t)(colon - line->text), TOKEN))
        return HTTP_HEAD_INVALID; /* a folded line begins with white space, which no name has */
    for (value = colon + 1; value < end && is_blank(*value); value++)
        ;
    for (; end > value && is_blank(end[-1]); end--)
        ;
    if (!all_are(value, (size_t)(end - value), VALUE))
        return HTTP_HEAD_INVALID;
    *out_why = "there are too many header fields";
    if (head->field_count == HTTP_FIELDS_MAX)
        return HTTP_HEAD_TOO_LARGE;
    *colon = *end = '\0';
    head->fields[head->field_count++] = (struct http_field){lower_case(line->text), value};
    return HTTP_HEAD_OK;
}

static enum http_head_result read_fields(struct http_head *head, char *at, const char *end,
                                         struct arena *arena, const char **out_why)
{
    struct line line;

    *out_why = "the header fields are larger than allowed";
    if ((size_t)(end - at) > HTTP_FIELDS_SIZE_MAX + 2)
        return HTTP_HEAD_TOO_LARGE;
    head->fields = arena_alloc(arena, HTTP_FIELDS_MAX * sizeof(*head->fields));
    if (head->fields == NULL)
        return HTTP_HEAD_NO_MEMORY;
    for (;;) {
        enum http_head_result result;

        *out_why = "a line does not end with CR LF";
        if (!take_line(&at, end, &line))
            return HTTP_HEAD_INVALID;
        if (line.size == 0)
            return HTTP_HEAD_OK;
        result = read_field(head, &line, out_why);
        if (result != HTTP_HEAD_OK)
            return result;
    }
}

/* ---- What the fields say about the message ---------------------------------------------------- */

static const char *only_field(const struct http_head *head, const char *name, uint32_t *out_count)
{
    const char *value = NULL;

    *out_count = 0;
    for (uint32_t i = 0; i < head->field_count; i++) {
        if (http_field_is(&head->fields[i], name)) {
            value = head->fields[i].value;
            ++*out_count;
        }
    }
    return value;
}

static bool read_length(const char *text, int64_t *out)
{
    int64_t length = 0;

    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(length, 10, &length) ||
            __builtin_add_overflow(length, *text - '0', &length))
            return false;
    }
    *out = length;
    return true;
}

static enum http_head_result read_framing(struct http_head *head, const char **out_why)
{
    uint32_t host_count, length_count, coding_count, expect_count;
    const char *host, *length, *coding, *expectation;

    host = only_field(head, "host", &host_count);
    length = only_field(head, "content-length", &length_count);
    coding = only_field(head, "transfer-encoding", &coding_count);
    expectation = only_field(head, "expect", &expect_count);
    *out_why = "there must be one Host field";
    if (host_count > 1 || (host_count == 0 && !head->is_1_0))
        return HTTP_HEAD_INVALID;
    *out_why = "the Host field is no host";
    if (host_count > 0 && !is_host(host, strlen(host)))
        return HTTP_HEAD_INVALID;
    *out_why = "the length of the body is not clear";
    if (length_count > 1 || coding_count > 1 || (length_count > 0 && coding_count > 0) ||
        (coding_count > 0 && (head->is_1_0 || strcasecmp(coding, "chunked") != 0)))
        return HTTP_HEAD_INVALID;
    head->content_length = -1;
    if (length_count > 0 && !read_length(length, &head->content_length))
        return HTTP_HEAD_INVALID;
    head->is_chunked = coding_count > 0;
    head->expects_continue = expectation != NULL && !head->is_1_0;
    if (expectation == NULL || head->is_1_0)
        return HTTP_HEAD_OK;
    *out_why = "the only expectation that can be met is 100-continue";
    return strcasecmp(expectation, "100-continue") == 0 ? HTTP_HEAD_OK : HTTP_HEAD_EXPECTS_UNKNOWN;
}

/* ---- The second reader ------------------------------------------------------------------------ */

/* No body for it: that is read by its framing, which both must see alike. */
static int on_head(http_parser *parser)
{
    (void)parser;
    return 1;
}

static bool parser_agrees(struct http_head *head, const char *bytes, size_t size)
{
    static const http_parser_settings settings = {.on_headers_complete = on_head};
    http_parser parser;
    bool has_length = head->content_length >= 0;

    if (head->method == REQUEST_OTHER)
        return true; /* it may not know it either; nothing but an error comes of it */
    http_parser_init(&parser, HTTP_REQUEST);
    if (http_parser_execute(&parser, &settings, bytes, size) != size ||
        (HTTP_PARSER_ERRNO(&parser) != HPE_OK))
        return false;
    head->keep_alive = http_should_keep_alive(&parser) != 0;
    return ((parser.flags & F_CHUNKED) != 0) == head->is_chunked &&
           ((parser.flags & F_CONTENTLENGTH) != 0) == has_length;
}

enum http_head_result http_head_read(const char *bytes, size_t size, struct arena *arena,
                                     struct http_head *out, const char **out_why)
{
    char *text = arena_memdup(arena, bytes, size), *at = text;
    enum http_head_result result;
    struct line line;

    assert(size >= 4 && memcmp(bytes + size - 4, "\r\n\r\n", 4) == 0);
    *out = (struct http_head){.content_length = -1};
    if (text == NULL)
        return HTTP_HEAD_NO_MEMORY;
    *out_why = "the request line does not end with CR LF";
    if (!take_line(&at, text + size, &line))
        return HTTP_HEAD_INVALID;
    result = read_first_line(out, &line, out_why);
    if (result == HTTP_HEAD_OK)
        result = read_fields(out, at, text + size, arena, out_why);
    if (result == HTTP_HEAD_OK)
        result = read_framing(out, out_why);
    if (result != HTTP_HEAD_OK)
        return result;
    *out_why = "the request cannot be read";
    return parser_agrees(out, bytes, size) ? HTTP_HEAD_OK : HTTP_HEAD_INVALID;
}
