/* The table of fault modes, and the choice of one for a call. Carrying it out is exchange.c's and
 * delivery.c's work. */
#include "sandbox/fault.h"

#include "base/macros.h"

#include <string.h>

/* clang-format off */
#define NOW     .effect = FAULT_EFFECT_NOW
#define NONE    .effect = FAULT_EFFECT_NONE
#define LATE    .effect = FAULT_EFFECT_LATE
#define SEND(d) .delivery = FAULT_DELIVERY_##d

static const struct fault_mode fault_modes[] = {
    /* answers of weather: before or after the effect, and stored under the key or not */
    { "500_before", "500, no effect",                     NONE, .http_status = 500 },
    { "500_after",  "effect, then 500",                   NOW,  .http_status = 500 },
    { "500_stored_before", "500, no effect, and the key repeats the 500",
                                                          NONE, .http_status = 500, .is_stored = true },
    { "500_stored_after", "effect, then 500, and the key repeats the 500",
                                                          NOW,  .http_status = 500, .is_stored = true },
    { "502_before", "502, no effect",                     NONE, .http_status = 502 },
    { "502_after",  "effect, then 502",                   NOW,  .http_status = 502 },
    { "503_before", "503, no effect",                     NONE, .http_status = 503 },
    { "503_after",  "effect, then 503",                   NOW,  .http_status = 503 },
    { "504_before", "504, no effect",                     NONE, .http_status = 504 },
    { "504_after",  "effect, then 504",                   NOW,  .http_status = 504 },
    { "400", "400, no effect",                            NONE, .http_status = 400 },
    { "401", "401, no effect",                            NONE, .http_status = 401 },
    { "403", "403, no effect",                            NONE, .http_status = 403 },
    { "404", "404 of the API itself, no effect",          NONE, .http_status = 404 },
    { "409", "409, no effect",                            NONE, .http_status = 409 },
    { "422", "422, no effect",                            NONE, .http_status = 422 },
    { "429", "429 with Retry-After, no effect",           NONE, .http_status = 429 },
    /* connections */
    { "cut_before",   "closed without an answer, no effect",   NONE, SEND(CLOSE) },
    { "cut_middle",   "effect, half of the answer, closed",    NOW,  SEND(HALF) },
    { "cut_after",    "effect, closed without an answer",      NOW,  SEND(CLOSE) },
    { "reset_before", "reset without an answer, no effect",    NONE, SEND(RESET) },
    { "reset_after",  "effect, reset without an answer",       NOW,  SEND(RESET) },
    /* answers that cannot be believed */
    { "garbage",        "effect, 200 with HTML",               NOW,  SEND(GARBAGE) },
    { "truncated",      "effect, 200 with half of the JSON",   NOW,  SEND(TRUNCATED) },
    { "huge",           "effect, 10 MiB before the JSON",      NOW,  SEND(HUGE) },
    { "endless",        "effect, a body without end",          NOW,  SEND(ENDLESS), .delay_ms = 60000 },
    { "drip",           "effect, a byte every 100 ms",         NOW,  SEND(DRIP) },
    { "redirect",       "307, no effect",                      NONE, SEND(REDIRECT) },
    { "wrong_amount",   "effect, another amount",              NOW,  .alteration = ALTERATION_AMOUNT },
    { "wrong_currency", "effect, another currency",            NOW,  .alteration = ALTERATION_CURRENCY },
    { "wrong_id",       "effect, another id",                  NOW,  .alteration = ALTERATION_ID },
    { "wrong_state",    "effect, a state nobody asked for",    NOW,  .alteration = ALTERATION_STATE },
    /* time */
    { "latency",        "effect, the answer after delayMs",    NOW,
        .delay_ms = 1000, .delays_answer = true },
    { "timeout",        "no effect, no answer, closed after delayMs", NONE, SEND(NEVER),
        .delay_ms = 60000, .delays_answer = true },
    { "timeout_after",  "effect, no answer, closed after delayMs",    NOW,  SEND(NEVER),
        .delay_ms = 60000, .delays_answer = true },
    { "late",           "effect and answer after delayMs",     LATE, .delay_ms = 10000 },
    /* outcomes of confirm and refund */
    { "processing", "processing or pending, succeeds after delayMs (0: POST /control/settle)", NOW,
        .outcome = OUTCOME_PROCESSING },
    { "failed",     "declined, or a failed refund",            NOW,  .outcome = OUTCOME_FAILED },
    /* shipments that recall comes too late for */
    { "left",       "effect, and the shipment leaves at once", NOW,
        .path = "ship", .outcome = OUTCOME_LEFT },
    { "500_left",   "the same, then 500",                  NOW, .http_status = 500,
        .path = "ship", .outcome = OUTCOME_LEFT },
    /* cancel racing confirm */
    { "confirm_before_cancel", "waits for a cancellation, wins against it",
        .path = "confirm", .effect = FAULT_EFFECT_BEFORE_CANCEL, .delay_ms = 30000 },
    { "confirm_after_cancel",  "waits for a cancellation, loses against it",
        .path = "confirm", .effect = FAULT_EFFECT_AFTER_CANCEL, .delay_ms = 30000 },
};
/* clang-format on */

static const struct fault_mode fault_mode_none = {.name = NULL};

const struct fault_mode *fault_mode_ordinary(void)
{
    return &fault_mode_none;
}

const struct fault_mode *fault_mode_at(size_t index)
{
    return index < COUNT_OF(fault_modes) ? &fault_modes[index] : NULL;
}

const struct fault_mode *fault_mode_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(fault_modes); i++) {
        if (strcmp(fault_modes[i].name, name) == 0)
            return &fault_modes[i];
    }
    return NULL;
}

void fault_table_init(struct fault_table *table, uint64_t seed)
{
    *table = (struct fault_table){.random = seed};
}

void fault_table_clear(struct fault_table *table)
{
    table->rule_count = 0;
    table->ignores_keys = false;
}

void fault_table_remove(struct fault_table *table, const char *match)
{
    size_t kept = 0;

    for (size_t i = 0; i < table->rule_count; i++) {
        if (strcmp(table->rules[i].match, match) != 0)
            table->rules[kept++] = table->rules[i];
    }
    table->rule_count = kept;
}

bool fault_table_add(struct fault_table *table, const struct fault_rule *rule)
{
    if (table->rule_count == FAULT_RULE_COUNT_MAX)
        return false;
    table->rules[table->rule_count++] = *rule;
    return true;
}

/* splitmix64: any seed will do, 0 too. */
static double fault_table_chance(struct fault_table *table)
{
    uint64_t z = table->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (double)(z >> 11) / (double)(UINT64_C(1) << 53);
}

/* Most rules of a test with many orders are about another one, so that is looked at first. */
static bool fault_rule_is_about(const struct fault_rule *rule, const char *order_id)
{
    return rule->order[0] == '\0' || (order_id != NULL && strcmp(rule->order, order_id) == 0);
}

static bool fault_text_has(const char *text, const char *match)
{
    return text != NULL && strstr(text, match) != NULL;
}

static bool fault_rule_concerns(const struct fault_rule *rule, const struct fault_call *call)
{
    if (!fault_rule_is_about(rule, call->order_id))
        return false;
    if (strcmp(rule->path, "*") != 0 && strcmp(rule->path, call->name) != 0 &&
        strcmp(rule->path, call->group) != 0)
        return false;
    return rule->match[0] == '\0' || fault_text_has(call->path, rule->match) ||
           fault_text_has(call->key, rule->match) || fault_text_has(call->body, rule->match);
}

/* Counts down as it decides: skipped calls first, then those it applies to. */
static bool fault_rule_fires(struct fault_table *table, struct fault_rule *rule)
{
    if (rule->count == 0)
        return false;
    if (rule->skip > 0) {
        rule->skip--;
        return false;
    }
    if (rule->probability < 1.0 && fault_table_chance(table) >= rule->probability)
        return false;
    if (rule->count > 0)
        rule->count--;
    rule->fired++;
    return true;
}

struct fault_pick fault_table_pick(struct fault_table *table, const struct fault_call *call)
{
    for (size_t i = 0; i < table->rule_count; i++) {
        struct fault_rule *rule = &table->rules[i];
        if (!fault_rule_concerns(rule, call) || !fault_rule_fires(table, rule))
            continue;
        return (struct fault_pick){
            .mode = rule->mode,
            .delay_ms = rule->delay_ms >= 0 ? rule->delay_ms : rule->mode->delay_ms,
            .location = rule->location,
            .match = rule->match,
        };
    }
    return (struct fault_pick){.mode = &fault_mode_none};
}
