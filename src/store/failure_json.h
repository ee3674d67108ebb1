/* A failure in its stored form, which stands in domain/order.h: JSON of one object. */
#pragma once

#include "base/buf.h"
#include "domain/order.h"

#include <stdbool.h>

/* 100 short lines of an order and their ids are 12 KiB; a provider's texts are shorter. */
enum {
    FAILURE_JSON_SIZE_MAX = 64 * 1024
};

/* Appends it; the reason is set. buf->failed tells when there was no room. */
void failure_json_write(const struct failure *failure, struct buf *buf);
/* Reads it; NULL is no failure. A text that no version of this program wrote becomes INTERNAL, so
 * that the order can still be read. False when the arena is full. */
bool failure_json_read(const char *json, struct arena *arena, struct failure *out_failure)
    NODISCARD;
