/* One request to the sandbox and its answer: route, key, fault, effect, delay, delivery.
 *
 *   received -> (refused: no route, no bearer key, unreadable) --------------------------+
 *       |                                                                                v
 *       +-> fault picked -> effect now, or never, or held back -> answer put -> delay -> delivered
 *
 * An exchange lives until its answer was handed to evhttp, or its connection was closed by us. When
 * the client goes first, evhttp leaves the request to us (it has no connection then) and all goes on as
 * if it were still there: what a provider has begun it ends.
 *
 * Invariant: from the moment its answer is put (printed), an exchange points into no ledger, so a
 * ledger may be reset while answers are delayed. */
#pragma once

#include "sandbox/answer.h"
#include "sandbox/fault.h"
#include "sandbox/form.h"
#include "sandbox/sandbox.h"

#include <stdbool.h>

struct evhttp_request;
struct evbuffer;
struct event;
struct exchange;

typedef void exchange_act_fn(struct exchange *exchange);

struct route {
    const char *name;    /* what fault rules call it */
    const char *group;   /* "payments", "shipping"; NULL: control, which has no faults or latency */
    int method;          /* of enum evhttp_cmd_type */
    const char *pattern; /* "{id}" stands for one segment or the part of it before a colon */
    exchange_act_fn *act;
    exchange_act_fn *note; /* tells exchange_note_order whose call it is; NULL for control */
};

struct exchange {
    struct sandbox *sandbox;
    struct evhttp_request *request;
    const struct route *route;
    struct evbuffer *body;    /* the answer, printed */
    char *text;               /* the request's body, taken apart in place */
    char *query;              /* likewise */
    struct form form;         /* of the body, or of the query for GET */
    char id[KEY_LEN_MAX + 1]; /* {id}, decoded; "" when there is none */
    const char *key;          /* Idempotency-Key, or NULL */
    uint64_t call_n;
    struct answer answer;
    struct fault_pick fault;
    char location[FAULT_TEXT_SIZE], match[FAULT_TEXT_SIZE];
    bool is_held; /* its effect is still to come */
    struct event *timer;
    struct evbuffer *rest; /* of a dripping answer */
    LIST_ENTRY(exchange) link;
};

/* evhttp's callback for everything; `arg` is the sandbox. */
void exchange_on_request(struct evhttp_request *request, void *arg);
/* Ends all exchanges without an answer; just before evhttp is freed, which closes the connections. */
void exchange_free_all(struct sandbox *sandbox);
/* Ends those whose effect is still to come, without it and without an answer. */
void exchange_drop_held(struct sandbox *sandbox);

/* Notes whose payment or shipment the call was about, for the ledger. */
void exchange_note_order(struct exchange *exchange, const char *order_id);
/* Cancellation of a payment: lets confirmations held back for it act now, before or after it. */
void exchange_release_confirmations(struct sandbox *sandbox, const char *payment_id,
                                    enum fault_effect which);
/* The rules with that text to match have gone: answers they delay leave now. */
void exchange_release_answers(struct sandbox *sandbox, const char *match);

/* delivery.c: sends the answer as the fault's mode says; closes the connection without one, by a reset
 * when `resets`. Both take the exchange. */
void delivery_send(struct exchange *exchange);
void delivery_cut(struct exchange *exchange, bool resets);

/* exchange.c, for delivery.c. A second wait replaces the first. */
void exchange_free(struct exchange *exchange);
void exchange_wait(struct exchange *exchange, int64_t delay_ms,
                   void (*on_time)(int descriptor, short events, void *arg));
