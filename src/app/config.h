/* All settings of orderd, from one table: parsed, checked, printed by --help.
 *
 * Sources, later ones win: default, configuration file (--config FILE, `name = value` lines),
 * environment (GRPC_ADDR), command line (--grpc-addr VALUE). Unknown names in the file or on the
 * command line are errors; secrets are read from files only. Read-only after config_load. */
#pragma once

#include "base/error.h"
#include "base/macros.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What the command line asks for. */
enum config_action {
    CONFIG_SERVE,
    CONFIG_HELP,
    CONFIG_VERSION,
    CONFIG_CHECK,
    CONFIG_MIGRATE,
    CONFIG_PRINT_REASONS,
};

enum {
    MIGRATE_AUTO,
    MIGRATE_OFF
};

struct config {
    enum config_action action;
    const char *config_file;
    const char *grpc_addr;
    const char *http_addr;
    const char *cors_origins;
    const char *admin_addr;
    const char *database_url;
    const char *payment_url;
    const char *payment_api_key_file;
    const char *fulfillment_url;
    const char *inventory_url;
    int64_t workers; /* 0 until config_load made it the default */
    int64_t db_connections;
    int64_t migrate; /* MIGRATE_… */
    int64_t batch_max;
    const char *tls_cert_file, *tls_key_file, *tls_client_ca_file;
    int64_t auth, xds;
    int64_t drain_delay_ms, drain_timeout_ms;
    int64_t lease_ms, try_timeout_ms, forward_ms, fulfill_ms, undo_ms;
    int64_t reconcile_every_ms, reconcile_back_ms;
    int64_t connections_max, calls_max, orders_max, watchers_max;
    int64_t log_level, log_format; /* enum log_level, enum log_format */
    const char *payment_api_key;   /* content of the file, without the end of line; "" if none */
    char **owned;                  /* what config_deinit frees; NULL-terminated */
};

/* `environment` as environ. On failure err tells the setting, where it stood and what is expected;
 * status INVALID_ARGUMENT. */
enum status config_load(struct config *config, int argc, char *const *argv,
                        char *const *environment, struct error *err) NODISCARD;
void config_deinit(struct config *config);

/* The text of --help: every setting with its default and meaning. */
void config_print_help(FILE *out);

/* How many processors this process may use, at least 1. */
unsigned config_processor_count(void);
