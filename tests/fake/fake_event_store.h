/* The feed of events in memory behind port/event_store.h.
 *
 * Its answers come with the next turn of the clock. A test appends events, and says up to where the feed
 * is complete. */
#pragma once

#include "fake/fake_completion.h"
#include "port/event_store.h"

enum {
    FAKE_EVENTS_MAX = 512
};

struct fake_event {
    struct feed_event event;
    const char *caller;
};

struct fake_event_store {
    struct event_store base;
    struct fake_completion completion;
    struct fake_event rows[FAKE_EVENTS_MAX]; /* by position */
    uint32_t count;
    int64_t complete; /* what a look finds */
    bool hold_pages;  /* the next page holds the completion, and itself in flight */
    uint32_t look_count, page_count;
};

void fake_event_store_init(struct fake_event_store *store, struct clock *clock);
/* Appends an event of an order of that caller, borrowed, two positions behind the last; its position. It
 * is complete unless the test says otherwise. */
int64_t fake_event_store_append(struct fake_event_store *store, const char *caller);
