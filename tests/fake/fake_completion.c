/* The queue of answers of a fake store. */
#include "fake/fake_completion.h"

#include "base/macros.h"

static void on_time(struct clock_timer *timer)
{
    struct fake_completion *completion = CONTAINER_OF(timer, struct fake_completion, timer);
    struct store_call *call;

    while (!completion->hold && (call = STAILQ_FIRST(&completion->calls)) != NULL) {
        STAILQ_REMOVE_HEAD(&completion->calls, adapter.link);
        call->done(call);
    }
}

void fake_completion_init(struct fake_completion *completion, struct clock *clock)
{
    *completion = (struct fake_completion){.clock = clock, .timer.on_time = on_time};
    STAILQ_INIT(&completion->calls);
}

bool fake_completion_begin(struct fake_completion *completion, struct store_call *call)
{
    completion->call_count++;
    if (!error_is_set(&completion->fail_next))
        return true;
    call->err = completion->fail_next;
    call->maybe_done = completion->fail_maybe_done;
    completion->fail_next = (struct error){0};
    fake_completion_end(completion, call);
    return false;
}

void fake_completion_end(struct fake_completion *completion, struct store_call *call)
{
    STAILQ_INSERT_TAIL(&completion->calls, call, adapter.link);
    if (!completion->timer.pending)
        clock_timer_start(completion->clock, &completion->timer, 0);
}

void fake_completion_release(struct fake_completion *completion)
{
    completion->hold = false;
    clock_timer_start(completion->clock, &completion->timer, 0);
}
