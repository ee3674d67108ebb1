/* Idempotency keys in memory. */
#include "fake/fake_keys.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void key_text(const struct idempotency *idempotency, char text[FAKE_KEY_TEXT_SIZE])
{
    int len = snprintf(text, FAKE_KEY_TEXT_SIZE, "%s/%s/%s", idempotency->caller,
                       idempotency->method, idempotency->request_id);

    assert(len < FAKE_KEY_TEXT_SIZE);
}

enum fake_key_result fake_keys_find(const struct fake_keys *keys,
                                    const struct idempotency *idempotency, uint32_t *out_object)
{
    char text[FAKE_KEY_TEXT_SIZE];

    if (!idempotency_is_set(idempotency))
        return FAKE_KEY_NEW;
    key_text(idempotency, text);
    for (uint32_t i = 0; i < keys->count; i++) {
        const struct fake_key *row = &keys->rows[i];
        if (strcmp(row->text, text) != 0)
            continue;
        if (memcmp(row->hash, idempotency->hash, sizeof(row->hash)) != 0)
            return FAKE_KEY_REUSED;
        *out_object = row->object;
        return FAKE_KEY_REPEATED;
    }
    return FAKE_KEY_NEW;
}

void fake_keys_add(struct fake_keys *keys, const struct idempotency *idempotency, uint32_t object)
{
    struct fake_key *row = &keys->rows[keys->count];

    if (!idempotency_is_set(idempotency))
        return;
    assert(keys->count < FAKE_KEYS_MAX);
    keys->count++;
    key_text(idempotency, row->text);
    memcpy(row->hash, idempotency->hash, sizeof(row->hash));
    row->object = object;
}
