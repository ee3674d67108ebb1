/* Reads a connection string and adds what a service wants of every connection. Does not connect and
 * resolves no names. */
#include "store/pg_conninfo.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pg_setting {
    const char *keyword, *value;
};

/* clang-format off */
/* Used unless the operator says otherwise. */
static const struct pg_setting defaults[] = {
    /* A write to a standby would fail; with several hosts the primary is the one we want. */
    { "target_session_attrs", "read-write" },
    /* A peer that vanished without a word is noticed within about ten seconds. */
    { "tcp_user_timeout",     "10000" },
    { "keepalives",           "1" },
    { "keepalives_idle",      "10" },
    { "keepalives_interval",  "3" },
    { "keepalives_count",     "3" },
    /* Kerberos encryption would cost a round trip and may ask a name server on the loop. */
    { "gssencmode",           "disable" },
};
/* Taken from the environment by libpq when the string is silent. */
static const struct pg_setting environment[] = {
    { "host",     "PGHOST" },
    { "hostaddr", "PGHOSTADDR" },
    { "port",     "PGPORT" },
    { "options",  "PGOPTIONS" },
};
/* clang-format on */

bool pg_conninfo_set(struct pg_conninfo *info, const char *keyword, const char *value)
{
    uint32_t at = 0;
    while (at < info->count && strcmp(info->keywords[at], keyword) != 0)
        at++;
    assert(at < PG_CONNINFO_MAX - 1);

    char *copy = strdup(value);
    if (copy == NULL)
        return false;
    if (at == info->count) {
        info->keywords[at] = strdup(keyword);
        if (info->keywords[at] == NULL) {
            free(copy);
            return false;
        }
        info->count++;
    }
    free(info->values[at]);
    info->values[at] = copy;
    return true;
}

const char *pg_conninfo_get(const struct pg_conninfo *info, const char *keyword)
{
    for (uint32_t i = 0; i < info->count; i++)
        if (strcmp(info->keywords[i], keyword) == 0)
            return info->values[i];
    return NULL;
}

static bool take_defaults(struct pg_conninfo *info)
{
    for (size_t i = 0; i < COUNT_OF(defaults); i++)
        if (!pg_conninfo_set(info, defaults[i].keyword, defaults[i].value))
            return false;
    for (size_t i = 0; i < COUNT_OF(environment); i++) {
        const char *value = getenv(environment[i].value);
        if (value != NULL && *value != '\0' &&
            !pg_conninfo_set(info, environment[i].keyword, value))
            return false;
    }
    return true;
}

static bool take_operators(struct pg_conninfo *info, const PQconninfoOption *options)
{
    for (; options->keyword != NULL; options++) {
        if (options->val != NULL && !pg_conninfo_set(info, options->keyword, options->val))
            return false;
    }
    return true;
}

static bool take_demands(struct pg_conninfo *info, const char *application_name,
                         const char *server_options)
{
    const char *own = pg_conninfo_get(info, "options");
    size_t size = strlen(server_options) + (own == NULL ? 0 : strlen(own)) + 2;
    char *options = malloc(size);
    if (options == NULL)
        return false;
    snprintf(options, size, "%s %s", server_options, own == NULL ? "" : own);
    bool done = pg_conninfo_set(info, "options", options);
    free(options);

    if (pg_conninfo_get(info, "application_name") == NULL)
        done = done && pg_conninfo_set(info, "application_name", application_name);
    return done && pg_conninfo_set(info, "client_encoding", "UTF8");
}

enum status pg_conninfo_init(struct pg_conninfo *info, const char *conninfo,
                             const char *application_name, const char *server_options,
                             struct error *err)
{
    memset(info, 0, sizeof(*info));
    char *trouble = NULL;
    PQconninfoOption *options = PQconninfoParse(conninfo, &trouble);
    PQfreemem(trouble); /* not told: it repeats parts of the string, which may hold a password */
    if (options == NULL)
        return error_setf(err, REASON_REQUEST_INVALID, "the connection string cannot be read");

    bool done = take_defaults(info) && take_operators(info, options) &&
                take_demands(info, application_name, server_options);
    PQconninfoFree(options);
    return done ? STATUS_OK : error_set(err, REASON_OUT_OF_MEMORY);
}

void pg_conninfo_deinit(struct pg_conninfo *info)
{
    for (uint32_t i = 0; i < info->count; i++) {
        free(info->keywords[i]);
        free(info->values[i]);
    }
    memset(info, 0, sizeof(*info));
}
