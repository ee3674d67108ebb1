/* orderctl: for the person on call. One command, one request to the admin port, one answer. */
#pragma once

/* Its exit code: 0 done, 1 refused or not reached, 2 the command line is wrong. */
int ctl_run(int argc, char *const *argv);
