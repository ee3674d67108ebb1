/* Faults on demand: which modes there are, and which rules pick them for a call.
 *
 * A mode is a row of one table: whether and when the effect happens, what is answered instead, and
 * how the bytes leave. A rule says to which calls a mode applies, how often and how likely. Rules are
 * tried in the order they were added; the first that applies wins. Chance comes from a seed, so a run
 * can be repeated. */
#pragma once

#include "sandbox/answer.h"
#include "sandbox/payment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULT_RULE_COUNT_MAX 2048 /* a test aims one at each of its orders */
#define FAULT_TEXT_SIZE 160
#define FAULT_ORDER_SIZE 96
#define FAULT_DELAY_MS_MAX 3600000

enum fault_effect {
    FAULT_EFFECT_NOW,
    FAULT_EFFECT_NONE,
    FAULT_EFFECT_LATE,          /* after the delay, whether the client is still there or not */
    FAULT_EFFECT_BEFORE_CANCEL, /* when a cancellation of the same payment arrives, just before it */
    FAULT_EFFECT_AFTER_CANCEL,  /* likewise, just after it */
};

enum fault_delivery {
    FAULT_DELIVERY_WHOLE,
    FAULT_DELIVERY_CLOSE,     /* nothing, and the connection is closed */
    FAULT_DELIVERY_RESET,     /* nothing, and the connection is reset */
    FAULT_DELIVERY_HALF,      /* half of the bytes, then closed */
    FAULT_DELIVERY_TRUNCATED, /* a whole HTTP answer with half of the JSON */
    FAULT_DELIVERY_GARBAGE,   /* a whole HTTP answer that is not JSON */
    FAULT_DELIVERY_HUGE,      /* 10 MiB of blanks before the JSON */
    FAULT_DELIVERY_ENDLESS,   /* a body that does not end before the delay is over */
    FAULT_DELIVERY_DRIP,      /* a byte every 100 ms */
    FAULT_DELIVERY_NEVER,     /* nothing until the delay is over, then closed */
    FAULT_DELIVERY_REDIRECT,  /* 307 to the rule's location */
};

struct fault_mode {
    const char *name;
    const char *about;
    const char *path; /* of the only call it is for; NULL: for all */
    enum fault_effect effect;
    int http_status; /* 0: as the effect says */
    bool is_stored;  /* that status is what the idempotency key repeats */
    enum outcome outcome;
    enum alteration alteration;
    enum fault_delivery delivery;
    int64_t delay_ms; /* unless the rule has its own */
    bool delays_answer;
};

struct fault_rule {
    const struct fault_mode *mode;
    char path[24];                /* a call's name, a group's, or "*" */
    char order[FAULT_ORDER_SIZE]; /* "" or the order the call is about */
    char match[FAULT_TEXT_SIZE];  /* "" or a text that stands in path, key or body */
    char location[FAULT_TEXT_SIZE];
    int64_t skip;  /* calls it lets pass first */
    int64_t count; /* calls it still applies to; negative: all */
    double probability;
    int64_t delay_ms; /* negative: the mode's */
    uint64_t fired;
};

struct fault_table {
    struct fault_rule rules[FAULT_RULE_COUNT_MAX];
    size_t rule_count;
    uint64_t random;
    bool ignores_keys;
};

/* What a rule may look at. Texts may be NULL. */
struct fault_call {
    const char *name;  /* "confirm" */
    const char *group; /* "payments" or "shipping" */
    const char *path;
    const char *key;
    const char *body;
    const char *order_id;
};

/* What applies to a call; the mode without faults when no rule does. */
struct fault_pick {
    const struct fault_mode *mode;
    int64_t delay_ms;
    /* Borrowed from the rule; copy them before the next change of rules. */
    const char *location, *match;
};

void fault_table_init(struct fault_table *table, uint64_t seed);
/* All as at the start: no rules, keys honoured. Chance goes on. */
void fault_table_clear(struct fault_table *table);
/* Removes the rules with that text to match. */
void fault_table_remove(struct fault_table *table, const char *match);

/* False when the table is full. */
bool fault_table_add(struct fault_table *table, const struct fault_rule *rule);
struct fault_pick fault_table_pick(struct fault_table *table, const struct fault_call *call);

/* The modes: by name (NULL when there is none), and all of them for a listing. */
const struct fault_mode *fault_mode_find(const char *name);
const struct fault_mode *fault_mode_at(size_t index); /* NULL behind the last */
/* The one without faults; its name is NULL. */
const struct fault_mode *fault_mode_ordinary(void);
