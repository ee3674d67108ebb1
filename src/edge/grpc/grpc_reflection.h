/* grpc.reflection.v1 and v1alpha: tells tools such as grpcurl what this server offers.
 *
 * The two versions have the same messages on the wire, and get the same answers. What is not found is
 * an error_response, not the end of the stream. */
#pragma once

#include "edge/grpc/grpc_stream.h"

extern const struct method reflection_v1_method, reflection_v1alpha_method;
extern const struct stream_ops reflection_ops;
