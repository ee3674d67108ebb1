/* Somebody else's stock and its book: idempotent by reservation_id; a reservation that was released
 * cannot come to be any more (proto/shop/v1/inventory.proto). */
#include "sim_faults.h"
#include "sim_parts.h"

#include <string.h>

struct inventory_exchange {
    struct sim_exchange exchange;
    struct inventory_call *call; /* of the worker */
    struct short_line short_lines[SIM_PRODUCTS];
    uint32_t short_line_count;
};

static struct sim_reservation *reservation_of(struct sim_world *world,
                                              const struct sim_exchange *exchange)
{
    struct sim_books *books = &world->books;

    for (uint32_t i = books->reservation_count; i-- > 0;) {
        if (strcmp(books->reservations[i].id, exchange->key) == 0)
            return &books->reservations[i];
    }
    books->reservations = sim_grow(world, books->reservations, books->reservation_count,
                                   &books->reservation_room, sizeof(*books->reservations));
    books->reservations[books->reservation_count] =
        (struct sim_reservation){.id = exchange->key, .order_index = exchange->order->index};
    return &books->reservations[books->reservation_count++];
}

static void find_short_lines(struct sim_world *world, struct inventory_exchange *it)
{
    it->short_line_count = 0;
    for (unsigned i = 0; i < SIM_PRODUCTS; i++) {
        const struct sim_product *product = &world->db.products[i];
        int64_t wanted = sim_order_quantity(it->exchange.order, product->id);

        if (wanted > product->remote_left)
            it->short_lines[it->short_line_count++] = (struct short_line){
                .product_id = product->id, .requested = wanted, .available = product->remote_left};
    }
}

static void move(struct sim_world *world, const struct sim_order *order, int sign)
{
    for (unsigned i = 0; i < SIM_PRODUCTS; i++)
        world->db.products[i].remote_left +=
            sign * sim_order_quantity(order, world->db.products[i].id);
}

static void act_reserve(struct sim_world *world, struct inventory_exchange *it)
{
    struct sim_reservation *row = reservation_of(world, &it->exchange);

    if (row->is_held)
        return;
    find_short_lines(world, it);
    if (row->is_barred || it->short_line_count > 0) {
        row->is_barred = true; /* repeating it repeats the answer */
        it->exchange.result = EFFECT_REFUSED;
        it->exchange.reason = REASON_OUT_OF_STOCK;
        return;
    }
    row->is_held = true;
    move(world, it->exchange.order, -1);
}

static void act(struct sim_world *world, struct inventory_exchange *it)
{
    struct sim_reservation *row;

    it->exchange.result = EFFECT_DONE;
    if (it->exchange.message.op == SIM_RESERVE) {
        act_reserve(world, it);
        return;
    }
    row = reservation_of(world, &it->exchange);
    if (row->is_held)
        move(world, it->exchange.order, 1);
    row->is_held = false;
    row->is_barred = true;
}

static void on_arrive(struct sim_message *message)
{
    struct inventory_exchange *it =
        CONTAINER_OF(message, struct inventory_exchange, exchange.message);
    struct sim_world *world = message->world;
    enum sim_fate_kind kind = (enum sim_fate_kind)message->fate.kind;

    if (kind == SIM_REFUSED) {
        it->exchange.result = EFFECT_REFUSED;
        it->exchange.reason = REASON_INVENTORY_MISCONFIGURED;
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
    struct inventory_exchange *it =
        CONTAINER_OF(message, struct inventory_exchange, exchange.message);
    struct effect *effect = &it->call->effect;

    sim_exchange_end(&it->exchange);
    if (effect->result == EFFECT_REFUSED && it->exchange.reason == REASON_OUT_OF_STOCK) {
        for (uint32_t i = 0; i < it->short_line_count; i++)
            error_add_short_line(&effect->err, effect->arena, &it->short_lines[i]);
    }
    effect->done(effect);
}

static void start(struct inventory *base, struct inventory_call *call, enum sim_op op)
{
    struct sim_worker *worker = CONTAINER_OF(base, struct sim_worker, inventory);
    struct sim_world *world = worker->world;
    struct inventory_exchange *it = sim_alloc(world, sizeof(*it));

    it->call = call;
    it->exchange = (struct sim_exchange){
        .message = {.op = op, .on_arrive = on_arrive, .on_answer = on_answer},
        .key = sim_text(world, call->reservation_id),
    };
    it->exchange.order = sim_order_of_key(world, call->reservation_id, &it->exchange.attempt);
    sim_check_effect(worker, op, it->exchange.order, it->exchange.attempt, NULL, NULL);
    sim_exchange_send(worker, &it->exchange, &call->effect);
}

static void on_reserve(struct inventory *base, struct inventory_call *call)
{
    start(base, call, SIM_RESERVE);
}

static void on_release(struct inventory *base, struct inventory_call *call)
{
    start(base, call, SIM_RELEASE);
}

static bool on_is_ready(struct inventory *base)
{
    (void)base;
    return true;
}

static const struct inventory_ops ops = {
    .reserve = on_reserve, .release = on_release, .is_ready = on_is_ready};

void sim_inventory_init(struct sim_worker *worker)
{
    worker->inventory.ops = &ops;
}
