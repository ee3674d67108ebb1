/* Accepts the connections of a port under a limit, and goes on when descriptors have run out: a spare
 * one makes room to accept a connection and to tell its peer by closing it. One that finds no room under
 * the limit is told why.
 *
 * Belongs to its loop. */
#pragma once

#include "base/buf.h"
#include "observe/metrics.h"
#include "port/clock.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct acceptor;

struct acceptor_config {
    struct event_base *base;
    struct clock *clock;
    int listen_fd; /* given: closed by stop, or free */
    /* Whether one more connection may be held just now. */
    bool (*has_room)(void *arg);
    /* Writes what one that finds no room is told before it is closed. May be NULL. */
    void (*refuse)(void *arg, struct buf *words);
    /* Takes a connected, non-blocking socket, which it owns from now on. */
    void (*take)(void *arg, int fd);
    void *arg;
    enum metric refused; /* counts those that found no room */
    /* accept4 by default. For tests. */
    int (*accept)(int listen_fd);
};

/* NULL when out of memory or descriptors; the listening socket is closed then too. Accepts nothing
 * before start. */
struct acceptor *acceptor_new(const struct acceptor_config *config);
void acceptor_start(struct acceptor *acceptor);
/* Accepts no more and closes the listening socket. */
void acceptor_stop(struct acceptor *acceptor);
void acceptor_free(struct acceptor *acceptor);
