/* If-Match and If-None-Match, and the etags they speak of.
 *
 * The etag of a reply that has a field etag is weak, W/"<etag>"; when it also says how many are
 * available, that is a part of it, W/"<etag>-<available>", since it changes without the etag. */
#pragma once

#include "base/error.h"
#include "edge/http/http_request.h"
#include "edge/transcode/message_shape.h"

/* The etag of a reply, in the arena; NULL when it has none (or there was no memory). */
const char *http_condition_etag(const struct message_shape *shape, const ProtobufCMessage *reply,
                                struct arena *arena) NODISCARD;
/* Whether If-None-Match names it: compared weakly. */
bool http_condition_is_same(const struct http_request *request, const char *etag);
/* The etag part of If-Match; "" when there is no condition. REQUEST_INVALID for what is no etag, or more
 * than one. */
enum status http_condition_match(const struct http_request *request, const char **out_etag,
                                 struct error *err) NODISCARD;
