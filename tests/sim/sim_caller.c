/* The clients: each wants one order, places it or creates and processes it, repeats what was not
 * answered, tries another card when it was refused, and is disturbed meanwhile by itself: it repeats the
 * same key elsewhere, comes with another one, cancels, watches, sends nonsense. It remembers what it was
 * told under each key: an answer that binds is the same for ever (V5). */
#include "sim_faults.h"
#include "sim_parts.h"

#include "shop/v1/orders.pb-c.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    STORIES_MAX = 70, /* keys of a client */
    DEADLINE_MS_MAX = 60 * 1000,
};

/* Messages have `char *` where they only read. */
#define TEXT(text) ((char *)(uintptr_t)(text))

/* What was asked under one key, and what it was told. */
struct sim_story {
    enum sim_method method;
    const char *request_id; /* "": without a key */
    const char *card;
    bool is_told;
    enum reason told; /* REASON_NONE: the confirmation */
    const char *payment_id;
};

struct sim_client {
    struct sim_world *world;
    uint32_t index;
    struct clock_timer next, side;
    bool places; /* PlaceOrder, otherwise CreateOrder and ProcessOrder */
    bool has_crowd;
    int32_t quantities[2];
    uint32_t line_count;
    const char *products[2];
    uint32_t calls_left, sides_left;
    struct sim_story stories[STORIES_MAX]; /* [0]: of its creation */
    uint32_t story_count, current;         /* the one it follows just now */
    struct sim_order *order;               /* NULL until it is stored */
};

struct sim_call {
    struct call call;
    LIST_ENTRY(sim_call) link;
    struct sim_client *client;
    struct sim_worker *worker;
    enum sim_method method;
    struct sim_story *story; /* NULL: of no key */
    bool is_main;            /* its client goes on when it is answered */
    bool is_lost;
    unsigned sleeps; /* of its worker, when it began */
    service_fn *run;
    union {
        Shop__V1__CreateOrderRequest create;
        Shop__V1__ProcessOrderRequest process;
        Shop__V1__PlaceOrderRequest place;
        Shop__V1__CancelOrderRequest cancel;
        Shop__V1__GetOrderRequest get;
    } request;
    Shop__V1__OrderLine lines[2], *line_pointers[2];
    Shop__V1__Address address;
    char *address_lines[1];
};

static const char *const method_names[SIM_METHOD_COUNT] = {
    [SIM_METHOD_CREATE] = "CreateOrder", [SIM_METHOD_PROCESS] = "ProcessOrder",
    [SIM_METHOD_PLACE] = "PlaceOrder",   [SIM_METHOD_CANCEL] = "CancelOrder",
    [SIM_METHOD_GET] = "GetOrder",
};

static service_fn *const methods[SIM_METHOD_COUNT] = {
    [SIM_METHOD_CREATE] = orders_create_order, [SIM_METHOD_PROCESS] = orders_process_order,
    [SIM_METHOD_PLACE] = orders_place_order,   [SIM_METHOD_CANCEL] = orders_cancel_order,
    [SIM_METHOD_GET] = orders_get_order,
};

/* ---- Stories -------------------------------------------------------------------------------- */

static const char *draw_card(struct sim_world *world)
{
    static const char *const cards[] = {"pm_ok",    "pm_ok",       "pm_ok",     "pm_ok",
                                        "pm_flaky", "pm_declined", "pm_action", "pm_invalid"};

    if (world->profile->calls_max > 20 && sim_chance(world, 900)) /* who never gives up */
        return "pm_declined";
    return sim_chance(world, 400) ? "pm_ok" : cards[sim_below(world, COUNT_OF(cards))];
}

static struct sim_story *story_new(struct sim_client *client, enum sim_method method, bool has_key)
{
    struct sim_world *world = client->world;
    struct sim_story *story = &client->stories[client->story_count];
    char request_id[40];

    if (client->story_count == STORIES_MAX)
        return &client->stories[client->story_count - 1];
    snprintf(request_id, sizeof(request_id), "key-%u-%u", client->index, client->story_count);
    client->story_count++;
    *story = (struct sim_story){.method = method,
                                .request_id = has_key ? sim_text(world, request_id) : "",
                                .card = draw_card(world)};
    return story;
}

static bool binds(const struct call *call)
{
    enum reason reason = call->err.reason;

    if (!error_is_set(&call->err))
        return true;
    return reason == REASON_ORDER_PRODUCT_NOT_FOUND || reason == REASON_OUT_OF_STOCK ||
           reason == REASON_INVENTORY_MISCONFIGURED || reason == REASON_PAYMENT_DECLINED ||
           reason == REASON_PAYMENT_ACTION_REQUIRED || reason == REASON_PAYMENT_METHOD_INVALID ||
           reason == REASON_PAYMENT_MISCONFIGURED || reason == REASON_PAYMENT_ANSWER_INVALID ||
           reason == REASON_FULFILLMENT_REJECTED || reason == REASON_FULFILLMENT_MISCONFIGURED ||
           reason == REASON_ORDER_CANCELLED;
}

/* V5: what was answered under a key and binds it is answered again. */
static void story_tell(struct sim_world *world, struct sim_story *story, const struct call *call)
{
    const Shop__V1__OrderConfirmation *reply =
        (const Shop__V1__OrderConfirmation *)(const void *)call->reply;
    enum reason reason = error_is_set(&call->err) ? call->err.reason : REASON_NONE;
    const char *payment_id = reason == REASON_NONE ? reply->payment_id : "";

    if (story->request_id[0] == '\0' || !binds(call))
        return;
    if (story->is_told && (story->told != reason || strcmp(story->payment_id, payment_id) != 0))
        sim_fail(world, "V5", "%s was answered with %s (%s), and now with %s (%s)",
                 story->request_id, story->told == REASON_NONE ? "OK" : reason_name(story->told),
                 story->payment_id, reason == REASON_NONE ? "OK" : reason_name(reason), payment_id);
    if (!story->is_told)
        story->payment_id = sim_text(world, payment_id);
    story->is_told = true;
    story->told = reason;
}

/* ---- Calls ---------------------------------------------------------------------------------- */

static void client_next(struct sim_client *client, const struct call *call);

static struct sim_order *order_of(struct sim_client *client)
{
    const struct sim_story *story = &client->stories[0];
    struct idempotency key = {
        .caller = "", .method = method_names[story->method], .request_id = story->request_id};
    struct sim_key *row;

    if (client->order != NULL || story->request_id[0] == '\0')
        return client->order;
    row = sim_db_key(client->world, &key);
    if (row != NULL)
        client->order = sim_db_find(client->world, &row->order_id);
    return client->order;
}

static void note_created(struct sim_client *client, const struct sim_call *it)
{
    const Shop__V1__Order *reply = (const Shop__V1__Order *)(const void *)it->call.reply;
    struct uuid id;

    if (it->method != SIM_METHOD_CREATE || error_is_set(&it->call.err))
        return;
    if (!uuid_parse(reply->id, &id) || sim_db_find(client->world, &id) == NULL)
        sim_fail(client->world, "V7", "order %s was created, and is not stored", reply->id);
    if (client->order == NULL)
        client->order = sim_db_find(client->world, &id);
}

static void call_free(struct sim_call *it)
{
    arena_free(it->call.arena);
    it->call.arena = NULL;
}

static bool is_about_its_order(const struct sim_call *it)
{
    return it->method != SIM_METHOD_PROCESS || it->client->order == NULL ||
           it->call.order_id != NULL;
}

static void on_done(struct call *call)
{
    struct sim_call *it = CONTAINER_OF(call, struct sim_call, call);
    struct sim_client *client = it->client;
    struct sim_worker *worker = it->worker;
    struct sim_world *world = worker->world;
    bool is_late = sim_worker_now_ms(worker) > call->deadline_ms && worker->sleeps == it->sleeps;

    if (it->is_lost)
        return;
    LIST_REMOVE(it, link);
    sim_tell(world, "client %u: %s is answered %s", client->index, method_names[it->method],
             error_is_set(&call->err) ? reason_name(call->err.reason) : "OK");
    note_created(client, it);
    sim_check_answer(
        world, &(struct sim_answer){.method = it->method,
                                    .call = call,
                                    .order = is_about_its_order(it) ? order_of(client) : NULL,
                                    .request_id = it->story == NULL ? "" : it->story->request_id,
                                    .is_late = is_late});
    if (it->story != NULL && (it->method == SIM_METHOD_PROCESS || it->method == SIM_METHOD_PLACE))
        story_tell(world, it->story, call);
    if (it->is_main)
        client_next(client, call);
    call_free(it);
}

static void run_call(void *arg)
{
    struct sim_call *it = arg;

    it->run(&it->worker->service, &it->call);
}

static struct sim_worker *any_worker(struct sim_world *world)
{
    unsigned first = sim_below(world, SIM_WORKERS);

    for (unsigned i = 0; i < SIM_WORKERS; i++) {
        struct sim_worker *worker = &world->workers[(first + i) % SIM_WORKERS];

        if (worker->is_running && !sim_worker_is_asleep(worker))
            return worker;
    }
    return NULL;
}

static int64_t draw_deadline_ms(struct sim_world *world)
{
    if (sim_chance(world, world->profile->short_deadlines))
        return sim_between(world, 60, 1600);
    return sim_between(world, 1500, sim_chance(world, 500) ? 10000 : DEADLINE_MS_MAX);
}

static struct sim_call *call_new(struct sim_client *client, struct sim_worker *worker,
                                 enum sim_method method)
{
    struct sim_world *world = client->world;
    struct sim_call *it = sim_alloc(world, sizeof(*it));
    int64_t deadline_ms = draw_deadline_ms(world);
    int64_t margin_ms = MIN_OF(MAX_OF(20, deadline_ms / 20), deadline_ms / 2);
    int64_t now_ms = sim_worker_now_ms(worker);

    it->client = client;
    it->worker = worker;
    it->method = method;
    it->run = methods[method];
    it->sleeps = worker->sleeps;
    it->call = (struct call){
        .arena = arena_new(LIMIT_ARENA_SIZE),
        .caller = "",
        .answer_by_ms = now_ms + deadline_ms - margin_ms,
        .deadline_ms = now_ms + deadline_ms,
        .done = on_done,
    };
    assert(it->call.arena != NULL);
    return it;
}

static void call_send(struct sim_call *it, const ProtobufCMessage *request)
{
    it->call.request = request;
    sim_tell(it->worker->world, "client %u: %s %s at worker %u within %lld ms", it->client->index,
             method_names[it->method], it->story == NULL ? "" : it->story->request_id,
             it->worker->index, (long long)(it->call.deadline_ms - sim_worker_now_ms(it->worker)));
    LIST_INSERT_HEAD(&it->worker->calls, it, link);
    sim_worker_run(it->worker, run_call, it);
}

void sim_calls_lost(struct sim_worker *worker)
{
    struct sim_call *it;

    LIST_FOREACH (it, &worker->calls, link) {
        it->is_lost = true;
    }
    sim_watches_stop(worker);
}

void sim_calls_forget(struct sim_worker *worker)
{
    while (!LIST_EMPTY(&worker->calls)) {
        struct sim_call *it = LIST_FIRST(&worker->calls);

        LIST_REMOVE(it, link);
        if (it->is_main)
            client_next(it->client, NULL);
        call_free(it);
    }
}

void sim_calls_check(struct sim_world *world)
{
    for (unsigned i = 0; i < SIM_WORKERS; i++) {
        const struct sim_worker *worker = &world->workers[i];
        const struct sim_call *it;

        LIST_FOREACH (it, &worker->calls, link) {
            if (it->call.deadline_ms < sim_worker_now_ms(worker))
                sim_fail(world, "answers", "client %u was not answered: %s", it->client->index,
                         method_names[it->method]);
        }
    }
}

/* ---- What is sent --------------------------------------------------------------------------- */

static void put_order(struct sim_call *it, bool is_other)
{
    struct sim_client *client = it->client;

    for (uint32_t i = 0; i < client->line_count; i++) {
        shop__v1__order_line__init(&it->lines[i]);
        it->lines[i].product_id = TEXT(client->products[i]);
        it->lines[i].quantity = client->quantities[i] + is_other;
        it->line_pointers[i] = &it->lines[i];
    }
    shop__v1__address__init(&it->address);
    it->address_lines[0] = TEXT("Lane 1");
    it->address.recipient = TEXT("Ann");
    it->address.address_lines = it->address_lines;
    it->address.n_address_lines = 1;
    it->address.region_code = TEXT("DE");
}

static void send_create(struct sim_call *it, bool is_other)
{
    Shop__V1__CreateOrderRequest *request = &it->request.create;

    put_order(it, is_other);
    shop__v1__create_order_request__init(request);
    request->customer_id = TEXT("ann");
    request->lines = it->line_pointers;
    request->n_lines = it->client->line_count;
    request->ship_to = &it->address;
    request->request_id = TEXT(it->story->request_id);
    call_send(it, &request->base);
}

static void send_place(struct sim_call *it, bool is_other)
{
    Shop__V1__PlaceOrderRequest *request = &it->request.place;

    put_order(it, is_other);
    shop__v1__place_order_request__init(request);
    request->customer_id = TEXT("ann");
    request->lines = it->line_pointers;
    request->n_lines = it->client->line_count;
    request->ship_to = &it->address;
    request->payment_method = TEXT(it->story->card);
    request->request_id = TEXT(it->story->request_id);
    call_send(it, &request->base);
}

static char *id_text(struct sim_client *client, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];

    uuid_format(id, text);
    return TEXT(sim_text(client->world, text));
}

static void send_process(struct sim_call *it, bool is_other)
{
    Shop__V1__ProcessOrderRequest *request = &it->request.process;

    shop__v1__process_order_request__init(request);
    request->id = id_text(it->client, &it->client->order->order.id);
    request->payment_method = TEXT(is_other ? "pm_other" : it->story->card);
    request->request_id = TEXT(it->story->request_id);
    call_send(it, &request->base);
}

/* Sends what the story says, at any worker; false when none is there. `is_other`: the same key with
 * another payload. */
static bool story_send_to(struct sim_worker *worker, struct sim_client *client,
                          struct sim_story *story, bool is_main, bool is_other)
{
    struct sim_call *it;

    if (worker == NULL || !worker->is_running ||
        (story->method == SIM_METHOD_PROCESS && order_of(client) == NULL))
        return false;
    it = call_new(client, worker, story->method);
    it->story = story;
    it->is_main = is_main;
    if (is_other) { /* what it is told is of no interest to the story */
        struct sim_story *copy = sim_alloc(client->world, sizeof(*copy));

        *copy = *story;
        copy->is_told = false;
        it->story = copy;
    }
    if (story->method == SIM_METHOD_CREATE)
        send_create(it, is_other);
    else if (story->method == SIM_METHOD_PLACE)
        send_place(it, is_other);
    else
        send_process(it, is_other);
    return true;
}

static bool story_send(struct sim_client *client, struct sim_story *story, bool is_main,
                       bool is_other)
{
    return story_send_to(any_worker(client->world), client, story, is_main, is_other);
}

static void send_cancel(struct sim_client *client)
{
    struct sim_worker *worker = any_worker(client->world);
    struct sim_call *it;

    if (worker == NULL || order_of(client) == NULL)
        return;
    it = call_new(client, worker, SIM_METHOD_CANCEL);
    shop__v1__cancel_order_request__init(&it->request.cancel);
    it->request.cancel.id = id_text(client, &client->order->order.id);
    if (sim_chance(client->world, 500))
        it->request.cancel.request_id = TEXT("cancel-1");
    if (it->request.cancel.request_id[0] != '\0')
        it->request.cancel.request_id = id_text(client, &client->order->order.id);
    call_send(it, &it->request.cancel.base);
}

static void send_get(struct sim_client *client)
{
    struct sim_worker *worker = any_worker(client->world);
    struct sim_call *it;

    if (worker == NULL || order_of(client) == NULL)
        return;
    it = call_new(client, worker, SIM_METHOD_GET);
    shop__v1__get_order_request__init(&it->request.get);
    it->request.get.id = id_text(client, &client->order->order.id);
    call_send(it, &it->request.get.base);
}

/* ProcessOrder of an order nobody has. */
static void send_unknown(struct sim_client *client)
{
    static const struct uuid nobody = {.bytes = {1, [6] = 0x70, [8] = 0x80}};
    struct sim_worker *worker = any_worker(client->world);
    struct sim_call *it;

    if (worker == NULL)
        return;
    it = call_new(client, worker, SIM_METHOD_PROCESS);
    shop__v1__process_order_request__init(&it->request.process);
    it->request.process.id = id_text(client, &nobody);
    it->request.process.payment_method = TEXT("pm_ok");
    call_send(it, &it->request.process.base);
}

static void start_watch(struct sim_client *client)
{
    struct sim_worker *worker = any_worker(client->world);

    if (worker != NULL && order_of(client) != NULL)
        sim_watch_start(worker, client->order);
}

/* ---- What a client does next ---------------------------------------------------------------- */

static struct sim_story *current(struct sim_client *client)
{
    return &client->stories[client->current];
}

/* Another key, and often another card. */
static void process_anew(struct sim_client *client)
{
    struct sim_story *story = story_new(client, SIM_METHOD_PROCESS, sim_chance(client->world, 700));

    client->current = (uint32_t)(story - client->stories);
}

static void next_after_ms(struct sim_client *client, int64_t ms_max)
{
    sim_at(client->world, &client->next, sim_between(client->world, 0, ms_max));
}

static bool is_over(const struct call *call)
{
    enum reason reason = call == NULL ? REASON_NONE : call->err.reason;

    return reason == REASON_ATTEMPTS_EXHAUSTED || reason == REASON_ORDER_STATE_INVALID;
}

/* The call it waited for was answered; NULL: its worker has died. */
static void client_next(struct sim_client *client, const struct call *call)
{
    struct sim_world *world = client->world;
    bool is_good = call != NULL && !error_is_set(&call->err);

    if (client->calls_left == 0 || is_over(call) || sim_is_calm(world))
        return;
    if (is_good && current(client)->method == SIM_METHOD_CREATE) {
        process_anew(client);
    } else if (is_good) {
        if (!sim_chance(world, 250))
            return; /* otherwise it asks once more */
    } else if (call != NULL && (binds(call) || sim_chance(world, 400)) &&
               order_of(client) != NULL &&
               sim_chance(world, world->profile->calls_max > 20 ? 900 : 500)) {
        process_anew(client);
    }
    client->calls_left--;
    next_after_ms(client, sim_chance(world, 600) ? 30 : 3000);
}

static void on_next(struct clock_timer *timer)
{
    struct sim_client *client = CONTAINER_OF(timer, struct sim_client, next);

    if (sim_is_calm(client->world))
        return;
    if (!story_send(client, current(client), true, false) && client->calls_left > 0) {
        client->calls_left--;
        next_after_ms(client, 2000);
    }
}

/* All at once at one worker, under the key that is under way. */
static void send_crowd(struct sim_client *client)
{
    struct sim_worker *worker = any_worker(client->world);

    for (uint32_t i = 0; i < client->world->profile->crowd; i++)
        story_send_to(worker, client, current(client), false, false);
}

static void on_side(struct clock_timer *timer)
{
    struct sim_client *client = CONTAINER_OF(timer, struct sim_client, side);
    struct sim_world *world = client->world;
    uint32_t drawn = sim_below(world, 100);

    if (sim_is_calm(world))
        return;
    if (client->has_crowd && order_of(client) != NULL) {
        client->has_crowd = false;
        send_crowd(client);
    } else if (sim_below(world, 100) < world->profile->cancels) {
        send_cancel(client);
    } else if (drawn < 36) {
        story_send(client, current(client), false, false);
    } else if (drawn < 58 && order_of(client) != NULL) {
        story_send(client, story_new(client, SIM_METHOD_PROCESS, drawn < 48), false, false);
    } else if (drawn < 70) {
        story_send(client, current(client), false, true);
    } else if (drawn < 80) {
        start_watch(client);
    } else if (drawn < 84) {
        send_unknown(client);
    } else if (drawn < 90) {
        send_get(client);
    } else {
        story_send(client, &client->stories[sim_below(world, client->story_count)], false, false);
    }
    if (client->sides_left-- > 1)
        sim_at(world, timer, sim_between(world, 0, sim_chance(world, 500) ? 300 : 8000));
}

static bool may_be_asked_again(const struct sim_story *story)
{
    return story->is_told &&
           (story->method == SIM_METHOD_PROCESS || story->method == SIM_METHOD_PLACE);
}

void sim_clients_ask_again(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->client_count; i++) {
        struct sim_client *client = &world->clients[i];

        client->calls_left = 0;
        for (uint32_t k = 0; k < client->story_count; k++) {
            if (may_be_asked_again(&client->stories[k]))
                story_send(client, &client->stories[k], false, false);
        }
    }
}

/* ---- All of them ---------------------------------------------------------------------------- */

static void client_init(struct sim_world *world, uint32_t index)
{
    struct sim_client *client = &world->clients[index];
    int64_t start_ms = sim_between(world, 0, world->profile->trouble_ms * 2 / 3);

    client->world = world;
    client->index = index;
    client->next.on_time = on_next;
    client->side.on_time = on_side;
    client->places = sim_chance(world, 600);
    client->line_count = 1 + sim_below(world, 2);
    for (uint32_t i = 0; i < client->line_count; i++) {
        client->products[i] = world->db.products[(index + i) % SIM_PRODUCTS].id;
        client->quantities[i] = 1 + (int32_t)sim_below(world, 3);
    }
    client->calls_left = 1 + sim_below(world, world->profile->calls_max);
    client->sides_left = sim_chance(world, 600) ? sim_below(world, world->profile->sides) : 0;
    client->has_crowd = index == 0 && world->profile->crowd > 0;
    if (client->places)
        story_new(client, SIM_METHOD_PLACE, true);
    else
        story_new(client, SIM_METHOD_CREATE, sim_chance(world, 700));
    if (client->has_crowd) {
        start_ms = 100;
        client->sides_left = 3;
    }
    sim_at(world, &client->next, start_ms);
    if (client->sides_left > 0)
        sim_at(world, &client->side, start_ms + sim_between(world, 20, 1000));
}

void sim_clients_init(struct sim_world *world)
{
    world->client_count = world->profile->clients;
    world->clients = sim_alloc(world, world->client_count * sizeof(*world->clients));
    for (uint32_t i = 0; i < world->client_count; i++)
        client_init(world, i);
}
