/* What reconciliation has found, as log lines. */
#pragma once

#include "service/reconcile.h"

struct reconcile_log {
    struct reconcile_observer base;
};

void reconcile_log_init(struct reconcile_log *log);
