/* Unary calls: from a route that was found to the answer. */
#pragma once

#include "edge/http/http_answer.h"
#include "edge/http/http_gateway.h"
#include "edge/http/http_routes.h"

void http_call_run(struct http_gateway *gateway, struct http_exchange *exchange,
                   const struct http_match *match);
/* Answers those that are with the service, which will not end them any more. */
void http_call_abandon_all(struct http_gateway *gateway);
