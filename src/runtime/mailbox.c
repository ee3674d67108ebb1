/* The mailbox: a list onto which any thread pushes, and which its owner takes as a whole.
 *
 * Why no wake-up is lost: a sender that finds the list empty writes the eventfd *after* its letter
 * is on the list; the owner reads the eventfd *before* it empties the list. A letter that comes
 * between the two is taken with the rest; one that comes later finds the list empty and writes. */
#include "runtime/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/mailbox_internal.h"

bool mailbox_init(struct mailbox *mailbox)
{
    atomic_init(&mailbox->head, NULL);
    mailbox->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return mailbox->wake_fd >= 0;
}

void mailbox_deinit(struct mailbox *mailbox)
{
    if (mailbox->wake_fd >= 0)
        close(mailbox->wake_fd);
    mailbox->wake_fd = -1;
}

void mailbox__wake(struct mailbox *mailbox)
{
    uint64_t one = 1;
    ssize_t written;

    do {
        written = write(mailbox->wake_fd, &one, sizeof(one));
    } while (written < 0 && errno == EINTR);
    /* EAGAIN: the counter is full, hence readable, which is all that is wanted. */
    assert(written == sizeof(one) || errno == EAGAIN);
}

static void mailbox_clear_wake(struct mailbox *mailbox)
{
    uint64_t count;
    ssize_t size;

    do {
        size = read(mailbox->wake_fd, &count, sizeof(count));
    } while (size < 0 && errno == EINTR);
    assert(size == sizeof(count) || errno == EAGAIN);
}

void mailbox_put(struct mailbox *mailbox, struct letter *letter)
{
    struct letter *head = atomic_load_explicit(&mailbox->head, memory_order_relaxed);

    /* Release pairs with the acquire in mailbox_take(): the owner sees what the letter stands in. */
    do {
        letter->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->head, &head, letter,
                                                    memory_order_release, memory_order_relaxed));
    /* From here on the letter may be gone already. */
    if (head == NULL)
        mailbox__wake(mailbox);
}

struct letter *mailbox_take(struct mailbox *mailbox)
{
    struct letter *newest, *oldest = NULL;

    mailbox_clear_wake(mailbox);
    newest = atomic_exchange_explicit(&mailbox->head, NULL, memory_order_acquire);
    while (newest != NULL) {
        struct letter *older = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    return oldest;
}

unsigned mailbox_open_all(struct mailbox *mailbox)
{
    struct letter *letter = mailbox_take(mailbox);
    unsigned count = 0;

    /* Letters put meanwhile wait for the next turn, so that senders cannot hold the owner here. */
    while (letter != NULL) {
        struct letter *next = letter->next;
        letter->open(letter);
        letter = next;
        count++;
    }
    return count;
}
