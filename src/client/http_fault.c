/* Dying in the middle of an exchange; without FAULT_POINTS there is nothing in here. */
#include "client/http_fault.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/fault_point.h"

#ifdef FAULT_POINTS

enum {
    REQUEST_SIZE_MAX = 512 * 1024,
    DESCRIPTORS_MAX = 4096,
};

static const char *path_of(const char *url)
{
    const char *host = strstr(url, "://");

    assert(host != NULL);
    host = strchr(host + 3, '/');
    return host == NULL ? "/" : host;
}

/* As curl would write it, as far as the other side can tell. */
static void put_request(struct buf *buf, const struct http_exchange *exchange)
{
    buf_printf(buf, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n", exchange->method,
               path_of(exchange->url));
    for (const char *const *header = exchange->headers; header != NULL && *header != NULL; header++)
        buf_printf(buf, "%s\r\n", *header);
    if (exchange->body != NULL)
        buf_printf(buf, "Content-Length: %zu\r\n", exchange->body_size);
    buf_put_str(buf, "\r\n");
    if (exchange->body != NULL)
        buf_put(buf, exchange->body, exchange->body_size);
}

/* curl tells a socket only after its first transfer, but the port of this side at once. */
static int socket_of(int own_port)
{
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
        struct sockaddr_storage own;
        socklen_t size = sizeof(own);
        in_port_t port = 0;

        memset(&own, 0, sizeof(own));
        if (getsockname(fd, (struct sockaddr *)&own, &size) != 0)
            continue;
        if (own.ss_family == AF_INET)
            port = ((struct sockaddr_in *)&own)->sin_port;
        else if (own.ss_family == AF_INET6)
            port = ((struct sockaddr_in6 *)&own)->sin6_port;
        if (port == htons((uint16_t)own_port))
            return fd;
    }
    return -1;
}

/* Of a request with a body, the headers and half of the body. */
static void send_half(int fd, const struct http_exchange *exchange)
{
    struct buf buf;
    size_t size;

    buf_init(&buf, REQUEST_SIZE_MAX);
    put_request(&buf, exchange);
    assert(!buf.failed);
    size = exchange->body_size > 0 ? buf.len - (exchange->body_size + 1) / 2 : buf.len / 2;
    (void)send(fd, buf.data, size, MSG_NOSIGNAL);
    buf_deinit(&buf);
}

void http_fault_middle(int own_port, const struct http_exchange *exchange)
{
    int fd;

    if (exchange->name == NULL)
        return;
    if (!fault_point_is_next("%s.middle", exchange->name)) {
        FAULT_POINT("%s.middle", exchange->name);
        return;
    }
    fd = socket_of(own_port);
    assert(fd >= 0);
    send_half(fd, exchange);
    FAULT_POINT("%s.middle", exchange->name);
    /* Stopped and continued: nobody waits that long for the other half. */
    (void)shutdown(fd, SHUT_RDWR);
}

size_t http_fault_on_header(char *data, size_t unit, size_t count, void *arg)
{
    const struct http_exchange *exchange = arg;
    size_t size = unit * count;

    if (exchange->name != NULL && size >= 5 && memcmp(data, "HTTP/", 5) == 0)
        FAULT_POINT("%s.acted", exchange->name);
    return size;
}

#endif
