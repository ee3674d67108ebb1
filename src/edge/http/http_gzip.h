/* Compressing answers. */
#pragma once

#include "base/arena.h"
#include "base/macros.h"

#include <stddef.h>

/* The bytes as gzip, in the arena; NULL when that would not make them fewer, or without memory. */
const char *http_gzip(const char *bytes, size_t size, struct arena *arena, size_t *out_size)
    NODISCARD;
