/* The command line of orderctl, as one table of commands. */
#pragma once

#include "base/macros.h"

#include <stdbool.h>
#include <stdio.h>

struct ctl_options;

/* What an answer looks like to people. */
enum ctl_view {
    CTL_VIEW_ORDERS,
    CTL_VIEW_ORDER,
    CTL_VIEW_CHANGE,
    CTL_VIEW_BATCHES,
    CTL_VIEW_RECOVERY,
};

struct ctl_command {
    const char *name;
    const char *method;
    const char *path; /* below the admin port; with an id: before it */
    const char *verb; /* after the id; NULL: the command takes none */
    const char *
        options; /* letters of those it takes besides those all take; upper case: it must have it */
    enum ctl_view view;
    const char *usage, *help;
};

struct ctl_options {
    const struct ctl_command *command; /* NULL: --help */
    const char *admin;
    bool is_json;
    const char *id;
    const char *state, *older_than, *limit, *before; /* NULL: not given */
    const char *reason, *who;
};

/* False: what is wrong was written to `problem`. `admin` and `who` are what counts when the options are not
 * given. */
bool ctl_options_read(struct ctl_options *options, int argc, char *const *argv, const char *admin,
                      const char *who, char *problem, size_t problem_size) NODISCARD;
void ctl_options_print_help(FILE *out);
