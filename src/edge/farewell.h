/* Sockets that were told why they get no connection, and are closed a little later: closed at once, with
 * bytes of the peer on their way, the kernel would reset them and what was said might be lost.
 *
 * At most FAREWELLS_MAX at a time: for one more the oldest is closed. Belongs to its loop. */
#pragma once

#include "port/clock.h"

#include <stddef.h>
#include <stdint.h>

enum {
    FAREWELLS_MAX = 64,
    FAREWELL_MS = 1000,
};

struct farewell {
    struct clock *clock;
    struct clock_timer timer;
    struct {
        int fd;
        int64_t until_ms;
    } sockets[FAREWELLS_MAX]; /* a ring */
    unsigned first, count;
};

void farewell_init(struct farewell *farewell, struct clock *clock);
/* Closes those that are left. */
void farewell_deinit(struct farewell *farewell);

/* Says it, or nothing, as far as the socket takes it without waiting, and owns the socket from now on. */
void farewell_say(struct farewell *farewell, int fd, const char *words, size_t size);
