/* Exchanges as transfers of libcurl (curl_loop).
 *
 *   http_client_start ──> transfer (an easy handle) ──> curl ──> transfer_end ──> exchange->done
 *            │                 ^        ^                             │
 *            │ no place free   │        └──────── kept for reuse ─────┘
 *            v                 │
 *         waiting ──its turn───┘
 *            └──its time is over──> exchange->done (not reached)
 *
 * Ten thousand orders may ask at once: waiting here costs nothing but the exchange itself, waiting
 * inside curl an easy handle, and the time of the try would run meanwhile.
 * Knows nothing of payments; what an answer means is the adapters' business. */
#include "client/http_client.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "client/curl_loop.h"
#include "client/http_fault.h"

enum {
    WAITING_MAX = LIMIT_ORDERS, /* so many orders may be in flight, and none asks twice */
    IDLE_MAX = 256,             /* easy handles kept: 6 KiB each, … */
    ANSWER_KEPT_MAX = 4096,     /* … and the buffers of their answers, which usually take 1 KiB */
    CONNECT_TIMEOUT_MS = 2000,
    LOW_SPEED_BYTES = 1,          /* a second, over … */
    LOW_SPEED_SECONDS = 20,       /* … so many: matters only for tries longer than that */
    CONNECTION_IDLE_SECONDS = 30, /* shorter than the usual 60 s of the other side */
    CONNECTION_AGE_SECONDS = 300, /* so that a change of DNS is followed */
    READ_SIZE = 4096,       /* at a time: answers take 1 KiB; curl's own 16 KiB a transfer add up */
    WRITE_SIZE = 16 * 1024, /* as little as curl takes, for the same reason */
    RETRY_AFTER_SECONDS_MAX = 3600,
};

struct transfer {
    struct http_client *client;
    struct transfer *next, *previous; /* of the active ones; `next` also of the idle ones */
    CURL *easy;
    struct curl_slist *headers;
    struct http_exchange *exchange;
    struct clock_timer deadline;
    struct buf answer;
    int64_t started_us;
};

TAILQ_HEAD(http_exchange_list, http_exchange);

struct http_client {
    struct loop *loop;
    struct curl_loop *curl_loop;
    struct transfer *active;
    unsigned active_count, active_max;
    struct http_exchange_list waiting; /* for one of the active to end; first come, first served */
    unsigned waiting_count;
    struct transfer *idle;
    unsigned idle_count;
    struct http_exchange *refused; /* could not be started; linked by adapter[0] */
    struct clock_timer refused_timer;
    bool closing;
};

/* ---- The end of a transfer --------------------------------------------------------------- */

static void transfer_free(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    buf_deinit(&transfer->answer);
    free(transfer);
}

static void transfer_unlink(struct transfer *transfer)
{
    struct http_client *client = transfer->client;

    if (transfer->previous == NULL)
        client->active = transfer->next;
    else
        transfer->previous->next = transfer->next;
    if (transfer->next != NULL)
        transfer->next->previous = transfer->previous;
    client->active_count--;
}

/* The headers hold the key of the provider: they do not stay in the pool. */
static void transfer_keep(struct transfer *transfer)
{
    struct http_client *client = transfer->client;

    if (client->idle_count == IDLE_MAX) {
        transfer_free(transfer);
        return;
    }
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, NULL);
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
    transfer->exchange = NULL;
    if (transfer->answer.size > ANSWER_KEPT_MAX)
        buf_deinit(&transfer->answer);
    else
        buf_clear(&transfer->answer);
    transfer->next = client->idle;
    client->idle = transfer;
    client->idle_count++;
}

static void fail(struct http_exchange *exchange, const char *problem)
{
    exchange->result = exchange->begun_count == 0 ? HTTP_NOT_REACHED : HTTP_UNKNOWN;
    exchange->problem = problem;
}

static void read_answer(struct transfer *transfer)
{
    struct http_exchange *exchange = transfer->exchange;
    const char *body = transfer->answer.data == NULL ? "" : transfer->answer.data;
    curl_off_t retry_after_s = 0;
    long status = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    exchange->answer = arena_strndup(exchange->arena, body, transfer->answer.len);
    if (exchange->answer == NULL) {
        fail(exchange, "no memory for the answer");
        return;
    }
    exchange->result = HTTP_ANSWERED;
    exchange->status = (int)status;
    exchange->answer_size = transfer->answer.len;
    retry_after_s = MAX_OF(0, MIN_OF(retry_after_s, RETRY_AFTER_SECONDS_MAX));
    exchange->retry_after_ms = (int32_t)retry_after_s * 1000;
}

static void start_waiting(struct http_client *client);

/* `problem` NULL: the answer is there. */
static void transfer_end(struct transfer *transfer, const char *problem)
{
    struct http_client *client = transfer->client;
    struct http_exchange *exchange = transfer->exchange;

    clock_timer_stop(loop_clock(client->loop), &transfer->deadline);
    exchange->duration_us = clock_exact_us(loop_clock(client->loop)) - transfer->started_us;
    if (problem == NULL)
        read_answer(transfer);
    else
        fail(exchange, problem);
    curl_loop_remove(client->curl_loop, transfer->easy);
    transfer_unlink(transfer);
    transfer_keep(transfer);
    start_waiting(client); /* before those who come only now */
    exchange->done(exchange);
}

static const char *problem_of(CURLcode code)
{
    if (code == CURLE_OK)
        return NULL;
    return code == CURLE_WRITE_ERROR ? "the answer is too large" : curl_easy_strerror(code);
}

/* A transfer has ended by itself. */
static void on_ended(CURL *easy, CURLcode code)
{
    struct transfer *transfer = NULL;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    assert(transfer != NULL);
    transfer_end(transfer, problem_of(code));
}

static void on_deadline(struct clock_timer *timer)
{
    transfer_end(CONTAINER_OF(timer, struct transfer, deadline), "the time is over");
}

/* ---- What curl calls --------------------------------------------------------------------- */

/* Runs each time the request is about to be sent, also when curl sends it again on a new connection
 * because a kept one had died. */
static int on_begin(void *arg, char *ip UNUSED, char *own_ip UNUSED, int port UNUSED,
                    int own_port UNUSED)
{
    struct transfer *transfer = arg;

    transfer->exchange->begun_count++;
    buf_clear(&transfer->answer);
#ifdef FAULT_POINTS
    http_fault_middle(own_port, transfer->exchange);
#endif
    return CURL_PREREQFUNC_OK;
}

static size_t on_body(char *data, size_t unit, size_t count, void *arg)
{
    struct transfer *transfer = arg;

    return buf_put(&transfer->answer, data, unit * count) ? unit * count : 0;
}

/* ---- The start of a transfer ------------------------------------------------------------- */

/* What is the same for every transfer. */
static bool set_common(struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    CURLcode failed = CURLE_OK;

#define SET(option, value) \
    failed = failed != CURLE_OK ? failed : curl_easy_setopt(easy, option, value)
    SET(CURLOPT_PRIVATE, transfer);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* settings come by orderd's own names, not by http_proxy */
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_MAXAGE_CONN, (long)CONNECTION_IDLE_SECONDS);
    SET(CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_AGE_SECONDS);
    SET(CURLOPT_LOW_SPEED_LIMIT, (long)LOW_SPEED_BYTES);
    SET(CURLOPT_LOW_SPEED_TIME, (long)LOW_SPEED_SECONDS);
    SET(CURLOPT_QUICK_EXIT, 1L); /* do not wait for the resolver's thread at the end */
    SET(CURLOPT_USERAGENT, "orderd/" ORDERD_VERSION);
    SET(CURLOPT_BUFFERSIZE, (long)READ_SIZE);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)WRITE_SIZE);
    SET(CURLOPT_PREREQFUNCTION, on_begin);
    SET(CURLOPT_PREREQDATA, transfer);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, transfer);
#undef SET
    return failed == CURLE_OK;
}

static struct transfer *transfer_new(struct http_client *client)
{
    struct transfer *transfer = calloc(1, sizeof(*transfer));

    if (transfer == NULL)
        return NULL;
    transfer->client = client;
    transfer->deadline.on_time = on_deadline;
    buf_init(&transfer->answer, LIMIT_ANSWER_SIZE);
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL || !set_common(transfer)) {
        transfer_free(transfer);
        return NULL;
    }
    return transfer;
}

static struct transfer *transfer_take(struct http_client *client)
{
    struct transfer *transfer = client->idle;

    if (transfer == NULL)
        return transfer_new(client);
    client->idle = transfer->next;
    client->idle_count--;
    return transfer;
}

static bool add_header(struct transfer *transfer, const char *header)
{
    struct curl_slist *longer = curl_slist_append(transfer->headers, header);

    if (longer != NULL)
        transfer->headers = longer;
    return longer != NULL;
}

/* "Expect:" takes the header away: a provider that does not answer it would cost a second. */
static bool set_headers(struct transfer *transfer, const char *const *headers)
{
    if (!add_header(transfer, "Expect:"))
        return false;
    for (; headers != NULL && *headers != NULL; headers++) {
        if (!add_header(transfer, *headers))
            return false;
    }
    return curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK;
}

static bool set_method(CURL *easy, const struct http_exchange *exchange)
{
    if (strcmp(exchange->method, "GET") == 0)
        return curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    assert(strcmp(exchange->method, "POST") == 0);
    return curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                            (curl_off_t)(exchange->body == NULL ? 0 : exchange->body_size)) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                            exchange->body == NULL ? "" : exchange->body) == CURLE_OK;
}

static bool transfer_set(struct transfer *transfer, struct http_exchange *exchange)
{
    CURL *easy = transfer->easy;
    long timeout_ms = exchange->timeout_ms;

    transfer->exchange = exchange;
    transfer->answer.size_max =
        exchange->answer_size_max == 0 ? LIMIT_ANSWER_SIZE : exchange->answer_size_max;
#ifdef FAULT_POINTS
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, http_fault_on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
#endif
    return curl_easy_setopt(easy, CURLOPT_URL, exchange->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                            MIN_OF(timeout_ms, (long)CONNECT_TIMEOUT_MS)) == CURLE_OK &&
           set_method(easy, exchange) && set_headers(transfer, exchange->headers);
}

static bool transfer_add(struct transfer *transfer)
{
    struct http_client *client = transfer->client;

    if (!curl_loop_add(client->curl_loop, transfer->easy))
        return false;
    transfer->previous = NULL;
    transfer->next = client->active;
    if (client->active != NULL)
        client->active->previous = transfer;
    client->active = transfer;
    client->active_count++;
    return true;
}

static void on_refused(struct clock_timer *timer)
{
    struct http_client *client = CONTAINER_OF(timer, struct http_client, refused_timer);

    while (client->refused != NULL) {
        struct http_exchange *exchange = client->refused;

        client->refused = exchange->adapter[0];
        exchange->done(exchange);
    }
}

static void refuse(struct http_client *client, struct http_exchange *exchange, const char *problem)
{
    fail(exchange, problem);
    exchange->adapter[0] = client->refused;
    client->refused = exchange;
    clock_timer_start(loop_clock(client->loop), &client->refused_timer, 0);
}

static void clear_results(struct http_exchange *exchange)
{
    exchange->status = 0;
    exchange->answer = NULL;
    exchange->answer_size = 0;
    exchange->retry_after_ms = 0;
    exchange->begun_count = 0;
    exchange->problem = NULL;
    exchange->was_crowded_out = false;
    exchange->duration_us = 0;
}

static void begin(struct http_client *client, struct http_exchange *exchange)
{
    struct transfer *transfer = transfer_take(client);

    assert(client->active_count < client->active_max);
    if (transfer == NULL) {
        refuse(client, exchange, "out of memory");
        return;
    }
    if (!transfer_set(transfer, exchange) || !transfer_add(transfer)) {
        transfer_keep(transfer);
        refuse(client, exchange, "the transfer could not be set up");
        return;
    }
    transfer->started_us = clock_exact_us(loop_clock(client->loop));
    clock_timer_start(loop_clock(client->loop), &transfer->deadline, exchange->timeout_ms);
}

/* ---- The wait for a place ---------------------------------------------------------------- */

static void wait_over(struct http_client *client, struct http_exchange *exchange)
{
    assert(client->waiting_count > 0);
    TAILQ_REMOVE(&client->waiting, exchange, waiting);
    client->waiting_count--;
    clock_timer_stop(loop_clock(client->loop), &exchange->turn);
}

static void on_turn_missed(struct clock_timer *timer)
{
    struct http_exchange *exchange = CONTAINER_OF(timer, struct http_exchange, turn);

    wait_over(exchange->adapter[0], exchange);
    fail(exchange, "no place became free");
    exchange->was_crowded_out = true;
    exchange->done(exchange);
}

static void wait_turn(struct http_client *client, struct http_exchange *exchange)
{
    int32_t turn_ms = exchange->turn_ms > 0 ? exchange->turn_ms : exchange->timeout_ms;

    TAILQ_INSERT_TAIL(&client->waiting, exchange, waiting);
    client->waiting_count++;
    exchange->adapter[0] = client;
    exchange->turn = (struct clock_timer){.on_time = on_turn_missed};
    clock_timer_start(loop_clock(client->loop), &exchange->turn, turn_ms);
}

static void start_waiting(struct http_client *client)
{
    struct http_exchange *exchange;

    while (client->active_count < client->active_max &&
           (exchange = TAILQ_FIRST(&client->waiting)) != NULL) {
        wait_over(client, exchange);
        if (client->closing)
            refuse(client, exchange, "shutting down");
        else
            begin(client, exchange);
    }
}

void http_client_start(struct http_client *client, struct http_exchange *exchange)
{
    assert(exchange->done != NULL);
    assert(exchange->timeout_ms > 0);
    assert(exchange->turn_ms >= 0);
    clear_results(exchange);
    if (client->closing) {
        refuse(client, exchange, "shutting down");
    } else if (client->active_count < client->active_max) {
        begin(client, exchange);
    } else if (client->waiting_count < WAITING_MAX) {
        wait_turn(client, exchange);
    } else {
        exchange->was_crowded_out = true;
        refuse(client, exchange, "too many exchanges wait");
    }
}

/* ---- Life cycle -------------------------------------------------------------------------- */

struct http_client *http_client_new(struct loop *loop, uint32_t connections_max)
{
    struct http_client *client = calloc(1, sizeof(*client));

    assert(connections_max > 0);
    if (client == NULL)
        return NULL;
    client->loop = loop;
    client->active_max = connections_max;
    TAILQ_INIT(&client->waiting);
    client->refused_timer.on_time = on_refused;
    client->curl_loop = curl_loop_new(loop, connections_max, on_ended);
    if (client->curl_loop == NULL) {
        http_client_free(client);
        return NULL;
    }
    return client;
}

void http_client_free(struct http_client *client)
{
    struct transfer *transfer;

    if (client == NULL)
        return;
    client->closing = true;
    while ((transfer = client->active) != NULL) {
        assert(transfer->client == client);
        assert(transfer->previous == NULL);
        transfer_end(transfer, "shutting down");
    }
    assert(TAILQ_EMPTY(&client->waiting));
    on_refused(&client->refused_timer);
    while ((transfer = client->idle) != NULL) {
        client->idle = transfer->next;
        transfer_free(transfer);
    }
    curl_loop_free(client->curl_loop);
    clock_timer_stop(loop_clock(client->loop), &client->refused_timer);
    free(client);
}
