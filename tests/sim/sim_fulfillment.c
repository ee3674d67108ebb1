/* The shipping service and its book: idempotent by request_id, as proto/shop/v1/fulfillment.proto
 * says. A shipment leaves some time after it was made, and then it cannot be recalled. */
#include "sim_faults.h"
#include "sim_parts.h"

#include <string.h>

enum {
    LEAVES_AFTER_MS_MAX = 3000
};

struct fulfillment_exchange {
    struct sim_exchange exchange;
    struct fulfillment_call *call; /* of the worker */
    uint32_t shipment;             /* number of the row; from 1 */
};

struct departure {
    struct clock_timer timer;
    struct sim_world *world;
    uint32_t shipment;
};

static struct sim_shipment *shipment_of(struct sim_world *world,
                                        const struct sim_exchange *exchange, uint32_t *out_number)
{
    struct sim_books *books = &world->books;

    for (uint32_t i = books->shipment_count; i-- > 0;) {
        if (strcmp(books->shipments[i].request_id, exchange->key) == 0) {
            *out_number = i + 1;
            return &books->shipments[i];
        }
    }
    books->shipments = sim_grow(world, books->shipments, books->shipment_count,
                                &books->shipment_room, sizeof(*books->shipments));
    books->shipments[books->shipment_count] =
        (struct sim_shipment){.request_id = exchange->key,
                              .order_index = exchange->order->index,
                              .attempt = exchange->attempt};
    *out_number = ++books->shipment_count;
    return &books->shipments[*out_number - 1];
}

static void on_departure(struct clock_timer *timer)
{
    struct departure *departure = CONTAINER_OF(timer, struct departure, timer);
    struct sim_shipment *row = &departure->world->books.shipments[departure->shipment - 1];

    row->has_left = row->exists && !row->is_barred;
}

static void leave_later(struct sim_world *world, uint32_t shipment)
{
    struct departure *departure = sim_alloc(world, sizeof(*departure));

    if (!sim_chance(world, 400))
        return;
    departure->world = world;
    departure->shipment = shipment;
    departure->timer.on_time = on_departure;
    sim_at(world, &departure->timer, sim_between(world, 0, LEAVES_AFTER_MS_MAX));
}

static void act(struct sim_world *world, struct fulfillment_exchange *it)
{
    struct sim_exchange *exchange = &it->exchange;
    struct sim_shipment *row = shipment_of(world, exchange, &it->shipment);

    exchange->result = EFFECT_DONE;
    if (exchange->message.op == SIM_RECALL) {
        if (row->has_left)
            exchange->result = EFFECT_HAS_LEFT;
        else
            row->is_barred = true;
    } else if (row->is_barred) {
        exchange->result = EFFECT_REFUSED;
        exchange->reason = REASON_FULFILLMENT_REJECTED;
    } else if (!row->exists) {
        row->exists = true;
        sim_tell(world, "  order %u is shipped", exchange->order->index);
        leave_later(world, it->shipment);
    }
}

/* Repeating it repeats the answer; what there is already is not refused. */
static void refuse(struct sim_world *world, struct fulfillment_exchange *it)
{
    struct sim_shipment *row = shipment_of(world, &it->exchange, &it->shipment);

    row->is_barred |= !row->exists;
    act(world, it);
}

static void on_arrive(struct sim_message *message)
{
    struct fulfillment_exchange *it =
        CONTAINER_OF(message, struct fulfillment_exchange, exchange.message);
    struct sim_world *world = message->world;
    enum sim_fate_kind kind = (enum sim_fate_kind)message->fate.kind;

    if (kind == SIM_REFUSED && sim_chance(world, 300)) {
        it->exchange.result = EFFECT_REFUSED;
        it->exchange.reason = REASON_FULFILLMENT_MISCONFIGURED;
    } else if (kind == SIM_REFUSED) {
        refuse(world, it);
    } else if (kind == SIM_ASKED_LATER) {
        it->exchange.result = EFFECT_ASK;
    } else if (kind != SIM_FAILING || sim_chance(world, 500)) {
        act(world, it);
        if (kind == SIM_CONTRADICTED)
            it->exchange.result = EFFECT_UNKNOWN;
    }
}

static void on_answer(struct sim_message *message)
{
    struct fulfillment_exchange *it =
        CONTAINER_OF(message, struct fulfillment_exchange, exchange.message);
    struct fulfillment_call *call = it->call;

    sim_exchange_end(&it->exchange);
    if (call->effect.result == EFFECT_DONE && message->op == SIM_SHIP)
        call->shipment_id = arena_printf(call->effect.arena, "sh_%u", (unsigned)it->shipment);
    call->effect.done(&call->effect);
}

static void start(struct fulfillment *base, struct fulfillment_call *call, enum sim_op op)
{
    struct sim_worker *worker = CONTAINER_OF(base, struct sim_worker, fulfillment);
    struct sim_world *world = worker->world;
    struct fulfillment_exchange *it = sim_alloc(world, sizeof(*it));

    it->call = call;
    it->exchange = (struct sim_exchange){
        .message = {.op = op, .on_arrive = on_arrive, .on_answer = on_answer},
        .key = sim_text(world, call->request_id),
    };
    it->exchange.order = sim_order_of_key(world, call->request_id, &it->exchange.attempt);
    sim_check_effect(worker, op, it->exchange.order, it->exchange.attempt, NULL, NULL);
    sim_exchange_send(worker, &it->exchange, &call->effect);
}

static void on_create(struct fulfillment *base, struct fulfillment_call *call)
{
    start(base, call, SIM_SHIP);
}

static void on_cancel(struct fulfillment *base, struct fulfillment_call *call)
{
    start(base, call, SIM_RECALL);
}

static bool on_is_ready(struct fulfillment *base)
{
    const struct sim_world *world = CONTAINER_OF(base, struct sim_worker, fulfillment)->world;

    return world->breaker_until_ms <= world->now_ms || sim_is_calm(world);
}

static const struct fulfillment_ops ops = {
    .create = on_create, .cancel = on_cancel, .is_ready = on_is_ready};

void sim_fulfillment_init(struct sim_worker *worker)
{
    worker->fulfillment.ops = &ops;
}
