/* How a call ends: the seventeen codes of gRPC, with their numbers, so that the gRPC edge needs no
 * map and the HTTP edge has one table. */
#pragma once

enum status {
    STATUS_OK = 0,
    STATUS_CANCELLED = 1,
    STATUS_UNKNOWN = 2,
    STATUS_INVALID_ARGUMENT = 3,
    STATUS_DEADLINE_EXCEEDED = 4,
    STATUS_NOT_FOUND = 5,
    STATUS_ALREADY_EXISTS = 6,
    STATUS_PERMISSION_DENIED = 7,
    STATUS_RESOURCE_EXHAUSTED = 8,
    STATUS_FAILED_PRECONDITION = 9,
    STATUS_ABORTED = 10,
    STATUS_OUT_OF_RANGE = 11,
    STATUS_UNIMPLEMENTED = 12,
    STATUS_INTERNAL = 13,
    STATUS_UNAVAILABLE = 14,
    STATUS_DATA_LOSS = 15,
    STATUS_UNAUTHENTICATED = 16,
    STATUS_COUNT = 17,
};

/* "NOT_FOUND"; "UNKNOWN" for a number that is no code. */
const char *status_name(enum status status);

/* The HTTP status of api.md's table: 404 for NOT_FOUND. */
int status_http(enum status status);
