/* Which connections gRPC core still holds. How they are accepted is in edge/acceptor. */
#include "edge/grpc/grpc_acceptor.h"

#include "base/macros.h"
#include "edge/acceptor.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SWEEP_PAUSE_MS = 100, /* at the limit: a sweep is one fstat a connection */
};

struct connection {
    int fd;
    ino_t inode;
};

struct grpc_acceptor {
    struct grpc_acceptor_config config;
    struct acceptor *acceptor;
    uint32_t count;
    uint32_t sweep_at; /* when so many are held */
    int64_t swept_at_ms;
    struct connection connections[]; /* connections_max of them */
};

/* The connections held */

static ino_t inode_of(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode) ? info.st_ino : 0;
}

/* Four fifths at first; afterwards when half of what is free now is used up. So the work of sweeping
 * stays small against that of accepting. */
static void plan_sweep(struct grpc_acceptor *acceptor)
{
    const uint32_t max = acceptor->config.connections_max;
    const uint32_t first = (uint32_t)((uint64_t)max * 4 / 5);
    const uint32_t halfway = acceptor->count + (max - acceptor->count + 1) / 2;

    acceptor->sweep_at = MAX_OF(first, halfway);
}

static void sweep(struct grpc_acceptor *acceptor)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < acceptor->count; i++) {
        const struct connection connection = acceptor->connections[i];
        if (inode_of(connection.fd) == connection.inode) {
            acceptor->connections[kept++] = connection;
        }
    }
    acceptor->count = kept;
    acceptor->swept_at_ms = clock_now_ms(acceptor->config.clock);
    plan_sweep(acceptor);
    metrics_set(METRIC_CONNECTIONS, 0, kept);
}

/* Whether one more connection may be held. */
static bool has_room(void *arg)
{
    struct grpc_acceptor *acceptor = arg;
    const uint32_t max = acceptor->config.connections_max;
    const int64_t pause_over_ms = acceptor->swept_at_ms + SWEEP_PAUSE_MS;

    if (acceptor->count >= acceptor->sweep_at &&
        (acceptor->count < max || clock_now_ms(acceptor->config.clock) >= pause_over_ms)) {
        sweep(acceptor);
    }
    return acceptor->count < max;
}

static void hold(struct grpc_acceptor *acceptor, int fd)
{
    assert(acceptor->count < acceptor->config.connections_max);
    acceptor->connections[acceptor->count++] = (struct connection){fd, inode_of(fd)};
    metrics_set(METRIC_CONNECTIONS, 0, acceptor->count);
}

static void take(void *arg, int fd)
{
    struct grpc_acceptor *acceptor = arg;

    hold(acceptor, fd);
    acceptor->config.take(acceptor->config.arg, fd);
}

/* Life */

struct grpc_acceptor *grpc_acceptor_new(const struct grpc_acceptor_config *config)
{
    struct grpc_acceptor *acceptor =
        calloc(1, sizeof(*acceptor) + config->connections_max * sizeof(struct connection));

    assert(config->connections_max > 0);
    if (acceptor == NULL) {
        close(config->listen_fd);
        return NULL;
    }
    acceptor->config = *config;
    acceptor->swept_at_ms = INT64_MIN / 2;
    plan_sweep(acceptor);
    acceptor->acceptor = acceptor_new(&(struct acceptor_config){
        .base = config->base,
        .clock = config->clock,
        .listen_fd = config->listen_fd,
        .has_room = has_room,
        .take = take,
        .arg = acceptor,
        .refused = METRIC_CONNECTIONS_REFUSED,
        .accept = config->accept,
    });
    if (acceptor->acceptor == NULL) {
        free(acceptor);
        return NULL;
    }
    return acceptor;
}

void grpc_acceptor_start(struct grpc_acceptor *acceptor)
{
    acceptor_start(acceptor->acceptor);
}

void grpc_acceptor_stop(struct grpc_acceptor *acceptor)
{
    acceptor_stop(acceptor->acceptor);
}

void grpc_acceptor_free(struct grpc_acceptor *acceptor)
{
    if (acceptor == NULL) {
        return;
    }
    acceptor_free(acceptor->acceptor);
    free(acceptor);
}

uint32_t grpc_acceptor_count(const struct grpc_acceptor *acceptor)
{
    return acceptor->count;
}
