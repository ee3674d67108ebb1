/* A load generator for gRPC over plain HTTP/2: connections with streams in flight, one thread, one
 * epoll, headers written beforehand. Cheap, so that on a shared machine the server is what is measured.
 *
 * Closed loop: every stream starts its next call when the last one ended. Open loop (--rate): calls
 * start by the clock, and a call that had to wait for a free stream is as late as it was meant to be
 * early, so that a server that stalls cannot hide it. Not here: TLS, streaming, repeating a call. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "die.h"
#include "figures.h"
#include "frame.h"
#include "hpack.h"
#include "options.h"
#include "request.h"
#include "usage.h"

enum {
    GRPC_PREFIX = 5,
    HEADERS_MAX = 512,
    WINDOW = 16 * 1024 * 1024, /* what we let the other side send */
    WINDOW_DEFAULT = 65535,
    IN_SIZE = 256 * 1024,
    EVENTS_MAX = 256,
    CALL_SIZE_MAX = 2 * FRAME_HEAD + HEADERS_MAX + GRPC_PREFIX + REQUEST_SIZE_MAX,
    PATIENCE_S =
        30 /* for connecting, and for the next answer when none is to be asked for any more */
};

struct stream {
    uint32_t id; /* 0: free */
    int64_t start_ns;
    struct hpack_answer answer;
};

struct connection {
    int fd; /* -1: gone */
    bool is_settled, wants_write, had_first_headers, is_leaving;
    uint32_t next_id;
    uint32_t stream_count, busy_count; /* of the streams, those in use */
    int64_t send_window;
    uint32_t unacknowledged; /* bytes received since the last window update */
    struct stream *streams;
    uint8_t *in, *out;
    size_t in_len, out_len, out_sent, out_size;
};

struct load {
    struct options options;
    const struct request_mode *mode;
    struct request_plan plan;
    struct connection *connections;
    unsigned live_count, settled_count;
    unsigned turn; /* the connection that gets the next call of the open loop */
    int epoll;
    bool is_starting_calls, is_counting;
    uint64_t started, ended;
    int64_t next_start_ns, start_interval_ns;
    char run[40]; /* names this run in request ids */
    struct figures figures;
};

/* -------------------------------------------------------------------------------- frames out */

/* Room for `size` more bytes to be sent. */
static uint8_t *connection_room(struct connection *connection, size_t size)
{
    if (connection->out_sent == connection->out_len) {
        connection->out_sent = connection->out_len = 0;
    }
    if (connection->out_len + size > connection->out_size) {
        connection->out_size = 2 * (connection->out_len + size);
        connection->out = need(realloc(connection->out, connection->out_size));
    }
    return connection->out + connection->out_len;
}

static void send_frame(struct connection *connection, enum frame_type type, unsigned flags,
                       const void *payload, size_t len)
{
    uint8_t *out = connection_room(connection, FRAME_HEAD + len);
    size_t at = put_frame_head(out, len, type, flags, 0);
    memcpy(out + at, payload, len);
    connection->out_len += at + len;
}

static void send_window_update(struct connection *connection, uint32_t size)
{
    uint8_t payload[4];
    put_u32(payload, size);
    send_frame(connection, FRAME_WINDOW_UPDATE, 0, payload, sizeof(payload));
}

static void send_preface(struct connection *connection)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const size_t len = sizeof(preface) - 1;
    memcpy(connection_room(connection, len), preface, len);
    connection->out_len += len;
    static const struct {
        uint8_t id;
        uint32_t value;
    } wishes[] = {
        {SETTING_HEADER_TABLE_SIZE, 0}, {SETTING_ENABLE_PUSH, 0}, {SETTING_INITIAL_WINDOW, WINDOW}};
    uint8_t settings[18] = {0};
    for (size_t i = 0; i < 3; i++) {
        settings[i * 6 + 1] = wishes[i].id;
        put_u32(settings + i * 6 + 2, wishes[i].value);
    }
    send_frame(connection, FRAME_SETTINGS, 0, settings, sizeof(settings));
    send_window_update(connection, WINDOW - WINDOW_DEFAULT);
}

/* Headers and message of the next call, on a free stream. */
static void send_call(struct load *load, struct connection *connection, struct stream *stream,
                      int64_t start_ns)
{
    uint8_t *out = connection_room(connection, CALL_SIZE_MAX);
    uint8_t headers[HEADERS_MAX], message[REQUEST_SIZE_MAX];
    *stream =
        (struct stream){.id = connection->next_id, .start_ns = start_ns, .answer.grpc_status = -1};
    connection->next_id += 2;
    connection->busy_count++;
    load->started++;

    size_t len = connection->had_first_headers
                     ? hpack_later_headers(headers)
                     : hpack_first_headers(headers, load->mode->path, load->options.host);
    connection->had_first_headers = true;
    size_t at = put_frame_head(out, len, FRAME_HEADERS, FLAG_END_HEADERS, stream->id);
    memcpy(out + at, headers, len);
    at += len;

    len = load->mode->make(&load->plan, message);
    at += put_frame_head(out + at, GRPC_PREFIX + len, FRAME_DATA, FLAG_END_STREAM, stream->id);
    out[at] = 0; /* not compressed */
    put_u32(out + at + 1, (uint32_t)len);
    memcpy(out + at + GRPC_PREFIX, message, len);
    connection->out_len += at + GRPC_PREFIX + len;
    connection->send_window -= (int64_t)(GRPC_PREFIX + len);
}

/* ------------------------------------------------------------------------------------- calls */

static bool connection_can_start(const struct connection *connection)
{
    return connection->fd >= 0 && connection->is_settled && !connection->is_leaving &&
           connection->busy_count < connection->stream_count &&
           connection->send_window >= GRPC_PREFIX + REQUEST_SIZE_MAX;
}

static struct stream *stream_find(struct connection *connection, uint32_t id)
{
    for (uint32_t i = 0; i < connection->stream_count; i++) {
        if (connection->streams[i].id == id) {
            return &connection->streams[i];
        }
    }
    return NULL;
}

static bool load_may_start(const struct load *load)
{
    return load->is_starting_calls &&
           (load->options.requests == 0 || load->started < load->options.requests);
}

/* Closed loop: as many calls as there are streams. */
static void connection_fill(struct load *load, struct connection *connection)
{
    while (load->options.rate <= 0 && load_may_start(load) && connection_can_start(connection)) {
        send_call(load, connection, stream_find(connection, 0), now_ns());
    }
}

static void call_end(struct load *load, struct connection *connection, struct stream *stream)
{
    int status = stream->answer.grpc_status;
    connection->busy_count--;
    load->ended++;
    stream->id = 0;
    if (status < 0) { /* reset, or trailers without a status: UNKNOWN, as gRPC clients have it */
        status = 2;
    }
    if (load->is_counting) {
        figures_add(&load->figures, status, now_ns() - stream->start_ns,
                    stream->answer.grpc_message);
    }
}

/* Calls in flight on a connection that broke are lost: whether they were answered is unknown. */
static void connection_lose(struct load *load, struct connection *connection)
{
    close(connection->fd);
    connection->fd = -1;
    load->live_count--;
    load->settled_count -= connection->is_settled ? 1U : 0U;
    load->figures.lost += connection->busy_count;
    connection->busy_count = 0;
}

/* --------------------------------------------------------------------------------- frames in */

static void take_settings(struct load *load, struct connection *connection,
                          const struct frame *frame)
{
    if ((frame->flags & FLAG_ACK) != 0) {
        return;
    }
    for (size_t i = 0; i + 6 <= frame->len; i += 6) {
        unsigned id = (unsigned)frame->payload[i] << 8 | frame->payload[i + 1];
        uint32_t value = get_u32(frame->payload + i + 2);
        if (id == SETTING_MAX_STREAMS && value < connection->stream_count) {
            connection->stream_count = value;
        }
        if (id == SETTING_INITIAL_WINDOW && value < GRPC_PREFIX + REQUEST_SIZE_MAX) {
            die("the server's stream window of %u bytes is smaller than a request", value);
        }
    }
    send_frame(connection, FRAME_SETTINGS, FLAG_ACK, "", 0);
    load->settled_count += connection->is_settled ? 0U : 1U;
    connection->is_settled = true;
}

static void take_headers(struct connection *connection, struct frame *frame)
{
    struct stream *stream = stream_find(connection, frame->stream);
    frame_strip(frame);
    if ((frame->flags & FLAG_END_HEADERS) == 0) {
        die("headers of more than one frame are not supported");
    }
    if (stream != NULL && !hpack_read(&stream->answer, frame->payload, frame->len)) {
        die("cannot read the headers of an answer");
    }
}

static void take_data(struct connection *connection, const struct frame *frame)
{
    connection->unacknowledged += (uint32_t)frame->len;
    if (connection->unacknowledged > WINDOW / 2) {
        send_window_update(connection, connection->unacknowledged);
        connection->unacknowledged = 0;
    }
}

static void take_frame(struct load *load, struct connection *connection, struct frame *frame)
{
    bool ends = false;
    switch (frame->type) {
    case FRAME_DATA:
        take_data(connection, frame);
        ends = (frame->flags & FLAG_END_STREAM) != 0;
        break;
    case FRAME_HEADERS:
        take_headers(connection, frame);
        ends = (frame->flags & FLAG_END_STREAM) != 0;
        break;
    case FRAME_RST_STREAM:
        ends = true;
        break;
    case FRAME_SETTINGS:
        take_settings(load, connection, frame);
        break;
    case FRAME_PING:
        if ((frame->flags & FLAG_ACK) == 0) {
            send_frame(connection, FRAME_PING, FLAG_ACK, frame->payload, frame->len);
        }
        break;
    case FRAME_GOAWAY:
        connection->is_leaving = true;
        break;
    case FRAME_WINDOW_UPDATE:
        connection->send_window += frame->stream == 0 ? (int64_t)get_u32(frame->payload) : 0;
        break;
    case FRAME_CONTINUATION:
        die("headers of more than one frame are not supported");
    default: /* unknown frames are to be ignored */
        break;
    }
    struct stream *stream = ends ? stream_find(connection, frame->stream) : NULL;
    if (stream != NULL) {
        call_end(load, connection, stream);
    }
}

static void connection_parse(struct load *load, struct connection *connection)
{
    const uint8_t *at = connection->in;
    size_t left = connection->in_len;
    while (left >= FRAME_HEAD) {
        struct frame frame = {
            .len = get_u32(at) >> 8,
            .type = at[3],
            .flags = at[4],
            .stream = get_u32(at + 5) & 0x7fffffff,
            .payload = at + FRAME_HEAD,
        };
        if (frame.len > FRAME_SIZE_MAX) {
            die("a frame of %zu bytes: this is not HTTP/2", frame.len);
        }
        if (left < FRAME_HEAD + frame.len) {
            break;
        }
        at += FRAME_HEAD + frame.len;
        left -= FRAME_HEAD + frame.len;
        take_frame(load, connection, &frame);
    }
    memmove(connection->in, at, left);
    connection->in_len = left;
}

/* ------------------------------------------------------------------------------- connections */

static void connection_watch(struct load *load, struct connection *connection, bool wants_write)
{
    if (connection->wants_write != wants_write) {
        struct epoll_event event = {.events = EPOLLIN | (wants_write ? EPOLLOUT : 0U),
                                    .data.ptr = connection};
        connection->wants_write = wants_write;
        epoll_ctl(load->epoll, EPOLL_CTL_MOD, connection->fd, &event);
    }
}

static void connection_flush(struct load *load, struct connection *connection)
{
    while (connection->fd >= 0 && connection->out_sent < connection->out_len) {
        ssize_t sent = send(connection->fd, connection->out + connection->out_sent,
                            connection->out_len - connection->out_sent, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }
        if (sent < 0) {
            connection_lose(load, connection);
            return;
        }
        connection->out_sent += (size_t)sent;
    }
    if (connection->fd >= 0) {
        connection_watch(load, connection, connection->out_sent < connection->out_len);
    }
}

static void connection_read(struct load *load, struct connection *connection)
{
    ssize_t got =
        recv(connection->fd, connection->in + connection->in_len, IN_SIZE - connection->in_len, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        connection_lose(load, connection);
        return;
    }
    connection->in_len += (size_t)got;
    connection_parse(load, connection);
}

static void connection_open(struct load *load, struct connection *connection)
{
    const struct options *options = &load->options;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)options->port)};
    if (inet_pton(AF_INET, options->host, &address.sin_addr) != 1) {
        die("%s is not an IPv4 address", options->host);
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        die("cannot connect to %s:%u: %s", options->host, options->port, strerror(errno));
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    *connection = (struct connection){
        .fd = fd,
        .next_id = 1,
        .stream_count = options->streams,
        .send_window = WINDOW_DEFAULT,
        .streams = need(calloc(options->streams, sizeof(struct stream))),
        .in = need(malloc(IN_SIZE)),
    };
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        die("epoll: %s", strerror(errno));
    }
    load->live_count++;
    send_preface(connection);
    connection_flush(load, connection);
}

/* ---------------------------------------------------------------------------------- the loop */

/* Open loop: the calls that are due, on connections in turn. What finds no free stream stays due. */
static void load_start_due(struct load *load)
{
    int64_t now = now_ns();
    while (load->options.rate > 0 && load_may_start(load) && load->next_start_ns <= now) {
        struct connection *free_one = NULL;
        for (unsigned i = 0; i < load->options.connections && free_one == NULL; i++) {
            load->turn = (load->turn + 1) % load->options.connections;
            if (connection_can_start(&load->connections[load->turn])) {
                free_one = &load->connections[load->turn];
            }
        }
        if (free_one == NULL) {
            return;
        }
        send_call(load, free_one, stream_find(free_one, 0), load->next_start_ns);
        load->next_start_ns += load->start_interval_ns;
        if (free_one->out_len > FRAME_SIZE_MAX) {
            connection_flush(load, free_one);
        }
    }
}

static void load_flush_all(struct load *load)
{
    for (unsigned i = 0; i < load->options.connections; i++) {
        connection_flush(load, &load->connections[i]);
    }
}

/* Serves the connections once, waiting for `until_ns` at most. */
static void load_turn(struct load *load, int64_t until_ns)
{
    struct epoll_event events[EVENTS_MAX];
    bool is_open = load->options.rate > 0 && load_may_start(load);
    int64_t now = now_ns();
    int64_t wake = is_open && load->next_start_ns < until_ns ? load->next_start_ns : until_ns;
    int64_t wait = wake > now ? wake - now : 0;
    if (is_open && wait == 0) { /* due, but no stream was free: only an answer changes that */
        wait = 1000000;
    }
    struct timespec timeout = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
    int count = epoll_pwait2(load->epoll, events, EVENTS_MAX, &timeout, NULL);
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (connection->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
            connection_read(load, connection);
        }
        connection_fill(load, connection);
        connection_flush(load, connection);
    }
    if (is_open) {
        load_start_due(load);
        load_flush_all(load);
    }
}

static uint64_t load_in_flight(const struct load *load)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < load->options.connections; i++) {
        count += load->connections[i].busy_count;
    }
    return count;
}

static void load_run_for(struct load *load, double seconds)
{
    int64_t until = now_ns() + (int64_t)(seconds * 1e9);
    while (load->live_count > 0 && now_ns() < until) {
        load_turn(load, until);
    }
}

/* Until all calls that were to be made have ended, or no answer comes any more. */
static void load_run_out(struct load *load)
{
    const int64_t patience = (int64_t)PATIENCE_S * 1000000000;
    int64_t until = now_ns() + patience;
    uint64_t in_flight = load_in_flight(load);
    while (load->live_count > 0 && now_ns() < until &&
           (in_flight > 0 || (load->options.requests > 0 && load_may_start(load)))) {
        uint64_t ended = load->ended;
        load_turn(load, until);
        if (load->ended > ended) {
            until = now_ns() + patience;
        }
        in_flight = load_in_flight(load);
    }
    load->figures.lost += load_in_flight(load);
}

static void load_connect(struct load *load)
{
    const unsigned count = load->options.connections;
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->connections = need(calloc(count, sizeof(struct connection)));
    for (unsigned i = 0; i < count; i++) {
        connection_open(load, &load->connections[i]);
    }
    int64_t until = now_ns() + (int64_t)PATIENCE_S * 1000000000;
    while (load->settled_count < count) {
        if (load->live_count < count || now_ns() >= until) {
            die("%u of %u connections were accepted", load->settled_count, count);
        }
        load_turn(load, until);
    }
    if (load->connections[0].stream_count < load->options.streams) {
        fprintf(stderr, "load: the server allows %u streams a connection\n",
                load->connections[0].stream_count);
    }
}

static void load_start_calls(struct load *load)
{
    load->is_starting_calls = true;
    load->next_start_ns = now_ns();
    for (unsigned i = 0; i < load->options.connections; i++) {
        connection_fill(load, &load->connections[i]);
    }
    load_flush_all(load);
}

/* ---------------------------------------------------------------------------------- a run */

static void load_init(struct load *load, int argc, char **argv)
{
    struct options *options = &load->options;
    options_parse(options, argc, argv);
    load->mode = request_mode_find(options->mode);
    snprintf(load->run, sizeof(load->run), "bench-%d-%lld", (int)getpid(), (long long)now_ns());
    load->plan = (struct request_plan){.product_count = options->products,
                                       .product = options->product,
                                       .category = options->category,
                                       .run = load->run,
                                       .random = options->seed};
    load->start_interval_ns = options->rate > 0 ? (int64_t)(1e9 / options->rate) : 0;
}

static void load_count_requests(struct load *load, struct usage *from, struct usage *to)
{
    load->is_counting = true;
    *from = usage_now(load->options.pid);
    load_start_calls(load);
    load_run_out(load);
    *to = usage_now(load->options.pid);
}

static void load_count_seconds(struct load *load, struct usage *from, struct usage *to)
{
    load_start_calls(load);
    load_run_for(load, load->options.warmup);
    *from = usage_now(load->options.pid);
    load->is_counting = true;
    load_run_for(load, load->options.seconds);
    *to = usage_now(load->options.pid);
    load->is_counting = false;
    load->is_starting_calls = false;
    load_run_out(load);
}

int main(int argc, char **argv)
{
    static struct load load;
    struct usage from, to;
    load_init(&load, argc, argv);
    load_connect(&load);
    if (load.options.requests > 0) {
        load_count_requests(&load, &from, &to);
    } else {
        load_count_seconds(&load, &from, &to);
    }
    figures_print(&load.figures, &load.options, &from, &to);
    return load.figures.lost > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
