/* Arguments in, app_run() out. */
#include "app/app.h"
#include "app/command.h"
#include "app/config.h"

#include <stdio.h>

extern char **environ;

enum {
    EXIT_USAGE = 2
};

int main(int argc, char **argv)
{
    struct config config;
    struct error err = {0};
    int code = EXIT_USAGE;
    if (config_load(&config, argc, argv, environ, &err)) {
        fprintf(stderr, "orderd: %s\n", err.message);
    } else {
        code = config.action == CONFIG_SERVE ? app_run(&config) : command_run(&config);
    }
    config_deinit(&config);
    return code;
}
