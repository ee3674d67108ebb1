/* The feed of events over PostgreSQL. What makes it complete and keeps its order is in
 * sql/0007_events.sql. */
#include "store/order_row.h"
#include "store/store_pg.h"

#include <assert.h>

/* Columns of a look, after ord; and of a page, where those of another caller's event are NULL but for
 * its position. */
enum {
    COMPLETE = 1,
    PENDING = 2,
    FENCE = 3,
    NEWEST = 4,
    POSITION = 1,
    ORDER_ID = 2,
    EVENT = 3
};

/* A page ends early once its events take so much memory: a slow reader holds one. */
enum {
    PAGE_ARENA_SIZE = 64 * 1024
};

static struct event_store_pg *store_of(struct event_store *base)
{
    return CONTAINER_OF(base, struct event_store_pg, base);
}

/* ---- look ---- */

static void look_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct event_look *look = CONTAINER_OF(call, struct event_look, call);

    pg_put_int8(params, 0, look->mark.complete);
    pg_put_int8(params, 1, look->mark.pending);
    pg_put_int8(params, 2, look->mark.fence);
}

static void look_row(struct store_call *call, const struct pg_row *row)
{
    struct event_look *look = CONTAINER_OF(call, struct event_look, call);

    look->mark = (struct event_mark){.complete = pg_get_int8(row, COMPLETE),
                                     .pending = pg_get_int8(row, PENDING),
                                     .fence = pg_get_int8(row, FENCE)};
    look->newest = pg_get_int8(row, NEWEST);
}

static const struct pg_batch_codec look_codec = {PG_EVENTS_LOOK, look_encode, look_row, NULL};

static void store_look(struct event_store *store, struct event_look *look)
{
    pg_batch_start(store_of(store)->pool, &look_codec, &look->call);
}

/* ---- page ---- */

static void page_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct event_page *page = CONTAINER_OF(call, struct event_page, call);

    pg_put_text(params, 0, page->caller);
    pg_put_int8(params, 1, page->after);
    pg_put_int8(params, 2, page->until);
    pg_put_int4(params, 3, (int32_t)page->limit);
}

static void page_row(struct store_call *call, const struct pg_row *row)
{
    struct event_page *page = CONTAINER_OF(call, struct event_page, call);
    struct feed_event *event;

    if (page->count > 0 && arena_used(call->arena) > PAGE_ARENA_SIZE)
        return;
    page->read_to = pg_get_int8(row, POSITION);
    if (pg_is_null(row, ORDER_ID))
        return; /* somebody else's */
    if (page->events == NULL)
        page->events = arena_array(call->arena, page->limit, sizeof(*page->events));
    event = page->events == NULL ? NULL : &page->events[page->count];
    if (event == NULL || !order_row_read_event(row, EVENT, call->arena, &event->event)) {
        error_set(&call->err, REASON_OUT_OF_MEMORY);
        return;
    }
    event->position = page->read_to;
    event->order_id = pg_get_uuid(row, ORDER_ID);
    page->count++;
}

static void page_end(struct store_call *call)
{
    struct event_page *page = CONTAINER_OF(call, struct event_page, call);

    if (page->read_to == page->after)
        page->read_to = page->until; /* they were deleted by somebody */
}

static const struct pg_batch_codec page_codec = {PG_EVENTS_PAGE, page_encode, page_row, page_end};

static void store_page(struct event_store *store, struct event_page *page)
{
    assert(page->limit > 0 && page->after < page->until);
    page->events = NULL;
    page->count = 0;
    page->read_to = page->after;
    pg_batch_start(store_of(store)->pool, &page_codec, &page->call);
}

/* ---- The store ---- */

static const struct event_store_ops ops = {.look = store_look, .page = store_page};

void event_store_pg_init(struct event_store_pg *store, struct pg_pool *pool)
{
    *store = (struct event_store_pg){.base.ops = &ops, .pool = pool};
}
