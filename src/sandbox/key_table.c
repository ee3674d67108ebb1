/* Storage of idempotency keys. Which answers are worth storing is decided by exchange.c. */
#include "sandbox/key_table.h"

#include "sandbox/payment.h"

#include <stdlib.h>
#include <string.h>

void key_table_init(struct key_table *table, size_t count_max)
{
    *table = (struct key_table){.count_max = count_max};
}

void key_table_deinit(struct key_table *table)
{
    struct key_record *record;
    struct key_record *next;

    HASH_ITER (hh, table->records, record, next) {
        HASH_DEL(table->records, record);
        free(record);
    }
}

bool key_is_valid(const char *key)
{
    size_t len = strlen(key);

    for (size_t i = 0; i < len; i++) {
        if (key[i] < 0x21 || key[i] > 0x7e)
            return false;
    }
    return len >= 1 && len <= KEY_LEN_MAX;
}

static struct key_record *key_table_find(struct key_table *table, const char *key)
{
    struct key_record *record = NULL;

    HASH_FIND_STR(table->records, key, record);
    return record;
}

static struct key_record *key_table_add(struct key_table *table, const char *key)
{
    size_t len = strlen(key);
    struct key_record *record;

    if (HASH_COUNT(table->records) >= table->count_max)
        return NULL;
    record = calloc(1, sizeof(*record) + len + 1);
    if (record == NULL)
        return NULL;
    memcpy(record->key, key, len + 1);
    HASH_ADD_KEYPTR(hh, table->records, record->key, len, record);
    return record;
}

/* What a key that was seen before means; NEW when its first request left nothing behind. */
static enum key_verdict key_table_judge(const struct key_record *record, uint64_t params_hash,
                                        struct answer *out_answer)
{
    struct evbuffer *body = out_answer->body;

    if (record->is_in_progress)
        return KEY_IN_USE;
    if (record->answer.http_status == 0)
        return KEY_NEW;
    if (record->params_hash != params_hash)
        return KEY_MISMATCH;
    *out_answer = record->answer;
    out_answer->body = body;
    return KEY_REPLAY;
}

enum key_verdict key_table_begin(struct key_table *table, const char *key, uint64_t params_hash,
                                 bool honours, struct answer *out_answer)
{
    struct key_record *record = key_table_find(table, key);
    enum key_verdict verdict = KEY_NEW;

    if (record == NULL)
        record = key_table_add(table, key);
    else if (honours && record->epoch == table->epoch)
        verdict = key_table_judge(record, params_hash, out_answer);
    if (record == NULL)
        return KEY_FULL;
    if (verdict == KEY_NEW) {
        record->params_hash = params_hash;
        record->epoch = table->epoch;
        record->is_in_progress = true;
    }
    return verdict;
}

void key_table_finish(struct key_table *table, const char *key, const struct answer *answer)
{
    struct key_record *record = key_table_find(table, key);

    if (record == NULL)
        return;
    record->is_in_progress = false;
    memset(&record->answer, 0, sizeof(record->answer));
    if (answer != NULL) {
        record->answer = *answer;
        record->answer.body = NULL;
    }
}

void key_table_link(struct key_table *table, const char *key, struct payment *payment)
{
    struct key_record *record = key_table_find(table, key);

    if (record == NULL || record->is_linked)
        return;
    record->is_linked = true;
    STAILQ_INSERT_TAIL(&payment->keys, record, next_of_payment);
}

void key_table_expire(struct key_table *table)
{
    table->epoch++;
}
