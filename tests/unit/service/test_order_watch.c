/* WatchOrder over orders in memory: when a reader is told, of what, and when it ends. */
#include "order_parts.h"
#include "service_fixture.h"

#include "base/limits.h"
#include "service/order_watch.h"

#include <stdlib.h>

enum {
    READERS_MAX = 100,
    PASS_MS = 200,
    BLIND_MS = 10000,
};

/* A door with one reader; what he was sent. */
struct reader {
    struct fixture *fixture;
    struct stream stream;
    struct arena *arena;
    unsigned message_count;
    int64_t revision; /* of the last message */
    enum order_state state;
    bool is_open, has_ended;
};

/* ---- Fixture ------------------------------------------------------------------------------- */

static int setup(void **state)
{
    struct fixture *fixture;

    if (fixture_setup(state) != 0)
        return -1;
    fixture = *state;
    fixture_put_products(fixture);
    fixture->service.order_watches = order_watches_new(&fixture->orders.base, &fixture->clock.base);
    return fixture->service.order_watches == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(order_watches_count(fixture->service.order_watches), 0);
    order_watches_free(fixture->service.order_watches);
    return fixture_teardown(state);
}

static struct order *create(struct fixture *fixture)
{
    struct parts parts;
    const Shop__V1__Order *reply;
    struct uuid id;

    parts_init(&parts, 1);
    reply = fixture_reply(fixture, orders_create_order, &parts.create.base);
    assert_true(uuid_parse(reply->id, &id));
    fake_clock_advance(&fixture->clock, 5);
    return fake_order_store_find(&fixture->orders, &id);
}

static struct order *create_in(struct fixture *fixture, enum order_state state, int64_t revision)
{
    struct order *order = create(fixture);

    order->state = state;
    order->revision = revision;
    return order;
}

/* By somebody else: nobody is told. */
static void change(struct order *order, enum order_state state)
{
    order->state = state;
    order->revision++;
}

static void change_here(struct fixture *fixture, struct order *order, enum order_state state)
{
    change(order, state);
    service_order_changed(&fixture->service, &order->id);
}

/* ---- Readers ------------------------------------------------------------------------------- */

static void on_message(struct stream *stream, const ProtobufCMessage *message)
{
    struct reader *reader = CONTAINER_OF(stream, struct reader, stream);
    const Shop__V1__Order *order = (const Shop__V1__Order *)(const void *)message;

    assert_true(reader->is_open);
    assert_ptr_equal(message->descriptor, &shop__v1__order__descriptor);
    assert_string_equal(order->id, stream->order_id);
    reader->message_count++;
    reader->revision = order->revision;
    reader->state = (enum order_state)order->state;
}

static void on_end(struct stream *stream)
{
    struct reader *reader = CONTAINER_OF(stream, struct reader, stream);

    assert_true(reader->is_open);
    reader->is_open = false;
    reader->has_ended = true;
}

/* Asks for the next message, as a door does when the last one has been taken. */
static void take(struct reader *reader)
{
    stream_next(&reader->stream);
}

static void open_text(struct fixture *fixture, struct reader *reader, const char *id,
                      int64_t after_revision, const char *caller)
{
    struct arena *arena = arena_new(LIMIT_ARENA_SIZE);
    Shop__V1__WatchOrderRequest *request;

    assert_non_null(arena);
    request = ARENA_NEW(arena, Shop__V1__WatchOrderRequest);
    shop__v1__watch_order_request__init(request);
    request->id = arena_strdup(arena, id);
    request->after_revision = after_revision;
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
    orders_watch_order(&fixture->service, &reader->stream);
    if (reader->is_open)
        take(reader);
}

static void start(struct fixture *fixture, struct reader *reader, const struct order *order,
                  int64_t after_revision)
{
    char id[UUID_TEXT_SIZE];

    uuid_format(&order->id, id);
    open_text(fixture, reader, id, after_revision, order->caller);
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

static void advance(struct fixture *fixture, int64_t ms)
{
    fake_clock_advance(&fixture->clock, ms);
}

static unsigned look_count(const struct fixture *fixture)
{
    return fixture->orders.completion.call_count;
}

static void assert_told(const struct reader *reader, unsigned count, const struct order *order)
{
    assert_int_equal(reader->message_count, count);
    assert_int_equal(reader->revision, order->revision);
    assert_int_equal(reader->state, order->state);
}

static void assert_ended_well(const struct reader *reader)
{
    assert_true(reader->has_ended);
    assert_int_equal(reader->stream.err.status, STATUS_OK);
}

/* ---- What is sent, and when ---------------------------------------------------------------- */

static void the_order_as_it_is_now_is_sent_first(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = create(fixture);
    struct reader reader;

    start(fixture, &reader, order, 0);
    assert_int_equal(reader.message_count, 0); /* never from inside */
    advance(fixture, 0);
    assert_told(&reader, 1, order);
    assert_false(reader.has_ended);
    leave(&reader);
}

static void a_change_of_this_worker_is_sent_in_the_same_turn(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = create(fixture);
    struct reader reader;

    start(fixture, &reader, order, 0);
    advance(fixture, 0);
    take(&reader);
    advance(fixture, 1);
    change_here(fixture, order, ORDER_CHARGING);
    assert_int_equal(reader.message_count, 1);
    advance(fixture, 0);
    assert_told(&reader, 2, order);
    leave(&reader);
}

static void a_change_of_others_is_found_within_a_pass(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = create(fixture);
    struct reader reader;

    start(fixture, &reader, order, 0);
    advance(fixture, 0);
    take(&reader);
    change(order, ORDER_CHARGING);
    advance(fixture, PASS_MS - 1);
    assert_int_equal(reader.message_count, 1);
    advance(fixture, 1);
    assert_told(&reader, 2, order);
    leave(&reader);
}

static void what_happens_while_a_reader_rests_is_merged_and_the_last_is_sent(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = create(fixture);
    struct reader reader;

    start(fixture, &reader, order, 0);
    advance(fixture, 0);
    change_here(fixture, order, ORDER_CHARGING);
    advance(fixture, PASS_MS);
    change_here(fixture, order, ORDER_FULFILLING);
    change(order, ORDER_FULFILLED); /* by another process */
    advance(fixture, 60 * 60 * 1000);
    assert_int_equal(reader.message_count, 1);
    take(&reader);
    advance(fixture, 0);
    assert_told(&reader, 2, order);
    assert_ended_well(&reader);
    leave(&reader);
}

static void a_change_that_comes_while_it_looks_is_looked_at_again_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = create(fixture);
    struct reader reader;

    start(fixture, &reader, order, order->revision);
    advance(fixture, 0);
    fixture->orders.completion.hold = true;
    advance(fixture, PASS_MS); /* this look has seen nothing new */
    change_here(fixture, order, ORDER_CANCELLED);
    fake_completion_release(&fixture->orders.completion);
    advance(fixture, 0);
    assert_told(&reader, 1, order);
    assert_ended_well(&reader);
    leave(&reader);
}

static void many_changes_in_one_turn_are_one_look(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = create(fixture);
    struct reader reader;
    unsigned before;

    start(fixture, &reader, order, 0);
    advance(fixture, 0);
    take(&reader);
    before = look_count(fixture);
    change_here(fixture, order, ORDER_RESERVING);
    change_here(fixture, order, ORDER_CHARGING);
    change_here(fixture, order, ORDER_FULFILLING);
    advance(fixture, 0);
    assert_int_equal(look_count(fixture), before + 1);
    assert_told(&reader, 2, order);
    leave(&reader);
}

static void all_who_wait_are_looked_for_together(void **state)
{
    struct fixture *fixture = *state;
    static struct reader readers[READERS_MAX];
    struct order *one = create(fixture), *other = create(fixture);
    unsigned before;

    for (unsigned i = 0; i < READERS_MAX; i++) {
        start(fixture, &readers[i], i % 2 == 0 ? one : other, 1);
        advance(fixture, 1); /* they come at different times */
    }
    assert_int_equal(order_watches_count(fixture->service.order_watches), READERS_MAX);
    fixture->orders.completion.hold = true;
    before = look_count(fixture);
    advance(fixture, PASS_MS);
    assert_int_equal(look_count(fixture), before + READERS_MAX);
    advance(fixture, 10 * PASS_MS); /* nobody is looked for twice */
    assert_int_equal(look_count(fixture), before + READERS_MAX);
    fake_completion_release(&fixture->orders.completion);
    advance(fixture, 0);
    change_here(fixture, other, ORDER_CHARGING);
    advance(fixture, 0);
    for (unsigned i = 0; i < READERS_MAX; i++) {
        assert_int_equal(readers[i].message_count, i % 2);
        leave(&readers[i]);
    }
}

static void nobody_looks_while_no_reader_waits(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = create(fixture);
    struct reader reader;
    unsigned before;

    assert_int_equal(fake_clock_next_ms(&fixture->clock), -1);
    start(fixture, &reader, order, 0);
    advance(fixture, 0);
    before = look_count(fixture);
    advance(fixture, 10 * PASS_MS);
    assert_int_equal(look_count(fixture), before); /* he rests */
    assert_int_equal(fake_clock_next_ms(&fixture->clock), -1);
    take(&reader);
    advance(fixture, 10 * PASS_MS);
    assert_int_equal(look_count(fixture), before + 10);
    leave(&reader);
    assert_int_equal(fake_clock_next_ms(&fixture->clock), -1);
}

static void changes_of_orders_nobody_watches_are_not_looked_at(void **state)
{
    struct fixture *fixture = *state;
    struct order *watched = create(fixture), *other = create(fixture);
    struct reader reader;
    unsigned before;

    start(fixture, &reader, watched, 0);
    advance(fixture, 0);
    take(&reader);
    before = look_count(fixture);
    change_here(fixture, other, ORDER_CHARGING);
    advance(fixture, 1);
    assert_int_equal(look_count(fixture), before);
    leave(&reader);
    change_here(fixture, watched, ORDER_CHARGING);
    advance(fixture, PASS_MS);
    assert_int_equal(look_count(fixture), before);
}

static void a_service_without_watches_is_told_in_vain(void **state)
{
    struct service service = {0};

    service_order_changed(&service, &(struct uuid){0});
}

/* ---- When it ends -------------------------------------------------------------------------- */

/* What becomes of a watch that begins with an order in this state at revision 7. */
static void an_order_that_has_come_to_rest_ends_its_watch(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        enum order_state state;
        int64_t after_revision;
        unsigned messages;
        bool ends;
    } rows[] = {
        {ORDER_PENDING, 0, 1, false},   {ORDER_PENDING, 7, 0, false},
        {ORDER_RESERVING, 6, 1, false}, {ORDER_CHARGING, 6, 1, false},
        {ORDER_CHARGING, 7, 0, false},  {ORDER_FULFILLING, 6, 1, false},
        {ORDER_RECALLING, 6, 1, false}, {ORDER_REFUNDING, 6, 1, false},
        {ORDER_RELEASING, 6, 1, false}, {ORDER_FULFILLED, 0, 1, true},
        {ORDER_FULFILLED, 6, 1, true},  {ORDER_FULFILLED, 7, 0, true},
        {ORDER_FULFILLED, 8, 0, true},  {ORDER_FULFILLED, INT64_MAX, 0, true},
        {ORDER_CANCELLED, 6, 1, true},  {ORDER_CANCELLED, 7, 0, true},
        {ORDER_STUCK, 6, 1, true},      {ORDER_STUCK, 7, 0, true},
        {ORDER_FAILED, 6, 1, true},     {ORDER_FAILED, 7, 0, false},
        {ORDER_FAILED, 8, 0, false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct order *order = create_in(fixture, rows[i].state, 7);
        struct reader reader;
        start(fixture, &reader, order, rows[i].after_revision);
        advance(fixture, 3 * PASS_MS);
        if (reader.message_count != rows[i].messages || reader.has_ended != rows[i].ends)
            fail_msg("%s after %lld: %u messages, %s", order_state_name(rows[i].state),
                     (long long)rows[i].after_revision, reader.message_count,
                     reader.has_ended ? "ended" : "open");
        assert_int_equal(reader.stream.err.status, STATUS_OK);
        leave(&reader);
    }
}

/* Whatever it was, and whoever made it so. */
static void reaching_rest_ends_a_watch_after_its_message(void **state)
{
    struct fixture *fixture = *state;
    static const enum order_state ends[] = {ORDER_FULFILLED, ORDER_FAILED, ORDER_CANCELLED,
                                            ORDER_STUCK};

    for (size_t i = 0; i < 2 * COUNT_OF(ends); i++) {
        struct order *order = create_in(fixture, ORDER_CHARGING, 3);
        struct reader reader;
        start(fixture, &reader, order, 0);
        advance(fixture, 0);
        take(&reader);
        if (i % 2 == 0)
            change_here(fixture, order, ends[i / 2]);
        else
            change(order, ends[i / 2]);
        advance(fixture, PASS_MS);
        assert_told(&reader, 2, order);
        assert_ended_well(&reader);
        leave(&reader);
    }
}

static void a_failed_order_that_was_seen_is_watched_into_its_next_attempt(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = create_in(fixture, ORDER_FAILED, 7);
    struct reader reader;

    start(fixture, &reader, order, 7);
    advance(fixture, PASS_MS);
    change(order, ORDER_CHARGING);
    advance(fixture, PASS_MS);
    assert_told(&reader, 1, order);
    take(&reader);
    change(order, ORDER_FAILED);
    advance(fixture, PASS_MS);
    assert_told(&reader, 2, order);
    assert_ended_well(&reader);
    leave(&reader);
}

static void a_reader_ahead_of_the_order_gets_every_change_all_the_same(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = create_in(fixture, ORDER_CHARGING, 7);
    struct reader reader;

    start(fixture, &reader, order, 1000);
    advance(fixture, 0);
    assert_int_equal(reader.message_count, 0);
    change(order, ORDER_FULFILLED);
    advance(fixture, PASS_MS);
    assert_told(&reader, 1, order);
    assert_ended_well(&reader);
    leave(&reader);
}

/* ---- Readers who leave --------------------------------------------------------------------- */

static void a_reader_may_leave_at_any_moment(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = create(fixture);
    struct reader stays, reader;

    start(fixture, &stays, order, 0);
    for (int moment = 0; moment < 4; moment++) {
        start(fixture, &reader, order, 0);
        if (moment > 0)
            advance(fixture, 0); /* 1: a message is on its way to him */
        if (moment > 1)
            take(&reader); /* 2: he waits for a pass */
        if (moment > 2)
            service_order_changed(&fixture->service, &order->id); /* 3: for the end of the turn */
        leave(&reader);
        advance(fixture, PASS_MS);
    }
    assert_int_equal(order_watches_count(fixture->service.order_watches), 1);
    leave(&stays);
}

static void a_look_outlives_the_reader_who_left(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = create(fixture);
    struct reader stays, reader;

    fixture->orders.completion.hold = true;
    start(fixture, &stays, order, 0);
    start(fixture, &reader, order, 0);
    advance(fixture, 0);
    leave(&reader);
    assert_int_equal(order_watches_count(fixture->service.order_watches), 1);
    change_here(fixture, order, ORDER_CHARGING);
    fake_completion_release(&fixture->orders.completion);
    advance(fixture, 0);
    assert_int_equal(stays.message_count, 1);
    leave(&stays);
}

/* A store that keeps the look until the test ends it. */
static struct order_get *kept;

static void keep(struct order_store *store, struct order_get *get)
{
    (void)store;
    kept = get;
}

static void a_look_under_way_borrows_nothing_of_the_stream(void **state)
{
    struct fixture *fixture = *state;
    static const struct order_store_ops ops = {.get = keep};
    struct order_store store = {.ops = &ops};
    struct order_watches *watches = order_watches_new(&store, &fixture->clock.base);
    struct order_watches *others = fixture->service.order_watches;
    struct reader reader;

    fixture->service.order_watches = watches;
    open_text(fixture, &reader, "01890000-0000-7000-8000-000000000000", 0, "ada");
    advance(fixture, 0);
    leave(&reader);
    assert_string_equal(kept->caller, "ada");
    error_set(&kept->call.err, REASON_STORE_UNAVAILABLE);
    kept->call.done(&kept->call);
    order_watches_free(watches);
    fixture->service.order_watches = others;
}

/* ---- Errors -------------------------------------------------------------------------------- */

static const char *detail(const struct reader *reader, enum error_detail_kind kind, const char *a)
{
    const struct error_detail *detail = reader->stream.err.details;

    for (; detail != NULL; detail = detail->next) {
        if (detail->kind == kind && strcmp(detail->a, a) == 0)
            return detail->b;
    }
    return NULL;
}

static void assert_ended_by(const struct reader *reader, enum reason reason)
{
    assert_true(reader->has_ended);
    assert_string_equal(reason_key(reader->stream.err.reason), reason_key(reason));
    assert_int_equal(reader->message_count, 0);
}

static void an_order_that_is_not_the_callers_is_not_there(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = create(fixture);
    char id[UUID_TEXT_SIZE];
    struct reader reader;

    uuid_format(&order->id, id);
    open_text(fixture, &reader, id, 0, "somebody else");
    advance(fixture, 0);
    assert_ended_by(&reader, REASON_ORDER_NOT_FOUND);
    assert_string_equal(detail(&reader, DETAIL_RESOURCE, "shop.v1.Order"), id);
    assert_string_equal(detail(&reader, DETAIL_METADATA, "orderId"), id);
    leave(&reader);
}

static void a_malformed_id_is_no_order_and_none_is_a_violation(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader;

    open_text(fixture, &reader, "seven", 0, "");
    assert_ended_by(&reader, REASON_ORDER_NOT_FOUND);
    assert_string_equal(detail(&reader, DETAIL_RESOURCE, "shop.v1.Order"), "seven");
    leave(&reader);
    open_text(fixture, &reader, "", -1, "");
    assert_ended_by(&reader, REASON_REQUEST_INVALID);
    assert_string_equal(detail(&reader, DETAIL_FIELD, "id"), "is required");
    assert_string_equal(detail(&reader, DETAIL_FIELD, "after_revision"), "must not be negative");
    leave(&reader);
    assert_int_equal(look_count(fixture), 0);
}

static void fail_next(struct fixture *fixture)
{
    error_set(&fixture->orders.completion.fail_next, REASON_STORE_UNAVAILABLE);
}

static void a_first_look_that_fails_ends_the_watch(void **state)
{
    struct fixture *fixture = *state;
    struct error_detail of_the_look = {.kind = DETAIL_METADATA, .a = "a", .b = "b"};
    struct order *order = create(fixture);
    struct reader reader;

    fail_next(fixture);
    fixture->orders.completion.fail_next.details = &of_the_look;
    start(fixture, &reader, order, 0);
    advance(fixture, 0);
    assert_ended_by(&reader, REASON_STORE_UNAVAILABLE);
    assert_null(reader.stream.err.details); /* their memory has gone with the look */
    leave(&reader);
}

/* The store fails every look of the next `ms`. */
static void fail_for(struct fixture *fixture, int64_t ms)
{
    for (int64_t passed = 0; passed < ms; passed += PASS_MS) {
        fail_next(fixture);
        advance(fixture, PASS_MS);
    }
    fixture->orders.completion.fail_next = (struct error){0};
}

static void later_looks_that_fail_are_repeated_for_ten_seconds(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = create(fixture);
    struct reader reader;

    start(fixture, &reader, order, order->revision);
    advance(fixture, 0);
    fail_for(fixture, BLIND_MS - PASS_MS);
    assert_false(reader.has_ended);
    advance(fixture, PASS_MS); /* a good one: the ten seconds begin anew */
    fail_for(fixture, BLIND_MS - PASS_MS);
    assert_false(reader.has_ended);
    fail_for(fixture, PASS_MS);
    assert_ended_by(&reader, REASON_STORE_UNAVAILABLE);
    leave(&reader);
}

static void a_reader_who_took_long_has_the_ten_seconds_too(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = create(fixture);
    struct reader reader;

    start(fixture, &reader, order, 0);
    advance(fixture, 2 * BLIND_MS);
    take(&reader);
    fail_for(fixture, PASS_MS);
    assert_false(reader.has_ended);
    change(order, ORDER_CANCELLED);
    advance(fixture, PASS_MS);
    assert_told(&reader, 2, order);
    leave(&reader);
}

static void after_a_failed_look_even_news_wait_for_the_next_pass(void **state)
{
    struct fixture *fixture = *state;
    struct order *order = create(fixture);
    struct reader reader;
    unsigned before;

    start(fixture, &reader, order, order->revision);
    advance(fixture, 0);
    fixture->orders.completion.hold = true;
    fail_next(fixture);
    change_here(fixture, order, ORDER_CHARGING);
    advance(fixture, 0);
    service_order_changed(&fixture->service, &order->id); /* while it looks */
    before = look_count(fixture);
    fake_completion_release(&fixture->orders.completion);
    advance(fixture, PASS_MS - 1);
    assert_int_equal(look_count(fixture), before);
    advance(fixture, 1);
    assert_told(&reader, 1, order);
    leave(&reader);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_order_as_it_is_now_is_sent_first),
        TEST(a_change_of_this_worker_is_sent_in_the_same_turn),
        TEST(a_change_of_others_is_found_within_a_pass),
        TEST(what_happens_while_a_reader_rests_is_merged_and_the_last_is_sent),
        TEST(a_change_that_comes_while_it_looks_is_looked_at_again_at_once),
        TEST(many_changes_in_one_turn_are_one_look),
        TEST(all_who_wait_are_looked_for_together),
        TEST(nobody_looks_while_no_reader_waits),
        TEST(changes_of_orders_nobody_watches_are_not_looked_at),
        TEST(a_service_without_watches_is_told_in_vain),
        TEST(an_order_that_has_come_to_rest_ends_its_watch),
        TEST(reaching_rest_ends_a_watch_after_its_message),
        TEST(a_failed_order_that_was_seen_is_watched_into_its_next_attempt),
        TEST(a_reader_ahead_of_the_order_gets_every_change_all_the_same),
        TEST(a_reader_may_leave_at_any_moment),
        TEST(a_look_outlives_the_reader_who_left),
        TEST(a_look_under_way_borrows_nothing_of_the_stream),
        TEST(an_order_that_is_not_the_callers_is_not_there),
        TEST(a_malformed_id_is_no_order_and_none_is_a_violation),
        TEST(a_first_look_that_fails_ends_the_watch),
        TEST(later_looks_that_fail_are_repeated_for_ten_seconds),
        TEST(a_reader_who_took_long_has_the_ten_seconds_too),
        TEST(after_a_failed_look_even_news_wait_for_the_next_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
