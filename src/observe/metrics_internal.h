/* How lines of the text format are printed; shared by the files that print metrics. */
#pragma once

#include "base/buf.h"

#include <stdint.h>

void metrics__print_head(struct buf *buf, const char *name, const char *type, const char *help);
/* `labels` as printed between braces; "" for none. */
void metrics__print_value(struct buf *buf, const char *name, const char *labels, int64_t value);
void metrics__print_seconds(struct buf *buf, const char *name, const char *labels, int64_t us);

/* process_* and orderd_build_info. */
void metrics__print_process(struct buf *buf);
