/* The gRPC door: one grpc_server, per worker a completion queue with its pump thread, and an
 * acceptor of our own.
 *
 * A pump blocks in grpc_completion_queue_next and puts every event into its worker's mailbox; the
 * loop thread does everything else and answers with grpc_call_start_batch directly. Calls of one
 * connection stay with one worker. Life: new -> start -> (set_serving …) -> drain -> free. */
#pragma once

#include "base/error.h"
#include "edge/limit.h"
#include "runtime/loop.h"
#include "service/service.h"

#include <stdbool.h>
#include <stdint.h>

struct grpc_server_worker {
    struct loop *loop;
    struct service *service;
};

struct grpc_server_config {
    const char *address; /* "0.0.0.0:50051", "[::]:0", "localhost:50051" */
    uint32_t connections_max;
    struct door_limits *limits; /* borrowed; shared with other doors */
    uint64_t memory_max;        /* of gRPC core's resource quota; 0: none */
};

/* Named apart from gRPC core's own struct grpc_server. */
struct grpc_door;

/* Workers are borrowed and must outlive the door. Listens at once (so that a taken port is an error
 * here, in words: "GRPC_ADDR 127.0.0.1:50051: address already in use"), accepts after start. */
enum status grpc_door_new(const struct grpc_server_config *config,
                          const struct grpc_server_worker *workers, uint32_t worker_count,
                          struct grpc_door **out_door, struct error *err) NODISCARD;
/* Starts gRPC core and the pump threads; the loops may or may not run yet. */
void grpc_door_start(struct grpc_door *door);
/* The port in use (the real one when the address said 0). */
uint16_t grpc_door_port(const struct grpc_door *door);

/* Health of "" and of every service but "liveness" (which serves until the end). From loop 0. Each
 * change reaches the watchers once. */
void grpc_door_set_serving(struct grpc_door *door, bool is_serving);

/* Stops accepting, sends GOAWAY, lets the calls in flight finish; those left after timeout_ms are
 * cancelled. `drained` is called once, on loop 0, when nothing is left. From loop 0. */
void grpc_door_drain(struct grpc_door *door, int64_t timeout_ms, void (*drained)(void *arg),
                     void *arg);
/* After `drained`, with the loops stopped (or run by this thread): joins the pumps. */
void grpc_door_free(struct grpc_door *door);
