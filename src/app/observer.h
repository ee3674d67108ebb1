/* What is told of the order flow: one log line a transition, and the metrics of orders and steps. */
#pragma once

#include "saga/saga_driver.h"

/* Names the series of the order metrics; once, at start. */
void observer_register_metrics(void);
/* Stateless, so one serves all workers. */
void observer_init(struct saga_observer *observer);
