/* Answers of the admin port as text for people. */
#pragma once

#include "ctl/ctl_options.h"

#include <jansson.h>

/* False: it is not what was expected, or memory is short. */
bool ctl_view_print(enum ctl_view view, const json_t *answer, FILE *out);
/* An answer that is an error: its reason, its text, and a line a violation. */
void ctl_view_print_error(const json_t *answer, long status, FILE *out);
