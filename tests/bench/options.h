/* The command line, as a table. */
#pragma once

#include "die.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    STREAMS_MAX = 1000,
    CONNECTIONS_MAX = 60000,
    OPTION_TEXT_MAX = 63
};

struct options {
    const char *mode, *host, *product, *category;
    unsigned port, connections, streams, products;
    unsigned pid;            /* 0: nobody's CPU */
    double seconds, warmup;  /* unless requests are counted */
    double rate;             /* 0: closed loop */
    uint64_t requests, seed; /* requests 0: by time */
};

enum option_type {
    OPTION_TEXT,
    OPTION_UNSIGNED,
    OPTION_LONG,
    OPTION_DOUBLE
};

struct option_row {
    const char *name;
    enum option_type type;
    size_t offset;
    double min, max;
    const char *help;
};

/* clang-format off */
#define OPTION(name, type, min, max, help) {#name, OPTION_##type, offsetof(struct options, name), min, max, help}
static const struct option_row option_rows[] = {
    OPTION(mode,        TEXT,     1, 0,       "get-product, list-products, place-order, declined-order, line-order, hot-order or health-check"),
    OPTION(host,        TEXT,     1, 0,       "IPv4, default 127.0.0.1"),
    OPTION(port,        UNSIGNED, 1, 65535,   "of the server"),
    OPTION(connections, UNSIGNED, 1, CONNECTIONS_MAX, "default 4"),
    OPTION(streams,     UNSIGNED, 1, STREAMS_MAX, "calls in flight on each, default 16"),
    OPTION(seconds,     DOUBLE,   0.1, 86400, "that are counted, default 5"),
    OPTION(warmup,      DOUBLE,   0, 86400,   "seconds before, default 1"),
    OPTION(requests,    LONG,     1, 1e12,    "that many calls instead, without warm-up"),
    OPTION(rate,        DOUBLE,   1, 1e7,     "open loop: calls a second; default: closed loop"),
    OPTION(products,    UNSIGNED, 1, 999999,  "ids are p-000001 to this one, default 10000"),
    OPTION(product,     TEXT,     1, 0,       "of hot-order, default hot"),
    OPTION(category,    TEXT,     0, 0,       "of list-products, default all"),
    OPTION(seed,        LONG,     1, 1e15,    "of the random ids, default 1"),
    OPTION(pid,         UNSIGNED, 1, 4194304, "whose CPU time and memory are reported"),
};
#undef OPTION
/* clang-format on */

enum {
    OPTION_COUNT = sizeof(option_rows) / sizeof(option_rows[0])
};

static inline void options_print_help(FILE *out)
{
    fputs("load --mode MODE --port PORT [--name value ...]\n"
          "Calls a gRPC server and prints figures as JSON.\n",
          out);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        fprintf(out, "  --%-12s %s\n", option_rows[i].name, option_rows[i].help);
    }
}

static inline void option_store(struct options *options, const struct option_row *row,
                                const char *value)
{
    void *target = (char *)options + row->offset;
    if (row->type == OPTION_TEXT) {
        if (strlen(value) < (size_t)row->min || strlen(value) > OPTION_TEXT_MAX) {
            die("--%s has %.0f to %d characters", row->name, row->min, OPTION_TEXT_MAX);
        }
        *(const char **)target = value;
        return;
    }
    char *end;
    double number = strtod(value, &end);
    if (*value == '\0' || *end != '\0' || !(number >= row->min && number <= row->max)) {
        die("--%s %s is not a number from %g to %g", row->name, value, row->min, row->max);
    }
    if (row->type == OPTION_DOUBLE) {
        *(double *)target = number;
    } else if (row->type == OPTION_LONG) {
        *(uint64_t *)target = (uint64_t)number;
    } else {
        *(unsigned *)target = (unsigned)number;
    }
}

static inline const struct option_row *option_find(const char *argument)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strncmp(argument, "--", 2) == 0 && strcmp(argument + 2, option_rows[i].name) == 0) {
            return &option_rows[i];
        }
    }
    die("unknown argument %s, see --help", argument);
}

static inline void options_parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){.host = "127.0.0.1",
                                .product = "hot",
                                .category = "",
                                .connections = 4,
                                .streams = 16,
                                .products = 10000,
                                .seconds = 5,
                                .warmup = 1,
                                .seed = 1};
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0) {
            options_print_help(stdout);
            exit(EXIT_SUCCESS);
        }
        const struct option_row *row = option_find(argv[i]);
        if (i + 1 == argc) {
            die("%s needs a value", argv[i]);
        }
        option_store(options, row, argv[i + 1]);
    }
    if (options->mode == NULL || options->port == 0) {
        die("--mode and --port are needed, see --help");
    }
}
