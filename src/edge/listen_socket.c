/* Opens listening sockets, for all ports of the edge. Not for accepting on them. */
#include "edge/listen_socket.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ADDRESS_SIZE_MAX = 256,
    BACKLOG = 4096, /* the kernel cuts it to net.core.somaxconn */
};

static enum status fail(struct error *err, const char *setting, const char *address,
                        const char *why)
{
    /* Texts of the system begin with a capital letter, ours do not. */
    return error_setf(err, REASON_INTERNAL, "%s %.100s: %c%s", setting, address,
                      tolower((unsigned char)why[0]), why[0] == '\0' ? "" : why + 1);
}

/* Cuts "[host]:port" or "host:port", in place. */
static bool split_address(char *text, char **out_host, char **out_port)
{
    char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || colon[1] == '\0') {
        return false;
    }
    *colon = '\0';
    *out_port = colon + 1;
    *out_host = text;
    if (text[0] == '[') {
        if (colon[-1] != ']') {
            return false;
        }
        colon[-1] = '\0';
        *out_host = text + 1;
    }
    return **out_host != '\0';
}

/* -1 with errno set when one of the steps fails. */
static int open_one(const struct addrinfo *info)
{
    int on = 1, off = 0, saved;
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    info->ai_protocol);
    if (fd < 0) {
        return -1;
    }
    /* "[::]" means IPv4 as well, whatever the system's default. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        (info->ai_family != AF_INET6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0) &&
        bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        return fd;
    }
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        return 0;
    }
    if (address.ss_family == AF_INET) {
        memcpy(&v4, &address, sizeof(v4));
        return ntohs(v4.sin_port);
    }
    memcpy(&v6, &address, sizeof(v6));
    return ntohs(v6.sin6_port);
}

enum status listen_socket_open(const char *setting, const char *address, int *out_fd,
                               uint16_t *out_port, struct error *err)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_ADDRCONFIG};
    struct addrinfo *infos = NULL;
    char copy[ADDRESS_SIZE_MAX];
    char *host, *port;
    int failure, fd = -1;

    if (strlen(address) >= sizeof(copy)) {
        return fail(err, setting, address, "too long");
    }
    strncpy(copy, address, sizeof(copy));
    if (!split_address(copy, &host, &port)) {
        return fail(err, setting, address, "not of the form host:port");
    }
    failure = getaddrinfo(host, port, &hints, &infos);
    if (failure != 0) {
        return fail(err, setting, address, gai_strerror(failure));
    }
    for (const struct addrinfo *info = infos; info != NULL && fd < 0; info = info->ai_next) {
        fd = open_one(info);
    }
    freeaddrinfo(infos);
    if (fd < 0) {
        return fail(err, setting, address, strerror(errno));
    }
    *out_fd = fd;
    *out_port = port_of(fd);
    return STATUS_OK;
}
