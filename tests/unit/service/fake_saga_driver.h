/* A saga driver that does not drive: it keeps the ticket it was handed and answers it, with the next
 * turn of the clock, as the test said. */
#pragma once

#include "saga/saga_driver.h"

struct saga_driver {
    struct clock *clock;
    struct clock_timer timer;
    struct saga_ticket *ticket; /* the last one; gone once it was answered */
    unsigned process_count;
    /* What was asked, kept beyond the ticket. */
    struct uuid order_id;
    const char *payment_method, *caller, *method, *request_id;
    int64_t answer_by_ms, deadline_ms;
    bool order_is_new;
    unsigned notice_count;  /* of stored wishes to cancel, the last one … */
    struct uuid noticed_id; /* … of this order */
    /* What is answered. */
    enum reason refuse_with; /* REASON_NONE: a confirmation */
    struct order order;      /* of the confirmation; its id is that of the ticket */
    bool replayed;
};

void fake_saga_driver_init(struct saga_driver *driver, struct clock *clock);
