/* Pages of other origins: who may read answers, by the setting CORS_ORIGINS. Nobody without it. Never
 * with credentials. */
#pragma once

struct http_exchange;

void http_cors_add(struct http_exchange *exchange);
/* What a browser asks for before it sends a request; `allow` are the methods of the path. */
void http_cors_add_preflight(struct http_exchange *exchange, const char *allow);
