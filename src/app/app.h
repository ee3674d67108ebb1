/* The whole program: builds everything from the settings, serves until a signal, tears down in
 * reverse. The only place that knows which adapter is plugged in where. */
#pragma once

#include "app/config.h"

/* Serves until SIGTERM or SIGINT; returns the exit code. Errors are logged. */
int app_run(const struct config *config);
