/* Look-ups in the table of reasons, which itself stands in the header. */
#include "base/reason.h"

#include <assert.h>
#include <string.h>

struct reason_row {
    const char *key;
    const char *text;
    enum status status;
    enum retry_policy retry;
};

static const struct reason_row reason_rows[REASON_COUNT] = {
    [REASON_NONE] = {"NONE", "", STATUS_OK, RETRY_SILENT},
#define REASON_ROW(name, code, repeat, text_) \
    [REASON_##name] = {#name, text_, STATUS_##code, repeat},
    REASON_TABLE(REASON_ROW)
#undef REASON_ROW
};

static const struct reason_row *reason_row(enum reason reason)
{
    assert((unsigned)reason < REASON_COUNT);
    return &reason_rows[reason];
}

const char *reason_name(enum reason reason)
{
    if (reason == REASON_ORDER_PRODUCT_NOT_FOUND)
        reason = REASON_PRODUCT_NOT_FOUND;
    return reason_row(reason)->key;
}

enum status reason_status(enum reason reason)
{
    return reason_row(reason)->status;
}

const char *reason_text(enum reason reason)
{
    return reason_row(reason)->text;
}

enum retry_policy reason_retry(enum reason reason)
{
    return reason_row(reason)->retry;
}

const char *reason_key(enum reason reason)
{
    return reason_row(reason)->key;
}

enum reason reason_from_key(const char *key)
{
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++) {
        if (strcmp(reason_rows[i].key, key) == 0)
            return (enum reason)i;
    }
    return REASON_NONE;
}
