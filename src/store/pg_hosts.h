/* The hosts of a connection string, taken apart, so that names can be looked up off the loop and the
 * walk can begin at another one than the first.
 *
 * Pure values, no I/O. libpq wants the three lists (host, hostaddr, port) aligned. */
#pragma once

#include "base/macros.h"
#include "store/pg_conninfo.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PG_HOSTS_MAX = 16
};

struct pg_host {
    char name[256];   /* a name, an address, or the folder of a socket */
    char address[64]; /* empty: not looked up */
    char port[8];     /* empty: the default */
};

struct pg_hosts {
    struct pg_host list[PG_HOSTS_MAX];
    uint32_t count; /* 0: the default socket */
};

/* Takes the lists of a connection string (each may be NULL) apart; false when they do not fit
 * together or are too long. */
bool pg_hosts_parse(struct pg_hosts *hosts, const char *names, const char *addresses,
                    const char *ports) NODISCARD;
/* Whether this one is a name without an address. */
bool pg_host_needs_lookup(const struct pg_host *host);
bool pg_hosts_need_lookup(const struct pg_hosts *hosts);
/* Adds one at the end; false, and nothing, when all places are taken. */
bool pg_hosts_add(struct pg_hosts *hosts, const struct pg_host *host);

/* Writes the lists into the connection string, beginning with host `first` (modulo count). False
 * when out of memory. */
bool pg_hosts_apply(const struct pg_hosts *hosts, uint32_t first, struct pg_conninfo *info)
    NODISCARD;
