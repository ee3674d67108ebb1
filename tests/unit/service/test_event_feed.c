/* Subscribe over events in memory: when a reader is told, of what, and when it ends. */
#include "fake/failing_heap.h"
#include "fake/fake_clock.h"
#include "fake/fake_event_store.h"

#include "base/limits.h"
#include "service/event_feed.h"
#include "service/service.h"

#include "shop/v1/events.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum {
    PASS_MS = 200,
    BLIND_MS = 10000,
    QUIET_MS = 15000,
    PAGE_EVENTS = 100,
    READERS = 50,
};

struct fixture {
    struct fake_clock clock;
    struct fake_event_store events;
    struct service service;
};

/* A door with one reader; what he was sent. */
struct reader {
    struct fixture *fixture;
    struct stream stream;
    struct arena *arena;
    bool reads_on; /* takes each message as soon as it comes */
    bool wants;
    unsigned event_count, position_count; /* messages with and without an event */
    int64_t position;                     /* of the last message */
    bool is_open;
};

/* ---- Fixture ------------------------------------------------------------------------------- */

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fake_clock_init(&fixture->clock);
    fake_event_store_init(&fixture->events, &fixture->clock.base);
    fixture->service.event_feed = event_feed_new(&fixture->events.base, &fixture->clock.base);
    *state = fixture;
    return fixture->service.event_feed == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(event_feed_count(fixture->service.event_feed), 0);
    event_feed_free(fixture->service.event_feed);
    free(fixture);
    return 0;
}

static int64_t append(struct fixture *fixture)
{
    return fake_event_store_append(&fixture->events, "");
}

static void append_many(struct fixture *fixture, unsigned count, const char *caller)
{
    for (unsigned i = 0; i < count; i++)
        fake_event_store_append(&fixture->events, caller);
}

static void advance(struct fixture *fixture, int64_t ms)
{
    fake_clock_advance(&fixture->clock, ms);
}

/* ---- Readers ------------------------------------------------------------------------------- */

static void on_message(struct stream *stream, const ProtobufCMessage *message)
{
    struct reader *reader = CONTAINER_OF(stream, struct reader, stream);
    const Shop__V1__OrderEvent *event = (const Shop__V1__OrderEvent *)(const void *)message;

    assert_true(reader->is_open);
    assert_ptr_equal(message->descriptor, &shop__v1__order_event__descriptor);
    assert_true(event->position > reader->position);
    reader->position = event->position;
    if (*event->order_id != '\0')
        reader->event_count++;
    else
        reader->position_count++;
    reader->wants = reader->reads_on;
}

static void on_end(struct stream *stream)
{
    struct reader *reader = CONTAINER_OF(stream, struct reader, stream);

    assert_true(reader->is_open);
    reader->is_open = false;
    reader->wants = false;
}

/* Asks for the next message, as a door does when the last one has been taken. */
static void take(struct reader *reader)
{
    stream_next(&reader->stream);
}

static void start_as(struct fixture *fixture, struct reader *reader, const char *caller,
                     int64_t after_position, bool only_new)
{
    struct arena *arena = arena_new(LIMIT_ARENA_SIZE);
    Shop__V1__SubscribeRequest *request;

    assert_non_null(arena);
    request = ARENA_NEW(arena, Shop__V1__SubscribeRequest);
    shop__v1__subscribe_request__init(request);
    request->after_position = after_position;
    request->only_new = only_new;
    *reader = (struct reader){
        .fixture = fixture,
        .arena = arena,
        .is_open = true,
        .stream = {.request = &request->base,
                   .arena = arena,
                   .caller = arena_strdup(arena, caller),
                   .on_message = on_message,
                   .on_end = on_end},
    };
    order_events_subscribe(&fixture->service, &reader->stream);
    if (reader->is_open)
        take(reader);
}

static void start(struct fixture *fixture, struct reader *reader, int64_t after_position)
{
    start_as(fixture, reader, "", after_position, false);
}

/* He reads as fast as he can, until nothing comes any more. */
static void read_on(struct reader *reader)
{
    reader->reads_on = true;
    take(reader);
    do {
        reader->wants = false;
        advance(reader->fixture, 0);
        if (reader->wants)
            take(reader);
    } while (reader->wants);
    reader->reads_on = false;
}

/* The reader leaves, if he is there still, and all his memory goes at once. */
static void leave(struct reader *reader)
{
    if (reader->is_open)
        stream_stop(&reader->stream);
    reader->is_open = false;
    arena_free(reader->arena);
    memset(&reader->stream, 0xa5, sizeof(reader->stream));
}

static void assert_ended(const struct reader *reader, enum reason reason)
{
    assert_false(reader->is_open);
    assert_string_equal(reason_key(reader->stream.err.reason), reason_key(reason));
}

/* ---- What is sent, and when ---------------------------------------------------------------- */

static void events_are_sent_one_by_one_as_the_reader_takes_them(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader;

    append_many(fixture, 3, "");
    start(fixture, &reader, 0);
    assert_int_equal(reader.event_count, 0); /* never from inside */
    advance(fixture, 0);
    assert_int_equal(reader.event_count, 1);
    advance(fixture, 10 * PASS_MS);
    assert_int_equal(reader.event_count, 1);
    take(&reader);
    assert_int_equal(reader.event_count, 1);
    advance(fixture, 0);
    assert_int_equal(reader.event_count, 2);
    assert_int_equal(fixture->events.page_count, 1);
    leave(&reader);
}

static void what_happens_later_is_found_within_a_pass(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader;
    int64_t last = append(fixture);

    start(fixture, &reader, last);
    advance(fixture, PASS_MS / 2);
    assert_int_equal(reader.event_count, 0);
    last = append(fixture);
    advance(fixture, PASS_MS);
    assert_int_equal(reader.event_count, 1);
    assert_int_equal(reader.position, last);
    leave(&reader);
}

static void nothing_is_read_beyond_where_the_feed_is_complete(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader;
    const int64_t first = append(fixture), second = append(fixture);

    fixture->events.complete = first;
    start(fixture, &reader, 0);
    advance(fixture, 0);
    take(&reader);
    advance(fixture, 10 * PASS_MS);
    assert_int_equal(reader.event_count, 1);
    assert_int_equal(reader.position, first);
    fixture->events.complete = second;
    advance(fixture, PASS_MS);
    assert_int_equal(reader.position, second);
    leave(&reader);
}

static void one_far_behind_reads_page_after_page_without_looks(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader;

    append_many(fixture, 5 * PAGE_EVENTS / 2, "");
    start(fixture, &reader, 0);
    advance(fixture, 0);
    read_on(&reader);
    assert_int_equal(reader.event_count, 5 * PAGE_EVENTS / 2);
    assert_int_equal(fixture->events.page_count, 3);
    assert_int_equal(fixture->events.look_count, 1);
    leave(&reader);
}

static void all_who_wait_share_a_look(void **state)
{
    struct fixture *fixture = *state;
    static struct reader readers[READERS];
    int64_t last = append(fixture);
    uint32_t before;

    for (unsigned i = 0; i < READERS; i++) {
        start(fixture, &readers[i], last);
        advance(fixture, 1); /* they come at different times */
    }
    assert_int_equal(event_feed_count(fixture->service.event_feed), READERS);
    advance(fixture, PASS_MS);
    before = fixture->events.look_count;
    advance(fixture, 10 * PASS_MS);
    assert_int_equal(fixture->events.look_count, before + 10);
    assert_int_equal(fixture->events.page_count, 0);
    append(fixture);
    advance(fixture, PASS_MS);
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(readers[i].event_count, 1);
        leave(&readers[i]);
    }
}

static void nobody_looks_while_no_reader_waits(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader;

    assert_int_equal(fake_clock_next_ms(&fixture->clock), -1);
    append(fixture);
    start(fixture, &reader, 0);
    advance(fixture, 0);
    assert_int_equal(fake_clock_next_ms(&fixture->clock), -1); /* he rests */
    take(&reader);
    assert_true(fake_clock_next_ms(&fixture->clock) >= 0);
    leave(&reader);
    assert_int_equal(fake_clock_next_ms(&fixture->clock), -1);
}

/* ---- Where it begins ----------------------------------------------------------------------- */

static void only_new_begins_where_the_feed_is_complete_and_says_so(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader;
    const int64_t first = append(fixture);

    append(fixture);
    fixture->events.complete = first;
    start_as(fixture, &reader, "", 0, true);
    advance(fixture, 0);
    assert_int_equal(reader.position_count, 1);
    assert_int_equal(reader.position, first);
    take(&reader);
    append(fixture);
    advance(fixture, PASS_MS);
    assert_int_equal(reader.event_count, 1); /* what was not complete when it began is new */
    read_on(&reader);
    assert_int_equal(reader.event_count, 2);
    leave(&reader);
}

static void only_new_waits_until_it_is_known_where_that_is(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader;
    const int64_t last = append(fixture);

    fixture->events.complete = 0;
    start_as(fixture, &reader, "", 0, true);
    advance(fixture, 3 * PASS_MS);
    assert_int_equal(reader.position_count, 0);
    fixture->events.complete = last;
    advance(fixture, PASS_MS);
    assert_int_equal(reader.position, last);
    leave(&reader);
}

static void only_new_of_an_empty_feed_begins_before_all_events(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader;

    start_as(fixture, &reader, "", 0, true);
    advance(fixture, 0);
    assert_int_equal(reader.position, EVENT_POSITION_START);
    append(fixture);
    take(&reader);
    advance(fixture, PASS_MS);
    assert_int_equal(reader.event_count, 1);
    leave(&reader);
}

static void a_position_counts_for_more_than_only_new(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader;
    const int64_t first = append(fixture), second = append(fixture);

    start_as(fixture, &reader, "", first, true);
    advance(fixture, 0);
    assert_int_equal(reader.event_count, 1);
    assert_int_equal(reader.position, second);
    leave(&reader);
}

static void a_position_beyond_the_last_event_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader;
    const int64_t last = append(fixture);

    start(fixture, &reader, last + 1);
    assert_true(reader.is_open);
    advance(fixture, 0);
    assert_ended(&reader, REASON_EVENT_POSITION_UNKNOWN);
    leave(&reader);
    start(fixture, &reader, -1);
    assert_ended(&reader, REASON_REQUEST_INVALID);
    leave(&reader);
}

/* He has it from another process, which is a moment ahead. */
static void a_position_younger_than_the_look_under_way_is_not_refused(void **state)
{
    struct fixture *fixture = *state;
    struct reader waits, comes;
    int64_t last = append(fixture);

    start(fixture, &waits, last);
    fixture->events.completion.hold = true;
    advance(fixture, 0); /* the look is under way, and has not seen the next event */
    last = append(fixture);
    start(fixture, &comes, last);
    fake_completion_release(&fixture->events.completion);
    advance(fixture, PASS_MS);
    assert_true(comes.is_open);
    assert_int_equal(comes.event_count, 0);
    leave(&waits);
    leave(&comes);
}

/* ---- Other callers ------------------------------------------------------------------------- */

static void events_of_other_callers_are_not_told(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader;

    for (unsigned i = 0; i < 10; i++) {
        append_many(fixture, 50, "bob");
        fake_event_store_append(&fixture->events, "alice");
    }
    start_as(fixture, &reader, "alice", 0, false);
    advance(fixture, 0);
    read_on(&reader);
    assert_int_equal(reader.event_count, 10);
    assert_int_equal(reader.position_count, 0);
    leave(&reader);
}

static void one_whom_nothing_concerns_is_told_how_far_it_has_come(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader;

    append_many(fixture, 1, "bob");
    start_as(fixture, &reader, "alice", 0, false);
    advance(fixture, QUIET_MS - 1);
    assert_int_equal(reader.position_count, 0);
    advance(fixture, QUIET_MS);
    assert_int_equal(reader.position_count, 0); /* nor when nothing at all happens */
    append_many(fixture, 1, "bob");
    advance(fixture, PASS_MS);
    assert_int_equal(reader.position_count, 1);
    assert_int_equal(reader.position, fixture->events.complete);
    take(&reader);
    append_many(fixture, 1, "bob");
    advance(fixture, QUIET_MS / 2);
    assert_int_equal(reader.position_count, 1);
    leave(&reader);
}

/* ---- Outages ------------------------------------------------------------------------------- */

static void fail_next(struct fixture *fixture)
{
    error_set(&fixture->events.completion.fail_next, REASON_STORE_UNAVAILABLE);
}

static void the_first_look_that_fails_ends_it(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader;

    fail_next(fixture);
    start(fixture, &reader, 0);
    advance(fixture, 0);
    assert_ended(&reader, REASON_STORE_UNAVAILABLE);
    leave(&reader);
}

static void a_failure_later_is_borne_for_ten_seconds(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader;

    append(fixture);
    start(fixture, &reader, 0);
    advance(fixture, 0);
    take(&reader);
    for (int64_t ms = 0; ms < BLIND_MS - PASS_MS; ms += PASS_MS) {
        fail_next(fixture);
        advance(fixture, PASS_MS);
    }
    assert_true(reader.is_open);
    for (unsigned i = 0; i < 2 && reader.is_open; i++) {
        fail_next(fixture);
        advance(fixture, PASS_MS);
    }
    assert_ended(&reader, REASON_STORE_UNAVAILABLE);
    leave(&reader);
    fixture->events.completion.fail_next = (struct error){0};
}

static void a_page_that_fails_is_read_again(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader;
    const int64_t first = append(fixture);

    start(fixture, &reader, 0);
    advance(fixture, 0);
    append(fixture);
    take(&reader);
    fixture->events.completion.hold = true;
    advance(fixture, PASS_MS); /* a look */
    fail_next(fixture);        /* the page after it */
    fake_completion_release(&fixture->events.completion);
    advance(fixture, 0);
    assert_int_equal(reader.position, first);
    advance(fixture, PASS_MS);
    assert_int_equal(reader.event_count, 2);
    leave(&reader);
}

/* ---- Readers who leave --------------------------------------------------------------------- */

static void let_go(struct fixture *fixture)
{
    fixture->events.hold_pages = false;
    fake_completion_release(&fixture->events.completion);
    advance(fixture, 0);
}

static void a_reader_may_leave_at_any_moment(void **state)
{
    struct fixture *fixture = *state;
    struct reader stays, reader;

    append_many(fixture, 2, "");
    start(fixture, &stays, 0);
    advance(fixture, 0);
    for (int moment = 0; moment < 7; moment++) {
        start(fixture, &reader, 0); /* 0: he waits for a look */
        fixture->events.completion.hold = moment == 1;
        fixture->events.hold_pages = moment == 2;
        if (moment > 0)
            advance(fixture, PASS_MS); /* 1: it is under way; 2: a page is; 3: he has an event */
        if (moment > 3)
            take(&reader); /* 4: for the end of the turn */
        if (moment > 4)
            advance(fixture, 0);
        if (moment > 5)
            take(&reader); /* 6: for a look again */
        leave(&reader);
        assert_int_equal(event_feed_count(fixture->service.event_feed), 1);
        let_go(fixture);
    }
    assert_int_equal(stays.event_count, 1);
    leave(&stays);
}

/* A store that keeps the page until the test ends it. */
static struct event_page *kept;

static void keep(struct event_store *store, struct event_page *page)
{
    (void)store;
    kept = page;
}

static void a_page_under_way_borrows_nothing_of_the_stream(void **state)
{
    struct fixture *fixture = *state;
    const struct event_store_ops *ops = fixture->events.base.ops;
    const struct event_store_ops keeping = {.look = ops->look, .page = keep};
    struct reader reader;

    append_many(fixture, 2, "alice");
    fixture->events.base.ops = &keeping;
    start_as(fixture, &reader, "alice", 0, false);
    advance(fixture, 0);
    assert_non_null(kept);
    leave(&reader);
    fixture->events.base.ops = ops;
    assert_string_equal(kept->caller, "alice");
    ops->page(&fixture->events.base, kept);
    advance(fixture, 0);
}

/* ---- Memory that runs out ------------------------------------------------------------------ */

static void take_what_comes(struct reader *reader, unsigned passes)
{
    reader->reads_on = true;
    for (unsigned i = 0; i < passes; i++) {
        advance(reader->fixture, PASS_MS);
        while (reader->wants) {
            reader->wants = false;
            take(reader);
            advance(reader->fixture, 0);
        }
    }
}

/* He has all events, or was told so, and goes on behind the last that he has. */
static void read_without_memory(void *context)
{
    const bool *only_new = context;
    struct fixture *fixture;
    struct reader reader, next;
    unsigned event_count;
    void *state = NULL;

    assert_int_equal(setup(&state), 0);
    fixture = state;
    append_many(fixture, 3, "");
    failing_heap_begin();
    start_as(fixture, &reader, "", 0, *only_new);
    if (reader.is_open)
        take_what_comes(&reader, 3);
    append_many(fixture, 2, "");
    take_what_comes(&reader, 3);
    failing_heap_end();
    take_what_comes(&reader, 3);
    event_count = reader.event_count;
    if (!reader.is_open) {
        assert_ended(&reader, REASON_OUT_OF_MEMORY);
        assert_true(failing_heap_has_failed());
        start_as(fixture, &next, "", reader.position, false);
        take_what_comes(&next, 3);
        event_count += next.event_count;
        leave(&next);
    }
    if (!*only_new)
        assert_int_equal(event_count, 5);
    else if (reader.is_open)
        assert_int_equal(event_count, 2);
    leave(&reader);
    teardown(&state);
}

static void no_event_is_lost_wherever_memory_runs_out(void **state)
{
    for (int i = 0; i <= 1; i++) {
        failing_heap_each(read_without_memory, &(bool){i == 1});
        failing_heap_from_each(read_without_memory, &(bool){i == 1});
    }
}

static void make_feed(void *context)
{
    struct fixture *fixture = context;
    struct event_feed *feed;

    failing_heap_begin();
    feed = event_feed_new(&fixture->events.base, &fixture->clock.base);
    failing_heap_end();
    assert_int_equal(feed == NULL, failing_heap_has_failed());
    event_feed_free(feed);
}

static void there_is_no_feed_without_memory(void **state)
{
    failing_heap_each(make_feed, *state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(events_are_sent_one_by_one_as_the_reader_takes_them),
        TEST(what_happens_later_is_found_within_a_pass),
        TEST(nothing_is_read_beyond_where_the_feed_is_complete),
        TEST(one_far_behind_reads_page_after_page_without_looks),
        TEST(all_who_wait_share_a_look),
        TEST(nobody_looks_while_no_reader_waits),
        TEST(only_new_begins_where_the_feed_is_complete_and_says_so),
        TEST(only_new_waits_until_it_is_known_where_that_is),
        TEST(only_new_of_an_empty_feed_begins_before_all_events),
        TEST(a_position_counts_for_more_than_only_new),
        TEST(a_position_beyond_the_last_event_is_refused),
        TEST(a_position_younger_than_the_look_under_way_is_not_refused),
        TEST(events_of_other_callers_are_not_told),
        TEST(one_whom_nothing_concerns_is_told_how_far_it_has_come),
        TEST(the_first_look_that_fails_ends_it),
        TEST(a_failure_later_is_borne_for_ten_seconds),
        TEST(a_page_that_fails_is_read_again),
        TEST(a_reader_may_leave_at_any_moment),
        TEST(a_page_under_way_borrows_nothing_of_the_stream),
        cmocka_unit_test(no_event_is_lost_wherever_memory_runs_out),
        TEST(there_is_no_feed_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
