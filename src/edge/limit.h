/* What the doors share: a call counts the same, whatever door and worker it came to. */
#pragma once

#include "base/limit.h"

struct door_limits {
    struct limit calls;    /* in flight, without those that wait for an order */
    struct limit orders;   /* calls that wait for an order */
    struct limit watchers; /* streams */
};
