/* What is told of the order flow: one log line a transition, the metrics of orders and steps, and news
 * for those who watch the order. */
#pragma once

#include "saga/saga_driver.h"
#include "service/service.h"

struct observer {
    struct saga_observer base; /* for the driver */
    struct service *service;
};

/* Names the series of the order metrics; once, at start. */
void observer_register_metrics(void);
/* One a worker; the service is the same worker's, and need not be complete yet. */
void observer_init(struct observer *observer, struct service *service);
