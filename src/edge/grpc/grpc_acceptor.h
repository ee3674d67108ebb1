/* Accepts the connections of the gRPC port, in place of gRPC core's listener, which never recovers
 * when the process has once run out of descriptors, and knows no limit.
 *
 * An accepted socket is given away and closed by its new owner, who does not say when. So the acceptor
 * keeps (descriptor, inode) of each and looks through them when four fifths of the limit are in use:
 * a descriptor that is closed, or is another file by now, is a connection that has ended.
 * Belongs to its loop. */
#pragma once

#include "port/clock.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct grpc_acceptor;

struct grpc_acceptor_config {
    struct event_base *base;
    struct clock *clock;
    int listen_fd; /* given: closed by stop, or free */
    uint32_t connections_max;
    /* Takes a connected, non-blocking socket, which it owns from now on. */
    void (*take)(void *arg, int fd);
    void *arg;
    /* accept4 by default. For tests. */
    int (*accept)(int listen_fd);
};

/* NULL when out of memory or descriptors; the listening socket is closed then too. Accepts nothing
 * before start. */
struct grpc_acceptor *grpc_acceptor_new(const struct grpc_acceptor_config *config);
void grpc_acceptor_start(struct grpc_acceptor *acceptor);
/* Accepts no more and closes the listening socket. */
void grpc_acceptor_stop(struct grpc_acceptor *acceptor);
void grpc_acceptor_free(struct grpc_acceptor *acceptor);

/* Connections held, as of the last sweep. */
uint32_t grpc_acceptor_count(const struct grpc_acceptor *acceptor);
