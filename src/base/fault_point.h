/* Places where a test build can be made to die or to stop: before and after every commit, and before,
 * in the middle of and after every call to somebody else. A release has none of them.
 *
 * A build with -DFAULT_POINTS=ON reads from the environment, once:
 *   FAULT_POINT=<name>[:<n>]   the n-th time (1 for the first) that point is passed ...
 *   FAULT_ACTION=kill|stop     ... the process kills itself (SIGKILL, the default) or stops (SIGSTOP);
 *                              it goes on when it is continued
 *   FAULT_TRACE=<file>         every point that is passed is appended to this file, a name a line
 * Settings it cannot understand end it at once: a test must not pass because its fault never came.
 *
 * Any thread. */
#pragma once

#ifdef FAULT_POINTS
#include <stdbool.h>

/* The name is formatted like printf: "advance.CHARGING-FULFILLING.before". */
void fault_point(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Whether fault_point() of this name would act now: for places that do something else first. */
bool fault_point_is_next(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define FAULT_POINT(...) fault_point(__VA_ARGS__)
#else
#define FAULT_POINT(...) ((void)0)
#endif
