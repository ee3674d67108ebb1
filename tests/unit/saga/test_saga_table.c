/* The table of states, walked. */
#include "saga/saga_table.h"

#include "base/macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Where each state stands in the drawing: forward edges go right, backward edges go down. */
static const struct {
    enum order_state state;
    const char *name;
    int column, row;
    enum step_kind step;
} places[] = {
    {ORDER_PENDING, "PENDING", 0, 0, STEP_NONE},
    {ORDER_RESERVING, "RESERVING", 1, 0, STEP_RESERVE},
    {ORDER_CHARGING, "CHARGING", 2, 0, STEP_CHARGE},
    {ORDER_FULFILLING, "FULFILLING", 3, 0, STEP_FULFILL},
    {ORDER_FULFILLED, "FULFILLED", 4, 9, STEP_NONE},
    {ORDER_RECALLING, "RECALLING", 3, 1, STEP_RECALL},
    {ORDER_REFUNDING, "REFUNDING", 2, 2, STEP_REFUND},
    {ORDER_RELEASING, "RELEASING", 1, 3, STEP_RELEASE},
    {ORDER_FAILED, "FAILED", 0, 8, STEP_NONE},
    {ORDER_CANCELLED, "CANCELLED", 0, 8, STEP_NONE},
    {ORDER_STUCK, "STUCK", 0, 9, STEP_NONE},
};

static size_t place_of(enum order_state state)
{
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        if (places[i].state == state)
            return i;
    }
    fail_msg("state %d has no place", (int)state);
    return 0;
}

static void every_state_has_a_row_that_names_it(void **state)
{
    assert_int_equal(COUNT_OF(places), ORDER_STATE_COUNT - 1);
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        const struct saga_row *row = saga_row(places[i].state);

        assert_int_equal(row->state, places[i].state);
        assert_int_equal(row->step, places[i].step);
        assert_string_equal(order_state_name(row->state), places[i].name);
        assert_int_equal(order_is_at_rest(row->state), row->step == STEP_NONE);
    }
}

static void forward_edges_go_right_and_backward_edges_go_down(void **state)
{
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        const struct saga_row *row = saga_row(places[i].state);

        if (row->step == STEP_NONE)
            continue;
        if (row->is_forward)
            assert_int_equal(places[place_of(row->done)].column, places[i].column + 1);
        else
            assert_true(places[place_of(row->done)].row > places[i].row);
        assert_true(places[place_of(row->not_done)].row > places[i].row);
    }
}

static void walk(enum order_state from, unsigned depth)
{
    assert_true(depth <= 6); /* three forward, three backward */
    if (saga_row(from)->step == STEP_NONE)
        return;
    for (int wished = 0; wished <= 1; wished++) {
        walk(saga_next(from, SAGA_DONE, wished), depth + 1);
        walk(saga_next(from, SAGA_NOT_DONE, wished), depth + 1);
        if (from == ORDER_RECALLING)
            walk(saga_next(from, SAGA_HAS_LEFT, wished), depth + 1);
    }
}

static void every_order_ends_whatever_happens(void **state)
{
    walk(ORDER_RESERVING, 0);
}

static void a_wish_turns_forward_states_to_their_undo_and_failed_to_cancelled(void **state)
{
    assert_int_equal(saga_next(ORDER_RESERVING, SAGA_DONE, true), ORDER_RELEASING);
    assert_int_equal(saga_next(ORDER_CHARGING, SAGA_DONE, true), ORDER_REFUNDING);
    assert_int_equal(saga_next(ORDER_FULFILLING, SAGA_DONE, true), ORDER_RECALLING);
    assert_int_equal(saga_next(ORDER_RECALLING, SAGA_DONE, true), ORDER_REFUNDING);
    assert_int_equal(saga_next(ORDER_REFUNDING, SAGA_DONE, true), ORDER_RELEASING);
    assert_int_equal(saga_next(ORDER_RELEASING, SAGA_DONE, true), ORDER_CANCELLED);
    assert_int_equal(saga_next(ORDER_RELEASING, SAGA_DONE, false), ORDER_FAILED);
}

static void a_shipment_that_has_left_wins_over_the_wish(void **state)
{
    assert_int_equal(saga_next(ORDER_RECALLING, SAGA_HAS_LEFT, false), ORDER_FULFILLED);
    assert_int_equal(saga_next(ORDER_RECALLING, SAGA_HAS_LEFT, true), ORDER_FULFILLED);
}

static void an_undo_that_cannot_be_made_true_is_stuck(void **state)
{
    assert_int_equal(saga_next(ORDER_RECALLING, SAGA_NOT_DONE, false), ORDER_STUCK);
    assert_int_equal(saga_next(ORDER_REFUNDING, SAGA_NOT_DONE, true), ORDER_STUCK);
    assert_int_equal(saga_next(ORDER_RELEASING, SAGA_NOT_DONE, false), ORDER_STUCK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_has_a_row_that_names_it),
        cmocka_unit_test(forward_edges_go_right_and_backward_edges_go_down),
        cmocka_unit_test(every_order_ends_whatever_happens),
        cmocka_unit_test(a_wish_turns_forward_states_to_their_undo_and_failed_to_cancelled),
        cmocka_unit_test(a_shipment_that_has_left_wins_over_the_wish),
        cmocka_unit_test(an_undo_that_cannot_be_made_true_is_stuck),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
