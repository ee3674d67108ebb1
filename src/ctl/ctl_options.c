/* Reading the command line. What the commands do is the server's. */
#include "ctl/ctl_options.h"

#include "base/text.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* clang-format off */
static const struct ctl_command commands[] = {
    {"orders",  "GET",  "/debug/orders",          NULL,       "solb", CTL_VIEW_ORDERS,
     "orders [--state S] [--older-than 10m] [--limit N] [--before ID]",
     "orders that are under way or stuck, or all in a state; newest first"},
    {"show",    "GET",  "/debug/orders/",         "",         "",     CTL_VIEW_ORDER,
     "show ID", "an order with its attempts, steps and events"},
    {"retry",   "POST", "/debug/orders/",         ":retry",   "R",    CTL_VIEW_CHANGE,
     "retry ID --reason TEXT", "a STUCK order: try its undo again, with new time"},
    {"resolve", "POST", "/debug/orders/",         ":resolve", "SR",   CTL_VIEW_CHANGE,
     "resolve ID --state FAILED|CANCELLED --reason TEXT",
     "a STUCK order: you gave the money back and no shipment lives; its stock returns"},
    {"pause",   "POST", "/debug/recovery:pause",  NULL,       "R",    CTL_VIEW_RECOVERY,
     "pause --reason TEXT", "take over no orders, in this one process and until it ends"},
    {"resume",  "POST", "/debug/recovery:resume", NULL,       "R",    CTL_VIEW_RECOVERY,
     "resume --reason TEXT", "take over orders again"},
    {"batches", "GET",  "/debug/batches",         NULL,       "",     CTL_VIEW_BATCHES,
     "batches", "sizes of batches, queues, connections, breakers of this one process"},
};

static const struct option_row {
    const char *flag;
    char letter; /* 0: all commands take it */
    size_t offset;
} option_rows[] = {
    {"--state",      's', offsetof(struct ctl_options, state)},
    {"--older-than", 'o', offsetof(struct ctl_options, older_than)},
    {"--limit",      'l', offsetof(struct ctl_options, limit)},
    {"--before",     'b', offsetof(struct ctl_options, before)},
    {"--reason",     'r', offsetof(struct ctl_options, reason)},
    {"--operator",   0,   offsetof(struct ctl_options, who)},
    {"--admin",      0,   offsetof(struct ctl_options, admin)},
};
/* clang-format on */

static const char **text_of(struct ctl_options *options, const struct option_row *row)
{
    return (const char **)(void *)((char *)options + row->offset);
}

static const struct ctl_command *find_command(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

/* How many arguments were used; 0: it is no option that takes a value. */
static int read_option(struct ctl_options *options, char *const *argv, int left)
{
    for (size_t i = 0; i < COUNT_OF(option_rows); i++) {
        const char *flag = option_rows[i].flag;
        const size_t len = strlen(flag);
        if (strncmp(argv[0], flag, len) == 0 && argv[0][len] == '=') {
            *text_of(options, &option_rows[i]) = argv[0] + len + 1;
            return 1;
        }
        if (strcmp(argv[0], flag) == 0 && left > 1) {
            *text_of(options, &option_rows[i]) = argv[1];
            return 2;
        }
    }
    return 0;
}

/* Words without a dash: the command, then its id. */
static bool read_word(struct ctl_options *options, const char *word, char *problem, size_t size)
{
    if (options->command == NULL) {
        options->command = find_command(word);
        if (options->command == NULL) {
            snprintf(problem, size, "'%s' is no command", word);
        }
        return options->command != NULL;
    }
    if (options->command->verb == NULL || options->id != NULL) {
        snprintf(problem, size, "'%s' is too much", word);
        return false;
    }
    options->id = word;
    return true;
}

static bool check_options(struct ctl_options *options, char *problem, size_t size)
{
    const struct ctl_command *command = options->command;

    if (command->verb != NULL && options->id == NULL) {
        snprintf(problem, size, "%s needs the id of an order", command->name);
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(option_rows); i++) {
        const struct option_row *row = &option_rows[i];
        const char *text = *text_of(options, row);
        const bool is_given = text != NULL;
        if (is_given && !text_is_utf8(text, strlen(text))) {
            snprintf(problem, size, "%s is not UTF-8", row->flag);
            return false;
        }
        if (row->letter == 0) {
            continue;
        }
        if (is_given && strchr(command->options, row->letter) == NULL &&
            strchr(command->options, toupper(row->letter)) == NULL) {
            snprintf(problem, size, "%s has no %s", command->name, row->flag);
            return false;
        }
        if (!is_given && strchr(command->options, toupper(row->letter)) != NULL) {
            snprintf(problem, size, "%s needs %s", command->name, row->flag);
            return false;
        }
    }
    return true;
}

bool ctl_options_read(struct ctl_options *options, int argc, char *const *argv, const char *admin,
                      const char *who, char *problem, size_t problem_size)
{
    *options = (struct ctl_options){.admin = admin, .who = who};
    for (int i = 1; i < argc;) {
        const int used = read_option(options, argv + i, argc - i);
        if (strcmp(argv[i], "--help") == 0) {
            options->command = NULL;
            return true;
        }
        if (strcmp(argv[i], "--json") == 0) {
            options->is_json = true;
        } else if (used == 0 && argv[i][0] == '-') {
            snprintf(problem, problem_size, "'%s' is no option, or its value is missing", argv[i]);
            return false;
        } else if (used == 0 && !read_word(options, argv[i], problem, problem_size)) {
            return false;
        }
        i += MAX_OF(used, 1);
    }
    if (options->command == NULL) {
        snprintf(problem, problem_size, "a command is missing");
        return false;
    }
    return check_options(options, problem, problem_size);
}

void ctl_options_print_help(FILE *out)
{
    fprintf(out, "Looks after orders over the admin port of orderd.\n\n"
                 "usage: orderctl [--admin URL] [--json] COMMAND\n\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        fprintf(out, "  %s\n        %s\n", commands[i].usage, commands[i].help);
    }
    fprintf(out, "\n  --admin URL       of the admin port; otherwise ORDERD_ADMIN_URL, or"
                 " http://127.0.0.1:9090\n"
                 "  --json            the answer as it came\n"
                 "  --operator NAME   who is changing something; otherwise USER\n\n"
                 "exit code: 0 done, 1 refused or not reached, 2 the command line is wrong\n");
}
