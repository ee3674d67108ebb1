/* The command line of orderctl, and the requests made of it. */
#include "ctl/ctl_options.h"
#include "ctl/ctl_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
    WORDS_MAX = 12
};

/* The words of a line; they live until the next. */
static bool read_line(const char *line, struct ctl_options *options, char *problem, size_t size)
{
    static char words[300];
    char *argv[WORDS_MAX] = {words};
    int argc = 1;

    snprintf(words, sizeof(words), "orderctl %s", line);
    for (char *at = strchr(words, ' '); at != NULL && argc < WORDS_MAX; at = strchr(at, ' ')) {
        *at++ = '\0';
        if (*at != '\0') {
            argv[argc++] = at;
        }
    }
    return ctl_options_read(options, argc, argv, "http://admin/", "me", problem, size);
}

static void each_command_becomes_its_request(void **state)
{
    static const struct {
        const char *line, *method, *url, *body;
    } cases[] = {
        {"orders", "GET", "http://admin/debug/orders", NULL},
        {"orders --state STUCK --older-than=10m --limit 5", "GET",
         "http://admin/debug/orders?state=STUCK&older_than=10m&limit=5", NULL},
        {"orders --before a&b", "GET", "http://admin/debug/orders?before=a%26b", NULL},
        {"--admin http://x:1 show id", "GET", "http://x:1/debug/orders/id", NULL},
        {"show ../x", "GET", "http://admin/debug/orders/..%2Fx", NULL},
        {"retry id --reason why", "POST", "http://admin/debug/orders/id:retry",
         "{\"reason\":\"why\",\"operator\":\"me\"}"},
        {"resolve id --state FAILED --reason \"why --operator=ada", "POST",
         "http://admin/debug/orders/id:resolve",
         "{\"reason\":\"\\\"why\",\"operator\":\"ada\",\"state\":\"FAILED\"}"},
        {"pause --reason why", "POST", "http://admin/debug/recovery:pause",
         "{\"reason\":\"why\",\"operator\":\"me\"}"},
        {"batches --json", "GET", "http://admin/debug/batches", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ctl_options options;
        struct ctl_request request;
        char problem[200] = "";
        if (!read_line(cases[i].line, &options, problem, sizeof(problem))) {
            fail_msg("%s: %s", cases[i].line, problem);
        }
        assert_true(ctl_request_init(&request, &options));
        assert_string_equal(options.command->method, cases[i].method);
        assert_string_equal(request.url.data, cases[i].url);
        if (cases[i].body == NULL) {
            assert_null(request.body);
        } else {
            assert_string_equal(request.body, cases[i].body);
        }
        ctl_request_deinit(&request);
    }
}

static void what_is_wrong_is_told_in_words(void **state)
{
    static const struct {
        const char *line, *problem;
    } cases[] = {
        {"", "a command is missing"},
        {"--json", "a command is missing"},
        {"dance", "'dance' is no command"},
        {"orders more", "'more' is too much"},
        {"show", "show needs the id of an order"},
        {"show a b", "'b' is too much"},
        {"retry id", "retry needs --reason"},
        {"resolve id --reason why", "resolve needs --state"},
        {"retry id --reason why --state FAILED", "retry has no --state"},
        {"retry id --reason \xff", "--reason is not UTF-8"},
        {"pause --reason why --operator \xe9mile", "--operator is not UTF-8"},
        {"orders --state", "'--state' is no option, or its value is missing"},
        {"orders --states STUCK", "'--states' is no option, or its value is missing"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ctl_options options;
        char problem[200] = "";
        assert_false(read_line(cases[i].line, &options, problem, sizeof(problem)));
        assert_string_equal(problem, cases[i].problem);
    }
}

static void help_is_not_a_mistake(void **state)
{
    struct ctl_options options;
    char problem[200] = "";

    assert_true(read_line("retry --help", &options, problem, sizeof(problem)));
    assert_null(options.command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_becomes_its_request),
        cmocka_unit_test(what_is_wrong_is_told_in_words),
        cmocka_unit_test(help_is_not_a_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
