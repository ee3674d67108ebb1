/* Composing log lines and writing each with one write(), which never waits.
 *
 * A descriptor that cannot take a line at once (a full pipe, a full disk) loses it, and the loss is
 * counted. Not for audit: what must not get lost is in order_event. */
#include "observe/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

/* A line up to PIPE_BUF (4,096) goes into a pipe whole or not at all, also from several threads. A
 * text is cut at 600 bytes: should each of them become a \u escape, a message still fits a line. */
enum {
    LINE_SIZE_MAX = 4096,
    TEXT_SIZE_MAX = 600,
    NUMBER_SIZE = 20, /* of a 64-bit integer */
};

struct log {
    enum log_level level;
    enum log_format format;
    int fd;
    int own_fd; /* the same pipe or terminal, opened by us without waiting; -1: none */
    bool is_socket;
    atomic_uint_fast64_t dropped_count;
};
static struct log log_state = {
    .level = LOG_INFO, .format = LOG_JSON, .fd = STDERR_FILENO, .own_fd = -1};

static const char *const level_names[] = {
    [LOG_DEBUG] = "DEBUG", [LOG_INFO] = "INFO", [LOG_WARN] = "WARNING", [LOG_ERROR] = "ERROR"};

/* O_NONBLOCK on `fd` would change it for everybody who shares it, such as the parent of the process;
 * opened anew, a pipe or terminal has flags of its own. A file never waits, and must not be opened
 * anew, since others that write to it share its position. -1 when it cannot be done. */
static int open_anew(int fd)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void log_configure(enum log_level level, enum log_format format, int fd)
{
    struct stat info;
    bool known = fstat(fd, &info) == 0;

    if (log_state.own_fd >= 0)
        close(log_state.own_fd);
    log_state.level = level;
    log_state.format = format;
    log_state.fd = fd;
    log_state.is_socket = known && S_ISSOCK(info.st_mode);
    log_state.own_fd =
        known && (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode)) ? open_anew(fd) : -1;
}

bool log_enabled(enum log_level level)
{
    return level >= log_state.level;
}

uint64_t log_dropped_count(void)
{
    return atomic_load_explicit(&log_state.dropped_count, memory_order_relaxed);
}

/* ---- Composing --------------------------------------------------------------------------- */

/* A line on the caller's stack. It is a buf that never has to grow, so that composing cannot fail
 * for want of memory. */
struct line {
    struct buf buf;
    char storage[LINE_SIZE_MAX + 1];
};

static void line_init(struct line *line)
{
    buf_init(&line->buf, LINE_SIZE_MAX - 2); /* 2: the end of the line */
    line->buf.data = line->storage;
    line->buf.size = sizeof(line->storage);
    line->storage[0] = '\0';
}

/* At least `width` digits. printf would take most of a line's time. */
static void put_number(struct line *line, uint64_t value, size_t width)
{
    char digits[NUMBER_SIZE];
    size_t start = sizeof(digits);

    assert(width <= sizeof(digits));
    do {
        digits[--start] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0 || sizeof(digits) - start < width);
    buf_put(&line->buf, digits + start, sizeof(digits) - start);
}

/* RFC 3339 in UTC with microseconds. */
static void put_time(struct line *line)
{
    struct timespec now;
    struct tm parts;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    put_number(line, (uint64_t)parts.tm_year + 1900, 4);
    buf_put_char(&line->buf, '-');
    put_number(line, (uint64_t)parts.tm_mon + 1, 2);
    buf_put_char(&line->buf, '-');
    put_number(line, (uint64_t)parts.tm_mday, 2);
    buf_put_char(&line->buf, 'T');
    put_number(line, (uint64_t)parts.tm_hour, 2);
    buf_put_char(&line->buf, ':');
    put_number(line, (uint64_t)parts.tm_min, 2);
    buf_put_char(&line->buf, ':');
    put_number(line, (uint64_t)parts.tm_sec, 2);
    buf_put_char(&line->buf, '.');
    put_number(line, (uint64_t)now.tv_nsec / 1000, 6);
    buf_put_char(&line->buf, 'Z');
}

static void put_text(struct line *line, const char *text)
{
    buf_put_json_text(&line->buf, text, strnlen(text, TEXT_SIZE_MAX));
}

/* For people: quoted only where it could be misread. Control characters are always escaped, or a
 * caller could write lines of its own. */
static void put_text_for_people(struct line *line, const char *text)
{
    bool quoted = *text == '\0' || strpbrk(text, " =\"\\") != NULL;

    if (quoted)
        buf_put_char(&line->buf, '"');
    put_text(line, text);
    if (quoted)
        buf_put_char(&line->buf, '"');
}

static void put_string(struct line *line, const char *text)
{
    if (log_state.format == LOG_TEXT) {
        put_text_for_people(line, text);
        return;
    }
    buf_put_char(&line->buf, '"');
    put_text(line, text);
    buf_put_char(&line->buf, '"');
}

static void put_value(struct line *line, const struct log_field *field)
{
    uint64_t size = field->integer < 0 ? -(uint64_t)field->integer : (uint64_t)field->integer;

    if (field->type != LOG_STRING && field->integer < 0)
        buf_put_char(&line->buf, '-');
    switch (field->type) {
    case LOG_STRING:
        put_string(line, field->string);
        break;
    case LOG_INTEGER:
        put_number(line, size, 1);
        break;
    case LOG_MS:
        put_number(line, size / 1000, 1);
        buf_put_char(&line->buf, '.');
        put_number(line, size % 1000, 3);
        break;
    }
}

static void put_key(struct line *line, const char *key)
{
    bool is_json = log_state.format == LOG_JSON;

    buf_put_str(&line->buf, is_json ? ",\"" : " ");
    buf_put_str(&line->buf, key);
    buf_put_str(&line->buf, is_json ? "\":" : "=");
}

static void put_field(struct line *line, const struct log_field *field)
{
    size_t len_before = line->buf.len;

    if (field->type == LOG_STRING && field->string == NULL)
        return;
    put_key(line, field->key);
    put_value(line, field);
    if (line->buf.failed) { /* a field that does not fit is left out whole */
        line->buf.failed = false;
        line->buf.len = len_before;
    }
}

static void put_head(struct line *line, enum log_level level, const char *message)
{
    if (log_state.format == LOG_TEXT) {
        put_time(line);
        buf_printf(&line->buf, " %-7s ", level_names[level]);
        put_text(line, message);
        return;
    }
    buf_put_str(&line->buf, "{\"timestamp\":\"");
    put_time(line);
    buf_put_str(&line->buf, "\",\"severity\":\"");
    buf_put_str(&line->buf, level_names[level]);
    buf_put_str(&line->buf, "\",\"message\":\"");
    put_text(line, message);
    buf_put_char(&line->buf, '"');
}

/* ---- Writing ----------------------------------------------------------------------------- */

/* For the rare pipe that could not be opened anew. */
static ssize_t write_if_ready(int fd, const char *data, size_t size)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};

    if (poll(&poll_fd, 1, 0) != 1 || (poll_fd.revents & POLLOUT) == 0)
        return 0;
    return write(fd, data, size);
}

static ssize_t write_now(const char *data, size_t size)
{
    if (log_state.own_fd >= 0)
        return write(log_state.own_fd, data, size);
    if (log_state.is_socket)
        return send(log_state.fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return write_if_ready(log_state.fd, data, size);
}

static void line_write(struct line *line)
{
    ssize_t written;

    line->buf.size_max = LINE_SIZE_MAX;
    buf_put_str(&line->buf, log_state.format == LOG_JSON ? "}\n" : "\n");
    do {
        written = write_now(line->storage, line->buf.len);
    } while (written < 0 && errno == EINTR);
    if (written != (ssize_t)line->buf.len)
        atomic_fetch_add_explicit(&log_state.dropped_count, 1, memory_order_relaxed);
}

void log_fields(enum log_level level, const char *message, const struct log_field *fields)
{
    struct line line;

    if (!log_enabled(level))
        return;
    line_init(&line);
    put_head(&line, level, message);
    for (; fields != NULL && fields->key != NULL; fields++)
        put_field(&line, fields);
    line_write(&line);
}

void log_write(enum log_level level, const char *format, ...)
{
    char message[TEXT_SIZE_MAX];
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    log_fields(level, message, NULL);
}
