/* Takes host lists apart and puts them together again. Looks up nothing. */
#include "store/pg_hosts.h"

#include "base/buf.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    HOST_LIST_SIZE_MAX = PG_HOSTS_MAX * 256
};

/* Copies element `index` of a comma list; empty when the list is shorter. False when too long. */
static bool list_element(const char *list, uint32_t index, char *out, size_t out_size)
{
    out[0] = '\0';
    for (uint32_t i = 0; list != NULL && i < index; i++) {
        list = strchr(list, ',');
        if (list != NULL)
            list++;
    }
    if (list == NULL)
        return true;
    size_t len = strcspn(list, ",");
    if (len >= out_size)
        return false;
    memcpy(out, list, len);
    out[len] = '\0';
    return true;
}

static uint32_t list_count(const char *list)
{
    if (list == NULL || *list == '\0')
        return 0;
    uint32_t count = 1;
    for (; *list != '\0'; list++)
        count += *list == ',';
    return count;
}

bool pg_hosts_parse(struct pg_hosts *hosts, const char *names, const char *addresses,
                    const char *ports)
{
    memset(hosts, 0, sizeof(*hosts));
    uint32_t name_count = list_count(names), address_count = list_count(addresses);
    uint32_t port_count = list_count(ports);
    uint32_t count = MAX_OF(name_count, address_count);

    if (count > PG_HOSTS_MAX ||
        (name_count > 0 && address_count > 0 && name_count != address_count))
        return false;
    if (port_count > 1 && port_count != MAX_OF(count, 1))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct pg_host *host = &hosts->list[i];
        if (!list_element(names, i, host->name, sizeof(host->name)) ||
            !list_element(addresses, i, host->address, sizeof(host->address)) ||
            !list_element(ports, port_count == 1 ? 0 : i, host->port, sizeof(host->port)))
            return false;
    }
    hosts->count = count;
    return true;
}

bool pg_host_needs_lookup(const struct pg_host *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    if (host->address[0] != '\0' || host->name[0] == '\0')
        return false;
    if (host->name[0] == '/' || host->name[0] == '@') /* a socket */
        return false;
    return inet_pton(AF_INET, host->name, address) != 1 &&
           inet_pton(AF_INET6, host->name, address) != 1;
}

bool pg_hosts_need_lookup(const struct pg_hosts *hosts)
{
    for (uint32_t i = 0; i < hosts->count; i++)
        if (pg_host_needs_lookup(&hosts->list[i]))
            return true;
    return false;
}

bool pg_hosts_add(struct pg_hosts *hosts, const struct pg_host *host)
{
    if (hosts->count == PG_HOSTS_MAX)
        return false;
    hosts->list[hosts->count++] = *host;
    return true;
}

/* One column of the list, written as libpq reads it; `offset` is where it stands in struct pg_host.
 * Left out when all are empty, for libpq's own default. */
static bool pg_hosts_apply_column(const struct pg_hosts *hosts, uint32_t first, size_t offset,
                                  const char *keyword, struct pg_conninfo *info)
{
    struct buf list;
    bool is_empty = true;

    buf_init(&list, HOST_LIST_SIZE_MAX);
    for (uint32_t i = 0; i < hosts->count; i++) {
        const struct pg_host *host = &hosts->list[(first + i) % hosts->count];
        const char *text = (const char *)host + offset;
        is_empty = is_empty && *text == '\0';
        if (i > 0)
            buf_put_char(&list, ',');
        buf_put_str(&list, text);
    }
    bool done = !list.failed;
    if (done && !is_empty)
        done = pg_conninfo_set(info, keyword, list.data);
    buf_deinit(&list);
    return done;
}

bool pg_hosts_apply(const struct pg_hosts *hosts, uint32_t first, struct pg_conninfo *info)
{
    return pg_hosts_apply_column(hosts, first, offsetof(struct pg_host, name), "host", info) &&
           pg_hosts_apply_column(hosts, first, offsetof(struct pg_host, address), "hostaddr",
                                 info) &&
           pg_hosts_apply_column(hosts, first, offsetof(struct pg_host, port), "port", info);
}
