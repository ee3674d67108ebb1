/* getrandom() behind port/random.h. A piece serves many ids, so that an order costs no system call
 * for chance; what was handed out is wiped, since claim tokens come from here. */
#include "runtime/random_system.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* getrandom() returns up to 256 bytes whole, even when a signal comes. */
enum {
    PIECE_SIZE = 256
};

struct random_system {
    struct random_source base;
    size_t left;
    unsigned char piece[PIECE_SIZE];
};

static void fetch(unsigned char *piece)
{
    ssize_t size;

    do {
        size = getrandom(piece, PIECE_SIZE, 0);
    } while (size < 0 && errno == EINTR);
    assert(size == PIECE_SIZE);
}

static void on_fill(struct random_source *base, void *data, size_t size)
{
    struct random_system *random = CONTAINER_OF(base, struct random_system, base);
    unsigned char *target = data;

    while (size > 0) {
        size_t step;

        if (random->left == 0) {
            fetch(random->piece);
            random->left = PIECE_SIZE;
        }
        step = MIN_OF(size, random->left);
        random->left -= step;
        memcpy(target, random->piece + random->left, step);
        explicit_bzero(random->piece + random->left, step);
        target += step;
        size -= step;
    }
}

static const struct random_source_ops random_system_ops = {.fill = on_fill};

struct random_source *random_system_new(void)
{
    struct random_system *random = calloc(1, sizeof(*random));

    if (random == NULL)
        return NULL;
    random->base.ops = &random_system_ops;
    return &random->base;
}

void random_system_free(struct random_source *random)
{
    struct random_system *system;

    if (random == NULL)
        return;
    system = CONTAINER_OF(random, struct random_system, base);
    explicit_bzero(system, sizeof(*system));
    free(system);
}
