/* Names of differences. How they are found is in the store's compare_payments. */
#include "domain/difference.h"

#include <assert.h>
#include <string.h>

static const char *const names[DIFFERENCE_KIND_COUNT] = {
    [DIFFERENCE_NO_ORDER] = "NO_ORDER", [DIFFERENCE_NOT_WRITTEN_DOWN] = "NOT_WRITTEN_DOWN",
    [DIFFERENCE_KEPT] = "KEPT",         [DIFFERENCE_AMOUNT] = "AMOUNT",
    [DIFFERENCE_NOT_PAID] = "NOT_PAID", [DIFFERENCE_MISSING] = "MISSING",
};

const char *difference_kind_name(enum difference_kind kind)
{
    assert((unsigned)kind < DIFFERENCE_KIND_COUNT);
    return names[kind];
}

enum difference_kind difference_kind_parse(const char *name)
{
    unsigned kind = 0;

    while (kind < DIFFERENCE_KIND_COUNT && strcmp(name, names[kind]) != 0)
        kind++;
    return (enum difference_kind)kind;
}
