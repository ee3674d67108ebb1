/* Beginning and ending calls. Not for what the answers say. */
#include "service/answer.h"

#include <assert.h>
#include <string.h>

/* ---- Beginning ----------------------------------------------------------------------------- */

void *answer_state(struct call *call, size_t size)
{
    void *state = call->arena == NULL ? NULL : arena_alloc_zero(call->arena, size);

    if (state == NULL)
        answer_reason(call, REASON_OUT_OF_MEMORY);
    return state;
}

struct store_call answer_store_call(const struct call *call, void (*done)(struct store_call *call))
{
    return (struct store_call){
        .arena = call->arena, .deadline_ms = call->answer_by_ms, .done = done};
}

/* ---- Ending -------------------------------------------------------------------------------- */

void answer_reply(struct call *call, ProtobufCMessage *reply)
{
    if (reply == NULL) {
        answer_reason(call, REASON_OUT_OF_MEMORY);
        return;
    }
    call->err = (struct error){0};
    call->reply = reply;
    call_finish(call);
}

void answer_reason(struct call *call, enum reason reason)
{
    error_set(&call->err, reason);
    call_fail(call);
}

void answer_error(struct call *call, const struct error *err)
{
    assert(error_is_set(err));
    call->err = *err;
    call_fail(call);
}

static bool is_fate_unknown(const struct service *service, const struct call *call,
                            const struct store_call *store_call, enum repeat repeat)
{
    if (store_call->err.reason != REASON_STORE_UNAVAILABLE || !store_call->maybe_done)
        return false;
    return repeat == REPEAT_UNSAFE || clock_now_ms(service->clock) >= call->answer_by_ms;
}

void answer_store_error(const struct service *service, struct call *call,
                        const struct store_call *store_call, enum repeat repeat)
{
    if (is_fate_unknown(service, call, store_call, repeat))
        answer_reason(call, REASON_DEADLINE_EXCEEDED);
    else
        answer_error(call, &store_call->err);
}

/* ---- Naming what an error is about --------------------------------------------------------- */

void error_name(struct error *err, struct arena *arena, const char *key, const char *value)
{
    for (const struct error_detail *detail = err->details; detail != NULL; detail = detail->next) {
        if (detail->kind == DETAIL_METADATA && strcmp(detail->a, key) == 0)
            return;
    }
    error_add_metadata(err, arena, key, value);
}

void error_name_resource(struct error *err, struct arena *arena, const char *type, const char *name)
{
    for (const struct error_detail *detail = err->details; detail != NULL; detail = detail->next) {
        if (detail->kind == DETAIL_RESOURCE)
            return;
    }
    error_add_resource(err, arena, type, name);
}

static bool is_about_product(enum reason reason)
{
    return reason == REASON_PRODUCT_NOT_FOUND || reason == REASON_PRODUCT_ALREADY_EXISTS ||
           reason == REASON_ETAG_MISMATCH || reason == REASON_STOCK_BELOW_ZERO ||
           reason == REASON_STOCK_OVERFLOW;
}

/* Names the stock as the refusal of an order does. */
static void add_stock_condition(struct error *err, struct arena *arena, const char *id)
{
    const char *subject = arena_printf(arena, "products/%s", id);

    if (subject != NULL)
        error_add_precondition(err, arena, "STOCK", subject, err->message);
}

void error_name_product(struct error *err, struct arena *arena, const char *id)
{
    if (!is_about_product(err->reason))
        return;
    if (err->status == STATUS_NOT_FOUND)
        error_name_resource(err, arena, "shop.v1.Product", id);
    error_name(err, arena, "productId", id);
    if (err->reason == REASON_STOCK_BELOW_ZERO)
        add_stock_condition(err, arena, id);
}
