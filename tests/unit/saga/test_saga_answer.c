/* The answers by themselves: what a caller is told, by the state of the order or by the claim. */
#include "fake/failing_heap.h"
#include "saga/saga.h"
#include "saga/saga_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct saga_ticket ticket;

static int setup(void **state)
{
    ticket = (struct saga_ticket){.order_id = {.bytes = {1}}, .arena = arena_new(64 * 1024)};
    return ticket.arena == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    arena_free(ticket.arena);
    return 0;
}

static const char *metadata(const char *key)
{
    for (const struct error_detail *d = ticket.err.details; d != NULL; d = d->next) {
        if (d->kind == DETAIL_METADATA && strcmp(d->a, key) == 0)
            return d->b;
    }
    return NULL;
}

static void every_state_has_its_answer(void **state)
{
    static const struct {
        enum order_state state;
        enum reason failure, answer;
    } cases[] = {
        {ORDER_STATE_UNSPECIFIED, REASON_NONE, REASON_RESERVATION_OUTCOME_UNKNOWN},
        {ORDER_PENDING, REASON_NONE, REASON_RESERVATION_OUTCOME_UNKNOWN},
        {ORDER_RESERVING, REASON_NONE, REASON_RESERVATION_OUTCOME_UNKNOWN},
        {ORDER_CHARGING, REASON_NONE, REASON_PAYMENT_OUTCOME_UNKNOWN},
        {ORDER_FULFILLING, REASON_NONE, REASON_FULFILLMENT_PENDING},
        {ORDER_RECALLING, REASON_FULFILLMENT_REJECTED, REASON_FULFILLMENT_PENDING},
        {ORDER_REFUNDING, REASON_PAYMENT_DECLINED, REASON_PAYMENT_DECLINED},
        {ORDER_RELEASING, REASON_PAYMENT_DECLINED, REASON_PAYMENT_DECLINED},
        {ORDER_FAILED, REASON_OUT_OF_STOCK, REASON_OUT_OF_STOCK},
        {ORDER_STUCK, REASON_PAYMENT_UNAVAILABLE, REASON_PAYMENT_UNAVAILABLE},
        /* Cancelled while it rested, so there is no failure. */
        {ORDER_CANCELLED, REASON_NONE, REASON_ORDER_CANCELLED},
        {ORDER_STUCK, REASON_NONE, REASON_ORDER_STATE_INVALID},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct order order = {.state = cases[i].state, .failure.reason = cases[i].failure};

        saga_answer_state(&order, &ticket);
        assert_string_equal(reason_key(ticket.err.reason), reason_key(cases[i].answer));
        assert_null(ticket.order);
        assert_non_null(metadata("orderId"));
    }
}

static void a_claim_that_does_not_know_the_state_names_none(void **state)
{
    struct saga_claim claim = {.result = CLAIM_STATE_INVALID};

    saga_answer_claim(&claim, &ticket);
    assert_int_equal(ticket.err.reason, REASON_ORDER_STATE_INVALID);
    assert_null(metadata("state"));
    claim.record.order.state = ORDER_STUCK;
    saga_answer_claim(&claim, &ticket);
    assert_string_equal(metadata("state"), order_state_name(ORDER_STUCK));
}

static void an_order_made_just_now_is_named_whatever_goes_wrong(void **state)
{
    struct error err = {0};

    error_set(&err, REASON_STORE_UNAVAILABLE);
    err.retry_delay_ms = 700;
    saga_answer_error(&err, &ticket);
    assert_null(metadata("orderId"));
    assert_int_equal(ticket.err.retry_delay_ms, 700);
    ticket.order_is_new = true;
    saga_answer_error(&err, &ticket);
    assert_non_null(metadata("orderId"));
    saga_answer_refuse(REASON_SHUTTING_DOWN, &ticket);
    assert_non_null(metadata("orderId"));
}

static void confirm(void *context)
{
    const struct order order = {
        .state = ORDER_FULFILLED, .payment_id = "pi_1", .shipment_id = "sh_1"};

    (void)context;
    failing_heap_begin();
    saga_answer_state(&order, &ticket);
    failing_heap_end();
    if (error_is_set(&ticket.err)) {
        assert_true(failing_heap_has_failed());
        assert_int_equal(ticket.err.reason, REASON_OUT_OF_MEMORY);
        assert_null(ticket.order);
        return;
    }
    assert_string_equal(ticket.order->payment_id, "pi_1");
    assert_string_equal(ticket.order->shipment_id, "sh_1");
}

static void a_confirmation_is_whole_or_none(void **state)
{
    failing_heap_each(confirm, NULL);
}

static void times_beyond_the_clock_are_its_ends(void **state)
{
    assert_int_equal(saga_time_after(5, 7), 12);
    assert_true(saga_time_after(5, INT64_MAX) == INT64_MAX);
    assert_true(saga_time_after(-5, INT64_MIN) == INT64_MIN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_state_has_its_answer),
        TEST(a_claim_that_does_not_know_the_state_names_none),
        TEST(an_order_made_just_now_is_named_whatever_goes_wrong),
        TEST(a_confirmation_is_whole_or_none),
        TEST(times_beyond_the_clock_are_its_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
