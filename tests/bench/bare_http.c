/* A web server that does nothing else: libevent, http-parser and one reply that is always the same.
 *
 *   bare_http REPLY_FILE
 *
 * The file holds a whole reply, head and body. Listens on a port of the system's choice at the loopback
 * address, prints it, and serves until it is killed. What it costs is what reading, parsing and
 * sending cost in any case; what orderd costs beyond that is orderd's own. HTTP/1.1 with keep-alive and
 * pipelining, requests without a body or with one, no limits of time or size: not for anybody else. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <http_parser.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    REPLY_SIZE_MAX = 64 * 1024,
    SCRATCH_SIZE = 64 * 1024, /* as much as orderd reads at a time */
    BACKLOG = 4096,
};

struct server {
    struct event_base *base;
    http_parser_settings settings;
    char reply[REPLY_SIZE_MAX];
    size_t reply_size;
    char scratch[SCRATCH_SIZE];
};

struct conn {
    struct server *server;
    struct event event;
    http_parser parser;
    unsigned reply_count; /* requests that were read and not answered yet */
    bool ends;            /* after those */
};

static void read_reply(struct server *server, const char *path)
{
    FILE *file = fopen(path, "re");

    if (file == NULL)
        err(EXIT_FAILURE, "%s", path);
    server->reply_size = fread(server->reply, 1, sizeof(server->reply), file);
    if (server->reply_size == 0 || server->reply_size == sizeof(server->reply))
        errx(EXIT_FAILURE, "%s: empty, or larger than %d bytes", path, REPLY_SIZE_MAX - 1);
    fclose(file);
}

static void conn_close(struct conn *conn)
{
    evutil_socket_t fd = event_get_fd(&conn->event);

    event_del(&conn->event);
    close(fd);
    free(conn);
}

static int on_message_complete(http_parser *parser)
{
    struct conn *conn = parser->data;

    conn->reply_count++;
    conn->ends |= http_should_keep_alive(parser) == 0;
    return 0;
}

/* A reply fits the socket's buffer many times, so one that does not is a client that has stopped reading. */
static bool conn_reply(struct conn *conn)
{
    const struct server *server = conn->server;

    for (; conn->reply_count > 0; conn->reply_count--) {
        ssize_t size =
            send(event_get_fd(&conn->event), server->reply, server->reply_size, MSG_NOSIGNAL);

        if (size != (ssize_t)server->reply_size)
            return false;
    }
    return !conn->ends;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    struct server *server = conn->server;
    ssize_t size = recv(fd, server->scratch, sizeof(server->scratch), 0);
    size_t parsed;

    (void)what;
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0) {
        conn_close(conn);
        return;
    }
    parsed = http_parser_execute(&conn->parser, &server->settings, server->scratch, (size_t)size);
    if (!conn_reply(conn) || parsed != (size_t)size)
        conn_close(conn);
}

static void conn_open(struct server *server, int fd)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (conn == NULL)
        err(EXIT_FAILURE, "a connection");
    conn->server = server;
    http_parser_init(&conn->parser, HTTP_REQUEST);
    conn->parser.data = conn;
    if (event_assign(&conn->event, server->base, fd, EV_READ | EV_PERSIST, on_readable, conn) !=
            0 ||
        event_add(&conn->event, NULL) != 0)
        err(EXIT_FAILURE, "an event");
}

static void on_connection(evutil_socket_t listener, short what, void *arg)
{
    int fd;

    (void)what;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        conn_open(arg, fd);
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        err(EXIT_FAILURE, "accept");
}

/* A listening socket, and where it listens. */
static int listen_anywhere(unsigned *out_port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
    } address = {.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, &address.any, size) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, &address.any, &size) != 0)
        err(EXIT_FAILURE, "listen");
    *out_port = ntohs(address.in.sin_port);
    return fd;
}

int main(int argc, char **argv)
{
    static struct server server = {.settings.on_message_complete = on_message_complete};
    struct event listener;
    unsigned port = 0;

    if (argc != 2)
        errx(EXIT_FAILURE, "usage: bare_http REPLY_FILE");
    read_reply(&server, argv[1]);
    server.base = event_base_new();
    if (server.base == NULL ||
        event_assign(&listener, server.base, listen_anywhere(&port), EV_READ | EV_PERSIST,
                     on_connection, &server) != 0 ||
        event_add(&listener, NULL) != 0)
        err(EXIT_FAILURE, "libevent");
    printf("port %u\n", port);
    fflush(stdout);
    return event_base_dispatch(server.base) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
