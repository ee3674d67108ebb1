/* Money is taken once, and never more is given back than was taken. */
#include "sandbox/payment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sandbox/card.h"

static struct payment payment;
static struct refund refund;

static int setup(void **state)
{
    memset(&payment, 0, sizeof(payment));
    memset(&refund, 0, sizeof(refund));
    payment.amount = 100;
    payment.card = card_find("pm_card_visa");
    payment.status = PAYMENT_REQUIRES_CONFIRMATION;
    STAILQ_INIT(&payment.refunds);
    refund.payment = &payment;
    refund.amount = 60;
    return payment.card == NULL;
}

static enum refusal confirm(const char *card, enum outcome outcome, bool is_unattended)
{
    const struct payment_confirmation confirmation = {
        .card = card != NULL ? card_find(card) : NULL,
        .is_unattended = is_unattended,
        .outcome = outcome,
    };

    return payment_confirm(&payment, &confirmation);
}

static void a_payment_is_confirmed_once(void **state)
{
    assert_int_equal(confirm(NULL, OUTCOME_USUAL, true), REFUSAL_NONE);
    assert_int_equal(confirm(NULL, OUTCOME_USUAL, true), REFUSAL_CONFIRM_STATE);
    assert_int_equal(payment.confirmed_count, 1);
    assert_int_equal(payment.received, 100);
    assert_int_equal(payment_cancel(&payment), REFUSAL_CANCEL_STATE);
}

static void a_cancelled_payment_is_barred(void **state)
{
    assert_int_equal(payment_cancel(&payment), REFUSAL_NONE);
    assert_int_equal(confirm(NULL, OUTCOME_USUAL, true), REFUSAL_CONFIRM_STATE);
    assert_int_equal(payment_cancel(&payment), REFUSAL_CANCEL_STATE);
    assert_int_equal(payment.cancelled_count, 1);
}

static void a_declined_payment_takes_another_card(void **state)
{
    assert_int_equal(confirm("pm_card_chargeDeclined", OUTCOME_USUAL, true), REFUSAL_DECLINED);
    assert_int_equal(payment.status, PAYMENT_REQUIRES_PAYMENT_METHOD);
    assert_int_equal(confirm(NULL, OUTCOME_USUAL, true), REFUSAL_PAYMENT_METHOD_MISSING);
    assert_int_equal(confirm("pm_card_visa", OUTCOME_USUAL, true), REFUSAL_NONE);
    assert_int_equal(payment.declined_count, 1);
    assert_int_equal(payment.last_refusal, REFUSAL_NONE);
}

static void only_a_present_customer_is_asked(void **state)
{
    const char *card = "pm_card_authenticationRequired";

    assert_int_equal(confirm(card, OUTCOME_USUAL, false), REFUSAL_NONE);
    assert_int_equal(payment.status, PAYMENT_REQUIRES_ACTION);
    assert_int_equal(confirm(card, OUTCOME_USUAL, true), REFUSAL_AUTHENTICATION_REQUIRED);
}

static void processing_ends_either_way_and_once(void **state)
{
    assert_false(payment_settle(&payment, true));
    assert_int_equal(confirm(NULL, OUTCOME_PROCESSING, true), REFUSAL_NONE);
    assert_int_equal(payment_cancel(&payment), REFUSAL_CANCEL_STATE);
    assert_true(payment_settle(&payment, false));
    assert_int_equal(confirm("pm_card_visa", OUTCOME_PROCESSING, true), REFUSAL_NONE);
    assert_true(payment_settle(&payment, true));
    assert_false(payment_settle(&payment, true));
    assert_int_equal(payment.confirmed_count, 1);
}

static void nothing_is_refunded_before_the_charge(void **state)
{
    assert_int_equal(payment_check_refund(&payment, 1), REFUSAL_NOT_CHARGED);
}

static void pending_refunds_count_until_they_fail(void **state)
{
    assert_int_equal(confirm(NULL, OUTCOME_USUAL, true), REFUSAL_NONE);
    assert_int_equal(payment_check_refund(&payment, 100), REFUSAL_NONE);
    assert_int_equal(payment_check_refund(&payment, 101), REFUSAL_REFUND_TOO_LARGE);
    refund_start(&refund, OUTCOME_PROCESSING);
    assert_int_equal(payment_check_refund(&payment, 40), REFUSAL_NONE);
    assert_int_equal(payment_check_refund(&payment, 41), REFUSAL_REFUND_TOO_LARGE);
    assert_true(refund_settle(&refund, false));
    assert_false(refund_settle(&refund, true));
    assert_int_equal(payment_refundable(&payment), 100);
}

static void what_is_refunded_is_refunded(void **state)
{
    refund.amount = 100;
    assert_int_equal(confirm(NULL, OUTCOME_USUAL, true), REFUSAL_NONE);
    refund_start(&refund, OUTCOME_USUAL);
    assert_int_equal(payment_check_refund(&payment, 1), REFUSAL_ALREADY_REFUNDED);
    assert_int_equal(payment.refunded, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_payment_is_confirmed_once, setup),
        cmocka_unit_test_setup(a_cancelled_payment_is_barred, setup),
        cmocka_unit_test_setup(a_declined_payment_takes_another_card, setup),
        cmocka_unit_test_setup(only_a_present_customer_is_asked, setup),
        cmocka_unit_test_setup(processing_ends_either_way_and_once, setup),
        cmocka_unit_test_setup(nothing_is_refunded_before_the_charge, setup),
        cmocka_unit_test_setup(pending_refunds_count_until_they_fail, setup),
        cmocka_unit_test_setup(what_is_refunded_is_refunded, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
