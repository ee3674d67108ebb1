/* Looks up the names in a host list on a thread of its own, because getaddrinfo blocks.
 *
 * A name with several addresses becomes several hosts. Belongs to its loop; a look-up that hangs
 * outlives even the loop without harm, since the thread shares nothing with it but this object. */
#pragma once

#include "runtime/loop.h"
#include "store/pg_hosts.h"

struct pg_resolve;

/* `hosts` is NULL when no host could be found; valid during the call only. */
typedef void pg_resolve_done_fn(void *arg, const struct pg_hosts *hosts);

/* `done` runs once, on the loop, never from inside, unless cancelled before. NULL when no thread or
 * memory is to be had. */
struct pg_resolve *pg_resolve_start(struct loop *loop, const struct pg_hosts *hosts,
                                    pg_resolve_done_fn *done, void *arg) NODISCARD;
void pg_resolve_cancel(struct pg_resolve *resolve); /* NULL does nothing */
