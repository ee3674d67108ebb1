/* Where the settings come from, and what they must be together. What there is, is in setting. */
#include "app/config.h"

#include "app/setting.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECRET_SIZE_MAX = 4096,
    FILE_LINE_MAX = 4096,
    OWNED_MAX = 256,
    CONNECTIONS_PER_WORKER_MIN = 3, /* one for each lane of the store */
};

struct action_flag {
    const char *flag;
    enum config_action action;
    const char *help;
};
static const struct action_flag action_flags[] = {
    {"--help", CONFIG_HELP, "print this"},
    {"--version", CONFIG_VERSION, "print the versions of the program and its libraries"},
    {"--check-config", CONFIG_CHECK, "say whether it would start with these settings"},
    {"--migrate", CONFIG_MIGRATE, "bring the database's schema up to date and exit"},
    {"--print-reasons", CONFIG_PRINT_REASONS, "print the table of error reasons"},
};

unsigned config_processor_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return 1;
    }
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : (unsigned)count;
}

/* --------------------------------------------------------------------- memory of the settings */

static char *config_own(struct config *config, char *text)
{
    size_t count = 0;
    while (text != NULL && config->owned[count] != NULL) {
        count++;
    }
    if (text == NULL || count >= OWNED_MAX) {
        free(text);
        return NULL;
    }
    config->owned[count] = text;
    return text;
}

static const char *config_copy(struct config *config, const char *text)
{
    return config_own(config, strdup(text));
}

void config_deinit(struct config *config)
{
    for (size_t i = 0; config->owned != NULL && config->owned[i] != NULL; i++) {
        free(config->owned[i]);
    }
    free(config->owned);
    *config = (struct config){0};
}

/* ------------------------------------------------------------------------------- the sources */

static enum status config_store(struct config *config, const struct setting *setting,
                                const char *value, const char *where, struct error *err)
{
    void *target = (char *)config + setting->offset;
    const char *copy;
    int64_t number;

    if (setting_read(setting, value, where, &number, err)) {
        return err->status;
    }
    if (setting_is_number(setting)) {
        *(int64_t *)target = number;
        return STATUS_OK;
    }
    copy = config_copy(config, value);
    if (copy == NULL) {
        return error_set(err, REASON_OUT_OF_MEMORY);
    }
    *(const char **)target = copy;
    return STATUS_OK;
}

static enum status load_defaults(struct config *config, struct error *err)
{
    size_t count;
    const struct setting *settings = settings_all(&count);

    for (size_t i = 0; i < count; i++) {
        if (config_store(config, &settings[i], settings[i].fallback, "default", err)) {
            return err->status;
        }
    }
    return STATUS_OK;
}

static char *trim(char *text)
{
    while (*text == ' ' || *text == '\t') {
        text++;
    }
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL) {
        text[--len] = '\0';
    }
    return text;
}

static enum status load_file_line(struct config *config, const char *file, unsigned number,
                                  char *line, struct error *err)
{
    char where[120];
    snprintf(where, sizeof(where), "%.80s line %u", file, number);
    char *text = trim(line);
    if (*text == '\0' || *text == '#') {
        return STATUS_OK;
    }
    char *equals = strchr(text, '=');
    if (equals == NULL) {
        return error_setf(err, REASON_REQUEST_INVALID, "%s: expected 'name = value'", where);
    }
    *equals = '\0';
    const char *name = trim(text);
    const struct setting *setting = setting_find(name, strlen(name));
    if (setting == NULL) {
        return error_setf(err, REASON_REQUEST_INVALID, "%s: unknown setting '%.40s'", where, name);
    }
    return config_store(config, setting, trim(equals + 1), where, err);
}

static enum status load_file(struct config *config, const char *file, struct error *err)
{
    FILE *in = fopen(file, "re");
    if (in == NULL) {
        return error_setf(err, REASON_REQUEST_INVALID, "configuration file %.80s: %s", file,
                          strerror(errno));
    }
    char line[FILE_LINE_MAX];
    enum status status = STATUS_OK;
    for (unsigned number = 1; status == STATUS_OK && fgets(line, sizeof(line), in); number++) {
        if (strlen(line) == sizeof(line) - 1 && strchr(line, '\n') == NULL) {
            status =
                error_setf(err, REASON_REQUEST_INVALID, "%.80s line %u: too long", file, number);
        } else {
            status = load_file_line(config, file, number, line, err);
        }
    }
    /* A folder can be opened, but not read. */
    if (status == STATUS_OK && ferror(in)) {
        status = error_setf(err, REASON_REQUEST_INVALID, "configuration file %.80s: %s", file,
                            strerror(errno));
    }
    fclose(in);
    return status;
}

static enum status load_environment(struct config *config, char *const *environment,
                                    struct error *err)
{
    for (size_t i = 0; environment != NULL && environment[i] != NULL; i++) {
        const char *equals = strchr(environment[i], '=');
        if (equals == NULL) {
            continue;
        }
        size_t len = (size_t)(equals - environment[i]);
        const struct setting *setting = setting_find(environment[i], len);
        /* Environment variables are in capitals; `workers=…` of somebody else is not ours. */
        if (setting == NULL || strncmp(setting->name, environment[i], len) != 0) {
            continue;
        }
        if (config_store(config, setting, equals + 1, "environment", err)) {
            return err->status;
        }
    }
    return STATUS_OK;
}

/* Splits "--name=value" or "--name value"; *index moves to the last argument used. */
static enum status take_argument(int argc, char *const *argv, int *index, const char **out_name,
                                 size_t *out_len, const char **out_value, struct error *err)
{
    const char *arg = argv[*index];
    if (strncmp(arg, "--", 2) != 0 || arg[2] == '\0') {
        return error_setf(err, REASON_REQUEST_INVALID, "unexpected argument '%.60s'", arg);
    }
    *out_name = arg + 2;
    const char *equals = strchr(arg, '=');
    *out_len = equals != NULL ? (size_t)(equals - arg - 2) : strlen(arg + 2);
    if (equals != NULL) {
        *out_value = equals + 1;
        return STATUS_OK;
    }
    if (*index + 1 >= argc) {
        return error_setf(err, REASON_REQUEST_INVALID, "'%.60s' needs a value or is unknown", arg);
    }
    *out_value = argv[++*index];
    return STATUS_OK;
}

static const struct action_flag *action_find(const char *arg)
{
    for (size_t i = 0; i < COUNT_OF(action_flags); i++) {
        if (strcmp(action_flags[i].flag, arg) == 0) {
            return &action_flags[i];
        }
    }
    return NULL;
}

/* Twice: the first pass (config_file_only) finds --config, since flags win over the file. */
static enum status load_arguments(struct config *config, int argc, char *const *argv,
                                  bool config_file_only, struct error *err)
{
    for (int i = 1; i < argc; i++) {
        const struct action_flag *action = action_find(argv[i]);
        if (action != NULL) {
            config->action = action->action;
            continue;
        }
        const char *name = NULL, *value = NULL;
        size_t len = 0;
        if (take_argument(argc, argv, &i, &name, &len, &value, err)) {
            return err->status;
        }
        if (len == strlen("config") && strncmp(name, "config", len) == 0) {
            config->config_file = value;
            continue;
        }
        const struct setting *setting = setting_find(name, len);
        if (setting == NULL) {
            return error_setf(err, REASON_REQUEST_INVALID, "unknown setting '--%.*s', see --help",
                              (int)MIN_OF(len, 60), name);
        }
        if (!config_file_only && config_store(config, setting, value, "command line", err)) {
            return err->status;
        }
    }
    return STATUS_OK;
}

/* ------------------------------------------------------------------------- checks of the whole */

static enum status read_secret(struct config *config, struct error *err)
{
    config->payment_api_key = "";
    const char *file = config->payment_api_key_file;
    if (file[0] == '\0') {
        return STATUS_OK;
    }
    FILE *in = fopen(file, "re");
    if (in == NULL) {
        return error_setf(err, REASON_REQUEST_INVALID, "PAYMENT_API_KEY_FILE %.80s: %s", file,
                          strerror(errno));
    }
    char secret[SECRET_SIZE_MAX];
    size_t len = fread(secret, 1, sizeof(secret) - 1, in);
    bool is_cut = len == sizeof(secret) - 1 && fgetc(in) != EOF;
    fclose(in);
    secret[len] = '\0';
    const char *key = trim(secret);
    if (is_cut || *key == '\0' || strpbrk(key, "\r\n") != NULL) {
        return error_setf(err, REASON_REQUEST_INVALID,
                          "PAYMENT_API_KEY_FILE %.80s: must hold one line with the key", file);
    }
    config->payment_api_key = config_copy(config, key);
    explicit_bzero(secret, sizeof(secret));
    return config->payment_api_key != NULL ? STATUS_OK : error_set(err, REASON_OUT_OF_MEMORY);
}

static enum status check_required(const struct config *config, struct error *err)
{
    const struct {
        const char *name, *value;
    } required[] = {
        {"DATABASE_URL", config->database_url},
        {"PAYMENT_URL", config->payment_url},
        {"FULFILLMENT_URL", config->fulfillment_url},
    };
    size_t count = config->action == CONFIG_MIGRATE ? 1 : COUNT_OF(required);
    for (size_t i = 0; i < count; i++) {
        if (required[i].value[0] == '\0') {
            return error_setf(err, REASON_REQUEST_INVALID, "%s is required, see --help",
                              required[i].name);
        }
    }
    return STATUS_OK;
}

static enum status check_unavailable(const struct config *config, struct error *err)
{
    const struct {
        const char *name, *value;
    } unavailable[] = {
        {"TLS_CERT_FILE", config->tls_cert_file},
        {"TLS_KEY_FILE", config->tls_key_file},
        {"TLS_CLIENT_CA_FILE", config->tls_client_ca_file},
        {"INVENTORY_URL", config->inventory_url},
    };
    for (size_t i = 0; i < COUNT_OF(unavailable); i++) {
        if (unavailable[i].value[0] != '\0') {
            return error_setf(err, REASON_REQUEST_INVALID,
                              "%s must be empty: this version cannot do it", unavailable[i].name);
        }
    }
    return STATUS_OK;
}

static enum status config_check(struct config *config, struct error *err)
{
    /* The default of one setting must not be at odds with that of another. */
    if (config->workers == 0) {
        config->workers = MIN_OF((int64_t)config_processor_count() / 2,
                                 config->db_connections / CONNECTIONS_PER_WORKER_MIN);
        config->workers = MAX_OF(1, config->workers);
    }
    if (config->db_connections < CONNECTIONS_PER_WORKER_MIN * config->workers) {
        return error_setf(err, REASON_REQUEST_INVALID,
                          "DB_CONNECTIONS must be at least %d for each of the %lld workers",
                          CONNECTIONS_PER_WORKER_MIN, (long long)config->workers);
    }
    if (config->try_timeout_ms >= config->forward_ms) {
        return error_setf(err, REASON_REQUEST_INVALID,
                          "TRY_TIMEOUT must be shorter than FORWARD_TIME");
    }
    if (check_required(config, err) || check_unavailable(config, err)) {
        return err->status;
    }
    return read_secret(config, err);
}

enum status config_load(struct config *config, int argc, char *const *argv,
                        char *const *environment, struct error *err)
{
    *config = (struct config){0};
    config->owned = calloc(OWNED_MAX + 1, sizeof(*config->owned));
    if (config->owned == NULL) {
        return error_set(err, REASON_OUT_OF_MEMORY);
    }
    if (load_defaults(config, err) || load_arguments(config, argc, argv, true, err)) {
        return err->status;
    }
    if (config->action != CONFIG_SERVE && config->action != CONFIG_CHECK &&
        config->action != CONFIG_MIGRATE) {
        return STATUS_OK;
    }
    if (config->config_file != NULL && load_file(config, config->config_file, err)) {
        return err->status;
    }
    if (load_environment(config, environment, err) ||
        load_arguments(config, argc, argv, false, err)) {
        return err->status;
    }
    return config_check(config, err);
}

void config_print_help(FILE *out)
{
    size_t count;
    const struct setting *settings = settings_all(&count);

    fprintf(out, "orderd - takes orders: reserves stock, charges a payment, creates a shipment\n\n"
                 "usage: orderd [--config FILE] [--setting VALUE]...\n\n");
    for (size_t i = 0; i < COUNT_OF(action_flags); i++) {
        fprintf(out, "  %-16s %s\n", action_flags[i].flag, action_flags[i].help);
    }
    fprintf(out,
            "\nSettings: environment variable NAME, or --name VALUE, or 'name = value' in the\n"
            "file of --config. Later ones win: default, file, environment, command line.\n\n");
    for (size_t i = 0; i < count; i++) {
        const struct setting *setting = &settings[i];
        fprintf(out, "  %-21s %-15s %s", setting->name,
                setting->fallback[0] == '\0' ? "-" : setting->fallback, setting->help);
        if (setting->type == SETTING_CHOICE) {
            for (size_t c = 0; setting->choices[c] != NULL; c++) {
                fprintf(out, "%s%s", c == 0 ? " (" : ", ", setting->choices[c]);
            }
            fprintf(out, ")");
        }
        fprintf(out, "\n");
    }
}
