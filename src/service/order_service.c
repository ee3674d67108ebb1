/* shop.v1.Orders: creating, reading, and handing orders to the saga. Not for how an order proceeds
 * (saga/), and not for SQL. */
#include <string.h>

#include "base/fault_point.h"
#include "base/limits.h"
#include "service/answer.h"
#include "service/fingerprint.h"
#include "service/order_validate.h"
#include "service/present.h"
#include "service/service.h"

enum {
    /* With less time left nothing is created that is then not charged. The saga has the same rule for
     * its claim. */
    PLACE_TIME_MS_MIN = 1000,
    /* What must be left of the arena to go on with a page: the largest order takes a fifth of it. */
    LIST_ARENA_RESERVE = 1024 * 1024,
};

static const char PAGE_PURPOSE[] = "orders";
static const char ORDER_TYPE[] = "shop.v1.Order";
static const char PRODUCT_TYPE[] = "shop.v1.Product";

static void answer_order(struct call *call, const struct order *order)
{
    Shop__V1__Order *reply = present_order(order, call->arena);

    answer_reply(call, reply == NULL ? NULL : &reply->base);
}

/* Notes what the call is about, for the log and for errors. False: the arena is full. */
static bool note_order_id(struct call *call, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];

    uuid_format(id, text);
    call->order_id = arena_strdup(call->arena, text);
    return call->order_id != NULL;
}

static void name_order(struct call *call, struct error *err)
{
    if (err->status == STATUS_NOT_FOUND)
        error_name_resource(err, call->arena, ORDER_TYPE, call->order_id);
    error_name(err, call->arena, "orderId", call->order_id);
}

/* ---- CreateOrder --------------------------------------------------------------------------- */

/* The part of CreateOrder and PlaceOrder in which the order comes to be. */
struct creation {
    struct order order;
    struct idempotency idempotency;
    struct order_create create;
};

static struct uuid new_order_id(const struct service *service)
{
    uint8_t chance[8];

    random_fill(service->random, chance, sizeof(chance));
    return uuid_v7(clock_unix_us(service->clock), chance);
}

/* The order itself has been validated. False: the arena is full, and the call has been ended. */
static bool creation_prepare(struct creation *creation, const struct service *service,
                             struct call *call, const char *method)
{
    creation->order.id = new_order_id(service);
    creation->order.caller = call->caller;
    if (!idempotency_of_call(call, method, &creation->idempotency)) {
        answer_reason(call, REASON_OUT_OF_MEMORY);
        return false;
    }
    creation->create.order = &creation->order;
    creation->create.idempotency = &creation->idempotency;
    return true;
}

static void answer_creation_error(const struct service *service, struct call *call,
                                  struct creation *creation)
{
    struct error *err = &creation->create.call.err;
    bool has_key = idempotency_is_set(&creation->idempotency);

    /* The store names the missing products as resources; clients that read metadata only get one. */
    for (const struct error_detail *detail = err->details; detail != NULL; detail = detail->next) {
        if (detail->kind == DETAIL_RESOURCE && strcmp(detail->a, PRODUCT_TYPE) == 0) {
            error_name(err, call->arena, "productId", detail->b);
            break;
        }
    }
    answer_store_error(service, call, &creation->create.call,
                       has_key ? REPEAT_SAFE : REPEAT_UNSAFE);
}

struct create_order {
    struct call *call;
    struct service *service;
    struct creation creation;
};

static void orders_create_order_created(struct store_call *store_call);

void orders_create_order(struct service *service, struct call *call)
{
    const Shop__V1__CreateOrderRequest *request =
        (const Shop__V1__CreateOrderRequest *)(const void *)call->request;
    struct create_order *state = ANSWER_STATE(call, struct create_order);
    struct creation *creation;

    if (state == NULL)
        return;
    *state = (struct create_order){.call = call, .service = service};
    creation = &state->creation;
    if (validate_create_order(request, call->arena, &creation->order, &call->err) != STATUS_OK) {
        call_fail(call);
        return;
    }
    if (!creation_prepare(creation, service, call, "CreateOrder"))
        return;
    creation->create.call = answer_store_call(call, orders_create_order_created);
    FAULT_POINT("create.before");
    service->order_store->ops->create(service->order_store, &creation->create);
}

static void orders_create_order_created(struct store_call *store_call)
{
    struct create_order *state =
        CONTAINER_OF(store_call, struct create_order, creation.create.call);
    struct call *call = state->call;
    struct order_create *create = &state->creation.create;

    FAULT_POINT("create.after");
    if (error_is_set(&store_call->err)) {
        answer_creation_error(state->service, call, &state->creation);
        return;
    }
    if (!note_order_id(call, &create->created->id)) {
        answer_reason(call, REASON_OUT_OF_MEMORY);
        return;
    }
    call->replayed = create->replayed;
    answer_order(call, create->created);
}

/* ---- GetOrder ------------------------------------------------------------------------------ */

struct get_order {
    struct call *call;
    struct service *service;
    struct order_get get;
};

static void orders_get_order_read(struct store_call *store_call);

void orders_get_order(struct service *service, struct call *call)
{
    const Shop__V1__GetOrderRequest *request =
        (const Shop__V1__GetOrderRequest *)(const void *)call->request;
    struct get_order *state = ANSWER_STATE(call, struct get_order);

    if (state == NULL)
        return;
    *state = (struct get_order){.call = call, .service = service};
    if (validate_get_order(request, call->arena, &state->get.id, &call->err) != STATUS_OK) {
        call_fail(call);
        return;
    }
    if (!note_order_id(call, &state->get.id)) {
        answer_reason(call, REASON_OUT_OF_MEMORY);
        return;
    }
    state->get.call = answer_store_call(call, orders_get_order_read);
    state->get.caller = call->caller;
    service->order_store->ops->get(service->order_store, &state->get);
}

static void orders_get_order_read(struct store_call *store_call)
{
    struct get_order *state = CONTAINER_OF(store_call, struct get_order, get.call);
    struct call *call = state->call;

    if (!error_is_set(&store_call->err)) {
        answer_order(call, state->get.order);
        return;
    }
    if (store_call->err.reason == REASON_ORDER_NOT_FOUND)
        name_order(call, &store_call->err);
    answer_store_error(state->service, call, store_call, REPEAT_SAFE);
}

/* ---- ListOrders ---------------------------------------------------------------------------- */

struct list_orders {
    struct call *call;
    struct service *service;
    const char *filter; /* what a page token is bound to */
    struct order_list list;
};

static void orders_list_orders_read(struct store_call *store_call);

/* Where the page begins: with the token, or at the beginning. */
static enum reason read_position(struct list_orders *state, const char *token)
{
    const char *position;
    enum reason bad;

    if (token[0] == '\0')
        return REASON_NONE;
    bad = page_token_read(state->service->page_key, PAGE_PURPOSE, state->filter, token,
                          state->call->arena, &position);
    if (bad == REASON_NONE && !uuid_parse(position, &state->list.before_id))
        bad = REASON_PAGE_TOKEN_INVALID;
    return bad;
}

void orders_list_orders(struct service *service, struct call *call)
{
    const Shop__V1__ListOrdersRequest *request =
        (const Shop__V1__ListOrdersRequest *)(const void *)call->request;
    struct list_orders *state = ANSWER_STATE(call, struct list_orders);
    enum reason bad;

    if (state == NULL)
        return;
    *state = (struct list_orders){.call = call, .service = service};
    if (validate_list_orders(request, call->arena, &state->list.limit, &call->err) != STATUS_OK) {
        call_fail(call);
        return;
    }
    if (!service->page_key_set) {
        answer_reason(call, REASON_STORE_UNAVAILABLE);
        return;
    }
    /* A customer id has no '/', and the caller comes last: no two filters have the same text. */
    state->filter = arena_printf(call->arena, "%s/%d/%s", request->customer_id, (int)request->state,
                                 call->caller);
    if (state->filter == NULL) {
        answer_reason(call, REASON_OUT_OF_MEMORY);
        return;
    }
    bad = read_position(state, request->page_token);
    if (bad != REASON_NONE) {
        answer_reason(call, bad);
        return;
    }
    state->list.call = answer_store_call(call, orders_list_orders_read);
    state->list.caller = call->caller;
    state->list.customer_id = request->customer_id;
    state->list.state = (enum order_state)request->state;
    service->order_store->ops->list(service->order_store, &state->list);
}

static bool has_arena_left(const struct arena *arena)
{
    return arena_used(arena) < LIMIT_ARENA_SIZE - LIST_ARENA_RESERVE;
}

/* Presents orders until the page or the arena is full; the next page goes on there. */
static bool present_page(const struct list_orders *state, Shop__V1__ListOrdersResponse *reply)
{
    struct arena *arena = state->call->arena;
    size_t size = 0;

    for (uint32_t i = 0; i < state->list.count; i++) {
        Shop__V1__Order *order;
        if (i > 0 && !has_arena_left(arena))
            return true;
        order = present_order(state->list.orders[i], arena);
        if (order == NULL)
            return false;
        size += shop__v1__order__get_packed_size(order);
        if (size > LIMIT_REPLY_SIZE && i > 0)
            return true;
        reply->orders[reply->n_orders++] = order;
    }
    return true;
}

static Shop__V1__ListOrdersResponse *present_list(const struct list_orders *state)
{
    struct arena *arena = state->call->arena;
    Shop__V1__ListOrdersResponse *reply = ARENA_NEW(arena, Shop__V1__ListOrdersResponse);

    if (reply == NULL)
        return NULL;
    shop__v1__list_orders_response__init(reply);
    reply->orders = ARENA_POINTERS(arena, state->list.count);
    if (reply->orders == NULL || !present_page(state, reply))
        return NULL;
    if (reply->n_orders > 0 && (state->list.has_more || reply->n_orders < state->list.count)) {
        reply->next_page_token =
            page_token_make(state->service->page_key, PAGE_PURPOSE, state->filter,
                            reply->orders[reply->n_orders - 1]->id, arena);
        if (reply->next_page_token == NULL)
            return NULL;
    }
    return reply;
}

static void orders_list_orders_read(struct store_call *store_call)
{
    struct list_orders *state = CONTAINER_OF(store_call, struct list_orders, list.call);
    Shop__V1__ListOrdersResponse *reply;

    if (error_is_set(&store_call->err)) {
        answer_store_error(state->service, state->call, store_call, REPEAT_SAFE);
        return;
    }
    reply = present_list(state);
    answer_reply(state->call, reply == NULL ? NULL : &reply->base);
}

/* ---- ProcessOrder -------------------------------------------------------------------------- */

/* The confirmation, or why there is none. Every error names the order from here on. */
static void answer_ticket(struct call *call, struct saga_ticket *ticket)
{
    Shop__V1__OrderConfirmation *reply;

    call->replayed = ticket->replayed;
    if (error_is_set(&ticket->err)) {
        name_order(call, &ticket->err);
        answer_error(call, &ticket->err);
        return;
    }
    reply = present_confirmation(ticket->order, call->arena);
    answer_reply(call, reply == NULL ? NULL : &reply->base);
}

/* What a ticket has from the call, whatever the method. */
static void ticket_prepare(struct saga_ticket *ticket, const struct call *call)
{
    ticket->caller = call->caller;
    ticket->arena = call->arena;
    ticket->answer_by_ms = call->answer_by_ms;
    ticket->deadline_ms = call->deadline_ms;
}

struct process_order {
    struct call *call;
    struct idempotency idempotency;
    struct saga_ticket ticket;
};

static void orders_process_order_ended(struct saga_ticket *ticket);

void orders_process_order(struct service *service, struct call *call)
{
    const Shop__V1__ProcessOrderRequest *request =
        (const Shop__V1__ProcessOrderRequest *)(const void *)call->request;
    struct process_order *state = ANSWER_STATE(call, struct process_order);
    struct saga_ticket *ticket;

    if (state == NULL)
        return;
    state->call = call;
    ticket = &state->ticket;
    if (validate_process_order(request, call->arena, &ticket->order_id, &call->err) != STATUS_OK) {
        call_fail(call);
        return;
    }
    if (!note_order_id(call, &ticket->order_id) ||
        !idempotency_of_call(call, "ProcessOrder", &state->idempotency)) {
        answer_reason(call, REASON_OUT_OF_MEMORY);
        return;
    }
    ticket_prepare(ticket, call);
    ticket->payment_method = request->payment_method;
    ticket->idempotency = &state->idempotency;
    ticket->done = orders_process_order_ended;
    saga_driver_process(service->saga_driver, ticket);
}

static void orders_process_order_ended(struct saga_ticket *ticket)
{
    struct process_order *state = CONTAINER_OF(ticket, struct process_order, ticket);

    answer_ticket(state->call, ticket);
}

/* ---- CancelOrder --------------------------------------------------------------------------- */

struct cancel_order {
    struct call *call;
    struct service *service;
    struct idempotency idempotency;
    struct order_cancel cancel;
};

static void orders_cancel_order_wished(struct store_call *store_call);

void orders_cancel_order(struct service *service, struct call *call)
{
    const Shop__V1__CancelOrderRequest *request =
        (const Shop__V1__CancelOrderRequest *)(const void *)call->request;
    struct cancel_order *state = ANSWER_STATE(call, struct cancel_order);
    struct order_cancel *cancel;

    if (state == NULL)
        return;
    *state = (struct cancel_order){.call = call, .service = service};
    cancel = &state->cancel;
    if (validate_cancel_order(request, call->arena, &cancel->id, &call->err) != STATUS_OK) {
        call_fail(call);
        return;
    }
    if (!note_order_id(call, &cancel->id) ||
        !idempotency_of_call(call, "CancelOrder", &state->idempotency)) {
        answer_reason(call, REASON_OUT_OF_MEMORY);
        return;
    }
    cancel->call = answer_store_call(call, orders_cancel_order_wished);
    cancel->caller = call->caller;
    cancel->idempotency = &state->idempotency;
    FAULT_POINT("wish.before");
    service->order_store->ops->wish_cancel(service->order_store, cancel);
}

/* What is told of an order that cannot be wished away any more. */
static void name_state(struct call *call, const struct order_cancel *cancel, struct error *err)
{
    if (err->reason != REASON_ORDER_STATE_INVALID)
        return;
    error_name(err, call->arena, "state", order_state_name(ORDER_FULFILLED));
    error_add_order_condition(err, call->arena, &cancel->id);
}

static void orders_cancel_order_wished(struct store_call *store_call)
{
    struct cancel_order *state = CONTAINER_OF(store_call, struct cancel_order, cancel.call);
    struct call *call = state->call;
    const struct order_cancel *cancel = &state->cancel;

    FAULT_POINT("wish.after");
    if (!error_is_set(&store_call->err)) {
        if (!order_is_at_rest(cancel->order->state))
            saga_driver_notice_cancel(state->service->saga_driver, &cancel->id);
        service_order_changed(state->service, &cancel->id);
        call->replayed = cancel->replayed;
        answer_order(call, cancel->order);
        return;
    }
    name_order(call, &store_call->err);
    name_state(call, cancel, &store_call->err);
    /* Wishing twice is wishing once, so repeating is safe without a key too. */
    answer_store_error(state->service, call, store_call, REPEAT_SAFE);
}

/* ---- PlaceOrder ---------------------------------------------------------------------------- */

/* The same key stands for both halves: the store finds the order it once made, the saga the attempt. */
struct place_order {
    struct call *call;
    struct service *service;
    struct creation creation;
    struct saga_ticket ticket;
};

static void orders_place_order_created(struct store_call *store_call);
static void orders_place_order_ended(struct saga_ticket *ticket);

static bool is_time_short(const struct service *service, const struct call *call)
{
    return call->deadline_ms - clock_now_ms(service->clock) < PLACE_TIME_MS_MIN;
}

void orders_place_order(struct service *service, struct call *call)
{
    const Shop__V1__PlaceOrderRequest *request =
        (const Shop__V1__PlaceOrderRequest *)(const void *)call->request;
    struct place_order *state = ANSWER_STATE(call, struct place_order);
    struct creation *creation;

    if (state == NULL)
        return;
    *state = (struct place_order){.call = call, .service = service};
    creation = &state->creation;
    if (validate_place_order(request, call->arena, &creation->order, &call->err) != STATUS_OK) {
        call_fail(call);
        return;
    }
    if (!creation_prepare(creation, service, call, "PlaceOrder"))
        return;
    ticket_prepare(&state->ticket, call);
    state->ticket.payment_method = request->payment_method;
    /* A repeat is answered however little time is left; something new is not begun. */
    creation->create.only_replay = is_time_short(service, call);
    creation->create.call = answer_store_call(call, orders_place_order_created);
    FAULT_POINT("create.before");
    service->order_store->ops->create(service->order_store, &creation->create);
}

static void orders_place_order_created(struct store_call *store_call)
{
    struct place_order *state = CONTAINER_OF(store_call, struct place_order, creation.create.call);
    struct call *call = state->call;
    struct order_create *create = &state->creation.create;
    struct saga_ticket *ticket = &state->ticket;

    FAULT_POINT("create.after");
    if (create->only_replay && store_call->err.reason == REASON_ORDER_NOT_FOUND) {
        answer_reason(call, REASON_DEADLINE_TOO_SHORT);
        return;
    }
    if (error_is_set(&store_call->err)) {
        answer_creation_error(state->service, call, &state->creation);
        return;
    }
    if (!note_order_id(call, &create->created->id)) {
        answer_reason(call, REASON_OUT_OF_MEMORY);
        return;
    }
    ticket->order_id = create->created->id;
    ticket->idempotency = &state->creation.idempotency;
    ticket->order_is_new = !create->replayed;
    ticket->done = orders_place_order_ended;
    saga_driver_process(state->service->saga_driver, ticket);
}

static void orders_place_order_ended(struct saga_ticket *ticket)
{
    struct place_order *state = CONTAINER_OF(ticket, struct place_order, ticket);

    answer_ticket(state->call, ticket);
}
