/* The last calls of the payment and shipping APIs: a ring, so that it never grows. */
#pragma once

#include <stdint.h>

/* 400 bytes each. */
#define CALL_LOG_COUNT 10000

struct json_out;

struct call {
    uint64_t n;        /* 1, 2, 3 ... since the start */
    int status;        /* 0: not answered, not yet or on purpose */
    const char *fault; /* static; NULL: none */
    char method[8];
    char path[160];
    char key[128];
    char order_id[96];
};
struct call_log {
    struct call *calls; /* CALL_LOG_COUNT of them */
    uint64_t count;     /* ever made */
    uint64_t forgotten; /* those before were removed by call_log_reset */
};

/* 0, or -1 without memory. */
int call_log_init(struct call_log *log);
void call_log_deinit(struct call_log *log);
void call_log_reset(struct call_log *log);

/* Notes a call and returns its number; texts are cut to fit. `key` may be NULL. */
uint64_t call_log_add(struct call_log *log, const char *method, const char *path, const char *key);
/* Notes whose call it was, if it is still known. */
void call_log_note_order(struct call_log *log, uint64_t n, const char *order_id);
/* The call of that number, or NULL when the ring has gone over it or it was removed. */
struct call *call_log_find(struct call_log *log, uint64_t n);

/* An array of all calls still known, oldest first; of one order unless `order_id` is NULL. */
void call_log_print(struct call_log *log, struct json_out *json, const char *order_id);
