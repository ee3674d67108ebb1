/* What the tests of the driver have in common. */
#include "saga_fixture.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    STOCK = 1000
};

static void on_transition(struct saga_observer *observer, const struct saga_transition *transition)
{
    struct fixture *fixture = CONTAINER_OF(observer, struct fixture, observer);

    if (fixture->transition_count < TRANSITIONS_MAX)
        fixture->transitions[fixture->transition_count++] = *transition;
    fake_ledger_note(&fixture->ledger, "observed %s>%s", order_state_name(transition->from),
                     order_state_name(transition->to));
}

static void on_taken_over(struct saga_observer *observer, uint32_t count)
{
    CONTAINER_OF(observer, struct fixture, observer)->taken_over_count += count;
}

void fixture_new_driver(struct fixture *fixture)
{
    static const struct saga_config config = {
        .try_timeout_ms = 5000,
        .lease_ms = 10000,
        .forward_ms = 60000,
        .fulfill_ms = 15 * 60 * 1000,
        .undo_ms = 24 * 60 * 60 * 1000,
        .orders_max = ORDERS_MAX,
    };
    const struct saga_ports ports = {
        .store = &fixture->store.base,
        .payment = &fixture->payment.base,
        .fulfillment = &fixture->fulfillment.base,
        .inventory = fixture->is_remote ? &fixture->inventory.base : NULL,
        .clock = &fixture->clock.base,
        .random = &fixture->random.base,
        .observer = &fixture->observer,
        .callers_orders = &fixture->callers_orders,
    };

    for (unsigned i = 0; i < fixture->caller_count; i++) /* they die with the old one */
        clock_timer_stop(&fixture->clock.base, &fixture->callers[i].ticket.timer);
    saga_driver_free(fixture->driver);
    fixture->driver = saga_driver_new(&config, &ports);
    assert_non_null(fixture->driver);
}

static int setup(void **state, bool is_remote)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->is_remote = is_remote;
    fixture->callers_orders.max = ORDERS_MAX;
    fake_clock_init(&fixture->clock);
    fake_random_init(&fixture->random, 7);
    fake_ledger_init(&fixture->ledger, &fixture->clock.base);
    fake_saga_store_init(&fixture->store, &fixture->ledger);
    fixture->store.stock = STOCK;
    fake_payment_init(&fixture->payment, &fixture->ledger);
    fake_fulfillment_init(&fixture->fulfillment, &fixture->ledger);
    fake_inventory_init(&fixture->inventory, &fixture->ledger);
    fixture->observer.on_transition = on_transition;
    fixture->observer.on_taken_over = on_taken_over;
    fixture_new_driver(fixture);
    fixture->arena = arena_new(1024 * 1024);
    assert_non_null(fixture->arena);
    fixture->order = fake_saga_store_add(&fixture->store);
    fake_clock_advance(&fixture->clock, 1000);
    *state = fixture;
    return 0;
}

int fixture_setup(void **state)
{
    return setup(state, false);
}

int fixture_setup_remote(void **state)
{
    return setup(state, true);
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;

    saga_driver_free(fixture->driver);
    fake_ledger_deinit(&fixture->ledger);
    fake_saga_store_deinit(&fixture->store);
    arena_free(fixture->arena);
    free(fixture);
    return 0;
}

static void on_done(struct saga_ticket *ticket)
{
    struct caller *caller = CONTAINER_OF(ticket, struct caller, ticket);

    caller->done_count++;
    fake_ledger_note(&caller->fixture->ledger, "answer %s",
                     error_is_set(&ticket->err) ? reason_name(ticket->err.reason) : "OK");
}

struct caller *fixture_call_order(struct fixture *fixture, struct fake_order *order,
                                  int64_t deadline_ms, const char *request_id)
{
    struct caller *caller = &fixture->callers[fixture->caller_count++];
    int64_t now_ms = clock_now_ms(&fixture->clock.base);

    assert_true(fixture->caller_count <= CALLERS_MAX);
    caller->fixture = fixture;
    caller->key =
        (struct idempotency){.caller = "", .method = "ProcessOrder", .request_id = request_id};
    caller->ticket = (struct saga_ticket){
        .order_id = order->order.id,
        .caller = "",
        .payment_method = "pm_card_visa",
        .idempotency = &caller->key,
        .arena = fixture->arena,
        .answer_by_ms = now_ms + deadline_ms - MAX_OF(20, deadline_ms / 20),
        .deadline_ms = now_ms + deadline_ms,
        .done = on_done,
    };
    saga_driver_process(fixture->driver, &caller->ticket);
    assert_int_equal(caller->done_count, 0); /* never from inside */
    return caller;
}

struct caller *fixture_call(struct fixture *fixture, int64_t deadline_ms)
{
    return fixture_call_order(fixture, fixture->order, deadline_ms, NULL);
}

void fixture_leave(struct fixture *fixture, enum order_state order_state)
{
    static struct order_line lines[] = {{.product_id = "cup", .name = "Tea cup", .quantity = 1}};
    static const char *address[] = {"12 St James Square", "2nd floor"};
    static struct failure_metadata metadata[] = {{"declineCode", "insufficient_funds"}};
    static struct short_line short_lines[] = {{.product_id = "cup", .requested = 1}};
    struct fake_order *order = fixture->order;

    order->order.state = order_state;
    order->order.attempt = 1;
    order->order.lines = lines;
    order->order.line_count = COUNT_OF(lines);
    order->order.ship_to = (struct address){.recipient = "Ada",
                                            .lines = address,
                                            .line_count = COUNT_OF(address),
                                            .postal_code = "SW1Y 4LB",
                                            .locality = "London",
                                            .administrative_area = "London",
                                            .region_code = "GB"};
    order->order.customer_id = "ada";
    order->payment_method = "pm_card_visa";
    order->generation = 1;
    order->holds_stock = true;
    fixture->store.stock--;
    order->forward_until_ms = 60000;
    order->fulfill_until_ms = INT64_MAX;
    if (order_state == ORDER_CHARGING)
        return;
    order->undo_since_ms = 0;
    order->order.failure = (struct failure){.reason = REASON_PAYMENT_DECLINED,
                                            .message = "no money",
                                            .metadata = metadata,
                                            .metadata_count = COUNT_OF(metadata),
                                            .short_lines = short_lines,
                                            .short_line_count = COUNT_OF(short_lines)};
    order->order.payment_id = "pi_1";
    order->order.shipment_id = "sh_1";
    fixture->payment.count = 1;
    fixture->payment.rows[0] = (struct fake_payment_row){
        .id = "pi_1", .amount = order->order.total, .status = PAYMENT_STATUS_OPEN};
}

void fixture_run(struct fixture *fixture, int64_t ms)
{
    fake_clock_advance(&fixture->clock, ms);
}

void assert_answered(const struct caller *caller, enum reason reason)
{
    const struct error *err = &caller->ticket.err;

    assert_int_equal(caller->done_count, 1);
    if (reason == REASON_NONE) {
        assert_string_equal(error_is_set(err) ? reason_name(err->reason) : "OK", "OK");
        assert_non_null(caller->ticket.order);
        assert_non_null(caller->ticket.order->payment_id);
        assert_non_null(caller->ticket.order->shipment_id);
        return;
    }
    assert_string_equal(error_is_set(err) ? reason_name(err->reason) : "OK", reason_name(reason));
    assert_int_equal(err->status, reason_status(reason));
}

void assert_waiting(const struct caller *caller)
{
    assert_int_equal(caller->done_count, 0);
}

const char *answer_metadata(const struct caller *caller, const char *key)
{
    for (const struct error_detail *d = caller->ticket.err.details; d != NULL; d = d->next) {
        if (d->kind == DETAIL_METADATA && strcmp(d->a, key) == 0)
            return d->b;
    }
    return NULL;
}

bool answer_names_order(const struct caller *caller)
{
    for (const struct error_detail *d = caller->ticket.err.details; d != NULL; d = d->next) {
        if (d->kind == DETAIL_RESOURCE && strcmp(d->a, "shop.v1.Order") == 0)
            return true;
    }
    return false;
}

void assert_left(const struct fixture *fixture, enum order_state state, unsigned payments_held,
                 unsigned shipments_live, unsigned stock_taken)
{
    assert_string_equal(order_state_name(fixture->order->order.state), order_state_name(state));
    assert_int_equal(fake_payment_held(&fixture->payment), payments_held);
    assert_int_equal(fake_fulfillment_live(&fixture->fulfillment), shipments_live);
    assert_int_equal(STOCK - fixture->store.stock, stock_taken);
    for (uint32_t i = 0; i < fixture->payment.count; i++)
        assert_true(fixture->payment.rows[i].confirmed_count <= 1);
}

void assert_in_order(const struct fixture *fixture, const char *const *lines)
{
    unsigned from = 0;

    for (; *lines != NULL; lines++) {
        int at = fake_ledger_find(&fixture->ledger, *lines, from);

        if (at < 0) {
            for (unsigned i = 0; i < fixture->ledger.count; i++)
                print_message("%3u %s\n", i, fixture->ledger.lines[i]);
            fail_msg("'%s' is not in the ledger behind line %u", *lines, from);
        }
        from = (unsigned)at + 1;
    }
}

unsigned ledger_count(const struct fixture *fixture, const char *prefix)
{
    return fake_ledger_count(&fixture->ledger, prefix);
}
