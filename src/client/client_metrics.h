/* The numbers of the series of METRIC_EFFECTS and METRIC_EFFECT_SECONDS. */
#pragma once

#include "client/fulfillment_answer.h"
#include "client/stripe_answer.h"

/* A series an operation; of METRIC_EFFECTS, EFFECT_RESULT_COUNT series each. */
enum {
    EFFECT_SERIES_PAYMENT = 0,
    EFFECT_SERIES_FULFILLMENT = EFFECT_SERIES_PAYMENT + STRIPE_OPERATION_COUNT,
    EFFECT_SERIES_PAYMENT_LIST = EFFECT_SERIES_FULFILLMENT + FULFILLMENT_OPERATION_COUNT,
    EFFECT_SERIES_COUNT,
};
