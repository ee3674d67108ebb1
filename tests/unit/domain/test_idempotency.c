/* Whether a call carries a key. */
#include "domain/idempotency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_call_without_a_request_id_carries_no_key(void **state)
{
    assert_false(idempotency_is_set(&(struct idempotency){.request_id = NULL}));
    assert_false(idempotency_is_set(&(struct idempotency){.request_id = ""}));
    assert_true(idempotency_is_set(&(struct idempotency){.request_id = "a"}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_without_a_request_id_carries_no_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
