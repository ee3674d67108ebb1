/* The table of states and the transition over it. What each state makes true is done by the steps;
 * which undo is true already is known to the driver (saga_commit). */
#include "saga/saga_table.h"

#include <assert.h>
#include <stddef.h>

/* clang-format off */
#define FORWARD(state_, step_, done_, not_done_) \
    [ORDER_##state_] = {ORDER_##state_, STEP_##step_, ORDER_##done_, ORDER_##not_done_, true}
#define BACKWARD(state_, step_, done_, not_done_) \
    [ORDER_##state_] = {ORDER_##state_, STEP_##step_, ORDER_##done_, ORDER_##not_done_, false}
#define REST(state_) \
    [ORDER_##state_] = {ORDER_##state_, STEP_NONE, ORDER_##state_, ORDER_##state_, false}

static const struct saga_row rows[ORDER_STATE_COUNT] = {
    /*       state       step     done        not done */
    REST    (PENDING),
    FORWARD (RESERVING,  RESERVE, CHARGING,   RELEASING),
    FORWARD (CHARGING,   CHARGE,  FULFILLING, REFUNDING),
    FORWARD (FULFILLING, FULFILL, FULFILLED,  RECALLING),
    REST    (FULFILLED),
    BACKWARD(RECALLING,  RECALL,  REFUNDING,  STUCK),
    BACKWARD(REFUNDING,  REFUND,  RELEASING,  STUCK),
    BACKWARD(RELEASING,  RELEASE, FAILED,     STUCK),
    REST    (FAILED),
    REST    (CANCELLED),
    REST    (STUCK),
};
/* clang-format on */

const struct saga_row *saga_row(enum order_state state)
{
    assert(state > ORDER_STATE_UNSPECIFIED);
    assert(state < ORDER_STATE_COUNT);
    return &rows[state];
}

enum order_state saga_next(enum order_state state, enum saga_verdict verdict, bool cancel_wished)
{
    const struct saga_row *row = saga_row(state);
    enum order_state next;

    assert(row->step != STEP_NONE);
    if (verdict == SAGA_HAS_LEFT) {
        assert(state == ORDER_RECALLING);
        return ORDER_FULFILLED;
    }
    if (row->is_forward && cancel_wished)
        verdict = SAGA_NOT_DONE;
    next = verdict == SAGA_DONE ? row->done : row->not_done;
    return next == ORDER_FAILED && cancel_wished ? ORDER_CANCELLED : next;
}
