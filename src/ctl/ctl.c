/* From the command line to the answer. */
#include "ctl/ctl.h"

#include "ctl/ctl_options.h"
#include "ctl/ctl_request.h"
#include "ctl/ctl_view.h"

#include <string.h>

enum {
    EXIT_USAGE = 2,
    ANSWER_SIZE_MAX = 16 * 1024 * 1024,
    PROBLEM_SIZE = 300,
};

static const char *environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value == NULL || *value == '\0' ? otherwise : value;
}

static int print_answer(const struct ctl_options *options, long status, const struct buf *answer)
{
    const char *text = answer->data == NULL ? "" : answer->data;
    const bool is_well = status >= 200 && status <= 299;
    json_t *json = json_loadb(text, answer->len, 0, NULL);
    bool is_printed = true;

    if (options->is_json) {
        fputs(text, stdout);
    } else if (is_well) {
        is_printed = ctl_view_print(options->command->view, json, stdout);
    } else {
        ctl_view_print_error(json, status, stderr);
    }
    if (!is_printed) {
        fprintf(stderr, "orderctl: the answer cannot be read\n");
    }
    json_decref(json);
    return is_well && is_printed ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_command(const struct ctl_options *options)
{
    struct ctl_request request;
    struct buf answer;
    char problem[PROBLEM_SIZE] = "out of memory";
    int code = EXIT_FAILURE;
    long status = 0;

    buf_init(&answer, ANSWER_SIZE_MAX);
    if (ctl_request_init(&request, options)) {
        status = ctl_request_send(&request, options, &answer, problem, sizeof(problem));
    }
    if (status != 0) {
        code = print_answer(options, status, &answer);
    } else {
        fprintf(stderr, "orderctl: %s\n", problem);
    }
    ctl_request_deinit(&request);
    buf_deinit(&answer);
    return code;
}

int ctl_run(int argc, char *const *argv)
{
    struct ctl_options options;
    char problem[PROBLEM_SIZE];

    if (!ctl_options_read(&options, argc, argv,
                          environment("ORDERD_ADMIN_URL", "http://127.0.0.1:9090"),
                          environment("USER", "unknown"), problem, sizeof(problem))) {
        fprintf(stderr, "orderctl: %s\n\nTry orderctl --help\n", problem);
        return EXIT_USAGE;
    }
    if (options.command == NULL) {
        ctl_options_print_help(stdout);
        return EXIT_SUCCESS;
    }
    return run_command(&options);
}
