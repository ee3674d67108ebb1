/* The stores of a worker: each operation is a message to the database, with a copy of what it says,
 * since the worker may be gone when it arrives. */
#include "sim_faults.h"
#include "sim_parts.h"

#include "store/pg_error.h"

#include <assert.h>
#include <string.h>

/* The operation as it was sent, and where its results belong. */
struct sim_statement {
    struct sim_message message;
    struct store_call *call; /* of the worker */
    struct idempotency key;
    union {
        struct order_create create;
        struct order_get get;
        struct order_cancel cancel;
        struct saga_claim claim;
        struct saga_advance advance;
        struct saga_renew renew;
        struct saga_take_due take;
        struct saga_give_back give_back;
    } as;
};

static struct store_call *call_of(struct sim_statement *statement)
{
    switch (statement->message.op) {
    case SIM_CREATE:
        return &statement->as.create.call;
    case SIM_GET:
        return &statement->as.get.call;
    case SIM_WISH:
        return &statement->as.cancel.call;
    case SIM_CLAIM:
        return &statement->as.claim.call;
    case SIM_ADVANCE:
        return &statement->as.advance.call;
    case SIM_RENEW:
        return &statement->as.renew.call;
    case SIM_TAKE_DUE:
        return &statement->as.take.call;
    case SIM_GIVE_BACK:
    case SIM_OPEN:
    case SIM_CONFIRM:
    case SIM_LOOK:
    case SIM_CANCEL:
    case SIM_REFUND:
    case SIM_LOOK_REFUNDS:
    case SIM_SHIP:
    case SIM_RECALL:
    case SIM_RESERVE:
    case SIM_RELEASE:
    case SIM_OP_COUNT:
        break;
    }
    return &statement->as.give_back.call;
}

/* ---- In the database ------------------------------------------------------------------------ */

static void execute(struct sim_world *world, struct sim_statement *statement)
{
    switch (statement->message.op) {
    case SIM_CREATE:
        sim_db_create(world, &statement->as.create);
        break;
    case SIM_GET:
        sim_db_get(world, &statement->as.get);
        break;
    case SIM_WISH:
        sim_db_wish(world, &statement->as.cancel);
        break;
    case SIM_CLAIM:
        sim_db_claim(world, &statement->as.claim);
        break;
    case SIM_ADVANCE:
        sim_db_advance(world, &statement->as.advance);
        break;
    case SIM_RENEW:
        sim_db_renew(world, &statement->as.renew);
        break;
    case SIM_TAKE_DUE:
        sim_db_take_due(world, &statement->as.take);
        break;
    case SIM_GIVE_BACK:
        sim_db_give_back(world, &statement->as.give_back);
        break;
    case SIM_OPEN:
    case SIM_CONFIRM:
    case SIM_LOOK:
    case SIM_CANCEL:
    case SIM_REFUND:
    case SIM_LOOK_REFUNDS:
    case SIM_SHIP:
    case SIM_RECALL:
    case SIM_RESERVE:
    case SIM_RELEASE:
    case SIM_OP_COUNT:
        assert(false);
        break;
    }
}

static void on_arrive(struct sim_message *message)
{
    struct sim_statement *statement = CONTAINER_OF(message, struct sim_statement, message);

    call_of(statement)->err = (struct error){0};
    if (message->fate.kind != SIM_REFUSED && message->fate.kind != SIM_FAILING)
        execute(message->world, statement);
}

/* ---- Back ----------------------------------------------------------------------------------- */

/* Only what the operation brings: what was asked keeps its own texts. */
static void copy_result(struct sim_statement *statement)
{
    struct store_call *call = statement->call;

    switch (statement->message.op) {
    case SIM_CREATE: {
        struct order_create *to = CONTAINER_OF(call, struct order_create, call);
        to->created = statement->as.create.created;
        to->replayed = statement->as.create.replayed;
        break;
    }
    case SIM_GET: {
        struct order_get *to = CONTAINER_OF(call, struct order_get, call);
        to->order = statement->as.get.order;
        to->unchanged = statement->as.get.unchanged;
        break;
    }
    case SIM_WISH: {
        struct order_cancel *to = CONTAINER_OF(call, struct order_cancel, call);
        to->order = statement->as.cancel.order;
        to->replayed = statement->as.cancel.replayed;
        break;
    }
    case SIM_CLAIM: {
        struct saga_claim *to = CONTAINER_OF(call, struct saga_claim, call);
        to->result = statement->as.claim.result;
        to->record = statement->as.claim.record;
        break;
    }
    case SIM_ADVANCE: {
        struct saga_advance *to = CONTAINER_OF(call, struct saga_advance, call);
        to->result = statement->as.advance.result;
        to->cancel_wished = statement->as.advance.cancel_wished;
        to->revision = statement->as.advance.revision;
        to->update_time_us = statement->as.advance.update_time_us;
        break;
    }
    case SIM_RENEW: {
        struct saga_renew *to = CONTAINER_OF(call, struct saga_renew, call);
        to->result = statement->as.renew.result;
        to->cancel_wished = statement->as.renew.cancel_wished;
        break;
    }
    case SIM_TAKE_DUE: {
        struct saga_take_due *to = CONTAINER_OF(call, struct saga_take_due, call);
        to->records = statement->as.take.records;
        to->count = statement->as.take.count;
        break;
    }
    case SIM_GIVE_BACK:
    case SIM_OPEN:
    case SIM_CONFIRM:
    case SIM_LOOK:
    case SIM_CANCEL:
    case SIM_REFUND:
    case SIM_LOOK_REFUNDS:
    case SIM_SHIP:
    case SIM_RECALL:
    case SIM_RESERVE:
    case SIM_RELEASE:
    case SIM_OP_COUNT:
        break;
    }
}

/* After some of these an order goes the other way, so they excuse where it ends. */
static void note_refusal(struct sim_statement *statement)
{
    if (statement->message.op == SIM_ADVANCE && statement->call->err.reason == REASON_INTERNAL)
        sim_db_find(statement->message.world, &statement->as.advance.id)->refused_count++;
}

static void note_join(const struct sim_statement *statement)
{
    const struct saga_claim *claim = &statement->as.claim;
    struct sim_world *world = statement->message.world;
    struct sim_order *order;

    if (statement->message.op != SIM_CLAIM || claim->result != CLAIM_JOIN)
        return;
    order = sim_db_find(world, &claim->id);
    order->joined = sim_grow(world, order->joined, order->joined_count, &order->joined_room,
                             sizeof(*order->joined));
    order->joined[order->joined_count++] = claim->token;
}

/* A caller who has joined an attempt begins none, however that one ends. */
static void check_join(struct sim_world *world, const struct saga_claim *claim)
{
    const struct sim_order *order = sim_db_find(world, &claim->id);

    if (order == NULL || !claim->may_start)
        return;
    for (uint32_t i = 0; i < order->joined_count; i++) {
        if (uuid_equal(&order->joined[i], &claim->token))
            sim_fail(world, "V5", "order %u: a caller who joined may begin an attempt",
                     order->index);
    }
}

static void on_answer(struct sim_message *message)
{
    struct sim_statement *statement = CONTAINER_OF(message, struct sim_statement, message);
    struct store_call *call = statement->call;

    switch ((enum sim_fate_kind)message->fate.kind) {
    case SIM_NOT_SENT:
        error_set(&call->err, REASON_STORE_UNAVAILABLE);
        break;
    case SIM_LOST:
    case SIM_ANSWER_LOST:
    case SIM_LATE:
        error_set(&call->err, REASON_STORE_UNAVAILABLE);
        call->maybe_done = true;
        break;
    case SIM_REFUSED:
        pg_error_set(&call->err, message->fate.sqlstate);
        note_refusal(statement);
        break;
    case SIM_FAILING:
        error_set(&call->err, REASON_STORE_OVERLOADED);
        break;
    case SIM_WELL:
    case SIM_SLOW:
    case SIM_DOUBLED:
    case SIM_ASKED_LATER:
    case SIM_CONTRADICTED:
    case SIM_FATE_COUNT:
        assert(message->has_acted);
        call->err = call_of(statement)->err;
        if (!error_is_set(&call->err)) {
            copy_result(statement);
            note_join(statement);
        }
        break;
    }
    call->done(call);
}

/* ---- Sending -------------------------------------------------------------------------------- */

static struct sim_statement *statement_new(struct sim_worker *worker, enum sim_op op,
                                           struct store_call *call)
{
    struct sim_statement *statement = sim_alloc(worker->world, sizeof(*statement));

    call->err = (struct error){0};
    call->maybe_done = false;
    statement->call = call;
    statement->message.op = op;
    statement->message.on_arrive = on_arrive;
    statement->message.on_answer = on_answer;
    return statement;
}

static void statement_send(struct sim_worker *worker, struct sim_statement *statement)
{
    struct sim_world *world = worker->world;
    int64_t left_ms = statement->call->deadline_ms - sim_worker_now_ms(worker);

    statement->message.fate = sim_fate_draw(world, statement->message.op, MIN_OF(left_ms, 60000));
    if (statement->message.fate.kind == SIM_WELL && statement->message.fate.answer_ms > left_ms) {
        statement->message.fate.kind = SIM_ANSWER_LOST; /* not in time */
        statement->message.fate.answer_ms = left_ms;
    }
    sim_tell(world, "worker %u: %s, %s%s%s", worker->index, sim_op_name(statement->message.op),
             sim_fate_name((enum sim_fate_kind)statement->message.fate.kind),
             statement->message.fate.sqlstate == NULL ? "" : " ",
             statement->message.fate.sqlstate == NULL ? "" : statement->message.fate.sqlstate);
    sim_message_send(worker, &statement->message);
}

static const struct idempotency *keep_key(struct sim_world *world, struct sim_statement *statement,
                                          const struct idempotency *key)
{
    statement->key = key == NULL ? (struct idempotency){0} : *key;
    statement->key.caller = sim_text(world, statement->key.caller);
    statement->key.method = sim_text(world, statement->key.method);
    statement->key.request_id = sim_text(world, statement->key.request_id);
    return &statement->key;
}

static struct order *keep_order(struct sim_world *world, const struct order *order)
{
    struct order *copy = sim_alloc(world, sizeof(*copy));
    const char **address = sim_alloc(world, order->ship_to.line_count * sizeof(*address));

    *copy = *order;
    copy->caller = sim_text(world, order->caller);
    copy->customer_id = sim_text(world, order->customer_id);
    copy->lines = sim_alloc(world, order->line_count * sizeof(*copy->lines));
    for (uint32_t i = 0; i < order->line_count; i++) {
        copy->lines[i] = order->lines[i];
        copy->lines[i].product_id = sim_text(world, order->lines[i].product_id);
    }
    for (uint32_t i = 0; i < order->ship_to.line_count; i++)
        address[i] = sim_text(world, order->ship_to.lines[i]);
    copy->ship_to = (struct address){
        .recipient = sim_text(world, order->ship_to.recipient),
        .lines = address,
        .line_count = order->ship_to.line_count,
        .postal_code = sim_text(world, order->ship_to.postal_code),
        .locality = sim_text(world, order->ship_to.locality),
        .administrative_area = sim_text(world, order->ship_to.administrative_area),
        .region_code = sim_text(world, order->ship_to.region_code),
    };
    return copy;
}

static void on_create(struct order_store *store, struct order_create *create)
{
    struct sim_worker *worker = CONTAINER_OF(store, struct sim_worker, order_store);
    struct sim_statement *statement = statement_new(worker, SIM_CREATE, &create->call);

    statement->as.create = *create;
    statement->as.create.order = keep_order(worker->world, create->order);
    statement->as.create.idempotency = keep_key(worker->world, statement, create->idempotency);
    statement_send(worker, statement);
}

static void on_get(struct order_store *store, struct order_get *get)
{
    struct sim_worker *worker = CONTAINER_OF(store, struct sim_worker, order_store);
    struct sim_statement *statement = statement_new(worker, SIM_GET, &get->call);

    statement->as.get = *get;
    statement->as.get.caller = sim_text(worker->world, get->caller);
    statement_send(worker, statement);
}

static void on_wish(struct order_store *store, struct order_cancel *cancel)
{
    struct sim_worker *worker = CONTAINER_OF(store, struct sim_worker, order_store);
    struct sim_statement *statement = statement_new(worker, SIM_WISH, &cancel->call);

    statement->as.cancel = *cancel;
    statement->as.cancel.caller = sim_text(worker->world, cancel->caller);
    statement->as.cancel.idempotency = keep_key(worker->world, statement, cancel->idempotency);
    statement_send(worker, statement);
}

static void on_claim(struct saga_store *store, struct saga_claim *claim)
{
    struct sim_worker *worker = CONTAINER_OF(store, struct sim_worker, saga_store);
    struct sim_statement *statement = statement_new(worker, SIM_CLAIM, &claim->call);

    assert(!uuid_is_zero(&claim->token));
    check_join(worker->world, claim);
    statement->as.claim = *claim;
    statement->as.claim.caller = sim_text(worker->world, claim->caller);
    statement->as.claim.payment_method = sim_text(worker->world, claim->payment_method);
    statement->as.claim.idempotency = keep_key(worker->world, statement, claim->idempotency);
    statement_send(worker, statement);
}

static const struct failure *keep_failure(struct sim_world *world, const struct failure *failure)
{
    struct failure *copy;

    if (failure == NULL || failure->reason == REASON_NONE)
        return NULL;
    copy = sim_alloc(world, sizeof(*copy));
    *copy = *failure;
    copy->message = sim_text(world, failure->message);
    copy->metadata = sim_alloc(world, failure->metadata_count * sizeof(*copy->metadata));
    for (uint32_t i = 0; i < failure->metadata_count; i++)
        copy->metadata[i] =
            (struct failure_metadata){.key = sim_text(world, failure->metadata[i].key),
                                      .value = sim_text(world, failure->metadata[i].value)};
    copy->short_lines = sim_alloc(world, failure->short_line_count * sizeof(*copy->short_lines));
    for (uint32_t i = 0; i < failure->short_line_count; i++) {
        copy->short_lines[i] = failure->short_lines[i];
        copy->short_lines[i].product_id = sim_text(world, failure->short_lines[i].product_id);
    }
    return copy;
}

/* An order may be one whose rows the database refuses, for a bug of ours or of its. */
static void refuse_some(struct sim_world *world, struct sim_statement *statement)
{
    struct sim_order *order = sim_db_find(world, &statement->as.advance.id);

    if (order->advance_refusals == 0 || sim_is_calm(world))
        return;
    order->advance_refusals--;
    statement->message.fate.kind = SIM_REFUSED;
    statement->message.fate.sqlstate = "23514";
}

static void on_advance(struct saga_store *store, struct saga_advance *advance)
{
    struct sim_worker *worker = CONTAINER_OF(store, struct sim_worker, saga_store);
    struct sim_world *world = worker->world;
    struct sim_statement *statement = statement_new(worker, SIM_ADVANCE, &advance->call);
    struct saga_advance *copy = &statement->as.advance;

    *copy = *advance;
    copy->external_id = sim_text(world, advance->external_id);
    copy->payment_id = sim_text(world, advance->payment_id);
    copy->shipment_id = sim_text(world, advance->shipment_id);
    copy->failure = keep_failure(world, advance->failure);
    statement_send(worker, statement);
    if (statement->message.fate.kind == SIM_WELL)
        refuse_some(world, statement);
}

static void on_renew(struct saga_store *store, struct saga_renew *renew)
{
    struct sim_worker *worker = CONTAINER_OF(store, struct sim_worker, saga_store);
    struct sim_statement *statement = statement_new(worker, SIM_RENEW, &renew->call);

    statement->as.renew = *renew;
    statement_send(worker, statement);
}

static void on_take_due(struct saga_store *store, struct saga_take_due *take)
{
    struct sim_worker *worker = CONTAINER_OF(store, struct sim_worker, saga_store);
    struct sim_statement *statement = statement_new(worker, SIM_TAKE_DUE, &take->call);

    assert(take->limit > 0);
    statement->as.take = *take;
    statement_send(worker, statement);
}

static void on_give_back(struct saga_store *store, struct saga_give_back *give_back)
{
    struct sim_worker *worker = CONTAINER_OF(store, struct sim_worker, saga_store);
    struct sim_statement *statement = statement_new(worker, SIM_GIVE_BACK, &give_back->call);

    statement->as.give_back = *give_back;
    statement_send(worker, statement);
}

static const struct order_store_ops order_store_ops = {
    .create = on_create, .get = on_get, .wish_cancel = on_wish};

static const struct saga_store_ops saga_store_ops = {
    .claim = on_claim,
    .advance = on_advance,
    .renew = on_renew,
    .take_due = on_take_due,
    .give_back = on_give_back,
};

void sim_store_init(struct sim_worker *worker)
{
    worker->order_store.ops = &order_store_ops;
    worker->saga_store.ops = &saga_store_ops;
}
