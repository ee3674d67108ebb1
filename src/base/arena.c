/* The arena: a first block of 4 KiB, then blocks that double from 1 KiB to 256 KiB, handed out from
 * front to back.
 *
 * A call usually needs one block, so each thread keeps some first blocks and a call costs no malloc.
 * An order in flight needs a little more, and there may be ten thousand: so the second one is small.
 * Not for anything that lives longer than a call, and not for buffers that grow (see buf). */
#include "base/arena.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_BLOCK_SIZE = 4 * 1024,
    SECOND_BLOCK_SIZE = 1024,
    BLOCK_SIZE_MAX = 256 * 1024,
    SPARE_BLOCKS_MAX = 256, /* 1 MiB a thread: the calls in flight of a busy worker */
    ALIGNMENT = _Alignof(max_align_t),
};

struct block {
    struct block *next; /* the one before it in time; of a spare block, the next spare one */
    size_t size;        /* of data */
    size_t used;
    _Alignas(ALIGNMENT) unsigned char data[];
};

struct arena {
    struct block *current;
    size_t used, size_max;
    size_t block_size_next;
};

/* The arena itself stands at the beginning of its first block. */
#define ARENA_SIZE ((sizeof(struct arena) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT)

/* ---- Blocks ------------------------------------------------------------------------------ */

struct spares {
    struct block *head;
    unsigned count;
    bool will_be_freed; /* at the end of the thread */
};
static _Thread_local struct spares spares;
static pthread_key_t spares_key;
static pthread_once_t spares_once = PTHREAD_ONCE_INIT;
static bool spares_have_key;

static void spares_free(void *arg)
{
    struct spares *list = arg;

    while (list->head != NULL) {
        struct block *block = list->head;
        list->head = block->next;
        free(block);
    }
    list->count = 0;
    list->will_be_freed = false;
}

static void spares_key_create(void)
{
    spares_have_key = pthread_key_create(&spares_key, spares_free) == 0;
}

/* Without a destructor nothing is kept: blocks of a thread that ended would be lost. */
static bool spares_may_keep(void)
{
    if (spares.will_be_freed)
        return spares.count < SPARE_BLOCKS_MAX;
    pthread_once(&spares_once, spares_key_create);
    spares.will_be_freed = spares_have_key && pthread_setspecific(spares_key, &spares) == 0;
    return spares.will_be_freed;
}

static struct block *block_new(size_t size)
{
    struct block *block = malloc(sizeof(*block) + size);

    if (block != NULL)
        *block = (struct block){.size = size};
    return block;
}

static struct block *first_block_take(void)
{
    struct block *block = spares.head;

    if (block == NULL)
        return block_new(FIRST_BLOCK_SIZE - sizeof(struct block));
    spares.head = block->next;
    spares.count--;
    block->next = NULL;
    block->used = 0;
    return block;
}

static void first_block_give(struct block *block)
{
    if (!spares_may_keep()) {
        free(block);
        return;
    }
    block->next = spares.head;
    spares.head = block;
    spares.count++;
}

/* ---- Life cycle -------------------------------------------------------------------------- */

struct arena *arena_new(size_t size_max)
{
    struct block *block = first_block_take();
    struct arena *arena;

    if (block == NULL)
        return NULL;
    arena = (struct arena *)(void *)block->data;
    block->used = ARENA_SIZE;
    *arena = (struct arena){
        .current = block, .size_max = size_max, .block_size_next = SECOND_BLOCK_SIZE};
    return arena;
}

void arena_free(struct arena *arena)
{
    struct block *block;

    if (arena == NULL)
        return;
    block = arena->current;
    while ((void *)block->data != (void *)arena) {
        struct block *next = block->next;
        free(block);
        block = next;
    }
    assert(block->next == NULL);
    first_block_give(block);
}

/* ---- Handing out ------------------------------------------------------------------------- */

/* Adds a block with room for `size`, which becomes the current one. */
static struct block *arena_grow(struct arena *arena, size_t size)
{
    bool large = size > arena->block_size_next - sizeof(struct block);
    struct block *block = block_new(large ? size : arena->block_size_next - sizeof(struct block));

    if (block == NULL)
        return NULL;
    block->next = arena->current;
    arena->current = block;
    if (!large && arena->block_size_next < BLOCK_SIZE_MAX)
        arena->block_size_next *= 2;
    return block;
}

static void *block_alloc(struct block *block, size_t size)
{
    void *result = block->data + block->used;

    assert(size <= block->size - block->used);
    block->used += size;
    return result;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t rounded;
    struct block *block = arena->current;

    if (size > arena->size_max)
        return NULL; /* also keeps the rounding from overflowing, since a maximum is small */
    assert(arena->size_max <= SIZE_MAX / 2);
    rounded = size == 0 ? ALIGNMENT : (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded > arena->size_max - arena->used)
        return NULL;
    if (rounded > block->size - block->used) {
        block = arena_grow(arena, rounded);
        if (block == NULL)
            return NULL;
    }
    arena->used += rounded;
    return block_alloc(block, rounded);
}

void *arena_alloc_zero(struct arena *arena, size_t size)
{
    void *result = arena_alloc(arena, size);

    if (result != NULL)
        memset(result, 0, size);
    return result;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return arena_alloc_zero(arena, total);
}

void *arena_memdup(struct arena *arena, const void *data, size_t size)
{
    void *copy = arena_alloc(arena, size);

    if (copy != NULL && size > 0)
        memcpy(copy, data, size);
    return copy;
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
    char *copy;

    if (text == NULL || len == SIZE_MAX)
        return NULL;
    copy = arena_alloc(arena, len + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_strndup(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    struct block *block = arena->current;
    char *room = (char *)block->data + block->used; /* where the text will be, if it fits */
    va_list args;
    char *text;
    int len;

    va_start(args, format);
    len = vsnprintf(room, block->size - block->used, format, args);
    va_end(args);
    text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (text == NULL || text == room)
        return text;
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}
