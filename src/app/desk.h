/* What the person on call asks of the whole process (edge/http/http_desk): the figures of all workers, and
 * to pause recovery. Workers are asked by what they publish at every tick, and told the same way. */
#pragma once

#include "app/worker.h"
#include "base/buf.h"

struct desk {
    struct worker *workers;
    uint32_t worker_count;
    int64_t batch_max;
};

/* For http_desk_config, with a desk as `arg`. From any thread. */
void desk_print_batches(void *arg, struct buf *json);
/* Of this process only, until it ends; heeded within a quarter of a second. */
void desk_pause_recovery(void *arg, bool is_paused);
