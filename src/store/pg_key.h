/* An idempotency key as parameters of a statement, which all take it alike. NULL or an unset key puts
 * an empty request_id, which the statements take as none. */
#pragma once

#include "domain/idempotency.h"
#include "store/pg_array.h"

#include <stddef.h>

/* method, request_id and hash, from parameter `first` on, of a statement that has the caller already. */
static inline void pg_put_key_of_caller(struct pg_params *params, unsigned first,
                                        const struct idempotency *key)
{
    static const struct idempotency none = {.caller = "", .method = "", .request_id = ""};
    if (key == NULL || !idempotency_is_set(key))
        key = &none;
    pg_put_text(params, first, key->method);
    pg_put_text(params, first + 1, key->request_id);
    pg_put_bytea(params, first + 2, key->hash, sizeof(key->hash));
}

/* caller, method, request_id and hash. */
static inline void pg_put_key(struct pg_params *params, unsigned first,
                              const struct idempotency *key)
{
    bool is_set = key != NULL && idempotency_is_set(key);
    pg_put_text(params, first, is_set ? key->caller : "");
    pg_put_key_of_caller(params, first + 1, key);
}
