/* grpc.health.v1.Health: whether calls can be served, for probes and for clients that balance load.
 *
 * Known services: "" (the server as a whole) and every service of method_table, which follow
 * shared->is_serving, and "liveness", which serves as long as the process answers. */
#pragma once

#include "edge/grpc/grpc_stream.h"

extern const struct method health_check_method, health_list_method, health_watch_method;
extern const struct stream_ops health_watch_ops;

void health_check(struct grpc_worker *worker, struct call *call);
void health_list(struct grpc_worker *worker, struct call *call);

/* Tells the watchers of this worker what has changed since they were last told. */
void health_tell_watchers(struct grpc_worker *worker);
