/* Classifies answers of the payment provider (saga.md "What a try can bring").
 *
 * A "no" is looked up in one table; a "yes" is believed only after it was compared with what was
 * asked. Whatever is not understood is unknown, never a yes and never a no. */
#include "client/stripe_answer.h"

#include <assert.h>
#include <ctype.h>
#include <jansson.h>
#include <string.h>

#include "base/text.h"
#include "base/uuid.h"

enum {
    ID_LEN_MAX = 255,
    CODE_LEN_MAX = 64
};

/* ---- The table of noes ------------------------------------------------------------------- */

/* Sets of operations. */
#define ON(operation) (1U << STRIPE_##operation)
#define FORWARD (ON(OPEN) | ON(CONFIRM))
#define UNDO (ON(CANCEL) | ON(REFUND))
#define LOOKS (ON(LOOK) | ON(LOOK_REFUNDS))
#define ALL (FORWARD | UNDO | LOOKS)

struct no_row {
    unsigned operations;
    int status_min, status_max;
    const char *code;  /* error.code; NULL: any */
    const char *param; /* error.param begins with it; NULL: any */
    enum effect_result result;
    enum reason reason;
};

/* The first row that fits decides. An undo is never "refused for good": its 4xx are looked at by id,
 * or tried again. */
/* clang-format off */
static const struct no_row no_rows[] = {
    /* for                  status    code                               param             result              reason */
    {ALL,                   429, 429, NULL,                              NULL,             EFFECT_NOT_REACHED, REASON_PAYMENT_UNAVAILABLE},
    {ON(REFUND),            400, 400, "charge_already_refunded",         NULL,             EFFECT_DONE,        REASON_NONE},
    {ON(CONFIRM) | UNDO,    400, 400, "payment_intent_unexpected_state", NULL,             EFFECT_ASK,         REASON_PAYMENT_OUTCOME_UNKNOWN},
    {FORWARD | UNDO,        409, 409, NULL,                              NULL,             EFFECT_ASK,         REASON_PAYMENT_OUTCOME_UNKNOWN},
    {FORWARD,               402, 402, "authentication_required",         NULL,             EFFECT_REFUSED,     REASON_PAYMENT_ACTION_REQUIRED},
    {FORWARD,               402, 402, NULL,                              NULL,             EFFECT_REFUSED,     REASON_PAYMENT_DECLINED},
    {FORWARD,               400, 400, NULL,                              "payment_method", EFFECT_REFUSED,     REASON_PAYMENT_METHOD_INVALID},
    {FORWARD,               404, 404, NULL,                              "payment_method", EFFECT_REFUSED,     REASON_PAYMENT_METHOD_INVALID},
    {FORWARD,               422, 422, NULL,                              "payment_method", EFFECT_REFUSED,     REASON_PAYMENT_METHOD_INVALID},
    {FORWARD,               400, 401, NULL,                              NULL,             EFFECT_REFUSED,     REASON_PAYMENT_MISCONFIGURED},
    {FORWARD,               403, 404, NULL,                              NULL,             EFFECT_REFUSED,     REASON_PAYMENT_MISCONFIGURED},
    {FORWARD,               422, 422, NULL,                              NULL,             EFFECT_REFUSED,     REASON_PAYMENT_MISCONFIGURED},
    {UNDO,                  400, 400, NULL,                              NULL,             EFFECT_ASK,         REASON_PAYMENT_OUTCOME_UNKNOWN},
    {UNDO,                  402, 402, NULL,                              NULL,             EFFECT_ASK,         REASON_PAYMENT_OUTCOME_UNKNOWN},
    {UNDO,                  422, 422, NULL,                              NULL,             EFFECT_ASK,         REASON_PAYMENT_OUTCOME_UNKNOWN},
    {UNDO | LOOKS,          401, 401, NULL,                              NULL,             EFFECT_UNKNOWN,     REASON_PAYMENT_MISCONFIGURED},
    {UNDO | LOOKS,          403, 404, NULL,                              NULL,             EFFECT_UNKNOWN,     REASON_PAYMENT_MISCONFIGURED},
    {ALL,                     0, 999, NULL,                              NULL,             EFFECT_UNKNOWN,     REASON_PAYMENT_OUTCOME_UNKNOWN},
};
/* clang-format on */

/* ---- Reading JSON ------------------------------------------------------------------------ */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
}

static bool text_is(const json_t *object, const char *key, const char *expected)
{
    return strcmp(text_of(object, key), expected) == 0;
}

static bool integer_is(const json_t *object, const char *key, int64_t expected)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) && json_integer_value(value) == expected;
}

/* The provider writes currencies in lower case. */
static bool currency_is(const json_t *object, const char *expected)
{
    const char *currency = text_of(object, "currency");

    if (strlen(currency) != strlen(expected))
        return false;
    for (size_t i = 0; currency[i] != '\0'; i++) {
        if (toupper((unsigned char)currency[i]) != expected[i])
            return false;
    }
    return true;
}

static bool amount_is(const json_t *object, const struct money *amount)
{
    return integer_is(object, "amount", amount->minor) && currency_is(object, amount->currency);
}

/* What must be as asked in any answer about a payment that has an id already. */
static bool is_payment_asked_for(const json_t *body, const struct payment_call *call)
{
    return text_is(body, "id", call->payment_id) && amount_is(body, &call->amount);
}

/* clang-format off */
static const struct {
    const char *text;
    enum payment_status status;
} payment_statuses[] = {
    {"requires_payment_method", PAYMENT_STATUS_OPEN},
    {"requires_confirmation", PAYMENT_STATUS_OPEN},
    {"requires_action", PAYMENT_STATUS_OPEN},
    {"requires_capture", PAYMENT_STATUS_OPEN},
    {"processing", PAYMENT_STATUS_PROCESSING},
    {"succeeded", PAYMENT_STATUS_SUCCEEDED},
    {"canceled", PAYMENT_STATUS_CANCELLED},
};
static const struct {
    const char *text;
    enum refund_status status;
} refund_statuses[] = {
    {"succeeded", REFUND_STATUS_SUCCEEDED},     {"pending", REFUND_STATUS_PENDING},
    {"requires_action", REFUND_STATUS_PENDING}, {"failed", REFUND_STATUS_FAILED},
    {"canceled", REFUND_STATUS_FAILED},
};
/* clang-format on */

static enum payment_status payment_status_of(const json_t *body)
{
    for (size_t i = 0; i < COUNT_OF(payment_statuses); i++) {
        if (text_is(body, "status", payment_statuses[i].text))
            return payment_statuses[i].status;
    }
    return PAYMENT_STATUS_NONE;
}

static enum refund_status refund_status_of(const json_t *body)
{
    for (size_t i = 0; i < COUNT_OF(refund_statuses); i++) {
        if (text_is(body, "status", refund_statuses[i].text))
            return refund_statuses[i].status;
    }
    return REFUND_STATUS_NONE;
}

/* ---- Results ----------------------------------------------------------------------------- */

static void set(struct payment_call *call, enum effect_result result, enum reason reason)
{
    call->effect.result = result;
    if (result != EFFECT_DONE)
        error_set(&call->effect.err, reason);
}

static void set_done(struct payment_call *call)
{
    set(call, EFFECT_DONE, REASON_NONE);
}

static void set_unknown(struct payment_call *call)
{
    set(call, EFFECT_UNKNOWN, REASON_PAYMENT_OUTCOME_UNKNOWN);
}

static void set_ask(struct payment_call *call)
{
    set(call, EFFECT_ASK, REASON_PAYMENT_OUTCOME_UNKNOWN);
}

static void set_contradicted(struct payment_call *call)
{
    set(call, EFFECT_CONTRADICTED, REASON_PAYMENT_ANSWER_INVALID);
}

/* ---- A no -------------------------------------------------------------------------------- */

static bool no_row_fits(const struct no_row *row, enum stripe_operation operation, int status,
                        const json_t *error)
{
    if ((row->operations & 1U << operation) == 0)
        return false;
    if (status < row->status_min || status > row->status_max)
        return false;
    if (row->code != NULL && !text_is(error, "code", row->code) &&
        !text_is(error, "decline_code", row->code))
        return false;
    return row->param == NULL ||
           strncmp(text_of(error, "param"), row->param, strlen(row->param)) == 0;
}

static const struct no_row *no_row_find(enum stripe_operation operation, int status,
                                        const json_t *error)
{
    const struct no_row *row = no_rows;

    while (!no_row_fits(row, operation, status, error))
        row++;
    assert(row < no_rows + COUNT_OF(no_rows));
    return row;
}

/* Only what looks like one of the provider's codes is passed on to callers. */
static void add_decline_code(struct payment_call *call, const json_t *error)
{
    const char *code = text_of(error, "decline_code");

    if (*code == '\0')
        code = text_of(error, "code");
    if (text_is_visible_ascii(code, CODE_LEN_MAX))
        error_add_metadata(&call->effect.err, call->effect.arena, "declineCode", code);
}

/* A payment that cannot be cancelled stands in the error: what has become of it need not be looked up. */
static enum payment_status status_in_error(const json_t *error, const struct payment_call *call)
{
    const json_t *payment = json_object_get(error, "payment_intent");

    return is_payment_asked_for(payment, call) ? payment_status_of(payment) : PAYMENT_STATUS_NONE;
}

static void read_no(enum stripe_operation operation, const struct stripe_answer *answer,
                    const json_t *body, struct payment_call *call)
{
    const json_t *error = json_object_get(body, "error");
    const struct no_row *row = no_row_find(operation, answer->status, error);

    set(call, row->result, row->reason);
    if (row->result == EFFECT_DONE)
        call->refund_status = REFUND_STATUS_SUCCEEDED;
    if (row->result == EFFECT_NOT_REACHED)
        call->effect.retry_after_ms = answer->retry_after_ms;
    if (row->result == EFFECT_ASK && operation == STRIPE_CANCEL)
        call->status = status_in_error(error, call);
    if (row->reason == REASON_PAYMENT_DECLINED)
        add_decline_code(call, error);
}

/* ---- A yes about a payment --------------------------------------------------------------- */

/* The id goes into the database and into paths: it has to be short and plain. */
static bool take_id(struct payment_call *call, const json_t *body)
{
    const char *id = text_of(body, "id");

    if (!text_is_visible_ascii(id, ID_LEN_MAX))
        return false;
    call->id = arena_strdup(call->effect.arena, id);
    return call->id != NULL;
}

static bool metadata_is_of(const json_t *body, const struct payment_call *call)
{
    const json_t *metadata = json_object_get(body, "metadata");
    char order_id[UUID_TEXT_SIZE], attempt[16];

    uuid_format(&call->order_id, order_id);
    snprintf(attempt, sizeof(attempt), "%d", call->attempt);
    return text_is(metadata, "order_id", order_id) && text_is(metadata, "attempt", attempt);
}

static void read_opened(const json_t *body, struct payment_call *call)
{
    if (call->status == PAYMENT_STATUS_NONE || !take_id(call, body))
        set_unknown(call);
    else if (!amount_is(body, &call->amount) || !metadata_is_of(body, call))
        set_contradicted(call);
    else if (call->status != PAYMENT_STATUS_OPEN)
        set_contradicted(call); /* nobody has confirmed it */
    else
        set_done(call);
}

/* Confirmed without having succeeded. A "no" comes as 402; one that hides in a 200 is believed too,
 * since the payment is cancelled by its id whatever it was. */
static void read_not_succeeded(const json_t *body, struct payment_call *call)
{
    if (text_is(body, "status", "requires_payment_method")) {
        set(call, EFFECT_REFUSED, REASON_PAYMENT_DECLINED);
        add_decline_code(call, json_object_get(body, "last_payment_error"));
    } else if (text_is(body, "status", "requires_action")) {
        set(call, EFFECT_REFUSED, REASON_PAYMENT_ACTION_REQUIRED);
    } else {
        set_ask(call);
    }
}

static void read_confirmed(const json_t *body, struct payment_call *call)
{
    const json_t *received = json_object_get(body, "amount_received");

    if (call->status == PAYMENT_STATUS_NONE)
        set_unknown(call);
    else if (!is_payment_asked_for(body, call))
        set_contradicted(call);
    else if (call->status != PAYMENT_STATUS_SUCCEEDED)
        read_not_succeeded(body, call);
    else if (received != NULL && !integer_is(body, "amount_received", call->amount.minor))
        set_contradicted(call);
    else
        set_done(call);
}

static void read_looked_at(const json_t *body, struct payment_call *call)
{
    if (call->status == PAYMENT_STATUS_NONE)
        set_unknown(call);
    else if (!is_payment_asked_for(body, call))
        set_contradicted(call);
    else
        set_done(call);
}

static void read_cancelled(const json_t *body, struct payment_call *call)
{
    if (call->status == PAYMENT_STATUS_NONE)
        set_unknown(call);
    else if (!text_is(body, "id", call->payment_id))
        set_contradicted(call);
    else if (call->status != PAYMENT_STATUS_CANCELLED)
        set_ask(call);
    else
        set_done(call);
}

/* ---- A yes about refunds ----------------------------------------------------------------- */

/* In full, of this payment. */
static bool is_refund_asked_for(const json_t *refund, const struct payment_call *call)
{
    return text_is(refund, "payment_intent", call->payment_id) && amount_is(refund, &call->amount);
}

static void read_refunded(const json_t *body, struct payment_call *call)
{
    call->refund_status = refund_status_of(body);
    if (call->refund_status == REFUND_STATUS_NONE || !take_id(call, body))
        set_unknown(call);
    else if (!is_refund_asked_for(body, call))
        set_contradicted(call);
    else
        set_done(call);
}

/* Of several refunds the best one counts; the enum does not stand in that order. */
static int merit(enum refund_status status)
{
    static const int merits[] = {
        [REFUND_STATUS_NONE] = 0,
        [REFUND_STATUS_FAILED] = 1,
        [REFUND_STATUS_PENDING] = 2,
        [REFUND_STATUS_SUCCEEDED] = 3,
    };

    return merits[status];
}

static void read_refunds(const json_t *body, struct payment_call *call)
{
    const json_t *data = json_object_get(body, "data");
    enum refund_status best = REFUND_STATUS_NONE;
    const json_t *refund;
    size_t i;

    if (!json_is_array(data)) {
        set_unknown(call);
        return;
    }
    json_array_foreach(data, i, refund)
    {
        enum refund_status status = refund_status_of(refund);

        if (is_refund_asked_for(refund, call) && merit(status) > merit(best))
            best = status;
    }
    call->refund_status = best;
    set_done(call);
}

/* ---- All together ------------------------------------------------------------------------ */

static void read_yes(enum stripe_operation operation, const json_t *body, struct payment_call *call)
{
    call->status = payment_status_of(body);
    switch (operation) {
    case STRIPE_OPEN:
        read_opened(body, call);
        break;
    case STRIPE_CONFIRM:
        read_confirmed(body, call);
        break;
    case STRIPE_LOOK:
        read_looked_at(body, call);
        break;
    case STRIPE_CANCEL:
        read_cancelled(body, call);
        break;
    case STRIPE_REFUND:
        call->status = PAYMENT_STATUS_NONE;
        read_refunded(body, call);
        break;
    case STRIPE_LOOK_REFUNDS:
        call->status = PAYMENT_STATUS_NONE;
        read_refunds(body, call);
        break;
    case STRIPE_OPERATION_COUNT:
        assert(false);
    }
}

void stripe_answer_read(enum stripe_operation operation, const struct stripe_answer *answer,
                        struct payment_call *call)
{
    bool is_yes = answer->status >= 200 && answer->status <= 299;
    json_t *body = json_loadb(answer->body, answer->body_size, JSON_REJECT_DUPLICATES, NULL);

    assert(operation < STRIPE_OPERATION_COUNT);
    call->id = NULL;
    call->status = PAYMENT_STATUS_NONE;
    call->refund_status = REFUND_STATUS_NONE;
    if (!is_yes)
        read_no(operation, answer, body, call);
    else if (!json_is_object(body))
        set_unknown(call);
    else
        read_yes(operation, body, call);
    json_decref(body);
}
