/* The table of reasons keeps the promises of api.md. */
#include "base/reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/text.h"

static bool is_reason_name(const char *name)
{
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == strlen(name) &&
           strlen(name) >= 2 && strlen(name) <= 63 && name[0] >= 'A' && name[0] <= 'Z';
}

static void every_reason_has_a_name_a_text_and_a_code_of_failure(void **state)
{
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++) {
        enum reason reason = (enum reason)i;

        assert_true(is_reason_name(reason_name(reason)));
        assert_int_not_equal(reason_status(reason), STATUS_OK);
        assert_true(strlen(reason_text(reason)) < ERROR_MESSAGE_SIZE);
        assert_true(strlen(reason_text(reason)) > 0);
        assert_true(reason_text(reason)[strlen(reason_text(reason)) - 1] != '.');
    }
}

static void keys_are_unique_and_lead_back(void **state)
{
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++)
        assert_int_equal(reason_from_key(reason_key((enum reason)i)), i);
    assert_int_equal(reason_from_key("NO_SUCH_REASON"), REASON_NONE);
    assert_int_equal(reason_from_key(""), REASON_NONE);
}

static void the_two_missing_products_are_published_under_one_name(void **state)
{
    assert_string_equal(reason_name(REASON_ORDER_PRODUCT_NOT_FOUND), "PRODUCT_NOT_FOUND");
    assert_string_equal(reason_name(REASON_PRODUCT_NOT_FOUND), "PRODUCT_NOT_FOUND");
    assert_string_equal(reason_key(REASON_ORDER_PRODUCT_NOT_FOUND), "ORDER_PRODUCT_NOT_FOUND");
    assert_int_equal(reason_status(REASON_ORDER_PRODUCT_NOT_FOUND), STATUS_FAILED_PRECONDITION);
}

static void codes_that_invite_a_retry_say_when_except_the_named_ones(void **state)
{
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++) {
        enum reason reason = (enum reason)i;
        enum status status = reason_status(reason);
        bool inviting = status == STATUS_UNAVAILABLE || status == STATUS_ABORTED ||
                        status == STATUS_RESOURCE_EXHAUSTED;
        bool goes_on_alone = reason == REASON_RESERVATION_OUTCOME_UNKNOWN ||
                             reason == REASON_PAYMENT_OUTCOME_UNKNOWN ||
                             reason == REASON_FULFILLMENT_PENDING;
        enum retry_policy expected = RETRY_SILENT;

        if (goes_on_alone)
            expected = RETRY_NEVER;
        else if (inviting && reason != REASON_ETAG_MISMATCH)
            expected = RETRY_AFTER;
        assert_int_equal(reason_retry(reason), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_a_name_a_text_and_a_code_of_failure),
        cmocka_unit_test(keys_are_unique_and_lead_back),
        cmocka_unit_test(the_two_missing_products_are_published_under_one_name),
        cmocka_unit_test(codes_that_invite_a_retry_say_when_except_the_named_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
