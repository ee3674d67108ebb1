/* What the payment adapter sends, and how tries end that no answer explains. */
#include "client/clients.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "canned_server.h"

#define ORDER_ID "017f22e2-79b0-7000-8000-000000000000"
#define PAYMENT(status)                                                          \
    "{\"id\":\"pi_1\",\"amount\":4200,\"currency\":\"eur\",\"status\":\"" status \
    "\",\"metadata\":{\"order_id\":\"" ORDER_ID "\",\"attempt\":\"3\"}}"

enum {
    LONG_MS = 20000,
    SHORT_MS = 500, /* but time to connect and send, on a busy machine, too */
    BREAKER_TRIES_MAX = 100
};

static struct loop *loop;
static struct canned_server *server;
static struct http_client *http;
static struct payment_stripe stripe;
static struct payment *payment;
static struct payment_call call;
static unsigned done_count;

static void call_done(struct effect *effect)
{
    assert_ptr_equal(effect, &call.effect);
    done_count++;
    loop_stop(loop);
}

static int setup(void **state)
{
    loop = loop_new();
    http = http_client_new(loop, 4);
    server = canned_server_new(loop);
    payment_stripe_init(&stripe, http, loop_clock(loop), canned_server_url(server), "sk_test_1");
    clients_register_metrics();
    payment = &stripe.base;
    call = (struct payment_call){
        .effect = {.arena = arena_new(256 * 1024), .timeout_ms = LONG_MS, .done = call_done},
        .key = ORDER_ID ".3.open.1",
        .payment_id = "pi_1",
        .payment_method = "pm_card_visa",
        .amount = {.minor = 4200, .currency = "EUR"},
        .attempt = 3,
    };
    done_count = 0;
    assert_true(uuid_parse(ORDER_ID, &call.order_id));
    return 0;
}

static int teardown(void **state)
{
    http_client_free(http);
    canned_server_free(server);
    arena_free(call.effect.arena);
    loop_free(loop);
    return 0;
}

/* Starts an operation and waits for its end. */
static enum effect_result run(void (*operation)(struct payment *payment, struct payment_call *call))
{
    unsigned done_before = done_count;

    operation(payment, &call);
    assert_int_equal(done_count, done_before); /* not from inside */
    loop_run(loop);
    assert_int_equal(done_count, done_before + 1);
    return call.effect.result;
}

static void check_request(const char *line, const char *body, const char *key)
{
    assert_string_equal(canned_server_request_line(server), line);
    assert_string_equal(canned_server_request_body(server), body);
    assert_string_equal(canned_server_request_header(server, "Authorization"), "Bearer sk_test_1");
    if (key == NULL)
        assert_null(canned_server_request_header(server, "Idempotency-Key"));
    else
        assert_string_equal(canned_server_request_header(server, "Idempotency-Key"), key);
}

static void open_creates_an_unconfirmed_payment_marked_with_order_and_attempt(void **state)
{
    canned_server_answer(server, 200, PAYMENT("requires_confirmation"));
    assert_int_equal(run(payment->ops->open), EFFECT_DONE);
    check_request("POST /v1/payment_intents",
                  "amount=4200&currency=eur&payment_method=pm_card_visa"
                  "&metadata%5Border_id%5D=" ORDER_ID "&metadata%5Battempt%5D=3",
                  ORDER_ID ".3.open.1");
    assert_string_equal(canned_server_request_header(server, "Content-Type"),
                        "application/x-www-form-urlencoded");
    assert_string_equal(call.id, "pi_1");
}

static void confirm_names_the_payment_and_leaves_nothing_to_the_customer(void **state)
{
    canned_server_answer(server, 200, PAYMENT("succeeded"));
    assert_int_equal(run(payment->ops->confirm), EFFECT_DONE);
    check_request("POST /v1/payment_intents/pi_1/confirm",
                  "payment_method=pm_card_visa&off_session=true&error_on_requires_action=true",
                  call.key);
}

static void look_asks_without_a_key(void **state)
{
    canned_server_answer(server, 200, PAYMENT("processing"));
    assert_int_equal(run(payment->ops->look), EFFECT_DONE);
    assert_int_equal(call.status, PAYMENT_STATUS_PROCESSING);
    check_request("GET /v1/payment_intents/pi_1", "", NULL);
}

static void cancel_and_refund_carry_their_keys(void **state)
{
    canned_server_answer(server, 200, PAYMENT("canceled"));
    assert_int_equal(run(payment->ops->cancel), EFFECT_DONE);
    check_request("POST /v1/payment_intents/pi_1/cancel", "", call.key);

    canned_server_answer(server, 200,
                         "{\"id\":\"re_1\",\"payment_intent\":\"pi_1\",\"amount\":4200,"
                         "\"currency\":\"eur\",\"status\":\"succeeded\"}");
    assert_int_equal(run(payment->ops->refund), EFFECT_DONE);
    check_request("POST /v1/refunds", "payment_intent=pi_1&amount=4200", call.key);

    canned_server_answer(server, 200, "{\"data\":[]}");
    assert_int_equal(run(payment->ops->look_refunds), EFFECT_DONE);
    check_request("GET /v1/refunds?payment_intent=pi_1&limit=100", "", NULL);
}

static void what_comes_from_outside_stays_one_segment_and_one_value(void **state)
{
    call.payment_id = "../x?y#z&w%";
    call.payment_method = "pm&amount=1";
    run(payment->ops->confirm);
    check_request("POST /v1/payment_intents/..%2Fx%3Fy%23z%26w%25/confirm",
                  "payment_method=pm%26amount%3D1&off_session=true&error_on_requires_action=true",
                  call.key);
}

static void without_an_api_key_no_authorization_is_sent(void **state)
{
    stripe.api_key = "";
    run(payment->ops->look);
    assert_null(canned_server_request_header(server, "Authorization"));
}

static void no_answer_in_time_is_unknown(void **state)
{
    canned_server_mode(server, CANNED_SILENCE);
    call.effect.timeout_ms = SHORT_MS;
    assert_int_equal(run(payment->ops->confirm), EFFECT_UNKNOWN);
    assert_int_equal(call.effect.err.reason, REASON_PAYMENT_OUTCOME_UNKNOWN);
}

static void where_nobody_listens_nothing_is_reached(void **state)
{
    stripe.provider.url = "http://127.0.0.1:1";
    assert_int_equal(run(payment->ops->open), EFFECT_NOT_REACHED);
    assert_int_equal(call.effect.err.reason, REASON_PAYMENT_UNAVAILABLE);
}

static void leave_a_connection_behind(void)
{
    canned_server_answer(server, 200, PAYMENT("processing"));
    assert_int_equal(run(payment->ops->look), EFFECT_DONE);
}

/* The first copy may have been the one that counted. */
static void a_no_to_a_request_that_may_have_arrived_twice_is_no_no(void **state)
{
    leave_a_connection_behind();
    canned_server_answer(server, 402, "{\"error\":{\"code\":\"card_declined\"}}");
    canned_server_mode(server, CANNED_CLOSE_ONCE);
    assert_int_equal(run(payment->ops->confirm), EFFECT_UNKNOWN);
    assert_int_equal(call.effect.err.reason, REASON_PAYMENT_OUTCOME_UNKNOWN);
}

static void a_yes_to_a_request_that_may_have_arrived_twice_is_a_yes(void **state)
{
    leave_a_connection_behind();
    canned_server_answer(server, 200, PAYMENT("succeeded"));
    canned_server_mode(server, CANNED_CLOSE_ONCE);
    assert_int_equal(run(payment->ops->confirm), EFFECT_DONE);
}

/* A provider that dies with the confirmation in its hands may have made it true. */
static void a_provider_that_dies_after_the_request_arrived_leaves_the_fate_unknown(void **state)
{
    leave_a_connection_behind();
    canned_server_mode(server, CANNED_DIE);
    assert_int_equal(run(payment->ops->confirm), EFFECT_UNKNOWN);
    assert_int_equal(call.effect.err.reason, REASON_PAYMENT_OUTCOME_UNKNOWN);
    assert_int_equal(run(payment->ops->confirm), EFFECT_NOT_REACHED);
    assert_int_equal(call.effect.err.reason, REASON_PAYMENT_UNAVAILABLE);
}

/* Likewise of too many requests: the first copy may not have been one too many. */
static void a_429_to_a_request_that_may_have_arrived_twice_is_unknown(void **state)
{
    leave_a_connection_behind();
    canned_server_answer(server, 429, "{}");
    canned_server_mode(server, CANNED_CLOSE_ONCE);
    assert_int_equal(run(payment->ops->confirm), EFFECT_UNKNOWN);
    canned_server_answer(server, 429, "{}");
    assert_int_equal(run(payment->ops->confirm), EFFECT_NOT_REACHED);
}

static void only_noes_are_weakened_by_a_second_copy(void **state)
{
    assert_int_equal(provider_result(EFFECT_REFUSED, 1), EFFECT_REFUSED);
    assert_int_equal(provider_result(EFFECT_REFUSED, 2), EFFECT_UNKNOWN);
    assert_int_equal(provider_result(EFFECT_NOT_REACHED, 2), EFFECT_UNKNOWN);
    assert_int_equal(provider_result(EFFECT_NOT_REACHED, 0), EFFECT_NOT_REACHED);
    assert_int_equal(provider_result(EFFECT_DONE, 2), EFFECT_DONE);
    assert_int_equal(provider_result(EFFECT_ASK, 2), EFFECT_ASK);
    assert_int_equal(provider_result(EFFECT_CONTRADICTED, 2), EFFECT_CONTRADICTED);
}

static void after_many_failures_nothing_is_sent_any_more(void **state)
{
    unsigned tries = 0, requests;

    canned_server_answer(server, 503, "");
    while (payment->ops->is_ready(payment) && tries < BREAKER_TRIES_MAX) {
        assert_int_equal(run(payment->ops->confirm), EFFECT_UNKNOWN);
        tries++;
    }
    assert_true(tries < BREAKER_TRIES_MAX);
    requests = canned_server_request_count(server);
    assert_int_equal(run(payment->ops->confirm), EFFECT_NOT_REACHED);
    assert_int_equal(call.effect.err.reason, REASON_PAYMENT_UNAVAILABLE);
    assert_int_equal(canned_server_request_count(server), requests);
}

static void refusals_do_not_open_the_breaker(void **state)
{
    canned_server_answer(server, 402, "{\"error\":{\"code\":\"card_declined\"}}");
    for (int i = 0; i < BREAKER_TRIES_MAX; i++) {
        assert_int_equal(run(payment->ops->confirm), EFFECT_REFUSED);
        arena_free(call.effect.arena);
        call.effect.arena = arena_new(256 * 1024);
    }
    assert_true(payment->ops->is_ready(payment));
}

static enum effect_result confirm_answered(int status)
{
    canned_server_answer(server, status, "{}");
    arena_free(call.effect.arena);
    call.effect.arena = arena_new(64 * 1024);
    return run(payment->ops->confirm);
}

/* A provider that is asked too often is there all the same: nothing is held against it. */
static void too_many_requests_do_not_open_the_breaker_nor_excuse_what_failed_before(void **state)
{
    int failures = 0;

    for (int i = 0; i < BREAKER_TRIES_MAX; i++)
        assert_int_equal(confirm_answered(429), EFFECT_NOT_REACHED);
    assert_true(payment->ops->is_ready(payment));
    for (; payment->ops->is_ready(payment) && failures < BREAKER_TRIES_MAX; failures++) {
        assert_int_equal(confirm_answered(503), EFFECT_UNKNOWN);
        assert_int_equal(confirm_answered(429), EFFECT_NOT_REACHED);
    }
    assert_true(failures < BREAKER_TRIES_MAX);
}

/* However little room there is, the call ends, and what was not sent was not reached. */
static void a_call_without_room_ends_all_the_same(void **state)
{
    canned_server_answer(server, 200, PAYMENT("succeeded"));
    for (size_t size = 0; size < 3000; size += 64) {
        unsigned requests = canned_server_request_count(server);
        enum effect_result result;

        breaker_init(&stripe.provider.breaker, 1000, 1000);
        arena_free(call.effect.arena);
        call.effect.arena = arena_new(size);
        result = run(payment->ops->confirm);
        if (canned_server_request_count(server) == requests)
            assert_int_equal(result, EFFECT_NOT_REACHED);
        else
            assert_true(result == EFFECT_UNKNOWN || result == EFFECT_DONE);
    }
    assert_int_equal(call.effect.result, EFFECT_DONE);
}

static void every_try_is_counted_by_its_result(void **state)
{
    enum {
        CONFIRM_DONE = 1 * EFFECT_RESULT_COUNT + EFFECT_DONE
    };

    canned_server_answer(server, 200, PAYMENT("succeeded"));
    run(payment->ops->confirm);
    assert_int_equal(metrics_get(METRIC_EFFECTS, CONFIRM_DONE), 1);
    assert_int_equal(metrics_get(METRIC_EFFECT_SECONDS, 1), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(open_creates_an_unconfirmed_payment_marked_with_order_and_attempt),
        TEST(confirm_names_the_payment_and_leaves_nothing_to_the_customer),
        TEST(look_asks_without_a_key),
        TEST(cancel_and_refund_carry_their_keys),
        TEST(what_comes_from_outside_stays_one_segment_and_one_value),
        TEST(without_an_api_key_no_authorization_is_sent),
        TEST(no_answer_in_time_is_unknown),
        TEST(where_nobody_listens_nothing_is_reached),
        TEST(a_no_to_a_request_that_may_have_arrived_twice_is_no_no),
        TEST(a_yes_to_a_request_that_may_have_arrived_twice_is_a_yes),
        TEST(a_provider_that_dies_after_the_request_arrived_leaves_the_fate_unknown),
        TEST(a_429_to_a_request_that_may_have_arrived_twice_is_unknown),
        TEST(only_noes_are_weakened_by_a_second_copy),
        TEST(after_many_failures_nothing_is_sent_any_more),
        TEST(refusals_do_not_open_the_breaker),
        TEST(too_many_requests_do_not_open_the_breaker_nor_excuse_what_failed_before),
        TEST(a_call_without_room_ends_all_the_same),
        TEST(every_try_is_counted_by_its_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
