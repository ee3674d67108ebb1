/* Fault points of test builds; without FAULT_POINTS there is nothing in here. Which points there are
 * is decided by those who name them. */
#include "base/fault_point.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef FAULT_POINTS

enum {
    NAME_SIZE = 96
};

/* What the environment chose; const once `once` has run. */
static struct {
    pthread_once_t once;
    char name[NAME_SIZE]; /* "": none */
    unsigned long n;
    int signal_number;
    int trace_fd; /* -1: none */
    atomic_ulong passed_count;
} chosen = {.once = PTHREAD_ONCE_INIT, .signal_number = SIGKILL, .trace_fd = -1};

static void refuse(const char *what)
{
    fprintf(stderr, "%s is not understood\n", what);
    abort();
}

static void read_name(const char *text)
{
    size_t len = strcspn(text, ":");
    char *end = NULL;

    if (len == 0 || len >= sizeof(chosen.name))
        refuse("FAULT_POINT");
    memcpy(chosen.name, text, len);
    chosen.n = text[len] == ':' ? strtoul(text + len + 1, &end, 10) : 1;
    if (chosen.n == 0 || (end != NULL && *end != '\0'))
        refuse("FAULT_POINT");
}

static void read_environment(void)
{
    const char *name = getenv("FAULT_POINT");
    const char *action = getenv("FAULT_ACTION");
    const char *trace = getenv("FAULT_TRACE");

    if (name != NULL && *name != '\0')
        read_name(name);
    if (action != NULL && strcmp(action, "stop") == 0)
        chosen.signal_number = SIGSTOP;
    else if (action != NULL && *action != '\0' && strcmp(action, "kill") != 0)
        refuse("FAULT_ACTION");
    if (trace == NULL || *trace == '\0')
        return;
    chosen.trace_fd = open(trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (chosen.trace_fd < 0)
        refuse("FAULT_TRACE");
}

/* The name with a line feed behind it; its length with that. */
__attribute__((format(printf, 2, 0))) static size_t write_name(char *line, const char *format,
                                                               va_list arguments)
{
    int len = vsnprintf(line, NAME_SIZE, format, arguments);

    assert(len > 0);
    assert(len < NAME_SIZE);
    line[len] = '\n';
    line[len + 1] = '\0';
    return (size_t)len + 1;
}

static bool is_chosen(const char *line, size_t size)
{
    return strlen(chosen.name) == size - 1 && memcmp(chosen.name, line, size - 1) == 0;
}

void fault_point(const char *format, ...)
{
    char line[NAME_SIZE + 1];
    va_list arguments;
    size_t size;

    pthread_once(&chosen.once, read_environment);
    va_start(arguments, format);
    size = write_name(line, format, arguments);
    va_end(arguments);
    /* One write a line: lines of several threads do not mix. */
    if (chosen.trace_fd >= 0 && write(chosen.trace_fd, line, size) != (ssize_t)size)
        refuse("FAULT_TRACE");
    if (is_chosen(line, size) && atomic_fetch_add(&chosen.passed_count, 1) + 1 == chosen.n)
        raise(chosen.signal_number);
}

bool fault_point_is_next(const char *format, ...)
{
    char line[NAME_SIZE + 1];
    va_list arguments;
    size_t size;

    pthread_once(&chosen.once, read_environment);
    va_start(arguments, format);
    size = write_name(line, format, arguments);
    va_end(arguments);
    return is_chosen(line, size) && atomic_load(&chosen.passed_count) + 1 == chosen.n;
}

#endif
