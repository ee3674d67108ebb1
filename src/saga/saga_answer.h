/* What a caller of ProcessOrder or PlaceOrder is told: the rows of saga.md's table of answers, derived
 * from what is stored, so that everybody who asks is told the same. Sets ticket->err, or
 * ticket->order; never calls ticket->done. */
#pragma once

#include "saga/saga_driver.h"

/* By the state of the attempt: its confirmation when FULFILLED, its cause when it is at rest or
 * being undone, otherwise the unknown fate of the step in work. */
void saga_answer_state(const struct order *order, struct saga_ticket *ticket);
/* A claim that started nothing (not CLAIM_STARTED, not CLAIM_JOIN). */
void saga_answer_claim(const struct saga_claim *claim, struct saga_ticket *ticket);
/* Refused before anything was tried: by the driver itself … */
void saga_answer_refuse(enum reason reason, struct saga_ticket *ticket);
/* … or because the claim was surely not sent. */
void saga_answer_error(const struct error *err, struct saga_ticket *ticket);
