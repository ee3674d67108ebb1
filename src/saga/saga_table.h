/* How an order proceeds: the states, what each makes true, and where it goes next.
 *
 *  CreateOrder            ProcessOrder                                            (forward)
 *      |                       |
 *   PENDING ---------------> RESERVING --done--> CHARGING --done--> FULFILLING --done--> FULFILLED
 *      ^                       | not done          | not done          | not done
 *      | (FAILED only:         |                   |                   v
 *      |  process again)       |                   |               RECALLING --has left--> FULFILLED
 *      |                       |                   v                   | done
 *      |                       |               REFUNDING <-------------+
 *      |                       v                   | done              (backward: nobody waits)
 *   FAILED, CANCELLED <-done- RELEASING <----------+
 *                   any undo that cannot be made true in UNDO_TIME --> STUCK
 *
 * A state names the effect that is made true next, so a process that finds an order in that state,
 * after any crash, makes it true again. The undo of a step that was refused for certain, or never
 * tried, is true already: no call is made and the walk passes on within the same commit.
 *
 * Pure: no transport, no SQL, no clock. A test walks the table: forward edges go right, backward
 * edges go down, so every order ends. */
#pragma once

#include "domain/order.h"

#include <stdbool.h>

/* How working on a state ended. */
enum saga_verdict {
    SAGA_DONE,     /* the effect is true */
    SAGA_NOT_DONE, /* forward: refused, given up or cancelled; backward: UNDO_TIME is used up */
    SAGA_HAS_LEFT, /* RECALLING only: the shipment cannot be recalled */
};

struct saga_row {
    enum order_state state;
    enum step_kind step; /* STEP_NONE: nothing is made true, the order rests */
    enum order_state done, not_done;
    bool is_forward;
};

/* The row of a state; every state but UNSPECIFIED has one. */
const struct saga_row *saga_row(enum order_state state);

/* The next state. `cancel_wished` turns FAILED into CANCELLED, and the verdict of a forward state into
 * NOT_DONE: the wish was stored before the outcome, so what was done is undone. A shipment that has
 * left wins over the wish. */
enum order_state saga_next(enum order_state state, enum saga_verdict verdict, bool cancel_wished);
