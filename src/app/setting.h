/* The settings, one row each: how it is called, what it may be, and which member of the configuration
 * holds it. Constant, so any thread may read them. */
#pragma once

#include "base/error.h"
#include "base/macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum setting_type {
    SETTING_TEXT,
    SETTING_ADDRESS,  /* host:port */
    SETTING_URL,      /* http:// or https:// */
    SETTING_ORIGINS,  /* a list of http(s)://host[:port], or * */
    SETTING_FILE,     /* a path; read when it is used */
    SETTING_COUNT,    /* an integer within min and max */
    SETTING_DURATION, /* with a unit, within min and max milliseconds */
    SETTING_CHOICE,   /* one of `choices`; the value is its index */
};

struct setting {
    const char *name; /* of the environment variable; --name in lower case with '-' */
    enum setting_type type;
    size_t offset; /* of the member in struct config */
    const char *fallback;
    int64_t min, max;
    const char *const *choices;
    const char *help;
};

const struct setting *settings_all(size_t *out_count);
/* GRPC_ADDR from "GRPC_ADDR", "grpc_addr", "grpc-addr"; NULL when there is none of that name. */
const struct setting *setting_find(const char *name, size_t len);

/* Whether its value is a number, which the member (an int64_t) holds; else the member is a text. */
bool setting_is_number(const struct setting *setting);
/* Reads a value: numbers into *out_number, texts are only checked. `where` says where it stood:
 * "environment", "orderd.conf line 3", "command line". */
enum status setting_read(const struct setting *setting, const char *value, const char *where,
                         int64_t *out_number, struct error *err) NODISCARD;
