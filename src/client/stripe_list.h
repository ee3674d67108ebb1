/* A page of a Stripe-shaped API's list of payments: a pure function. All of it must be as expected, or none
 * of it is believed. */
#pragma once

#include "client/stripe_answer.h"
#include "port/payment_list.h"

/* Fills in the outputs, result and error of the call. `answer` may be of any status. */
void stripe_list_read(const struct stripe_answer *answer, struct payment_list_call *call);
