/* Classifies answers of the shipping service (saga.md "What a try can bring").
 *
 * "Ask by id" is the same request again here: the service is idempotent by request_id. */
#include "client/fulfillment_answer.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "base/text.h"

enum {
    ID_LEN_MAX = 255
};

/* Sets of operations. */
#define CREATE (1U << FULFILLMENT_CREATE)
#define CANCEL (1U << FULFILLMENT_CANCEL)

struct no_row {
    unsigned operations;
    int status_min, status_max;
    const char *name; /* error.status; NULL: any */
    enum effect_result result;
    enum reason reason;
};

/* The first row that fits decides. An undo is never "refused for good". */
/* clang-format off */
static const struct no_row no_rows[] = {
    /* for            status    error.status           result              reason */
    {CREATE | CANCEL, 429, 429, NULL,                  EFFECT_NOT_REACHED, REASON_FULFILLMENT_UNAVAILABLE},
    {CREATE | CANCEL, 409, 409, NULL,                  EFFECT_ASK,         REASON_FULFILLMENT_UNAVAILABLE},
    {CREATE,          400, 400, NULL,                  EFFECT_REFUSED,     REASON_FULFILLMENT_REJECTED},
    {CREATE,          422, 422, NULL,                  EFFECT_REFUSED,     REASON_FULFILLMENT_REJECTED},
    {CREATE,          401, 401, NULL,                  EFFECT_REFUSED,     REASON_FULFILLMENT_MISCONFIGURED},
    {CREATE,          403, 404, NULL,                  EFFECT_REFUSED,     REASON_FULFILLMENT_MISCONFIGURED},
    {CANCEL,          400, 400, "FAILED_PRECONDITION", EFFECT_HAS_LEFT,    REASON_FULFILLMENT_REJECTED},
    {CANCEL,          400, 400, NULL,                  EFFECT_ASK,         REASON_FULFILLMENT_UNAVAILABLE},
    {CANCEL,          422, 422, NULL,                  EFFECT_ASK,         REASON_FULFILLMENT_UNAVAILABLE},
    {CANCEL,          401, 401, NULL,                  EFFECT_UNKNOWN,     REASON_FULFILLMENT_MISCONFIGURED},
    {CANCEL,          403, 404, NULL,                  EFFECT_UNKNOWN,     REASON_FULFILLMENT_MISCONFIGURED},
    {CREATE | CANCEL,   0, 999, NULL,                  EFFECT_UNKNOWN,     REASON_FULFILLMENT_UNAVAILABLE},
};
/* clang-format on */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
}

static void set(struct fulfillment_call *call, enum effect_result result, enum reason reason)
{
    call->effect.result = result;
    if (result != EFFECT_DONE)
        error_set(&call->effect.err, reason);
}

static const struct no_row *no_row_find(enum fulfillment_operation operation, int status,
                                        const char *name)
{
    for (size_t i = 0; i < COUNT_OF(no_rows); i++) {
        const struct no_row *row = &no_rows[i];

        if ((row->operations & 1U << operation) != 0 && status >= row->status_min &&
            status <= row->status_max && (row->name == NULL || strcmp(row->name, name) == 0))
            return row;
    }
    assert(false); /* the last row fits everything */
    return NULL;
}

static void read_no(enum fulfillment_operation operation, const struct fulfillment_answer *answer,
                    const json_t *body, struct fulfillment_call *call)
{
    const json_t *error = json_object_get(body, "error");
    const struct no_row *row = no_row_find(operation, answer->status, text_of(error, "status"));

    set(call, row->result, row->reason);
    if (row->result == EFFECT_NOT_REACHED)
        call->effect.retry_after_ms = answer->retry_after_ms;
}

/* Enums may be written by name or by number. */
static bool state_is(const json_t *body, const char *name, int number)
{
    const json_t *state = json_object_get(body, "state");

    if (json_is_integer(state))
        return json_integer_value(state) == number;
    return json_is_string(state) && strcmp(json_string_value(state), name) == 0;
}

static void read_created(const json_t *body, struct fulfillment_call *call)
{
    const char *id = text_of(body, "id");

    if (state_is(body, "CANCELLED", 2)) {
        set(call, EFFECT_REFUSED, REASON_FULFILLMENT_REJECTED); /* it was recalled before */
        return;
    }
    if (!state_is(body, "ACCEPTED", 1) || !text_is_visible_ascii(id, ID_LEN_MAX)) {
        set(call, EFFECT_UNKNOWN, REASON_FULFILLMENT_UNAVAILABLE);
        return;
    }
    call->shipment_id = arena_strdup(call->effect.arena, id);
    if (call->shipment_id == NULL)
        set(call, EFFECT_UNKNOWN, REASON_FULFILLMENT_UNAVAILABLE);
    else
        set(call, EFFECT_DONE, REASON_NONE);
}

static void read_cancelled(const json_t *body, struct fulfillment_call *call)
{
    if (state_is(body, "CANCELLED", 2))
        set(call, EFFECT_DONE, REASON_NONE);
    else
        set(call, EFFECT_UNKNOWN, REASON_FULFILLMENT_UNAVAILABLE);
}

void fulfillment_answer_read(enum fulfillment_operation operation,
                             const struct fulfillment_answer *answer, struct fulfillment_call *call)
{
    bool is_yes = answer->status >= 200 && answer->status <= 299;
    json_t *body = json_loadb(answer->body, answer->body_size, JSON_REJECT_DUPLICATES, NULL);

    assert(operation < FULFILLMENT_OPERATION_COUNT);
    call->shipment_id = NULL;
    if (!is_yes)
        read_no(operation, answer, body, call);
    else if (operation == FULFILLMENT_CREATE)
        read_created(body, call);
    else
        read_cancelled(body, call);
    json_decref(body);
}
