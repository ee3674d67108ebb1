/* What every answer means in every call: saga.md, "What a try can bring", as one table.
 *
 * A row is a call in a situation: the first of its step, one after a try of unknown fate, or one of an
 * order that was taken over. It is answered in every way once, and what comes next is read from the
 * ledger of the fakes; from there on all goes well. Below the table stand the rules of time, of keys and
 * of shipments that have left. */
#include "saga_fixture.h"

#include <stdio.h>

enum op {
    OPEN = FAKE_OPEN,
    CONFIRM = FAKE_CONFIRM,
    LOOK = FAKE_LOOK,
    CANCEL = FAKE_CANCEL,
    REFUND = FAKE_REFUND,
    LOOK_REFUNDS = FAKE_LOOK_REFUNDS,
    SHIP,
    RECALL,
    RESERVE,
    RELEASE,
};

enum {
    BEFORE_MAX = 3,
    CALLER_MS = 10 * 60 * 1000, /* no caller's deadline decides anything here */
    REST_MS = 60 * 1000,
};

static struct fake_script *script_of(struct fixture *fixture, enum op op)
{
    switch (op) {
    case OPEN:
    case CONFIRM:
    case LOOK:
    case CANCEL:
    case REFUND:
    case LOOK_REFUNDS:
        return &fixture->payment.scripts[op];
    case SHIP:
        return &fixture->fulfillment.create;
    case RECALL:
        return &fixture->fulfillment.cancel;
    case RESERVE:
        return &fixture->inventory.reserve;
    case RELEASE:
        return &fixture->inventory.release;
    }
    return NULL;
}

static void answer(struct fixture *fixture, enum op op, struct fake_outcome outcome)
{
    fake_script_add(script_of(fixture, op), outcome);
}

static void answer_forever(struct fixture *fixture, enum op op, struct fake_outcome outcome)
{
    answer(fixture, op, outcome);
    script_of(fixture, op)->forever = true;
}

/* ---- The table ---------------------------------------------------------------------------------- */

struct way {
    enum op op;
    struct fake_outcome outcome;
};

struct row {
    const char *about;
    enum op op;
    const char *tried;             /* the line of the call that is answered */
    struct way before[BEFORE_MAX]; /* how the order comes there */
    unsigned before_count;
    enum order_state left_in; /* by another owner; UNSPECIFIED: our own order from its claim */
    bool has_payment, is_confirmed; /* of an order that was left */
    bool tainted;                   /* it may have happened already */
    bool is_remote;
    enum reason refusal; /* what a refusal says */
    enum reason end;     /* of the order at rest unless the answer ends the step; NONE: FULFILLED */
    const char *next[EFFECT_RESULT_COUNT];
};

#define UNKNOWN .result = EFFECT_UNKNOWN
#define REFUSED(reason_) .result = EFFECT_REFUSED, .reason = REASON_##reason_
#define BEFORE(...)          \
    .before = {__VA_ARGS__}, \
    .before_count = sizeof((struct way[]){__VA_ARGS__}) / sizeof(struct way)

/* clang-format off */
#define NEXT(done, refused, not_reached, unknown, ask, contradicted, has_left) \
    .next = {done, refused, not_reached, unknown, ask, contradicted, has_left}

#define DECLINED   {CONFIRM, {REFUSED(PAYMENT_DECLINED)}}
#define REJECTED   {SHIP, {REFUSED(FULFILLMENT_REJECTED)}}
#define SHIP_LOST  {SHIP, {UNKNOWN, .happens = true}}
#define WRITE_DOWN(id) "advance CHARGING>CHARGING " id
#define CHARGED    "advance CHARGING>FULFILLING"
#define UNCHARGED  "advance CHARGING>REFUNDING"
#define FULFILLED  "advance FULFILLING>FULFILLED"
#define REFUNDED   "advance REFUNDING>FAILED"

static const struct row rows[] = {
    /* -- RESERVING: the same request again is how it is asked. Tainted, it leaves by its undo only. */
    {"the first reservation", RESERVE, "reserve .1.reserve", .is_remote = true,
     .refusal = REASON_OUT_OF_STOCK,
     NEXT("advance RESERVING>CHARGING", "advance RESERVING>FAILED", "reserve .1.reserve",
          "reserve .1.reserve", "reserve .1.reserve", "reserve .1.reserve", "reserve .1.reserve")},
    {"a reservation after one of unknown fate", RESERVE, "reserve .1.reserve", .is_remote = true,
     .refusal = REASON_OUT_OF_STOCK, .tainted = true, BEFORE({RESERVE, {UNKNOWN}}),
     NEXT("advance RESERVING>CHARGING", "advance RESERVING>RELEASING", "reserve .1.reserve",
          "reserve .1.reserve", "reserve .1.reserve", "reserve .1.reserve", "reserve .1.reserve")},
    {"a reservation taken over", RESERVE, "reserve .1.reserve", .is_remote = true,
     .refusal = REASON_OUT_OF_STOCK, .tainted = true, .left_in = ORDER_RESERVING,
     NEXT("advance RESERVING>CHARGING", "advance RESERVING>RELEASING", "reserve .1.reserve",
          "reserve .1.reserve", "reserve .1.reserve", "reserve .1.reserve", "reserve .1.reserve")},

    /* -- CHARGING, no payment written down: n grows with every unknown. */
    {"the first opening", OPEN, "open - .1.open.1", .refusal = REASON_PAYMENT_METHOD_INVALID,
     NEXT(WRITE_DOWN("pi_1"), "advance CHARGING>FAILED", "open - .1.open.1",
          "open - .1.open.2", "open - .1.open.1", "advance CHARGING>FAILED", "open - .1.open.1")},
    {"an opening after one of unknown fate", OPEN, "open - .1.open.2", .tainted = true,
     .refusal = REASON_PAYMENT_MISCONFIGURED, BEFORE({OPEN, {UNKNOWN, .happens = true}}),
     NEXT(WRITE_DOWN("pi_2"), "advance CHARGING>FAILED", "open - .1.open.2",
          "open - .1.open.3", "open - .1.open.2", "advance CHARGING>FAILED", "open - .1.open.2")},
    {"an opening taken over", OPEN, "open - .1.open.2001", .tainted = true,
     .refusal = REASON_PAYMENT_METHOD_INVALID, .left_in = ORDER_CHARGING,
     NEXT(WRITE_DOWN("pi_1"), "advance CHARGING>FAILED", "open - .1.open.2001",
          "open - .1.open.2002", "open - .1.open.2001", "advance CHARGING>FAILED", "open - .1.open.2001")},

    /* -- CHARGING, written down: a look before anything else, unless nothing was reached. */
    {"the first confirmation", CONFIRM, "confirm pi_1 .1.confirm.1", .refusal = REASON_PAYMENT_DECLINED,
     NEXT(CHARGED, UNCHARGED, "confirm pi_1 .1.confirm.1", "look pi_1", "look pi_1", UNCHARGED, "look pi_1")},
    {"a confirmation after one that did not happen", CONFIRM, "confirm pi_1 .1.confirm.2", .tainted = true,
     .refusal = REASON_PAYMENT_ACTION_REQUIRED, BEFORE({CONFIRM, {UNKNOWN}}),
     NEXT(CHARGED, UNCHARGED, "confirm pi_1 .1.confirm.2", "look pi_1", "look pi_1", UNCHARGED, "look pi_1")},
    {"a confirmation taken over", CONFIRM, "confirm pi_1 .1.confirm.2002", .tainted = true,
     .refusal = REASON_PAYMENT_DECLINED, .left_in = ORDER_CHARGING, .has_payment = true,
     NEXT(CHARGED, UNCHARGED, "confirm pi_1 .1.confirm.2002", "look pi_1", "look pi_1", UNCHARGED, "look pi_1")},
    {"a look at what did not happen", LOOK, "look pi_1", .tainted = true, .refusal = REASON_PAYMENT_MISCONFIGURED,
     BEFORE({CONFIRM, {UNKNOWN}}),
     NEXT("confirm pi_1 .1.confirm.2", "look pi_1", "look pi_1", "look pi_1", "look pi_1", UNCHARGED, "look pi_1")},
    {"a look at what happened", LOOK, "look pi_1", .tainted = true, .refusal = REASON_PAYMENT_MISCONFIGURED,
     BEFORE({CONFIRM, {UNKNOWN, .happens = true}}),
     NEXT(CHARGED, "look pi_1", "look pi_1", "look pi_1", "look pi_1", UNCHARGED, "look pi_1")},
    {"a look taken over", LOOK, "look pi_1", .tainted = true, .refusal = REASON_PAYMENT_MISCONFIGURED,
     .left_in = ORDER_CHARGING, .has_payment = true, .is_confirmed = true,
     NEXT(CHARGED, "look pi_1", "look pi_1", "look pi_1", "look pi_1", UNCHARGED, "look pi_1")},

    /* -- FULFILLING: refused untainted needs no recall; nothing else clears the taint. */
    {"the first shipment", SHIP, "ship .1.ship", .refusal = REASON_FULFILLMENT_REJECTED,
     NEXT(FULFILLED, "advance FULFILLING>REFUNDING", "ship .1.ship", "ship .1.ship", "ship .1.ship",
          "ship .1.ship", "ship .1.ship")},
    {"a shipment after one of unknown fate", SHIP, "ship .1.ship", .tainted = true,
     .refusal = REASON_FULFILLMENT_MISCONFIGURED, BEFORE(SHIP_LOST),
     NEXT(FULFILLED, "advance FULFILLING>RECALLING", "ship .1.ship", "ship .1.ship", "ship .1.ship",
          "ship .1.ship", "ship .1.ship")},
    {"a shipment not reached after one of unknown fate", SHIP, "ship .1.ship", .tainted = true,
     .refusal = REASON_FULFILLMENT_REJECTED, BEFORE(SHIP_LOST, {SHIP, {.result = EFFECT_NOT_REACHED}}),
     NEXT(FULFILLED, "advance FULFILLING>RECALLING", "ship .1.ship", "ship .1.ship", "ship .1.ship",
          "ship .1.ship", "ship .1.ship")},
    {"a shipment taken over", SHIP, "ship .1.ship", .tainted = true, .refusal = REASON_FULFILLMENT_REJECTED,
     .left_in = ORDER_FULFILLING, .has_payment = true, .is_confirmed = true,
     NEXT(FULFILLED, "advance FULFILLING>RECALLING", "ship .1.ship", "ship .1.ship", "ship .1.ship",
          "ship .1.ship", "ship .1.ship")},

    /* -- RECALLING: has left or done; anything else is tried again, never refused for good. */
    {"a recall", RECALL, "recall .1.ship", .end = REASON_FULFILLMENT_REJECTED, BEFORE(SHIP_LOST, REJECTED),
     NEXT("advance RECALLING>REFUNDING", "recall .1.ship", "recall .1.ship", "recall .1.ship", "recall .1.ship",
          "recall .1.ship", "ship .1.ship")},
    {"a recall taken over", RECALL, "recall .1.ship", .end = REASON_FULFILLMENT_REJECTED,
     .left_in = ORDER_RECALLING, .has_payment = true, .is_confirmed = true,
     NEXT("advance RECALLING>REFUNDING", "recall .1.ship", "recall .1.ship", "recall .1.ship", "recall .1.ship",
          "recall .1.ship", "ship .1.ship")},
    {"the id of a shipment that has left", SHIP, "ship .1.ship",
     BEFORE(SHIP_LOST, REJECTED, {RECALL, {.result = EFFECT_HAS_LEFT}}),
     NEXT("advance RECALLING>FULFILLED", "ship .1.ship", "ship .1.ship", "ship .1.ship", "ship .1.ship",
          "ship .1.ship", "ship .1.ship")},

    /* -- REFUNDING: cancelled, or what is known decides; a declined payment is cancelled too. */
    {"a cancel of a declined payment", CANCEL, "cancel pi_1 .1.cancel.1", .end = REASON_PAYMENT_DECLINED,
     BEFORE(DECLINED),
     NEXT(REFUNDED, "look pi_1", "cancel pi_1 .1.cancel.1", "look pi_1", "look pi_1", "look pi_1", "look pi_1")},
    {"a cancel after one that did not happen", CANCEL, "cancel pi_1 .1.cancel.2", .end = REASON_PAYMENT_DECLINED,
     BEFORE(DECLINED, {CANCEL, {UNKNOWN}}),
     NEXT(REFUNDED, "look pi_1", "cancel pi_1 .1.cancel.2", "look pi_1", "look pi_1", "look pi_1", "look pi_1")},
    {"a cancel taken over", CANCEL, "cancel pi_1 .1.cancel.2002", .end = REASON_FULFILLMENT_REJECTED,
     .left_in = ORDER_REFUNDING, .has_payment = true,
     NEXT(REFUNDED, "look pi_1", "cancel pi_1 .1.cancel.2002", "look pi_1", "look pi_1", "look pi_1", "look pi_1")},
    {"a look at what was not cancelled", LOOK, "look pi_1", .end = REASON_PAYMENT_DECLINED,
     BEFORE(DECLINED, {CANCEL, {UNKNOWN}}),
     NEXT("cancel pi_1 .1.cancel.2", "look pi_1", "look pi_1", "look pi_1", "look pi_1", "look pi_1", "look pi_1")},
    {"a look at what was cancelled", LOOK, "look pi_1", .end = REASON_PAYMENT_DECLINED,
     BEFORE(DECLINED, {CANCEL, {UNKNOWN, .happens = true}}),
     NEXT(REFUNDED, "look pi_1", "look pi_1", "look pi_1", "look pi_1", "look pi_1", "look pi_1")},
    {"the look of an undo taken over", LOOK, "look pi_1", .end = REASON_FULFILLMENT_REJECTED,
     .left_in = ORDER_REFUNDING, .has_payment = true, .is_confirmed = true,
     NEXT("look_refunds pi_1", "look pi_1", "look pi_1", "look pi_1", "look pi_1", "look pi_1", "look pi_1")},
    {"a refund", REFUND, "refund pi_1 .1.refund.1", .end = REASON_FULFILLMENT_REJECTED, BEFORE(REJECTED),
     NEXT(REFUNDED, "look_refunds pi_1", "refund pi_1 .1.refund.1", "look_refunds pi_1", "look_refunds pi_1",
          "look_refunds pi_1", "look_refunds pi_1")},
    {"a refund after one that did not happen", REFUND, "refund pi_1 .1.refund.2",
     .end = REASON_FULFILLMENT_REJECTED, BEFORE(REJECTED, {REFUND, {UNKNOWN}}),
     NEXT(REFUNDED, "look_refunds pi_1", "refund pi_1 .1.refund.2", "look_refunds pi_1", "look_refunds pi_1",
          "look_refunds pi_1", "look_refunds pi_1")},
    {"a refund taken over", REFUND, "refund pi_1 .1.refund.2002", .end = REASON_FULFILLMENT_REJECTED,
     .left_in = ORDER_REFUNDING, .has_payment = true, .is_confirmed = true,
     NEXT(REFUNDED, "look_refunds pi_1", "refund pi_1 .1.refund.2002", "look_refunds pi_1", "look_refunds pi_1",
          "look_refunds pi_1", "look_refunds pi_1")},
    {"a look at the refunds, none made", LOOK_REFUNDS, "look_refunds pi_1", .end = REASON_FULFILLMENT_REJECTED,
     BEFORE(REJECTED, {REFUND, {UNKNOWN}}),
     NEXT("refund pi_1 .1.refund.2", "look_refunds pi_1", "look_refunds pi_1", "look_refunds pi_1",
          "look_refunds pi_1", "look_refunds pi_1", "look_refunds pi_1")},
    {"a look at the refunds, one made", LOOK_REFUNDS, "look_refunds pi_1", .end = REASON_FULFILLMENT_REJECTED,
     BEFORE(REJECTED, {REFUND, {UNKNOWN, .happens = true}}),
     NEXT(REFUNDED, "look_refunds pi_1", "look_refunds pi_1", "look_refunds pi_1", "look_refunds pi_1",
          "look_refunds pi_1", "look_refunds pi_1")},

    /* -- RELEASING */
    {"a release", RELEASE, "release .1.reserve", .is_remote = true, .end = REASON_PAYMENT_METHOD_INVALID,
     BEFORE({OPEN, {REFUSED(PAYMENT_METHOD_INVALID)}}),
     NEXT("advance RELEASING>FAILED", "release .1.reserve", "release .1.reserve", "release .1.reserve",
          "release .1.reserve", "release .1.reserve", "release .1.reserve")},
    {"a release taken over", RELEASE, "release .1.reserve", .is_remote = true,
     .end = REASON_FULFILLMENT_REJECTED, .left_in = ORDER_RELEASING,
     NEXT("advance RELEASING>FAILED", "release .1.reserve", "release .1.reserve", "release .1.reserve",
          "release .1.reserve", "release .1.reserve", "release .1.reserve")},
};
/* clang-format on */

/* ---- Walking it --------------------------------------------------------------------------------- */

/* As another owner, who is gone, left the order. */
static void leave(struct fixture *fixture, const struct row *row)
{
    struct fake_order *order = fixture->order;

    if (row->has_payment) {
        fixture->payment.rows[fixture->payment.count++] = (struct fake_payment_row){
            .id = "pi_1",
            .amount = order->order.total,
            .status = row->is_confirmed ? PAYMENT_STATUS_SUCCEEDED : PAYMENT_STATUS_OPEN,
            .confirmed_count = row->is_confirmed,
        };
        order->order.payment_id = "pi_1";
    }
    order->order.state = row->left_in;
    order->order.attempt = 1;
    order->payment_method = "pm_card_visa";
    order->generation = 1;
    order->forward_until_ms = 60000;
    order->fulfill_until_ms = row->left_in == ORDER_FULFILLING ? 900000 : INT64_MAX;
    order->undo_since_ms = -1;
    if (row->left_in > ORDER_FULFILLED) {
        order->undo_since_ms = 0;
        order->order.failure.reason = row->end;
    }
    if (row->is_remote) {
        fixture->inventory.is_reserved = row->left_in != ORDER_RESERVING;
    } else {
        order->holds_stock = true;
        fixture->store.stock--;
    }
}

static enum reason reason_of(const struct row *row, enum effect_result result)
{
    if (result == EFFECT_REFUSED)
        return row->refusal;
    return result == EFFECT_CONTRADICTED ? REASON_PAYMENT_ANSWER_INVALID : REASON_NONE;
}

static void play(struct fixture *fixture, const struct row *row, enum effect_result result)
{
    for (unsigned i = 0; i < row->before_count; i++)
        answer(fixture, row->before[i].op, row->before[i].outcome);
    answer(fixture, row->op,
           (struct fake_outcome){.result = result, .reason = reason_of(row, result)});
    if (row->left_in == ORDER_STATE_UNSPECIFIED) {
        fixture_call(fixture, CALLER_MS);
    } else {
        leave(fixture, row);
        saga_driver_recover(fixture->driver, true);
    }
    fixture_run(fixture, REST_MS);
}

/* The line of the call that is answered: the one after all that came before by the same script. */
static int tried_line(const struct fixture *fixture, const struct row *row)
{
    unsigned skip = 0;
    int line = -1;

    for (unsigned i = 0; i < row->before_count; i++)
        skip += row->before[i].op == row->op &&
                (row->op == SHIP || row->op == RESERVE); /* all with the same request_id */
    do {
        line = fake_ledger_find(&fixture->ledger, row->tried, (unsigned)(line + 1));
    } while (line >= 0 && skip-- > 0);
    return line;
}

/* The next call or commit. */
static const char *line_after(const struct fixture *fixture, int line)
{
    static const char *const others[] = {"observed", "answer", "renew", "take_due"};
    const struct fake_ledger *ledger = &fixture->ledger;

    for (unsigned i = (unsigned)line + 1; i < ledger->count; i++) {
        bool is_other = false;

        for (size_t j = 0; j < COUNT_OF(others); j++)
            is_other |= strncmp(ledger->lines[i], others[j], strlen(others[j])) == 0;
        if (!is_other)
            return ledger->lines[i];
    }
    return "nothing";
}

static bool is_given_up(const struct row *row, enum effect_result result)
{
    return reason_of(row, result) != REASON_NONE && strncmp(row->next[result], "advance", 7) == 0;
}

static void check_end(const struct fixture *fixture, const struct row *row,
                      enum effect_result result)
{
    enum reason reason = is_given_up(row, result) ? reason_of(row, result) : row->end;
    enum order_state state = ORDER_FAILED;
    bool is_fulfilled;

    if (row->op == RECALL && result == EFFECT_HAS_LEFT)
        reason = REASON_NONE;
    if (reason == REASON_NONE)
        state = ORDER_FULFILLED;
    is_fulfilled = state == ORDER_FULFILLED;
    assert_string_equal(reason_name(fixture->order->order.failure.reason), reason_name(reason));
    assert_left(fixture, state, is_fulfilled, is_fulfilled, is_fulfilled && !row->is_remote);
    assert_true(!row->is_remote || fixture->inventory.is_reserved == is_fulfilled);
    if (!is_fulfilled && fixture->order->order.payment_id != NULL)
        assert_int_not_equal(fixture->payment.rows[fixture->payment.count - 1].status,
                             PAYMENT_STATUS_OPEN);
}

/* What the trail says of a forward step that was given up: refused, or it may have happened. */
static void check_outcome(const struct fixture *fixture, const struct row *row,
                          enum effect_result result)
{
    bool is_unsure = row->tainted || result == EFFECT_CONTRADICTED;

    for (unsigned i = 0; i < fixture->transition_count && is_given_up(row, result); i++) {
        const struct saga_transition *seen = &fixture->transitions[i];

        if (seen->outcome == OUTCOME_DONE || seen->outcome == OUTCOME_RUNNING)
            continue;
        assert_int_equal(seen->outcome, is_unsure ? OUTCOME_UNKNOWN : OUTCOME_REFUSED);
        return;
    }
}

static void every_answer_to_every_call_has_its_next_step_and_its_end(void **state)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (int result = 0; result < EFFECT_RESULT_COUNT; result++) {
            const struct row *row = &rows[i];
            struct fixture *fixture;
            const char *next;
            int line;

            fixture_teardown(state);
            if (row->is_remote)
                fixture_setup_remote(state);
            else
                fixture_setup(state);
            fixture = *state;
            play(fixture, row, (enum effect_result)result);
            line = tried_line(fixture, row);
            next = line < 0 ? "it was never tried" : line_after(fixture, line);
            if (strncmp(next, row->next[result], strlen(row->next[result])) != 0)
                fail_msg("%s, answer %d: '%s' instead of '%s'", row->about, result, next,
                         row->next[result]);
            check_end(fixture, row, (enum effect_result)result);
            check_outcome(fixture, row, (enum effect_result)result);
        }
    }
}

/* ---- Time ----------------------------------------------------------------------------------------- */

static void restart(void **state, bool is_remote)
{
    fixture_teardown(state);
    if (is_remote)
        fixture_setup_remote(state);
    else
        fixture_setup(state);
}

/* Whatever is answered but yes and no, a forward step ends when its time is over. */
static void a_forward_step_is_given_up_at_its_time(void **state)
{
    static const struct {
        enum op op;
        enum reason reason;
        int64_t ms; /* from the claim, or from the charge */
    } steps[] = {
        {RESERVE, REASON_INVENTORY_UNAVAILABLE, 60 * 1000},
        {OPEN, REASON_PAYMENT_UNAVAILABLE, 60 * 1000},
        {CONFIRM, REASON_PAYMENT_UNAVAILABLE, 60 * 1000},
        {LOOK, REASON_PAYMENT_UNAVAILABLE, 60 * 1000},
        {SHIP, REASON_FULFILLMENT_UNAVAILABLE, 15 * 60 * 1000},
    };
    static const enum effect_result results[] = {EFFECT_NOT_REACHED, EFFECT_UNKNOWN, EFFECT_ASK};

    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        for (size_t j = 0; j < COUNT_OF(results); j++) {
            struct fixture *fixture;

            restart(state, steps[i].op == RESERVE);
            fixture = *state;
            answer_forever(fixture, steps[i].op, (struct fake_outcome){.result = results[j]});
            if (steps[i].op == LOOK)
                answer(fixture, CONFIRM, (struct fake_outcome){UNKNOWN});
            fixture_call(fixture, 2 * CALLER_MS);
            fixture_run(fixture, steps[i].ms - 1000);
            assert_true(fixture->order->order.state < ORDER_FULFILLED);
            fixture_run(fixture, 10 * 1000);
            assert_string_equal(reason_name(fixture->order->order.failure.reason),
                                reason_name(steps[i].reason));
            assert_left(fixture, ORDER_FAILED, 0, 0, 0);
            assert_int_equal(fake_payment_open(&fixture->payment),
                             steps[i].op == OPEN ? fixture->payment.count : 0);
        }
    }
}

/* And an undo is never refused for good: its order is STUCK when its time is over. */
static void an_undo_that_never_comes_true_is_stuck_whatever_is_answered(void **state)
{
    static const struct row undos[] = {
        {"recall", RECALL, .end = REASON_FULFILLMENT_REJECTED, BEFORE(SHIP_LOST, REJECTED)},
        {"cancel", CANCEL, .end = REASON_PAYMENT_DECLINED, BEFORE(DECLINED)},
        {"look", LOOK, .end = REASON_PAYMENT_DECLINED, BEFORE(DECLINED, {CANCEL, {UNKNOWN}})},
        {"refund", REFUND, .end = REASON_FULFILLMENT_REJECTED, BEFORE(REJECTED)},
        {"look at refunds", LOOK_REFUNDS, .end = REASON_FULFILLMENT_REJECTED,
         BEFORE(REJECTED, {REFUND, {UNKNOWN}})},
        {"release", RELEASE, .is_remote = true, .end = REASON_PAYMENT_DECLINED, BEFORE(DECLINED)},
    };

    for (size_t i = 0; i < COUNT_OF(undos); i++) {
        for (int result = EFFECT_REFUSED; result < EFFECT_HAS_LEFT; result++) {
            const struct row *row = &undos[i];
            struct fixture *fixture;

            restart(state, row->is_remote);
            fixture = *state;
            for (unsigned j = 0; j < row->before_count; j++)
                answer(fixture, row->before[j].op, row->before[j].outcome);
            answer_forever(fixture, row->op,
                           (struct fake_outcome){.result = (enum effect_result)result});
            fixture_call(fixture, CALLER_MS);
            for (int minute = 0; minute < 24 * 60; minute += 5) {
                fixture->ledger.count = 0; /* it has room for a while only */
                fixture_run(fixture, 5 * 60 * 1000);
                assert_int_not_equal(fixture->order->order.state, ORDER_STUCK);
            }
            fixture_run(fixture, 10 * 60 * 1000);
            assert_string_equal(order_state_name(fixture->order->order.state), "STUCK");
            assert_string_equal(reason_name(fixture->order->order.failure.reason),
                                reason_name(row->end));
        }
    }
}

/* Also of an owner who comes late: what was confirmed goes on, what was not is confirmed no more. */
static void after_forward_until_an_order_taken_over_goes_on_only_if_it_is_paid(void **state)
{
    static const struct {
        bool has_payment, is_confirmed;
        const char *line;
    } cases[] = {
        {false, false, "advance CHARGING>FAILED"},
        {true, false, "advance CHARGING>REFUNDING"},
        {true, true, "advance CHARGING>FULFILLING"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct row row = {
            .left_in = ORDER_CHARGING,
            .has_payment = cases[i].has_payment,
            .is_confirmed = cases[i].is_confirmed,
        };
        struct fixture *fixture;

        restart(state, false);
        fixture = *state;
        leave(fixture, &row);
        fixture->order->forward_until_ms = 500;
        saga_driver_recover(fixture->driver, true);
        fixture_run(fixture, REST_MS);
        assert_int_equal(ledger_count(fixture, "open"), 0);
        assert_int_equal(ledger_count(fixture, "confirm"), 0);
        assert_int_equal(ledger_count(fixture, cases[i].line), 1);
        assert_left(fixture, row.is_confirmed ? ORDER_FULFILLED : ORDER_FAILED, row.is_confirmed,
                    row.is_confirmed, row.is_confirmed);
    }
}

/* ---- Keys ----------------------------------------------------------------------------------------- */

/* n follows n, each is sent once, and (but for open, which does no harm) only after a look. */
static void no_key_is_used_again_once_its_fate_was_unknown(void **state)
{
    static const struct {
        struct way before;
        enum op op;
        const char *name, *look, *prefix, *key;
    } cases[] = {
        {{OPEN, {.result = EFFECT_DONE}},
         CONFIRM,
         "confirm",
         "look pi",
         "confirm pi_1 ",
         ".confirm."},
        {DECLINED, CANCEL, "cancel", "look pi", "cancel pi_1 ", ".cancel."},
        {REJECTED, REFUND, "refund", "look_refunds", "refund pi_1 ", ".refund."},
        {{LOOK, {.result = EFFECT_DONE}}, OPEN, "open", NULL, "open - ", ".open."},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture *fixture;
        int line = -1, n = 0;

        restart(state, false);
        fixture = *state;
        answer(fixture, cases[i].before.op, cases[i].before.outcome);
        answer_forever(fixture, cases[i].op, (struct fake_outcome){UNKNOWN});
        fixture_call(fixture, CALLER_MS);
        fixture_run(fixture, 50 * 1000);
        for (;;) {
            char expected[FAKE_LEDGER_LINE_SIZE];
            int look = cases[i].look == NULL || n == 0
                           ? line
                           : fake_ledger_find(&fixture->ledger, cases[i].look, (unsigned)line);
            int next = fake_ledger_find(&fixture->ledger, cases[i].prefix, (unsigned)(line + 1));

            if (next < 0)
                break;
            snprintf(expected, sizeof(expected), "%s.1%s%d", cases[i].prefix, cases[i].key, ++n);
            assert_string_equal(fixture->ledger.lines[next], expected);
            assert_true(look < next);
            assert_true(look >= line);
            line = next;
        }
        assert_true(n >= 5);
    }
}

/* n is not stored, so that each owner has numbers of its own, in every step it comes to. */
static void every_owner_begins_behind_the_keys_of_those_before(void **state)
{
    const struct row row = {.left_in = ORDER_CHARGING, .has_payment = true};
    struct fixture *fixture = *state;

    leave(fixture, &row);
    fixture->order->generation = 6;
    answer(fixture, CONFIRM, (struct fake_outcome){REFUSED(PAYMENT_DECLINED)});
    saga_driver_recover(fixture->driver, true);
    fixture_run(fixture, REST_MS);
    assert_in_order(fixture, (const char *const[]){"confirm pi_1 .1.confirm.7002", UNCHARGED,
                                                   "cancel pi_1 .1.cancel.7001", NULL});
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

/* ---- Refunds -------------------------------------------------------------------------------------- */

static void a_refund_that_failed_is_made_anew_with_the_next_key(void **state)
{
    struct fixture *fixture = *state;

    fixture->payment.refunds_failing = 2;
    answer(fixture, SHIP, (struct fake_outcome){REFUSED(FULFILLMENT_REJECTED)});
    fixture_call(fixture, CALLER_MS);
    fixture_run(fixture, REST_MS);
    assert_in_order(fixture, (const char *const[]){"refund pi_1 .1.refund.1", "look_refunds pi_1",
                                                   "refund pi_1 .1.refund.2", "look_refunds pi_1",
                                                   "refund pi_1 .1.refund.3", REFUNDED, NULL});
    assert_int_equal(ledger_count(fixture, "refund pi_1"), 3);
    assert_left(fixture, ORDER_FAILED, 0, 0, 0);
}

/* The cancel that was refused says why, or a look does. */
static void a_cancel_refused_because_the_payment_is_cancelled_is_done(void **state)
{
    for (int is_silent = 0; is_silent <= 1; is_silent++) {
        struct fixture *fixture;

        restart(state, false);
        fixture = *state;
        fixture->payment.is_silent = is_silent;
        answer(fixture, CONFIRM, (struct fake_outcome){REFUSED(PAYMENT_DECLINED)});
        answer(fixture, CANCEL, (struct fake_outcome){.result = EFFECT_ASK, .happens = true});
        fixture_call(fixture, CALLER_MS);
        fixture_run(fixture, REST_MS);
        assert_int_equal(ledger_count(fixture, "cancel"), 1);
        assert_int_equal(ledger_count(fixture, "look"), is_silent);
        assert_left(fixture, ORDER_FAILED, 0, 0, 0);
    }
}

/* ---- Shipments that have left --------------------------------------------------------------------- */

/* Its id was stored with the wish, so nobody is asked for it again; and the wish has lost. */
static void a_shipment_that_has_left_wins_over_the_wish_with_the_id_that_is_known(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;

    answer(fixture, SHIP, (struct fake_outcome){.result = EFFECT_DONE, .delay_ms = 500});
    answer(fixture, RECALL, (struct fake_outcome){.result = EFFECT_HAS_LEFT});
    caller = fixture_call(fixture, CALLER_MS);
    fixture_run(fixture, 200);
    fixture->order->cancel_wished = true;
    fixture_run(fixture, REST_MS);
    assert_answered(caller, REASON_NONE);
    assert_string_equal(caller->ticket.order->shipment_id, "sh_1");
    assert_int_equal(ledger_count(fixture, "ship"), 1);
    assert_in_order(fixture, (const char *const[]){"advance FULFILLING>RECALLING", "recall .1.ship",
                                                   "advance RECALLING>FULFILLED", NULL});
    assert_int_equal(fixture->order->order.failure.reason, REASON_NONE);
    assert_left(fixture, ORDER_FULFILLED, 1, 1, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_answer_to_every_call_has_its_next_step_and_its_end),
        TEST(a_forward_step_is_given_up_at_its_time),
        TEST(an_undo_that_never_comes_true_is_stuck_whatever_is_answered),
        TEST(after_forward_until_an_order_taken_over_goes_on_only_if_it_is_paid),
        TEST(no_key_is_used_again_once_its_fate_was_unknown),
        TEST(every_owner_begins_behind_the_keys_of_those_before),
        TEST(a_refund_that_failed_is_made_anew_with_the_next_key),
        TEST(a_cancel_refused_because_the_payment_is_cancelled_is_done),
        TEST(a_shipment_that_has_left_wins_over_the_wish_with_the_id_that_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
