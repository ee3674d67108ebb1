/* Turns errors into gRPC's trailers. What stands in the details is decided in
 * service/error_details. */
#include "edge/grpc/grpc_status.h"

#include "service/error_details.h"

#include <assert.h>
#include <grpc/slice.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

grpc_metadata grpc_replayed_metadata(void)
{
    grpc_metadata metadata;
    memset(&metadata, 0, sizeof(metadata));
    metadata.key = grpc_slice_from_static_string("idempotent-replayed");
    metadata.value = grpc_slice_from_static_string("true");
    return metadata;
}

static void add(struct grpc_trailers *trailers, const char *static_key, grpc_slice value)
{
    grpc_metadata *metadata = &trailers->metadata[trailers->count];

    assert(trailers->count < GRPC_TRAILERS_MAX);
    memset(metadata, 0, sizeof(*metadata));
    metadata->key = grpc_slice_from_static_string(static_key);
    metadata->value = value;
    trailers->count++;
}

static void add_details(struct grpc_trailers *trailers, const struct error *err,
                        struct arena *arena)
{
    uint8_t *packed = NULL;
    size_t size = arena == NULL ? 0 : error_pack_status(err, ERROR_STATUS_SIZE_MAX, arena, &packed);

    if (size > 0) {
        add(trailers, "grpc-status-details-bin",
            grpc_slice_from_copied_buffer((const char *)packed, size));
    }
}

static void add_pushback(struct grpc_trailers *trailers, const struct error *err)
{
    bool is_present = false;
    const int32_t pushback_ms = error_retry_pushback_ms(err, &is_present);
    char text[16];

    if (is_present) {
        snprintf(text, sizeof(text), "%" PRId32, pushback_ms);
        add(trailers, "grpc-retry-pushback-ms", grpc_slice_from_copied_string(text));
    }
}

void grpc_trailers_init(struct grpc_trailers *trailers, const struct error *err, bool replayed,
                        struct arena *arena)
{
    memset(trailers, 0, sizeof(*trailers));
    trailers->code = (grpc_status_code)err->status;
    trailers->message = grpc_empty_slice();
    if (error_is_set(err)) {
        trailers->message = grpc_slice_from_copied_string(err->message);
        add_details(trailers, err, arena);
        add_pushback(trailers, err);
    }
    if (replayed) {
        add(trailers, "idempotent-replayed", grpc_slice_from_static_string("true"));
    }
}

void grpc_trailers_deinit(struct grpc_trailers *trailers)
{
    grpc_slice_unref(trailers->message);
    for (size_t i = 0; i < trailers->count; i++) {
        grpc_slice_unref(trailers->metadata[i].value);
    }
    trailers->message = grpc_empty_slice();
    trailers->count = 0;
}
