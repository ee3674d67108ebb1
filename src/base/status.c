/* The names of the codes and what they become over HTTP. Reasons stand in reason.c. */
#include "base/status.h"

struct status_row {
    const char *name;
    int http;
};

/* clang-format off */
static const struct status_row status_rows[STATUS_COUNT] = {
    [STATUS_OK]                  = {"OK",                  200},
    [STATUS_CANCELLED]           = {"CANCELLED",           499},
    [STATUS_UNKNOWN]             = {"UNKNOWN",             500},
    [STATUS_INVALID_ARGUMENT]    = {"INVALID_ARGUMENT",    400},
    [STATUS_DEADLINE_EXCEEDED]   = {"DEADLINE_EXCEEDED",   504},
    [STATUS_NOT_FOUND]           = {"NOT_FOUND",           404},
    [STATUS_ALREADY_EXISTS]      = {"ALREADY_EXISTS",      409},
    [STATUS_PERMISSION_DENIED]   = {"PERMISSION_DENIED",   403},
    [STATUS_RESOURCE_EXHAUSTED]  = {"RESOURCE_EXHAUSTED",  429},
    [STATUS_FAILED_PRECONDITION] = {"FAILED_PRECONDITION", 400},
    [STATUS_ABORTED]             = {"ABORTED",             409},
    [STATUS_OUT_OF_RANGE]        = {"OUT_OF_RANGE",        400},
    [STATUS_UNIMPLEMENTED]       = {"UNIMPLEMENTED",       501},
    [STATUS_INTERNAL]            = {"INTERNAL",            500},
    [STATUS_UNAVAILABLE]         = {"UNAVAILABLE",         503},
    [STATUS_DATA_LOSS]           = {"DATA_LOSS",           500},
    [STATUS_UNAUTHENTICATED]     = {"UNAUTHENTICATED",     401},
};
/* clang-format on */

static const struct status_row *status_row(enum status status)
{
    unsigned number = (unsigned)status;

    return &status_rows[number < STATUS_COUNT ? number : STATUS_UNKNOWN];
}

const char *status_name(enum status status)
{
    return status_row(status)->name;
}

int status_http(enum status status)
{
    return status_row(status)->http;
}
