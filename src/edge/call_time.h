/* The time a caller gives: how much of it is granted, and when the answer has to leave. Both doors. */
#pragma once

#include "base/macros.h"
#include "service/call.h"

#include <stdint.h>

/* Sets the deadlines of a call whose caller waits `left_ms` longer; at most LIMIT_DEADLINE_MS are
 * granted. DEADLINE_EXCEEDED when it is over. */
enum status call_time_set(struct call *call, int64_t now_ms, int64_t left_ms) NODISCARD;
