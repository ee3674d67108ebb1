/* Deadlines of calls. Not for how a caller says them: that differs from door to door. */
#include "edge/call_time.h"

#include "base/limits.h"

enum {
    ANSWER_MARGIN_MS = 20, /* an answer leaves this long, or 5 % of the time left if that is */
    ANSWER_MARGIN_FRACTION =
        20, /* more, before the caller's deadline; at most half the time left */
};

enum status call_time_set(struct call *call, int64_t now_ms, int64_t left_ms)
{
    const int64_t granted_ms = MIN_OF(left_ms, LIMIT_DEADLINE_MS);
    const int64_t margin_ms = MAX_OF(ANSWER_MARGIN_MS, granted_ms / ANSWER_MARGIN_FRACTION);

    call->deadline_ms = now_ms + granted_ms;
    call->answer_by_ms = now_ms + granted_ms - MIN_OF(margin_ms, granted_ms / 2);
    return granted_ms <= 1 ? error_set(&call->err, REASON_DEADLINE_EXCEEDED) : STATUS_OK;
}
