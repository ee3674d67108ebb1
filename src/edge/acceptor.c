/* Accepting under a limit, and going on when descriptors run out. What is spoken on the connections is
 * their taker's business. */
#include "edge/acceptor.h"

#include "base/macros.h"
#include "edge/farewell.h"
#include "observe/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_PER_TURN = 64, /* then the loop's other work has its turn */
    WORDS_SIZE_MAX = 2048,
    PAUSE_MS = 100,        /* after an error that accepting again at once would only repeat */
    KEEPALIVE_IDLE_S = 60, /* a dead peer is noticed after 60 s + 6 * 10 s */
    KEEPALIVE_INTERVAL_S = 10,
    KEEPALIVE_COUNT = 6,
    USER_TIMEOUT_MS = 30 * 1000, /* a peer that acknowledges nothing for so long is dead */
};

struct acceptor {
    struct acceptor_config config;
    struct event *event;
    struct clock_timer pause;
    struct farewell farewell;
    int spare_fd; /* given up for a moment when there is no other left; -1: it was lost */
};

static int accept_socket(int listen_fd)
{
    return accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void refuse(struct acceptor *acceptor, int fd)
{
    struct buf words;

    metrics_add(acceptor->config.refused, 0, 1);
    if (acceptor->config.refuse == NULL) {
        close(fd);
        return;
    }
    buf_init(&words, WORDS_SIZE_MAX);
    acceptor->config.refuse(acceptor->config.arg, &words);
    farewell_say(&acceptor->farewell, fd, words.data, words.failed ? 0 : words.len);
    buf_deinit(&words);
}

/* Options fail only when the peer has gone already, which its reader will notice. */
static void set_option(int fd, int level, int name, int value)
{
    if (setsockopt(fd, level, name, &value, sizeof(value)) != 0) {
        log_write(LOG_DEBUG, "socket option %d of level %d: %s", name, level, strerror(errno));
    }
}

static void set_options(int fd)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
}

static void take_or_refuse(struct acceptor *acceptor, int fd)
{
    if (!acceptor->config.has_room(acceptor->config.arg)) {
        refuse(acceptor, fd);
        return;
    }
    set_options(fd);
    acceptor->config.take(acceptor->config.arg, fd);
}

/* No descriptor is left: the spare one makes room to accept one connection, and to tell its peer by
 * closing it. Otherwise the connection would stay in the backlog and keep the loop spinning. */
static bool refuse_with_spare(struct acceptor *acceptor)
{
    int fd;

    if (acceptor->spare_fd < 0) {
        acceptor->spare_fd = open_spare();
        return acceptor->spare_fd >= 0;
    }
    close(acceptor->spare_fd);
    fd = acceptor->config.accept(acceptor->config.listen_fd);
    if (fd >= 0) {
        close(fd);
        metrics_add(acceptor->config.refused, 0, 1);
    }
    acceptor->spare_fd = open_spare();
    return fd >= 0 && acceptor->spare_fd >= 0;
}

static void pause_accepting(struct acceptor *acceptor)
{
    event_del(acceptor->event);
    clock_timer_start(acceptor->config.clock, &acceptor->pause, PAUSE_MS);
}

static void on_pause_over(struct clock_timer *timer)
{
    struct acceptor *acceptor = CONTAINER_OF(timer, struct acceptor, pause);
    event_add(acceptor->event, NULL);
}

/* Whether to accept again at once. */
static bool go_on_after(struct acceptor *acceptor, int failure)
{
    switch (failure) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
        if (refuse_with_spare(acceptor)) {
            return true;
        }
        pause_accepting(acceptor);
        return false;
    case ENOBUFS:
    case ENOMEM:
        pause_accepting(acceptor);
        return false;
    default: /* errors of the connection that was to be accepted; Linux hands them on */
        return true;
    }
}

static void on_readable(evutil_socket_t listen_fd, short what, void *arg)
{
    struct acceptor *acceptor = arg;

    (void)what;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        const int fd = acceptor->config.accept(listen_fd);
        if (fd >= 0) {
            take_or_refuse(acceptor, fd);
        } else if (!go_on_after(acceptor, errno)) {
            return;
        }
    }
}

/* Life */

struct acceptor *acceptor_new(const struct acceptor_config *config)
{
    struct acceptor *acceptor = calloc(1, sizeof(*acceptor));

    if (acceptor == NULL) {
        close(config->listen_fd);
        return NULL;
    }
    acceptor->config = *config;
    if (acceptor->config.accept == NULL) {
        acceptor->config.accept = accept_socket;
    }
    acceptor->pause.on_time = on_pause_over;
    farewell_init(&acceptor->farewell, config->clock);
    acceptor->spare_fd = open_spare();
    acceptor->event =
        event_new(config->base, config->listen_fd, EV_READ | EV_PERSIST, on_readable, acceptor);
    if (acceptor->event == NULL || acceptor->spare_fd < 0) {
        acceptor_free(acceptor);
        return NULL;
    }
    return acceptor;
}

void acceptor_start(struct acceptor *acceptor)
{
    event_add(acceptor->event, NULL);
}

void acceptor_stop(struct acceptor *acceptor)
{
    clock_timer_stop(acceptor->config.clock, &acceptor->pause);
    farewell_deinit(&acceptor->farewell);
    if (acceptor->event != NULL) {
        event_free(acceptor->event);
        acceptor->event = NULL;
    }
    if (acceptor->config.listen_fd >= 0) {
        close(acceptor->config.listen_fd);
        acceptor->config.listen_fd = -1;
    }
}

void acceptor_free(struct acceptor *acceptor)
{
    if (acceptor == NULL) {
        return;
    }
    acceptor_stop(acceptor);
    if (acceptor->spare_fd >= 0) {
        close(acceptor->spare_fd);
    }
    free(acceptor);
}
