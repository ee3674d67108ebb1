/* A line is one JSON object (or one line for people), whatever is put into it, and nobody ever waits
 * for the reader. */
#include "observe/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int pipe_fds[2];
static char line[8192];

static int setup(void **state)
{
    return pipe2(pipe_fds, O_CLOEXEC);
}

static int teardown(void **state)
{
    log_configure(LOG_INFO, LOG_JSON, STDERR_FILENO);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return 0;
}

/* What was written, behind the time, which is checked for its form and taken away. */
static const char *read_line(const char *prefix)
{
    int flags = fcntl(pipe_fds[0], F_GETFL);
    ssize_t size;
    int year, month, day, hour, minute, second, us, end = 0;

    fcntl(pipe_fds[0], F_SETFL, flags | O_NONBLOCK);
    size = read(pipe_fds[0], line, sizeof(line) - 1);
    line[size < 0 ? 0 : size] = '\0';
    if (size <= 0)
        return line;
    assert_memory_equal(line, prefix, strlen(prefix));
    assert_int_equal(sscanf(line + strlen(prefix), "%4d-%2d-%2dT%2d:%2d:%2d.%6dZ%n", &year, &month,
                            &day, &hour, &minute, &second, &us, &end),
                     7);
    assert_int_equal(end, 27);
    return line + strlen(prefix) + end;
}

static const char *read_json(void)
{
    return read_line("{\"timestamp\":\"");
}

static void a_json_line_has_time_severity_message_and_fields(void **state)
{
    const struct log_field fields[] = {
        LOG_STR("order_id", "7"), LOG_INT("attempt", -2), LOG_DURATION("took_ms", 1234567),
        LOG_STR("absent", NULL),  {.key = NULL},
    };

    log_configure(LOG_INFO, LOG_JSON, pipe_fds[1]);
    log_fields(LOG_INFO, "order transition", fields);
    assert_string_equal(read_json(), "\",\"severity\":\"INFO\",\"message\":\"order transition\","
                                     "\"order_id\":\"7\",\"attempt\":-2,\"took_ms\":1234.567}\n");
}

static void a_text_line_quotes_only_what_could_be_misread(void **state)
{
    const struct log_field fields[] = {
        LOG_STR("plain", "a.b/c"), LOG_STR("spaced", "a b"), LOG_STR("empty", ""),
        LOG_STR("lines", "a\nb"),  LOG_INT("n", 5),          {.key = NULL},
    };

    log_configure(LOG_INFO, LOG_TEXT, pipe_fds[1]);
    log_fields(LOG_WARN, "message", fields);
    assert_string_equal(read_line(""), " WARNING message plain=a.b/c spaced=\"a b\" empty=\"\" "
                                       "lines=a\\nb n=5\n");
}

static void what_comes_from_outside_cannot_end_the_string_or_the_line(void **state)
{
    const struct log_field fields[] = {LOG_STR("name", "\",\"severity\":\"\n\xff"), {.key = NULL}};

    log_configure(LOG_INFO, LOG_JSON, pipe_fds[1]);
    log_fields(LOG_ERROR, "m", fields);
    assert_string_equal(read_json(), "\",\"severity\":\"ERROR\",\"message\":\"m\","
                                     "\"name\":\"\\\",\\\"severity\\\":\\\"\\n\xef\xbf\xbd\"}\n");
}

static void lines_below_the_level_are_not_written(void **state)
{
    log_configure(LOG_WARN, LOG_JSON, pipe_fds[1]);
    assert_false(log_enabled(LOG_INFO));
    assert_true(log_enabled(LOG_WARN));
    log_write(LOG_INFO, "not this");
    log_write(LOG_WARN, "but %s", "this");
    assert_string_equal(read_json(), "\",\"severity\":\"WARNING\",\"message\":\"but this\"}\n");
    assert_string_equal(read_json(), "");
}

static void the_longest_line_is_still_one_whole_line(void **state)
{
    char text[3000];
    struct log_field fields[20];

    memset(text, '\x01', sizeof(text) - 1); /* six bytes each when escaped */
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < 19; i++)
        fields[i] = (struct log_field)LOG_STR("field", text);
    fields[19].key = NULL;
    log_configure(LOG_INFO, LOG_JSON, pipe_fds[1]);
    log_fields(LOG_INFO, text, fields);
    read_json();
    assert_true(strlen(line) <= 4096);
    assert_string_equal(line + strlen(line) - 3, "\"}\n");
    assert_string_equal(read_json(), "");
}

/* Would hang if it waited: nobody reads. */
static void when_the_pipe_is_full_lines_are_dropped_and_counted(void **state)
{
    uint64_t dropped_before = log_dropped_count();

    log_configure(LOG_INFO, LOG_JSON, pipe_fds[1]);
    for (int i = 0; i < 5000; i++)
        log_write(LOG_INFO, "line %d, padded so that the pipe of 64 KiB is full soon", i);
    assert_true(log_dropped_count() > dropped_before);
    read_json();
    assert_non_null(strstr(line, "\"line 0, "));
}

static void the_flags_of_the_descriptor_given_stay_as_they_were(void **state)
{
    int flags = fcntl(pipe_fds[1], F_GETFL);

    log_configure(LOG_INFO, LOG_JSON, pipe_fds[1]);
    log_write(LOG_INFO, "line");
    assert_int_equal(fcntl(pipe_fds[1], F_GETFL), flags);
}

static void a_full_socket_drops_lines_too(void **state)
{
    int fds[2];
    uint64_t dropped_before = log_dropped_count();

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    log_configure(LOG_INFO, LOG_JSON, fds[1]);
    for (int i = 0; i < 20000; i++)
        log_write(LOG_INFO, "line %d, padded so that the socket's buffer is full soon", i);
    assert_true(log_dropped_count() > dropped_before);
    close(fds[0]);
    close(fds[1]);
}

static void a_descriptor_that_is_closed_drops_lines(void **state)
{
    int fd = dup(pipe_fds[1]);
    uint64_t dropped_before = log_dropped_count();

    close(fd);
    log_configure(LOG_INFO, LOG_JSON, fd);
    log_write(LOG_INFO, "line");
    assert_int_equal(log_dropped_count(), dropped_before + 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_json_line_has_time_severity_message_and_fields),
        TEST(a_text_line_quotes_only_what_could_be_misread),
        TEST(what_comes_from_outside_cannot_end_the_string_or_the_line),
        TEST(lines_below_the_level_are_not_written),
        TEST(the_longest_line_is_still_one_whole_line),
        TEST(when_the_pipe_is_full_lines_are_dropped_and_counted),
        TEST(the_flags_of_the_descriptor_given_stay_as_they_were),
        TEST(a_full_socket_drops_lines_too),
        TEST(a_descriptor_that_is_closed_drops_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
