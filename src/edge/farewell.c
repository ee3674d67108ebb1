/* The ring of sockets that are about to be closed. What is said to them is their port's business. */
#include "edge/farewell.h"

#include "base/macros.h"

#include <sys/socket.h>
#include <unistd.h>

static void close_first(struct farewell *farewell)
{
    close(farewell->sockets[farewell->first].fd);
    farewell->first = (farewell->first + 1) % FAREWELLS_MAX;
    farewell->count--;
}

static void set_timer(struct farewell *farewell, int64_t now_ms)
{
    if (farewell->count > 0 && !farewell->timer.pending)
        clock_timer_start(farewell->clock, &farewell->timer,
                          farewell->sockets[farewell->first].until_ms - now_ms);
}

static void on_time(struct clock_timer *timer)
{
    struct farewell *farewell = CONTAINER_OF(timer, struct farewell, timer);
    int64_t now_ms = clock_now_ms(farewell->clock);

    while (farewell->count > 0 && farewell->sockets[farewell->first].until_ms <= now_ms)
        close_first(farewell);
    set_timer(farewell, now_ms);
}

void farewell_init(struct farewell *farewell, struct clock *clock)
{
    *farewell = (struct farewell){.clock = clock, .timer.on_time = on_time};
}

void farewell_deinit(struct farewell *farewell)
{
    while (farewell->count > 0)
        close_first(farewell);
    clock_timer_stop(farewell->clock, &farewell->timer);
}

void farewell_say(struct farewell *farewell, int fd, const char *words, size_t size)
{
    int64_t now_ms = clock_now_ms(farewell->clock);
    unsigned last;

    /* A peer that has gone does not hear it: nothing is lost by that. */
    if (size > 0)
        (void)send(fd, words, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(fd, SHUT_WR);
    if (farewell->count == FAREWELLS_MAX)
        close_first(farewell);
    last = (farewell->first + farewell->count) % FAREWELLS_MAX;
    farewell->sockets[last].fd = fd;
    farewell->sockets[last].until_ms = now_ms + FAREWELL_MS;
    farewell->count++;
    set_timer(farewell, now_ms);
}
