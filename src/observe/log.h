/* One line a fact, as JSON (or key=value text for people), on standard error. Thread safe.
 *
 * Only the edge, app and the observers they hand down write lines. Serving never waits for the
 * reader of the log: when the pipe is full, lines are dropped and counted. No secrets, no card data,
 * no SQL parameters, no personal data. */
#pragma once

#include "base/macros.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR
};
enum log_format {
    LOG_JSON,
    LOG_TEXT
};

/* Before the first line; defaults are info, JSON, descriptor 2. */
void log_configure(enum log_level level, enum log_format format, int fd);
bool log_enabled(enum log_level level);

struct log_field {
    const char *key;
    enum {
        LOG_STRING,
        LOG_INTEGER,
        LOG_MS /* microseconds written as milliseconds, 3 digits */
    } type;
    const char *string; /* NULL: the field is left out */
    int64_t integer;
};
#define LOG_STR(key_, value_)                                 \
    {                                                         \
        .key = (key_), .type = LOG_STRING, .string = (value_) \
    }
#define LOG_INT(key_, value_)                                            \
    {                                                                    \
        .key = (key_), .type = LOG_INTEGER, .integer = (int64_t)(value_) \
    }
#define LOG_DURATION(key_, us_)                                  \
    {                                                            \
        .key = (key_), .type = LOG_MS, .integer = (int64_t)(us_) \
    }

/* {"timestamp":"…Z","severity":"INFO","message":"order transition","order_id":"…",…}; fields end
 * with a NULL key. */
void log_fields(enum log_level level, const char *message, const struct log_field *fields);
/* A line with a formatted message and no fields, for starts, stops and failures. */
void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
/* Lines dropped so far. */
uint64_t log_dropped_count(void);
