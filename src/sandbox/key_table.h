/* Idempotency keys of the payment API, with the answers they repeat.
 *
 *   (none) ──begin: NEW──> in progress ──finish, stored──> repeats its answer
 *                               └──finish, not stored──> (none)
 *
 * A provider's keys expire (key_table_expire), and some providers ignore them (`honours` of
 * key_table_begin). Either way a key stays known to the ledger. Records live until deinit, and are
 * linked to the first payment they named, which must live as long. */
#pragma once

#include "sandbox/answer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uthash.h>

#define KEY_LEN_MAX 255

enum key_verdict {
    KEY_NEW,      /* carry the request out, then key_table_finish */
    KEY_REPLAY,   /* the stored answer was copied out */
    KEY_IN_USE,   /* its first request has not ended */
    KEY_MISMATCH, /* it came with other parameters before */
    KEY_FULL,     /* no room for another key */
};

struct key_record {
    struct answer answer;
    uint64_t params_hash;
    unsigned epoch; /* older than the table's: expired */
    bool is_in_progress;
    bool is_linked;
    STAILQ_ENTRY(key_record) next_of_payment;
    UT_hash_handle hh;
    char key[];
};
struct key_table {
    struct key_record *records; /* uthash */
    size_t count_max;
    unsigned epoch;
};

void key_table_init(struct key_table *table, size_t count_max);
void key_table_deinit(struct key_table *table);

/* 1 to KEY_LEN_MAX visible ASCII characters. */
bool key_is_valid(const char *key);

/* `honours` false: the verdict is never REPLAY, IN_USE or MISMATCH. `out_answer->body` is kept. */
enum key_verdict key_table_begin(struct key_table *table, const char *key, uint64_t params_hash,
                                 bool honours, struct answer *out_answer);
/* Ends a NEW key: its answer is stored, or (NULL) the key may be tried again. A key the table no
 * longer knows is ignored: the ledger was reset meanwhile. */
void key_table_finish(struct key_table *table, const char *key, const struct answer *answer);
/* Notes that the key named this payment. */
void key_table_link(struct key_table *table, const char *key, struct payment *payment);
/* From now on every key known so far is as good as new. */
void key_table_expire(struct key_table *table);
