/* Orders whose stock is kept by somebody else: what ProcessOrder and PlaceOrder answer, and what is left
 * behind. The real services over the real saga; store, providers and time are fakes, so that the other
 * side can be made to answer anything.
 *
 * Messages go in and errors come out as google.rpc.Status, as the doors send them. Rows that need no
 * remote inventory are produced over gRPC by the client tests. */
#include "fake/fake_clock.h"
#include "fake/fake_fulfillment.h"
#include "fake/fake_inventory.h"
#include "fake/fake_payment.h"
#include "fake/fake_random.h"
#include "fake/fake_saga_store.h"

#include "base/limits.h"
#include "google/rpc/error_details.pb-c.h"
#include "service/error_details.h"
#include "service/service.h"
#include "shop/v1/orders.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Messages have `char *` where they only read. */
#define TEXT(literal) ((char *)(uintptr_t)(literal))

enum {
    FORWARD_MS = 20 * 1000,
    UNDO_MS = 60 * 1000,
    REST_MS = 3 * UNDO_MS,
    SCRIPT_MAX = 4,
};

struct fixture {
    struct fake_clock clock;
    struct fake_random random;
    struct fake_ledger ledger;
    struct fake_saga_store store;
    struct fake_payment payment;
    struct fake_fulfillment fulfillment;
    struct fake_inventory inventory;
    struct inventory far_inventory; /* the fake one, which also tells what is short */
    void (*reserve_done)(struct effect *effect);
    struct order_store order_store;
    struct saga_driver *driver;
    struct service service;
    struct call call;
    unsigned done_count;
    struct fake_order *order; /* the one order; NULL until PlaceOrder has made it */
    struct order_create *creating;
    struct order_get *getting;
};

/* ---- The inventory: three lines of an order are short ----------------------------------------- */

static const struct short_line short_lines[] = {
    {.product_id = "cup", .requested = 7, .available = 2},
    {.product_id = "pot", .requested = 1, .available = 0},
    {.product_id = "tea", .requested = 3, .available = -1},
};

static struct fixture *fixture_of_inventory(struct inventory *inventory)
{
    return CONTAINER_OF(inventory, struct fixture, far_inventory);
}

static struct fixture *the_fixture; /* effects do not know whose they are */

static void on_reserved(struct effect *effect)
{
    if (effect->result == EFFECT_REFUSED && effect->err.reason == REASON_OUT_OF_STOCK) {
        for (size_t i = 0; i < COUNT_OF(short_lines); i++)
            error_add_short_line(&effect->err, effect->arena, &short_lines[i]);
    }
    the_fixture->reserve_done(effect);
}

static void on_reserve(struct inventory *inventory, struct inventory_call *call)
{
    struct fixture *fixture = fixture_of_inventory(inventory);
    struct inventory *fake = &fixture->inventory.base;

    fixture->reserve_done = call->effect.done;
    call->effect.done = on_reserved;
    fake->ops->reserve(fake, call);
}

static void on_release(struct inventory *inventory, struct inventory_call *call)
{
    struct inventory *fake = &fixture_of_inventory(inventory)->inventory.base;

    fake->ops->release(fake, call);
}

static bool on_is_ready(struct inventory *inventory)
{
    struct inventory *fake = &fixture_of_inventory(inventory)->inventory.base;

    return fake->ops->is_ready(fake);
}

static const struct inventory_ops inventory_ops = {
    .reserve = on_reserve, .release = on_release, .is_ready = on_is_ready};

/* ---- Orders, as far as the services need them -------------------------------------------------- */

static void on_created(void *arg)
{
    struct order_create *create = arg;

    create->call.done(&create->call);
}

static void on_create(struct order_store *store, struct order_create *create)
{
    struct fixture *fixture = CONTAINER_OF(store, struct fixture, order_store);

    create->replayed = fixture->order != NULL;
    if (fixture->order == NULL && create->only_replay) {
        error_set(&create->call.err, REASON_ORDER_NOT_FOUND);
    } else {
        if (fixture->order == NULL)
            fixture->order = fake_saga_store_add(&fixture->store);
        create->created = &fixture->order->order;
    }
    fake_ledger_later(&fixture->ledger, 1, on_created, create);
}

static void on_got(void *arg)
{
    struct order_get *get = arg;

    get->call.done(&get->call);
}

static void on_get(struct order_store *store, struct order_get *get)
{
    struct fixture *fixture = CONTAINER_OF(store, struct fixture, order_store);

    get->order = &fixture->order->order;
    fake_ledger_later(&fixture->ledger, 1, on_got, get);
}

static const struct order_store_ops order_store_ops = {.create = on_create, .get = on_get};

/* ---- Fixture ----------------------------------------------------------------------------------- */

static void fixture_init(struct fixture *fixture)
{
    static const struct saga_config config = {
        .try_timeout_ms = 5000,
        .lease_ms = 10000,
        .forward_ms = FORWARD_MS,
        .fulfill_ms = 15 * 60 * 1000,
        .undo_ms = UNDO_MS,
        .orders_max = 10,
    };

    memset(fixture, 0, sizeof(*fixture));
    the_fixture = fixture;
    fake_clock_init(&fixture->clock);
    fake_random_init(&fixture->random, 7);
    fake_ledger_init(&fixture->ledger, &fixture->clock.base);
    fake_saga_store_init(&fixture->store, &fixture->ledger);
    fake_payment_init(&fixture->payment, &fixture->ledger);
    fake_fulfillment_init(&fixture->fulfillment, &fixture->ledger);
    fake_inventory_init(&fixture->inventory, &fixture->ledger);
    fixture->far_inventory.ops = &inventory_ops;
    fixture->order_store.ops = &order_store_ops;
    fixture->driver = saga_driver_new(&config, &(struct saga_ports){
                                                   .store = &fixture->store.base,
                                                   .payment = &fixture->payment.base,
                                                   .fulfillment = &fixture->fulfillment.base,
                                                   .inventory = &fixture->far_inventory,
                                                   .clock = &fixture->clock.base,
                                                   .random = &fixture->random.base,
                                               });
    assert_non_null(fixture->driver);
    fixture->service = (struct service){
        .order_store = &fixture->order_store,
        .saga_driver = fixture->driver,
        .clock = &fixture->clock.base,
        .random = &fixture->random.base,
    };
    fake_clock_advance(&fixture->clock, 1000);
}

static void fixture_deinit(struct fixture *fixture)
{
    arena_free(fixture->call.arena);
    saga_driver_free(fixture->driver);
    fake_ledger_deinit(&fixture->ledger);
    fake_saga_store_deinit(&fixture->store);
}

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct fixture));
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

/* ---- Calls -------------------------------------------------------------------------------------- */

static void on_done(struct call *call)
{
    CONTAINER_OF(call, struct fixture, call)->done_count++;
}

static void call_start(struct fixture *fixture, service_fn *method, const ProtobufCMessage *request,
                       int64_t deadline_ms)
{
    int64_t now_ms = clock_now_ms(&fixture->clock.base);

    arena_free(fixture->call.arena);
    fixture->done_count = 0;
    fixture->call = (struct call){
        .arena = arena_new(LIMIT_ARENA_SIZE),
        .request = request,
        .caller = "",
        .answer_by_ms = now_ms + deadline_ms - MAX_OF(20, deadline_ms / 20),
        .deadline_ms = now_ms + deadline_ms,
        .done = on_done,
    };
    assert_non_null(fixture->call.arena);
    method(&fixture->service, &fixture->call);
}

/* Runs until the call is answered, which is before its deadline. */
static void call_wait(struct fixture *fixture)
{
    while (fixture->done_count == 0)
        assert_true(fake_clock_run_next(&fixture->clock));
    assert_int_equal(fixture->done_count, 1);
    assert_true(clock_now_ms(&fixture->clock.base) < fixture->call.deadline_ms);
}

static void start_process(struct fixture *fixture, int64_t deadline_ms)
{
    static Shop__V1__ProcessOrderRequest request;
    static char id[UUID_TEXT_SIZE];

    if (fixture->order == NULL)
        fixture->order = fake_saga_store_add(&fixture->store);
    uuid_format(&fixture->order->order.id, id);
    shop__v1__process_order_request__init(&request);
    request.id = id;
    request.payment_method = TEXT("pm_card_visa");
    request.request_id = TEXT("key-1");
    call_start(fixture, orders_process_order, &request.base, deadline_ms);
}

static void start_place(struct fixture *fixture, int64_t deadline_ms)
{
    static Shop__V1__PlaceOrderRequest request;
    static Shop__V1__OrderLine line, *lines[] = {&line};
    static Shop__V1__Address address;
    static char *address_lines[1];

    shop__v1__order_line__init(&line);
    line.product_id = TEXT("cup");
    line.quantity = 1;
    shop__v1__address__init(&address);
    address_lines[0] = TEXT("Lane 1");
    address.recipient = TEXT("Ann");
    address.address_lines = address_lines;
    address.n_address_lines = 1;
    address.region_code = TEXT("DE");
    shop__v1__place_order_request__init(&request);
    request.customer_id = TEXT("ann");
    request.lines = lines;
    request.n_lines = 1;
    request.ship_to = &address;
    request.payment_method = TEXT("pm_card_visa");
    request.request_id = TEXT("key-1");
    call_start(fixture, orders_place_order, &request.base, deadline_ms);
}

typedef void start_fn(struct fixture *fixture, int64_t deadline_ms);

static const struct {
    const char *name;
    start_fn *start;
} methods[] = {{"ProcessOrder", start_process}, {"PlaceOrder", start_place}};

/* ---- What is looked at -------------------------------------------------------------------------- */

/* The detail of that type, packed; NULL when there is none. */
static const ProtobufCBinaryData *detail_of(const Google__Rpc__Status *status, const char *name)
{
    for (size_t i = 0; i < status->n_details; i++) {
        const char *type = strrchr(status->details[i]->type_url, '.');

        if (type != NULL && strcmp(type + 1, name) == 0)
            return &status->details[i]->value;
    }
    return NULL;
}

static void assert_info(const Google__Rpc__Status *status, enum reason reason, const char *order_id)
{
    const ProtobufCBinaryData *packed = detail_of(status, "ErrorInfo");
    Google__Rpc__ErrorInfo *info;
    const char *named = NULL;

    assert_non_null(packed);
    info = google__rpc__error_info__unpack(NULL, packed->len, packed->data);
    assert_non_null(info);
    assert_string_equal(info->reason, reason_name(reason));
    assert_string_equal(info->domain, ERROR_DOMAIN);
    for (size_t i = 0; i < info->n_metadata; i++) {
        if (strcmp(info->metadata[i]->key, "orderId") == 0)
            named = info->metadata[i]->value;
    }
    if (order_id != NULL) {
        assert_non_null(named);
        assert_string_equal(named, order_id);
    } else {
        assert_null(named);
    }
    google__rpc__error_info__free_unpacked(info, NULL);
}

static void assert_resource(const Google__Rpc__Status *status, const char *order_id)
{
    const ProtobufCBinaryData *packed = detail_of(status, "ResourceInfo");
    Google__Rpc__ResourceInfo *info;

    assert_non_null(packed);
    info = google__rpc__resource_info__unpack(NULL, packed->len, packed->data);
    assert_non_null(info);
    assert_string_equal(info->resource_type, "shop.v1.Order");
    assert_string_equal(info->resource_name, order_id);
    google__rpc__resource_info__free_unpacked(info, NULL);
}

/* Every line that is short, in the order the other side told them. */
static void assert_short_lines(const Google__Rpc__Status *status)
{
    static const char *const told[][2] = {
        {"products/cup", "7 requested, 2 available"},
        {"products/pot", "1 requested, 0 available"},
        {"products/tea", "3 requested, -1 available"},
    };
    const ProtobufCBinaryData *packed = detail_of(status, "PreconditionFailure");
    Google__Rpc__PreconditionFailure *failure;

    assert_non_null(packed);
    failure = google__rpc__precondition_failure__unpack(NULL, packed->len, packed->data);
    assert_non_null(failure);
    assert_int_equal(failure->n_violations, COUNT_OF(told));
    for (size_t i = 0; i < COUNT_OF(told); i++) {
        assert_string_equal(failure->violations[i]->type, "STOCK");
        assert_string_equal(failure->violations[i]->subject, told[i][0]);
        assert_string_equal(failure->violations[i]->description, told[i][1]);
    }
    google__rpc__precondition_failure__free_unpacked(failure, NULL);
}

/* Code, reason, what is said about repeating, and what the reason comes with. */
static void assert_refused(const struct fixture *fixture, enum reason reason)
{
    const struct error *err = &fixture->call.err;
    const Google__Rpc__Status *status;
    char order_id[UUID_TEXT_SIZE];
    bool is_present;
    int32_t pushback_ms = error_retry_pushback_ms(err, &is_present);

    assert_string_equal(error_is_set(err) ? reason_name(err->reason) : "OK", reason_name(reason));
    assert_int_equal(err->status, reason_status(reason));
    assert_null(fixture->call.reply);
    if (fixture->order != NULL)
        uuid_format(&fixture->order->order.id, order_id);
    status = error_to_status(err, fixture->call.arena);
    assert_non_null(status);
    assert_int_equal(status->code, reason_status(reason));
    assert_info(status, reason, fixture->order == NULL ? NULL : order_id);
    assert_int_equal(detail_of(status, "RetryInfo") != NULL, reason_retry(reason) == RETRY_AFTER);
    assert_int_equal(is_present, reason_retry(reason) != RETRY_SILENT);
    if (reason_retry(reason) == RETRY_NEVER) {
        assert_int_equal(pushback_ms, -1);
        assert_resource(status, order_id);
    } else {
        assert_true(!is_present || pushback_ms > 0);
        assert_null(detail_of(status, "ResourceInfo"));
    }
    if (reason == REASON_OUT_OF_STOCK)
        assert_short_lines(status);
    else
        assert_int_equal(detail_of(status, "PreconditionFailure") != NULL,
                         status->code == STATUS_FAILED_PRECONDITION);
}

static void assert_state(const struct fixture *fixture, enum order_state state)
{
    assert_non_null(fixture->order);
    assert_string_equal(order_state_name(fixture->order->order.state), order_state_name(state));
}

/* GetOrder tells the same cause as the caller was told, short lines and all. */
static void assert_get_order_tells(struct fixture *fixture, enum reason cause)
{
    Shop__V1__GetOrderRequest request;
    const Shop__V1__Order *order;
    char id[UUID_TEXT_SIZE];

    uuid_format(&fixture->order->order.id, id);
    shop__v1__get_order_request__init(&request);
    request.id = id;
    call_start(fixture, orders_get_order, &request.base, 5000);
    call_wait(fixture);
    assert_int_equal(fixture->call.err.status, STATUS_OK);
    order = (const Shop__V1__Order *)(const void *)fixture->call.reply;
    assert_int_equal(order->state, fixture->order->order.state);
    assert_int_equal(order->failure != NULL, cause != REASON_NONE);
    if (cause == REASON_NONE)
        return;
    assert_int_equal(order->failure->code, reason_status(cause));
    assert_info(order->failure, cause, id);
    if (cause == REASON_OUT_OF_STOCK)
        assert_short_lines(order->failure);
}

/* ---- The rows ------------------------------------------------------------------------------------ */

#define NO(what, why)                                   \
    {                                                   \
        .result = EFFECT_##what, .reason = REASON_##why \
    }
#define NOT_REACHED NO(NOT_REACHED, INVENTORY_UNAVAILABLE)
#define UNKNOWN NO(UNKNOWN, INVENTORY_UNAVAILABLE)
#define MISCONFIGURED NO(REFUSED, INVENTORY_MISCONFIGURED)
#define SHORT NO(REFUSED, OUT_OF_STOCK)
#define LOST_AFTER                                                                        \
    {                                                                                     \
        .result = EFFECT_UNKNOWN, .reason = REASON_INVENTORY_UNAVAILABLE, .happens = true \
    }
#define DONE                  \
    {                         \
        .result = EFFECT_DONE \
    }

struct script {
    unsigned count;
    bool forever; /* the last one; otherwise all goes well afterwards */
    struct fake_outcome outcomes[SCRIPT_MAX];
};

struct row {
    const char *name;
    struct script reserve, release;
    enum reason payment_refuses, shipping_refuses; /* NONE: they do not */
    int64_t deadline_ms;
    bool is_cancelled;  /* a wish comes while it is being reserved */
    enum reason reason; /* NONE: confirmed */
    enum order_state told_state, rest_state;
    enum reason rest_cause; /* of FAILED and STUCK */
    bool releases;          /* the other side is asked to give back */
    bool counts;            /* uses up an attempt */
};

/* clang-format off */
static const struct row rows[] = {
    { .name = "a reservation that is made lets the order go through",
      .deadline_ms = 10000, .reason = REASON_NONE,
      .told_state = ORDER_FULFILLED, .rest_state = ORDER_FULFILLED },
    { .name = "a reservation whose answer is lost is asked for again",
      .reserve = {1, false, {LOST_AFTER}}, .deadline_ms = 10000, .reason = REASON_NONE,
      .told_state = ORDER_FULFILLED, .rest_state = ORDER_FULFILLED },
    { .name = "short stock names every line that is short",
      .reserve = {1, true, {SHORT}}, .deadline_ms = 10000, .reason = REASON_OUT_OF_STOCK,
      .told_state = ORDER_FAILED, .rest_state = ORDER_FAILED, .rest_cause = REASON_OUT_OF_STOCK, .counts = true },
    { .name = "short stock after a try of unknown fate is given back",
      .reserve = {2, true, {UNKNOWN, SHORT}}, .deadline_ms = 10000, .reason = REASON_OUT_OF_STOCK,
      .told_state = ORDER_FAILED, .rest_state = ORDER_FAILED, .rest_cause = REASON_OUT_OF_STOCK,
      .releases = true, .counts = true },
    { .name = "an inventory that is not reached is given up with the caller's time",
      .reserve = {1, true, {NOT_REACHED}}, .deadline_ms = 5000, .reason = REASON_INVENTORY_UNAVAILABLE,
      .told_state = ORDER_FAILED, .rest_state = ORDER_FAILED, .rest_cause = REASON_INVENTORY_UNAVAILABLE },
    { .name = "an inventory that is not reached is given up at forward_until",
      .reserve = {1, true, {NOT_REACHED}}, .deadline_ms = 50000, .reason = REASON_INVENTORY_UNAVAILABLE,
      .told_state = ORDER_FAILED, .rest_state = ORDER_FAILED, .rest_cause = REASON_INVENTORY_UNAVAILABLE },
    { .name = "a reservation of unknown fate is given up at forward_until and given back",
      .reserve = {1, true, {LOST_AFTER}}, .deadline_ms = 50000, .reason = REASON_INVENTORY_UNAVAILABLE,
      .told_state = ORDER_FAILED, .rest_state = ORDER_FAILED, .rest_cause = REASON_INVENTORY_UNAVAILABLE,
      .releases = true, .counts = true },
    { .name = "an inventory that refuses this service is misconfigured",
      .reserve = {1, true, {MISCONFIGURED}}, .deadline_ms = 10000, .reason = REASON_INVENTORY_MISCONFIGURED,
      .told_state = ORDER_FAILED, .rest_state = ORDER_FAILED, .rest_cause = REASON_INVENTORY_MISCONFIGURED,
      .counts = true },
    { .name = "a refusal after a try of unknown fate is no proof, so it is given back",
      .reserve = {2, true, {LOST_AFTER, MISCONFIGURED}}, .deadline_ms = 10000,
      .reason = REASON_INVENTORY_MISCONFIGURED, .told_state = ORDER_FAILED, .rest_state = ORDER_FAILED,
      .rest_cause = REASON_INVENTORY_MISCONFIGURED, .releases = true, .counts = true },
    { .name = "a reservation of unknown fate in the caller's time goes on alone",
      .reserve = {4, false, {UNKNOWN, UNKNOWN, UNKNOWN, {.result = EFFECT_UNKNOWN, .delay_ms = 3000}}},
      .deadline_ms = 3000, .reason = REASON_RESERVATION_OUTCOME_UNKNOWN,
      .told_state = ORDER_RESERVING, .rest_state = ORDER_FULFILLED },
    { .name = "the cause is told after two seconds of giving back",
      .reserve = {2, true, {LOST_AFTER, SHORT}},
      .release = {4, false, {UNKNOWN, NOT_REACHED, UNKNOWN, {.result = EFFECT_UNKNOWN, .delay_ms = 3000}}},
      .deadline_ms = 10000, .reason = REASON_OUT_OF_STOCK,
      .told_state = ORDER_RELEASING, .rest_state = ORDER_FAILED, .rest_cause = REASON_OUT_OF_STOCK,
      .releases = true, .counts = true },
    { .name = "stock that cannot be given back leaves the order stuck",
      .reserve = {2, true, {LOST_AFTER, SHORT}}, .release = {1, true, {MISCONFIGURED}},
      .deadline_ms = 10000, .reason = REASON_OUT_OF_STOCK,
      .told_state = ORDER_RELEASING, .rest_state = ORDER_STUCK, .rest_cause = REASON_OUT_OF_STOCK,
      .releases = true },
    { .name = "a card that is declined gives the stock back",
      .payment_refuses = REASON_PAYMENT_DECLINED, .deadline_ms = 10000, .reason = REASON_PAYMENT_DECLINED,
      .told_state = ORDER_FAILED, .rest_state = ORDER_FAILED, .rest_cause = REASON_PAYMENT_DECLINED,
      .releases = true, .counts = true },
    { .name = "a shipment that is refused gives money and stock back",
      .shipping_refuses = REASON_FULFILLMENT_REJECTED, .deadline_ms = 10000,
      .reason = REASON_FULFILLMENT_REJECTED, .told_state = ORDER_FAILED, .rest_state = ORDER_FAILED,
      .rest_cause = REASON_FULFILLMENT_REJECTED, .releases = true, .counts = true },
    { .name = "an order cancelled while it is being reserved gives back",
      .reserve = {1, true, {LOST_AFTER}}, .is_cancelled = true, .deadline_ms = 10000,
      .reason = REASON_ORDER_CANCELLED, .told_state = ORDER_CANCELLED, .rest_state = ORDER_CANCELLED,
      .releases = true },
    { .name = "an order cancelled while nothing was reached has nothing to give back",
      .reserve = {1, true, {NOT_REACHED}}, .is_cancelled = true, .deadline_ms = 10000,
      .reason = REASON_ORDER_CANCELLED, .told_state = ORDER_CANCELLED, .rest_state = ORDER_CANCELLED },
};
/* clang-format on */

static void script_set(struct fake_script *script, const struct script *row)
{
    for (unsigned i = 0; i < row->count; i++)
        fake_script_add(script, row->outcomes[i]);
    script->forever = row->forever;
}

static void row_prepare(struct fixture *fixture, const struct row *row)
{
    script_set(&fixture->inventory.reserve, &row->reserve);
    script_set(&fixture->inventory.release, &row->release);
    if (row->payment_refuses != REASON_NONE)
        fake_payment_expect(
            &fixture->payment, FAKE_CONFIRM,
            (struct fake_outcome){.result = EFFECT_REFUSED, .reason = row->payment_refuses});
    if (row->shipping_refuses != REASON_NONE)
        fake_script_add(
            &fixture->fulfillment.create,
            (struct fake_outcome){.result = EFFECT_REFUSED, .reason = row->shipping_refuses});
}

static void assert_nothing_is_held(const struct fixture *fixture)
{
    assert_int_equal(fake_payment_held(&fixture->payment), 0);
    assert_int_equal(fake_payment_open(&fixture->payment), 0);
    assert_int_equal(fake_fulfillment_live(&fixture->fulfillment), 0);
    assert_false(fixture->inventory.is_reserved);
}

static void assert_all_is_held(const struct fixture *fixture)
{
    assert_int_equal(fake_payment_held(&fixture->payment), 1);
    assert_int_equal(fake_fulfillment_live(&fixture->fulfillment), 1);
    assert_true(fixture->inventory.is_reserved);
}

static void assert_left(struct fixture *fixture, const struct row *row)
{
    assert_state(fixture, row->rest_state);
    assert_int_equal(fixture->order->order.attempt, 1);
    assert_int_equal(fixture->order->attempts_counted, row->counts);
    assert_int_equal(fake_ledger_count(&fixture->ledger, "release ") > 0, row->releases);
    if (row->rest_state == ORDER_FULFILLED)
        assert_all_is_held(fixture);
    else if (row->rest_state != ORDER_STUCK)
        assert_nothing_is_held(fixture);
    assert_int_equal(saga_driver_count(fixture->driver), 0);
    assert_get_order_tells(fixture, row->rest_cause);
}

/* The same key again: the same answer, or how it has ended meanwhile. Nothing is done anew. */
static void assert_repeat(struct fixture *fixture, const struct row *row, start_fn *start)
{
    bool goes_on = row->reason != REASON_NONE && reason_retry(row->reason) == RETRY_NEVER;
    enum reason reason = goes_on ? row->rest_cause : row->reason;
    unsigned reserved_count = fake_ledger_count(&fixture->ledger, "reserve ");

    if (reason != REASON_NONE && reason_retry(reason) == RETRY_AFTER)
        return; /* it would start the next attempt */
    start(fixture, 10000);
    call_wait(fixture);
    assert_true(fixture->call.replayed);
    assert_int_equal(fake_ledger_count(&fixture->ledger, "reserve "), reserved_count);
    if (reason != REASON_NONE)
        assert_refused(fixture, reason);
    else
        assert_non_null(fixture->call.reply);
}

static void wish_cancel(struct fixture *fixture)
{
    while (fake_ledger_count(&fixture->ledger, "reserve ") == 0)
        assert_true(fake_clock_run_next(&fixture->clock));
    fixture->order->cancel_wished = true;
}

static void row_run(struct fixture *fixture, const struct row *row, start_fn *start)
{
    row_prepare(fixture, row);
    start(fixture, row->deadline_ms);
    if (row->is_cancelled)
        wish_cancel(fixture);
    call_wait(fixture);
    if (row->reason == REASON_NONE)
        assert_non_null(fixture->call.reply);
    else
        assert_refused(fixture, row->reason);
    assert_state(fixture, row->told_state);
    fake_clock_advance(&fixture->clock, REST_MS);
    assert_left(fixture, row);
    assert_repeat(fixture, row, start);
}

static void every_answer_of_a_remote_inventory_is_told_as_promised(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t m = 0; m < COUNT_OF(methods); m++) {
            print_message("%s: %s\n", methods[m].name, rows[i].name);
            fixture_init(fixture);
            row_run(fixture, &rows[i], methods[m].start);
            fixture_deinit(fixture);
        }
    }
}

/* ---- Stories ------------------------------------------------------------------------------------- */

static void an_answer_that_invites_a_repeat_leaves_the_key_free(void **state)
{
    struct fixture *fixture = *state;

    for (size_t m = 0; m < COUNT_OF(methods); m++) {
        fixture_init(fixture);
        script_set(&fixture->inventory.reserve, &(struct script){1, true, {NOT_REACHED}});
        methods[m].start(fixture, 5000);
        call_wait(fixture);
        assert_refused(fixture, REASON_INVENTORY_UNAVAILABLE);
        fixture->inventory.reserve = (struct fake_script){.forever = false};
        methods[m].start(fixture, 5000);
        call_wait(fixture);
        assert_non_null(fixture->call.reply);
        assert_int_equal(fixture->order->order.attempt, 2);
        assert_all_is_held(fixture);
        fixture_deinit(fixture);
    }
}

static void with_less_than_a_second_nothing_is_asked_for(void **state)
{
    struct fixture *fixture = *state;

    for (size_t m = 0; m < COUNT_OF(methods); m++) {
        fixture_init(fixture);
        methods[m].start(fixture, 900);
        call_wait(fixture);
        assert_refused(fixture, REASON_DEADLINE_TOO_SHORT);
        fake_clock_advance(&fixture->clock, REST_MS);
        assert_int_equal(fake_ledger_count(&fixture->ledger, "reserve "), 0);
        if (methods[m].start == start_place)
            assert_null(fixture->order);
        else
            assert_state(fixture, ORDER_PENDING);
        fixture_deinit(fixture);
    }
}

/* Nothing has failed, and yet there is too little time for the money to move. */
static void a_reservation_that_took_too_long_is_given_back_before_money_moves(void **state)
{
    struct fixture *fixture = *state;
    const struct fake_outcome slow = {.result = EFFECT_DONE, .delay_ms = 1500};

    for (size_t m = 0; m < COUNT_OF(methods); m++) {
        fixture_init(fixture);
        fake_script_add(&fixture->inventory.reserve, slow);
        methods[m].start(fixture, 2000);
        call_wait(fixture);
        assert_refused(fixture, REASON_DEADLINE_TOO_SHORT);
        fake_clock_advance(&fixture->clock, REST_MS);
        assert_state(fixture, ORDER_FAILED);
        assert_int_equal(fake_ledger_count(&fixture->ledger, "release "), 1);
        assert_int_equal(fake_ledger_count(&fixture->ledger, "open "), 0);
        assert_nothing_is_held(fixture);
        fixture_deinit(fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_answer_of_a_remote_inventory_is_told_as_promised,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_that_invites_a_repeat_leaves_the_key_free, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(with_less_than_a_second_nothing_is_asked_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_reservation_that_took_too_long_is_given_back_before_money_moves, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
