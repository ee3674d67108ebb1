/* What a shipment can become: it leaves or is cancelled, and what was barred never comes to be. */
#include "sandbox/shipment_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "sandbox/order_index.h"

enum {
    SHIPMENTS_MAX = 2
};

static struct ident_source ids;
static struct order_index orders;
static struct shipment_table table;

static int setup(void **state)
{
    ident_source_init(&ids);
    order_index_init(&orders);
    shipment_table_init(&table, SHIPMENTS_MAX, &ids, &orders);
    return 0;
}

static int teardown(void **state)
{
    shipment_table_deinit(&table);
    order_index_deinit(&orders);
    return 0;
}

static void a_shipment_is_found_by_its_request_and_no_more_fit_than_there_is_room(void **state)
{
    struct shipment *shipment = shipment_table_add(&table, "r1", "o1", SHIPMENT_ACCEPTED);

    assert_ptr_equal(shipment_table_find(&table, "r1"), shipment);
    assert_null(shipment_table_find(&table, "r2"));
    assert_string_equal(shipment->order_id, "o1");
    assert_true(shipment->id[0] != '\0');
    assert_non_null(shipment_table_add(&table, "r2", "o1", SHIPMENT_BARRED));
    assert_null(shipment_table_add(&table, "r3", "o1", SHIPMENT_ACCEPTED));
}

static void only_a_live_shipment_leaves_and_only_once(void **state)
{
    static const struct {
        enum shipment_state from, to;
        bool leaves;
    } cases[] = {
        {SHIPMENT_ACCEPTED, SHIPMENT_LEFT, true},
        {SHIPMENT_LEFT, SHIPMENT_LEFT, false},
        {SHIPMENT_CANCELLED, SHIPMENT_CANCELLED, false},
        {SHIPMENT_BARRED, SHIPMENT_BARRED, false},
    };
    struct shipment *shipment = shipment_table_add(&table, "r1", "o1", SHIPMENT_ACCEPTED);

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        shipment->state = cases[i].from;
        assert_int_equal(shipment_leave(shipment), cases[i].leaves);
        assert_int_equal(shipment->state, cases[i].to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_shipment_is_found_by_its_request_and_no_more_fit_than_there_is_room, setup, teardown),
        cmocka_unit_test_setup_teardown(only_a_live_shipment_leaves_and_only_once, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
