/* What each answer of the payment provider means, as one table: operation, status, body. */
#include "client/stripe_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"

#define ORDER_ID "017f22e2-79b0-7000-8000-000000000000"

static struct payment_call call;

static int setup(void **state)
{
    call = (struct payment_call){
        .effect.arena = arena_new(64 * 1024),
        .payment_id = "pi_1",
        .payment_method = "pm_card_visa",
        .amount = {.minor = 4200, .currency = "EUR"},
        .attempt = 3,
    };
    assert_true(uuid_parse(ORDER_ID, &call.order_id));
    return 0;
}

static int teardown(void **state)
{
    arena_free(call.effect.arena);
    return 0;
}

static void read_answer(enum stripe_operation operation, int status, const char *body)
{
    const struct stripe_answer answer = {
        .status = status, .body = body, .body_size = strlen(body), .retry_after_ms = 5000};

    call.effect.err = (struct error){.status = STATUS_OK};
    stripe_answer_read(operation, &answer, &call);
    assert_int_equal(error_is_set(&call.effect.err), call.effect.result != EFFECT_DONE);
}

/* Bodies. The texts of PAYMENT are members that differ from the usual ones. */
#define PAYMENT(id, amount, currency, status, rest)                       \
    "{\"id\":\"" id "\",\"object\":\"payment_intent\",\"amount\":" amount \
    ",\"currency\":\"" currency "\",\"status\":\"" status "\"" rest "}"
#define METADATA(order_id, attempt) \
    ",\"metadata\":{\"order_id\":\"" order_id "\",\"attempt\":\"" attempt "\"}"
#define MINE METADATA(ORDER_ID, "3")
#define REFUND(payment_id, amount, currency, status)                          \
    "{\"id\":\"re_1\",\"object\":\"refund\",\"payment_intent\":\"" payment_id \
    "\",\"amount\":" amount ",\"currency\":\"" currency "\",\"status\":\"" status "\"}"
#define REFUSAL(type, code, rest) \
    "{\"error\":{\"type\":\"" type "\",\"code\":\"" code "\",\"message\":\"no\"" rest "}}"
#define DECLINE(code) REFUSAL("card_error", "card_declined", ",\"decline_code\":\"" code "\"")
#define INVALID(code) REFUSAL("invalid_request_error", code, "")
#define METHOD REFUSAL("invalid_request_error", "resource_missing", ",\"param\":\"payment_method\"")
#define AUTHENTICATION REFUSAL("card_error", "authentication_required", "")
#define UNEXPECTED INVALID("payment_intent_unexpected_state")
#define REFUNDED INVALID("charge_already_refunded")
#define LARGE_RECEIVED ",\"amount_received\":4201"
#define WHOLE_RECEIVED ",\"amount_received\":4200"

struct answer_case {
    enum stripe_operation operation;
    int status;
    const char *body;
    enum effect_result result;
    enum reason reason;
};

/* clang-format off */
static const struct answer_case cases[] = {
    /* Opened, as asked or not */
    {STRIPE_OPEN, 200, PAYMENT("pi_1", "4200", "eur", "requires_confirmation", MINE), EFFECT_DONE, REASON_NONE},
    {STRIPE_OPEN, 201, PAYMENT("pi_1", "4200", "eur", "requires_payment_method", MINE), EFFECT_DONE, REASON_NONE},
    {STRIPE_OPEN, 200, PAYMENT("pi_1", "4201", "eur", "requires_confirmation", MINE), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_OPEN, 200, PAYMENT("pi_1", "4200.0", "eur", "requires_confirmation", MINE), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_OPEN, 200, PAYMENT("pi_1", "\"4200\"", "eur", "requires_confirmation", MINE), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_OPEN, 200, PAYMENT("pi_1", "4200", "usd", "requires_confirmation", MINE), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_OPEN, 200, PAYMENT("pi_1", "4200", "eu", "requires_confirmation", MINE), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_OPEN, 200, PAYMENT("pi_1", "4200", "eur", "requires_confirmation", METADATA("another", "3")), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_OPEN, 200, PAYMENT("pi_1", "4200", "eur", "requires_confirmation", METADATA(ORDER_ID, "2")), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_OPEN, 200, PAYMENT("pi_1", "4200", "eur", "requires_confirmation", ""), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_OPEN, 200, PAYMENT("pi_1", "4200", "eur", "succeeded", MINE), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_OPEN, 200, PAYMENT("", "4200", "eur", "requires_confirmation", MINE), EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_OPEN, 200, PAYMENT("pi 1", "4200", "eur", "requires_confirmation", MINE), EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_OPEN, 200, PAYMENT("pi_1", "4200", "eur", "some_new_status", MINE), EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_OPEN, 200, "{\"id\":\"pi_1\",\"amou", EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_OPEN, 200, "", EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_OPEN, 200, "[]", EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_OPEN, 200, "<html>", EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},

    /* Confirmed */
    {STRIPE_CONFIRM, 200, PAYMENT("pi_1", "4200", "eur", "succeeded", ""), EFFECT_DONE, REASON_NONE},
    {STRIPE_CONFIRM, 200, PAYMENT("pi_1", "4200", "eur", "succeeded", WHOLE_RECEIVED), EFFECT_DONE, REASON_NONE},
    {STRIPE_CONFIRM, 200, PAYMENT("pi_1", "4200", "eur", "succeeded", LARGE_RECEIVED), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_CONFIRM, 200, PAYMENT("pi_2", "4200", "eur", "succeeded", ""), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_CONFIRM, 200, PAYMENT("pi_1", "42", "eur", "succeeded", ""), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_CONFIRM, 200, PAYMENT("pi_1", "4200", "jpy", "succeeded", ""), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_CONFIRM, 200, PAYMENT("pi_1", "4200", "eur", "processing", ""), EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_CONFIRM, 200, PAYMENT("pi_1", "4200", "eur", "requires_confirmation", ""), EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_CONFIRM, 200, PAYMENT("pi_1", "4200", "eur", "canceled", ""), EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_CONFIRM, 200, PAYMENT("pi_1", "4200", "eur", "requires_payment_method", ""), EFFECT_REFUSED, REASON_PAYMENT_DECLINED},
    {STRIPE_CONFIRM, 200, PAYMENT("pi_1", "4200", "eur", "requires_action", ""), EFFECT_REFUSED, REASON_PAYMENT_ACTION_REQUIRED},
    {STRIPE_CONFIRM, 200, "{", EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},

    /* A no to the customer, and a no to us */
    {STRIPE_CONFIRM, 402, DECLINE("insufficient_funds"), EFFECT_REFUSED, REASON_PAYMENT_DECLINED},
    {STRIPE_CONFIRM, 402, "", EFFECT_REFUSED, REASON_PAYMENT_DECLINED},
    {STRIPE_CONFIRM, 402, AUTHENTICATION, EFFECT_REFUSED, REASON_PAYMENT_ACTION_REQUIRED},
    {STRIPE_CONFIRM, 402, DECLINE("authentication_required"), EFFECT_REFUSED, REASON_PAYMENT_ACTION_REQUIRED},
    {STRIPE_OPEN,    402, DECLINE("generic_decline"), EFFECT_REFUSED, REASON_PAYMENT_DECLINED},
    {STRIPE_OPEN,    400, METHOD, EFFECT_REFUSED, REASON_PAYMENT_METHOD_INVALID},
    {STRIPE_CONFIRM, 400, METHOD, EFFECT_REFUSED, REASON_PAYMENT_METHOD_INVALID},
    {STRIPE_CONFIRM, 422, METHOD, EFFECT_REFUSED, REASON_PAYMENT_METHOD_INVALID},
    {STRIPE_CONFIRM, 404, METHOD, EFFECT_REFUSED, REASON_PAYMENT_METHOD_INVALID},
    {STRIPE_OPEN,    400, INVALID("parameter_missing"), EFFECT_REFUSED, REASON_PAYMENT_MISCONFIGURED},
    {STRIPE_OPEN,    422, "", EFFECT_REFUSED, REASON_PAYMENT_MISCONFIGURED},
    {STRIPE_OPEN,    401, INVALID("x"), EFFECT_REFUSED, REASON_PAYMENT_MISCONFIGURED},
    {STRIPE_CONFIRM, 403, INVALID("x"), EFFECT_REFUSED, REASON_PAYMENT_MISCONFIGURED},
    {STRIPE_CONFIRM, 404, "not found", EFFECT_REFUSED, REASON_PAYMENT_MISCONFIGURED},

    /* Look first */
    {STRIPE_CONFIRM, 400, UNEXPECTED, EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_CANCEL,  400, UNEXPECTED, EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_OPEN,    409, INVALID("idempotency_key_in_use"), EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_CONFIRM, 409, INVALID("lock_timeout"), EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_CANCEL,  409, "", EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_REFUND,  409, "", EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN},

    /* An undo is never refused for good */
    {STRIPE_CANCEL,       400, INVALID("x"), EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_REFUND,       400, UNEXPECTED, EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_REFUND,       402, DECLINE("x"), EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_REFUND,       422, "", EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_CANCEL,       401, "", EFFECT_UNKNOWN, REASON_PAYMENT_MISCONFIGURED},
    {STRIPE_REFUND,       403, "", EFFECT_UNKNOWN, REASON_PAYMENT_MISCONFIGURED},
    {STRIPE_LOOK,         404, "", EFFECT_UNKNOWN, REASON_PAYMENT_MISCONFIGURED},
    {STRIPE_LOOK_REFUNDS, 401, "", EFFECT_UNKNOWN, REASON_PAYMENT_MISCONFIGURED},

    /* Weather */
    {STRIPE_OPEN,         429, "", EFFECT_NOT_REACHED, REASON_PAYMENT_UNAVAILABLE},
    {STRIPE_CONFIRM,      429, INVALID("rate_limit"), EFFECT_NOT_REACHED, REASON_PAYMENT_UNAVAILABLE},
    {STRIPE_LOOK,         429, "", EFFECT_NOT_REACHED, REASON_PAYMENT_UNAVAILABLE},
    {STRIPE_OPEN,         500, REFUSAL("api_error", "x", ""), EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_CONFIRM,      502, "<html>", EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_CONFIRM,      503, "", EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_CONFIRM,      504, "", EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_CONFIRM,      302, "", EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_CONFIRM,      418, "", EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_LOOK,         400, "", EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},

    /* Looked at */
    {STRIPE_LOOK, 200, PAYMENT("pi_1", "4200", "eur", "succeeded", ""), EFFECT_DONE, REASON_NONE},
    {STRIPE_LOOK, 200, PAYMENT("pi_2", "4200", "eur", "succeeded", ""), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_LOOK, 200, PAYMENT("pi_1", "4201", "eur", "succeeded", ""), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_LOOK, 200, PAYMENT("pi_1", "4200", "eur", "?", ""), EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},

    /* Cancelled, refunded */
    {STRIPE_CANCEL, 200, PAYMENT("pi_1", "4200", "eur", "canceled", ""), EFFECT_DONE, REASON_NONE},
    {STRIPE_CANCEL, 200, PAYMENT("pi_1", "4200", "eur", "processing", ""), EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_CANCEL, 200, PAYMENT("pi_2", "4200", "eur", "canceled", ""), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_CANCEL, 200, "{}", EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_REFUND, 200, REFUND("pi_1", "4200", "eur", "succeeded"), EFFECT_DONE, REASON_NONE},
    {STRIPE_REFUND, 400, REFUNDED, EFFECT_DONE, REASON_NONE},
    {STRIPE_REFUND, 200, REFUND("pi_2", "4200", "eur", "succeeded"), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_REFUND, 200, REFUND("pi_1", "420", "eur", "succeeded"), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_REFUND, 200, REFUND("pi_1", "4200", "usd", "succeeded"), EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID},
    {STRIPE_REFUND, 200, "{}", EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},
    {STRIPE_LOOK_REFUNDS, 200, "{\"data\":[]}", EFFECT_DONE, REASON_NONE},
    {STRIPE_LOOK_REFUNDS, 200, "{}", EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN},
};
/* clang-format on */

static void every_answer_has_its_result_and_reason(void **state)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        read_answer(cases[i].operation, cases[i].status, cases[i].body);
        if (call.effect.result != cases[i].result || call.effect.err.reason != cases[i].reason)
            print_error("operation %d, status %d, %s\n", cases[i].operation, cases[i].status,
                        cases[i].body);
        assert_int_equal(call.effect.result, cases[i].result);
        assert_int_equal(call.effect.err.reason, cases[i].reason);
    }
}

/* Whatever is cut off, an answer never turns into a yes or a no. */
static void a_truncated_yes_is_always_unknown(void **state)
{
    static const char body[] = PAYMENT("pi_1", "4200", "eur", "succeeded", MINE);
    struct stripe_answer answer = {.status = 200, .body = body};

    for (answer.body_size = 0; answer.body_size < strlen(body); answer.body_size++) {
        stripe_answer_read(STRIPE_CONFIRM, &answer, &call);
        assert_int_equal(call.effect.result, EFFECT_UNKNOWN);
    }
    stripe_answer_read(STRIPE_CONFIRM, &answer, &call);
    assert_int_equal(call.effect.result, EFFECT_DONE);
}

static void the_status_of_a_payment_is_told(void **state)
{
    static const struct {
        const char *body;
        enum payment_status status;
    } looks[] = {
        {PAYMENT("pi_1", "4200", "eur", "requires_payment_method", ""), PAYMENT_STATUS_OPEN},
        {PAYMENT("pi_1", "4200", "eur", "requires_confirmation", ""), PAYMENT_STATUS_OPEN},
        {PAYMENT("pi_1", "4200", "eur", "requires_action", ""), PAYMENT_STATUS_OPEN},
        {PAYMENT("pi_1", "4200", "eur", "processing", ""), PAYMENT_STATUS_PROCESSING},
        {PAYMENT("pi_1", "4200", "eur", "succeeded", ""), PAYMENT_STATUS_SUCCEEDED},
        {PAYMENT("pi_1", "4200", "eur", "canceled", ""), PAYMENT_STATUS_CANCELLED},
    };

    for (size_t i = 0; i < COUNT_OF(looks); i++) {
        read_answer(STRIPE_LOOK, 200, looks[i].body);
        assert_int_equal(call.status, looks[i].status);
    }
}

/* A payment that is beyond cancelling need not be looked up, if the error is about it at all. */
static void a_refused_cancel_tells_what_has_become_of_the_payment(void **state)
{
#define UNCANCELLED(payment)                                            \
    REFUSAL("invalid_request_error", "payment_intent_unexpected_state", \
            ",\"payment_intent\":" payment)
    static const struct {
        const char *body;
        enum payment_status status;
    } answers[] = {
        {UNCANCELLED(PAYMENT("pi_1", "4200", "eur", "succeeded", "")), PAYMENT_STATUS_SUCCEEDED},
        {UNCANCELLED(PAYMENT("pi_1", "4200", "eur", "canceled", "")), PAYMENT_STATUS_CANCELLED},
        {UNCANCELLED(PAYMENT("pi_1", "4200", "eur", "processing", "")), PAYMENT_STATUS_PROCESSING},
        {UNCANCELLED(PAYMENT("pi_2", "4200", "eur", "succeeded", "")), PAYMENT_STATUS_NONE},
        {UNCANCELLED(PAYMENT("pi_1", "4201", "eur", "succeeded", "")), PAYMENT_STATUS_NONE},
        {UNCANCELLED(PAYMENT("pi_1", "4200", "usd", "canceled", "")), PAYMENT_STATUS_NONE},
        {UNCANCELLED("\"pi_1\""), PAYMENT_STATUS_NONE},
        {REFUSAL("invalid_request_error", "payment_intent_unexpected_state", ""),
         PAYMENT_STATUS_NONE},
        {"", PAYMENT_STATUS_NONE},
    };

    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        read_answer(STRIPE_CANCEL, 400, answers[i].body);
        assert_int_equal(call.effect.result, EFFECT_ASK);
        assert_int_equal(call.status, answers[i].status);
    }
}

static void an_opened_payment_brings_its_id_also_when_it_contradicts(void **state)
{
    read_answer(STRIPE_OPEN, 200, PAYMENT("pi_9", "4200", "eur", "requires_confirmation", MINE));
    assert_string_equal(call.id, "pi_9");
    assert_int_equal(call.status, PAYMENT_STATUS_OPEN);
    read_answer(STRIPE_OPEN, 200, PAYMENT("pi_9", "1", "eur", "requires_confirmation", MINE));
    assert_string_equal(call.id, "pi_9");
}

static void an_id_may_have_255_characters_and_no_more(void **state)
{
    char id[257], body[1024];

    memset(id, 'i', sizeof(id));
    for (int len = 255; len <= 256; len++) {
        snprintf(body, sizeof(body),
                 "{\"id\":\"%.*s\",\"amount\":4200,\"currency\":\"eur\","
                 "\"status\":\"requires_confirmation\"" MINE "}",
                 len, id);
        read_answer(STRIPE_OPEN, 200, body);
        assert_int_equal(call.effect.result, len == 255 ? EFFECT_DONE : EFFECT_UNKNOWN);
    }
}

static void a_decline_tells_its_code_when_it_looks_like_one(void **state)
{
    read_answer(STRIPE_CONFIRM, 402, DECLINE("insufficient_funds"));
    assert_string_equal(call.effect.err.details->a, "declineCode");
    assert_string_equal(call.effect.err.details->b, "insufficient_funds");
    read_answer(STRIPE_CONFIRM, 402, REFUSAL("card_error", "expired_card", ""));
    assert_string_equal(call.effect.err.details->b, "expired_card");
    read_answer(STRIPE_CONFIRM, 402, DECLINE("not a code"));
    assert_null(call.effect.err.details);
}

static void a_limit_of_rate_tells_when_to_come_again(void **state)
{
    call.effect.retry_after_ms = 0;
    read_answer(STRIPE_CONFIRM, 429, "");
    assert_int_equal(call.effect.retry_after_ms, 5000);
}

static void already_refunded_means_the_money_is_back(void **state)
{
    read_answer(STRIPE_REFUND, 400, REFUNDED);
    assert_int_equal(call.refund_status, REFUND_STATUS_SUCCEEDED);
}

static void a_refund_may_be_pending_or_have_failed(void **state)
{
    read_answer(STRIPE_REFUND, 200, REFUND("pi_1", "4200", "eur", "pending"));
    assert_int_equal(call.refund_status, REFUND_STATUS_PENDING);
    assert_string_equal(call.id, "re_1");
    read_answer(STRIPE_REFUND, 200, REFUND("pi_1", "4200", "eur", "failed"));
    assert_int_equal(call.refund_status, REFUND_STATUS_FAILED);
}

#define LIST(refunds) "{\"object\":\"list\",\"data\":[" refunds "]}"

static void of_several_refunds_the_best_one_in_full_counts(void **state)
{
    static const struct {
        const char *body;
        enum refund_status best;
    } lists[] = {
        {LIST(""), REFUND_STATUS_NONE},
        {LIST(REFUND("pi_1", "4200", "eur", "failed")), REFUND_STATUS_FAILED},
        {LIST(REFUND("pi_1", "4200", "eur", "failed") "," REFUND("pi_1", "4200", "eur", "pending")),
         REFUND_STATUS_PENDING},
        {LIST(REFUND("pi_1", "4200", "eur", "succeeded") "," REFUND("pi_1", "4200", "eur",
                                                                    "failed")),
         REFUND_STATUS_SUCCEEDED},
        {LIST(REFUND("pi_1", "100", "eur", "succeeded")), REFUND_STATUS_NONE},
        {LIST(REFUND("pi_2", "4200", "eur", "succeeded")), REFUND_STATUS_NONE},
    };

    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        read_answer(STRIPE_LOOK_REFUNDS, 200, lists[i].body);
        assert_int_equal(call.effect.result, EFFECT_DONE);
        assert_int_equal(call.refund_status, lists[i].best);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_answer_has_its_result_and_reason),
        TEST(a_truncated_yes_is_always_unknown),
        TEST(the_status_of_a_payment_is_told),
        TEST(a_refused_cancel_tells_what_has_become_of_the_payment),
        TEST(an_opened_payment_brings_its_id_also_when_it_contradicts),
        TEST(an_id_may_have_255_characters_and_no_more),
        TEST(a_decline_tells_its_code_when_it_looks_like_one),
        TEST(a_limit_of_rate_tells_when_to_come_again),
        TEST(already_refunded_means_the_money_is_back),
        TEST(a_refund_may_be_pending_or_have_failed),
        TEST(of_several_refunds_the_best_one_in_full_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
