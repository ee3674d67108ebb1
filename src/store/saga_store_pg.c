/* The commits of the order flow over PostgreSQL: each operation as parameters and rows of its
 * statement. Not for deciding anything: the statements decide, in sql/0004_saga.sql. */
#include "store/failure_json.h"
#include "store/order_row.h"
#include "store/pg_key.h"
#include "store/store_pg.h"

#include <assert.h>
#include <string.h>

static struct saga_store_pg *store_of(struct saga_store *base)
{
    return CONTAINER_OF(base, struct saga_store_pg, base);
}

/* The fate is known, but there is no memory to tell it: as good as not known. */
static void fail_out_of_memory(struct store_call *call)
{
    error_set(&call->err, REASON_OUT_OF_MEMORY);
    call->maybe_done = true;
}

/* Columns of a claim and of take_due: ord, result, then the record, which begins with the id. */
enum {
    RESULT = 1,
    RECORD = 2
};

/* The place of a result's name in a table; the functions give no other. Read where it stands (libpq
 * ends each value with a NUL): an order that is undone for a day renews its lease thousands of
 * times, all in one arena. */
static unsigned result_of(const char *const *names, unsigned count, const struct pg_row *row)
{
    const char *name = PQgetvalue(row->result, row->row, RESULT);
    unsigned i = 0;

    assert(!pg_is_null(row, RESULT));
    while (strcmp(names[i], name) != 0) {
        i++;
        assert(i < count);
    }
    return i;
}

/* ---- claim ---- */

static const char *const claim_results[CLAIM_RESULT_COUNT] = {
    [CLAIM_STARTED] = "STARTED",     [CLAIM_REFUSED] = "REFUSED",
    [CLAIM_NOT_FOUND] = "NOT_FOUND", [CLAIM_IN_PROGRESS] = "IN_PROGRESS",
    [CLAIM_FULFILLED] = "FULFILLED", [CLAIM_STATE_INVALID] = "STATE_INVALID",
    [CLAIM_EXHAUSTED] = "EXHAUSTED", [CLAIM_KEY_REUSED] = "KEY_REUSED",
    [CLAIM_REPLAY] = "REPLAY",       [CLAIM_JOIN] = "JOIN",
    [CLAIM_TOO_SHORT] = "TOO_SHORT",
};

static void claim_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct saga_claim *claim = CONTAINER_OF(call, struct saga_claim, call);

    pg_put_uuid(params, 0, &claim->id);
    pg_put_text(params, 1, claim->caller);
    pg_put_text(params, 2, claim->payment_method);
    pg_put_key_of_caller(params, 3, claim->idempotency);
    pg_put_uuid(params, 6, &claim->token);
    pg_put_int8(params, 7, claim->lease_ms);
    pg_put_int8(params, 8, claim->forward_ms);
    pg_put_bool(params, 9, claim->inventory_remote);
    pg_put_bool(params, 10, claim->may_start);
}

static void claim_row(struct store_call *call, const struct pg_row *row)
{
    struct saga_claim *claim = CONTAINER_OF(call, struct saga_claim, call);

    claim->result = (enum claim_result)result_of(claim_results, CLAIM_RESULT_COUNT, row);
    if (!pg_is_null(row, RECORD) &&
        !order_row_read_record(row, RECORD, call->arena, &claim->record))
        fail_out_of_memory(call);
}

static const struct pg_batch_codec claim_codec = {PG_SAGA_CLAIM, claim_encode, claim_row, NULL};

static void store_claim(struct saga_store *store, struct saga_claim *claim)
{
    assert(!uuid_is_zero(&claim->token));
    claim->record = (struct saga_record){0};
    pg_batch_start(store_of(store)->pool, &claim_codec, &claim->call);
}

/* ---- advance ---- */

static const char *const advance_results[ADVANCE_RESULT_COUNT] = {
    [ADVANCE_DONE] = "DONE",
    [ADVANCE_CANCEL_WISHED] = "CANCEL_WISHED",
    [ADVANCE_FENCED] = "FENCED",
};

/* Whether an attempt that ends with this answer leaves its key free for the next one (saga.md
 * "Idempotency"). */
static bool invites_retry(const struct failure *failure)
{
    enum status status;

    if (failure == NULL || failure->reason == REASON_NONE)
        return false;
    status = reason_status(failure->reason);
    return status == STATUS_DEADLINE_EXCEEDED ||
           (status == STATUS_UNAVAILABLE && reason_retry(failure->reason) == RETRY_AFTER);
}

/* It is told once, so without memory for it the advance is not sent. */
static void put_failure(struct pg_params *params, unsigned index, const struct failure *failure)
{
    struct buf json;

    if (failure == NULL || failure->reason == REASON_NONE) {
        pg_put_text(params, index, NULL);
        return;
    }
    buf_init(&json, FAILURE_JSON_SIZE_MAX);
    failure_json_write(failure, &json);
    if (json.failed)
        pg_params_fail(params);
    else
        pg_put_text(params, index, json.data);
    buf_deinit(&json);
}

static void advance_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct saga_advance *advance = CONTAINER_OF(call, struct saga_advance, call);

    pg_put_uuid(params, 0, &advance->id);
    pg_put_int8(params, 1, advance->generation);
    pg_put_text(params, 2, order_state_name(advance->from));
    pg_put_bool(params, 3, advance->cancel_seen);
    pg_put_text(params, 4, order_state_name(advance->to));
    pg_put_text(params, 5, advance->step == STEP_NONE ? NULL : step_kind_name(advance->step));
    pg_put_text(params, 6, step_outcome_name(advance->outcome));
    pg_put_int4(params, 7, advance->tries);
    pg_put_text(params, 8, advance->external_id);
    pg_put_text(params, 9, advance->payment_id);
    pg_put_text(params, 10, advance->shipment_id);
    put_failure(params, 11, advance->failure);
    pg_put_bool(params, 12, invites_retry(advance->failure));
    pg_put_bool(params, 13, advance->clear_failure);
    pg_put_bool(params, 14, advance->release_stock);
    pg_put_int8(params, 15, advance->fulfill_ms);
    pg_put_bool(params, 16, advance->attempt_counts);
    pg_put_int8(params, 17, advance->lease_ms);
    pg_put_uuid(params, 18, uuid_is_zero(&advance->token) ? NULL : &advance->token);
}

static void advance_row(struct store_call *call, const struct pg_row *row)
{
    struct saga_advance *advance = CONTAINER_OF(call, struct saga_advance, call);

    advance->result = (enum advance_result)result_of(advance_results, ADVANCE_RESULT_COUNT, row);
    advance->cancel_wished = pg_get_bool(row, 2);
    advance->revision = pg_get_int8(row, 3);
    advance->update_time_us = pg_get_time_us(row, 4);
}

static const struct pg_batch_codec advance_codec = {PG_SAGA_ADVANCE, advance_encode, advance_row,
                                                    NULL};
static const struct pg_batch_codec release_codec = {PG_SAGA_RELEASE, advance_encode, advance_row,
                                                    NULL};

static void store_advance(struct saga_store *store, struct saga_advance *advance)
{
    const struct pg_batch_codec *codec = advance->release_stock ? &release_codec : &advance_codec;
    pg_batch_start(store_of(store)->pool, codec, &advance->call);
}

/* ---- renew ---- */

static void renew_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct saga_renew *renew = CONTAINER_OF(call, struct saga_renew, call);

    pg_put_uuid(params, 0, &renew->id);
    pg_put_int8(params, 1, renew->generation);
    pg_put_int8(params, 2, renew->lease_ms);
}

static void renew_row(struct store_call *call, const struct pg_row *row)
{
    struct saga_renew *renew = CONTAINER_OF(call, struct saga_renew, call);

    renew->result = (enum advance_result)result_of(advance_results, ADVANCE_RESULT_COUNT, row);
    renew->cancel_wished = pg_get_bool(row, 2);
}

static const struct pg_batch_codec renew_codec = {PG_SAGA_RENEW, renew_encode, renew_row, NULL};

static void store_renew(struct saga_store *store, struct saga_renew *renew)
{
    pg_batch_start(store_of(store)->pool, &renew_codec, &renew->call);
}

/* ---- take_due ---- */

static void take_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct saga_take_due *take = CONTAINER_OF(call, struct saga_take_due, call);

    pg_put_int4(params, 0, (int32_t)take->limit);
    pg_put_int8(params, 1, take->lease_ms);
}

static void take_row(struct store_call *call, const struct pg_row *row)
{
    struct saga_take_due *take = CONTAINER_OF(call, struct saga_take_due, call);

    assert(take->count < take->limit);
    if (take->records == NULL)
        take->records = arena_array(call->arena, take->limit, sizeof(*take->records));
    if (take->records == NULL ||
        !order_row_read_record(row, RECORD, call->arena, &take->records[take->count])) {
        fail_out_of_memory(call); /* they are due again when the lease has run out */
        return;
    }
    take->count++;
}

static const struct pg_batch_codec take_codec = {PG_SAGA_TAKE_DUE, take_encode, take_row, NULL};

static void store_take_due(struct saga_store *store, struct saga_take_due *take)
{
    assert(take->limit > 0);
    take->records = NULL;
    take->count = 0;
    pg_batch_start(store_of(store)->pool, &take_codec, &take->call);
}

/* ---- give_back ---- */

static void give_encode(struct store_call *call, uint32_t ord UNUSED, struct pg_params *params)
{
    const struct saga_give_back *give = CONTAINER_OF(call, struct saga_give_back, call);

    pg_put_uuid(params, 0, &give->id);
    pg_put_int8(params, 1, give->generation);
}

static void give_row(struct store_call *call UNUSED, const struct pg_row *row UNUSED)
{
    /* Whether it was still ours makes no difference any more. */
}

static const struct pg_batch_codec give_codec = {PG_SAGA_GIVE_BACK, give_encode, give_row, NULL};

static void store_give_back(struct saga_store *store, struct saga_give_back *give)
{
    pg_batch_start(store_of(store)->pool, &give_codec, &give->call);
}

/* ---- The store ---- */

static const struct saga_store_ops ops = {
    .claim = store_claim,
    .advance = store_advance,
    .renew = store_renew,
    .take_due = store_take_due,
    .give_back = store_give_back,
};

void saga_store_pg_init(struct saga_store_pg *store, struct pg_pool *pool)
{
    *store = (struct saga_store_pg){.base.ops = &ops, .pool = pool};
}
