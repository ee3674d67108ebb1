/* How an error, or a good end, is told over gRPC: status, message and trailing metadata. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

#include <grpc/grpc.h>
#include <stdbool.h>

enum {
    GRPC_TRAILERS_MAX = 3
};

struct grpc_trailers {
    grpc_status_code code;
    grpc_slice message; /* gRPC core percent-encodes it */
    grpc_metadata metadata[GRPC_TRAILERS_MAX];
    size_t count;
};

/* `err` with status OK tells of a good end. `arena` may be NULL (there was no memory): then without
 * details. `replayed`: the answer repeats an earlier one. To be deinit-ed after the batch that
 * sends it has ended. */
void grpc_trailers_init(struct grpc_trailers *trailers, const struct error *err, bool replayed,
                        struct arena *arena);
void grpc_trailers_deinit(struct grpc_trailers *trailers);

/* `idempotent-replayed: true`; all of it is constant memory, so it needs no unref. */
grpc_metadata grpc_replayed_metadata(void);
