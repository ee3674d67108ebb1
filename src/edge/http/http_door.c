/* Dealing connections to workers, and ending them all. What is said on them is in http_conn. */
#include "edge/http/http_door.h"

#include "edge/acceptor.h"
#include "edge/http/http_conn.h"
#include "edge/http/http_error.h"
#include "edge/http/http_reply_head.h"
#include "edge/listen_socket.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct door_worker {
    struct http_door *door;
    struct http_conns conns;
    void (*on_drain)(void *arg); /* of conns.handle_arg */
    struct letter drain, cut, drained;
    bool has_drained;
};

struct http_door {
    struct acceptor *acceptor;
    uint32_t connections_max;
    char *refusal;                /* the body for those beyond them */
    atomic_uint connection_count; /* also of those on their way to a worker */
    uint16_t port;
    uint32_t worker_count;
    uint32_t next; /* the worker whose turn it is */
    uint32_t drained_count;
    bool is_draining;
    struct clock_timer drain_timer;
    void (*drained)(void *arg);
    void *drained_arg;
    struct door_worker workers[];
};

/* A connection on its way to its worker. */
struct arrival {
    struct letter letter;
    struct door_worker *worker;
    int fd;
};

/* ---- Arriving --------------------------------------------------------------------------------- */

static void connection_gone(struct http_door *door)
{
    /* Relaxed: only the number matters. */
    atomic_fetch_sub_explicit(&door->connection_count, 1, memory_order_relaxed);
    metrics_add(METRIC_HTTP_CONNECTIONS, 0, -1);
}

static void on_arrival(struct letter *letter)
{
    struct arrival *arrival = CONTAINER_OF(letter, struct arrival, letter);
    struct door_worker *worker = arrival->worker;

    if (worker->conns.is_draining) {
        close(arrival->fd);
        connection_gone(worker->door);
    } else if (!http_conn_open(&worker->conns, arrival->fd)) {
        connection_gone(worker->door);
    }
    free(arrival);
}

static bool has_room(void *arg)
{
    struct http_door *door = arg;

    return atomic_load_explicit(&door->connection_count, memory_order_relaxed) <
           door->connections_max;
}

/* Whatever it would have asked for. */
static void refuse(void *arg, struct buf *words)
{
    static const struct http_field fields[] = {{"retry-after", "1"}};
    struct http_door *door = arg;

    http_reply_head_write(words,
                          &(struct http_reply){.status = 429,
                                               .content_type = "application/json",
                                               .fields = fields,
                                               .field_count = COUNT_OF(fields),
                                               .body_size = strlen(door->refusal)},
                          http_conns_date(&door->workers[0].conns), HTTP_FRAMING_SIZE, true);
    buf_put_str(words, door->refusal);
}

static void take(void *arg, int fd)
{
    struct http_door *door = arg;
    struct arrival *arrival = calloc(1, sizeof(*arrival));

    if (arrival == NULL) {
        close(fd);
        return;
    }
    arrival->letter.open = on_arrival;
    arrival->worker = &door->workers[door->next];
    arrival->fd = fd;
    door->next = (door->next + 1) % door->worker_count;
    atomic_fetch_add_explicit(&door->connection_count, 1, memory_order_relaxed);
    metrics_add(METRIC_HTTP_CONNECTIONS, 0, 1);
    mailbox_put(loop_mailbox(arrival->worker->conns.loop), &arrival->letter);
}

/* ---- Ending ----------------------------------------------------------------------------------- */

static void on_worker_drained(struct letter *letter)
{
    struct http_door *door = CONTAINER_OF(letter, struct door_worker, drained)->door;

    if (++door->drained_count < door->worker_count)
        return;
    clock_timer_stop(loop_clock(door->workers[0].conns.loop), &door->drain_timer);
    if (door->drained != NULL)
        door->drained(door->drained_arg);
}

static void check_drained(struct door_worker *worker)
{
    if (!worker->conns.is_draining || worker->has_drained || worker->conns.count > 0)
        return;
    worker->has_drained = true;
    mailbox_put(loop_mailbox(worker->door->workers[0].conns.loop), &worker->drained);
}

static void on_closed(void *arg)
{
    struct door_worker *worker = arg;

    connection_gone(worker->door);
    check_drained(worker);
}

static void on_drain(struct letter *letter)
{
    struct door_worker *worker = CONTAINER_OF(letter, struct door_worker, drain);

    if (worker->on_drain != NULL)
        worker->on_drain(worker->conns.handle_arg);
    http_conns_drain(&worker->conns);
    check_drained(worker);
}

static void on_cut(struct letter *letter)
{
    http_conns_close_all(&CONTAINER_OF(letter, struct door_worker, cut)->conns);
}

static void on_time_over(struct clock_timer *timer)
{
    struct http_door *door = CONTAINER_OF(timer, struct http_door, drain_timer);

    for (uint32_t i = 0; i < door->worker_count; i++)
        mailbox_put(loop_mailbox(door->workers[i].conns.loop), &door->workers[i].cut);
}

void http_door_drain(struct http_door *door, int64_t timeout_ms, void (*drained)(void *arg),
                     void *arg)
{
    assert(!door->is_draining);
    door->is_draining = true;
    door->drained = drained;
    door->drained_arg = arg;
    acceptor_stop(door->acceptor);
    for (uint32_t i = 0; i < door->worker_count; i++)
        mailbox_put(loop_mailbox(door->workers[i].conns.loop), &door->workers[i].drain);
    door->drain_timer.on_time = on_time_over;
    clock_timer_start(loop_clock(door->workers[0].conns.loop), &door->drain_timer, timeout_ms);
}

/* ---- Life ------------------------------------------------------------------------------------- */

static bool worker_init(struct http_door *door, struct door_worker *worker,
                        const struct http_door_worker *from)
{
    worker->door = door;
    worker->drain.open = on_drain;
    worker->cut.open = on_cut;
    worker->on_drain = from->drain;
    worker->drained.open = on_worker_drained;
    worker->conns = (struct http_conns){
        .loop = from->loop,
        .clock = loop_clock(from->loop),
        .handle = from->handle,
        .on_closed = on_closed,
        .arg = worker,
        .handle_arg = from->arg,
    };
    return http_conns_init(&worker->conns);
}

static enum status listen_on(struct http_door *door, const struct http_door_config *config,
                             struct error *err)
{
    struct loop *loop = door->workers[0].conns.loop;
    struct acceptor_config acceptor = {
        .base = loop_base(loop),
        .clock = loop_clock(loop),
        .has_room = has_room,
        .refuse = refuse,
        .take = take,
        .arg = door,
        .refused = METRIC_HTTP_CONNECTIONS_REFUSED,
    };
    enum status status =
        listen_socket_open("HTTP_ADDR", config->address, &acceptor.listen_fd, &door->port, err);

    if (status != STATUS_OK)
        return status;
    door->acceptor = acceptor_new(&acceptor);
    return door->acceptor == NULL ? error_set(err, REASON_OUT_OF_MEMORY) : STATUS_OK;
}

enum status http_door_new(const struct http_door_config *config,
                          const struct http_door_worker *workers, uint32_t worker_count,
                          struct http_door **out_door, struct error *err)
{
    struct http_door *door = calloc(1, sizeof(*door) + worker_count * sizeof(struct door_worker));
    enum status status;

    assert(worker_count > 0);
    if (door == NULL)
        return error_set(err, REASON_OUT_OF_MEMORY);
    door->connections_max = config->connections_max;
    for (; door->worker_count < worker_count; door->worker_count++) {
        if (!worker_init(door, &door->workers[door->worker_count], &workers[door->worker_count])) {
            http_door_free(door);
            return error_set(err, REASON_OUT_OF_MEMORY);
        }
    }
    door->refusal = http_error_refusal(config->site);
    if (door->refusal == NULL) {
        http_door_free(door);
        return error_set(err, REASON_OUT_OF_MEMORY);
    }
    status = listen_on(door, config, err);
    if (status != STATUS_OK) {
        http_door_free(door);
        return status;
    }
    *out_door = door;
    return STATUS_OK;
}

void http_door_start(struct http_door *door)
{
    acceptor_start(door->acceptor);
}

uint16_t http_door_port(const struct http_door *door)
{
    return door->port;
}

void http_door_free(struct http_door *door)
{
    if (door == NULL)
        return;
    acceptor_free(door->acceptor);
    for (uint32_t i = 0; i < door->worker_count; i++) {
        struct door_worker *worker = &door->workers[i];

        (void)mailbox_open_all(loop_mailbox(worker->conns.loop)); /* arrivals */
        clock_timer_stop(loop_clock(worker->conns.loop), &door->drain_timer);
        http_conns_deinit(&worker->conns);
    }
    free(door->refusal);
    free(door);
}
