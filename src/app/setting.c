/* The table of settings, and what their values may be. Not where they come from (config), nor what they do. */
#include "app/setting.h"

#include "app/config.h"
#include "base/limits.h"
#include "base/number.h"

#include <stdio.h>
#include <string.h>

enum {
    SECOND = 1000,
    MINUTE = 60 * SECOND,
    HOUR = 60 * MINUTE,
    DAY = 24 * HOUR
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

const struct setting *settings_all(size_t *out_count)
{
    *out_count = COUNT_OF(settings);
    return settings;
}

const struct setting *setting_find(const char *name, size_t len)
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

/* ------------------------------------------------------------------------------------- values */

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

bool setting_is_number(const struct setting *setting)
{
    return setting->type == SETTING_COUNT || setting->type == SETTING_DURATION ||
           setting->type == SETTING_CHOICE;
}

static bool value_is_valid(const struct setting *setting, const char *value, int64_t *out_number)
{
    switch (setting->type) {
    case SETTING_TEXT:
    case SETTING_FILE:
        return true;
    case SETTING_ADDRESS:
        return address_is_valid(value);
    case SETTING_URL:
        return url_is_valid(value);
    case SETTING_ORIGINS:
        return origins_are_valid(value);
    case SETTING_COUNT:
        return number_parse(value, setting->min, setting->max, out_number);
    case SETTING_DURATION:
        return number_parse_duration(value, out_number) && *out_number >= setting->min &&
               *out_number <= setting->max;
    case SETTING_CHOICE:
    default:
        *out_number = choice_index(setting->choices, value);
        return *out_number >= 0;
    }
}

enum status setting_read(const struct setting *setting, const char *value, const char *where,
                         int64_t *out_number, struct error *err)
{
    char expected[120];

    *out_number = 0;
    if (value_is_valid(setting, value, out_number))
        return STATUS_OK;
    describe_expected(setting, expected, sizeof(expected));
    return error_setf(err, REASON_REQUEST_INVALID, "%s (%s): '%.40s' is not %s", setting->name,
                      where, value, expected);
}
