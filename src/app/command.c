/* --help, --version, --check-config, --migrate, --print-reasons. */
#include "app/command.h"

#include "app/version.h"
#include "base/reason.h"
#include "store/migrate.h"
#include "store/pg_conninfo.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    EXIT_USAGE = 2
};

static void print_reasons(void)
{
    static const char *const repeat[] = {
        [RETRY_SILENT] = "-", [RETRY_AFTER] = "later", [RETRY_NEVER] = "no, it goes on alone"};
    printf("| reason | code | repeat | text |\n|---|---|---|---|\n");
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++) {
        enum reason reason = (enum reason)i;
        printf("| %s | %s | %s | %s |\n", reason_name(reason), status_name(reason_status(reason)),
               repeat[reason_retry(reason)], reason_text(reason));
    }
}

static int migrate(const struct config *config)
{
    struct error err = {0};
    unsigned applied = 0;
    if (migrate_run(config->database_url, &applied, &err)) {
        fprintf(stderr, "orderd: %s\n", err.message);
        return EXIT_FAILURE;
    }
    printf("applied %u migrations\n", applied);
    return EXIT_SUCCESS;
}

/* Settings by themselves have been checked; only libpq can tell whether it reads its string. */
static int check_config(const struct config *config)
{
    struct error err = {0};
    struct pg_conninfo info = {0};
    enum status status = pg_conninfo_init(&info, config->database_url, "orderd", "", &err);
    pg_conninfo_deinit(&info);
    if (status) {
        fprintf(stderr, "orderd: DATABASE_URL: %s\n", err.message);
        return EXIT_USAGE;
    }
    printf("the configuration is valid\n");
    return EXIT_SUCCESS;
}

int command_run(const struct config *config)
{
    switch (config->action) {
    case CONFIG_HELP:
        config_print_help(stdout);
        return EXIT_SUCCESS;
    case CONFIG_VERSION:
        version_print(stdout);
        return EXIT_SUCCESS;
    case CONFIG_CHECK:
        return check_config(config);
    case CONFIG_MIGRATE:
        return migrate(config);
    case CONFIG_PRINT_REASONS:
        print_reasons();
        return EXIT_SUCCESS;
    case CONFIG_SERVE:
        break;
    }
    return EXIT_FAILURE;
}
