/* What each answer of the shipping service means. */
#include "client/fulfillment_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define REFUSAL(name) "{\"error\":{\"code\":400,\"status\":\"" name "\",\"message\":\"no\"}}"

/* clang-format off */
static const struct {
    enum fulfillment_operation operation;
    int status;
    const char *body;
    enum effect_result result;
    enum reason reason;
} cases[] = {
    {FULFILLMENT_CREATE, 200, "{\"id\":\"sh_1\",\"state\":\"ACCEPTED\"}",  EFFECT_DONE,    REASON_NONE},
    {FULFILLMENT_CREATE, 200, "{\"id\":\"sh_1\",\"state\":1}",             EFFECT_DONE,    REASON_NONE},
    {FULFILLMENT_CREATE, 200, "{\"id\":\"sh_1\",\"state\":\"CANCELLED\"}", EFFECT_REFUSED, REASON_FULFILLMENT_REJECTED},
    {FULFILLMENT_CREATE, 200, "{\"id\":\"sh_1\"}",                         EFFECT_UNKNOWN, REASON_FULFILLMENT_UNAVAILABLE},
    {FULFILLMENT_CREATE, 200, "{\"id\":\"\",\"state\":\"ACCEPTED\"}",      EFFECT_UNKNOWN, REASON_FULFILLMENT_UNAVAILABLE},
    {FULFILLMENT_CREATE, 200, "{\"state\":\"ACCEPTED\"}",                  EFFECT_UNKNOWN, REASON_FULFILLMENT_UNAVAILABLE},
    {FULFILLMENT_CREATE, 200, "{\"id\":\"sh_1\",\"sta",                    EFFECT_UNKNOWN, REASON_FULFILLMENT_UNAVAILABLE},
    {FULFILLMENT_CREATE, 200, "",                                          EFFECT_UNKNOWN, REASON_FULFILLMENT_UNAVAILABLE},
    {FULFILLMENT_CREATE, 400, REFUSAL("INVALID_ARGUMENT"),                 EFFECT_REFUSED, REASON_FULFILLMENT_REJECTED},
    {FULFILLMENT_CREATE, 400, REFUSAL("FAILED_PRECONDITION"),              EFFECT_REFUSED, REASON_FULFILLMENT_REJECTED},
    {FULFILLMENT_CREATE, 422, "",                                          EFFECT_REFUSED, REASON_FULFILLMENT_REJECTED},
    {FULFILLMENT_CREATE, 401, "",                                          EFFECT_REFUSED, REASON_FULFILLMENT_MISCONFIGURED},
    {FULFILLMENT_CREATE, 403, "",                                          EFFECT_REFUSED, REASON_FULFILLMENT_MISCONFIGURED},
    {FULFILLMENT_CREATE, 404, "",                                          EFFECT_REFUSED, REASON_FULFILLMENT_MISCONFIGURED},
    {FULFILLMENT_CREATE, 409, REFUSAL("ABORTED"),                          EFFECT_ASK,     REASON_FULFILLMENT_UNAVAILABLE},
    {FULFILLMENT_CREATE, 429, "",                                          EFFECT_NOT_REACHED, REASON_FULFILLMENT_UNAVAILABLE},
    {FULFILLMENT_CREATE, 500, "",                                          EFFECT_UNKNOWN, REASON_FULFILLMENT_UNAVAILABLE},
    {FULFILLMENT_CREATE, 503, "",                                          EFFECT_UNKNOWN, REASON_FULFILLMENT_UNAVAILABLE},
    {FULFILLMENT_CREATE, 302, "",                                          EFFECT_UNKNOWN, REASON_FULFILLMENT_UNAVAILABLE},

    {FULFILLMENT_CANCEL, 200, "{\"id\":\"sh_1\",\"state\":\"CANCELLED\"}", EFFECT_DONE,     REASON_NONE},
    {FULFILLMENT_CANCEL, 200, "{\"state\":2}",                             EFFECT_DONE,     REASON_NONE},
    {FULFILLMENT_CANCEL, 200, "{\"id\":\"sh_1\",\"state\":\"ACCEPTED\"}",  EFFECT_UNKNOWN,  REASON_FULFILLMENT_UNAVAILABLE},
    {FULFILLMENT_CANCEL, 200, "{}",                                        EFFECT_UNKNOWN,  REASON_FULFILLMENT_UNAVAILABLE},
    {FULFILLMENT_CANCEL, 400, REFUSAL("FAILED_PRECONDITION"),              EFFECT_HAS_LEFT, REASON_FULFILLMENT_REJECTED},
    {FULFILLMENT_CANCEL, 400, REFUSAL("INVALID_ARGUMENT"),                 EFFECT_ASK,      REASON_FULFILLMENT_UNAVAILABLE},
    {FULFILLMENT_CANCEL, 400, "FAILED_PRECONDITION",                       EFFECT_ASK,      REASON_FULFILLMENT_UNAVAILABLE},
    {FULFILLMENT_CANCEL, 404, "",                                          EFFECT_UNKNOWN,  REASON_FULFILLMENT_MISCONFIGURED},
    {FULFILLMENT_CANCEL, 401, "",                                          EFFECT_UNKNOWN,  REASON_FULFILLMENT_MISCONFIGURED},
    {FULFILLMENT_CANCEL, 409, "",                                          EFFECT_ASK,      REASON_FULFILLMENT_UNAVAILABLE},
    {FULFILLMENT_CANCEL, 429, "",                                          EFFECT_NOT_REACHED, REASON_FULFILLMENT_UNAVAILABLE},
    {FULFILLMENT_CANCEL, 503, "",                                          EFFECT_UNKNOWN,  REASON_FULFILLMENT_UNAVAILABLE},
};
/* clang-format on */

static int setup(void **state)
{
    *state = arena_new(16 * 1024);
    return *state == NULL;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static struct fulfillment_call
read_answer(struct arena *arena, enum fulfillment_operation operation, int status, const char *body)
{
    struct fulfillment_call call = {.effect.arena = arena};
    const struct fulfillment_answer answer = {
        .status = status, .body = body, .body_size = strlen(body), .retry_after_ms = 3000};

    fulfillment_answer_read(operation, &answer, &call);
    return call;
}

static void every_answer_has_its_result_and_reason(void **state)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fulfillment_call call =
            read_answer(*state, cases[i].operation, cases[i].status, cases[i].body);

        if (call.effect.result != cases[i].result || call.effect.err.reason != cases[i].reason)
            print_error("operation %d, status %d, %s\n", cases[i].operation, cases[i].status,
                        cases[i].body);
        assert_int_equal(call.effect.result, cases[i].result);
        assert_int_equal(call.effect.err.reason, cases[i].reason);
        assert_int_equal(error_is_set(&call.effect.err), call.effect.result != EFFECT_DONE);
    }
}

static void a_created_shipment_brings_its_id(void **state)
{
    struct fulfillment_call call =
        read_answer(*state, FULFILLMENT_CREATE, 200, "{\"id\":\"sh_1\",\"state\":\"ACCEPTED\"}");

    assert_string_equal(call.shipment_id, "sh_1");
}

static void a_limit_of_rate_tells_when_to_come_again(void **state)
{
    assert_int_equal(read_answer(*state, FULFILLMENT_CREATE, 429, "").effect.retry_after_ms, 3000);
    assert_int_equal(read_answer(*state, FULFILLMENT_CREATE, 503, "").effect.retry_after_ms, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_answer_has_its_result_and_reason),
        TEST(a_created_shipment_brings_its_id),
        TEST(a_limit_of_rate_tells_when_to_come_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
