/* The feed of events in memory: what the SQL of the real store does, in a loop over an array. */
#include "fake/fake_event_store.h"

#include <assert.h>
#include <string.h>

static struct fake_event_store *fake_of(struct event_store *store)
{
    return CONTAINER_OF(store, struct fake_event_store, base);
}

static void fake_look(struct event_store *store, struct event_look *look)
{
    struct fake_event_store *fake = fake_of(store);

    fake->look_count++;
    if (!fake_completion_begin(&fake->completion, &look->call))
        return;
    look->newest = fake->count == 0 ? 0 : fake->rows[fake->count - 1].event.position;
    look->mark.complete = fake->complete;
    fake_completion_end(&fake->completion, &look->call);
}

static void fake_page(struct event_store *store, struct event_page *page)
{
    struct fake_event_store *fake = fake_of(store);
    uint32_t looked_at = 0;

    fake->page_count++;
    fake->completion.hold |= fake->hold_pages;
    if (!fake_completion_begin(&fake->completion, &page->call))
        return;
    assert(page->after < page->until && page->until <= fake->complete && page->limit > 0);
    page->events = arena_array(page->call.arena, page->limit, sizeof(*page->events));
    assert(page->events != NULL);
    page->count = 0;
    page->read_to = page->after;
    for (uint32_t i = 0; i < fake->count && looked_at < page->limit; i++) {
        const struct fake_event *row = &fake->rows[i];
        if (row->event.position <= page->after || row->event.position > page->until)
            continue;
        looked_at++;
        page->read_to = row->event.position;
        if (strcmp(row->caller, page->caller) == 0)
            page->events[page->count++] = row->event;
    }
    fake_completion_end(&fake->completion, &page->call);
}

void fake_event_store_init(struct fake_event_store *store, struct clock *clock)
{
    static const struct event_store_ops ops = {.look = fake_look, .page = fake_page};

    *store = (struct fake_event_store){.base.ops = &ops};
    fake_completion_init(&store->completion, clock);
}

int64_t fake_event_store_append(struct fake_event_store *store, const char *caller)
{
    struct fake_event *row = &store->rows[store->count];

    assert(store->count < FAKE_EVENTS_MAX);
    store->count++;
    row->caller = caller;
    row->event = (struct feed_event){
        .position = EVENT_POSITION_START + 2 * (int64_t)store->count,
        .order_id.bytes = {(uint8_t)store->count},
        .event = {.revision = 1, .state = ORDER_PENDING, .outcome = OUTCOME_DONE, .time_us = 1},
    };
    store->complete = row->event.position;
    return row->event.position;
}
