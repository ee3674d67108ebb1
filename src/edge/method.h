/* THE table of methods: the only place that knows which method is what. Both doors read it.
 *
 * A row: gRPC path, request and reply descriptors, service function (one that answers, or one that
 * opens a stream), what it counts as. The HTTP rules come from the google.api.http options in the
 * embedded descriptor set. A test compares the table with the descriptor set: every method of
 * shop.v1.Catalog, Orders and OrderEvents, in the same order. */
#pragma once

#include "service/service.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

enum method_kind {
    METHOD_READ, /* no side effects */
    METHOD_WRITE,
    METHOD_ORDER, /* waits for an order: counts against MAX_ORDERS, not MAX_CALLS */
};

struct method {
    const char *service; /* "shop.v1.Orders" */
    const char *name;    /* "ProcessOrder" */
    const char *path;    /* "/shop.v1.Orders/ProcessOrder" */
    const ProtobufCMessageDescriptor *request;
    const ProtobufCMessageDescriptor *reply;
    service_fn *run;         /* NULL: a stream, or not served yet (UNIMPLEMENTED) */
    service_stream_fn *open; /* of a method that streams its reply; NULL: others */
    /* Of such a method: the int64 field of a reply that says where it stands ("revision"); the
     * request's "after_<field>" resumes after it. And whether the stream has no end of its own. */
    const char *resume_field;
    bool is_endless;
    enum method_kind kind;
    unsigned slot_count; /* calls asked of gRPC core in advance, per worker */
};

extern const struct method method_table[];
extern const size_t method_count;
