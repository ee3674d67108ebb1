/* The fields of CORS. Not for whether a request is served: it is, only the browser hides the answer. */
#include "edge/http/http_cors.h"

#include "edge/http/http_answer.h"

#include <string.h>

static const char allowed_headers[] =
    "Content-Type,Connect-Protocol-Version,Connect-Timeout-Ms,Grpc-Timeout,X-Grpc-Web,X-User-Agent,"
    "Authorization,Idempotency-Key,If-Match,If-None-Match,Last-Event-ID";
static const char exposed_headers[] =
    "Grpc-Status,Grpc-Message,Grpc-Status-Details-Bin,Retry-After,ETag,Idempotent-Replayed,Allow";
static const char separators[] = ", ";

/* Whether the list of the setting has it. */
static bool list_has(const char *origins, const char *origin)
{
    size_t len = strlen(origin);

    while (*origins != '\0') {
        size_t size;

        origins += strspn(origins, separators);
        size = strcspn(origins, separators);
        if ((size == len && strncmp(origins, origin, len) == 0) || (size == 1 && *origins == '*'))
            return true;
        origins += size;
    }
    return false;
}

static const char *allowed_origin(const struct http_exchange *exchange)
{
    const char *origin = http_request_field(exchange->request, "origin", NULL);

    return origin != NULL && list_has(exchange->site->origins, origin) ? origin : NULL;
}

void http_cors_add(struct http_exchange *exchange)
{
    const char *origin;

    if (exchange->site->origins[0] == '\0')
        return;
    origin = allowed_origin(exchange);
    http_answer_field(exchange, "vary", "origin");
    if (origin == NULL)
        return;
    http_answer_field(exchange, "access-control-allow-origin", origin);
    http_answer_field(exchange, "access-control-expose-headers", exposed_headers);
}

void http_cors_add_preflight(struct http_exchange *exchange, const char *allow)
{
    if (allowed_origin(exchange) == NULL ||
        http_request_field(exchange->request, "access-control-request-method", NULL) == NULL)
        return;
    http_answer_field(exchange, "access-control-allow-methods", allow);
    http_answer_field(exchange, "access-control-allow-headers", allowed_headers);
    http_answer_field(exchange, "access-control-max-age", "7200");
    http_answer_field(exchange, "vary",
                      "access-control-request-method, access-control-request-headers");
}
