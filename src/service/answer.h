/* The ways a service function begins and ends a call. Each answer_… ends the call: it may be gone
 * afterwards, so the caller returns at once. */
#pragma once

#include "base/macros.h"
#include "base/reason.h"
#include "port/store_call.h"
#include "service/service.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

/* What a method remembers while it waits, zeroed, in the call's arena. NULL: there is no memory, and the
 * call has been ended. */
void *answer_state(struct call *call, size_t size) NODISCARD;
#define ANSWER_STATE(call, type) ((type *)answer_state((call), sizeof(type)))

/* The part of a store operation that all have. */
struct store_call answer_store_call(const struct call *call, void (*done)(struct store_call *call));

/* Ends with a reply; NULL: it could not be made, OUT_OF_MEMORY. */
void answer_reply(struct call *call, ProtobufCMessage *reply);
void answer_reason(struct call *call, enum reason reason);
/* Ends with an error whose details are in the call's arena. */
void answer_error(struct call *call, const struct error *err);

/* Whether sending the same call again is safe: it changes nothing, carries a key, or names all that it
 * sets. */
enum repeat {
    REPEAT_SAFE,
    REPEAT_UNSAFE
};

/* Ends with the error of a store operation. What is no longer known because the deadline passed is
 * DEADLINE_EXCEEDED; so is the unknown fate of a call that must not be repeated blindly, since
 * STORE_UNAVAILABLE invites exactly that. */
void answer_store_error(const struct service *service, struct call *call,
                        const struct store_call *store_call, enum repeat repeat);

/* Names the product in an error that is about one (not found, taken, changed, stock). */
void error_name_product(struct error *err, struct arena *arena, const char *id);
/* Metadata `key`, or a resource, unless there is one already. */
void error_name(struct error *err, struct arena *arena, const char *key, const char *value);
void error_name_resource(struct error *err, struct arena *arena, const char *type,
                         const char *name);
