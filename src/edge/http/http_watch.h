/* Methods that stream: one message after the other, as server-sent events, as lines of JSON, or as an
 * array, by Accept. */
#pragma once

#include "edge/http/http_answer.h"
#include "edge/http/http_gateway.h"
#include "edge/http/http_routes.h"

void http_watch_open(struct http_gateway *gateway, struct http_exchange *exchange,
                     const struct http_match *match);
/* Ends all that are open: SHUTTING_DOWN. */
void http_watch_drain_all(struct http_gateway *gateway);
