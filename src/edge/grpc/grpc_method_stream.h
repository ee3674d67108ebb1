/* Streams of the table of methods: those rows that have a function which opens a stream. */
#pragma once

#include "edge/grpc/grpc_stream.h"

extern const struct stream_ops method_stream_ops;
