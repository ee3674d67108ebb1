/* How the bytes of an answer leave: whole, cut, reset, garbled, dripping, or never. What they say is
 * printed already. */
#include "sandbox/exchange.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
    HUGE_SIZE = 10 * 1024 * 1024,
    DRIP_MS = 100,
    ENDLESS_PIECE_SIZE = 16 * 1024
};

static const char garbage[] = "<html><body><h1>It works!</h1></body></html>";

static void log_status(const struct exchange *exchange, int status)
{
    struct call *call = call_log_find(&exchange->sandbox->calls, exchange->call_n);

    if (call != NULL)
        call->status = status;
}

static void send_body(struct exchange *exchange, int status, struct evbuffer *body)
{
    struct evhttp_request *request = exchange->request;

    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                      "application/json");
    evhttp_send_reply(request, status, NULL, body);
    exchange_free(exchange);
}

/* The connection takes the request with it. When the client has closed it, the request is ours. */
void delivery_cut(struct exchange *exchange, bool resets)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(exchange->request);

    if (connection != NULL) {
        struct bufferevent *stream = evhttp_connection_get_bufferevent(connection);
        const struct linger linger = {.l_onoff = 1};
        if (resets)
            (void)setsockopt(bufferevent_getfd(stream), SOL_SOCKET, SO_LINGER, &linger,
                             sizeof(linger));
        /* evhttp closes the descriptor before it ends a write under way, and libevent complains. */
        (void)bufferevent_disable(stream, EV_READ | EV_WRITE);
        evhttp_connection_free(connection);
    } else {
        evhttp_request_free(exchange->request);
    }
    exchange_free(exchange);
}

/* Bytes past evhttp's back, so that they are fewer than announced. */
static void send_half(struct exchange *exchange)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(exchange->request);
    size_t len = evbuffer_get_length(exchange->body);
    char head[256];

    if (connection != NULL) {
        evutil_socket_t fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
        int size = snprintf(head, sizeof(head),
                            "HTTP/1.1 %d OK\r\nContent-Type: application/json\r\n"
                            "Content-Length: %zu\r\n\r\n",
                            exchange->answer.http_status, len);
        (void)!send(fd, head, (size_t)size, MSG_NOSIGNAL);
        (void)!send(fd, evbuffer_pullup(exchange->body, -1), len / 2, MSG_NOSIGNAL);
    }
    delivery_cut(exchange, false);
}

static void send_truncated(struct exchange *exchange)
{
    size_t len = evbuffer_get_length(exchange->body);
    struct evbuffer *half = evbuffer_new();

    if (half == NULL) {
        delivery_cut(exchange, false);
        return;
    }
    (void)evbuffer_remove_buffer(exchange->body, half, len / 2);
    send_body(exchange, exchange->answer.http_status, half);
    evbuffer_free(half);
}

static void send_huge(struct exchange *exchange)
{
    char piece[4096];
    struct evbuffer *huge = evbuffer_new();

    memset(piece, ' ', sizeof(piece));
    for (size_t sent = 0; huge != NULL && sent < HUGE_SIZE; sent += sizeof(piece))
        (void)evbuffer_add(huge, piece, sizeof(piece));
    if (huge == NULL) {
        delivery_cut(exchange, false);
        return;
    }
    (void)evbuffer_add_buffer(huge, exchange->body);
    send_body(exchange, exchange->answer.http_status, huge);
    evbuffer_free(huge);
}

/* ------------------------------------------------------------------- answers that take their time */

static void on_drip(int descriptor, short events, void *arg)
{
    struct exchange *exchange = arg;
    struct evbuffer *piece = evbuffer_new();

    (void)descriptor;
    (void)events;
    if (piece == NULL || evhttp_request_get_connection(exchange->request) == NULL) {
        if (piece != NULL)
            evbuffer_free(piece);
        delivery_cut(exchange, false);
        return;
    }
    (void)evbuffer_remove_buffer(exchange->rest, piece, 1);
    evhttp_send_reply_chunk(exchange->request, piece);
    evbuffer_free(piece);
    if (evbuffer_get_length(exchange->rest) == 0) {
        evhttp_send_reply_end(exchange->request);
        exchange_free(exchange);
        return;
    }
    exchange_wait(exchange, DRIP_MS, on_drip);
}

static void send_drip(struct exchange *exchange)
{
    exchange->rest = evbuffer_new();
    if (exchange->rest == NULL) {
        delivery_cut(exchange, false);
        return;
    }
    (void)evbuffer_add_buffer(exchange->rest, exchange->body);
    evhttp_add_header(evhttp_request_get_output_headers(exchange->request), "Content-Type",
                      "application/json");
    evhttp_send_reply_start(exchange->request, exchange->answer.http_status, NULL);
    on_drip(-1, 0, exchange);
}

/* A piece every DRIP_MS until the rule's delay is used up; then the connection is closed. */
static void on_endless(int descriptor, short events, void *arg)
{
    struct exchange *exchange = arg;
    char blanks[ENDLESS_PIECE_SIZE];
    struct evbuffer *piece = evbuffer_new();

    (void)descriptor;
    (void)events;
    exchange->fault.delay_ms -= DRIP_MS;
    if (piece == NULL || exchange->fault.delay_ms <= 0 ||
        evhttp_request_get_connection(exchange->request) == NULL) {
        if (piece != NULL)
            evbuffer_free(piece);
        delivery_cut(exchange, false);
        return;
    }
    memset(blanks, ' ', sizeof(blanks));
    (void)evbuffer_add(piece, blanks, sizeof(blanks));
    evhttp_send_reply_chunk(exchange->request, piece);
    evbuffer_free(piece);
    exchange_wait(exchange, DRIP_MS, on_endless);
}

static void send_endless(struct exchange *exchange)
{
    evhttp_send_reply_start(exchange->request, exchange->answer.http_status, NULL);
    on_endless(-1, 0, exchange);
}

static void send_garbage(struct exchange *exchange)
{
    evbuffer_drain(exchange->body, evbuffer_get_length(exchange->body));
    (void)evbuffer_add(exchange->body, garbage, sizeof(garbage) - 1);
    send_body(exchange, exchange->answer.http_status, exchange->body);
}

static void send_redirect(struct exchange *exchange)
{
    evhttp_add_header(evhttp_request_get_output_headers(exchange->request), "Location",
                      exchange->location[0] != '\0' ? exchange->location : "http://127.0.0.1:9/");
    send_body(exchange, 307, exchange->body);
}

/* 0: none. */
static int status_sent(const struct exchange *exchange)
{
    switch (exchange->fault.mode->delivery) {
    case FAULT_DELIVERY_CLOSE:
    case FAULT_DELIVERY_RESET:
    case FAULT_DELIVERY_NEVER:
        return 0;
    case FAULT_DELIVERY_REDIRECT:
        return 307;
    case FAULT_DELIVERY_WHOLE:
    case FAULT_DELIVERY_HALF:
    case FAULT_DELIVERY_TRUNCATED:
    case FAULT_DELIVERY_GARBAGE:
    case FAULT_DELIVERY_HUGE:
    case FAULT_DELIVERY_ENDLESS:
    case FAULT_DELIVERY_DRIP:
        break;
    }
    return exchange->answer.http_status;
}

void delivery_send(struct exchange *exchange)
{
    enum fault_delivery delivery = exchange->fault.mode->delivery;

    log_status(exchange, status_sent(exchange));
    switch (delivery) {
    case FAULT_DELIVERY_WHOLE:
        send_body(exchange, exchange->answer.http_status, exchange->body);
        return;
    case FAULT_DELIVERY_CLOSE:
    case FAULT_DELIVERY_NEVER:
    case FAULT_DELIVERY_RESET:
        delivery_cut(exchange, delivery == FAULT_DELIVERY_RESET);
        return;
    case FAULT_DELIVERY_HALF:
        send_half(exchange);
        return;
    case FAULT_DELIVERY_TRUNCATED:
        send_truncated(exchange);
        return;
    case FAULT_DELIVERY_GARBAGE:
        send_garbage(exchange);
        return;
    case FAULT_DELIVERY_HUGE:
        send_huge(exchange);
        return;
    case FAULT_DELIVERY_ENDLESS:
        send_endless(exchange);
        return;
    case FAULT_DELIVERY_DRIP:
        send_drip(exchange);
        return;
    case FAULT_DELIVERY_REDIRECT:
        send_redirect(exchange);
        return;
    }
}
