/* One look-up: a detached thread, an eventfd that wakes the loop, and a shared object that whoever
 * comes last frees. Not a cache: libpq connects seldom. */
#include "store/pg_resolve.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct pg_resolve {
    _Atomic int owners; /* the loop and the thread */
    int wake_fd;        /* readable when the thread has finished */
    struct event wake;
    pg_resolve_done_fn *done;
    void *arg;
    struct pg_hosts hosts; /* the thread's until wake_fd is readable */
    struct pg_hosts found;
};

static void pg_resolve_leave(struct pg_resolve *resolve)
{
    if (atomic_fetch_sub(&resolve->owners, 1) > 1)
        return;
    close(resolve->wake_fd);
    free(resolve);
}

/* ---- on the thread ---- */

static void resolve_host(const struct pg_host *host, struct pg_hosts *found)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;

    if (getaddrinfo(host->name, NULL, &hints, &addresses) != 0)
        return;
    for (const struct addrinfo *at = addresses; at != NULL; at = at->ai_next) {
        struct pg_host one = *host;
        if (getnameinfo(at->ai_addr, at->ai_addrlen, one.address, sizeof(one.address), NULL, 0,
                        NI_NUMERICHOST) == 0)
            (void)pg_hosts_add(found, &one); /* the first PG_HOSTS_MAX are enough */
    }
    freeaddrinfo(addresses);
}

static void *resolve_main(void *arg)
{
    struct pg_resolve *resolve = arg;

    for (uint32_t i = 0; i < resolve->hosts.count; i++) {
        const struct pg_host *host = &resolve->hosts.list[i];
        if (pg_host_needs_lookup(host))
            resolve_host(host, &resolve->found);
        else
            (void)pg_hosts_add(&resolve->found, host);
    }
    (void)eventfd_write(resolve->wake_fd, 1); /* cannot fail: it is written once */
    pg_resolve_leave(resolve);
    return NULL;
}

/* ---- on the loop ---- */

static void pg_resolve_on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct pg_resolve *resolve = arg;
    (void)fd;
    (void)what;

    event_del(&resolve->wake);
    resolve->done(resolve->arg, resolve->found.count > 0 ? &resolve->found : NULL);
    pg_resolve_leave(resolve);
}

static bool pg_resolve_run(struct pg_resolve *resolve)
{
    pthread_attr_t attributes;
    pthread_t thread;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    bool started = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0 &&
                   pthread_create(&thread, &attributes, resolve_main, resolve) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

struct pg_resolve *pg_resolve_start(struct loop *loop, const struct pg_hosts *hosts,
                                    pg_resolve_done_fn *done, void *arg)
{
    struct pg_resolve *resolve = calloc(1, sizeof(*resolve));
    if (resolve == NULL)
        return NULL;
    resolve->done = done;
    resolve->arg = arg;
    resolve->hosts = *hosts;
    atomic_init(&resolve->owners, 2);
    resolve->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (resolve->wake_fd < 0)
        goto no_fd;
    if (event_assign(&resolve->wake, loop_base(loop), resolve->wake_fd, EV_READ, pg_resolve_on_wake,
                     resolve) != 0 ||
        event_add(&resolve->wake, NULL) != 0)
        goto no_event;
    if (!pg_resolve_run(resolve))
        goto no_thread;
    return resolve;

no_thread:
    event_del(&resolve->wake);
no_event:
    close(resolve->wake_fd);
no_fd:
    free(resolve);
    return NULL;
}

void pg_resolve_cancel(struct pg_resolve *resolve)
{
    if (resolve == NULL)
        return;
    event_del(&resolve->wake);
    pg_resolve_leave(resolve);
}
