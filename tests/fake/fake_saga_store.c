/* A table of orders. */
#include "fake/fake_saga_store.h"

#include "base/limits.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static struct fake_saga_store *self(struct saga_store *base)
{
    return CONTAINER_OF(base, struct fake_saga_store, base);
}

static int64_t now_ms(const struct fake_saga_store *store)
{
    return clock_now_ms(store->ledger->clock);
}

static struct fake_order *find(struct fake_saga_store *store, const struct uuid *id)
{
    for (uint32_t i = 0; i < store->count; i++) {
        if (uuid_equal(&store->orders[i].order.id, id))
            return &store->orders[i];
    }
    return NULL;
}

/* ---- Losing, answering -------------------------------------------------------------------- */

static enum fake_loss loss_of(struct fake_saga_store *store, enum fake_saga_op op)
{
    if (store->fail[op].times == 0)
        return FAKE_WELL;
    if (store->fail[op].times != UINT_MAX)
        store->fail[op].times--;
    return store->fail[op].loss;
}

static bool takes_effect(enum fake_loss loss)
{
    return loss == FAKE_WELL || loss == FAKE_LOST_AFTER;
}

static void on_answer(void *arg)
{
    struct store_call *call = arg;

    call->done(call);
}

static void answer(struct fake_saga_store *store, struct store_call *call, enum fake_loss loss)
{
    if (loss == FAKE_REFUSED || loss == FAKE_DOUBTFUL) {
        error_set(&call->err, REASON_INTERNAL);
        call->maybe_done = loss == FAKE_DOUBTFUL;
    } else if (loss != FAKE_WELL) {
        error_set(&call->err, REASON_STORE_UNAVAILABLE);
        call->maybe_done = loss != FAKE_NOT_SENT;
    }
    fake_ledger_later(store->ledger, store->delay_ms, on_answer, call);
}

static void fill_record(const struct fake_saga_store *store, const struct fake_order *row,
                        struct saga_record *record)
{
    int64_t now = now_ms(store);

    *record = (struct saga_record){
        .order = row->order,
        .generation = row->generation,
        .cancel_wished = row->cancel_wished,
        .payment_method = row->payment_method,
        .forward_left_ms = row->forward_until_ms - now,
        .fulfill_left_ms =
            row->fulfill_until_ms == INT64_MAX ? INT64_MAX : row->fulfill_until_ms - now,
        .undo_age_ms = row->undo_since_ms < 0 ? -1 : now - row->undo_since_ms,
        .lease_left_ms = row->lease_until_ms - now,
    };
}

/* ---- Claim -------------------------------------------------------------------------------- */

static bool has_key(const struct fake_order *row, const struct saga_claim *claim)
{
    return idempotency_is_set(claim->idempotency) &&
           strcmp(row->request_id, claim->idempotency->request_id) == 0;
}

static bool is_under_way(const struct fake_order *row)
{
    return !order_is_at_rest(row->order.state);
}

/* The cause invites a retry, so the key is not bound to it. */
static bool is_key_free(const struct fake_order *row)
{
    enum reason reason = row->order.failure.reason;

    return row->order.state == ORDER_PENDING ||
           (row->order.state == ORDER_FAILED &&
            (reason_retry(reason) == RETRY_AFTER || reason == REASON_DEADLINE_TOO_SHORT));
}

static enum claim_result claim_result(const struct fake_order *row, const struct saga_claim *claim)
{
    if (row == NULL || strcmp(row->order.caller, claim->caller) != 0)
        return CLAIM_NOT_FOUND;
    if (has_key(row, claim) &&
        memcmp(row->hash, claim->idempotency->hash, IDEMPOTENCY_HASH_SIZE) != 0)
        return CLAIM_KEY_REUSED;
    if (uuid_equal(&row->claim_token, &claim->token)) {
        if (!is_under_way(row))
            return CLAIM_REPLAY;
        return row->generation == row->claim_generation ? CLAIM_STARTED : CLAIM_JOIN;
    }
    if (is_under_way(row))
        return has_key(row, claim) ? CLAIM_JOIN : CLAIM_IN_PROGRESS;
    if (has_key(row, claim) && !is_key_free(row))
        return CLAIM_REPLAY;
    if (row->order.state == ORDER_FULFILLED)
        return CLAIM_FULFILLED;
    if (row->order.state == ORDER_CANCELLED || row->order.state == ORDER_STUCK)
        return CLAIM_STATE_INVALID;
    if (row->attempts_counted >= LIMIT_ATTEMPTS_PER_ORDER)
        return CLAIM_EXHAUSTED;
    return claim->may_start ? CLAIM_STARTED : CLAIM_TOO_SHORT;
}

static void take_stock(struct fake_saga_store *store, struct fake_order *row)
{
    static struct short_line line = {.product_id = "cup", .requested = 1, .available = 0};

    if (store->stock > 0) {
        store->stock--;
        row->holds_stock = true;
        row->order.state = ORDER_CHARGING;
        return;
    }
    row->order.state = ORDER_FAILED;
    row->order.failure = (struct failure){
        .reason = REASON_OUT_OF_STOCK, .short_lines = &line, .short_line_count = 1};
    row->attempts_counted++;
}

static void start(struct fake_saga_store *store, struct fake_order *row, struct saga_claim *claim)
{
    row->order.attempt++;
    row->order.revision++;
    row->order.failure = (struct failure){.reason = REASON_NONE};
    row->order.payment_id = NULL;
    row->order.shipment_id = NULL;
    row->payment_method = arena_strdup(store->arena, claim->payment_method);
    row->claim_token = claim->token;
    row->claim_generation = ++row->generation;
    row->lease_until_ms = now_ms(store) + claim->lease_ms;
    row->forward_until_ms = now_ms(store) + claim->forward_ms;
    row->fulfill_until_ms = INT64_MAX;
    row->undo_since_ms = -1;
    if (idempotency_is_set(claim->idempotency)) {
        snprintf(row->request_id, sizeof(row->request_id), "%s", claim->idempotency->request_id);
        memcpy(row->hash, claim->idempotency->hash, IDEMPOTENCY_HASH_SIZE);
    }
    if (claim->inventory_remote)
        row->order.state = ORDER_RESERVING;
    else
        take_stock(store, row);
}

static void take_memory(struct arena *arena, size_t size)
{
    const void *memory = arena_alloc(arena, size);

    assert(memory != NULL);
}

static void on_claim(struct saga_store *base, struct saga_claim *claim)
{
    struct fake_saga_store *store = self(base);
    struct fake_order *row = find(store, &claim->id);
    enum fake_loss loss = loss_of(store, FAKE_CLAIM);

    fake_ledger_note(store->ledger, "claim");
    take_memory(claim->call.arena, store->answer_size);
    if (takes_effect(loss)) {
        claim->result = claim_result(row, claim);
        if (claim->result == CLAIM_STARTED && !is_under_way(row))
            start(store, row, claim);
        if (claim->result == CLAIM_STARTED && row->order.state == ORDER_FAILED)
            claim->result = CLAIM_REFUSED;
        if (row != NULL)
            fill_record(store, row, &claim->record);
    }
    answer(store, &claim->call, loss);
}

/* ---- Advance ------------------------------------------------------------------------------ */

static bool is_backward(enum order_state state)
{
    return state == ORDER_RECALLING || state == ORDER_REFUNDING || state == ORDER_RELEASING;
}

static void store_failure(struct fake_saga_store *store, struct fake_order *row,
                          const struct failure *failure)
{
    struct error err = {0};

    if (failure == NULL || row->order.failure.reason != REASON_NONE)
        return;
    failure_to_error(failure, &row->order.id, store->arena, &err);
    failure_from_error(&err, store->arena, &row->order.failure);
}

static void apply(struct fake_saga_store *store, struct fake_order *row,
                  const struct saga_advance *advance)
{
    row->order.state = advance->to;
    row->order.revision++;
    row->advance_token = advance->token;
    row->order.update_time_us = clock_unix_us(store->ledger->clock);
    row->lease_until_ms = now_ms(store) + advance->lease_ms;
    if (advance->payment_id != NULL)
        row->order.payment_id = arena_strdup(store->arena, advance->payment_id);
    if (advance->shipment_id != NULL)
        row->order.shipment_id = arena_strdup(store->arena, advance->shipment_id);
    store_failure(store, row, advance->failure);
    if (advance->clear_failure)
        row->order.failure = (struct failure){.reason = REASON_NONE};
    if (advance->release_stock && row->holds_stock) {
        row->holds_stock = false;
        store->stock++;
    }
    if (advance->to == ORDER_FULFILLING)
        row->fulfill_until_ms = now_ms(store) + advance->fulfill_ms;
    if (is_backward(advance->to) && row->undo_since_ms < 0)
        row->undo_since_ms = now_ms(store);
    if (advance->to == ORDER_FULFILLED)
        row->order.fulfill_time_us = row->order.update_time_us;
    if (advance->to == ORDER_FAILED) {
        row->last_attempt_counts = advance->attempt_counts;
        row->attempts_counted += advance->attempt_counts;
    }
}

static enum advance_result advance_result(const struct fake_order *row,
                                          const struct saga_advance *advance)
{
    if (row->generation != advance->generation || row->order.state != advance->from)
        return ADVANCE_FENCED;
    return row->cancel_wished != advance->cancel_seen ? ADVANCE_CANCEL_WISHED : ADVANCE_DONE;
}

static void on_advance(struct saga_store *base, struct saga_advance *advance)
{
    struct fake_saga_store *store = self(base);
    struct fake_order *row = find(store, &advance->id);
    enum fake_loss loss = loss_of(store, FAKE_ADVANCE);

    assert(row != NULL);
    assert(!uuid_is_zero(&advance->token));
    fake_ledger_note(store->ledger, "advance %s>%s%s%s", order_state_name(advance->from),
                     order_state_name(advance->to), advance->payment_id == NULL ? "" : " ",
                     advance->payment_id == NULL ? "" : advance->payment_id);
    if (takes_effect(loss)) {
        if (uuid_equal(&row->advance_token, &advance->token)) {
            advance->result = ADVANCE_DONE;
        } else {
            advance->result = advance_result(row, advance);
            if (advance->result == ADVANCE_DONE)
                apply(store, row, advance);
        }
        advance->cancel_wished = row->cancel_wished;
        advance->revision = row->order.revision;
        advance->update_time_us = row->order.update_time_us;
    }
    answer(store, &advance->call, loss);
}

/* ---- Leases ------------------------------------------------------------------------------- */

static void on_renew(struct saga_store *base, struct saga_renew *renew)
{
    struct fake_saga_store *store = self(base);
    struct fake_order *row = find(store, &renew->id);
    enum fake_loss loss = loss_of(store, FAKE_RENEW);

    fake_ledger_note(store->ledger, "renew");
    if (takes_effect(loss)) {
        bool is_owner = row->generation == renew->generation && is_under_way(row);

        renew->result = is_owner ? ADVANCE_DONE : ADVANCE_FENCED;
        renew->cancel_wished = row->cancel_wished;
        if (is_owner)
            row->lease_until_ms = now_ms(store) + renew->lease_ms;
    }
    answer(store, &renew->call, loss);
}

static void on_take_due(struct saga_store *base, struct saga_take_due *take)
{
    struct fake_saga_store *store = self(base);
    enum fake_loss loss = loss_of(store, FAKE_TAKE_DUE);

    take->count = 0;
    take->records = arena_array(take->call.arena, take->limit, sizeof(*take->records));
    for (uint32_t i = 0; i < store->count && take->count < take->limit && loss == FAKE_WELL; i++) {
        struct fake_order *row = &store->orders[i];

        if (!is_under_way(row) || row->lease_until_ms > now_ms(store))
            continue;
        row->generation++;
        row->lease_until_ms = now_ms(store) + take->lease_ms;
        fill_record(store, row, &take->records[take->count++]);
    }
    if (take->count > 0)
        fake_ledger_note(store->ledger, "take_due %u", (unsigned)take->count);
    answer(store, &take->call, loss);
}

static void on_give_back(struct saga_store *base, struct saga_give_back *give_back)
{
    struct fake_saga_store *store = self(base);
    struct fake_order *row = find(store, &give_back->id);
    enum fake_loss loss = loss_of(store, FAKE_GIVE_BACK);

    fake_ledger_note(store->ledger, "give_back");
    if (takes_effect(loss) && row->generation == give_back->generation)
        row->lease_until_ms = now_ms(store);
    answer(store, &give_back->call, loss);
}

/* ---- Life cycle --------------------------------------------------------------------------- */

static const struct saga_store_ops ops = {
    .claim = on_claim,
    .advance = on_advance,
    .renew = on_renew,
    .take_due = on_take_due,
    .give_back = on_give_back,
};

void fake_saga_store_init(struct fake_saga_store *store, struct fake_ledger *ledger)
{
    memset(store, 0, sizeof(*store));
    store->base.ops = &ops;
    store->ledger = ledger;
    store->arena = arena_new(LIMIT_ARENA_SIZE);
    store->delay_ms = 1;
    store->stock = 1000;
    assert(store->arena != NULL);
}

void fake_saga_store_deinit(struct fake_saga_store *store)
{
    arena_free(store->arena);
}

struct fake_order *fake_saga_store_add(struct fake_saga_store *store)
{
    static struct order_line line = {
        .product_id = "cup", .quantity = 1, .name = "Cup", .unit_price_minor = 1000};
    static const char *address_line = "Lane 1";
    struct fake_order *row = &store->orders[store->count++];

    assert(store->count < FAKE_ORDERS_MAX);
    row->order = (struct order){
        .id = {.bytes = {1, [14] = (uint8_t)(store->count >> 8), [15] = (uint8_t)store->count}},
        .caller = "",
        .customer_id = "ann",
        .lines = &line,
        .line_count = 1,
        .ship_to = {.recipient = "Ann",
                    .lines = &address_line,
                    .line_count = 1,
                    .postal_code = "",
                    .locality = "",
                    .administrative_area = "",
                    .region_code = "DE"},
        .total = {.minor = 1000, .currency = "EUR"},
        .state = ORDER_PENDING,
    };
    row->undo_since_ms = -1;
    return row;
}

void fake_saga_store_steal(struct fake_order *order)
{
    order->generation++;
}
