/* The settings: one table, and the three places they are read from.
 * Not here: what a setting does. */
#include "app/config.h"

#include "base/limits.h"
#include "base/number.h"
#include "observe/log.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum setting_type {
    SETTING_TEXT,
    SETTING_ADDRESS,  /* host:port */
    SETTING_URL,      /* http:// or https:// */
    SETTING_ORIGINS,  /* a list of http(s)://host[:port], or * */
    SETTING_FILE,     /* a path; read when it is used */
    SETTING_COUNT,    /* an integer within min and max */
    SETTING_DURATION, /* with a unit, within min and max milliseconds */
    SETTING_CHOICE,   /* one of `choices`; the value is its index */
};

struct setting {
    const char *name; /* of the environment variable; --name in lower case with '-' */
    enum setting_type type;
    size_t offset;
    const char *fallback;
    int64_t min, max;
    const char *const *choices;
    const char *help;
};

enum {
    SECOND = 1000,
    MINUTE = 60 * SECOND,
    HOUR = 60 * MINUTE,
    DAY = 24 * HOUR
};
enum {
    SECRET_SIZE_MAX = 4096,
    FILE_LINE_MAX = 4096,
    OWNED_MAX = 256,
    CONNECTIONS_PER_WORKER_MIN = 3, /* one for each lane of the store */
};

static const char *const migrate_choices[] = {"auto", "off", NULL};
static const char *const auth_choices[] = {"none", NULL};
static const char *const xds_choices[] = {"off", NULL};
static const char *const level_choices[] = {"debug", "info", "warn", "error", NULL};
static const char *const format_choices[] = {"json", "text", NULL};

#define TEXT(name, type, field, fallback, help)                                          \
    {                                                                                    \
        name, SETTING_##type, offsetof(struct config, field), fallback, 0, 0, NULL, help \
    }
#define NUMBER(name, type, field, fallback, min, max, help)                                  \
    {                                                                                        \
        name, SETTING_##type, offsetof(struct config, field), fallback, min, max, NULL, help \
    }
#define CHOICE(name, field, fallback, choices, help)                                        \
    {                                                                                       \
        name, SETTING_CHOICE, offsetof(struct config, field), fallback, 0, 0, choices, help \
    }

/* clang-format off */
static const struct setting settings[] = {
    TEXT("GRPC_ADDR",            ADDRESS, grpc_addr,  "0.0.0.0:50051",  "gRPC"),
    TEXT("HTTP_ADDR",            ADDRESS, http_addr,  "0.0.0.0:8080",   "HTTP/JSON gateway and the page"),
    TEXT("CORS_ORIGINS",         ORIGINS, cors_origins, "",             "origins whose pages may use the gateway (https://shop.example ...), or *; empty: none"),
    TEXT("ADMIN_ADDR",           ADDRESS, admin_addr, "127.0.0.1:9090", "/metrics, /livez, /readyz; /debug for the person on call (orderctl)"),
    TEXT("DATABASE_URL",         TEXT,    database_url, "",             "PostgreSQL (required): libpq connection string, several hosts allowed"),
    TEXT("PAYMENT_URL",          URL,     payment_url, "",              "Stripe-shaped payment API (required)"),
    TEXT("PAYMENT_API_KEY_FILE", FILE,    payment_api_key_file, "",     "file with the payment API's secret key"),
    TEXT("FULFILLMENT_URL",      URL,     fulfillment_url, "",          "shipping service, HTTP/JSON (required)"),
    TEXT("INVENTORY_URL",        TEXT,    inventory_url, "",            "empty: stock is kept in this database (nothing else in this version)"),
    NUMBER("WORKERS",            COUNT,   workers,           "0",   0, 64,      "pairs of threads; 0: half the processors, at most a third of DB_CONNECTIONS"),
    NUMBER("DB_CONNECTIONS",     COUNT,   db_connections,    "8",   3, 1000,    "connections to PostgreSQL, of the whole process"),
    CHOICE("MIGRATE",            migrate, "auto", migrate_choices,      "bring the schema up to date at start"),
    NUMBER("BATCH_MAX",          COUNT,   batch_max,         "128", 1, 1024,    "requests in one round trip to PostgreSQL; 1: no batching"),
    TEXT("TLS_CERT_FILE",        FILE,    tls_cert_file, "",            "must be empty in this version"),
    TEXT("TLS_KEY_FILE",         FILE,    tls_key_file, "",             "must be empty in this version"),
    TEXT("TLS_CLIENT_CA_FILE",   FILE,    tls_client_ca_file, "",       "must be empty in this version"),
    CHOICE("AUTH",               auth, "none", auth_choices,            "who the caller is"),
    CHOICE("XDS",                xds, "off", xds_choices,               "listener from the control plane"),
    NUMBER("DRAIN_DELAY",        DURATION, drain_delay_ms,   "5s",  0, HOUR,    "after SIGTERM: keep serving, so that others stop sending"),
    NUMBER("DRAIN_TIMEOUT",      DURATION, drain_timeout_ms, "25s", 0, HOUR,    "then: time for the calls in flight"),
    NUMBER("LEASE",              DURATION, lease_ms,         "10s", 500, HOUR,  "how long an order belongs to the process that drives it"),
    NUMBER("TRY_TIMEOUT",        DURATION, try_timeout_ms,   "5s",  10, MINUTE, "one call to a payment or shipping provider"),
    NUMBER("FORWARD_TIME",       DURATION, forward_ms,       "60s", 100, HOUR,  "from claiming an order until no payment is confirmed any more"),
    NUMBER("FULFILL_TIME",       DURATION, fulfill_ms,       "15m", 100, DAY,   "how long the shipment of a paid order is tried"),
    NUMBER("UNDO_TIME",          DURATION, undo_ms,          "24h", 100, 30LL * DAY, "how long undoing is tried before an order is STUCK"),
    NUMBER("RECONCILE_EVERY",    DURATION, reconcile_every_ms, "10m", 0, DAY,   "how often orders are compared with the provider's payments; 0: never"),
    NUMBER("RECONCILE_BACK",     DURATION, reconcile_back_ms, "25h", MINUTE, 30LL * DAY, "and payments of how long ago (100,000 at most)"),
    NUMBER("MAX_CONNECTIONS",    COUNT,   connections_max,   "10000", 1, 1000000, "connections to each of the two ports (HTTP: as many as open files allow)"),
    NUMBER("MAX_CALLS",          COUNT,   calls_max,         "2000",  1, 100000,  "calls in flight, not counting those that wait for an order"),
    NUMBER("MAX_ORDERS",         COUNT,   orders_max,        "10000", 1, LIMIT_ORDERS, "orders under way"),
    NUMBER("MAX_WATCHERS",       COUNT,   watchers_max,      "1000",  1, 100000,  "streams that watch"),
    CHOICE("LOG_LEVEL",          log_level, "info", level_choices,      "least severe lines written"),
    CHOICE("LOG_FORMAT",         log_format, "json", format_choices,    "json for machines, text for people"),
};
/* clang-format on */

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

/* ---------------------------------------------------------------------------- one setting */

static bool address_is_valid(const char *value)
{
    const char *colon = strrchr(value, ':');
    int64_t port;
    return colon != NULL && colon != value && number_parse(colon + 1, 0, 65535, &port);
}

static bool url_is_valid(const char *value)
{
    return value[0] == '\0' || strncmp(value, "http://", 7) == 0 ||
           strncmp(value, "https://", 8) == 0;
}

/* "https://shop.example": nothing behind the port, since it is compared as a text. */
static bool origin_is_valid(const char *origin, size_t len)
{
    const char *host = memmem(origin, len, "://", 3);
    if (len == 1 && origin[0] == '*') {
        return true;
    }
    if (host == NULL || (strncmp(origin, "http:", 5) != 0 && strncmp(origin, "https:", 6) != 0)) {
        return false;
    }
    host += 3;
    return host < origin + len && memchr(host, '/', (size_t)(origin + len - host)) == NULL;
}

static bool origins_are_valid(const char *value)
{
    static const char separators[] = ", ";
    for (value += strspn(value, separators); *value != '\0'; value += strspn(value, separators)) {
        size_t len = strcspn(value, separators);
        if (!origin_is_valid(value, len)) {
            return false;
        }
        value += len;
    }
    return true;
}

static int64_t choice_index(const char *const *choices, const char *value)
{
    for (int64_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], value) == 0) {
            return i;
        }
    }
    return -1;
}

/* "one of auto, off" and alike: what a value should have been. */
static void describe_expected(const struct setting *setting, char *out, size_t size)
{
    switch (setting->type) {
    case SETTING_TEXT:
    case SETTING_FILE:
        snprintf(out, size, "text");
        return;
    case SETTING_ADDRESS:
        snprintf(out, size, "HOST:PORT with a port from 0 to 65535");
        return;
    case SETTING_URL:
        snprintf(out, size, "an address that begins with http:// or https://");
        return;
    case SETTING_ORIGINS:
        snprintf(out, size, "a list of origins (https://shop.example), or *");
        return;
    case SETTING_COUNT:
        snprintf(out, size, "a number from %lld to %lld", (long long)setting->min,
                 (long long)setting->max);
        return;
    case SETTING_DURATION:
        snprintf(out, size, "a duration with a unit (250ms, 5s, 15m, 24h) from %lldms to %llds",
                 (long long)setting->min, (long long)(setting->max / SECOND));
        return;
    case SETTING_CHOICE: {
        int used = snprintf(out, size, "one of");
        for (size_t i = 0; setting->choices[i] != NULL && used > 0 && (size_t)used < size; i++) {
            used += snprintf(out + used, size - (size_t)used, "%s %s", i == 0 ? "" : ",",
                             setting->choices[i]);
        }
        return;
    }
    }
}

static bool setting_store_number(const struct setting *setting, const char *value, int64_t *target)
{
    int64_t number = 0;
    bool ok = true;
    if (setting->type == SETTING_CHOICE) {
        number = choice_index(setting->choices, value);
        ok = number >= 0;
    } else if (setting->type == SETTING_COUNT) {
        ok = number_parse(value, setting->min, setting->max, &number);
    } else {
        ok = number_parse_duration(value, &number) && number >= setting->min &&
             number <= setting->max;
    }
    if (ok) {
        *target = number;
    }
    return ok;
}

/* `where` says where the value stood: "environment", "orderd.conf line 3", "command line". */
static enum status setting_store(struct config *config, const struct setting *setting,
                                 const char *value, const char *where, struct error *err)
{
    void *target = (char *)config + setting->offset;
    bool ok;
    if (setting->type == SETTING_COUNT || setting->type == SETTING_DURATION ||
        setting->type == SETTING_CHOICE) {
        ok = setting_store_number(setting, value, target);
    } else {
        ok = setting->type == SETTING_ADDRESS   ? address_is_valid(value)
             : setting->type == SETTING_URL     ? url_is_valid(value)
             : setting->type == SETTING_ORIGINS ? origins_are_valid(value)
                                                : true;
        const char *copy = ok ? config_copy(config, value) : NULL;
        if (ok && copy == NULL) {
            return error_set(err, REASON_OUT_OF_MEMORY);
        }
        *(const char **)target = copy;
    }
    if (ok) {
        return STATUS_OK;
    }
    char expected[120];
    describe_expected(setting, expected, sizeof(expected));
    return error_setf(err, REASON_REQUEST_INVALID, "%s (%s): '%.40s' is not %s", setting->name,
                      where, value, expected);
}

/* GRPC_ADDR from "GRPC_ADDR", "grpc_addr", "grpc-addr". */
static const struct setting *setting_find(const char *name, size_t len)
{
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        const char *own = settings[i].name;
        size_t at = 0;
        while (at < len && own[at] != '\0') {
            char c = name[at];
            c = c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
            if (c != own[at]) {
                break;
            }
            at++;
        }
        if (at == len && own[at] == '\0') {
            return &settings[i];
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------------------- the sources */

static enum status load_defaults(struct config *config, struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        if (setting_store(config, &settings[i], settings[i].fallback, "default", err)) {
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
    return setting_store(config, setting, trim(equals + 1), where, err);
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
        if (setting_store(config, setting, equals + 1, "environment", err)) {
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
        if (!config_file_only && setting_store(config, setting, value, "command line", err)) {
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
    fprintf(out, "orderd - takes orders: reserves stock, charges a payment, creates a shipment\n\n"
                 "usage: orderd [--config FILE] [--setting VALUE]...\n\n");
    for (size_t i = 0; i < COUNT_OF(action_flags); i++) {
        fprintf(out, "  %-16s %s\n", action_flags[i].flag, action_flags[i].help);
    }
    fprintf(out,
            "\nSettings: environment variable NAME, or --name VALUE, or 'name = value' in the\n"
            "file of --config. Later ones win: default, file, environment, command line.\n\n");
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
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
