/* Unary calls: from the slot that waits for one to the end of its answer.
 *
 * All functions on the worker's loop. (gRPC core's own calls are `grpc_call`, so ours are unary_call.) */
#pragma once

#include "edge/grpc/grpc_worker.h"

/* Asks gRPC core for one more call of the route. Every slot asks for its successor by itself; so this
 * is called slot_count times a route, at start. */
void unary_call_post(struct grpc_worker *worker, struct grpc_route *route);

/* Answers the calls that are with the service SHUTTING_DOWN, without waiting for it. The service may
 * end them later, or never; their memory stays until then, or unary_call_free_all. */
void unary_call_abandon_all(struct grpc_worker *worker);

/* Frees what is left when the service will not end any more calls: abandoned calls and spare memory. */
void unary_call_free_all(struct grpc_worker *worker);
