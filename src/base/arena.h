/* Memory that lives and dies with one call.
 *
 * Invariants: nothing in an arena is freed singly; nothing that outlives the call points into it;
 * an arena never holds more than its maximum.
 * Not thread safe: an arena belongs to the loop of its call. */
#pragma once

#include "base/macros.h"

#include <stdarg.h>
#include <stddef.h>

struct arena;

/* A new, empty arena that will hold at most `size_max` bytes; NULL when out of memory. Small arenas
 * are kept by the thread for reuse. */
struct arena *arena_new(size_t size_max) NODISCARD;
void arena_free(struct arena *arena); /* NULL does nothing */

/* `size` bytes, aligned for any type; _zero sets them to 0. NULL when the maximum would be exceeded
 * or the system has none left. `size` 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size) NODISCARD;
void *arena_alloc_zero(struct arena *arena, size_t size) NODISCARD;
/* count * size, NULL on overflow too; zeroed. */
void *arena_array(struct arena *arena, size_t count, size_t size) NODISCARD;

/* Copies that end with NUL; NULL when there is no room. A NULL text gives NULL. */
char *arena_strdup(struct arena *arena, const char *text) NODISCARD;
char *arena_strndup(struct arena *arena, const char *text, size_t len) NODISCARD;
void *arena_memdup(struct arena *arena, const void *data, size_t size) NODISCARD;
char *arena_printf(struct arena *arena, const char *format, ...) NODISCARD PRINTF_LIKE(2, 3);

/* Bytes handed out so far. */
size_t arena_used(const struct arena *arena);

#define ARENA_NEW(arena, type) ((type *)arena_alloc_zero((arena), sizeof(type)))
/* An array of `count` pointers, all NULL. */
#define ARENA_POINTERS(arena, count) arena_array((arena), (count), sizeof(void *))
