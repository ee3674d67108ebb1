/* Memory runs out once, anywhere in a call to a provider or in reading its answer: the call ends, and
 * nothing is said for certain that is not known. */
#include "client/clients.h"
#include "client/fulfillment_answer.h"
#include "client/http_client.h"
#include "client/stripe_answer.h"

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
enum {
    LONG_MS = 20000
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
        TEST(a_client_is_whole_or_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
