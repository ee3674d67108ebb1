/* The feed of events over PostgreSQL: complete and in order, however transactions lie across each other. */
#include "store_fixture.h"

#include "postgres_fixture.h"
#include "store/migrate.h"
#include "store/migrate_internal.h"
#include "store/sql_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE = 100,
    ORDERS = 6,
    SESSIONS = 5,
    STEPS = 600,
    EVENTS_MAX = 2000,
};

/* ---- Orders, and sessions that change them ---- */

static struct uuid create(struct store_fixture *fixture, const char *caller)
{
    static const char *address_lines[] = {"Hauptstrasse 5"};
    struct order_line line = {.product_id = "a", .quantity = 1};
    struct order order = {
        .id = store_fixture_id(fixture),
        .caller = caller,
        .customer_id = "customer-1",
        .lines = &line,
        .line_count = 1,
        .ship_to = {.recipient = "Jane Doe",
                    .lines = address_lines,
                    .line_count = 1,
                    .postal_code = "",
                    .locality = "",
                    .administrative_area = "",
                    .region_code = "DE"},
    };
    struct idempotency none = {.caller = caller, .method = "CreateOrder", .request_id = ""};
    struct order_create create = {.order = &order, .idempotency = &none};

    if (store_fixture_number(fixture, "SELECT count(*) FROM product") == 0)
        store_fixture_product(fixture, "a", 150, "EUR", 9);
    store_fixture_prepare(fixture, &create.call);
    fixture->orders.base.ops->create(&fixture->orders.base, &create);
    store_fixture_answer(fixture);
    assert_int_equal(create.call.err.reason, REASON_NONE);
    return order.id;
}

static PGconn *session_new(struct store_fixture *fixture)
{
    PGconn *session = PQconnectdb(fixture->conninfo);

    assert_int_equal(PQstatus(session), CONNECTION_OK);
    return session;
}

static void run(PGconn *session, const char *sql)
{
    PGresult *result = PQexec(session, sql);
    ExecStatusType status = PQresultStatus(result);

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQresultErrorMessage(result));
    PQclear(result);
}

/* A change of an order, as all of them are made: its row first, then the event. */
static void change(PGconn *session, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE], sql[500];

    uuid_format(id, text);
    snprintf(sql, sizeof(sql), "UPDATE orders SET revision = revision + 1 WHERE id = '%s'", text);
    run(session, sql);
    snprintf(sql, sizeof(sql),
             "INSERT INTO order_event (order_id, revision, attempt, state, outcome, tries,"
             " create_time) SELECT id, revision, attempt, state, 'DONE', 0, clock_timestamp()"
             " FROM orders WHERE id = '%s'",
             text);
    run(session, sql);
}

/* ---- A reader ---- */

struct reader {
    struct store_fixture *fixture;
    const char *caller;
    struct event_mark mark;
    int64_t newest, read_to;
    struct feed_event events[EVENTS_MAX];
    uint32_t count;
};

static struct reader *reader_new(struct store_fixture *fixture, const char *caller)
{
    struct reader *reader = calloc(1, sizeof(*reader));

    assert_non_null(reader);
    reader->fixture = fixture;
    reader->caller = caller;
    return reader;
}

static void look(struct reader *reader)
{
    struct event_look look = {.mark = reader->mark};

    store_fixture_prepare(reader->fixture, &look.call);
    reader->fixture->events.base.ops->look(&reader->fixture->events.base, &look);
    store_fixture_answer(reader->fixture);
    assert_int_equal(look.call.err.reason, REASON_NONE);
    assert_true(look.mark.complete >= reader->mark.complete);
    reader->mark = look.mark;
    reader->newest = look.newest;
}

static void read_page(struct reader *reader, uint32_t limit)
{
    struct event_page page = {.caller = reader->caller,
                              .after = reader->read_to,
                              .until = reader->mark.complete,
                              .limit = limit};

    store_fixture_prepare(reader->fixture, &page.call);
    reader->fixture->events.base.ops->page(&reader->fixture->events.base, &page);
    store_fixture_answer(reader->fixture);
    assert_int_equal(page.call.err.reason, REASON_NONE);
    assert_true(page.read_to > reader->read_to && page.read_to <= reader->mark.complete);
    assert_true(page.count <= limit && reader->count + page.count <= EVENTS_MAX);
    for (uint32_t i = 0; i < page.count; i++)
        reader->events[reader->count++] = page.events[i];
    reader->read_to = page.read_to;
}

/* Until all that can be seen is complete: also the server's own work, such as autovacuum's, may hold
 * it up for a moment. */
static void settle(struct reader *reader)
{
    for (unsigned i = 0; i < 5000; i++) {
        look(reader);
        if (reader->mark.complete == reader->newest)
            return;
    }
    fail_msg("the feed is not complete");
}

static uint32_t read_all(struct reader *reader)
{
    const uint32_t before = reader->count;

    while (reader->read_to < reader->mark.complete)
        read_page(reader, PAGE);
    return reader->count - before;
}

/* Looks once, and reads what is complete; how many events came. */
static uint32_t follow(struct reader *reader)
{
    look(reader);
    return read_all(reader);
}

static void assert_come(struct reader *reader, uint32_t count)
{
    settle(reader);
    assert_int_equal(read_all(reader), count);
}

/* By position, and each order by revision, from 1 and with no gap. */
static void assert_in_order(const struct reader *reader)
{
    for (uint32_t i = 0; i < reader->count; i++) {
        const struct feed_event *event = &reader->events[i];
        int64_t revision = 1;

        for (uint32_t k = 0; k < i; k++)
            revision += uuid_equal(&reader->events[k].order_id, &event->order_id);
        assert_int_equal(event->event.revision, revision);
        if (i > 0)
            assert_true(event->position > reader->events[i - 1].position);
    }
}

/* ---- What an event tells ---- */

static void the_feed_tells_what_happened_to_an_order(void **state)
{
    struct store_fixture *fixture = *state;
    struct reader *reader = reader_new(fixture, "alice");
    struct uuid id = create(fixture, "alice");
    char text[UUID_TEXT_SIZE];

    uuid_format(&id, text);
    store_fixture_exec(fixture,
                       "INSERT INTO order_event VALUES ('%s', 2, 1, 'FAILED', 'RESERVE', 'REFUSED',"
                       " 3, 'res-1', '{\"reason\": \"OUT_OF_STOCK\"}', now())",
                       text);
    assert_come(reader, 2);
    assert_in_order(reader);
    assert_true(reader->events[0].position > EVENT_POSITION_START);
    assert_true(uuid_equal(&reader->events[0].order_id, &id));
    assert_int_equal(reader->events[0].event.state, ORDER_PENDING);
    assert_int_equal(reader->events[0].event.step, STEP_NONE);
    assert_null(reader->events[0].event.external_id);
    assert_int_equal(reader->events[0].event.failure.reason, REASON_NONE);

    const struct order_event *event = &reader->events[1].event;
    assert_int_equal(event->attempt, 1);
    assert_int_equal(event->state, ORDER_FAILED);
    assert_int_equal(event->step, STEP_RESERVE);
    assert_int_equal(event->outcome, OUTCOME_REFUSED);
    assert_int_equal(event->tries, 3);
    assert_string_equal(event->external_id, "res-1");
    assert_int_equal(event->failure.reason, REASON_OUT_OF_STOCK);
    assert_true(event->time_us > INT64_C(1700000000) * 1000000);
    assert_int_equal(follow(reader), 0);
    free(reader);
}

static void a_feed_without_events_is_complete(void **state)
{
    struct reader *reader = reader_new(*state, "alice");

    look(reader);
    assert_int_equal(reader->newest, 0);
    assert_int_equal(reader->mark.complete, 0);
    free(reader);
}

static void another_callers_events_are_passed_over(void **state)
{
    struct store_fixture *fixture = *state;
    struct reader *alice = reader_new(fixture, "alice"), *bob = reader_new(fixture, "bob");

    for (unsigned i = 0; i < 3; i++) {
        create(fixture, "alice");
        create(fixture, "bob");
    }
    create(fixture, "alice");
    assert_come(alice, 4);
    assert_come(bob, 3);
    assert_true(bob->read_to > bob->events[2].position); /* and will not be looked at again */
    free(alice);
    free(bob);
}

static void pages_follow_each_other_without_gap_or_repetition(void **state)
{
    struct store_fixture *fixture = *state;
    struct reader *reader = reader_new(fixture, "alice");

    for (unsigned i = 0; i < 7; i++)
        create(fixture, "alice");
    settle(reader);
    for (unsigned i = 1; i <= 3; i++) {
        read_page(reader, 2);
        assert_int_equal(reader->count, 2 * i);
        assert_int_equal(reader->read_to, reader->events[reader->count - 1].position);
    }
    read_page(reader, 2);
    assert_int_equal(reader->count, 7);
    assert_int_equal(reader->read_to, reader->mark.complete);
    assert_in_order(reader);
    free(reader);
}

static void events_that_somebody_has_deleted_hold_nobody_up(void **state)
{
    struct store_fixture *fixture = *state;
    struct reader *reader = reader_new(fixture, "alice");

    create(fixture, "alice");
    settle(reader);
    store_fixture_exec(fixture, "DELETE FROM order_event");
    assert_int_equal(read_all(reader), 0); /* comes to an end, and */
    assert_int_equal(reader->read_to, reader->mark.complete);
    create(fixture, "alice");
    create(fixture, "alice");
    settle(reader);
    store_fixture_exec(fixture, "DELETE FROM order_event WHERE position ="
                                " (SELECT min(position) FROM order_event)");
    assert_int_equal(read_all(reader), 1);
    free(reader);
}

static void a_page_of_large_events_ends_early(void **state)
{
    struct store_fixture *fixture = *state;
    struct reader *reader = reader_new(fixture, "alice");
    struct uuid id = create(fixture, "alice");
    char text[UUID_TEXT_SIZE];

    uuid_format(&id, text);
    store_fixture_exec(
        fixture,
        "INSERT INTO order_event SELECT '%s', i, 1, 'FAILED', 'CHARGE', 'REFUSED', 1, NULL,"
        " jsonb_build_object('reason', 'PAYMENT_DECLINED', 'message', repeat('x', 20000)), now()"
        " FROM generate_series(2, 41) i",
        text);
    settle(reader);
    arena_free(fixture->arena); /* so that nothing but the page is in it */
    fixture->arena = arena_new((size_t)64 * 1024 * 1024);
    read_page(reader, PAGE);
    assert_in_range(reader->count, 2, 10);
    arena_free(fixture->arena);
    fixture->arena = arena_new((size_t)64 * 1024 * 1024);
    read_page(reader, PAGE);
    assert_in_range(reader->count, 4, 20);
    assert_in_order(reader);
    free(reader);
}

/* ---- Transactions that lie across each other ---- */

static void an_event_waits_for_those_before_it_that_are_not_committed(void **state)
{
    struct store_fixture *fixture = *state;
    struct reader *reader = reader_new(fixture, "alice");
    struct uuid first = create(fixture, "alice"), second = create(fixture, "alice");
    PGconn *slow = session_new(fixture), *quick = session_new(fixture);

    assert_come(reader, 2);
    run(slow, "BEGIN");
    change(slow, &first);
    change(quick, &second);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(follow(reader), 0);
    assert_true(reader->newest > reader->mark.complete);
    run(slow, "COMMIT");
    assert_come(reader, 2);
    assert_true(uuid_equal(&reader->events[2].order_id, &first));
    assert_true(uuid_equal(&reader->events[3].order_id, &second));
    assert_in_order(reader);
    PQfinish(slow);
    PQfinish(quick);
    free(reader);
}

/* Its id is then the snapshot's xmin and xmax, as if nothing were under way. */
static void a_transaction_younger_than_all_that_have_ended_is_waited_for_too(void **state)
{
    struct store_fixture *fixture = *state;
    struct reader *reader = reader_new(fixture, "alice");
    struct uuid first = create(fixture, "alice"), second = create(fixture, "alice");
    PGconn *older = session_new(fixture), *younger = session_new(fixture);

    assert_come(reader, 2);
    run(older, "BEGIN; SELECT pg_current_xact_id()");
    run(younger, "BEGIN");
    change(younger, &first);
    change(older, &second);
    run(older, "COMMIT");
    assert_int_equal(follow(reader), 0);
    assert_int_equal(follow(reader), 0);
    run(younger, "COMMIT");
    assert_come(reader, 2);
    assert_true(uuid_equal(&reader->events[2].order_id, &first));
    PQfinish(older);
    PQfinish(younger);
    free(reader);
}

static void an_older_transaction_that_changes_an_order_later_comes_later(void **state)
{
    struct store_fixture *fixture = *state;
    struct reader *reader = reader_new(fixture, "alice");
    struct uuid id = create(fixture, "alice");
    PGconn *older = session_new(fixture), *younger = session_new(fixture);

    run(older, "BEGIN; SELECT pg_current_xact_id()"); /* as by the key of its request */
    run(younger, "BEGIN; SELECT pg_current_xact_id()");
    change(younger, &id);
    run(younger, "COMMIT");
    change(older, &id);
    run(older, "COMMIT");
    assert_come(reader, 3);
    assert_in_order(reader);
    PQfinish(older);
    PQfinish(younger);
    free(reader);
}

static void what_is_rolled_back_holds_nobody_up(void **state)
{
    struct store_fixture *fixture = *state;
    struct reader *reader = reader_new(fixture, "alice");
    struct uuid first = create(fixture, "alice"), second = create(fixture, "alice");
    PGconn *undone = session_new(fixture), *quick = session_new(fixture);

    run(undone, "BEGIN");
    change(undone, &first);
    change(quick, &second);
    look(reader);
    run(undone, "ROLLBACK");
    assert_come(reader, 3);
    assert_in_order(reader);
    PQfinish(undone);
    PQfinish(quick);
    free(reader);
}

static void one_who_only_reads_holds_nobody_up(void **state)
{
    struct store_fixture *fixture = *state;
    struct reader *reader = reader_new(fixture, "alice");
    PGconn *dump = session_new(fixture);

    run(dump, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM orders");
    create(fixture, "alice");
    assert_come(reader, 1);
    PQfinish(dump);
    free(reader);
}

static void a_fence_that_was_never_reached_is_drawn_again(void **state)
{
    struct store_fixture *fixture = *state;
    struct reader *reader = reader_new(fixture, "alice");

    create(fixture, "alice");
    reader->mark = (struct event_mark){.pending = 2, .fence = INT64_C(1) << 40};
    assert_come(reader, 1);
    free(reader);
}

static void a_look_at_a_quiet_feed_draws_no_transaction_id(void **state)
{
    struct store_fixture *fixture = *state;
    struct reader *reader = reader_new(fixture, "alice");
    const char *draw = "SELECT pg_current_xact_id()::text::bigint";
    long drawn = 0;

    create(fixture, "alice");
    assert_come(reader, 1);
    for (unsigned i = 0; i < 100; i++) { /* the server itself may draw one now and then */
        long before = store_fixture_number(fixture, "%s", draw);
        for (unsigned k = 0; k < 5; k++)
            look(reader);
        drawn = store_fixture_number(fixture, "%s", draw) - before - 1;
        if (drawn == 0)
            break;
    }
    assert_int_equal(drawn, 0);
    free(reader);
}

/* ---- All of it at random ---- */

struct writer {
    PGconn *session;
    bool is_open;
    unsigned held; /* orders it has locked, as bits */
};

/* One step of one writer: begins (drawing its id at once, or not), changes, ends. */
static void step(struct store_fixture *fixture, struct writer *writer, unsigned *locked,
                 const struct uuid *orders)
{
    const unsigned order = random_below(fixture->random, ORDERS);

    if (!writer->is_open) {
        run(writer->session,
            random_below(fixture->random, 2) ? "BEGIN" : "BEGIN; SELECT pg_current_xact_id()");
        writer->is_open = true;
    } else if (random_below(fixture->random, 3) == 0) {
        run(writer->session, random_below(fixture->random, 4) == 0 ? "ROLLBACK" : "COMMIT");
        *locked &= ~writer->held;
        writer->held = 0;
        writer->is_open = false;
    } else if (!(*locked & ~writer->held & 1u << order)) {
        change(writer->session, &orders[order]);
        writer->held |= 1u << order;
        *locked |= 1u << order;
    }
}

static void whatever_lies_across_nothing_is_skipped_and_orders_keep_their_order(void **state)
{
    struct store_fixture *fixture = *state;
    struct reader *reader = reader_new(fixture, "alice"), *late = reader_new(fixture, "alice");
    struct writer writers[SESSIONS] = {0};
    struct uuid orders[ORDERS];
    unsigned locked = 0;

    for (unsigned i = 0; i < ORDERS; i++)
        orders[i] = create(fixture, "alice");
    for (unsigned i = 0; i < SESSIONS; i++)
        writers[i].session = session_new(fixture);
    for (unsigned i = 0; i < STEPS; i++) {
        step(fixture, &writers[random_below(fixture->random, SESSIONS)], &locked, orders);
        if (random_below(fixture->random, 3) == 0)
            follow(reader);
        if (random_below(fixture->random, 20) == 0)
            follow(late);
    }
    for (unsigned i = 0; i < SESSIONS; i++)
        PQfinish(writers[i].session); /* what was open is undone */
    long count = store_fixture_number(fixture, "SELECT count(*) FROM order_event");
    settle(reader);
    read_all(reader);
    settle(late);
    read_all(late);
    assert_int_equal(reader->count, count);
    assert_int_equal(late->count, count);
    assert_in_order(reader);
    assert_in_order(late);
    free(reader);
    free(late);
}

/* ---- Events that were there before ---- */

static void events_of_before_get_positions_by_time_and_revision(void **state)
{
    const char *conninfo = postgres_new_database();
    struct sql_file files[64];
    unsigned count = 0, applied;
    struct error err = {0};

    (void)state;
    while (strcmp(sql_files[count].name, "0007_events.sql") != 0) {
        files[count] = sql_files[count];
        count++;
    }
    files[count] = (struct sql_file){0};
    assert_int_equal(migrate__run(conninfo, files, &applied, &err), STATUS_OK);
    /* Three orders by turns; the clock is set back an hour between two revisions of the second. */
    postgres_exec(conninfo,
                  "INSERT INTO order_event SELECT ('0000000' || o || "
                  "'-0000-7000-8000-000000000000')::uuid, r,"
                  " 0, 'PENDING', NULL, 'DONE', 0, NULL, NULL, '2024-01-01'::timestamptz"
                  " + (r * 10 + o) * interval '1 s' - CASE WHEN o = 2 AND r > 5 THEN interval '1 h'"
                  " ELSE interval '0' END FROM generate_series(1, 3) o, generate_series(1, 50) r"
                  " ORDER BY random()");
    assert_int_equal(migrate_run(conninfo, &applied, &err), STATUS_OK);
    postgres_exec(conninfo, "INSERT INTO order_event VALUES (gen_random_uuid(), 1, 0, 'PENDING',"
                            " NULL, 'DONE', 0, NULL, NULL, now())");

    assert_int_equal(postgres_number(conninfo, "SELECT count(DISTINCT position) FROM order_event"),
                     151);
    assert_int_equal(postgres_number(conninfo, "SELECT min(position) FROM order_event"),
                     EVENT_POSITION_START + 1);
    assert_int_equal(postgres_number(conninfo, "SELECT max(position) FROM order_event"), 152);
    assert_int_equal(postgres_number(conninfo,
                                     "SELECT count(*) FROM order_event a JOIN order_event b"
                                     " ON b.order_id = a.order_id AND b.revision > a.revision"
                                     " WHERE b.position < a.position"),
                     0);
    assert_int_equal(postgres_number(conninfo,
                                     "SELECT count(*) FROM order_event a JOIN order_event b"
                                     " ON b.create_time > a.create_time AND b.position < a.position"
                                     " WHERE '00000002-0000-7000-8000-000000000000'"
                                     " NOT IN (a.order_id, b.order_id)"),
                     0);
    assert_int_equal(postgres_number(conninfo,
                                     "SELECT count(*) FROM pg_constraint WHERE convalidated"
                                     " AND conname = 'order_event_has_position'"),
                     1);
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_feed_tells_what_happened_to_an_order),
        TEST(a_feed_without_events_is_complete),
        TEST(another_callers_events_are_passed_over),
        TEST(pages_follow_each_other_without_gap_or_repetition),
        TEST(events_that_somebody_has_deleted_hold_nobody_up),
        TEST(a_page_of_large_events_ends_early),
        TEST(an_event_waits_for_those_before_it_that_are_not_committed),
        TEST(a_transaction_younger_than_all_that_have_ended_is_waited_for_too),
        TEST(an_older_transaction_that_changes_an_order_later_comes_later),
        TEST(what_is_rolled_back_holds_nobody_up),
        TEST(one_who_only_reads_holds_nobody_up),
        TEST(a_fence_that_was_never_reached_is_drawn_again),
        TEST(a_look_at_a_quiet_feed_draws_no_transaction_id),
        TEST(whatever_lies_across_nothing_is_skipped_and_orders_keep_their_order),
        cmocka_unit_test(events_of_before_get_positions_by_time_and_revision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
