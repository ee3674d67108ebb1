/* What the program does besides serving: one thing, and then it ends. */
#pragma once

#include "app/config.h"

/* Does what config->action asks for, CONFIG_SERVE not included; returns the exit code. */
int command_run(const struct config *config);
