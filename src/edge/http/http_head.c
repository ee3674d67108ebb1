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
 * value, of a registered name or an IPv4 address (RFC 3986), digits; and capital letters, by the very bit that
 * makes them small. */
enum char_class {
    TOKEN = 1,
    TARGET = 2,
    VALUE = 4,
    HOST = 8,
    DIGIT = 16,
    UPPER = 'a' - 'A',
};

/* clang-format off */
static const unsigned char classes[256] = {
     0,  0,  0,  0,  0,  0,  0,  0,  0,  4,  0,  0,  0,  0,  0,  0,
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
     4, 15,  6,  5, 15, 15, 15, 15, 14, 14, 15, 15, 14, 15, 15,  6,
    31, 31, 31, 31, 31, 31, 31, 31, 31, 31,  6, 14,  6, 14,  6,  6,
     6, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47,
    47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47,  6,  6,  6,  7, 15,
     7, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,  6,  7,  6, 15,  0,
     4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
     4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
     4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
     4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
     4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
     4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
     4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
     4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
};
/* clang-format on */

static bool is_char(char c, enum char_class class)
{
    return (classes[(unsigned char)c] & class) != 0;
}

/* Behind all characters of that class. NUL and the ends of lines are of none. */
static char *behind(char *text, enum char_class class)
{
    while (is_char(*text, class))
        text++;
    return text;
}

/* The same of a name, which becomes lower case on the way. */
static char *behind_name(char *text)
{
    for (unsigned char class; ((class = classes[(unsigned char)*text]) & TOKEN) != 0; text++)
        *text = (char)(*text | (class & UPPER));
    return text;
}

static char *behind_blanks(char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    return text;
}

bool http_head_may_go_on(const char *bytes, size_t size, size_t seen)
{
    for (size_t i = seen; i < size; i++) {
        bool is_behind_cr = i > 0 && bytes[i - 1] == '\r';

        if ((bytes[i] == '\n') != is_behind_cr)
            return false;
        if (bytes[i] != '\n' && bytes[i] != '\r' && !is_char(bytes[i], VALUE))
            return false;
    }
    return true;
}

/* "shop", "shop:8080", "[::1]:8080"; no user before it. `end` points at what no host has. */
static bool is_host(char *text, const char *end)
{
    char *at;

    if (*text == '[') {
        at = text + 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
        if (*at++ != ']')
            return false;
    } else {
        at = behind(text, HOST);
    }
    if (at > text && *at == ':')
        at = behind(at + 1, DIGIT);
    return at == end && at > text;
}

/* ---- The reading ------------------------------------------------------------------------------ */

/* The fields that say whose the message is and where its body ends. Each may come once. */
enum framing_field {
    FRAMING_HOST,
    FRAMING_LENGTH,
    FRAMING_CODING,
    FRAMING_EXPECT,
    FRAMING_COUNT
};

#define NAME(text) text, sizeof(text) - 1
static const struct {
    const char *name;
    size_t size;
} framing_names[FRAMING_COUNT] = {
    [FRAMING_HOST] = {NAME("host")},
    [FRAMING_LENGTH] = {NAME("content-length")},
    [FRAMING_CODING] = {NAME("transfer-encoding")},
    [FRAMING_EXPECT] = {NAME("expect")},
};
#undef NAME

struct framing {
    struct {
        char *value, *end; /* of the last one */
        uint32_t count;
    } fields[FRAMING_COUNT];
};

/* What is read stands in a copy, and becomes strings by putting NULs behind them. */
struct reading {
    struct http_head *head;
    char *at;        /* where it goes on */
    const char *end; /* of the copy */
    struct framing framing;
    const char **out_why;
};

/* ---- The first line --------------------------------------------------------------------------- */

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

static void set_method(struct http_head *head, const char *name)
{
    head->method = REQUEST_OTHER;
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        if (strcmp(methods[i].name, name) == 0) {
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
        char *host = strstr(text, "://") + 3;

        text = host + strcspn(host, "/?");
        if (!is_host(host, text)) {
            head->path = "";
            return;
        }
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

static enum http_head_result read_first_line(struct reading *reading)
{
    static const char version[] = " HTTP/1.";
    struct http_head *head = reading->head;
    char *method = reading->at, *method_end = behind(method, TOKEN), *target, *target_end, *digit;

    *reading->out_why = "the request line is not 'method target HTTP/1.1' with CR LF behind it";
    if (method_end == method || method_end - method > HTTP_METHOD_SIZE_MAX || *method_end != ' ')
        return HTTP_HEAD_INVALID;
    target = method_end + 1;
    target_end = behind(target, TARGET);
    if (target_end == target || strncmp(target_end, version, sizeof(version) - 1) != 0)
        return HTTP_HEAD_INVALID;
    digit = target_end + sizeof(version) - 1;
    if ((*digit != '0' && *digit != '1') || digit[1] != '\r' || digit[2] != '\n')
        return HTTP_HEAD_INVALID;
    if (target_end - target > HTTP_URL_SIZE_MAX)
        return HTTP_HEAD_URL_TOO_LONG;
    head->is_1_0 = *digit == '0';
    reading->at = digit + 3;
    *method_end = *target_end = '\0';
    set_method(head, method);
    set_target(head, target);
    *reading->out_why = "the target of the request is no path";
    return path_fits(head) ? HTTP_HEAD_OK : HTTP_HEAD_INVALID;
}

/* ---- The fields ------------------------------------------------------------------------------- */

static void note_framing(struct framing *framing, const char *name, size_t size, char *value,
                         char *end)
{
    for (int i = 0; i < FRAMING_COUNT; i++) {
        if (framing_names[i].size == size && memcmp(framing_names[i].name, name, size) == 0) {
            framing->fields[i].value = value;
            framing->fields[i].end = end;
            framing->fields[i].count++;
        }
    }
}

static enum http_head_result read_field(struct reading *reading)
{
    struct http_head *head = reading->head;
    char *name = reading->at, *colon = behind_name(name), *value, *end;

    *reading->out_why = "a header line is not 'name: value'";
    if (colon == name || *colon != ':')
        return HTTP_HEAD_INVALID; /* a folded line begins with white space, which no name has */
    value = behind_blanks(colon + 1);
    end = behind(value, VALUE);
    *reading->out_why = "a header line does not end with CR LF, or has a control character";
    if (end[0] != '\r' || end[1] != '\n')
        return HTTP_HEAD_INVALID;
    *reading->out_why = "there are too many header fields";
    if (head->field_count == HTTP_FIELDS_MAX)
        return HTTP_HEAD_TOO_LARGE;
    reading->at = end + 2;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *colon = *end = '\0';
    head->fields[head->field_count++] = (struct http_field){name, value};
    note_framing(&reading->framing, name, (size_t)(colon - name), value, end);
    return HTTP_HEAD_OK;
}

static enum http_head_result read_fields(struct reading *reading, struct arena *arena)
{
    struct http_head *head = reading->head;
    enum http_head_result result = HTTP_HEAD_OK;

    *reading->out_why = "the header fields are larger than allowed";
    if (reading->end - reading->at > HTTP_FIELDS_SIZE_MAX + 2)
        return HTTP_HEAD_TOO_LARGE;
    head->fields = arena_alloc(arena, HTTP_FIELDS_MAX * sizeof(*head->fields));
    if (head->fields == NULL)
        return HTTP_HEAD_NO_MEMORY;
    while (result == HTTP_HEAD_OK && *reading->at != '\r')
        result = read_field(reading);
    if (result != HTTP_HEAD_OK)
        return result;
    *reading->out_why = "a CR stands alone";
    return reading->at + 2 == reading->end ? HTTP_HEAD_OK : HTTP_HEAD_INVALID;
}

/* ---- What the fields say about the message ---------------------------------------------------- */

static bool read_length(const char *text, int64_t *out)
{
    int64_t length = 0;

    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (!is_char(*text, DIGIT) || __builtin_mul_overflow(length, 10, &length) ||
            __builtin_add_overflow(length, *text - '0', &length))
            return false;
    }
    *out = length;
    return true;
}

static enum http_head_result read_framing(struct reading *reading)
{
    struct http_head *head = reading->head;
    const struct framing *framing = &reading->framing;
    const uint32_t host_count = framing->fields[FRAMING_HOST].count;
    const uint32_t length_count = framing->fields[FRAMING_LENGTH].count;
    const uint32_t coding_count = framing->fields[FRAMING_CODING].count;
    const char *coding = framing->fields[FRAMING_CODING].value;
    const char *expectation = framing->fields[FRAMING_EXPECT].value;

    *reading->out_why = "there must be one Host field";
    if (host_count > 1 || (host_count == 0 && !head->is_1_0))
        return HTTP_HEAD_INVALID;
    *reading->out_why = "the Host field is no host";
    if (host_count > 0 &&
        !is_host(framing->fields[FRAMING_HOST].value, framing->fields[FRAMING_HOST].end))
        return HTTP_HEAD_INVALID;
    *reading->out_why = "the length of the body is not clear";
    if (length_count > 1 || coding_count > 1 || (length_count > 0 && coding_count > 0) ||
        (coding_count > 0 && (head->is_1_0 || strcasecmp(coding, "chunked") != 0)))
        return HTTP_HEAD_INVALID;
    if (length_count > 0 &&
        !read_length(framing->fields[FRAMING_LENGTH].value, &head->content_length))
        return HTTP_HEAD_INVALID;
    head->is_chunked = coding_count > 0;
    head->expects_continue = expectation != NULL && !head->is_1_0;
    if (expectation == NULL || head->is_1_0)
        return HTTP_HEAD_OK;
    *reading->out_why = "the only expectation that can be met is 100-continue";
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
    char *text = arena_strndup(arena, bytes, size);
    struct reading reading = {.head = out, .at = text, .out_why = out_why};
    enum http_head_result result;

    assert(size >= 4 && memcmp(bytes + size - 4, "\r\n\r\n", 4) == 0);
    *out = (struct http_head){.content_length = -1};
    if (text == NULL)
        return HTTP_HEAD_NO_MEMORY;
    reading.end = text + size;
    result = read_first_line(&reading);
    if (result == HTTP_HEAD_OK)
        result = read_fields(&reading, arena);
    if (result == HTTP_HEAD_OK)
        result = read_framing(&reading);
    if (result != HTTP_HEAD_OK)
        return result;
    *out_why = "the request cannot be read";
    return parser_agrees(out, bytes, size) ? HTTP_HEAD_OK : HTTP_HEAD_INVALID;
}
