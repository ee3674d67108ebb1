/* What the fakes of a test were asked for, all in one sequence, and what they shall answer.
 *
 * A line is made when a call begins ("open <key>", "advance CHARGING>FULFILLING"), so the order of
 * lines is the order in which effects were tried and outcomes committed. */
#pragma once

#include "port/clock.h"
#include "port/effect.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

enum {
    FAKE_LEDGER_LINES_MAX = 4000,
    FAKE_LEDGER_LINE_SIZE = 120,
    FAKE_SCRIPT_MAX = 16
};

struct fake_ledger {
    struct clock *clock;
    char lines[FAKE_LEDGER_LINES_MAX][FAKE_LEDGER_LINE_SIZE];
    unsigned count;
    LIST_HEAD(, fake_later) laters;
};

void fake_ledger_init(struct fake_ledger *ledger, struct clock *clock);
/* Forgets answers that were still to come. */
void fake_ledger_deinit(struct fake_ledger *ledger);
void fake_ledger_note(struct fake_ledger *ledger, const char *format, ...) PRINTF_LIKE(2, 3);
/* The number of the first line that begins with `prefix`, at or after `from`; -1: there is none. */
int fake_ledger_find(const struct fake_ledger *ledger, const char *prefix, unsigned from);
unsigned fake_ledger_count(const struct fake_ledger *ledger, const char *prefix);
/* Calls run(arg) after delay_ms, never from inside. */
void fake_ledger_later(struct fake_ledger *ledger, int64_t delay_ms, void (*run)(void *arg),
                       void *arg);

/* How a call to a provider ends. `happens`: the effect comes true whatever the answer says; it always
 * does with EFFECT_DONE. */
struct fake_outcome {
    enum effect_result result;
    enum reason reason; /* NONE: one that fits */
    bool happens;
    int64_t delay_ms; /* 0: the provider's own */
    int32_t retry_after_ms;
    size_t answer_size; /* bytes that reading the answer takes of the effect's arena */
};

/* The next outcomes of one operation; the last one stays when `forever`, otherwise DONE follows. */
struct fake_script {
    struct fake_outcome outcomes[FAKE_SCRIPT_MAX];
    unsigned count, next;
    bool forever;
};

void fake_script_add(struct fake_script *script, struct fake_outcome outcome);
struct fake_outcome fake_script_next(struct fake_script *script);
/* Ends the effect as the outcome says. */
void fake_effect_end(struct fake_ledger *ledger, struct effect *effect,
                     const struct fake_outcome *outcome, int64_t delay_ms, enum reason reason);
