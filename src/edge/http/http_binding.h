/* A request of HTTP as the message of its method: body, variables of the path, query, and the header
 * fields that stand for fields of the message (Idempotency-Key, If-Match).
 *
 * Strict: what is named twice, unknown or given where the method does not take it is refused, naming
 * the field, all of it in one answer. */
#pragma once

#include "base/error.h"
#include "edge/http/http_answer.h"
#include "edge/http/http_routes.h"

/* The message, in the request's arena. REQUEST_INVALID, FIELD_UNKNOWN, JSON_INVALID,
 * MEDIA_TYPE_UNSUPPORTED, MESSAGE_TOO_LARGE, OUT_OF_MEMORY. Sets exchange->has_if_match. */
enum status http_bind(struct http_exchange *exchange, const struct http_match *match,
                      ProtobufCMessage **out_message, struct error *err) NODISCARD;

/* How long the caller waits, by Grpc-Timeout; the default without it. */
enum status http_bind_timeout(const struct http_request *request, int64_t *out_ms,
                              struct error *err) NODISCARD;
