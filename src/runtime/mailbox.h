/* Messages from other threads to one loop: a lock-free list and an eventfd.
 *
 * Any thread may put; one thread (the owner) takes. Order: per sender, first in first out. The
 * eventfd is written only when the list was empty, so a burst costs one wake-up.
 * Memory: a letter is embedded in its object and belongs to the mailbox from put until take. */
#pragma once

#include "base/macros.h"

#include <stdatomic.h>
#include <stdbool.h>

struct letter {
    struct letter *next;
    void (*open)(struct letter *letter); /* called on the owner's loop */
};

struct mailbox {
    _Atomic(struct letter *) head; /* newest first */
    int wake_fd;                   /* eventfd, readable while something may be in it */
};

/* false when no descriptor is left. */
bool mailbox_init(struct mailbox *mailbox) NODISCARD;
void mailbox_deinit(struct mailbox *mailbox);

/* From any thread. */
void mailbox_put(struct mailbox *mailbox, struct letter *letter);
/* Owner only: everything put so far, oldest first, linked by `next`; NULL when empty. */
struct letter *mailbox_take(struct mailbox *mailbox);
/* Owner only: takes and opens all, at most until the list was once found empty; returns how many. */
unsigned mailbox_open_all(struct mailbox *mailbox);
