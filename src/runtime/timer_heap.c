/* The pairing heap: a tree in which no child is due before its parent. Children of one parent form a
 * list; `back` of a child is the sibling before it, or the parent for the first one. */
#include "runtime/timer_heap.h"

#include <assert.h>
#include <stddef.h>

/* Slots of clock_timer.adapter. */
enum {
    SLOT_CHILD,
    SLOT_SIBLING,
    SLOT_BACK,
    SLOT_DUE
};

static struct clock_timer *get(const struct clock_timer *timer, int slot)
{
    return timer->adapter[slot];
}

int64_t timer_heap_due_ms(const struct clock_timer *timer)
{
    return (int64_t)(intptr_t)timer->adapter[SLOT_DUE];
}

struct clock_timer *timer_heap_first(const struct timer_heap *heap)
{
    return heap->root;
}

/* Joins two trees without siblings; either may be NULL. */
static struct clock_timer *join(struct clock_timer *a, struct clock_timer *b)
{
    struct clock_timer *child;

    if (a == NULL)
        return b;
    if (b == NULL)
        return a;
    if (timer_heap_due_ms(b) < timer_heap_due_ms(a)) {
        child = a;
        a = b;
    } else {
        child = b;
    }
    child->adapter[SLOT_BACK] = a;
    child->adapter[SLOT_SIBLING] = get(a, SLOT_CHILD);
    if (get(a, SLOT_CHILD) != NULL)
        get(a, SLOT_CHILD)->adapter[SLOT_BACK] = child;
    a->adapter[SLOT_CHILD] = child;
    return a;
}

static struct clock_timer *cut_off(struct clock_timer *tree)
{
    tree->adapter[SLOT_SIBLING] = NULL;
    tree->adapter[SLOT_BACK] = NULL;
    return tree;
}

/* Makes one tree of a list of siblings: joins them in pairs from left to right, then the pairs from
 * right to left. The pairs are chained through SLOT_SIBLING meanwhile. */
static struct clock_timer *join_siblings(struct clock_timer *first)
{
    struct clock_timer *pairs = NULL, *root = NULL;

    while (first != NULL) {
        struct clock_timer *a = first;
        struct clock_timer *b = get(a, SLOT_SIBLING);
        struct clock_timer *pair;

        first = b == NULL ? NULL : get(b, SLOT_SIBLING);
        cut_off(a);
        pair = join(a, b == NULL ? NULL : cut_off(b));
        pair->adapter[SLOT_SIBLING] = pairs;
        pairs = pair;
    }
    while (pairs != NULL) {
        struct clock_timer *next = get(pairs, SLOT_SIBLING);
        root = join(root, cut_off(pairs));
        pairs = next;
    }
    return root;
}

void timer_heap_push(struct timer_heap *heap, struct clock_timer *timer, int64_t due_ms)
{
    assert(due_ms >= 0);
    timer->adapter[SLOT_CHILD] = NULL;
    timer->adapter[SLOT_DUE] = (void *)(intptr_t)due_ms;
    heap->root = join(heap->root, cut_off(timer));
}

/* Takes a tree that is not the root out of the list it stands in. */
static void unlink_tree(struct clock_timer *tree)
{
    struct clock_timer *back = get(tree, SLOT_BACK);
    struct clock_timer *sibling = get(tree, SLOT_SIBLING);

    assert(back != NULL);
    if (get(back, SLOT_CHILD) == tree)
        back->adapter[SLOT_CHILD] = sibling;
    else
        back->adapter[SLOT_SIBLING] = sibling;
    if (sibling != NULL)
        sibling->adapter[SLOT_BACK] = back;
}

void timer_heap_remove(struct timer_heap *heap, struct clock_timer *timer)
{
    struct clock_timer *rest = join_siblings(get(timer, SLOT_CHILD));

    assert(heap->root != NULL);
    if (heap->root == timer) {
        heap->root = rest;
        return;
    }
    unlink_tree(timer);
    heap->root = join(heap->root, rest);
}
