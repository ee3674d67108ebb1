/* Memory runs out, once or for a while, anywhere in a call to a provider or in reading its answer: the call
 * ends, and nothing is said for certain that is not known. */
#include "client/clients.h"
#include "client/fulfillment_answer.h"
#include "client/http_client.h"
#include "client/stripe_answer.h"
#include "client/stripe_list.h"

#include "canned_server.h"
#include "fake/failing_heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ORDER_ID "017f22e2-79b0-7000-8000-000000000000"
#define PAYMENT(status)                                                                     \
    "{\"id\":\"pi_1\",\"object\":\"payment_intent\",\"amount\":4200,"                       \
    "\"currency\":\"eur\",\"status\":\"" status "\",\"metadata\":{\"order_id\":\"" ORDER_ID \
    "\",\"attempt\":\"3\"}}"
#define DECLINE                                                                          \
    "{\"error\":{\"type\":\"card_error\",\"code\":\"card_declined\",\"message\":\"no\"," \
    "\"decline_code\":\"insufficient_funds\"}}"
#define LISTED(id)                                                                   \
    "{\"id\":\"" id "\",\"amount\":4200,\"amount_received\":0,\"currency\":\"eur\"," \
    "\"status\":\"canceled\",\"latest_charge\":null,\"metadata\":{\"order_id\":\"" ORDER_ID "\"}}"
#define PAGE \
    "{\"object\":\"list\",\"data\":[" LISTED("pi_1") "," LISTED("pi_2") "],\"has_more\":false}"
enum {
    LONG_MS = 600000 /* no call has to wait for that */
};

static struct payment_call payment_call(void)
{
    struct payment_call call = {
        .effect = {.arena = arena_new(256 * 1024), .timeout_ms = LONG_MS},
        .key = ORDER_ID ".3.open.1",
        .payment_id = "pi_1",
        .payment_method = "pm_card_visa",
        .amount = {.minor = 4200, .currency = "EUR"},
        .attempt = 3,
    };

    assert_true(uuid_parse(ORDER_ID, &call.order_id));
    assert_non_null(call.effect.arena);
    return call;
}

/* ---- Reading answers -------------------------------------------------------------------------------- */

/* All of it, or none. */
static void check_page(const struct payment_list_call *call)
{
    if (call->effect.result == EFFECT_DONE) {
        assert_int_equal(call->count, 2);
        assert_string_equal(call->payments[1].id, "pi_2");
        return;
    }
    assert_true(failing_heap_has_failed());
    assert_int_equal(call->count, 0);
    assert_true(error_is_set(&call->effect.err));
}

struct answer {
    unsigned operation;
    int status;
    const char *body;
    enum effect_result result;
};

static void read_stripe(void *context)
{
    const struct answer *answer = context;
    struct payment_call call = payment_call();

    failing_heap_begin();
    stripe_answer_read((enum stripe_operation)answer->operation,
                       &(struct stripe_answer){.status = answer->status,
                                               .body = answer->body,
                                               .body_size = strlen(answer->body)},
                       &call);
    failing_heap_end();
    if (!failing_heap_has_failed() || call.effect.result != EFFECT_UNKNOWN)
        assert_int_equal(call.effect.result, answer->result);
    if (call.effect.result == EFFECT_DONE && answer->operation == STRIPE_OPEN)
        assert_string_equal(call.id, "pi_1");
    assert_int_equal(error_is_set(&call.effect.err), call.effect.result != EFFECT_DONE);
    arena_free(call.effect.arena);
}

static void a_payment_answer_that_finds_no_memory_is_unknown(void **state)
{
    struct answer answers[] = {
        {STRIPE_OPEN, 200, PAYMENT("requires_confirmation"), EFFECT_DONE},
        {STRIPE_CONFIRM, 402, DECLINE, EFFECT_REFUSED},
    };

    for (size_t i = 0; i < COUNT_OF(answers); i++)
        failing_heap_each(read_stripe, &answers[i]);
}

static void read_fulfillment(void *context)
{
    static const char body[] = "{\"id\":\"sh_1\",\"state\":\"ACCEPTED\"}";
    struct fulfillment_call call = {.effect.arena = arena_new(16 * 1024)};

    (void)context;
    assert_non_null(call.effect.arena);
    failing_heap_begin();
    fulfillment_answer_read(
        FULFILLMENT_CREATE,
        &(struct fulfillment_answer){.status = 200, .body = body, .body_size = sizeof(body) - 1},
        &call);
    failing_heap_end();
    if (call.effect.result == EFFECT_DONE)
        assert_string_equal(call.shipment_id, "sh_1");
    else
        assert_int_equal(call.effect.result, EFFECT_UNKNOWN);
    assert_true(call.effect.result == EFFECT_DONE || failing_heap_has_failed());
    arena_free(call.effect.arena);
}

static void a_shipment_answer_that_finds_no_memory_is_unknown(void **state)
{
    failing_heap_each(read_fulfillment, NULL);
}

static void read_list(void *context)
{
    static const char body[] = PAGE;
    struct payment_list_call call = {.effect.arena = arena_new(16 * 1024)};

    (void)context;
    assert_non_null(call.effect.arena);
    failing_heap_begin();
    stripe_list_read(
        &(struct stripe_answer){.status = 200, .body = body, .body_size = sizeof(body) - 1}, &call);
    failing_heap_end();
    check_page(&call);
    arena_free(call.effect.arena);
}

static void a_list_that_finds_no_memory_is_unknown(void **state)
{
    failing_heap_each(read_list, NULL);
}

/* ---- Calls ------------------------------------------------------------------------------------------ */

static struct loop *loop;
static struct canned_server *server;

static int setup(void **state)
{
    loop = loop_new();
    server = canned_server_new(loop);
    clients_register_metrics();
    return loop == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    canned_server_free(server);
    loop_free(loop);
    return 0;
}

static void call_done(struct effect *effect)
{
    loop_stop(loop);
}

static void confirm(struct payment *payment, struct payment_call *call)
{
    call->effect.done = call_done;
    call->effect.result = EFFECT_RESULT_COUNT;
    payment->ops->confirm(payment, call);
    loop_run(loop);
}

/* A call with a client of its own, and the next one. */
static void confirm_twice(void *context)
{
    unsigned requests = canned_server_request_count(server);
    struct http_client *client = http_client_new(loop, 4);
    struct payment_call call = payment_call();
    struct payment_stripe stripe;

    assert_non_null(client);
    payment_stripe_init(&stripe, client, loop_clock(loop), canned_server_url(server), "sk_test_1");
    failing_heap_begin();
    confirm(&stripe.base, &call);
    failing_heap_end();
    if (canned_server_request_count(server) == requests)
        assert_int_equal(call.effect.result, EFFECT_NOT_REACHED);
    else if (call.effect.result != EFFECT_UNKNOWN)
        assert_int_equal(call.effect.result, EFFECT_DONE);
    assert_true(call.effect.result == EFFECT_DONE || failing_heap_has_failed());
    call.effect.err = (struct error){0};
    confirm(&stripe.base, &call);
    assert_int_equal(call.effect.result, EFFECT_DONE);
    http_client_free(client);
    arena_free(call.effect.arena);
}

static void a_call_that_finds_no_memory_was_not_reached_or_is_unknown(void **state)
{
    canned_server_answer(server, 200, PAYMENT("succeeded"));
    failing_heap_each(confirm_twice, NULL);
}

static struct order_line lines[] = {
    {.product_id = "tea", .quantity = 2, .name = "Tea", .unit_price_minor = 450}};
static const char *address_lines[] = {"1 Main St"};

/* A shipment and its recall: neither, or each as it is asked for. */
static void ship_and_recall(void *context)
{
    static const char *const answers[] = {"{\"id\":\"sh_1\",\"state\":\"ACCEPTED\"}",
                                          "{\"id\":\"sh_1\",\"state\":\"CANCELLED\"}"};
    const struct order order = {.lines = lines,
                                .line_count = COUNT_OF(lines),
                                .total = {.minor = 900, .currency = "EUR"},
                                .ship_to = {.recipient = "Ada",
                                            .lines = address_lines,
                                            .line_count = COUNT_OF(address_lines),
                                            .region_code = "GB"}};
    struct http_client *client = http_client_new(loop, 4);
    struct fulfillment_call call = {
        .effect = {.arena = arena_new(256 * 1024), .timeout_ms = LONG_MS, .done = call_done},
        .request_id = ORDER_ID ".1.ship",
        .order = &order};
    struct fulfillment_http shipping;

    (void)context;
    fulfillment_http_init(&shipping, client, loop_clock(loop), canned_server_url(server));
    for (unsigned i = 0; i < 2; i++) {
        const unsigned requests = canned_server_request_count(server);

        call.effect.err = (struct error){0};
        canned_server_answer(server, 200, answers[i]);
        failing_heap_begin();
        if (i == 0)
            shipping.base.ops->create(&shipping.base, &call);
        else
            shipping.base.ops->cancel(&shipping.base, &call);
        loop_run(loop);
        failing_heap_end();
        assert_true(call.effect.result == EFFECT_DONE || failing_heap_has_failed());
        if (call.effect.result == EFFECT_NOT_REACHED)
            assert_int_equal(canned_server_request_count(server), requests);
        else if (call.effect.result != EFFECT_DONE)
            assert_int_equal(call.effect.result, EFFECT_UNKNOWN);
    }
    http_client_free(client);
    arena_free(call.effect.arena);
}

static void a_shipment_that_finds_no_memory_was_not_reached_or_is_unknown(void **state)
{
    failing_heap_each(ship_and_recall, NULL);
}

static void list_payments(void *context)
{
    struct http_client *client = http_client_new(loop, 4);
    struct payment_list_call call = {
        .effect = {.arena = arena_new(256 * 1024), .timeout_ms = LONG_MS, .done = call_done},
        .since_s = 1,
        .after_id = "pi_0"};
    struct payment_list_stripe list;

    (void)context;
    payment_list_stripe_init(&list, client, loop_clock(loop), canned_server_url(server), "sk_1");
    failing_heap_begin();
    list.base.ops->page(&list.base, &call);
    loop_run(loop);
    failing_heap_end();
    check_page(&call);
    http_client_free(client);
    arena_free(call.effect.arena);
}

static void a_page_of_payments_is_whole_or_none(void **state)
{
    canned_server_answer(server, 200, PAGE);
    failing_heap_each(list_payments, NULL);
}

static void make_client(void *context)
{
    struct http_client *client;

    failing_heap_begin();
    client = http_client_new(loop, 4);
    failing_heap_end();
    assert_int_equal(client == NULL, failing_heap_has_failed());
    http_client_free(client);
}

static void a_client_is_whole_or_none(void **state)
{
    failing_heap_each(make_client, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payment_answer_that_finds_no_memory_is_unknown),
        cmocka_unit_test(a_shipment_answer_that_finds_no_memory_is_unknown),
        TEST(a_call_that_finds_no_memory_was_not_reached_or_is_unknown),
        cmocka_unit_test(a_list_that_finds_no_memory_is_unknown),
        TEST(a_shipment_that_finds_no_memory_was_not_reached_or_is_unknown),
        TEST(a_page_of_payments_is_whole_or_none),
        TEST(a_client_is_whole_or_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
